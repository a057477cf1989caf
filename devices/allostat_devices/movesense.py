"""Movesense JSON: packets of ``/Meas/ECG``, ``/Meas/Acc`` … and beats of ``/Algo/ECGRR`` or ``/Meas/HR``.

The tree of the file is searched for packets, whatever lies around them: a document, a list of notifications with
``Uri`` and ``Body``, or one notification in each line. Time is ms since the device was switched on.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError
from allostat.recording import (
    Beats,
    Clock,
    Device,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Severity,
    Signal,
    TimeZone,
)
from allostat.source import Source
from allostat_devices.beat_stamps import by_arrival, place
from allostat_devices.file_manifest import FileLook, manifest_of_files
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.packet_clock import packet_clock
from allostat_devices.text_lines import why_not_text
from allostat_devices.zone_inference import zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_FILE = 256 << 20
_DEEPEST = 24
_LATEST_MS = 1e11
_MOVESENSE = Device("Movesense", kind="chest strap")
_PATH = re.compile(r"(Meas|Algo)/?(ECGRR|ECG|HR|Acc|Gyro|Magn|IMU6|IMU9|Temp)", re.I)
_RATE = re.compile(r"/(?:ECG(?:/mV)?|Acc|Gyro|Magn|IMU[69])/(\d+)", re.I)
_VECTORS: dict[str, tuple[str, SampleKind, str]] = {
    "arrayacc": ("acc", "acc", "m/s2"),
    "arraygyro": ("gyro", "gyro", "deg/s"),
    "arraymagn": ("magn", "magn", "uT"),
}


@dataclass
class _Packets:
    """Packets of one stream, in the order of the file."""

    nominal_hz: float = math.nan
    times_ms: list[float] = field(default_factory=list)
    values: list[list[Any]] = field(default_factory=list)


@dataclass
class _Found:
    """What the tree holds."""

    waves: dict[str, _Packets] = field(default_factory=dict)
    beats: list[tuple[float, list[float]]] = field(default_factory=list)
    skipped: int = 0
    packets: int = 0
    millivolts: bool = False


class Movesense:
    """Adapter of Movesense JSON files."""

    name = "movesense"
    title = "Movesense JSON"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("ecg", "acc", "gyro", "magn", "beats")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise JSON that names resources such as ``/Meas/ECG`` and holds packets of them."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams and span of all packets."""
        return manifest_of_files(self, source, claimed_members(source, _look), lambda m: _looked_at(source, m))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file.

        Raises
        ------
        InputError
            When a file is no JSON or holds no packet that can be used.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            yield with_distinct_id(_recording(source, member, options, zone, self), taken)


def _unverified() -> Notice:
    return Notice("unverified", "Movesense: not verified on a real export")


def _looked_at(source: Source, member: str) -> FileLook:
    recording = _recording(source, member, ReadOptions(), zone_of_options(ReadOptions()), ADAPTER)
    return FileLook(stream_summaries(recording), "relative", (_unverified(),), device=_MOVESENSE)


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    reason = why_not_text(head)
    if reason:
        return Sniff(0.0, reason)
    text = head.decode("utf-8-sig", "replace").lstrip()
    if text[:1] not in ("{", "["):
        return Sniff(0.0, "is no JSON")
    if not _PATH.search(text.replace('": {"', "/").replace('":{"', "/")):
        return Sniff(0.0, "JSON, but no resource of a Movesense such as /Meas/ECG")
    if not re.search(r'"(Samples|Timestamp|ArrayAcc|RR|rrData)"', text):
        return Sniff(0.3, "names a resource of a Movesense, but holds no packets in its first 4 KiB")
    return Sniff(0.92, "JSON with packets of Movesense resources")


def _recording(source: Source, member: str, options: ReadOptions, zone: TimeZone, adapter: Movesense) -> Recording:
    name = without_device_id(shown_name(source, member))
    found = _Found()
    for document in _documents(source, member, name):
        _search(document, "", found, 0)
    notices = [_unverified()]
    signals: dict[str, Signal] = {}
    start_ms = min(
        [p.times_ms[0] for p in found.waves.values() if p.times_ms] + [t for t, _ in found.beats[:1]], default=0.0
    )
    for stream, packets in found.waves.items():
        signals |= _signals(stream, packets, start_ms, found, notices)
    beats = _beats(found, start_ms)
    if found.skipped:
        severity: Severity = "error" if found.skipped > 0.05 * max(found.packets, 1) else "warning"
        message = f"{found.skipped} of {found.packets} packets have no usable time or numbers, or repeat a time"
        notices.append(Notice("bad_time", message, severity, found.skipped, name))
    if not signals and not beats:
        raise InputError("holds no packet that can be used", where=name, found=f"{found.packets} packets")
    return Recording(
        id=recording_id(PurePosixPath(name.removesuffix(".gz")).stem, "movesense"),
        signals=signals,
        beats=beats,
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=_MOVESENSE,
        provenance=Provenance((input_file(source, member),), adapter.name, adapter.version, adapter.verified),
        notices=tuple(notices),
    )


def _documents(source: Source, member: str, name: str) -> Iterator[Any]:
    with source.open(member) as stream:
        data = stream.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise InputError("refused: too large for a JSON file", where=name, expected=f"at most {LARGEST_FILE >> 20} MiB")
    try:
        yield json.loads(data)
    except (ValueError, RecursionError) as error:
        lines = [line for line in data.splitlines() if line.strip()]
        documents = list(_each_line(lines))
        if len(documents) < 0.5 * len(lines) or not documents:
            raise InputError(f"is no JSON ({str(error)[:120]})", where=name) from error
        yield from documents


