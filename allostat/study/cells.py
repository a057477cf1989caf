"""Changing single cells of a text table, every other byte staying as it is."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from allostat.errors import InputError
from allostat.tables.reader import Column, Row, read_table, read_text

_BOM = "\ufeff"
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


@dataclass(frozen=True, slots=True)
class Change:
    """A cell before and after."""

    line: int
    column: str
    before: str
    after: str


class CellTable:
    """A table on disk with the places of its cells.

    Parameters
    ----------
    path
        UTF-8 text, separated by tab, comma or semicolon, with a header.
    columns
        Columns that the table may have, with their synonyms.

    Raises
    ------
    InputError
        As `allostat.tables.read_table`.
    """

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._table = read_table(path, columns, extras_notice=False)
        self.file = path.name
        self.columns = self._table.columns
        text = read_text(path)
        self._mark = _BOM if path.read_bytes().startswith(_BOM.encode()) else ""
        self._lines = _LINE.findall(text)
        first = next((line for line in self._lines if line.strip()), "")
        self._delimiter = "\t" if "\t" in first else max(",;", key=first.count)

    def rows(self, wanted: Mapping[str, str], line: int | None = None) -> list[Row]:
        """Rows whose cells are ``wanted``, and, when told, that stand in one line.

        Raises
        ------
        InputError
            No such column; the nearest is named.
        """
        for name in wanted:
            self._check_column(name)
        return [
            row
            for row in self._table.rows
            if (line is None or row.line == line) and all(self.cell(row, n).strip() == v for n, v in wanted.items())
        ]

    def cell(self, row: Row, column: str) -> str:
        """Text of one cell; empty when the row is too short."""
        return row.cells.get(column, row.extras.get(column, ""))

    def changed(self, rows: Sequence[Row], values: Mapping[str, str]) -> tuple[bytes, list[Change]]:
        """The file with other cells in some rows, and what that changes.

        Raises
        ------
        InputError
            No such column, a value that holds a line break, a row over several lines.
        """
        lines = list(self._lines)
        changes = []
        for name, value in values.items():
            self._check_column(name)
            if any(c in value for c in "\r\n\0"):
                raise InputError("a value holds a line break", where=f"{self.file}, column {name}", found=ascii(value))
        for row in rows:
            raw = lines[row.line - 1]
            body = raw.rstrip("\r\n")
            cells = split_cells(body, self._delimiter)
            if next(csv.reader([body], delimiter=self._delimiter), []) != [_unquoted(c) for c in cells]:
                raise InputError("row cannot be changed alone", where=f"{self.file}, line {row.line}",
                                 found="a cell with a line break", expected="one line for a row")  # fmt: skip
            if len(cells) != len(self.columns):
                raise InputError("row has another length than the header", where=f"{self.file}, line {row.line}")
            for name, value in values.items():
                at = self.columns.index(name)
                before = _unquoted(cells[at])
                if before != value:
                    changes.append(Change(row.line, name, before, value))
                    cells[at] = self._quoted(value)
            lines[row.line - 1] = self._delimiter.join(cells) + raw[len(body) :]
        return (self._mark + "".join(lines)).encode(), changes

    def _check_column(self, name: str) -> None:
        if name not in self.columns:
            raise InputError("table has no such column", where=self.file, found=name, valid=self.columns)

    def _quoted(self, value: str) -> str:
        if self._delimiter in value or '"' in value:
            return '"' + value.replace('"', '""') + '"'
        return value


def split_cells(line: str, delimiter: str) -> list[str]:
    """Cells of a line as they are written, with their quotes; ``delimiter.join`` gives the line back."""
    cells, start, quoted = [], 0, False
    for at, c in enumerate(line):
        if c == '"' and (quoted or at == start):
            quoted = not quoted
        elif c == '"' and at and line[at - 1] == '"':
            quoted = True  # the second of two quotes inside quotes
        elif c == delimiter and not quoted:
            cells.append(line[start:at])
            start = at + 1
    cells.append(line[start:])
    return cells


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell
