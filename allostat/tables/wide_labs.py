"""A table of laboratory results with one column per marker, laid out as one row per value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from os import PathLike

from allostat.biomarkers import biomarker_kinds
from allostat.errors import InputError, UnitError, nearest
from allostat.tables.marker_columns import FORMS, name_and_unit
from allostat.tables.reader import Column, Row, Table, read_table
from allostat.units import converted, measures, ucum

_PER_VALUE = ("analyte", "value", "unit", "operator", "lod")


def rows_of_wide_table(
    path: str | PathLike[str], columns: Sequence[Column], known: Callable[[str], str | None], names: Sequence[str]
) -> Table | None:
    """The rows of a wide table, one per value; None when the table is of another form.

    Wide is a table without the columns of a value and with a column that names a marker and its unit
    (`marker_columns`). ``specimen``, ``collected_at``, ``assay`` and the like hold for all values of a row.

    Parameters
    ----------
    columns
        What the long form has.
    known
        The analyte that goes by a name, or None.
    names
        Names that ``known`` knows, for messages.

    Raises
    ------
    InputError, UnitError
        Columns name no marker or no unit (all are told), two are of one marker, or a unit is unknown.
    """
    shared = [c for c in columns if c.name not in _PER_VALUE]
    per_value = {alias for c in columns if c.name in _PER_VALUE for alias in (c.name, *c.synonyms)}
    header = read_table(path, (), extras_notice=False).columns

    def measured(name: str, unit: str) -> bool:
        return _is_measured_in(known(name), unit)

    if any(h.casefold() in per_value for h in header) or not any(name_and_unit(h, measured) for h in header):
        return None
    table = read_table(path, shared, extras_notice=False)
    where = f"{table.file}, line 1"
    markers: dict[str, tuple[str, str]] = {}
    strange = []
    for column in table.columns:
        if column in {c.name for c in shared}:
            continue
        told = name_and_unit(column, measured)
        if told is None or known(told[0]) is None:
            near = nearest(told[0] if told else column, names)
            why = "tells no unit" if known(column) else f"nearest: {near}" if near else ""
            strange.append(column + (f" ({why})" if why else ""))
            continue
        markers[column] = told[0], ucum(told[1], where=f"{where}, column {column}")
    if strange:
        raise InputError("column is no known marker with its unit", where=where, found=", ".join(strange),
                         expected=FORMS)  # fmt: skip
    analytes = [known(name) for name, _ in markers.values()]
    if len(set(analytes)) < len(analytes):
        raise InputError("two columns of one marker", where=where, found=", ".join(markers))
    rows = [_one(row, c, *markers[c]) for row in table.rows for c in (list(markers)[:1] if row.ragged else markers)]
    return Table(table.file, table.columns, tuple(rows), table.notices, table.place)


def _one(row: Row, column: str, name: str, unit: str) -> Row:
    cells = {**row.cells, "analyte": name, "value": row.extras.get(column, ""), "unit": unit}
    return Row(row.line, cells, {}, row.ragged, column)


def _is_measured_in(analyte: str | None, unit: str) -> bool:
    kind = biomarker_kinds().get(analyte or "")
    if kind is None:
        return analyte is not None and bool(measures(unit))
    try:
        converted(1.0, unit, kind.unit, analyte=kind.name)
    except UnitError:
        return False
    return True
