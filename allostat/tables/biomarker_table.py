"""One table of biomarkers for people who have no recordings: long, or wide with the unit in each column's name."""

from __future__ import annotations

import math
import re
from os import PathLike

from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kind, biomarker_kinds
from allostat.errors import InputError
from allostat.tables.participants import parse_age, parse_sex, participant_id
from allostat.tables.reader import Column, Row, Table, number, read_table
from allostat.units import conversion_factor, ucum

_WHO = (
    Column("participant_id", required=True, synonyms=("participant",)),
    Column("sex"),
    Column("age", synonyms=("age_years",)),
    Column("group"),
    Column("medications", synonyms=("medication",)),
    Column("occasion"),
)
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
)
_WIDE_COLUMN = re.compile(r"([^\[\]]+?)\s*\[([^\[\]]*(?:\[[^\[\]]*\])?[^\[\]]*)\]")


def read_biomarker_table(path: str | PathLike[str]) -> BiomarkerTable:
    """Biomarkers and persons from one text table.

    Long: ``participant_id``, ``biomarker``, ``value``, ``unit`` (any that converts), optional ``standard_error`` (on
    the scale of the biomarker's transform: ln for RMSSD and hs-CRP), ``n``, ``coverage``, ``quality`` (codes separated
    by ``;``), ``context``, ``provenance``. Wide: ``participant_id`` and one column per biomarker named
    ``<biomarker>[<unit>]``, such as ``hs_crp[mg/L]``. Both: ``sex``, ``age``, ``group``, ``medications``, ``occasion``.

    Raises
    ------
    InputError
        With file, line and column: unknown biomarker, unit that does not convert, one participant described
        differently in two rows, two values of one biomarker on one occasion.
    """
    header = read_table(path, (), extras_notice=False).columns
    if "biomarker" in {name.strip().casefold() for name in header}:
        return _read_long(path)
    return _read_wide(path)


def _read_long(path: str | PathLike[str]) -> BiomarkerTable:
    table = read_table(path, (*_WHO, *_LONG), extras_notice=False)
    for name in table.columns:
        if name not in {c.name for c in (*_WHO, *_LONG)}:
            valid = [c.name for c in (*_WHO, *_LONG)]
            raise InputError("unknown column", where=f"{table.file}, line 1", found=name, valid=valid)
    rows: dict[tuple[str, str, str], tuple[Biomarker, int]] = {}
    persons: dict[str, Person] = {}
    for row in table.rows:
        person = _person(table, row, persons)
        one = _placed(table, row, "value", person, row.text("biomarker"), row.text("unit"))
        _keep(table, row, one, rows)
    return _table(table, rows, persons)


def _read_wide(path: str | PathLike[str]) -> BiomarkerTable:
    table = read_table(path, _WHO, extras_notice=False)
    columns: dict[str, tuple[str, str]] = {}
    for name in table.columns:
        if name in {c.name for c in _WHO}:
            continue
        where = f"{table.file}, line 1, column {name}"
        match = _WIDE_COLUMN.fullmatch(name)
        if match is None:
            kinds = biomarker_kinds()
            expected = f"{name}[{kinds[name].unit}]" if name in kinds else "<biomarker>[<unit>]"
            raise InputError("a biomarker column names its unit", where=where, found=name, expected=expected)
        _known(match[1], where)
        columns[name] = (match[1], match[2])
    if not columns:
        raise InputError("table holds no biomarker", where=table.file, expected="columns such as hs_crp[mg/L]")
    rows: dict[tuple[str, str, str], tuple[Biomarker, int]] = {}
    persons: dict[str, Person] = {}
    for row in table.rows:
        person = _person(table, row, persons)
        for column, (biomarker, unit) in columns.items():
            one = _placed(table, row, column, person, biomarker, unit)
            if not one.missing:
                _keep(table, row, one, rows)
    return _table(table, rows, persons)


def _known(biomarker: str, where: str) -> None:
    if biomarker not in biomarker_kinds():
        raise InputError("unknown biomarker", where=where, found=biomarker, valid=biomarker_kinds())


def _placed(table: Table, row: Row, column: str, person: Person, name: str, unit_text: str) -> Biomarker:
    """The biomarker of one cell, in its own unit; errors name the cell."""
    where = table.where(row, column)
    _known(name, where)
    kind = biomarker_kind(name)
    unit = ucum(unit_text, where=where)
    cell = row.cells.get(column, row.extras.get(column, ""))
    value = number(cell, where=where) * conversion_factor(unit, kind.unit, analyte=name, where=where)
    low, high = kind.plausible_low, kind.plausible_high
    if not math.isnan(value) and not low <= value <= high:
        raise InputError(
            f"{name} is implausible in its unit (UNIT_SUSPECT)",
            where=where,
            found=f"{cell} {unit_text}",
            expected=f"{low:g} to {high:g} {kind.unit}",
        )
    context = row.text("context")
    if context and context != kind.context:
        raise InputError(
            f"{name} of another context", where=where, found=context, expected=kind.context or "no context"
        )
    error = number(row.text("standard_error"), where=table.where(row, "standard_error"))
    if error < 0:
        raise InputError("a standard error is not negative", where=table.where(row, "standard_error"), found=error)
    if unit != kind.unit and kind.transform == "identity":
        error *= conversion_factor(unit, kind.unit, analyte=name, where=where)
    n = number(row.text("n"), where=table.where(row, "n"))
    if not math.isnan(n) and (n < 0 or n != int(n)):
        raise InputError("a number of repeats is a whole number", where=table.where(row, "n"), found=row.text("n"))
    coverage = number(row.text("coverage"), where=table.where(row, "coverage"))
    if not math.isnan(coverage) and not 0 <= coverage <= 1:
        raise InputError("a coverage is a share", where=table.where(row, "coverage"), found=row.text("coverage"))
    return Biomarker(
        participant=person.participant,
        biomarker=name,
        value=value,
        unit=kind.unit,
        occasion=row.text("occasion") or "1",
        standard_error=error,
        n=1 if math.isnan(n) else int(n),
        coverage=coverage,
        quality=tuple(q.strip() for q in row.text("quality").split(";") if q.strip()),
        context=kind.context,
        provenance=row.text("provenance") or f"{table.file}, line {row.line}",
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
    if row.ragged:
        raise InputError(f"row has {row.ragged}", where=table.where(row))
    drugs = tuple(m.strip() for m in row.text("medications").split(";"))
    person = Person(
        participant=participant_id(table, row),
        sex=parse_sex(row.text("sex"), where=table.where(row, "sex")),
        age_years=parse_age(row.text("age"), where=table.where(row, "age")),
        group=row.text("group") or None,
        medications=tuple(m for m in drugs if m),
    )
    first = persons.setdefault(person.participant, person)
    if (first.sex, first.medications) != (person.sex, person.medications):
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
