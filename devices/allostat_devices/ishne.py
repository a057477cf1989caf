"""ISHNE Holter files (``.ecg``): a header of 522 bytes, a block of free text, and interleaved 16-bit samples.

Badilini F. (1998) The ISHNE Holter standard output file format, doi:10.1111/j.1542-474X.1998.tb00353.x.
"""

from __future__ import annotations

import binascii
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import NS_PER_S, Clock, Device, Epoch, Notice, Provenance, Recording, Signal, TimeZone
from allostat.source import Source
from allostat_devices.byte_streams import byte_count, fill, refuse_too_large
from allostat_devices.file_manifest import FileLook, manifest_of_files
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.naive_start import placed_start
from allostat_devices.signal_labels import distinct_name
from allostat_devices.zone_inference import zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAGIC = b"ISHNE1.0"
_FIXED_END = 522
_LONGEST_TEXT = 1 << 24
_MOST_LEADS = 12
_LEADS = (
    "unknown", "bipolar", "x", "y", "z", "i", "ii", "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6",
    "es", "as", "ai",
)  # fmt: skip
_SEXES = {1: "M", 2: "F"}
_OLDEST_AGE = 90
_BLOCK_BYTES = 1 << 18
"""Frames are sorted in blocks that stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class _Header:
    text_bytes: int
    stated_samples: int
    stated_offset: int
    leads: tuple[str, ...]
    nanovolts: tuple[int, ...]
    """Of one step, for each lead."""
    rate_hz: int
    start_local_ns: int | None
    age_years: int | None
    sex: str | None
    identifiers: tuple[str, ...]
    checksum_fits: bool

    @property
    def offset(self) -> int:
        """Where the samples begin; the stored offset is wrong in some files."""
        return _FIXED_END + self.text_bytes

    def frames(self, file_bytes: int) -> int:
        """Samples of each lead."""
        return max(file_bytes - self.offset, 0) // (2 * len(self.leads))


class Ishne:
    """Adapter of ISHNE Holter files."""

    name = "ishne"
    title = "ISHNE Holter file (.ecg)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("ecg",)
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise the magic text and a plausible number of leads and rate."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Leads and span from the header and the length of the file."""
        return manifest_of_files(self, source, claimed_members(source, _look), lambda m: _looked_at(source, m))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with one signal for each lead.

        Raises
        ------
        InputError
            When the header cannot be read or no complete sample follows it.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            yield with_distinct_id(_recording(source, member, options, zone, self), taken)


def _looked_at(source: Source, member: str) -> FileLook:
    header = _header(source, member)
    n = header.frames(byte_count(source, member))
    start = header.start_local_ns or 0
    end = start + round(n / header.rate_hz * NS_PER_S)
    streams = [StreamSummary(lead, "ecg", n, header.rate_hz, "uV", start, end) for lead in header.leads]
    epoch: Epoch = "relative" if header.start_local_ns is None else "local"
    notices = _notices(header, n, without_device_id(shown_name(source, member)))
    return FileLook(streams, epoch, notices, header.identifiers, device=Device(kind="holter"))


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    if head[:8] != _MAGIC:
        return Sniff(0.0, "does not begin with ISHNE1.0")
    try:
        header = _parse(head, member)
    except InputError as error:
        return Sniff(0.3, str(error))
    return Sniff(0.97, f"ISHNE1.0, {len(header.leads)} leads at {header.rate_hz} Hz")


def _header(source: Source, member: str) -> _Header:
    where = without_device_id(shown_name(source, member))
    with source.open(member) as stream:
        fixed = stream.read(_FIXED_END)
        if len(fixed) >= 14:
            (text_bytes,) = struct.unpack_from("<i", fixed, 10)
            fixed += stream.read(min(max(text_bytes, 0), _LONGEST_TEXT))
    return _parse(fixed, where)


def _parse(data: bytes, where: str) -> _Header:
    """Header of the first 522 bytes; the checksum counts only where the whole block of text is there."""
    if data[:8] != _MAGIC:
        raise InputError("does not begin with ISHNE1.0", where=where)
    if len(data) < _FIXED_END:
        raise InputError("ends inside its header", where=where, found=len(data), expected=str(_FIXED_END))
    (stored,) = struct.unpack_from("<H", data, 8)
    text_bytes, samples, _, offset = struct.unpack_from("<4i", data, 10)
    if not 0 <= text_bytes <= _LONGEST_TEXT:
        raise InputError("length of the text block is impossible", where=where, found=text_bytes)
    (n_leads,) = struct.unpack_from("<h", data, 156)
    (rate,) = struct.unpack_from("<h", data, 272)
    if not 1 <= n_leads <= _MOST_LEADS:
        raise InputError("number of leads is impossible", where=where, found=n_leads, expected=f"1 to {_MOST_LEADS}")
    if rate < 1:
        raise InputError("sampling rate is no positive number of Hz", where=where, found=rate)
    codes = struct.unpack_from(f"<{n_leads}h", data, 158)
    born, recorded = _date(data, 132), _date(data, 138)
    clock = struct.unpack_from("<3h", data, 150)
    (sex,) = struct.unpack_from("<h", data, 128)
    return _Header(
        text_bytes=text_bytes,
        stated_samples=samples,
        stated_offset=offset,
        leads=_lead_names(codes),
        nanovolts=struct.unpack_from(f"<{n_leads}h", data, 206),
        rate_hz=rate,
        start_local_ns=_start(recorded, clock),
        age_years=_age(born, recorded),
        sex=_SEXES.get(sex),
        identifiers=_identifiers(data, born, text_bytes),
        checksum_fits=stored == binascii.crc_hqx(data[10 : _FIXED_END + text_bytes], 0xFFFF),
    )


