"""XDF recordings of the Lab Streaming Layer, through pyxdf (extra ``xdf``).

Stamps are corrected by the clock offsets that were measured while recording, resets of a clock included, and laid on
straight lines between breaks. The nominal rate is kept beside the rate that the stamps have.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import BytesIO
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    NS_PER_S,
    UNKNOWN_ZONE,
    Clock,
    ClockBlock,
    Device,
    Epoch,
    Marker,
    Notice,
    Provenance,
    Recording,
    SampleKind,
    Signal,
    TimeZone,
    ValueSeries,
)
from allostat.source import Source
from allostat_devices.file_manifest import FileLook, manifest_of_files
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.naive_start import zone_to_use
from allostat_devices.signal_labels import distinct_name, kind_of_label, stream_name, unit_code
from allostat_devices.xdf_chunks import MAGIC, Channel, Chunks, StreamHeader, scan_chunks
from allostat_devices.zone_inference import fixed_offset_name, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_FILE = 2 << 30
BREAK_S = 0.5
BREAK_SAMPLES = 2
"""A step longer than both is a gap; pyxdf's own 1 s and 500 samples would bridge 4 s of a chest strap."""
_LONGEST_LABEL = 80


class Xdf:
    """Adapter of XDF files."""

    name = "xdf"
    title = "XDF recording (Lab Streaming Layer)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg", "ppg", "acc", "gyro", "eda", "temp", "other")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise the magic text."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams and numbers of samples from the chunks, without decoding them."""
        return manifest_of_files(self, source, claimed_members(source, _look), lambda m: _looked_at(source, m))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file: a signal for each channel of numbers, markers of streams of text.

        Raises
        ------
        InputError
            When a file holds no sound stream, or pyxdf is not installed (extra ``xdf``).
        """
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            yield with_distinct_id(_recording(source, member, options, self), taken)


def _looked_at(source: Source, member: str) -> FileLook:
    name = without_device_id(shown_name(source, member))
    chunks = scan_chunks(_data(source, member), name)
    start_ns, zone = _anchor(chunks)
    identifiers = ("host, user and session ids in stream headers",)
    epoch: Epoch = "relative" if start_ns is None else "utc"
    return FileLook(_summaries(chunks, start_ns or 0), epoch, _chunk_notices(chunks, name), identifiers, zone)


def _look(source: Source, member: str) -> Sniff:
    if source.head(member)[:4] != MAGIC:
        return Sniff(0.0, "does not begin with XDF:")
    return Sniff(0.97, "begins with XDF:")


def _data(source: Source, member: str) -> bytes:
    with source.open(member) as stream:
        data = stream.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise InputError(
            "refused: too large to be read at once",
            where=without_device_id(shown_name(source, member)),
            expected=f"at most {LARGEST_FILE >> 30} GiB",
        )
    return data


def _anchor(chunks: Chunks) -> tuple[int | None, TimeZone]:
    """UTC of the moment when recording began, and the offset that its date states."""
    if chunks.datetime is None:
        return None, UNKNOWN_ZONE
    try:
        moment = datetime.fromisoformat(chunks.datetime.strip())
    except ValueError:
        return None, UNKNOWN_ZONE
    offset = moment.utcoffset()
    if offset is None or not 1970 <= moment.year < 2200:
        return None, UNKNOWN_ZONE
    seconds = round(offset.total_seconds())
    zone = TimeZone(fixed_offset_name(seconds * NS_PER_S), "file", weak=seconds == 0)
    return round(moment.timestamp() * 1e6) * 1000, zone


def _summaries(chunks: Chunks, start_ns: int) -> list[StreamSummary]:
    found: dict[str, StreamSummary] = {}
    for stream in chunks.streams.values():
        if stream.channel_format == "string":
            continue
        seconds = stream.samples / stream.nominal_hz if stream.nominal_hz else 0.0
        for channel in stream.channels:
            kind, name = _kind_and_name(stream, channel)
            name = distinct_name(name, found)
            rate = stream.nominal_hz or float("nan")
            end = start_ns + round(seconds * NS_PER_S)
            found[name] = StreamSummary(
                name, kind, stream.samples, rate, unit_code(channel.unit), start_ns, end
            )  # fmt: skip
    return list(found.values())


def _chunk_notices(chunks: Chunks, name: str) -> list[Notice]:
    if not chunks.damaged:
        return []
    kept = sum(last - first for first, last in chunks.sound)
    message = f"{chunks.damaged} damaged or unfinished chunks are left out, {kept} of {chunks.size} bytes are sound"
    return [Notice("truncated", message, "error" if kept < 0.95 * chunks.size else "warning", chunks.damaged, name)]


def _kind_and_name(stream: StreamHeader, channel: Channel) -> tuple[SampleKind, str]:
    kind = kind_of_label(channel.label, channel.unit) if channel.label else "other"
    told = next((kind_of_label(text) for text in (channel.kind, stream.kind) if text and kind == "other"), kind)
    if kind == "other" and told != "other":
        kind = told
    plain = channel.label or stream.kind or "stream"
    if len(stream.channels) > 1 and not channel.label:
        plain = f"{plain} channel"
    return kind, stream_name(plain, kind)


def _recording(source: Source, member: str, options: ReadOptions, adapter: Xdf) -> Recording:
    name = without_device_id(shown_name(source, member))
    data = _data(source, member)
    chunks = scan_chunks(data, name)
    notices = _chunk_notices(chunks, name)
    decoded = _decoded(chunks.sound_bytes(data), name, notices)
    anchor_ns, told = _anchor(chunks)
    shift_ns, epoch = _shift(chunks, decoded, anchor_ns)
    if anchor_ns is not None:
        message = "streams are placed by the date in the file's header, to about a second; among each other exactly"
        notices.append(Notice("anchored", message, "info", 1, name))
    zone, differs = zone_to_use(zone_of_options(options), told, anchor_ns)
    made = _Streams(shift_ns, epoch, notices)
    for stream in decoded:
        made.add(chunks.streams[stream["info"]["stream_id"]], stream)
    if not made.signals and not made.series and not made.markers:
        raise InputError("holds no samples", where=name, found=f"{len(chunks.streams)} empty streams")
    makers = {s.manufacturer for s in chunks.streams.values() if s.samples and s.manufacturer}
    return Recording(
        id=recording_id(PurePosixPath(name.removesuffix(".gz")).stem, "xdf"),
        signals=made.signals,
        series=made.series,
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=Device(manufacturer=makers.pop() if len(makers) == 1 else None),
        provenance=Provenance((input_file(source, member),), adapter.name, adapter.version, adapter.verified),
        notices=(*notices, *differs),
        markers=tuple(sorted(made.markers, key=lambda m: m.time_ns)),
    )


def _decoded(data: bytes, name: str, notices: list[Notice]) -> list[dict[str, Any]]:
    try:
        import pyxdf
    except ImportError as error:
        raise InputError(
            "reading XDF files takes the package pyxdf", where=name, expected="pip install 'allostat-load[xdf]'"
        ) from error
    with _collected_warnings() as warnings, np.errstate(all="ignore"):
        try:
            streams, _ = pyxdf.load_xdf(
                BytesIO(data),
                jitter_break_threshold_seconds=BREAK_S,
                jitter_break_threshold_samples=BREAK_SAMPLES,
            )
        except Exception as error:
            # the decoder meets damaged content with many kinds of errors
            text = f"{type(error).__name__}: {str(error)[:120]}"
            raise InputError(f"streams cannot be decoded ({text})", where=name) from error
    lost = [w for w in warnings if "corrupt" in w or "cannot be used" in w]
    if lost:
        notices.append(Notice("clock", "clock offsets of some streams could not be used", "warning", len(lost), name))
    found: list[dict[str, Any]] = streams
    return found


@contextmanager
def _collected_warnings() -> Iterator[list[str]]:
    """What pyxdf says, kept from the screen."""
    said: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger = logging.getLogger("pyxdf")
    collector, passed_on = Collector(), logger.propagate
    logger.addHandler(collector)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(collector)
        logger.propagate = passed_on


def _shift(chunks: Chunks, decoded: Sequence[dict[str, Any]], anchor_ns: int | None) -> tuple[int, Epoch]:
    """What is added to stamps of the recorder's clock in ns."""
    stamps = [np.asarray(s["time_stamps"], dtype=np.float64) for s in decoded]
    firsts = [float(s[np.isfinite(s)].min()) for s in stamps if np.isfinite(s).any()]
    clocks = [s.first_clock_s for s in chunks.streams.values() if s.first_clock_s is not None]
    if anchor_ns is not None and clocks:
        # offsets are measured from the beginning on, so the first one was taken when the header was written
        values = [s["clock_times"][0] + s["clock_values"][0] for s in decoded if len(s.get("clock_times", ()))]
        return anchor_ns - round(min(values or clocks) * NS_PER_S), "utc"
    first = min(firsts, default=0.0)
    if abs(first) > 1e9:
        first = 0.0
    return (anchor_ns or 0) - round(first * NS_PER_S), "utc" if anchor_ns is not None else "relative"


