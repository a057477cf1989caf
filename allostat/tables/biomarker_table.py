"""One table of biomarkers for people who have no recordings: long, or wide with the unit in each column's name."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from os import PathLike
from typing import Literal, get_args

from allostat.biomarkers import (
    Biomarker,
    BiomarkerKind,
    BiomarkerTable,
    Person,
    biomarker_kind,
    biomarker_kinds,
    refuse_implausible,
    split_numbers,
)
from allostat.errors import ConfigError, InputError, UnitError, nearest
from allostat.tables.labs import analyte_names, known_analyte
from allostat.tables.marker_columns import FORMS, name_and_unit
from allostat.tables.persons import PERSON_COLUMNS, person_of, same_person
from allostat.tables.reader import Column, Row, Table, number, read_table
from allostat.units import converted, converted_error, ucum

Implausible = Literal["refuse", "missing"]

_WHO = (*PERSON_COLUMNS, Column("occasion"))
_LONG = (
    Column("biomarker", required=True),
    Column("value", required=True),
    Column("unit", required=True),
    Column("standard_error"),
    Column("n"),
    Column("coverage"),
    Column("quality"),
    Column("context"),
    Column("provenance"),
    Column("raw_value"),
    Column("adjustment"),
    Column("repeats"),
)
_LIMIT = re.compile(r"(<=|>=|[<>≤≥])\s*(.+)")


@dataclass(frozen=True, slots=True)
class _Cell:
    """Where the numbers of one biomarker stand in a row."""

    column: str
    kind: BiomarkerKind
    unit: str
    error_column: str = ""


def read_biomarker_table(
    path: str | PathLike[str], *, implausible: Implausible = "refuse", besides: Collection[str] = ()
) -> BiomarkerTable:
    """Biomarkers and persons from one text table.

    Parameters
    ----------
    path
        Long: ``participant_id``, ``biomarker``, ``value``, ``unit`` (any that converts), optional ``standard_error``
        (on the scale of the biomarker's transform: ln for RMSSD and hs-CRP), ``n``, ``coverage``, ``quality`` (codes
        separated by ``;``), ``context``, ``provenance``, ``raw_value``, ``adjustment``, ``repeats`` (as a study writes
        them). Wide: ``participant_id`` and one column per biomarker named ``<biomarker>[<unit>]``, such as
        ``hs_crp[mg/L]`` (or ``hs-CRP (mg/L)``, ``hs_crp_mg_L``: `allostat.tables.marker_columns`), with optional
        ``standard_error[<biomarker>]``. Both: ``sex``, ``age``, ``group``, ``medications``, ``pregnant``, ``smoker``,
        ``oral_contraceptive``, ``occasion``. Biomarkers go by their own names or by those of their analytes
        (``triglycerides``).
    implausible
        What is done about a value outside of its biomarker's bounds: ``refuse`` the table, or take the value as
        ``missing`` with the code ``UNIT_SUSPECT``.
    besides
        Columns of a wide table that are no biomarkers and mean something to the caller, such as an outcome.

    Returns
    -------
    BiomarkerTable
        Values below a limit of detection (``<0.2``) count as LOD/sqrt(2) with ``BELOW_LOD``, values above a limit are
        NaN with ``ABOVE_ASSAY_RANGE``. No rule of medication is applied.

    Raises
    ------
    InputError
        With file, line and column: unknown biomarker, unit that does not convert, one participant described
        differently in two rows, two values of one biomarker on one occasion.
    """
    if implausible not in get_args(Implausible):
        raise ConfigError("no such choice for implausible values", found=implausible, valid=get_args(Implausible))
    header = read_table(path, (), extras_notice=False).columns
    if "biomarker" in {name.strip().casefold() for name in header}:
        return _read_long(path, implausible)
    return _read_wide(path, implausible, besides)


def _read_long(path: str | PathLike[str], implausible: Implausible) -> BiomarkerTable:
    table = read_table(path, (*_WHO, *_LONG), extras_notice=False)
    valid = [c.name for c in (*_WHO, *_LONG)]
    for name in table.columns:
        if name not in valid:
            raise InputError("unknown column", where=f"{table.file}, line 1", found=name, valid=valid)
    rows: dict[tuple[str, str, str], tuple[Biomarker, int]] = {}
    persons: dict[str, Person] = {}
    for row in table.rows:
        person = _person(table, row, persons)
        kind = _kind(row.text("biomarker"), table.where(row, "value"))
        unit = ucum(row.text("unit"), where=table.where(row, "value"))
        one = _placed(table, row, _Cell("value", kind, unit, "standard_error"), person, implausible)
        _keep(table, row, _with_details(table, row, one, unit), rows)
    return _table(table, rows, persons)


def _read_wide(path: str | PathLike[str], implausible: Implausible, besides: Collection[str]) -> BiomarkerTable:
    table = read_table(path, _WHO, extras_notice=False)
    cells = _wide_cells(table, besides)
    rows: dict[tuple[str, str, str], tuple[Biomarker, int]] = {}
    persons: dict[str, Person] = {}
    for row in table.rows:
        person = _person(table, row, persons)
        for cell in cells:
            one = _placed(table, row, cell, person, implausible)
            if not one.missing or one.quality:
                _keep(table, row, one, rows)
    return _table(table, rows, persons)


def _wide_cells(table: Table, besides: Collection[str]) -> list[_Cell]:
    """The columns of biomarkers of a wide table, each with the column of its standard error."""
    cells: dict[str, _Cell] = {}
    errors: dict[str, str] = {}
    for name in table.columns:
        if name in besides or name in {c.name for c in _WHO}:
            continue
        where = f"{table.file}, line 1, column {name}"
        told = name_and_unit(name, _is_measured_in)
        if told is None:
            kind_alone = _known_kind(name)
            near = nearest(name, (*biomarker_kinds(), *analyte_names()))
            expected = f"{name}[{kind_alone.unit}]" if kind_alone else FORMS
            raise InputError("a biomarker column names its unit", where=where, found=name, expected=expected,
                             valid=[near] if near and kind_alone is None else ())  # fmt: skip
        if told[0] == "standard_error":
            errors[_kind(told[1], where).name] = name
            continue
        kind = _kind(told[0], where)
        if kind.name in cells:
            raise InputError("two columns of one biomarker", where=where, found=f"{cells[kind.name].column}, {name}")
        unit = ucum(told[1], where=where)
        converted(1.0, unit, kind.unit, analyte=kind.name, where=where)
        cells[kind.name] = _Cell(name, kind, unit)
    for biomarker, column in errors.items():
        if biomarker not in cells:
            raise InputError("standard error of a biomarker that has no column", where=table.file, found=column)
    if not cells:
        raise InputError("table holds no biomarker", where=table.file, expected="columns such as hs_crp[mg/L]")
    return [dataclasses.replace(cell, error_column=errors.get(name, "")) for name, cell in cells.items()]


def _kind(text: str, where: str) -> BiomarkerKind:
    kind = _known_kind(text)
    if kind is None:
        raise InputError("unknown biomarker", where=where, found=text, valid=biomarker_kinds())
    return kind


def _known_kind(text: str) -> BiomarkerKind | None:
    kinds = biomarker_kinds()
    return kinds.get(text if text in kinds else known_analyte(text) or "")


def _is_measured_in(name: str, unit: str) -> bool:
    kind = _known_kind(name)
    if kind is None:
        return False
    try:
        converted(1.0, unit, kind.unit, analyte=kind.name)
    except UnitError:
        return False
    return True


def _placed(table: Table, row: Row, cell: _Cell, person: Person, implausible: Implausible) -> Biomarker:
    """The biomarker of one cell, in its own unit; errors name the cell."""
    where, kind = table.where(row, cell.column), cell.kind
    written = row.cells.get(cell.column, row.extras.get(cell.column, "")).strip()
    limit = _LIMIT.fullmatch(written)
    value = number(limit[2] if limit else written, where=where)
    value = converted(value, cell.unit, kind.unit, analyte=kind.name, where=where)
    quality: tuple[str, ...] = ()
    if limit and limit[1][0] in "<≤":
        value, quality = value / math.sqrt(2.0), ("BELOW_LOD",)
    elif limit:
        value, quality = math.nan, ("ABOVE_ASSAY_RANGE",)
    elif row.text("raw_value") == "":
        try:
            refuse_implausible(kind, value, written=written, unit=cell.unit, where=where)
        except UnitError:
            if implausible == "refuse":
                raise
            value, quality = math.nan, ("UNIT_SUSPECT",)
    return Biomarker(
        participant=person.participant,
        biomarker=kind.name,
        value=value,
        unit=kind.unit,
        occasion=row.text("occasion") or "1",
        standard_error=_error(table, row, cell),
        quality=quality,
        context=kind.context,
        provenance=f"{table.file}, line {row.line}" + (f", reported {written} {cell.unit}" if quality else ""),
        raw_value=_raw_value(table, row, cell),
    )


def _error(table: Table, row: Row, cell: _Cell) -> float:
    """The standard error on the scale of the transform; on the identity scale it is in the unit of the value."""
    if not cell.error_column:
        return math.nan
    where = table.where(row, cell.error_column)
    error = number(row.cells.get(cell.error_column, row.extras.get(cell.error_column, "")), where=where)
    if error < 0:
        raise InputError("a standard error is not negative", where=where, found=error)
    if cell.kind.transform == "ln":
        return error
    return converted_error(error, cell.unit, cell.kind.unit, analyte=cell.kind.name, where=where)


def _raw_value(table: Table, row: Row, cell: _Cell) -> float:
    text = row.text("raw_value")
    if not text:
        return math.nan
    raw = number(text, where=table.where(row, "raw_value"))
    return converted(raw, cell.unit, cell.kind.unit, analyte=cell.kind.name)


def _with_details(table: Table, row: Row, one: Biomarker, unit: str) -> Biomarker:
    """What the long form tells besides: number of repeats, coverage, quality, context, provenance, rules."""
    kind = biomarker_kind(one.biomarker)
    context = row.text("context")
    if context and context != kind.context:
        raise InputError(
            f"{kind.name} of another context", where=table.where(row, "value"), found=context,
            expected=kind.context or "no context",
        )  # fmt: skip
    n = number(row.text("n"), where=table.where(row, "n"))
    if not math.isnan(n) and (n < 0 or n != int(n)):
        raise InputError("a number of repeats is a whole number", where=table.where(row, "n"), found=row.text("n"))
    coverage = number(row.text("coverage"), where=table.where(row, "coverage"))
    if not math.isnan(coverage) and not 0 <= coverage <= 1:
        raise InputError("a coverage is a share", where=table.where(row, "coverage"), found=row.text("coverage"))
    told = tuple(q.strip() for q in row.text("quality").split(";") if q.strip())
    try:
        repeats = split_numbers(row.text("repeats"))
    except ValueError as error:
        where = table.where(row, "repeats")
        raise InputError("not numbers separated by ;", where=where, found=row.text("repeats")) from error
    return dataclasses.replace(
        one,
        n=1 if math.isnan(n) else int(n),
        coverage=coverage,
        quality=tuple(dict.fromkeys((*told, *one.quality))),
        provenance=row.text("provenance") or one.provenance,
        adjustment=row.text("adjustment"),
        repeats=tuple(converted(r, unit, kind.unit, analyte=kind.name) for r in repeats),
    )


def _keep(table: Table, row: Row, one: Biomarker, rows: dict[tuple[str, str, str], tuple[Biomarker, int]]) -> None:
    key = (one.participant, one.occasion, one.biomarker)
    if key in rows:
        raise InputError(
            "two values of one biomarker on one occasion",
            where=f"{table.file}, lines {rows[key][1]} and {row.line}",
            found=" / ".join(key),
            expected="one row each, or another occasion",
        )
    rows[key] = (one, row.line)


def _person(table: Table, row: Row, persons: dict[str, Person]) -> Person:
    """The person of a row; the same in every row that names them."""
    person = person_of(table, row, row.text)
    first = persons.setdefault(person.participant, person)
    if not same_person(first, person):
        raise InputError(
            "two rows describe one participant differently", where=table.where(row), found=first.participant
        )
    return first


def _table(
    table: Table, rows: dict[tuple[str, str, str], tuple[Biomarker, int]], persons: dict[str, Person]
) -> BiomarkerTable:
    if not rows:
        raise InputError("table holds no biomarker values", where=table.file)
    return BiomarkerTable(tuple(row for row, _ in rows.values()), persons)
