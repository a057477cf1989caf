"""JSON beside a table of samples that says its rate and columns, as BIDS has it for ``*_physio.tsv.gz``.

Keys of the Brain Imaging Data Structure: ``SamplingFrequency`` in Hz, ``StartTime`` in s, ``Columns``, and under the
name of each column ``Units`` and ``Description``. The file of the same name beside the table counts; files higher up
(the inheritance of BIDS) are not looked for. ``AcquisitionDateTime`` (ISO 8601) places the start in time.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Container, Mapping, Set
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from allostat.adapter import Sniff
from allostat.errors import InputError
from allostat.recording import NS_PER_S, UNKNOWN_ZONE, Device, Epoch, SampleKind, TimeZone
from allostat.source import Source
from allostat_devices.file_names import without_device_id
from allostat_devices.members import CLAIM, is_single, shown_name
from allostat_devices.naive_start import placed_start
from allostat_devices.signal_labels import kind_of_label
from allostat_devices.zone_inference import fixed_offset_name

_LARGEST = 1 << 20
"""Bytes; such a file has some hundred."""
_KEYS = ("SamplingFrequency", "Columns", "StartTime")
_TABLE = re.compile(r"\.(csv|tsv|txt)$", re.I)
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*(Z|[+-]\d\d:?\d\d)?")
_ECG = re.compile(r"\b(ecg|ekg|electrocardio)", re.I)
_PULSE = re.compile(r"\b(ppg|photopleth|pleth|pulse|oximet|bvp|blood volume)", re.I)
_PULSE_NAMES = ("cardiac", "pulse", "puls", "pulseox", "pulsox", "pox", "oximeter")
"""Names of columns with the waveform of the pulse; BIDS recommends the first."""
_IDENTIFYING = {
    "DeviceSerialNumber": "device serial number in sidecar",
    "InstitutionName": "institution in sidecar",
    "InstitutionAddress": "institution in sidecar",
}


@dataclass(frozen=True)
class Sidecar:
    """What the JSON beside a table says of it."""

    name: str
    rate_hz: float = math.nan
    start_s: float = 0.0
    columns: tuple[str, ...] = ()
    about: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """``Units`` and ``Description`` of columns."""
    device: Device = field(default_factory=Device)
    start_local_ns: int | None = None
    """Wall-clock time of the start as if it were UTC; UTC where ``offset_ns`` is known."""
    offset_ns: int | None = None
    identifiers: tuple[str, ...] = ()

    def unit(self, column: str) -> str:
        """Unit of a column as the file has it; empty when it states none."""
        return self.about.get(column, {}).get("Units", "")

    def kind(self, column: str) -> SampleKind:
        """Kind of a column by its name, and by its description where the name does not tell."""
        description = self.about.get(column, {}).get("Description", "")
        if column.strip().casefold() in _PULSE_NAMES:
            return "ecg" if _ECG.search(description) else "ppg"
        kind = kind_of_label(column)
        if kind != "other" or not description:
            return kind
        return "ecg" if _ECG.search(description) else "ppg" if _PULSE.search(description) else "other"


NO_SIDECAR = Sidecar("")
"""Says nothing: what holds of a table without one."""


def start_of(sidecar: Sidecar, asked: TimeZone = UNKNOWN_ZONE) -> tuple[TimeZone, Epoch, int]:
    """Zone, epoch and instant in ns of the start that a sidecar tells, its ``StartTime`` included.

    Parameters
    ----------
    asked
        The caller's zone, which goes before an offset in the file.
    """
    shift = round(sidecar.start_s * NS_PER_S)
    if sidecar.start_local_ns is None:
        return asked, "relative", shift
    if sidecar.offset_ns is not None:
        own = TimeZone(fixed_offset_name(sidecar.offset_ns), "file")
        return asked if asked.known else own, "utc", sidecar.start_local_ns + shift
    start, epoch = placed_start(sidecar.start_local_ns, asked)
    return asked, epoch, start + shift


def sniff_with_sidecars(source: Source, look: Callable[[Source, str, Set[str] | None], Sniff]) -> Sniff:
    """What an adapter of tables says of a source, its sidecars being members of the export.

    Parameters
    ----------
    look
        Judges one member, given all members of the source as a set, or None for a single file.
    """
    if is_single(source):
        found = look(source, source.members[0], None)
        beside = sidecar_place(source, source.members[0])
        if found.confidence < CLAIM or beside is None or not _is_sidecar(beside):
            return found
        return Sniff(found.confidence, found.reason, (source.name, beside[0].name), (beside[0].name,))
    members = set(source.members)
    looks = {m: look(source, m, members) for m in source.members}
    claimed = [m for m, found in looks.items() if found.confidence >= CLAIM]
    if not claimed:
        near = max(looks.values(), key=lambda found: found.confidence, default=Sniff(0.0, "holds no files"))
        return Sniff(0.0, near.reason)
    places = (sidecar_place(source, m, members) for m in claimed)
    sidecars = [p[1] for p in places if p is not None and p[1] is not None and _is_sidecar(p)]
    best = max((looks[m] for m in claimed), key=lambda found: found.confidence)
    reason = f"{len(claimed)} of {len(members)} files: {best.reason}"
    return Sniff(best.confidence, reason, tuple(sorted({*claimed, *sidecars})), tuple(sorted(sidecars)))


def _is_sidecar(place: tuple[Source, str | None]) -> bool:
    """Whether JSON says something of a table, be it wrong; else it belongs to somebody else."""
    try:
        return read_sidecar(place) is not None
    except InputError:
        return True


def sidecar_of(source: Source, member: str, members: Container[str] | None = None) -> Sidecar | None:
    """The sidecar of a table; None when there is none, or the JSON beside it is of another kind.

    Raises
    ------
    InputError
        As `read_sidecar`.
    """
    place = sidecar_place(source, member, members)
    return None if place is None else read_sidecar(place)


def sidecar_name(table: str) -> str | None:
    """Name of the JSON that belongs to a table; None when the name is not that of a table."""
    plain = re.sub(r"\.gz$", "", table, flags=re.I)
    stem = _TABLE.sub("", plain)
    return None if stem == plain else f"{stem}.json"


def is_physio(table: str) -> bool:
    """Whether a file is named as BIDS names physiological recordings."""
    return bool(re.search(r"_physio\.tsv(\.gz)?$", table, re.I))


def sidecar_place(
    source: Source, member: str, members: Container[str] | None = None
) -> tuple[Source, str | None] | None:
    """Where the JSON of a table lies; None when there is none.

    Parameters
    ----------
    members
        Those of the source, when the caller has them as a set.
    """
    name = sidecar_name(shown_name(source, member))
    if name is None:
        return None
    if is_single(source):
        path = source.path.with_name(name)
        return (Source(path), None) if path.is_file() and not path.is_symlink() else None
    return (source, name) if name in (source.members if members is None else members) else None


def read_sidecar(place: tuple[Source, str | None]) -> Sidecar | None:
    """The sidecar; None when the JSON is of another kind.

    Raises
    ------
    InputError
        A value is not what it should be, or the file is no JSON.
    """
    source, member = place
    where = without_device_id(PurePosixPath(member or source.name).name)
    with source.open(member) as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        return None
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"is not JSON ({str(error)[:80]})", where=where) from error
    if not isinstance(content, dict) or not any(key in content for key in _KEYS):
        return None
    columns = _columns(content.get("Columns", []), where)
    local_ns, offset_ns = _acquired(content.get("AcquisitionDateTime"), where)
    return Sidecar(
        where,
        _rate(content, where),
        _number(content.get("StartTime", 0), where, "StartTime"),
        columns,
        {name: _about(content.get(name)) for name in columns or content},
        Device(_short(content.get("Manufacturer")), _short(content.get("ManufacturersModelName"))),
        local_ns,
        offset_ns,
        tuple(dict.fromkeys(kind for key, kind in _IDENTIFYING.items() if content.get(key))),
    )


def _rate(content: Mapping[str, Any], where: str) -> float:
    if content.get("SamplingFrequency") in (None, "n/a"):
        return math.nan
    rate = _number(content["SamplingFrequency"], where, "SamplingFrequency")
    if not 0 < rate <= 1e6:
        raise InputError("a sampling rate is a positive number of Hz", where=f"{where}, SamplingFrequency", found=rate)
    return rate


def _number(value: Any, where: str, key: str) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9
    if not good:
        raise InputError("is not a number", where=f"{where}, {key}", found=str(value)[:40], expected="a JSON number")
    return float(value)


def _columns(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
        raise InputError(
            "is no list of names", where=f"{where}, Columns", found=str(value)[:60], expected='such as ["time", "ecg"]'
        )
    names = tuple(name.strip() for name in value)
    twice = next((name for name in names if names.count(name) > 1), None) if len(names) <= 1000 else "too many"
    if twice is not None:
        raise InputError("names a column twice", where=f"{where}, Columns", found=twice)
    return names


def _about(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {key: value[key][:400] for key in ("Units", "Description") if isinstance(value.get(key), str)}


def _short(value: Any) -> str | None:
    clean = re.sub(r"[^A-Za-z0-9 _.-]", "", value)[:32].strip() if isinstance(value, str) else ""
    return without_device_id(clean) or None


def _acquired(value: Any, where: str) -> tuple[int | None, int | None]:
    if value in (None, "", "n/a"):
        return None, None
    found = _STAMP.fullmatch(value.strip()) if isinstance(value, str) else None
    try:
        local = int(np.datetime64(f"{found[1]}T{found[2]}", "ns").astype(np.int64)) if found else None
    except ValueError:
        local = None
    if found is None or local is None or not 0 <= local < 7_258_118_400_000_000_000:
        raise InputError(
            "is no date and time", where=f"{where}, AcquisitionDateTime", found=str(value)[:40],
            expected="such as 2024-03-04T20:00:00, with an offset such as +01:00 when it is known",
        )  # fmt: skip
    if found[3] is None:
        return local, None
    digits = found[3].replace(":", "")
    minutes = 0 if digits == "Z" else int(digits[0] + "1") * (int(digits[1:3]) * 60 + int(digits[3:]))
    if abs(minutes) > 14 * 60:
        raise InputError("no zone has such an offset", where=f"{where}, AcquisitionDateTime", found=value[:40])
    return local - minutes * 60_000_000_000, minutes * 60_000_000_000
