"""Polar Sensor Logger: the phone app's text files of one recording, alone, in a folder or in a zip.

Streams are aligned on the sensor clock. The phone's clock gives the time zone (phone minus sensor, rounded to a
quarter of an hour) and places what has no sensor time: PP and RR intervals, heart rate, markers.
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
    UNKNOWN_ZONE,
    BeatFlag,
    Beats,
    Clock,
    Device,
    InputFile,
    Marker,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Signal,
)
from allostat.source import Source
from allostat_devices.beat_stamps import LONGEST_MS, RecordedIntervals, by_arrival, joined_by_stamps, place, plausible
from allostat_devices.clock_blocks import clock_of
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.number_columns import lossless_integers
from allostat_devices.polar_clock import Placement, place_in_time
from allostat_devices.polar_files import (
    PHONE,
    SENSOR,
    SENSOR_EPOCH_NS,
    FileHeader,
    FileRows,
    column_names,
    kind_of,
    nominal_rate,
    phone_times,
    read_header,
    read_rows,
)
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import count_lines, head_lines, open_text, why_not_text
from allostat_devices.zone_inference import infer_offset

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MISSING = int(np.iinfo(np.int32).min)
_NS_PER_MS = 1_000_000
_STAMP_TOLERANCE_MS = 2.0
_BAD_ERROR_MS = 100.0
"""Error estimate from which a PP interval is unusable: hundreds of ms mean that no pulse was found."""
_UNITS = {"ecg": "uV", "ppg": "1", "acc": "m[g]", "gyro": "deg/s", "magn": "G", "hr": "/min"}
_SUFFIX = re.compile(r"[_-]?(ecg|ppg|ppi|acc|gyro|magn(?:etometer)?|hr|rr|marker)(?=[_.-]|$)", re.IGNORECASE)


class PolarSensorLogger:
    """Adapter of the Polar Sensor Logger."""

    name = "polar_sensor_logger"
    title = "Polar Sensor Logger (text files)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "ppg", "acc", "gyro", "magn", "hr", "beats")
    folder_is_session: bool = True

    def sniff(self, source: Source) -> Sniff:
        """Recognise headers that begin with the phone's time stamp and name a stream."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams and span from first and last lines."""
        members = claimed_members(source, _look)
        streams: list[StreamSummary] = []
        sensor = False
        differences: list[int] = []
        for member in members:
            header = read_header(head_lines(source, member)[0], shown_name(source, member))
            sensor |= header.has_sensor_time
            streams += _summaries(source, member, header)
            differences += _clock_difference(source, member, header)
        inferred = infer_offset(min(differences)) if differences else None
        names = [source.name, *(shown_name(source, member) for member in members)]
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_device(names),
            timezone=UNKNOWN_ZONE if inferred is None else inferred.zone,
            epoch="utc" if sensor else "local",
            identifiers=("device id in file name",) if any(map(has_device_id, names)) else (),
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=(Notice("estimated", "rows counted, not parsed", "info"),),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording of all streams of the source; several when one stream occurs more than once.

        Raises
        ------
        InputError
            When a header or column is missing, or no stream has a usable row.
        TimeZoneError
            When the zone of the options does not exist.
        """
        members = claimed_members(source, _look)
        if not members:
            raise InputError("holds no file of the Polar Sensor Logger", where=source.name)
        taken: set[str] = set()
        for group in _groups(source, members):
            yield with_distinct_id(_recording(source, group, options, self), taken)


def _look(source: Source, member: str) -> Sniff:
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    names = column_names(head_lines(source, member)[0])
    if not names or names[0] not in PHONE:
        return Sniff(0.0, "the header does not begin with 'Phone timestamp'")
    kind = kind_of(names)
    if kind is None:
        return Sniff(0.6, "begins with 'Phone timestamp', but names no stream that is known")
    return Sniff(0.95, f"header of the stream {kind}")


def _groups(source: Source, members: Sequence[str]) -> list[list[str]]:
    """Members of each recording: all of them, or, where a stream occurs twice, those whose names go together."""
    kinds = {m: read_header(head_lines(source, m)[0], shown_name(source, m)).kind for m in members}
    if len(set(kinds.values())) == len(members):
        return [list(members)]
    groups: dict[tuple[str, int], list[str]] = {}
    taken: dict[tuple[str, str], int] = {}
    for member in members:
        path = PurePosixPath(member)
        key = f"{path.parent}/{_SUFFIX.sub('', path.name.removesuffix(path.suffix))}"
        which = taken.get((key, kinds[member]), 0)
        taken[(key, kinds[member])] = which + 1
        groups.setdefault((key, which), []).append(member)
    return list(groups.values())


@dataclass
class _Streams:
    """Streams of one recording as they are built."""

    signals: dict[str, Signal] = field(default_factory=dict)
    beats: dict[str, Beats] = field(default_factory=dict)
    markers: list[Marker] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


def _recording(source: Source, members: list[str], options: ReadOptions, adapter: PolarSensorLogger) -> Recording:
    skips = {m: SkippedRows(without_device_id(shown_name(source, m))) for m in members}
    files: dict[str, FileRows] = {}
    labels: list[tuple[int, str]] = []
    inputs: list[InputFile] = []
    for member in members:
        where = shown_name(source, member)
        inputs.append(input_file(source, member))
        if read_header(head_lines(source, member)[0], where).kind == "marker":
            labels += _marker_rows(source, member, skips[member])
        else:
            files[member] = read_rows(source, member, where, skips[member])
    usable = {m: rows for m, rows in files.items() if len(rows)}
    placement = place_in_time(list(usable.values()), [ns for ns, _ in labels], options)
    streams = _Streams(notices=list(placement.notices))
    for member, rows in usable.items():
        _add(streams, rows, placement, skips[member], shown_name(source, member))
    for member in files.keys() - usable.keys():
        name = without_device_id(shown_name(source, member))
        streams.notices.append(Notice("empty", f"{name} holds no usable row", "error", 1, name))
    stamps = placement.of_phone(np.array([ns for ns, _ in labels], np.int64))
    streams.markers += [Marker(int(ns), label) for ns, (_, label) in zip(stamps, labels, strict=True)]
    told = [notice for member in members for notice in skips[member].notices()]
    if not streams.signals and not streams.beats and not streams.markers:
        found = "; ".join(n.message for n in told)
        raise InputError("holds no usable row", where=source.name, found=found or None)
    unverified = sorted({rows.header.kind for rows in files.values() if not _verified(rows.header)})
    if unverified:
        message = f"not verified on a real export: {', '.join(unverified)}"
        streams.notices.append(Notice("unverified", message))
    names = [source.name, *(shown_name(source, m) for m in members)]
    label = shown_name(source, members[0])
    alone = len(members) == 1
    return Recording(
        id=recording_id(label if alone else _SUFFIX.sub("", PurePosixPath(label).name), "polar"),
        signals=streams.signals,
        beats=streams.beats,
        participant=options.participant or participant_of(source, members[0]),
        timezone=placement.zone,
        device=_device(names),
        provenance=Provenance(tuple(inputs), adapter.name, adapter.version, not unverified),
        notices=(*told, *streams.notices),
        markers=tuple(streams.markers),
    )


def _verified(header: FileHeader) -> bool:
    """Whether a real file of this kind and variant was read; ECG, RR and the PPI variant with sensor time were not."""
    return header.kind not in ("ecg", "rr") and not (header.kind == "ppi" and header.has_sensor_time)


def _add(streams: _Streams, rows: FileRows, placement: Placement, skipped: SkippedRows, where: str) -> None:
    kind = rows.header.kind
    if kind == "ppi" or kind == "rr":
        beats = _beats(rows, placement, skipped, streams.notices)
        if beats is not None:
            streams.beats[kind] = beats
        return
    if kind == "hr":
        streams.signals["hr"] = _heart_rate(rows, placement, where)
        return
    times = placement.of_sensor(rows.sensor_ns) if rows.sensor_ns is not None else placement.of_phone(rows.phone_ns)
    if len(times) < 2:
        streams.notices.append(Notice("empty", f"{kind}: one row alone is no signal", "error", 1, skipped.file))
        return
    host = None if rows.sensor_ns is None else int(rows.phone_ns[0] - rows.sensor_ns[0])
    clock = clock_of(times, epoch=placement.epoch, host_offset_ns=host, where=where)
    nominal = nominal_rate(kind, clock.rate_hz)
    clock = replace(clock, blocks=tuple(replace(block, nominal_hz=nominal) for block in clock.blocks))
    for key, values in rows.values.items():
        name = kind if key == kind else f"{kind}_{key}"
        sample_kind: SampleKind = "other" if key == "ambient" else kind  # type: ignore[assignment]
        streams.signals[name] = _signal(name, sample_kind, values, clock, _UNITS[kind])


def _signal(name: str, kind: SampleKind, values: NDArray[np.float64], clock: Clock, unit: str) -> Signal:
    whole = lossless_integers(values, _MISSING)
    if whole is not None:
        return Signal(name, kind, whole[0], clock, unit, whole[1], missing=_MISSING)
    single = values.astype(np.float32)
    # the app prints 32-bit floats (0.42000002): they are the source's own samples
    exact = bool(np.all(np.abs(single - values) <= 1e-7 * np.abs(values)))
    return Signal(name, kind, single if exact else values, clock, unit)


def _heart_rate(rows: FileRows, placement: Placement, where: str) -> Signal:
    times = placement.of_sensor(rows.sensor_ns) if rows.sensor_ns is not None else placement.of_phone(rows.phone_ns)
    clock = clock_of(times, nominal_hz=1.0, epoch=placement.epoch, where=where)
    whole = lossless_integers(rows.values["hr"])
    if whole is None:
        return Signal("hr", "hr", np.where(rows.values["hr"] == 0, np.nan, rows.values["hr"]), clock, _UNITS["hr"])
    return Signal("hr", "hr", whole[0], clock, _UNITS["hr"], whole[1], missing=0)


def _beats(rows: FileRows, placement: Placement, skipped: SkippedRows, notices: list[Notice]) -> Beats | None:
    length_ms = rows.values["interval"]
    usable = (length_ms > 0) & (length_ms <= LONGEST_MS)
    odd = ~(usable & plausible(length_ms))
    if odd.any():
        skipped.add("out_of_range", int(rows.lines[odd][0]), int(odd.sum()))
    if not usable.any():
        return None
    if rows.sensor_ns is not None:
        stamps = placement.of_sensor(rows.sensor_ns)[usable]
    else:
        stamps = placement.of_phone(rows.phone_ns)[usable]
    values = {key: column[usable] for key, column in rows.values.items()}
    recorded, rule = _placed(stamps, values["interval"], rows.header.kind)
    notices.append(Notice("stamps", f"{rows.header.kind}: the time of a row is that of {rule}", "info", len(stamps)))
    if rows.header.kind == "ppi":
        flags = _unusable(values)
        count = int((flags == BeatFlag.UNUSABLE).sum())
        if count:
            message = f"{count} of {len(flags)} PP intervals are unusable by the device's own marks"
            notices.append(Notice("unusable", message, "warning", count, skipped.file))
        error = values["error"].astype(np.float32)
        recorded = replace(recorded, flags=flags, uncertainty_ms=error)
    placed = place(recorded, epoch=placement.epoch, method=f"device {rows.header.kind}")
    if placed.moved:
        message = f"{placed.moved} batches overlapped the batch before by their stamps and were moved behind it"
        notices.append(Notice("overlap", message, "info", placed.moved, skipped.file))
    return placed.beats


def _unusable(values: dict[str, NDArray[np.float64]]) -> NDArray[np.int8]:
    bad = (values["blocker"] == 1) | (values["error"] >= _BAD_ERROR_MS)
    if "hr" in values:
        bad |= values["hr"] == 0
    if "contact" in values:
        bad |= (values["contact_supported"] == 1) & (values["contact"] == 0)
    return np.where(bad, np.int8(BeatFlag.UNUSABLE), np.int8(BeatFlag.NORMAL)).astype(np.int8)


def _placed(stamps_ns: NDArray[np.int64], length_ms: NDArray[np.float64], kind: str) -> tuple[RecordedIntervals, str]:
    """Ends of the intervals, by the rule that most rows follow."""
    steps = np.diff(stamps_ns) / _NS_PER_MS
    as_starts = float(np.mean(np.abs(steps - length_ms[:-1]) <= _STAMP_TOLERANCE_MS)) if len(steps) else 0.0
    as_ends = float(np.mean(np.abs(steps - length_ms[1:]) <= _STAMP_TOLERANCE_MS)) if len(steps) else 0.0
    lengths_ns = np.rint(length_ms * _NS_PER_MS).astype(np.int64)
    if max(as_starts, as_ends) < 0.5:
        if kind == "rr":
            order = np.maximum.accumulate(stamps_ns)
            return by_arrival(order, length_ms), "arrival; beats follow the sum of the intervals"
        ends = _back_filled(stamps_ns, lengths_ns)
        rule = "a batch's arrival; its intervals end one after the other up to it"
    elif as_starts >= as_ends:
        ends, rule = stamps_ns + lengths_ns, "the start of its interval"
    else:
        ends, rule = stamps_ns, "the end of its interval"
    return RecordedIntervals(ends, length_ms, joined_by_stamps(ends, length_ms, _STAMP_TOLERANCE_MS)), rule


def _back_filled(stamps_ns: NDArray[np.int64], lengths_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ends of the intervals of batches that share one stamp of arrival: arrival minus the later intervals."""
    ends = stamps_ns.copy()
    for i in range(len(stamps_ns) - 2, -1, -1):
        # rows of one batch are written within milliseconds
        if abs(int(stamps_ns[i + 1] - stamps_ns[i])) <= 100 * _NS_PER_MS:
            ends[i] = ends[i + 1] - lengths_ns[i + 1]
    return ends


