"""BIOPAC AcqKnowledge files (``.acq``), through bioread (extra ``biopac``).

Integers are kept with the scale and offset of their channel. The files tell no reliable start, so time is relative.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import (
    NS_PER_S,
    Clock,
    Device,
    Marker,
    Notice,
    Provenance,
    Recording,
    Signal,
    TimeZone,
)
from allostat.source import Source
from allostat_devices.byte_streams import byte_count, refuse_too_large
from allostat_devices.file_manifest import FileLook, manifest_of_files
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.signal_labels import distinct_name, kind_of_label, stream_name, unit_code
from allostat_devices.zone_inference import zone_of_options

LARGEST_FILE = 1 << 30
_REVISIONS = range(30, 200)
_LONGEST_HEADER = 1 << 20
_MOST_CHANNELS = 256
_MOST_PACKED = 100
"""How many times its own size a compressed file may hold."""
_MOST_READS, _BYTES_PER_READ = 3000, 1 << 14
"""Reads that a sound file takes: some for its headers and markers, more the longer it is."""
_LONGEST_PATTERN = 1_000_000
"""Slots until the order of the samples of channels of different rates begins anew."""


class _CountedReads(BytesIO):
    """A file that refuses to be read without end: counts in damaged headers make bioread loop for hours."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._left = _MOST_READS + len(data) // _BYTES_PER_READ

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("headers state more parts than any recording has")
        return super().read(size)


class Biopac:
    """Adapter of AcqKnowledge files."""

    name = "biopac"
    title = "BIOPAC AcqKnowledge file (.acq)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("ecg", "ppg", "eda", "temp", "other")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise plausible numbers in the first header: the files have no magic text, so the name counts as well."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Channels as the headers state them."""
        return manifest_of_files(self, source, claimed_members(source, _look), lambda m: _looked_at(source, m))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file: a signal for each channel, markers without their texts.

        Raises
        ------
        InputError
            When a file is damaged, or bioread is not installed (extra ``biopac``).
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            yield with_distinct_id(_recording(source, member, options, zone, self), taken)


def _unverified() -> Notice:
    return Notice("unverified", "BIOPAC: not verified on a real export")


def _looked_at(source: Source, member: str) -> FileLook:
    with _quiet():
        datafile = _headers(_data(source, member), without_device_id(shown_name(source, member)))
    streams = [
        StreamSummary(stream, kind, n, rate, unit, 0, round(n / rate * NS_PER_S))
        for stream, kind, n, rate, unit in _channels(datafile)
    ]
    identifiers = ("channel names, marker texts and journal",)
    return FileLook(streams, "relative", (_unverified(),), identifiers, device=Device("BIOPAC"))


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    if len(head) < 12:
        return Sniff(0.0, "too short for a header of AcqKnowledge")
    for order in "<>":
        revision, length, channels = struct.unpack_from(f"{order}Iih", head, 2)
        if revision in _REVISIONS and 0 < length <= _LONGEST_HEADER and 0 < channels <= _MOST_CHANNELS:
            if shown_name(source, member).casefold().removesuffix(".gz").endswith(".acq"):
                return Sniff(0.85, f"header of AcqKnowledge revision {revision}, {channels} channels")
            return Sniff(0.3, "could be a header of AcqKnowledge, but the name does not end in .acq")
    return Sniff(0.0, "no header of AcqKnowledge")


def _data(source: Source, member: str) -> bytes:
    where = without_device_id(shown_name(source, member))
    verdict = _look(source, member)
    if verdict.confidence < 0.3:
        raise InputError(verdict.reason, where=where)
    if byte_count(source, member) > LARGEST_FILE:
        raise InputError(
            "refused: too large to be read at once", where=where, expected=f"at most {LARGEST_FILE >> 30} GiB"
        )
    with source.open(member) as stream:
        return stream.read(LARGEST_FILE)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what bioread says from the screen; what matters becomes an error."""
    logger = logging.getLogger("bioread")
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before


