"""ECG of an Apple Watch: ``electrocardiograms/ecg_*.csv``, 30 s of lead I, one value a line below a header.

Keys of the header are translated into the language of the phone, decimal signs follow its region, and both vary on
their own; so what a line holds is told by its value. Name, birth date and symptoms are not read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError, UnitError
from allostat.recording import UNKNOWN_ZONE, Clock, Device, Epoch, Notice, Provenance, Recording, Signal, TimeZone
from allostat.source import Source
from allostat_devices.file_names import has_device_id, input_file, recording_id, without_device_id
from allostat_devices.members import (
    claimed_members,
    participant_of,
    shown_name,
    sniff_members,
    with_distinct_id,
)
from allostat_devices.number_columns import LARGEST, lossless_integers
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.text_lines import encoding_of, head_lines, readable_lines, why_not_text
from allostat_devices.zone_inference import fixed_offset_name, local_to_utc, zone_named, zone_of_options

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOMINAL_HZ = 512.0
"""What the maker states; the watch writes what it measured, between 511 and 514 Hz, or this."""
_MAX_BYTES = 32 << 20
_MAX_HEADER = 40
_MISSING = int(np.iinfo(np.int32).min)
_DEVICE = Device(manufacturer="Apple", kind="wrist")
_VALUE = re.compile(r"[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d{1,3})?")
_DATE = re.compile(
    r"(\S{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:[.,]\d+)?\s*(?:([+-])(\d\d):?(\d\d)|(Z))?", re.ASCII
)
_HARDWARE = re.compile(r"Watch\d{1,3},\d{1,3}")
_RATE = re.compile(r"(\d{3,4}(?:[.,]\d{1,6})?)\s*([^\W\d]+)")
_VERSION = re.compile(r"\d{1,3}(?:\.\d{1,4}){1,3}")
_UNITS = {"µV": "uV", "μV": "uV", "uV": "uV", "mV": "mV"}
"""Micro as U+00B5 and as U+03BC."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What the lines above the values say."""

    values: tuple[str, ...]
    length: int
    """Lines above the first value."""
    rate_hz: float
    unit: str
    model: str | None
    firmware: str | None
    classification: str | None
    start_ns: int
    epoch: Epoch
    offset_s: int | None


class AppleEcg:
    """Adapter of single ECG files; those inside an export are read with it by `apple_health`."""

    name = "apple_ecg"
    title = "Apple Watch ECG (CSV)"
    version = "1"
    verified = True
    streams: tuple[str, ...] = ("ecg",)
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise sampling rate, unit and date in a header above a single column of numbers."""
        return sniff_members(source, looks_like_ecg)

    def inspect(self, source: Source) -> Manifest:
        """Rate, length and start of each file."""
        streams: list[StreamSummary] = []
        zones: list[TimeZone] = []
        members = claimed_members(source, looks_like_ecg)
        for member in members:
            recording = read_ecg(source, member, ReadOptions())
            ecg = recording.ecg
            span = (ecg.clock.start_ns, ecg.clock.end_ns)
            streams.append(StreamSummary("ecg", "ecg", len(ecg), ecg.clock.rate_hz, ecg.unit, *span))
            zones.append(recording.timezone)
        names = [shown_name(source, member) for member in members]
        identifiers = ["name and birth date in header"] if members else []
        identifiers += ["device id in file name"] if any(map(has_device_id, names)) else []
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_DEVICE,
            timezone=zones[0] if zones and len(set(zones)) == 1 else TimeZone(),
            identifiers=tuple(identifiers),
            participant_hint=participant_of(source, members[0]) if members else None,
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each file, with the signal ``ecg``.

        Raises
        ------
        InputError
            When a rate is missing or there are no values.
        UnitError
            When the unit is missing or unknown.
        """
        taken: set[str] = set()
        for member in claimed_members(source, looks_like_ecg):
            yield with_distinct_id(read_ecg(source, member, options), taken)


