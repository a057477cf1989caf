"""Beat intervals as text: one a line or in columns, from Elite HRV, Selfloops, HRV Logger, Kubios lists and the like.

The unit is told by the header or by the median; a file whose median fits neither ms nor s is refused until the
caller names the unit. An interval outside 200 to 3000 ms is NaN and stays a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import InputError, UnitError
from allostat.recording import (
    Beats,
    Device,
    Epoch,
    Manifest,
    Notice,
    Provenance,
    ReadOptions,
    Recording,
    Sniff,
    StreamSummary,
    TimeZone,
)
from allostat.source import Source
from allostat_devices.beat_stamps import (
    LONGEST_MS,
    RecordedIntervals,
    by_arrival,
    chained,
    joined_by_stamps,
    place,
    plausible,
)
from allostat_devices.file_names import has_device_id, input_file, recording_id, start_in_name, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members
from allostat_devices.rr_layout import Layout, NoLayout, layout_of, parse_stamp
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, line_blocks, open_text, readable, why_not_text
from allostat_devices.zone_inference import fixed_offset_name, local_to_utc, utc_offset_ns, zone_named, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HEAD = 16_384
_RANGE_MS, _RANGE_S = (200.0, 2500.0), (0.2, 2.5)
_NS_PER_MS = 1_000_000
_PLAIN_SHARE = 0.9
"""Share of plausible numbers from which a list without a header counts as intervals."""
_ENOUGH_JOINED = 0.5
"""Share of rows whose times fit the intervals from which a time column counts as stamps of beats."""
_DEVICES = {
    "selfloops": Device(kind="app", model="Selfloops HRV"),
    "hrv_logger": Device(kind="app", model="HRV Logger"),
    "elite_hrv": Device(kind="app", model="Elite HRV"),
    "polar_hrm": Device(manufacturer="Polar", kind="wrist"),
}


@dataclass
class _Rows:
    """Intervals as written, with the line of each, and where lines were lost."""

    values: list[float] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    broken: list[bool] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Times:
    """A time column as instants of one epoch, in ns; ``local`` still as wall clock."""

    ns: NDArray[np.int64]
    epoch: Epoch
    offset_s: int | None


class RrText:
    """Adapter of plain beat intervals."""

    name = "rr_text"
    title = "Beat intervals as text (RR, IBI, NN)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("beats",)

    def sniff(self, source: Source) -> Sniff:
        """Recognise a known header, or rows of numbers in the range of beat intervals."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Number of rows and epoch, by the first lines and the number of lines."""
        members = claimed_members(source, _look)
        streams = []
        epochs: set[Epoch] = set()
        names = [shown_name(source, member) for member in members]
        identifiers = {"device id in file name"} if any(map(has_device_id, names)) else set()
        for member, name in zip(members, names, strict=True):
            lines = head_lines(source, member, _HEAD)
            layout = _layout(lines, name)
            count = max(count_lines(source, member)[0] - layout.first_row, 0)
            epochs.add(_likely_epoch(layout, name))
            label = "rr" if len(members) == 1 else f"{recording_id(name, 'rr')}/rr"
            streams.append(StreamSummary(label, "beats", count, float("nan"), layout.unit or "ms", 0, 0))
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
            notices=(Notice("estimated", "rows counted, not parsed", "info"),),
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
        for member in claimed_members(source, _look):
            yield _recording(source, member, options, zone, self)


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    try:
        lines = head_lines(source, member, _HEAD)
        layout = layout_of(lines)
        if isinstance(layout, NoLayout):
            return Sniff(0.0, layout.reason)
        rows = _Rows()
        skipped = SkippedRows(member)
        _collect(rows, lines[layout.first_row :], layout.first_row + 1, layout, skipped)
    except InputError as error:
        return Sniff(0.3, str(error))
    values = np.array(rows.values)
    if not len(values):
        return Sniff(0.1, "holds no number where intervals should be")
    named = bool(layout.header)
    if len(values) < 0.5 * skipped.rows:
        return Sniff(0.2, f"only {len(values)} of the first {skipped.rows} rows hold numbers")
    if _are_instants(values):
        return Sniff(0.2, "rising numbers: beat instants rather than intervals")
    in_ms = np.mean((values >= _RANGE_MS[0]) & (values <= _RANGE_MS[1]))
    in_s = np.mean((values >= _RANGE_S[0]) & (values <= _RANGE_S[1]))
    unit = "ms" if in_ms >= in_s else "s"
    if named:
        clear = max(in_ms, in_s) >= 0.5
        reason = f"numbers in the range of intervals in {unit}" if clear else "a column of intervals, unit not clear"
        return Sniff(0.9 if clear else 0.6, f"{layout.dialect}: {reason}")
    if _is_smooth(values):
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


