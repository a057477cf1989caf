"""Zephyr BioHarness 3 CSV files: ``_BR_RR``, ``_ECG``, ``_Breathing``, ``_Accel``, and the summary of one row a second.

Dates are DD/MM/YYYY in wall-clock time. In ``_BR_RR`` the last RR interval is held in every row and its sign changes
with each beat: a beat is a change of sign, not a row, and the interval is the number without its sign, in s or ms.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    Beats,
    Device,
    Epoch,
    InputFile,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    SeriesKind,
    Signal,
    TimeZone,
    ValueSeries,
)
from allostat.source import Source
from allostat_devices.beat_stamps import by_arrival, place
from allostat_devices.clock_blocks import clock_of, usable_stamps
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.naive_start import placed_start
from allostat_devices.number_columns import Column, floats, floats_or_missing, lossless_integers, read_block
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, line_blocks, open_text, why_not_text
from allostat_devices.zone_inference import zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MISSING = int(np.iinfo(np.int32).min)
_NO_VALUE = -3276.8
"""What stands in a column of the summary that has nothing to tell."""
_STAMP = re.compile(r"^(\d{2})/(\d{2})/(\d{4}) (\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,6}))?$")
_SUFFIX = re.compile(r"_(BR_RR|RR|BR|ECG|Breathing|Accel|Summary|SummaryEnhanced|General|GPS)\.csv(\.gz)?$", re.I)
_ZEPHYR = Device("Zephyr", "BioHarness", kind="chest strap")
_WAVES: dict[str, tuple[str, SampleKind, float]] = {
    "ecgwaveform": ("ecg", "ecg", 250.0),
    "breathingwaveform": ("breathing", "other", 25.0),
    "vertical": ("acc_vertical", "acc", 100.0),
    "lateral": ("acc_lateral", "acc", 100.0),
    "sagittal": ("acc_sagittal", "acc", 100.0),
}
_SERIES: dict[str, tuple[str, SeriesKind, str]] = {
    "hr": ("hr", "hr", "/min"),
    "br": ("respiration_rate", "respiration_rate", "/min"),
    "temp": ("skin_temperature", "other", "Cel"),
    "skintemp": ("skin_temperature", "other", "Cel"),
    "posture": ("posture", "other", "deg"),
    "activity": ("activity", "other", "1"),
    "battery": ("battery", "other", "V"),
    "hrv": ("hrv_of_device", "other", "ms"),
}
_FROM_ZERO = ("hr", "respiration_rate")
"""Series in which 0 means that nothing was found."""


@dataclass(frozen=True, slots=True)
class _Header:
    kind: str
    """``beats``, ``waves`` or ``summary``."""
    names: tuple[str, ...]


@dataclass
class _Session:
    """Streams of the files that were recorded together."""

    signals: dict[str, Signal] = field(default_factory=dict)
    beats: dict[str, Beats] = field(default_factory=dict)
    series: dict[str, ValueSeries] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    inputs: list[InputFile] = field(default_factory=list)
    verified: bool = True


class Zephyr:
    """Adapter of BioHarness sessions; files whose names begin alike are one recording."""

    name = "zephyr"
    title = "Zephyr BioHarness CSV"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "beats", "acc", "hr", "other")
    folder_is_session: bool = True

    def sniff(self, source: Source) -> Sniff:
        """Recognise the columns and the dates DD/MM/YYYY with ms."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams and span from the first and last rows and the number of lines."""
        streams: list[StreamSummary] = []
        notices: list[Notice] = []
        members = claimed_members(source, _look)
        for member in members:
            header = _header(head_lines(source, member), member)
            count, last = count_lines(source, member)
            start, end = _edge(head_lines(source, member)[1:]), _edge(last[::-1])
            streams += _summaries(header, max(count - 1, 0), start, end)
            if header.kind == "waves":
                notices.append(_unverified())
        names = [source.name, *members]
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=not notices,
            streams=tuple(streams),
            device=_ZEPHYR,
            epoch="local",
            identifiers=("device id in file name",) if any(map(has_device_id, names)) else (),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=tuple(dict.fromkeys(notices)),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each session.

        Raises
        ------
        InputError
            When no row of a session can be used.
        """
        sessions: dict[str, list[str]] = {}
        for member in claimed_members(source, _look):
            sessions.setdefault(_SUFFIX.sub("", member), []).append(member)
        if not sessions:
            raise InputError("holds no BioHarness file", where=without_device_id(source.name))
        zone = zone_of_options(options)
        taken: set[str] = set()
        for members in sessions.values():
            yield with_distinct_id(_recording(source, members, options, zone, self), taken)


def _unverified() -> Notice:
    return Notice("unverified", "BioHarness waveforms: not verified on a real export")


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    lines = head_lines(source, member)
    try:
        header = _header(lines, member)
    except InputError as error:
        return Sniff(0.0, error.what)
    if not any(_STAMP.match(line.split(",")[0].strip()) for line in lines[1:]):
        return Sniff(0.3, "columns of a BioHarness, but no row begins with DD/MM/YYYY hh:mm:ss.mmm")
    return Sniff(0.97, f"columns and dates of BioHarness {header.kind}")


def _header(lines: Sequence[str], where: str) -> _Header:
    names = tuple(cell.strip().casefold() for cell in lines[0].split(",")) if lines else ()
    if names[:1] in (("timestamp",), ("time",)):
        if "rtor" in names:
            return _Header("beats", names)
        if any(name in _WAVES for name in names[1:]):
            return _Header("waves", names)
        if len({"hr", "br", "posture", "activity"} & set(names)) >= 3:
            return _Header("summary", names)
    raise InputError("no columns of a BioHarness", where=without_device_id(where), found=",".join(names)[:60])


def _edge(lines: Sequence[str]) -> int:
    for line in lines:
        try:
            return int(stamps([line.split(",")[0]])[0])
        except ValueError:
            continue
    return 0


def _summaries(header: _Header, n: int, start: int, end: int) -> list[StreamSummary]:
    rate = (n - 1) * 1e9 / (end - start) if end > start and n > 1 else float("nan")
    if header.kind == "beats":
        found = [StreamSummary("rr", "beats", 0, float("nan"), "ms", start, end)]
        return (
            [*found, StreamSummary("breathing", "other", n, rate, "1", start, end)] if "br" in header.names else found
        )
    if header.kind == "waves":
        waves = [_WAVES[name] for name in header.names if name in _WAVES]
        return [StreamSummary(name, kind, n, rate, "1", start, end) for name, kind, _ in waves]
    return [StreamSummary(*_series_of(name), n, rate, _unit_of(name), start, end) for name in header.names[1:]]


def _series_of(name: str) -> tuple[str, SeriesKind]:
    known = _SERIES.get(name)
    return (known[0], known[1]) if known else (re.sub(r"[^a-z0-9]+", "_", name).strip("_")[:60] or "value", "other")


def _unit_of(name: str) -> str:
    known = _SERIES.get(name)
    return known[2] if known else "1"


def stamps(cells: Sequence[str]) -> NDArray[np.int64]:
    """``03/04/2023 10:15:27.428`` (3 April) as ns since 1970 of the wall clock.

    Raises
    ------
    ValueError
        When a cell is no such time.
    """
    texts = []
    for cell in cells:
        found = _STAMP.match(cell.strip())
        if not found or not "1970" <= found[3] < "2200":
            raise ValueError(f"not a time: {cell[:40]!r}")
        day, month, year, hour, minute, second, fraction = found.groups()
        texts.append(f"{year}-{month}-{day}T{hour}:{minute}:{second}.{fraction or '0'}")
    return np.array(texts, dtype="datetime64[ns]").astype(np.int64)


def _recording(
    source: Source, members: list[str], options: ReadOptions, zone: TimeZone, adapter: Zephyr
) -> Recording:  # fmt: skip
    session = _Session()
    for member in members:
        _read_file(source, member, zone, session)
    if not session.signals and not session.beats and not session.series:
        found = "; ".join(n.message for n in session.notices)
        where = without_device_id(shown_name(source, members[0]))
        raise InputError("holds no usable row", where=where, found=found or None)
    label = _SUFFIX.sub("", shown_name(source, members[0]))
    return Recording(
        id=recording_id(PurePosixPath(label).name, "bioharness"),
        signals=session.signals,
        beats=session.beats,
        series=session.series,
        participant=options.participant or participant_of(source, members[0]),
        timezone=zone,
        device=_ZEPHYR,
        provenance=Provenance(tuple(session.inputs), adapter.name, adapter.version, session.verified),
        notices=tuple(dict.fromkeys(session.notices)),
    )


def _read_file(source: Source, member: str, zone: TimeZone, session: _Session) -> None:
    name = without_device_id(shown_name(source, member))
    skipped = SkippedRows(name)
    session.inputs.append(input_file(source, member))
    header, local, columns, lines = _rows(source, member, skipped)
    keep = usable_stamps(local, lines, skipped)
    if keep is not None:
        local, lines, columns = local[keep], lines[keep], {n: c[keep] for n, c in columns.items()}
    if len(local):
        # the strap's clock runs on through a change of the clock
        start_ns, epoch = placed_start(int(local[0]), zone)
        times = local - local[0] + start_ns
        if header.kind == "beats":
            session.beats |= _beats(times, columns["rtor"], lines, epoch, skipped)
            if "br" in columns and len(times) > 1:
                session.signals["breathing"] = _signal("breathing", "other", columns["br"], times, epoch, float("nan"))
        elif header.kind == "waves":
            session.verified = False
            session.notices.append(_unverified())
            for column, values in columns.items():
                if column in _WAVES:
                    stream, kind, nominal = _WAVES[column]
                    session.signals[stream] = _signal(stream, kind, values, times, epoch, nominal)
        else:
            session.series |= _series(times, columns, epoch)
    session.notices += skipped.notices()


def _rows(
    source: Source, member: str, skipped: SkippedRows
) -> tuple[_Header, NDArray[np.int64], dict[str, NDArray[np.float64]], NDArray[np.int64]]:
    parts = []
    with open_text(source, member) as text:
        header = _header([text.readline()], shown_name(source, member))
        parse = floats if header.kind == "beats" else floats_or_missing
        wanted = [Column(0, stamps, "bad_time")]
        wanted += [Column(i, parse) for i in range(1, len(header.names))]
        for first, lines in line_blocks(text):
            parts.append(read_block(lines, first + 1, ",", len(header.names), wanted, skipped))
    if not parts:
        return header, np.empty(0, np.int64), {}, np.empty(0, np.int64)
    time, *values = [np.concatenate(column) for column in zip(*(block for block, _ in parts), strict=True)]
    named = dict(zip(header.names[1:], values, strict=False))
    return header, time.astype(np.int64), named, np.concatenate([numbers for _, numbers in parts])


def _beats(
    times: NDArray[np.int64], held: NDArray[np.float64], lines: NDArray[np.int64], epoch: Epoch, skipped: SkippedRows
) -> dict[str, Beats]:
    """Beats at the rows where the sign changes; 0 means no interval yet."""
    at = np.flatnonzero(held)
    signs = np.sign(held[at])
    # what the first rows hold may be an interval from before the recording
    changed = at[1:][signs[1:] != signs[:-1]]
    lengths = np.abs(held[changed]) * _ms_per_step(np.abs(held[changed]))
    usable = lengths < 60_000
    skipped.add("out_of_range", int(lines[changed][~usable][0]) if not usable.all() else 1, int((~usable).sum()))
    if not usable.any():
        return {}
    broken = np.concatenate([[False], ~usable[:-1]])[usable]
    placed = place(by_arrival(times[changed[usable]], lengths[usable], broken), epoch=epoch)
    if placed.implausible:
        odd = changed[(lengths < 200) | (lengths > 3000)]
        skipped.add("out_of_range", int(lines[odd[0]]), placed.implausible)
    return {"rr": replace(placed.beats, method="changes of sign of the held interval")}


def _ms_per_step(lengths: NDArray[np.float64]) -> float:
    """1000 for intervals in s, 1 for intervals in ms: no median of RR intervals lies near 30 of either."""
    return 1000.0 if len(lengths) and float(np.median(lengths)) < 30.0 else 1.0


def _signal(
    name: str, kind: SampleKind, values: NDArray[np.float64], times: NDArray[np.int64], epoch: Epoch, nominal_hz: float
) -> Signal:
    clock = clock_of(times, nominal_hz=nominal_hz, epoch=epoch)
    whole = lossless_integers(values, _MISSING)
    if whole is None:
        return Signal(name, kind, values, clock, "1")
    integers, scale = whole
    return Signal(name, kind, integers, clock, "1", scale, missing=_MISSING)


def _series(
    times: NDArray[np.int64], columns: dict[str, NDArray[np.float64]], epoch: Epoch
) -> dict[str, ValueSeries]:  # fmt: skip
    found: dict[str, ValueSeries] = {}
    for column, values in columns.items():
        name, kind = _series_of(column)
        if name in found:
            continue
        absent = np.isclose(values, _NO_VALUE)
        if name in _FROM_ZERO:
            absent |= values <= 0
        found[name] = ValueSeries(name, kind, times, np.where(absent, np.nan, values), _unit_of(column), epoch)
    return found


ADAPTER = Zephyr()