def looks_like_ecg(source: Source, member: str) -> Sniff:
    """How sure it is that a file is an ECG of a watch, by its first lines."""
    reason = why_not_text(source.head(member))
    if reason:
        return Sniff(0.0, reason)
    lines = head_lines(source, member)
    where = shown_name(source, member)
    try:
        header = _header(lines, where)
    except InputError as error:
        return Sniff(0.0, error.what)
    if header.length < 6 or not (header.model or _key_is_known(lines)):
        return Sniff(0.2, "a column of numbers below a rate and a unit, but no watch and no date")
    return Sniff(0.95, "sampling rate, unit and device above a column of numbers")


def _key_is_known(lines: list[str]) -> bool:
    return any(_DATE.search(line) for line in lines[:_MAX_HEADER])


def read_ecg(source: Source, member: str, options: ReadOptions, known: TimeZone = UNKNOWN_ZONE) -> Recording:
    """The recording of one ECG file.

    Parameters
    ----------
    known
        Zone that the rest of an export tells; the caller's wins.

    Raises
    ------
    InputError
        As `AppleEcg.read`.
    """
    where = shown_name(source, member)
    lines = _lines(source, member, where)
    header = _header(lines, where)
    skipped = SkippedRows(without_device_id(where))
    samples = _samples(lines[header.length :], header.length + 1, skipped)
    if not len(samples) or np.isnan(samples).all():
        found = "; ".join(n.message for n in skipped.notices())
        raise InputError("holds no values of an ECG", where=where, found=found or None)
    start_ns, epoch, zone, notices = _start(header, options, known)
    if header.rate_hz == NOMINAL_HZ:
        message = f"the file states the nominal rate of {NOMINAL_HZ:g} Hz; watches were seen to take 511 to 514 Hz"
        notices.append(Notice("nominal_rate", message, "info"))
    clock = Clock.regular(len(samples), header.rate_hz, start_ns, nominal_hz=NOMINAL_HZ, epoch=epoch)
    whole = lossless_integers(samples, _MISSING)
    if whole is None:
        signal = Signal("ecg", "ecg", samples, clock, header.unit)
    else:
        signal = Signal("ecg", "ecg", whole[0], clock, header.unit, whole[1], missing=_MISSING)
    return Recording(
        id=recording_id(where, "ecg"),
        signals={"ecg": signal},
        participant=options.participant or participant_of(source, member),
        timezone=zone,
        device=Device("Apple", header.model, header.firmware, "wrist"),
        provenance=Provenance((input_file(source, member),), AppleEcg.name, AppleEcg.version, AppleEcg.verified),
        notices=(*skipped.notices(), *notices),
        extras={"classification": header.classification} if header.classification else {},
    )