def _is_smooth(values: NDArray[np.float64]) -> bool:
    """Whether few values are turning points: two in three are in noise, one in three or more in RR intervals."""
    steps = np.diff(values)
    steps = steps[steps != 0]
    return len(steps) > 100 and float(np.mean(steps[1:] * steps[:-1] < 0)) < 0.2


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
    rows = _Rows()
    with open_text(source, member) as text:
        for first, lines in line_blocks(text):
            begin = max(layout.first_row + 1 - first, 0)
            _collect(rows, [readable(line) for line in lines[begin:]], first + begin, layout, skipped)
    if not rows.values:
        found = "; ".join(n.message for n in skipped.notices())
        raise InputError("holds no intervals", where=name, found=found or None)
    notices: list[Notice] = []
    unit = _unit(np.array(rows.values), layout, options, name, notices)
    start, start_zone = _start(layout, head, name), zone
    times = _times(rows, layout, skipped) if layout.time_column is not None else None
    if times is not None and times.offset_s is not None and not zone.known:
        start_zone = TimeZone(fixed_offset_name(times.offset_s * 1_000_000_000), "file")
    beats = _beats(rows, 1000.0 if unit == "s" else 1.0, times, start, start_zone, skipped, notices, name)
    dialect = "elite_hrv" if layout.dialect == "plain" and start_in_name(name) is not None else layout.dialect
    return Recording(
        id=recording_id(name, "rr"),
        beats={"rr": beats},
        participant=options.participant or participant_of(source, member),
        timezone=start_zone,
        device=_DEVICES.get(dialect, Device()),
        provenance=Provenance(
            (input_file(source, member),), adapter.name, adapter.version, adapter.verified, {"unit": unit}
        ),
        notices=(*skipped.notices(), *notices),
    )


def _collect(rows: _Rows, lines: list[str], first_line: int, layout: Layout, skipped: SkippedRows) -> None:
    """Append the intervals of some lines; a line that cannot be read breaks the series."""
    broken = False
    for number, raw in enumerate(lines, start=first_line):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        skipped.rows += 1
        fields = line.split(layout.separator) if layout.separator else line.split()
        try:
            cells = fields if layout.rr_column is None else [fields[layout.rr_column]]
            numbers = [_number(cell, layout.decimal_comma) for cell in cells if cell.strip() or len(cells) == 1]
            time = "" if layout.time_column is None else fields[layout.time_column].strip()
            _refuse_surplus(fields, layout)
        except IndexError:
            skipped.add("truncated", number)
            broken = True
            continue
        except ValueError:
            skipped.add("bad_number", number)
            broken = True
            continue
        for value in numbers:
            rows.values.append(value)
            rows.times.append(time)
            rows.lines.append(number)
            rows.broken.append(broken)
            broken = False


def _refuse_surplus(fields: list[str], layout: Layout) -> None:
    # one interval a line: a second word makes the line junk, an empty field at its end does not
    if layout.rr_column == 0 and layout.time_column is None and not layout.header:
        for cell in fields[1:]:
            if cell.strip():
                _number(cell, layout.decimal_comma)