def _marker_rows(source: Source, member: str, skipped: SkippedRows) -> list[tuple[int, str]]:
    found = []
    with open_text(source, member) as text:
        text.readline()
        for number, line in enumerate(text, start=2):
            if not line.strip():
                continue
            skipped.rows += 1
            cells = line.split(";")
            try:
                found.append((int(phone_times([cells[0]])[0]), cells[1].strip()))
            except ValueError:
                skipped.add("bad_time", number)
            except IndexError:
                skipped.add("truncated", number)
    return found


def _device(names: Sequence[str]) -> Device:
    text = " ".join(names).casefold()
    for token, model, kind in (
        ("h10", "H10", "chest strap"),
        ("h9", "H9", "chest strap"),
        ("oh1", "OH1", "armband"),
        ("sense", "Verity Sense", "armband"),
    ):
        if re.search(rf"(?<![a-z0-9]){token}(?![a-z0-9])", text.replace("_", " ")):
            return Device("Polar", model, kind=kind)
    return Device("Polar")


def _summaries(source: Source, member: str, header: FileHeader) -> list[StreamSummary]:
    count, last = count_lines(source, member)
    lines = head_lines(source, member)
    n = max(count - 1, 0)
    first_ns, last_ns = _edge_time(lines[1:], header), _edge_time(list(reversed(last)), header)
    span = (last_ns - first_ns) / 1e9
    rate = (n - 1) / span if n > 1 and span > 0 else float("nan")
    if header.kind == "marker":
        return [StreamSummary("marker", "marker", n, float("nan"), "", first_ns, last_ns)]
    if header.kind in ("rr", "ppi"):
        return [StreamSummary(header.kind, "beats", n, float("nan"), "ms", first_ns, last_ns)]
    return [StreamSummary(header.kind, header.kind, n, rate, _UNITS[header.kind], first_ns, last_ns)]


def _edge_time(lines: Sequence[str], header: FileHeader) -> int:
    for line in lines:
        cells = line.split(";")
        try:
            if header.has_sensor_time and int(cells[header.names.index(SENSOR)]) > 0:
                return min(int(cells[header.names.index(SENSOR)]) + SENSOR_EPOCH_NS, 2**62)
            return int(phone_times([cells[0]])[0])
        except (ValueError, IndexError):
            continue
    return 0


def _clock_difference(source: Source, member: str, header: FileHeader) -> list[int]:
    """Phone minus sensor clock in ns in the first row that has both; nothing when there is none."""
    if not header.has_sensor_time:
        return []
    for line in head_lines(source, member)[1:]:
        cells = line.split(";")
        try:
            sensor = int(cells[header.names.index(SENSOR)])
            if sensor > 0:
                return [int(phone_times([cells[0]])[0]) - sensor - SENSOR_EPOCH_NS]
        except (ValueError, IndexError):
            continue
    return []


ADAPTER = PolarSensorLogger()