def _lead_names(codes: tuple[int, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for code in codes:
        lead = _LEADS[code] if 0 <= code < len(_LEADS) else "unknown"
        names.append(distinct_name("ecg" if lead == "unknown" else f"ecg_{lead}", names))
    return tuple(names)


def _date(data: bytes, at: int) -> date | None:
    day, month, year = struct.unpack_from("<3h", data, at)
    try:
        return date(year, month, day) if 1900 <= year < 2200 else None
    except ValueError:
        return None


def _start(day: date | None, clock: tuple[int, ...]) -> int | None:
    hour, minute, second = clock
    if day is None or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return None
    days = day.toordinal() - date(1970, 1, 1).toordinal()
    return (days * 86_400 + hour * 3600 + minute * 60 + second) * NS_PER_S


def _age(born: date | None, recorded: date | None) -> int | None:
    if born is None or recorded is None or recorded < born:
        return None
    age = recorded.year - born.year - ((recorded.month, recorded.day) < (born.month, born.day))
    return min(age, _OLDEST_AGE)


def _identifiers(data: bytes, born: date | None, text_bytes: int) -> tuple[str, ...]:
    found = []
    if data[28:108].strip(b" \0"):
        found.append("name in header")
    if data[108:128].strip(b" \0"):
        found.append("patient id in header")
    if born is not None:
        found.append("birth date in header")
    if text_bytes or data[232:272].strip(b" \0") or data[274:_FIXED_END].strip(b" \0"):
        found.append("free text in header")
    return tuple(found)


def _notices(header: _Header, n: int, name: str) -> list[Notice]:
    notices = [Notice("unverified", "ISHNE: not verified on a real export", file=name)]
    if not header.checksum_fits:
        notices.append(Notice("checksum", "the checksum of the header does not fit", "warning", 1, name))
    if header.stated_offset != header.offset:
        message = f"header says that samples begin at byte {header.stated_offset}, its lengths make {header.offset}"
        notices.append(Notice("header", message, "warning", 1, name))
    # some writers count the samples of one lead, some those of all
    if header.stated_samples not in (n, n * len(header.leads)):
        missing = header.stated_samples - n
        message = f"holds {n} samples of each lead, the header states {header.stated_samples}"
        severe = missing > 0.05 * max(header.stated_samples, 1)
        notices.append(Notice("truncated", message, "error" if severe else "warning", max(missing, 1), name))
    return notices


def lead_samples(source: Source, member: str) -> tuple[NDArray[np.int16], ...]:
    """Samples of each lead as int16, in the order of the header.

    Raises
    ------
    InputError
        As `Ishne.read`.
    """
    header = _header(source, member)
    where = without_device_id(shown_name(source, member))
    n, leads = header.frames(byte_count(source, member)), len(header.leads)
    refuse_too_large(2 * n * leads, where)
    results = [np.empty(n, np.int16) for _ in range(leads)]
    buffer = np.empty((max(_BLOCK_BYTES // (2 * leads), 1), leads), "<i2")
    done = 0
    with source.open(member) as stream:
        stream.read(header.offset)
        while done < n:
            wanted = min(len(buffer), n - done)
            found = fill(stream, buffer[:wanted].data.cast("B")) // (2 * leads)
            for k, result in enumerate(results):
                result[done : done + found] = buffer[:found, k]
            done += found
            if found < wanted:
                break
    return tuple(result[:done] for result in results)


def _recording(source: Source, member: str, options: ReadOptions, zone: TimeZone, adapter: Ishne) -> Recording:
    name = without_device_id(shown_name(source, member))
    header = _header(source, member)
    samples = lead_samples(source, member)
    n = len(samples[0])
    if not n:
        raise InputError("holds no complete sample", where=name)
    start_ns, epoch = placed_start(header.start_local_ns, zone)
    clock = Clock.regular(n, header.rate_hz, start_ns, nominal_hz=header.rate_hz, epoch=epoch)
    notices = _notices(header, n, name)
    signals = {}
    for lead, values, nanovolts in zip(header.leads, samples, header.nanovolts, strict=True):
        scaled = nanovolts > 0
        if not scaled:
            notices.append(Notice("no_scale", f"{lead}: header states no resolution, raw integers are kept"))
        signals[lead] = Signal(lead, "ecg", values, clock, "uV" if scaled else "1", nanovolts / 1e3 if scaled else 1.0)
    about = {"age_years": header.age_years, "sex": header.sex}
    return Recording(
        id=recording_id(PurePosixPath(name.removesuffix(".gz")).stem, "holter"),
        signals=signals,
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=Device(kind="holter"),
        provenance=Provenance((input_file(source, member),), adapter.name, adapter.version, adapter.verified),
        notices=tuple(notices),
        extras={key: value for key, value in about.items() if value is not None},
    )


ADAPTER = Ishne()
