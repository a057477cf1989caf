"""Headers of EDF, EDF+ and BDF files: fields of fixed width in ASCII, after the EDF (1992) and EDF+ (2003) formats.

Kemp B. et al. (1992), doi:10.1016/0013-4694(92)90009-7; Kemp B., Olivan J. (2003), doi:10.1016/S1388-2457(03)00123-8.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from allostat.errors import InputError

FIXED_BYTES = 256
ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
_EDF, _BDF = b"0       ", b"\xffBIOSEMI"
_WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
_NS = 1_000_000_000
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAY = re.compile(r"(?<![0-9])(\d{1,2})-([A-Za-z]{3})-(\d{4})(?![0-9])")
_START_DATE = re.compile(r"^\s*Startdate\s+(\S+)", re.I)
_NO_DATE = "01.01.85"
_OLDEST_AGE = 90
"""Ages above 89 are one group, as in de-identified data."""


@dataclass(frozen=True, slots=True)
class EdfSignal:
    """One signal, as its header fields say."""

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    samples_per_record: int

    @property
    def is_annotation(self) -> bool:
        """Whether it holds text and not samples."""
        return self.label in ANNOTATIONS

    @property
    def calibration(self) -> tuple[float, float] | None:
        """Scale and offset of ``physical = (digital - offset) * scale``; None when the fields define none."""
        (low, high), (first, last) = self.physical, self.digital
        if first == last or low == high or not (math.isfinite(low) and math.isfinite(high)):
            return None
        scale = (high - low) / (last - first)
        return scale, first - low / scale


@dataclass(frozen=True, slots=True)
class EdfHeader:
    """All fields that are kept. Patient and recording texts are not."""

    sample_bytes: int
    """2 in EDF, 3 in BDF."""
    variant: str
    """``""``, ``C`` (EDF+, continuous) or ``D`` (EDF+, with holes)."""
    start_local_ns: int | None
    """Wall-clock start in ns since 1970 as if it were UTC; None when no date is stated."""
    stated_records: int
    """-1 while a recording runs, and for ever when the recorder was switched off."""
    record_s: float
    signals: tuple[EdfSignal, ...]
    identifiers: tuple[str, ...]
    age_years: int | None
    sex: str | None
    faros: FarosDevice | None
    odd: tuple[str, ...] = field(default=())
    """What does not agree inside the header, one sentence each."""

    @property
    def bytes(self) -> int:
        """Length of the header as its number of signals makes it."""
        return FIXED_BYTES * (1 + len(self.signals))

    @property
    def record_samples(self) -> int:
        """Samples in one record, of all signals, annotations included."""
        return sum(signal.samples_per_record for signal in self.signals)

    @property
    def record_bytes(self) -> int:
        """Bytes of one record."""
        return self.record_samples * self.sample_bytes


@dataclass(frozen=True, slots=True)
class FarosDevice:
    """What a Bittium Faros writes into the recording id, without its serial number."""

    model: str | None
    firmware: str | None
    offset_minutes: int | None
    """Local time minus UTC."""


def why_no_edf(head: bytes) -> str | None:
    """Why the first bytes of a file are no EDF or BDF header; None when they are."""
    if head[:8] not in (_EDF, _BDF):
        return "does not begin with the version field of EDF or BDF"
    if len(head) < FIXED_BYTES:
        return "ends inside the EDF header"
    for name, at, width in (("header length", 184, 8), ("number of records", 236, 8), ("number of signals", 252, 4)):
        if _number(head[at : at + width]) is None:
            return f"{name} in the EDF header is no number: {_text(head[at : at + width])!r}"
    return None


def parse_header(data: bytes, where: str) -> EdfHeader:
    """The header at the start of ``data``.

    Raises
    ------
    InputError
        When a field that is needed to find the samples is missing or no number; the message names the field.
    """
    reason = why_no_edf(data)
    if reason:
        raise InputError(reason, where=where)
    n = _whole(data[252:256], "number of signals", where)
    if n < 1:
        raise InputError("number of signals is not positive", where=where, found=n)
    if len(data) < FIXED_BYTES * (n + 1):
        raise InputError("ends inside its header", where=where, found=len(data), expected=f"{FIXED_BYTES * (n + 1)}")
    odd: list[str] = []
    if (stated := _whole(data[184:192], "header length", where)) != FIXED_BYTES * (n + 1):
        odd.append(f"states a header of {stated} bytes, its {n} signals make {FIXED_BYTES * (n + 1)}")
    record_s = _number(data[244:252])
    if record_s is None or not 0 <= record_s < 1e7:
        raise InputError("duration of a record is no number of s", where=where, found=_text(data[244:252]))
    signals = tuple(_signals(data[FIXED_BYTES : FIXED_BYTES * (n + 1)], n, where))
    if not record_s and not all(signal.is_annotation for signal in signals):
        raise InputError("duration of a record is 0, so its signals have no rate", where=where)
    patient, recording = _text(data[8:88]), _text(data[88:168])
    day = _start_date(_text(data[168:176]), recording, odd)
    age, sex = _age_and_sex(patient, day)
    is_bdf = data[:8] == _BDF
    reserved = _text(data[192:236]).upper()
    variant = reserved[4:5] if reserved.startswith(("EDF+", "BDF+")) and reserved[4:5] in ("C", "D") else ""
    return EdfHeader(
        sample_bytes=3 if is_bdf else 2,
        variant=variant,
        start_local_ns=_start(day, _text(data[176:184]), odd),
        stated_records=_whole(data[236:244], "number of records", where),
        record_s=record_s,
        signals=signals,
        identifiers=_identifiers(patient, recording),
        age_years=age,
        sex=sex,
        faros=_faros(recording),
        odd=tuple(odd),
    )


def _signals(data: bytes, n: int, where: str) -> list[EdfSignal]:
    columns: list[list[bytes]] = []
    at = 0
    for width in _WIDTHS:
        columns.append([data[at + i * width : at + (i + 1) * width] for i in range(n)])
        at += n * width
    labels, _, units, lows, highs, firsts, lasts, _, counts, _ = columns
    found = []
    for i in range(n):
        label = _text(labels[i])
        place = f"{where}, signal {i + 1} ({label[:16]})"
        count = _whole(counts[i], "samples in a record", place)
        if count < 0:
            raise InputError("number of samples in a record is negative", where=place, found=count)
        low, high = _number(lows[i]), _number(highs[i])
        physical = (math.nan if low is None else low, math.nan if high is None else high)
        first, last = _number(firsts[i]), _number(lasts[i])
        digital = (0, 0) if first is None or last is None else (int(first), int(last))
        found.append(EdfSignal(label, _text(units[i]), physical, digital, count))
    return found


def _text(field_bytes: bytes) -> str:
    try:
        text = field_bytes.decode("utf-8")
    except UnicodeDecodeError:
        text = field_bytes.decode("latin-1")
    return text.strip(" \0\t\r\n")


def _number(field_bytes: bytes) -> float | None:
    text = _text(field_bytes)
    if "_" in text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e15 else None


def _whole(field_bytes: bytes, what: str, where: str) -> int:
    value = _number(field_bytes)
    if value is None or value != int(value):
        raise InputError(f"{what} is no whole number", where=where, found=_text(field_bytes))
    return int(value)


def _start_date(text: str, recording: str, odd: list[str]) -> date | None:
    """Date of the start. The recording text of EDF+ has four digits of the year; ``X`` there means unknown."""
    said = _START_DATE.match(recording)
    if said and said[1].upper() == "X" and text.replace(" ", "") in (_NO_DATE, "01.01.01", "01.01.00"):
        return None
    parts = re.split(r"[./:-]", text)
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        odd.append("states no start date")
        return None
    day, month, short = (int(part) for part in parts)
    full = _DAY.match(said[1]) if said else None
    if text.replace(" ", "") == _NO_DATE and full is None:
        odd.append("states 01.01.85, which stands for an unknown start date")
        return None
    year = short + (1900 if short >= 85 else 2000) if short < 100 else short
    if full and int(full[1]) == day and int(full[3]) % 100 == short % 100:
        year = int(full[3])
    return _date(year, month, day, odd)


def _date(year: int, month: int, day: int, odd: list[str]) -> date | None:
    try:
        found = date(year, month, day)
    except ValueError:
        odd.append("states a start date that does not exist")
        return None
    # int64 ns end in 2262
    return found if 1900 <= year < 2200 else None


def _start(day: date | None, clock: str, odd: list[str]) -> int | None:
    parts = re.split(r"[.:-]", clock)
    if len(parts) != 3 or not all(part.strip().isdecimal() for part in parts):
        odd.append("states no start time")
        return None
    hour, minute, second = (int(part) for part in parts)
    if hour > 23 or minute > 59 or second > 59:
        odd.append("states a start time that does not exist")
        return None
    if day is None:
        return None
    return ((day.toordinal() - date(1970, 1, 1).toordinal()) * 86_400 + hour * 3600 + minute * 60 + second) * _NS


def _age_and_sex(patient: str, day: date | None) -> tuple[int | None, str | None]:
    """Age in years at the start, and sex, from the patient text of EDF+: ``code sex birthdate name``."""
    parts: Sequence[str] = patient.split()
    if len(parts) < 3:
        return None, None
    sex = parts[1] if parts[1] in ("F", "M") else None
    born = _DAY.fullmatch(parts[2])
    if not born or day is None or born[2].upper() not in _MONTHS:
        return None, sex
    month, on = _MONTHS.index(born[2].upper()) + 1, int(born[1])
    age = day.year - int(born[3]) - ((day.month, day.day) < (month, on))
    return (min(age, _OLDEST_AGE) if 0 <= age < 130 else None), sex


def _identifiers(patient: str, recording: str) -> tuple[str, ...]:
    kinds = []
    if set(patient.split()) - {"X"}:
        kinds.append("patient text in header")
    if _DAY.search(patient):
        kinds.append("birth date in header")
    if set(recording.split()) - {"X", "Startdate"}:
        kinds.append("recording text in header")
    if re.search(r"SER=\S", recording):
        kinds.append("serial number in header")
    return tuple(kinds)


def _faros(recording: str) -> FarosDevice | None:
    model = re.search(r"DEVTYPE=(Faros\d*[A-Za-z]?)", recording)
    if not model:
        return None
    firmware = re.search(r"SW=([0-9][0-9.]*)", recording)
    zone = re.search(r"TZ=([+-])(\d{2}):?([0-5]\d)", recording)
    offset = None
    if zone and int(zone[2]) <= 14:
        offset = (int(zone[2]) * 60 + int(zone[3])) * (-1 if zone[1] == "-" else 1)
    return FarosDevice(model[1], firmware[1].rstrip(".") if firmware else None, offset)