def _number(cell: str, comma: bool) -> float:
    text = cell.strip().strip('"')
    if "_" in text:
        raise ValueError("underscore in a number")
    value = float(text.replace(",", ".") if comma else text)
    if not np.isfinite(value):
        raise ValueError("not a finite number")
    return value


def _are_instants(values: NDArray[np.float64]) -> bool:
    return len(values) > 20 and bool(np.all(np.diff(values) > 0))


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
        return parse_stamp(layout.start_line).ns
    if layout.dialect == "polar_hrm":
        facts = dict(line.strip().split("=", 1) for line in head if "=" in line)
        return start_in_name(f"{facts.get('Date', '')} {facts.get('StartTime', '')}")
    return start_in_name(name)


def _times(rows: _Rows, layout: Layout, skipped: SkippedRows) -> _Times | None:
    """The time column as ns; None when it is a mere row number. Rows whose time cannot be read are taken out."""
    try:
        numbers = np.array([_number(cell, layout.decimal_comma) for cell in rows.times])
    except ValueError:
        return _clock_times(rows, skipped)
    steps = np.diff(numbers)
    if len(steps) and bool(np.all(steps == 1)):
        return None
    median = float(np.median(np.abs(numbers)))
    if 1e11 < median < 1e13:
        return _Times(np.rint(numbers * 1e6).astype(np.int64), "utc", None)
    if 1e8 < median < 1e10:
        return _Times(np.rint(numbers * 1e9).astype(np.int64), "utc", None)
    if not len(steps) or median > 1e10:
        return None
    values = np.array(rows.values)
    ratio = float(np.median(np.abs(steps))) / max(float(np.median(np.abs(values))), 1e-9)
    # a time in s beside intervals in ms, or the other way round
    in_ms = values if np.median(values) > 20 else values * 1000.0
    scale_ns = float(np.median(in_ms)) / max(ratio * float(np.median(values)), 1e-9) * 1e6
    unit_ns = 1e9 if scale_ns > 3e7 else 1e6
    return _Times(np.rint(np.clip(numbers * unit_ns, -9e17, 9e17)).astype(np.int64), "relative", None)


def _clock_times(rows: _Rows, skipped: SkippedRows) -> _Times | None:
    stamps, kept = [], []
    for i, cell in enumerate(rows.times):
        try:
            stamps.append(parse_stamp(cell))
            kept.append(i)
        except (ValueError, OverflowError):
            skipped.add("bad_time", rows.lines[i])
    lost = np.ones(len(rows.times), bool)
    lost[kept] = False
    for i in np.flatnonzero(lost)[::-1]:
        if i + 1 < len(rows.broken):
            rows.broken[i + 1] = True
        del rows.values[i], rows.times[i], rows.lines[i], rows.broken[i]
    if not stamps:
        return None
    offset = stamps[0].offset_s
    ns = np.array([stamp.ns for stamp in stamps], np.int64)
    return _Times(ns, "local" if offset is None else "utc", offset)


def _beats(
    rows: _Rows,
    to_ms: float,
    times: _Times | None,
    start_ns: int | None,
    zone: TimeZone,
    skipped: SkippedRows,
    notices: list[Notice],
    where: str,
) -> Beats:
    if not rows.values:
        raise InputError("holds no row with a time that can be read", where=where)
    length_ms = np.array(rows.values) * to_ms
    lines, broken = np.array(rows.lines), np.array(rows.broken)
    usable = (length_ms > 0) & (length_ms <= LONGEST_MS)
    broken |= np.concatenate([[False], ~usable[:-1]])
    odd = lines[~(usable & plausible(length_ms))]
    if len(odd):
        skipped.add("out_of_range", int(odd[0]), len(odd))
    if not usable.any():
        raise InputError("holds no interval above zero", where=where)
    # a run of unusable rows passes its break on to the next usable one
    carried = np.maximum.reduceat(broken, np.concatenate([[0], np.flatnonzero(usable)[:-1] + 1]))
    length_ms, kept_lines = length_ms[usable], lines[usable]
    if times is not None:
        times = replace(times, ns=times.ns[usable])
    if times is None or times.epoch == "relative":
        recorded = _relative(times, length_ms, carried, where)
        epoch: Epoch = "relative"
        if start_ns is not None:
            epoch, shift = _absolute(start_ns, zone)
            recorded = replace(recorded, end_ns=recorded.end_ns + shift)
    else:
        epoch, stamps = times.epoch, times.ns
        if epoch == "local" and zone.name is not None and zone.source != "file":
            epoch, stamps = "utc", local_to_utc(stamps, zone_named(zone.name))
        recorded = _stamped(stamps, length_ms, carried, kept_lines, skipped, notices)
    placed = place(recorded, epoch=epoch)
    if placed.moved:
        message = f"{placed.moved} stretches overlapped the stretch before and were moved behind it"
        notices.append(Notice("overlap", message, "warning", placed.moved))
    return placed.beats


