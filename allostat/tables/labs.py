"""labs.tsv: laboratory results, one per row, each with its own unit, specimen, time and assay."""

from __future__ import annotations

import math
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from os import PathLike
from typing import Literal

from allostat.errors import AllostatError, InputError, UnitError, nearest
from allostat.recording import Notice
from allostat.tables.exchange import read_message
from allostat.tables.instant import Instant, parse_instant
from allostat.tables.participants import participant_id
from allostat.tables.reader import MISSING_CELLS, Column, Problem, Row, Table, number, read_table
from allostat.tables.wide_labs import rows_of_wide_table
from allostat.units import measures, ucum

_COLUMNS = (
    Column("participant_id", required=True, synonyms=("participant",)),
    Column("analyte", required=True, synonyms=("loinc",)),
    Column("value", required=True),
    Column("unit", required=True),
    Column("specimen", synonyms=("matrix",)),
    Column("collected_at", synonyms=("collected", "datetime")),
    Column("operator"),
    Column("lod", synonyms=("limit_of_detection", "detection_limit", "lloq")),
    Column("assay"),
    Column("occasion"),
    Column("day"),
    Column("sample"),
)
_OPERATORS = {"": "", "=": "", "<": "<", "<=": "<", "≤": "<", ">": ">", ">=": ">", "≥": ">"}
_WRITTEN_VALUE = re.compile(r"(<=|>=|[<>≤≥])?\s*(.+)")
_WHY_MISSING = re.compile(
    r"insufficient|volume|no sample|empty|not (collected|done|available|enough|measured)|qns|ha?emoly|contaminat|lost|"
    r"missing|error|invalid|failed|dry|clot",
    re.IGNORECASE,
)
_NOT_DETECTED = re.compile(
    r"n\.?\s?d\.?|not[ _]?detect(ed|able)|undetect(ed|able)|bl[od]?q|blod|bdl|<\s*(lod|loq|lloq)|"
    r"below (the )?(lod|loq|lloq|limit|detection).*",
    re.IGNORECASE,
)
_SPECIMENS = {
    "saliva": "saliva", "salivary": "saliva", "serum": "serum", "plasma": "plasma", "blood": "blood",
    "whole blood": "blood", "capillary blood": "blood", "urine": "urine", "hair": "hair",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class LoincCode:
    """What a LOINC code says: analyte, specimen and whether mass or amount is measured (empty: any)."""

    analyte: str
    specimen: str
    property: str


@dataclass(frozen=True, slots=True)
class LabRow:
    """One laboratory result as the laboratory gave it.

    Parameters
    ----------
    value
        In ``unit``; NaN when missing, with the laboratory's words in ``missing_reason``.
    operator
        ``<``: below the limit of detection, which is ``value``; ``>``: above the assay's range.
    sample, day
        The laboratory's or the study's names of the sample and of its day, when given.
    """

    participant: str
    analyte: str
    value: float
    unit: str
    specimen: str = ""
    collected_at: Instant | None = None
    operator: str = ""
    assay: str = ""
    occasion: str = "1"
    day: str = ""
    sample: str = ""
    missing_reason: str = ""
    line: int = 0
    file: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """File, line and participant, for messages."""
        place = f"{self.file}, line {self.line}, " if self.file else ""
        return f"{place}participant {self.participant}, {self.analyte}"

    def in_zone(self, zone: str) -> LabRow:
        """The same row with a naive local time placed in a zone."""
        if self.collected_at is None:
            return self
        return replace(self, collected_at=self.collected_at.in_zone(zone, where=self.where))


@dataclass(frozen=True, slots=True)
class LabTable:
    """Usable rows, and rows that were not."""

    rows: tuple[LabRow, ...]
    problems: tuple[Problem, ...] = ()
    notices: tuple[Notice, ...] = ()

    def of(self, participant: str) -> tuple[LabRow, ...]:
        """The rows of one participant, in the order of the file."""
        return tuple(r for r in self.rows if r.participant == participant)


@dataclass(frozen=True)
class _Analytes:
    """Analyte by name and by LOINC code; those whose specimen must be told; why some are read and not used."""

    names: Mapping[str, str]
    codes: Mapping[str, LoincCode]
    needs_specimen: frozenset[str]
    unused: Mapping[str, str]


@cache
def _analytes() -> _Analytes:
    text = resources.files("allostat_data").joinpath("analytes.toml").read_text(encoding="utf-8")
    entries = tomllib.loads(text)
    return _Analytes(
        names={name: analyte for analyte, entry in entries.items() for name in entry["names"]},
        codes={
            code: LoincCode(analyte, said["specimen"], said["property"])
            for analyte, entry in entries.items()
            for code, said in entry.get("loinc", {}).items()
        },
        needs_specimen=frozenset(a for a, entry in entries.items() if entry.get("specimen_required")),
        unused={a: entry["unused"] for a, entry in entries.items() if "unused" in entry},
    )


@cache
def analyte_names() -> tuple[str, ...]:
    """Analytes by the names that allostat gives them."""
    return tuple(dict.fromkeys(_analytes().names.values()))


def known_analyte(text: str) -> str | None:
    """The analyte that goes by a name (case, blanks and hyphens do not count); None when none does."""
    return _analytes().names.get(_plain(text))


def _plain(text: str) -> str:
    return re.sub(r"[\s\-]+", "_", text.strip().casefold())


def read_labs(path: str | PathLike[str]) -> LabTable:
    """Laboratory results, one row per value or one column per marker.

    Columns: ``participant_id``, ``analyte`` (name or LOINC code), ``value`` (a number, ``<0.2``, or words that say why
    there is none), ``unit``, ``specimen``, ``collected_at`` (ISO 8601, with offset or naive local), ``operator``,
    ``assay``, and, optional, ``lod`` (limit of detection in ``unit``), ``occasion``, ``day``, ``sample``. Others are
    kept. ``ND`` and its like (not detected, BLQ, <LOD) are values below ``lod``; without it they are missing.

    Raises
    ------
    InputError
        When the file or its header is unusable. Bad rows are problems of their participants instead.

    Notes
    -----
    FHIR (JSON) and HL7 version 2 files, told by their content, are read as well. In place of ``analyte``, ``value``
    and ``unit`` a table may have one column per marker, such as ``hs-CRP (mg/L)`` (`allostat.tables.marker_columns`).
    """
    message = read_message(path)
    if message:
        return lab_table(message.labs)
    wide = rows_of_wide_table(path, _COLUMNS, known_analyte, tuple(_analytes().names))
    return lab_table(wide if wide is not None else read_table(path, _COLUMNS))


def lab_table(table: Table) -> LabTable:
    """Checked laboratory results of a table's rows; bad rows are problems."""
    rows: list[LabRow] = []
    problems: list[Problem] = []
    seen: dict[LabRow, int] = {}
    repeated: list[int] = []
    for row in table.rows:
        try:
            lab = _lab_row(table, row)
        except AllostatError as error:
            problems.append(Problem(table.file, row.line, row.text("participant_id"), error))
            continue
        # NaN differs from itself and extras cannot be hashed: neither tells two rows apart.
        key = replace(lab, line=0, extras=None, value=0.0 if math.isnan(lab.value) else lab.value)  # type: ignore[arg-type]
        if key in seen and lab.collected_at is not None:
            repeated.append(row.line)
            continue
        seen.setdefault(key, row.line)
        rows.append(lab)
    return LabTable(tuple(rows), tuple(problems), table.notices + _notices(table, rows, repeated))


def _notices(table: Table, rows: list[LabRow], repeated: list[int]) -> tuple[Notice, ...]:
    known, unused = set(analyte_names()), _analytes().unused
    found: list[Notice] = []

    def add(code: str, message: str, severity: Literal["info", "warning"], some: Sequence[LabRow]) -> None:
        if some:
            found.append(Notice(code, message, severity, len(some), table.file, some[0].line))

    if repeated:
        message = "rows that repeat another row to the letter: counted once"
        found.append(Notice("DUPLICATE_ROW", message, "warning", len(repeated), table.file, repeated[0]))
    missing = [r for r in rows if math.isnan(r.value)]
    why = "; ".join(sorted({r.missing_reason for r in missing}))
    add("LAB_VALUE_MISSING", f"rows without a value ({why})", "info", missing)
    add("BELOW_LOD", "values below the limit of detection", "info", [r for r in rows if r.operator == "<"])
    add("ABOVE_ASSAY_RANGE", "values above the range of their assay", "warning", [r for r in rows if r.operator == ">"])
    strange = [r for r in rows if r.analyte not in known]
    names = ", ".join(map(_with_nearest, sorted({r.analyte for r in strange})))
    add("UNKNOWN_ANALYTE", f"analytes that allostat does not use: {names}", "info", strange)
    for analyte, reason in unused.items():
        add("ANALYTE_UNUSED", f"{analyte} is not used: {reason}", "warning", [r for r in rows if r.analyte == analyte])
    for analyte in sorted({r.analyte for r in rows} & known):
        valued = [r for r in rows if r.analyte == analyte and not math.isnan(r.value)]
        add("SEVERAL_ASSAYS", *_mixture(analyte, "assays", [r.assay for r in valued]), valued)
        add("SEVERAL_SPECIMENS", *_mixture(analyte, "specimens", [r.specimen for r in valued]), valued)
    return tuple(n for n in found if n.message)


def _with_nearest(name: str) -> str:
    near = nearest(name, _analytes().names)
    return f"{name} (nearest known: {near})" if near else name


def _mixture(analyte: str, what: str, found: Sequence[str]) -> tuple[str, Literal["warning"]]:
    """What to say when the rows of an analyte come from several assays or specimens; empty text when they do not."""
    counts = Counter(found)
    if len(counts.keys() - {""}) < 2:
        return "", "warning"
    told = ", ".join(
        f"{name or 'not told'} ({n} rows)" for name, n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    )
    return f"{analyte} of several {what}, whose values do not compare without a calibration: {told}", "warning"


def _lab_row(table: Table, row: Row) -> LabRow:
    if row.ragged:
        raise InputError(f"row has {row.ragged}", where=table.where(row))
    who = participant_id(table, row)
    analyte, code = _analyte(row.text("analyte"), where=table.where(row, "analyte"))
    value, operator, why = _value(row, table)
    specimen = _specimen(row.text("specimen"), analyte, code, math.isnan(value), where=table.where(row, "specimen"))
    when = row.text("collected_at")
    return LabRow(
        participant=who,
        analyte=analyte,
        value=value,
        unit=_unit(row.text("unit"), analyte, code, math.isnan(value), where=table.where(row, "unit")),
        specimen=specimen,
        collected_at=parse_instant(when, where=table.where(row, "collected_at")) if when else None,
        operator=operator,
        assay=row.text("assay"),
        occasion=row.text("occasion") or "1",
        day=row.text("day"),
        sample=row.text("sample"),
        missing_reason=why,
        line=row.line,
        file=table.file,
        extras=row.extras,
    )


def _analyte(text: str, *, where: str) -> tuple[str, LoincCode | None]:
    names, codes = _analytes().names, _analytes().codes
    if not text:
        raise InputError("analyte is missing", where=where)
    if text in codes:
        return codes[text].analyte, codes[text]
    if re.fullmatch(r"\d{1,7}-\d", text):
        return text, None
    plain = _plain(text)
    if plain in names:
        return names[plain], None
    near = nearest(plain, names)
    if near and _one_edit_apart(plain, near):
        raise InputError("unknown analyte", where=where, found=text, valid=[near])
    return plain, None


def _one_edit_apart(a: str, b: str) -> bool:
    """Whether two names differ by one letter changed, left out, added or swapped with its neighbour."""
    if abs(len(a) - len(b)) > 1 or min(len(a), len(b)) < 4:
        return False
    if len(a) == len(b):
        at = [i for i in range(len(a)) if a[i] != b[i]]
        swapped = len(at) == 2 and at[1] == at[0] + 1 and a[at[0]] == b[at[1]] and a[at[1]] == b[at[0]]
        return len(at) == 1 or swapped
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))


