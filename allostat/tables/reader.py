"""Strict reader of small text tables: UTF-8, a header, tab, comma or semicolon, every row with its line number."""

from __future__ import annotations

import csv
import difflib
import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

from allostat.errors import AllostatError, InputError
from allostat.recording import Notice

MISSING_CELLS = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "."})
"""What an empty cell is written as, besides nothing (case does not count)."""

_LOOKS_LIKE_A_MISSPELLING = 0.75
_MAX_BYTES = 512 << 20
_SAMPLE_NAME = re.compile(r"(s|t|sample|cortisol|cort)?[ _]?\d{1,3}(\D.*)?", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a table may have, with other names it goes by."""

    name: str
    required: bool = False
    synonyms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One row: known cells by column name (absent columns are empty text), further cells in ``extras``."""

    line: int
    cells: Mapping[str, str]
    extras: Mapping[str, str] = field(default_factory=dict)
    ragged: str = ""
    """What is wrong with the number of cells; empty when it is the header's."""
    column: str = ""
    """Where the value stands in a table with one column per marker."""

    def text(self, column: str) -> str:
        """A cell without blanks around it; empty when missing."""
        text = self.cells.get(column, "").strip()
        return "" if text.casefold() in MISSING_CELLS else text


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one file and what its reader wants known."""

    file: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notices: tuple[Notice, ...] = ()
    place: str = "line"
    """What a row's ``line`` counts in this file."""

    def where(self, row: Row, column: str = "") -> str:
        """File, line and column of a row, for messages."""
        if row.column and column in ("analyte", "value", "unit"):
            column = row.column
        return f"{self.file}, {self.place} {row.line}" + (f", column {column}" if column else "")


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that could not be used: the participant it belongs to (empty when even that is not known) and why."""

    file: str
    line: int
    participant: str
    error: AllostatError


def read_table(path: str | PathLike[str], columns: Sequence[Column], *, extras_notice: bool = True) -> Table:
    """Rows of a text table.

    Parameters
    ----------
    path
        UTF-8 text with or without byte order mark; the header tells tab, comma or semicolon apart.
    columns
        Columns that the table may have. A header name close to a missing one is an error; any other unknown column is
        kept in ``extras`` and named in a notice.
    extras_notice
        Whether kept unknown columns are worth a notice.

    Raises
    ------
    InputError
        No such file, empty, not UTF-8 (with the line), no header, a column twice, misspelt or lacking, damaged quotes.
    """
    file = Path(path)
    text = read_text(file)
    lines = _records(text, file.name)
    try:
        header_line, header = next(lines)
    except StopIteration:
        raise InputError("table is empty", where=file.name, expected="a header and rows") from None
    names, notices = _header(header, columns, f"{file.name}, line {header_line}", extras_notice)
    known = {c.name for c in columns}
    rows = []
    for line, cells in lines:
        ragged = "" if len(cells) == len(names) else f"{len(cells)} cells under a header of {len(names)}"
        pairs = dict(zip(names, cells, strict=False))
        rows.append(
            Row(
                line,
                {k: v for k, v in pairs.items() if k in known},
                {k: v.strip() for k, v in pairs.items() if k not in known},
                ragged,
            )
        )
    return Table(file.name, tuple(names), tuple(rows), notices)


def number(text: str, *, where: str) -> float:
    """A finite decimal number; NaN for a missing cell.

    Raises
    ------
    InputError
        When it is no number; a decimal comma is named as such and never read as a point.
    """
    stripped = text.strip()
    if stripped.casefold() in MISSING_CELLS:
        return math.nan
    if not _NUMBER.fullmatch(stripped):
        comma = "a decimal point, not a comma" if "," in stripped else "a number"
        raise InputError("not a number", where=where, found=stripped, expected=comma)
    value = float(stripped)
    if math.isinf(value):
        raise InputError("number is out of range", where=where, found=stripped)
    return value


def read_text(file: Path) -> str:
    """All of a UTF-8 text file; `InputError` when it is too large, of another encoding, or binary."""
    if not file.is_file():
        siblings = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        raise InputError("no such file", where=str(file.parent.name or file), found=file.name, valid=siblings)
    if file.stat().st_size > _MAX_BYTES:
        raise InputError("table is larger than a table may be", where=file.name, found=f"{file.stat().st_size} bytes")
    data = file.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError("wrong encoding", where=f"{file.name}, line 1", found="UTF-16", expected="UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            "wrong encoding: not UTF-8 text",
            where=f"{file.name}, line {line}",
            found=f"byte 0x{data[error.start]:02X}",
            expected="UTF-8 (in a spreadsheet: save as 'CSV UTF-8')",
        ) from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError("not a text table: it holds NUL bytes", where=f"{file.name}, line {line}")
    return text


def _records(text: str, name: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every row that is not blank."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = "\t" if "\t" in first else max(",;", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(f"damaged row ({error})", where=f"{name}, line {line}") from error
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = reader.line_num + 1


def _plain(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", name.strip().casefold())


def _header(
    header: list[str], columns: Sequence[Column], where: str, extras_notice: bool
) -> tuple[list[str], tuple[Notice, ...]]:
    by_name = {alias: c.name for c in columns for alias in (c.name, *c.synonyms)}
    names = [by_name.get(_plain(cell), cell.strip()) for cell in header]
    for name in names:
        if names.count(name) > 1:
            raise InputError("a column occurs twice", where=where, found=name or "(empty name)")
    lacking = [c.name for c in columns if c.name not in names]
    unknown = [n for n in names if n not in set(by_name.values())]
    for name in unknown:
        near = _misspelt(_plain(name), lacking)
        if near:
            raise InputError("unknown column", where=where, found=name, valid=[near])
    for column in columns:
        if column.required and column.name in lacking:
            samples = [n for n in unknown if _SAMPLE_NAME.fullmatch(n)]
            if "value" in lacking and len(samples) > 1:
                raise InputError(
                    "table is wide: one column per sample, without what a value needs to be told",
                    where=where,
                    found=", ".join(samples),
                    expected="one row per value: " + ", ".join(c.name for c in columns if c.required),
                )
            raise InputError(
                f"table lacks the column {column.name!r}", where=where, found=", ".join(names), expected=column.name
            )
    if not unknown or not extras_notice:
        return names, ()
    message = "kept without being used: columns " + ", ".join(unknown)
    return names, (Notice("EXTRA_COLUMNS", message, "info", len(unknown), where.split(",")[0], 1),)


def _misspelt(name: str, lacking: Sequence[str]) -> str | None:
    hit = difflib.get_close_matches(name, lacking, n=1, cutoff=_LOOKS_LIKE_A_MISSPELLING)
    return hit[0] if hit else None