def _lines(source: Source, member: str, where: str) -> list[str]:
    with source.open(member) as stream:
        data = stream.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise InputError("is too long for an ECG of a watch", where=where, expected=f"at most {_MAX_BYTES} bytes")
    reason = why_not_text(data[:4096])
    if reason:
        raise InputError(f"cannot be read as text: {reason}", where=where)
    encoding = encoding_of(data)
    text = data.decode(encoding, "surrogateescape" if encoding == "utf-8-sig" else "replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [*readable_lines(lines[:_MAX_HEADER]), *lines[_MAX_HEADER:]]


def _header(lines: list[str], where: str) -> _Header:
    length = next((i for i, line in enumerate(lines[:_MAX_HEADER]) if _is_value(line)), 0)
    if length < 2:
        raise InputError("has no header above a column of numbers", where=where)
    values = [_value_of(line) for line in lines[:length]]
    rates = [found for value in values if (found := _RATE.fullmatch(value)) and not found[2].casefold().endswith("pm")]
    if not rates:
        raise InputError("the header tells no sampling rate", where=where, expected="for example 512 hertz")
    rate = float(rates[0][1].replace(",", "."))
    if not 100 <= rate <= 4096:
        raise InputError("implausible sampling rate", where=where, found=rate, expected="100 to 4096 Hz")
    units = [_UNITS[value] for value in values if value in _UNITS]
    if not units:
        raise UnitError("the header tells no unit", where=where, expected="µV or mV")
    dates = [i for i, value in enumerate(values) if _DATE.fullmatch(value)]
    start_ns, epoch, offset_s = _instant(values[dates[0]]) if dates else (0, "relative", None)
    models = [value for value in values if _HARDWARE.fullmatch(value)]
    versions = [value for value in values if _VERSION.fullmatch(value)]
    # the line below the date says what the watch made of it, in its own language
    verdict = values[dates[0] + 1] if dates and dates[0] + 1 < len(values) else ""
    return _Header(
        tuple(values),
        length,
        rate,
        units[-1],
        models[0] if models else None,
        versions[0] if versions else None,
        verdict if 0 < len(verdict) <= 60 and not _DATE.search(verdict) else None,
        start_ns,
        epoch,
        offset_s,
    )


def _is_value(line: str) -> bool:
    return _VALUE.fullmatch(line.strip().rstrip(",;").strip()) is not None


def _value_of(line: str) -> str:
    """What stands behind the key: quoted or not, with the decimal comma that may be in it, without a trailing one."""
    comma, semicolon = line.find(","), line.find(";")
    separator = ";" if semicolon >= 0 and (comma < 0 or semicolon < comma) else ","
    value = line.partition(separator)[2].strip().rstrip(separator).strip()
    return value.strip('"').replace("\u00a0", " ").replace("\u202f", " ").strip()


def _instant(text: str) -> tuple[int, Epoch, int | None]:
    """Start in ns, what it counts from, and the offset; without a year it is not known, and no day is taken for it."""
    found = _DATE.fullmatch(text)
    assert found is not None
    year, month, day, hour, minute, second, sign, hours, minutes, zulu = found.groups()
    try:
        stamp = np.datetime64(f"{year}-{month}-{day}T{hour}:{minute}:{second}", "s")
    except ValueError:
        return 0, "relative", None
    local_s = int(stamp.astype(np.int64))
    if not "1990" <= year < "2200":
        return 0, "relative", None
    if sign is None and zulu is None:
        return local_s * 1_000_000_000, "local", None
    offset_s = 0 if sign is None else (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1)
    return (local_s - offset_s) * 1_000_000_000, "utc", offset_s


def _start(header: _Header, options: ReadOptions, known: TimeZone) -> tuple[int, Epoch, TimeZone, list[Notice]]:
    asked = zone_of_options(options)
    zone = asked if asked.known else known
    if header.epoch == "relative":
        message = "the date of the recording cannot be read: time counts from its first sample"
        return 0, "relative", zone, [Notice("bad_time", message, "warning")]
    if header.epoch == "local" and zone.name is not None:
        local = np.array([header.start_ns], np.int64)
        return int(local_to_utc(local, zone_named(zone.name))[0]), "utc", zone, []
    if zone.known or header.offset_s is None or abs(header.offset_s) > 14 * 3600:
        return header.start_ns, header.epoch, zone, []
    told = TimeZone(fixed_offset_name(header.offset_s * 1_000_000_000), "file", weak=True)
    message = "the offset beside the date is that of the phone, which may have exported in another zone"
    return header.start_ns, header.epoch, told, [Notice("zone_of_phone", message, "info")]


def _samples(lines: list[str], first_line: int, skipped: SkippedRows) -> NDArray[np.float64]:
    """Values of all lines; one that cannot be read is missing and shifts nothing."""
    cells = [line.strip().rstrip(",;").strip() for line in lines]
    while cells and not cells[-1]:
        cells.pop()
    skipped.rows = len(cells)
    if any("," in cell for cell in cells):
        # in such a region a point separates thousands
        cells = [_with_point(cell) for cell in cells]
    values = np.array([_float_of(cell) for cell in cells], np.float64)
    bad = np.flatnonzero(np.isnan(values))
    if len(bad):
        skipped.add("bad_number", first_line + int(bad[0]), len(bad))
    return values


def _with_point(cell: str) -> str:
    whole, comma, decimals = cell.partition(",")
    grouped = re.fullmatch(r"[-+]?\d{1,3}(\.\d{3})+", whole) is not None
    if "." in whole and not grouped:
        return ""
    return whole.replace(".", "") + ("." + decimals if comma else "")


def _float_of(cell: str) -> float:
    if _VALUE.fullmatch(cell) is None or cell.count(",") or cell.count(".") > 1:
        return math.nan
    value = float(cell)
    return value if abs(value) <= LARGEST else math.nan


ADAPTER = AppleEcg()
