"""Waveforms in delimited text: tables with a column of time, and tables with a JSON beside them as in BIDS.

A table describes itself when its header names a time whose unit is told and a known signal of the heart (``Time [s],
RESP, PLETH, II``). Any other one is read with a sidecar (`table_sidecar`). Without both it is refused, and the refusal
says which file to write.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    NS_PER_S,
    UNKNOWN_ZONE,
    Clock,
    Device,
    Epoch,
    Notice,
    Provenance,
    Recording,
    SeriesKind,
    Signal,
    TimeZone,
    ValueSeries,
)  # fmt: skip
from allostat.source import Source
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.column_samples import ColumnSamples
from allostat_devices.file_manifest import FileLook, manifest_of_files
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import CLAIM, is_single, participant_of, shown_name, with_distinct_id
from allostat_devices.naive_start import zone_to_use
from allostat_devices.number_columns import read_block
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.table_clock import StampedRows
from allostat_devices.table_hints import HEAD_BYTES, looks_like_waves, wanted_json
from allostat_devices.table_layout import CARDIAC, TableLayout, grid_of, layout_of
from allostat_devices.table_rows import NaiveTimes, columns_of, instant_of, offset_ns, row_blocks, times_as_ns
from allostat_devices.table_sidecar import (
    NO_SIDECAR,
    Sidecar,
    is_physio,
    sidecar_of,
    sidecar_place,
    sniff_with_sidecars,
    start_of,
)
from allostat_devices.text_lines import count_lines, head_lines, why_not_text
from allostat_devices.zone_inference import fixed_offset_name, zone_named, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FIRST_LINES = 12
"""Lines of which the first row of numbers is one, or the file is no table."""
_SAMPLES_AT_ONCE = 1 << 18
_MOST_MISSING = 0.95
_SERIES: dict[str, SeriesKind] = {"hr": "hr", "pulse": "hr", "respiration_rate": "respiration_rate"}
_NEAR = 0.45
"""Confidence of a file that would be read with a sidecar: too little to claim it, enough to be heard."""


class SignalTable:
    """Adapter of tables of samples."""

    name = "signal_table"
    title = "waveform table (CSV, TSV; BIDS physio with its JSON)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "ppg", "eda", "acc", "temp", "hr", "other")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise a sidecar, or a header with a time and a signal of the heart."""
        return sniff_with_sidecars(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams, span and rate from sidecar, first and last rows, and the number of lines.

        Raises
        ------
        InputError
            What the sidecar or the header tells is not enough to read the table.
        """
        return manifest_of_files(self, source, _tables(source), lambda member: _file_look(source, member))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each table.

        Raises
        ------
        InputError
            When rate or columns are not told, times are not those of even samples, or no row can be used.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in _tables(source):
            sidecar, layout = _described(source, member)
            reader = _vitals if layout.vitals else _waves
            yield with_distinct_id(reader(source, member, sidecar, layout, options, zone), taken)


def _tables(source: Source) -> tuple[str, ...]:
    if is_single(source):
        return source.members
    members = set(source.members)
    return tuple(m for m in source.members if _look(source, m, members).confidence >= CLAIM)


def _described(source: Source, member: str) -> tuple[Sidecar | None, TableLayout]:
    where = without_device_id(shown_name(source, member))
    sidecar = sidecar_of(source, member)
    grid = grid_of(head_lines(source, member, HEAD_BYTES), where)
    layout = layout_of(grid, sidecar, where) if sidecar or grid.names else None
    if layout is None or not (sidecar or layout.vitals or any(t.kind in CARDIAC for t in layout.tracks)):
        raise InputError(wanted_json(source, member, layout), where=where)
    return sidecar, layout


def _look(source: Source, member: str, members: Set[str] | None = None) -> Sniff:
    head = source.head(member)
    reason = why_not_text(head) or why_not_text(source.head(member, HEAD_BYTES))
    if reason or head[:1] in (b"{", b"["):
        return Sniff(0.0, reason or "is JSON and no table")
    try:
        sidecar = sidecar_of(source, member, members)
    except InputError as error:
        place = sidecar_place(source, member, members)
        told = place is not None and b'"SamplingFrequency"' in place[0].head(place[1])
        return Sniff(0.9 if told or is_physio(member) else _NEAR, str(error))
    lines = head_lines(source, member, HEAD_BYTES)
    where = without_device_id(shown_name(source, member))
    if sidecar is not None and not sidecar.columns and not is_physio(member):
        # files of other kinds have a rate beside them as well
        try:
            layout_of(grid_of(lines, where), sidecar, where)
        except InputError as error:
            return Sniff(_NEAR, str(error))
    if sidecar is not None:
        return Sniff(0.96, f"table of samples, described by {sidecar.name}")
    try:
        grid_of(lines[:_FIRST_LINES], where)
        grid = grid_of(lines, where)
    except InputError as error:
        return Sniff(0.0, error.what)
    try:
        layout = layout_of(grid, None, where) if grid.names else None
    except InputError as error:
        if looks_like_waves(source, member, lines):
            told = error.what != "tells no sampling rate"
            return Sniff(_NEAR, str(error) if told else wanted_json(source, member, None))
        return Sniff(0.0, error.what)
    if layout is not None and layout.vitals:
        return Sniff(0.8, "a time with its unit, and numbers of a monitor")
    if layout is not None and any(t.kind in CARDIAC for t in layout.tracks):
        rate = layout.rate_hz if layout.rate_hz > 0 else 1 / layout.step_s
        return Sniff(0.85, f"a time and {len(layout.tracks)} signals at about {rate:.4g} Hz")
    if looks_like_waves(source, member, lines):
        return Sniff(_NEAR, wanted_json(source, member, layout))
    return Sniff(0.0, "neither a sidecar nor a header with a time and a signal of the heart")


def _file_look(source: Source, member: str) -> FileLook:
    sidecar, layout = _described(source, member)
    lines = head_lines(source, member, HEAD_BYTES)
    count, last = count_lines(source, member)
    n = max(count - layout.skip, 0)
    if layout.wrapped:
        n *= len(grid_of(lines, member).rows[0])
    rate = layout.rate_hz if layout.time is None else 1 / layout.step_s
    zone, epoch, start = _start(layout, sidecar, UNKNOWN_ZONE)
    end = start + round(n / rate * NS_PER_S) if rate > 0 else start
    if layout.time is not None:
        first = _edge(lines[layout.skip :], layout)
        final = _edge(last[::-1], layout)
        if first is not None and final is not None and final > first:
            measured = (n - 1) * NS_PER_S / (final - first)
            rate = measured if not abs(measured / rate - 1) > 0.01 + layout.time.slack else rate
            start = first - (offset_ns(layout.time) or 0) if layout.time.absolute else start
            end = start + final - first
    nan = float("nan")
    streams = [
        StreamSummary(t.name, _SERIES.get(t.name, "other"), n, nan, t.unit, start, end) if layout.vitals
        else StreamSummary(t.name, t.kind, n, rate, t.unit, start, end)
        for t in layout.tracks
    ]  # fmt: skip
    device = sidecar.device if sidecar else Device()
    identifiers = sidecar.identifiers if sidecar else ()
    return FileLook(streams, epoch, _told(layout), identifiers, zone, device)


def _edge(lines: Sequence[str], layout: TableLayout) -> int | None:
    """The first time in some lines."""
    assert layout.time is not None
    for line in lines:
        cells = [c.strip().strip(layout.quote or " ") for c in _split(line, layout)]
        if len(cells) >= layout.width:
            cell = cells[layout.time.column]
            found = instant_of(cell.replace(",", ".") if layout.decimal_comma else cell, layout.time)
            if found is not None:
                return found
    return None


def _split(line: str, layout: TableLayout) -> list[str]:
    return line.split() if layout.separator == " " else line.split(layout.separator)


def _told(layout: TableLayout) -> tuple[Notice, ...]:
    notices = []
    if layout.time is not None and not layout.time.stated:
        message = f"the unit of the times is not stated: {layout.time.unit} is the only one that makes sense"
        notices.append(Notice("unit_inferred", message, "info"))
    if layout.text_columns:
        message = f"columns of text are not read: {', '.join(layout.text_columns)}"
        notices.append(Notice("unsupported", message, "info", len(layout.text_columns)))
    if layout.wrapped:
        notices.append(Notice("wrapped_lines", "the one column runs on from line to line", "info"))
    return tuple(notices)


def _start(layout: TableLayout, sidecar: Sidecar | None, asked: TimeZone) -> tuple[TimeZone, Epoch, int]:
    """Zone, epoch, and the instant of the first sample where the rows do not tell it."""
    time = layout.time
    if time is not None and time.absolute:
        told = offset_ns(time)
        if time.unit != "iso":
            return asked, "utc", 0
        if told is None:
            return asked, "utc" if asked.known else "local", 0
        return asked if asked.known else TimeZone(fixed_offset_name(told), "file"), "utc", 0
    return start_of(sidecar or NO_SIDECAR, asked)


def _waves(
    source: Source, member: str, sidecar: Sidecar | None, layout: TableLayout, options: ReadOptions, zone: TimeZone
) -> Recording:
    name = without_device_id(shown_name(source, member))
    skipped = SkippedRows(name)
    spooled = options.spools(_likely_bytes(source, member, layout))
    columns = [ColumnSamples(spooled=spooled) for _ in layout.tracks]
    used, epoch, start = _start(layout, sidecar, zone)
    if layout.time is None:
        _by_line(source, member, layout, columns, skipped)
        n = len(columns[0])
        clock = Clock.regular(n, layout.rate_hz, start, nominal_hz=layout.rate_hz, epoch=epoch)
    else:
        rows = StampedRows(skipped, layout.rate_hz)
        first = _by_time(source, member, layout, columns, rows, zone)
        n = rows.n
        told = offset_ns(layout.time) or 0
        clock = rows.clock(epoch, -told if layout.time.absolute else start - first) if n else Clock((), 0, epoch)
    if not n:
        found = "; ".join(notice.message for notice in skipped.notices())
        raise InputError("holds no usable row", where=name, found=found or None)
    signals: dict[str, Signal] = {
        track.name: samples.signal(track.name, track.kind, clock, track.unit)
        for track, samples in zip(layout.tracks, columns, strict=True)
    }
    return _recording(source, member, sidecar, layout, options, zone, used, skipped, signals, {})


def _likely_bytes(source: Source, member: str, layout: TableLayout) -> int:
    """About as many bytes as the samples will take."""
    lines = head_lines(source, member, HEAD_BYTES)[layout.skip :]
    row = max(sum(map(len, lines)) // max(len(lines), 1), 1) + 1
    packed = 4 if shown_name(source, member).casefold().endswith(".gz") else 1
    return source.size(member) * packed // row * 4 * len(layout.tracks)


def _by_line(
    source: Source, member: str, layout: TableLayout, columns: Sequence[ColumnSamples], skipped: SkippedRows
) -> None:
    """Rows without times: a bad row is a missing sample and shifts nothing."""
    wanted = columns_of(layout)
    done, read = 0, 0
    for first, block in row_blocks(source, member, layout):
        arrays, numbers = read_block(block, first, layout.separator, layout.width, wanted, skipped)
        if not len(numbers):
            continue
        places = numbers - layout.skip * (not layout.wrapped) - 1
        _refuse_holes(int(places[0]) - done, read, skipped)
        while done < places[0]:
            hole = min(int(places[0]) - done, _SAMPLES_AT_ONCE)
            for samples in columns:
                samples.append(np.full(hole, np.nan))
            done += hole
        stop = int(places[-1]) + 1
        for track, samples, array in zip(layout.tracks, columns, arrays, strict=True):
            samples.append(_placed(_without_zero(array, track.kind), places - done, stop - done))
        done, read = stop, read + len(numbers)


def _placed(values: NDArray[np.float64], places: NDArray[np.int64], n: int) -> NDArray[np.float64]:
    if len(values) == n:
        return values
    found = np.full(n, np.nan)
    found[places] = values
    return found


def _refuse_holes(hole: int, read: int, skipped: SkippedRows) -> None:
    if hole > max(_SAMPLES_AT_ONCE, read * _MOST_MISSING / (1 - _MOST_MISSING)):
        raise InputError("holds more unusable lines than samples", where=skipped.file, found=f"{hole} in a row")


def _without_zero(values: NDArray[np.float64], kind: str) -> NDArray[np.float64]:
    """Heart rate 0 is none."""
    if kind == "hr":
        values[values == 0] = np.nan
    return values


def _by_time(
    source: Source, member: str, layout: TableLayout, columns: Sequence[ColumnSamples], rows: StampedRows,
    zone: TimeZone,
) -> int:  # fmt: skip
    """Rows with times; the first of them in ns.

    The last row of each block waits for the next one: whether its time is a lone spike shows there.
    """
    first_ns: int | None = None
    waiting: tuple[NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]] | None = None
    for part in _timed_blocks(source, member, layout, rows.skipped, zone):
        times, values, lines = part if waiting is None else _joined(waiting, part)
        waiting = (times[-1:], [v[-1:] for v in values], lines[-1:])
        first_ns = _pushed(times[:-1], [v[:-1] for v in values], lines[:-1], layout, columns, rows, first_ns)
    if waiting is not None:
        first_ns = _pushed(*waiting, layout, columns, rows, first_ns)
    return first_ns or 0


def _joined(
    before: tuple[NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]],
    after: tuple[NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]],
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]]:
    values = [np.concatenate(pair) for pair in zip(before[1], after[1], strict=True)]
    return np.concatenate([before[0], after[0]]), values, np.concatenate([before[2], after[2]])


def _pushed(
    times: NDArray[np.int64], values: list[NDArray[np.float64]], lines: NDArray[np.int64], layout: TableLayout,
    columns: Sequence[ColumnSamples], rows: StampedRows, first_ns: int | None,
) -> int | None:  # fmt: skip
    keep = rows.push(times, lines)
    for track, samples, array in zip(layout.tracks, columns, values, strict=True):
        samples.append(_without_zero(array if keep is None else array[keep], track.kind))
    if first_ns is None and rows.n:
        return int(times[0] if keep is None else times[keep][0])
    return first_ns


def _timed_blocks(
    source: Source, member: str, layout: TableLayout, skipped: SkippedRows, zone: TimeZone
) -> Iterator[tuple[NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]]]:
    assert layout.time is not None
    wanted = columns_of(layout)
    naive = layout.time.unit == "iso" and layout.time.offset is None and zone.name is not None
    placed = NaiveTimes(zone_named(zone.name)) if naive and zone.name is not None else None
    for first, block in row_blocks(source, member, layout):
        (clock, *values), lines = read_block(block, first, layout.separator, layout.width, wanted, skipped)
        times, good = times_as_ns(clock, layout.time)
        if good is not None:
            skipped.add("bad_time", int(lines[~good][0]), int((~good).sum()))
            times, values, lines = times[good], [v[good] for v in values], lines[good]
        if len(times):
            yield (times if placed is None else placed.utc(times)), values, lines


def _vitals(
    source: Source, member: str, sidecar: Sidecar | None, layout: TableLayout, options: ReadOptions, zone: TimeZone
) -> Recording:
    name = without_device_id(shown_name(source, member))
    skipped = SkippedRows(name)
    parts = list(_timed_blocks(source, member, layout, skipped, zone))
    if not parts:
        raise InputError("holds no usable row", where=name)
    times, values, lines = parts[0] if len(parts) == 1 else _concatenated(parts)
    keep = usable_stamps(times, lines, skipped)
    if keep is not None:
        times, values = times[keep], [v[keep] for v in values]
    used, epoch, start = _start(layout, sidecar, zone)
    assert layout.time is not None
    times = times - (offset_ns(layout.time) or 0) if layout.time.absolute else times - times[0] + start
    series: dict[str, ValueSeries] = {}
    for track, column in zip(layout.tracks, values, strict=True):
        kind = _SERIES.get(track.name, "other")
        column[column == 0] = np.nan
        series[track.name] = ValueSeries(track.name, kind, times, column, track.unit, epoch)
    return _recording(source, member, sidecar, layout, options, zone, used, skipped, {}, series)


def _concatenated(
    parts: Sequence[tuple[NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]]],
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]], NDArray[np.int64]]:
    values = [np.concatenate(column) for column in zip(*(p[1] for p in parts), strict=True)]
    return np.concatenate([p[0] for p in parts]), values, np.concatenate([p[2] for p in parts])


def _recording(
    source: Source, member: str, sidecar: Sidecar | None, layout: TableLayout, options: ReadOptions, asked: TimeZone,
    used: TimeZone, skipped: SkippedRows, signals: dict[str, Signal], series: dict[str, ValueSeries],
) -> Recording:  # fmt: skip
    inputs = [input_file(source, member)]
    place = sidecar_place(source, member)
    if sidecar is not None and place is not None:
        inputs.append(input_file(*place))
    _, differs = zone_to_use(asked, used, None)
    return Recording(
        id=recording_id(without_device_id(shown_name(source, member)), "signals"),
        signals=signals,
        participant=options.participant or participant_of(source, member),
        timezone=used,
        device=sidecar.device if sidecar else Device(),
        provenance=Provenance(tuple(inputs), ADAPTER.name, ADAPTER.version, ADAPTER.verified),
        notices=(*skipped.notices(), *_told(layout), *differs),
        series=series,
    )


ADAPTER = SignalTable()
