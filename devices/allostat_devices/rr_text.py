"""Beat intervals as text: one a line or in columns, from Elite HRV, Selfloops, HRV Logger, Kubios lists and the like.

The unit is told by the header or by the median; a file whose median fits neither ms nor s is refused until the
caller names the unit. An interval outside 200 to 3000 ms is NaN and stays a gap.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError, UnitError
from allostat.recording import UNKNOWN_ZONE, Device, Epoch, Notice, Provenance, Recording, TimeZone
from allostat.source import Source
from allostat_devices.beat_list import wanted_json
from allostat_devices.file_names import has_device_id, input_file, recording_id, start_in_name, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.rr_beats import IntervalRows, Start, beats_of_rows, collect, time_column
from allostat_devices.rr_layout import Layout, NoLayout, layout_of, parse_stamp
from allostat_devices.rr_rows import regular_rows
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, line_blocks, open_text, readable_lines, why_not_text
from allostat_devices.zone_inference import fixed_offset_name, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEAD = 16_384
_SNIFFED = 4096
_RANGE_MS, _RANGE_S = (200.0, 2500.0), (0.2, 2.5)
_NS_PER_MS = 1_000_000
_PLAIN_SHARE = 0.9
"""Share of plausible numbers from which a list without a header counts as intervals."""
_ELITE_HRV = re.compile(r"\d{4}-\d\d-\d\d \d\d-\d\d-\d\d\.txt$")
_UNVERIFIED = frozenset({"hrv_logger"})
_DEVICES = {
    "selfloops": Device(kind="app", model="Selfloops HRV"),
    "hrv_logger": Device(kind="app", model="HRV Logger"),
    "elite_hrv": Device(kind="app", model="Elite HRV"),
    "polar_hrm": Device(manufacturer="Polar", kind="wrist"),
}


class RrText:
    """Adapter of plain beat intervals."""

    name = "rr_text"
    title = "Beat intervals as text (RR, IBI, NN)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("beats",)
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise a known header, or rows of numbers in the range of beat intervals."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Beats and their span, by reading: a day of intervals takes a tenth of a second."""
        members = claimed_members(source, _look)
        streams = []
        notices: list[Notice] = []
        epochs: set[Epoch] = set()
        names = [shown_name(source, member) for member in members]
        identifiers = {"device id in file name"} if any(map(has_device_id, names)) else set()
        for member, name in zip(members, names, strict=True):
            lines = head_lines(source, member, _HEAD)
            layout = _layout(lines, name)
            count = max(count_lines(source, member)[0] - layout.first_row, 0)
            label = "rr" if len(members) == 1 else f"{recording_id(name, 'rr')}/rr"
            try:
                beats = _recording(source, member, ReadOptions(), UNKNOWN_ZONE, self).beats["rr"]
            except UnitError:  # the caller will have to name the unit; until then the length is not known
                epochs.add(_likely_epoch(layout, name))
                streams.append(StreamSummary(label, "beats", count, float("nan"), layout.unit or "ms", 0, 0))
                notices.append(Notice("unit_unknown", f"{name}: name the unit of its intervals (ms or s)"))
                continue
            epochs.add(beats.epoch)
            span = int(beats.times_ns[0]), int(beats.times_ns[-1])
            streams.append(StreamSummary(label, "beats", len(beats), float("nan"), "ms", *span, len(beats.gaps)))
            if any("subject" in line.casefold() or "name" in line.casefold() for line in lines[: layout.first_row]):
                identifiers.add("name in header")
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            epoch=epochs.pop() if len(epochs) == 1 else "relative",
            identifiers=tuple(sorted(identifiers)),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=tuple(notices),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with the beats ``rr``.

        Raises
        ------
        UnitError
            When the unit cannot be told, contradicts the header, or changes inside the file.
        InputError
            When the file holds no intervals.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            yield with_distinct_id(_recording(source, member, options, zone, self), taken)


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    try:
        lines = head_lines(source, member, _SNIFFED)
        layout = layout_of(lines)
        if isinstance(layout, NoLayout):
            return Sniff(0.0, layout.reason)
        rows = IntervalRows()
        skipped = SkippedRows(member)
        collect(rows, lines[layout.first_row :], layout.first_row + 1, layout, skipped)
    except InputError as error:
        return Sniff(0.3, str(error))
    values = np.array(rows.values)
    if not len(values):
        return Sniff(0.1, "holds no number where intervals should be")
    named = bool(layout.header)
    if len(values) < 0.5 * skipped.rows:
        return Sniff(0.2, f"only {len(values)} of the first {skipped.rows} rows hold numbers")
    if _are_instants(values):
        # where the adapter of instants says what is missing, that is enough
        return Sniff(
            0.2 if wanted_json(source, member) is None else 0.0, "rising numbers: beat instants rather than intervals"
        )
    in_ms = np.mean((values >= _RANGE_MS[0]) & (values <= _RANGE_MS[1]))
    in_s = np.mean((values >= _RANGE_S[0]) & (values <= _RANGE_S[1]))
    unit = "ms" if in_ms >= in_s else "s"
    if named:
        clear = max(in_ms, in_s) >= 0.5
        reason = f"numbers in the range of intervals in {unit}" if clear else "a column of intervals, unit not clear"
        return Sniff(0.9 if clear else 0.6, f"{layout.dialect}: {reason}")
    if runs_like_a_wave(values):
        return Sniff(0.3, "numbers run as smoothly as a waveform")
    if max(in_ms, in_s) >= _PLAIN_SHARE:
        return Sniff(0.6, f"{layout.dialect}: numbers in the range of intervals in {unit}")
    if min(in_ms, in_s) > 0.01 and in_ms + in_s >= _PLAIN_SHARE:
        return Sniff(0.5, "numbers in the ranges of intervals in ms and in s, mixed")
    median = float(np.median(values))
    near = 0.1 <= median <= 5.0 or 100.0 <= median <= 5000.0
    if layout.rr_column == 0 and (values > 0).all() and near and max(in_ms, in_s) < 0.5:
        return Sniff(0.5, f"one positive number a line, median {median:g}: name the unit")
    return Sniff(0.1, f"numbers outside the range of beat intervals (median {median:g})")