class _Streams:
    """Streams of one file as they are taken over."""

    def __init__(self, shift_ns: int, epoch: Epoch, notices: list[Notice]) -> None:
        self._shift_ns, self._epoch, self._notices = shift_ns, epoch, notices
        self.signals: dict[str, Signal] = {}
        self.series: dict[str, ValueSeries] = {}
        self.markers: list[Marker] = []

    def add(self, header: StreamHeader, stream: dict[str, Any]) -> None:
        stamps = np.asarray(stream["time_stamps"], dtype=np.float64)
        if not len(stamps):
            message = f"a stream of type {header.kind or 'unknown'} holds no samples"
            self._notices.append(Notice("empty", message, "info"))
            return
        good = np.abs(stamps) < 1e9
        if not good.all():
            lost = int((~good).sum())
            self._notices.append(Notice("bad_time", f"{lost} of {len(stamps)} stamps are impossible", "error", lost))
        if not good.any():
            return
        times = np.zeros(len(stamps), np.int64)
        times[good] = np.rint(stamps[good] * NS_PER_S).astype(np.int64) + self._shift_ns
        if header.channel_format == "string":
            rows = stream["time_series"]
            self.markers += [
                Marker(int(times[i]), str(text)[:_LONGEST_LABEL]) for i in np.flatnonzero(good) for text in rows[i]
            ]
        elif header.nominal_hz > 0 and good.all():
            self._regular(header, stream, times)
        else:
            self._irregular(header, np.asarray(stream["time_series"])[good], times[good])

    def _regular(self, header: StreamHeader, stream: dict[str, Any], times: NDArray[np.int64]) -> None:
        cuts = [*stream["info"]["segments"], *stream["info"]["clock_segments"]]
        starts = np.unique([int(first) for first, _ in cuts if 0 <= first < len(times)] + [0])
        clock, keep = _clock(times, starts, header.nominal_hz, self._epoch)
        if keep is not None:
            lost = int((~keep).sum())
            message = f"{lost} of {len(times)} samples lie before others in time and are left out"
            self._notices.append(Notice("bad_time", message, "error" if lost > 0.05 * len(times) else "warning", lost))
        values = np.asarray(stream["time_series"])
        for k, channel in enumerate(header.channels):
            kind, name = _kind_and_name(header, channel)
            name = distinct_name(name, self.signals)
            column = np.ascontiguousarray(values[:, k] if keep is None else values[keep, k])
            self.signals[name] = Signal(name, kind, column, clock, unit_code(channel.unit))

    def _irregular(self, header: StreamHeader, values: NDArray[Any], times: NDArray[np.int64]) -> None:
        order = np.argsort(times, kind="stable")
        later = np.concatenate([[True], np.diff(times[order]) > 0]) if len(order) else np.zeros(0, bool)
        order = order[later]
        if len(order) < len(times):
            lost = len(times) - len(order)
            self._notices.append(Notice("duplicate", f"{lost} values repeat the time of another", "warning", lost))
        with np.errstate(invalid="ignore"):  # a damaged file may hold NaN of the signalling kind
            wide = values[order].astype(np.float64)
        for k, channel in enumerate(header.channels):
            _, name = _kind_and_name(header, channel)
            name = distinct_name(name, {*self.series, *self.signals})
            column = np.ascontiguousarray(wide[:, k])
            self.series[name] = ValueSeries(name, "other", times[order], column, unit_code(channel.unit), self._epoch)


def _clock(
    times: NDArray[np.int64], starts: NDArray[np.int64], nominal_hz: float, epoch: Epoch
) -> tuple[Clock, NDArray[np.bool_] | None]:
    """Clock of stamps that lie on a straight line from each start to the next.

    Returns
    -------
    clock, keep
        ``keep`` says which samples are used; None when all are. A stretch that begins before the one before has ended
        is left out.
    """
    stops = np.concatenate([starts[1:], [len(times)]])
    keep = np.ones(len(times), bool)
    blocks: list[ClockBlock] = []
    used, end = 0, None
    for first, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        n = stop - first
        span_s = (int(times[stop - 1]) - int(times[first])) / NS_PER_S
        rate = (n - 1) / span_s if n > 1 and span_s > 0 else nominal_hz
        t0 = int(times[first])
        if not 0.2 * nominal_hz < rate < 5 * nominal_hz or (end is not None and t0 < end - NS_PER_S // 2):
            keep[first:stop] = False
            continue
        blocks.append(ClockBlock(used, t0, rate, nominal_hz))
        used += n
        end = t0 + round(n / rate * NS_PER_S)
    return Clock(tuple(blocks), used, epoch), (None if keep.all() else keep)


ADAPTER = Xdf()