def _value(row: Row, table: Table) -> tuple[float, str, str]:
    """Value, operator and the words that stand in place of a value."""
    where = table.where(row, "value")
    written = row.cells.get("value", "").strip()
    told = row.text("operator")
    if told not in _OPERATORS:
        raise InputError("unknown operator", where=where, found=told, expected="<, > or nothing")
    if written.casefold() in MISSING_CELLS:
        return math.nan, "", written or "empty cell"
    if _NOT_DETECTED.fullmatch(written):
        limit = number(row.text("lod"), where=table.where(row, "lod"))
        if limit <= 0:
            raise InputError("a limit of detection is above zero", where=table.where(row, "lod"), found=limit)
        return (limit, "", f"{written}, limit of detection not told") if math.isnan(limit) else (limit, "<", "")
    match = _WRITTEN_VALUE.fullmatch(written)
    sign, digits = match.groups() if match else (None, written)
    if not re.search(r"\d", digits) and _WHY_MISSING.search(digits):
        return math.nan, "", digits
    operator = _OPERATORS[sign or ""]
    if operator and _OPERATORS[told] and operator != _OPERATORS[told]:
        raise InputError("value and operator column contradict each other", where=where, found=f"{told} {written}")
    value = number(digits, where=where)
    if value < 0 or value == 0:
        raise InputError(
            "a laboratory value is above zero", where=where, found=written,
            expected="a positive number, '<LIMIT' below the limit of detection, or nothing when missing",
        )  # fmt: skip
    return value, operator or _OPERATORS[told], ""