def runs_like_a_wave(values: NDArray[np.float64]) -> bool:
    """Whether numbers run like a sampled wave and not like intervals.

    Few values of a wave are turning points: two in three are in noise, one in three or more in RR intervals. The ones
    of a coarsely sampled wave with noise are more; but it stands still in many steps and goes on in its direction in
    the others (correlation of a step with the next: 0.6 to 0.9 in ECGs, below 0.4 in RR intervals of real persons).
    Breathing to a slow pace makes such intervals as well, and they do not stand still.
    """
    steps = np.diff(values)
    moving = steps[steps != 0]
    if len(moving) <= 100:
        return False
    if float(np.mean(moving[1:] * moving[:-1] < 0)) < 0.2:
        return True
    still = 1.0 - len(moving) / len(steps)
    return still > 0.1 and float(np.corrcoef(steps[1:], steps[:-1])[0, 1]) > 0.5


def _layout(lines: list[str], where: str) -> Layout:
    layout = layout_of(lines)
    if isinstance(layout, NoLayout):
        raise InputError(f"holds no beat intervals: {layout.reason}", where=where)
    return layout


def _likely_epoch(layout: Layout, name: str) -> Epoch:
    if layout.dialect == "hrv_logger":
        return "utc"
    return "local" if layout.start_line or layout.dialect == "polar_hrm" or start_in_name(name) else "relative"


def _recording(source: Source, member: str, options: ReadOptions, zone: TimeZone, adapter: RrText) -> Recording:
    name = shown_name(source, member)
    skipped = SkippedRows(without_device_id(name))
    head = head_lines(source, member, _HEAD)
    layout = _layout(head, name)
    at_once = regular_rows(source, member, layout)
    rows = IntervalRows() if at_once is None else at_once[0]
    skipped.rows += len(rows.values)
    if at_once is None:
        with open_text(source, member) as text:
            for first, lines in line_blocks(text):
                begin = max(layout.first_row + 1 - first, 0)
                collect(rows, readable_lines(lines[begin:]), first + begin, layout, skipped)
    if not rows.values:
        found = "; ".join(n.message for n in skipped.notices())
        raise InputError("holds no intervals", where=name, found=found or None)
    notices: list[Notice] = []
    unit = _unit(np.array(rows.values), layout, options, name, notices)
    to_ms = 1000.0 if unit == "s" else 1.0
    times = at_once[1] if at_once is not None else None
    if layout.time_column is not None and times is None:
        times = time_column(rows, layout, to_ms, skipped)
    start = Start(_start(layout, head, name), zone, name)
    if (
        start.local_ns is not None
        and start.local_ns == start_in_name(name)
        and (not times or times.epoch == "relative")
    ):
        notices.append(Notice("start_in_name", "start taken from the file name", "info"))
    beats, told = beats_of_rows(rows, to_ms, times, start, skipped)
    if times is not None and times.offset_s is not None and not zone.known:
        # an app that always writes +0000 looks the same as a participant in UTC
        zone = TimeZone(fixed_offset_name(times.offset_s * 1_000_000_000), "file", weak=times.offset_s == 0)
    dialect = (
        "elite_hrv" if layout.dialect == "plain" and _ELITE_HRV.match(PurePosixPath(name).name) else layout.dialect
    )
    verified = dialect not in _UNVERIFIED
    if not verified:
        notices.append(Notice("unverified", f"{dialect}: not verified on a real export"))
    return Recording(
        id=recording_id(name, "rr"),
        beats={"rr": beats},
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=_DEVICES.get(dialect, Device()),
        provenance=Provenance((input_file(source, member),), adapter.name, adapter.version, verified, {"unit": unit}),
        notices=(*skipped.notices(), *notices, *told),
    )


