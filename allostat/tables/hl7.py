"""HL7 version 2 result messages (ORU): patient key, collection time, specimen and coded results.

Separators are those that each message declares. Names, birth dates, addresses, performers, accession numbers and notes
are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from allostat.errors import InputError
from allostat.recording import Notice
from allostat.tables.coded_results import (
    DIASTOLIC,
    PULSE,
    SYSTOLIC,
    CodedResult,
    Message,
    check_label,
    count_notice,
    message_of,
)

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:\.(\d{1,4}))?)?([+-]\d{4})?")
_WITHDRAWN = {"D", "W", "N", "O", "I"}
_NEVER = {"X"}
_PRESSURE = {SYSTOLIC: "sbp", DIASTOLIC: "dbp", PULSE: "pulse"}
_MMHG = ("mm[Hg]", "mmHg", "mm Hg", "/min", "bpm", "")


@dataclass
class _Separators:
    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str

    @classmethod
    def of(cls, header: str, where: str) -> _Separators:
        if len(header) < 8 or len(set(header[3:8])) != 5:
            raise InputError("message header declares no separators", where=where, found=header[:9])
        return cls(header[3], header[4], header[5], header[6], header[7])

    def plain(self, text: str) -> str:
        """Text with its escape sequences resolved."""
        if self.escape not in text:
            return text.strip()
        known = {
            "F": self.field, "S": self.component, "R": self.repetition, "E": self.escape, "T": self.subcomponent,
        }  # fmt: skip
        escape = re.escape(self.escape)
        return re.sub(f"{escape}(.*?){escape}", lambda m: known.get(m.group(1), ""), text).strip()


@dataclass
class _Segment:
    """One line of a message, its fields numbered from 1 as the standard does."""

    line: int
    name: str
    fields: list[str]
    separators: _Separators

    def text(self, number: int, component: int = 1) -> str:
        """A component of the first repetition of a field; empty when it is not there."""
        if number >= len(self.fields):
            return ""
        first = self.fields[number].split(self.separators.repetition)[0]
        parts = first.split(self.separators.component)
        return self.separators.plain(parts[component - 1]) if component <= len(parts) else ""


@dataclass
class _Order:
    """Results of one order: they share patient, time and specimen."""

    patient: str
    collected: str = ""
    specimen: str = ""
    results: list[_Segment] = field(default_factory=list)


def looks_like_hl7(head: bytes) -> bool:
    """Whether the first bytes of a file are those of an HL7 version 2 message, alone or in a batch."""
    start = head.lstrip(b"\xef\xbb\xbf\x0b \t\r\n")
    return start[:3] in (b"MSH", b"FHS", b"BHS") and start[3:4] not in (b"", b" ") and not start[3:4].isalnum()


def read_hl7(text: str, file: str) -> Message:
    """Laboratory values and cuff readings of result messages, as rows.

    Raises
    ------
    InputError
        When a message declares no separators, or a code and its label contradict each other.
    """
    labs: dict[object, CodedResult] = {}
    pressures: list[CodedResult] = []
    withdrawn: list[int] = []
    corrected: list[int] = []
    for order in _orders(text, file):
        pressure: dict[str, str] = {}
        for segment in order.results:
            status = segment.text(11)
            if status in _WITHDRAWN:
                withdrawn.append(segment.line)
                continue
            result = _result(segment, order, file)
            column = _PRESSURE.get(result.cells["analyte"])
            if column is not None and _is_pressure(order):
                unit = result.cells["unit"]
                if unit not in _MMHG:
                    raise InputError(
                        f"unit of {column}", where=f"{file}, line {segment.line}", found=unit, expected="mm[Hg]"
                    )
                pressure[column] = result.cells["value"]
                continue
            key = (order.patient, result.cells["analyte"], result.cells["collected_at"], segment.text(4))
            if status == "C" and key in labs:
                corrected.append(segment.line)
                labs[key] = result
            else:
                labs[(*key, segment.line) if key in labs else key] = result
        if pressure:
            line = order.results[0].line
            cells = {"participant_id": order.patient, "measured_at": order.collected, **pressure}
            pressures.append(CodedResult(line, cells))
    notices: tuple[Notice, ...] = count_notice("WITHDRAWN", "results withdrawn or not final", withdrawn, file)
    notices += count_notice(
        "CORRECTED", "results that the laboratory corrected: the correction counts", corrected, file
    )
    return message_of(file, "line", labs.values(), pressures, notices)


def _is_pressure(order: _Order) -> bool:
    codes = {s.text(3) for s in order.results}
    return {SYSTOLIC, DIASTOLIC} <= codes


def _orders(text: str, file: str) -> Iterator[_Order]:
    separators: _Separators | None = None
    patient, order = "", None
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        line = line.strip("\x0b\x1c \ufeff")
        where = f"{file}, line {number}"
        if line.startswith("MSH"):
            separators, patient = _Separators.of(line, where), ""
        if not line or line[:3] in ("FHS", "BHS", "BTS", "FTS", "MSH"):
            continue
        if separators is None:
            raise InputError("message does not begin with its header", where=where, found=line[:3], expected="MSH")
        segment = _Segment(number, line[:3], line.split(separators.field), separators)
        if segment.name == "PID":
            patient = segment.text(3) or segment.text(2)
        elif segment.name == "OBR":
            if order is not None:
                yield order
            order = _Order(patient, _time(segment.text(7), where), segment.text(15, 2) or segment.text(15))
        elif segment.name == "SPM" and order is not None:
            order.specimen = segment.text(4, 2) or segment.text(4) or order.specimen
            order.collected = _time(segment.text(17), where) or order.collected
        elif segment.name == "OBX":
            order = order or _Order(patient)
            order.results.append(segment)
    if order is not None:
        yield order


def _result(segment: _Segment, order: _Order, file: str) -> CodedResult:
    code, label = _code(segment)
    where = f"{file}, line {segment.line}"
    check_label(code, label, where)
    written = segment.text(5)
    operator = ""
    if segment.text(2) == "SN":
        comparator, number = segment.text(5, 1), segment.text(5, 2)
        if segment.text(5, 3):
            raise InputError("a ratio or range is no single value", where=where, found=segment.fields[5])
        operator, written = comparator, number
    if segment.text(11) in _NEVER or not written:
        written = "missing: not obtained"
    cells: Mapping[str, str] = {
        "participant_id": order.patient,
        "analyte": code or label,
        "value": written,
        "unit": segment.text(6),
        "operator": operator,
        "specimen": order.specimen,
        "collected_at": _time(segment.text(14), where) or order.collected,
        "assay": segment.text(17, 2) or segment.text(17),
    }
    return CodedResult(segment.line, cells, label)


def _code(segment: _Segment) -> tuple[str, str]:
    """LOINC code (empty without one) and label; the alternative code counts when the first is a local one."""
    for first in (1, 4):
        if segment.text(3, first + 2) in ("LN", "LOINC"):
            return segment.text(3, first), segment.text(3, first + 1)
    return "", segment.text(3, 2) or segment.text(3, 1)


def _time(text: str, where: str) -> str:
    """ISO 8601 of an HL7 time; empty without a time of day."""
    if len(text) <= 8:
        return ""
    match = _TIME.fullmatch(text)
    if not match:
        raise InputError("not an HL7 time", where=where, found=text, expected="YYYYMMDDHHMM[SS][+ZZZZ]")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    iso = f"{year}-{month}-{day}T{hour}:{minute}:{second or '00'}"
    iso += f".{fraction:0<6}" if fraction else ""
    return iso + (f"{zone[:3]}:{zone[3:]}" if zone else "")