def _headers(data: bytes, where: str) -> Any:
    """All headers, checked against the length of the file before anything asks for memory."""
    reader_of = _bioread(where)
    try:
        reader = reader_of.read_headers(_CountedReads(data))
    except Exception as error:
        # the decoder meets damaged headers with many kinds of errors
        raise InputError(f"headers cannot be read ({type(error).__name__}: {str(error)[:120]})", where=where) from error
    datafile = reader.datafile
    if datafile is None or not datafile.channels:
        raise InputError("holds no channels", where=where)
    packed = bool(datafile.is_compressed)
    stated = 0
    for channel in datafile.channels:
        rate = float(channel.samples_per_second)
        if channel.point_count < 0 or not 1e-3 < rate < 1e7:
            found = f"{channel.point_count} samples at {rate:g} Hz"
            raise InputError("channel has an impossible number of samples or rate", where=where, found=found)
        stated += int(channel.data_length)
    dividers = [int(channel.frequency_divider) for channel in datafile.channels]
    if min(dividers) < 1 or math.lcm(*dividers) * len(dividers) > _LONGEST_PATTERN:
        raise InputError("dividers of the sampling rate are impossible", where=where, found=dividers[:8])
    refuse_too_large(stated, where)
    if stated > len(data) * (_MOST_PACKED if packed else 1):
        raise InputError("is truncated", where=where, found=f"{len(data)} bytes", expected=f"{stated} bytes of samples")
    return datafile


def _bioread(where: str) -> Any:
    try:
        from bioread.reader import Reader
    except ImportError as error:
        raise InputError(
            "reading AcqKnowledge files takes the package bioread",
            where=where,
            expected="pip install 'allostat-load[biopac]'",
        ) from error
    return Reader


def _channels(datafile: Any) -> list[tuple[str, Any, int, float, str]]:
    """Stream, kind, number of samples, rate and unit of each channel."""
    found: list[tuple[str, Any, int, float, str]] = []
    for i, channel in enumerate(datafile.channels):
        label, unit = str(channel.name or ""), str(channel.units or "")
        kind = kind_of_label(label)
        # names of channels are typed by people: those that mean no known signal are left out
        plain = stream_name("", kind) if kind != "other" else f"channel_{i + 1}"
        name = distinct_name(plain, [f[0] for f in found])
        found.append((name, kind, int(channel.point_count), float(channel.samples_per_second), unit_code(unit)))
    return found


def _recording(source: Source, member: str, options: ReadOptions, zone: TimeZone, adapter: Biopac) -> Recording:
    name = without_device_id(shown_name(source, member))
    data = _data(source, member)
    with _quiet():
        _headers(data, name)
        try:
            datafile = _bioread(name).read(_CountedReads(data)).datafile
        except Exception as error:
            text = f"{type(error).__name__}: {str(error)[:120]}"
            raise InputError(f"samples cannot be decoded ({text})", where=name) from error
    signals: dict[str, Signal] = {}
    notices = [_unverified()]
    for channel, (stream, kind, _, rate, unit) in zip(datafile.channels, _channels(datafile), strict=True):
        raw = channel.raw_data
        if raw is None or not len(raw):
            notices.append(Notice("empty", f"{stream} holds no samples", "warning", 1, name))
            continue
        samples = np.ascontiguousarray(raw).astype(raw.dtype.newbyteorder("="))
        scale, offset = float(channel.raw_scale_factor), float(channel.raw_offset)
        if samples.dtype.kind != "f" and (scale == 0 or not np.isfinite([scale, offset]).all()):
            notices.append(Notice("no_scale", f"{stream}: no usable scale, raw integers are kept", "warning", 1, name))
            scale, offset, unit = 1.0, 0.0, "1"
        clock = Clock.regular(len(samples), rate, nominal_hz=rate, epoch="relative")
        signals[stream] = Signal(stream, kind, samples, clock, unit, scale, -offset / scale if offset else 0.0)
    if not signals:
        raise InputError("holds no samples", where=name)
    return Recording(
        id=recording_id(PurePosixPath(name.removesuffix(".gz")).stem, "biopac"),
        signals=signals,
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=Device("BIOPAC"),
        provenance=Provenance((input_file(source, member),), adapter.name, adapter.version, adapter.verified),
        notices=tuple(notices),
        markers=_markers(datafile),
    )


def _markers(datafile: Any) -> tuple[Marker, ...]:
    """Instants of the markers; their texts are typed by people and left out."""
    rate = float(datafile.samples_per_second)
    places = [m.sample_index for m in datafile.event_markers or () if isinstance(m.sample_index, int)]
    return tuple(Marker(round(at / rate * NS_PER_S), "marker") for at in sorted(places) if 0 <= at < 1 << 40)


ADAPTER = Biopac()