def _are_instants(values: NDArray[np.float64]) -> bool:
    """Whether numbers rise throughout and leave the range that intervals of one unit have."""
    if len(values) <= 20 or not bool(np.all(np.diff(values) > 0)):
        return False
    return not any(low <= values[0] and values[-1] <= high for low, high in (_RANGE_MS, _RANGE_S))


def _unit(values: NDArray[np.float64], layout: Layout, options: ReadOptions, where: str, notices: list[Notice]) -> str:
    """``ms`` or ``s``: from the caller, the header, or the median."""
    if options.unit is not None and options.unit not in ("ms", "s"):
        raise UnitError("unit of beat intervals", where=where, found=options.unit, valid=("ms", "s"))
    if _are_instants(values):
        raise InputError(
            "numbers rise from row to row: beat instants, not intervals",
            where=where,
            found=f"{values[0]:g}, {values[1]:g}, {values[2]:g} …",
            expected="intervals between beats",
        )
    in_ms = (values >= _RANGE_MS[0]) & (values <= _RANGE_MS[1])
    in_s = (values >= _RANGE_S[0]) & (values <= _RANGE_S[1])
    median = float(np.median(values))
    fewer = min(int(in_ms.sum()), int(in_s.sum()))
    # gaps of minutes in a file in s look like a few values in ms: mixing means more than one in a hundred
    if fewer >= 2 and fewer >= 0.01 * len(values):
        minority = in_s if in_s.sum() <= in_ms.sum() else in_ms
        at = int(np.flatnonzero(minority)[0])
        raise UnitError(
            "intervals in ms and in s are mixed in one file",
            where=f"{where}, interval {at + 1}",
            found=f"{int(in_ms.sum())} in the range of ms, {int(in_s.sum())} in the range of s",
            expected="one unit",
        )
    likely = "ms" if _RANGE_MS[0] <= median <= _RANGE_MS[1] else "s" if _RANGE_S[0] <= median <= _RANGE_S[1] else None
    stated = options.unit or layout.unit
    if stated is None and likely is None:
        raise UnitError(
            "unit of the intervals cannot be told from their median: name it with unit=",
            where=where,
            found=f"median {median:g}",
            expected="200 to 2500 (ms) or 0.2 to 2.5 (s)",
        )
    if stated is None:
        notices.append(Notice("unit_inferred", f"unit {likely} inferred from the median {median:g}", "info"))
        return str(likely)
    if likely is not None and stated != likely:
        raise UnitError(
            f"unit {stated} contradicts the intervals", where=where, found=f"median {median:g}", expected=likely
        )
    return stated


def _start(layout: Layout, head: list[str], name: str) -> int | None:
    """Wall-clock start that the file or its name tells, in ns as if it were UTC."""
    if layout.start_line:
        try:
            return parse_stamp(layout.start_line).ns
        except ValueError as error:
            raise InputError("start cannot be read", where=f"{name}, line 1", found=layout.start_line) from error
    if layout.dialect == "polar_hrm":
        facts = dict(line.strip().split("=", 1) for line in head if "=" in line)
        return start_in_name(f"{facts.get('Date', '')} {facts.get('StartTime', '')}")
    return start_in_name(name)


ADAPTER = RrText()