def _each_line(lines: list[bytes]) -> Iterator[Any]:
    for line in lines:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError):
            # counted as a packet without numbers
            yield {"Meas/ECG": {"Samples": None, "Timestamp": None}}


def _search(node: Any, path: str, found: _Found, depth: int) -> None:
    """Collect the packets below a node; ``path`` is made of the keys that lead there, and of any ``Uri``."""
    if depth > _DEEPEST:
        return
    if isinstance(node, list):
        for part in node:
            _search(part, path, found, depth + 1)
        return
    if not isinstance(node, Mapping):
        return
    for key in ("Uri", "uri", "Path", "path"):
        if isinstance(node.get(key), str):
            path += "/" + node[key]
    if _take(node, path, found):
        return
    for key, value in node.items():
        if isinstance(value, (dict, list)):
            _search(value, f"{path}/{key}", found, depth + 1)


def _take(node: Mapping[str, Any], path: str, found: _Found) -> bool:
    """Whether the node is a packet; it is added to what was found."""
    folded = {str(key).casefold(): value for key, value in node.items()}
    time_ms = _number(folded.get("timestamp"))
    rr = folded.get("rr", folded.get("rrdata"))
    if rr is not None and "samples" not in folded:
        lengths = [_number(v) for v in (rr if isinstance(rr, list) else [rr])]
        found.packets += 1
        # /Meas/HR has no stamp: its intervals follow one another
        if all(math.isfinite(v) and 0 < v < 60_000 for v in lengths) and lengths:
            found.beats.append((time_ms, lengths))
        else:
            found.skipped += 1
        return True
    rate = _RATE.search(path)
    nominal = float(rate[1]) if rate and 0 < len(rate[1]) < 6 and int(rate[1]) > 0 else math.nan
    if "samples" in folded and "ecg" in path.casefold():
        found.millivolts |= "ecg/mv" in path.casefold()
        _add(found, "ecg", time_ms, folded["samples"], nominal)
        return True
    taken = False
    for key, (stream, _, _) in _VECTORS.items():
        if isinstance(folded.get(key), list):
            _add(found, stream, time_ms, [_vector(v) for v in folded[key]], nominal)
            taken = True
    return taken


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        return float(value) if abs(value) < 1e15 else math.nan
    except OverflowError:
        return math.nan


def _vector(value: Any) -> tuple[float, float, float] | None:
    if not isinstance(value, Mapping):
        return None
    axes = {str(key).casefold(): part for key, part in value.items()}
    x, y, z = (_number(axes.get(axis)) for axis in "xyz")
    return (x, y, z) if math.isfinite(x + y + z) else None


def _add(found: _Found, stream: str, time_ms: float, values: Any, nominal: float) -> None:
    found.packets += 1
    packets = found.waves.setdefault(stream, _Packets())
    if not packets.nominal_hz > 0:
        packets.nominal_hz = nominal
    good = isinstance(values, list) and values and 0 <= time_ms < _LATEST_MS
    if good and stream == "ecg":
        good = all(math.isfinite(_number(v)) for v in values)
    elif good:
        good = all(v is not None for v in values)
    # a packet again, or one from before: the notification was sent twice
    if not good or (packets.times_ms and time_ms <= packets.times_ms[-1]):
        found.skipped += 1
        return
    packets.times_ms.append(time_ms)
    packets.values.append(values)


def _signals(
    stream: str, packets: _Packets, start_ms: float, found: _Found, notices: list[Notice]
) -> dict[str, Signal]:  # fmt: skip
    if not packets.times_ms:
        return {}
    starts = np.rint((np.array(packets.times_ms) - start_ms) * 1e6).astype(np.int64)
    counts = np.array([len(v) for v in packets.values], np.int64)
    clock = packet_clock(starts, counts, nominal_hz=packets.nominal_hz, epoch="relative")
    if clock is None:
        notices.append(Notice("no_rate", f"{stream}: a single packet tells no sampling rate", "error", len(counts)))
        return {}
    flat = [value for values in packets.values for value in values]
    if stream == "ecg":
        samples = _whole(np.array(flat, np.float64))
        unit = "mV" if found.millivolts else "1"
        return {"ecg": Signal("ecg", "ecg", samples, clock, unit)}
    name, kind, unit = next(v for v in _VECTORS.values() if v[0] == stream)
    vectors = np.array(flat, np.float64).reshape(-1, 3)
    return {f"{name}_{a}": _axis(f"{name}_{a}", kind, vectors[:, k], clock, unit) for k, a in enumerate("xyz")}


def _axis(name: str, kind: SampleKind, values: NDArray[np.float64], clock: Clock, unit: str) -> Signal:
    return Signal(name, kind, np.ascontiguousarray(values).astype(np.float32), clock, unit)


def _whole(values: NDArray[np.float64]) -> NDArray[Any]:
    if (values == np.rint(values)).all() and np.abs(values).max() < 2**31:
        return values.astype(np.int32)
    return values


def _beats(found: _Found, start_ms: float) -> dict[str, Beats]:
    if not found.beats:
        return {}
    lengths = np.array([v for _, packet in found.beats for v in packet])
    stamped = np.array([t for t, packet in found.beats for _ in packet])
    if np.isfinite(stamped).all():
        order = np.argsort(stamped, kind="stable")
        arrivals = np.rint((stamped[order] - start_ms) * 1e6).astype(np.int64)
        placed = place(by_arrival(arrivals, lengths[order]), epoch="relative")
        return {"rr": placed.beats}
    ends = np.rint(np.cumsum(lengths) * 1e6).astype(np.int64)
    placed = place(by_arrival(ends, lengths), epoch="relative")
    return {"rr": placed.beats}


ADAPTER = Movesense()