def _absolute(start_ns: int, zone: TimeZone) -> tuple[Epoch, int]:
    if zone.name is None or zone.source == "file":
        return "local", start_ns
    return "utc", start_ns - utc_offset_ns(start_ns, zone_named(zone.name))


def _relative(
    times: _Times | None, length_ms: NDArray[np.float64], broken: NDArray[np.bool_], where: str
) -> RecordedIntervals:
    if times is not None:
        ends = _ends(times.ns, length_ms)
        if ends is not None and bool(np.all(np.diff(ends) > 0)):
            return RecordedIntervals(ends, length_ms, joined_by_stamps(ends, length_ms, _tolerance(times.ns)))
    return chained(length_ms, broken=broken, where=where)


def _tolerance(stamps_ns: NDArray[np.int64]) -> float:
    """2 ms, or what the stamps resolve when they are coarser."""
    grain = int(np.gcd.reduce(np.abs(np.diff(stamps_ns)))) if len(stamps_ns) > 1 else 0
    return max(2.0, min(grain / _NS_PER_MS, 20.0))


def _ends(stamps_ns: NDArray[np.int64], length_ms: NDArray[np.float64]) -> NDArray[np.int64] | None:
    """Ends of the intervals when the stamps are ends or starts of them; None when they are arrivals."""
    if len(stamps_ns) < 2:
        return stamps_ns
    steps = np.diff(stamps_ns) / _NS_PER_MS
    tolerance = _tolerance(stamps_ns)
    as_ends = float(np.mean(np.abs(steps - length_ms[1:]) <= tolerance))
    as_starts = float(np.mean(np.abs(steps - length_ms[:-1]) <= tolerance))
    if max(as_ends, as_starts) < _ENOUGH_JOINED:
        return None
    if as_ends >= as_starts:
        return stamps_ns
    return stamps_ns + np.rint(length_ms * _NS_PER_MS).astype(np.int64)


def _stamped(
    stamps_ns: NDArray[np.int64],
    length_ms: NDArray[np.float64],
    broken: NDArray[np.bool_],
    lines: NDArray[np.int64],
    skipped: SkippedRows,
    notices: list[Notice],
) -> RecordedIntervals:
    ends = _ends(stamps_ns, length_ms)
    arrival = ends is None
    stamps = stamps_ns if ends is None else ends
    latest = np.maximum.accumulate(stamps)
    keep = np.ones(len(stamps), bool)
    # arrivals may repeat, ends may not
    keep[1:] = stamps[1:] >= latest[:-1] if arrival else stamps[1:] > latest[:-1]
    if not keep.all():
        skipped.add("bad_time", int(lines[~keep][0]), int((~keep).sum()))
    stamps, lengths = stamps[keep], length_ms[keep]
    if arrival:
        message = "times are those of arrival: beats follow the sum of the intervals and the earliest arrivals"
        notices.append(Notice("arrival_times", message, "info", len(stamps)))
        return by_arrival(stamps, lengths, broken[keep])
    return RecordedIntervals(stamps, lengths, joined_by_stamps(stamps, lengths, _tolerance(stamps)))


ADAPTER = RrText()