def _unit(text: str, analyte: str, code: LoincCode | None, missing: bool, *, where: str) -> str:
    if not text and missing:
        return ""
    known = analyte in analyte_names()
    if not known and text:
        return text
    unit = ucum(text, where=where)
    if code is not None and code.property and measures(unit) != code.property:
        raise UnitError(
            f"LOINC code of {analyte} and unit contradict each other", where=where, found=unit,
            expected=f"a unit of {code.property} per volume",
        )  # fmt: skip
    return unit


def _specimen(text: str, analyte: str, code: LoincCode | None, missing: bool, *, where: str) -> str:
    specimen = _SPECIMENS.get(text.casefold(), text.casefold())
    told = code.specimen if code is not None else ""
    if told and specimen and {told, specimen} not in ({told}, {"serum", "plasma"}):
        raise InputError(
            f"LOINC code of {analyte} and specimen contradict each other", where=where, found=specimen, expected=told
        )
    specimen = specimen or told
    if analyte in _analytes().needs_specimen and not missing:
        if not specimen:
            raise InputError(
                f"{analyte} needs its specimen", where=where, expected="saliva, serum, plasma, urine or hair"
            )
        if specimen not in _SPECIMENS.values():
            raise InputError("unknown specimen", where=where, found=text, valid=set(_SPECIMENS.values()))
    return specimen
