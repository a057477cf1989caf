"""Columns of numbers out of delimited text: whole blocks at C speed, and row by row only where a row is bad."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.kernels import text_columns
from allostat_devices.growing_array import GrowingArray
from allostat_devices.plain_rows import PlainRows
from allostat_devices.skipped_rows import SkipCode, SkippedRows
from allostat_devices.text_lines import Block, TableBlocks, lines_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

Parser = Callable[[Sequence[str]], "NDArray[Any]"]

LARGEST = 1e15
"""No measurement in an export is larger; such numbers come from damaged rows."""
_INT32 = np.iinfo(np.int32)
_PIECE = 1 << 14
"""Values of a long array that are worked on at once, in memory that stays in the processor's cache."""
_NUMBER_ERRORS = (ValueError, OverflowError, ArithmeticError, InvalidOperation)


@dataclass(frozen=True, slots=True)
class Column:
    """One column to read: its place in the row, its parser, and the reason given when a cell does not parse.

    Rows written plainly are read by a compiled kernel; ``plain`` says as what, and is known for the parsers of this
    module. The kernel gives what the parser gives.
    """

    index: int
    parse: Parser
    code: SkipCode = "bad_number"
    plain: int = text_columns.PASSED_OVER

    @property
    def kind(self) -> int:
        """Of `text_columns`; `PASSED_OVER` when the kernel cannot read such a column."""
        return _PLAIN.get(self.parse, self.plain)


def floats(cells: Sequence[str]) -> NDArray[np.float64]:
    """Cells as finite float64; ValueError when one is no number, NaN, infinite or absurdly large."""
    values = np.array([float(c) for c in cells], dtype=np.float64)
    _refuse_underscores(cells)
    _refuse_absurd(values)
    return values


def floats_or_missing(cells: Sequence[str]) -> NDArray[np.float64]:
    """Cells as float64 where an empty cell is NaN; ValueError when another one is no finite number."""
    if any(not c or c.isspace() for c in cells):
        _refuse_underscores(cells)
        values = np.array([float(c) if c.strip() else np.nan for c in cells], dtype=np.float64)
        filled = np.array([bool(c.strip()) for c in cells], dtype=bool)
        _refuse_absurd(values[filled])
        return values
    return floats(cells)


def integers(cells: Sequence[str]) -> NDArray[np.int64]:
    """Cells as int64; ValueError or OverflowError when one is no integer of 64 bits."""
    _refuse_underscores(cells)
    return np.array([int(c) for c in cells], dtype=np.int64)


def exact_integers(cells: Sequence[str]) -> NDArray[np.int64]:
    """Cells such as ``1.71492060000602e+18`` as int64, by decimal arithmetic: no bit is lost to a float."""
    _refuse_underscores(cells)
    decimals = list(map(Decimal, cells))
    # an exponent in the billions would be written out in full
    if any(d.adjusted() > 18 for d in decimals):
        raise ValueError("too large for 64 bits")
    return np.array([int(d) for d in decimals], dtype=np.int64)


def seconds_as_ns(cell: str) -> int:
    """Decimal seconds as integer ns; ValueError when the text is no finite number."""
    try:
        value = Decimal(cell.strip())
        if "_" in cell or not value.is_finite() or not -40 < value.adjusted() < 10:
            raise ValueError(f"not a time in seconds: {cell[:40]!r}")
        return int((value * 1_000_000_000).to_integral_value())
    except InvalidOperation as error:
        raise ValueError(f"not a time in seconds: {cell[:40]!r}") from error


def _refuse_absurd(values: NDArray[np.float64]) -> None:
    if not (np.abs(values) <= LARGEST).all():
        raise ValueError("not a finite number of a measurement")


def _refuse_underscores(cells: Iterable[str]) -> None:
    # Python reads 1_000 as a number; no export means that
    if "_" in "".join(cells):
        raise ValueError("underscore in a number")


def lossless_integers(values: NDArray[np.float64], missing: int = _INT32.min) -> tuple[NDArray[np.int32], float] | None:
    """Decimal numbers as int32 and the scale that gives them back; None when none up to 1e-6 does.

    Parameters
    ----------
    values
        float64 (n,); NaN becomes ``missing``.

    Notes
    -----
    Writers print binary floats, so ``-0.07200000000000001`` stands for -0.072: a scaled value may be 1e-6 steps or
    1e-9 of itself away from an integer.
    """
    # a NaN is neither above nor below
    if values.size and values.min() > -_INT32.max and values.max() < _INT32.max:
        plain = values.astype(np.int32)
        if np.array_equal(plain, values):
            return plain, 1.0
    there = ~np.isnan(values)
    filled = values if there.all() else values[there]
    if filled.size == 0:
        return None
    largest = float(np.abs(filled).max())
    for digits in range(7):
        if largest * 10.0**digits >= _INT32.max:
            return None
        found = _scaled(filled, 10.0**digits)
        if found is not None:
            whole = np.full(len(values), missing, dtype=np.int32)
            whole[there] = found
            return whole, 1.0 / 10.0**digits
    return None


def _scaled(values: NDArray[np.float64], factor: float) -> NDArray[np.int32] | None:
    """The values times a factor as int32; None at the first piece in which one is no integer."""
    whole = np.empty(len(values), dtype=np.int32)
    for begin in range(0, len(values), _PIECE):
        scaled = values[begin : begin + _PIECE] * factor
        nearest = np.rint(scaled)
        if not (np.abs(scaled - nearest) <= 1e-6 + 1e-9 * np.abs(scaled)).all():
            return None
        whole[begin : begin + _PIECE] = nearest
    return whole


def read_block(
    block: Block,
    first_line: int,
    separator: str,
    width: int,
    columns: Sequence[Column],
    skipped: SkippedRows,
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """Columns of one block of lines.

    Parameters
    ----------
    block
        Whole lines as bytes with ``\\n`` ends, or as texts; blank ones are passed over without being counted.
    first_line
        1-based number of the first of them.
    width
        Fields that a row has; further empty ones at its end are accepted.
    skipped
        Receives every row that is left out.

    Returns
    -------
    columns, line_numbers
        One array for each column, and the line of each row, all of one length.
    """
    table = _Table(separator, width, columns, skipped)
    arrays, numbers, _ = table.read(block, first_line)
    # copies, because most of the memory that the rows were read into is not needed
    return [array.copy() for array in arrays], numbers


def read_table(
    blocks: TableBlocks, separator: str, width: int, columns: Sequence[Column], skipped: SkippedRows
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """Columns of a whole table, and the line of each row: what `read_block` gives of its blocks, put together."""
    table = _Table(separator, width, columns, skipped)
    dtypes = [*(column.parse([]).dtype for column in columns), np.dtype(np.int64)]
    grown: list[GrowingArray] = []
    for block in blocks:
        arrays, numbers, lines = table.read(block, blocks.line)
        grown = grown or [GrowingArray(dtype, _expected(len(numbers), block, blocks.size)) for dtype in dtypes]
        for whole, array in zip(grown, [*arrays, numbers], strict=True):
            whole.extend(array)
        blocks.line += lines
    *found, line_numbers = [whole.taken() for whole in grown] or [np.empty(0, dtype) for dtype in dtypes]
    return found, line_numbers


def _expected(rows: int, block: Block, size: int) -> int:
    """Rows of a table to make room for, when its first block has so many; ``size`` may be anything that a file says."""
    more = 0 if isinstance(block, list) else size / max(len(block), 1)
    return rows if more <= 1 else min(int(1.02 * rows * more), _MOST_EXPECTED)


_MOST_EXPECTED = 1 << 22
"""Nine hours of an ECG; a longer table grows."""


class _Table:
    """How the rows of one table are read."""

    def __init__(self, separator: str, width: int, columns: Sequence[Column], skipped: SkippedRows) -> None:
        self._separator, self._width, self._columns, self._skipped = separator, width, columns, skipped
        kinds = [(column.index, column.kind) for column in columns]
        plain = len(dict(kinds)) == len(columns) and all(kind != text_columns.PASSED_OVER for _, kind in kinds)
        self._plain = PlainRows(separator, width, kinds) if plain else None
        """None where a column is of a kind that only Python reads."""

    def read(self, block: Block, first_line: int) -> tuple[list[NDArray[Any]], NDArray[np.int64], int]:
        """Columns of a block, overwritten by the next one, the line of each row, and the number of lines."""
        plain = None if self._plain is None else self._plain.read(block)
        if plain is None or 2 * len(plain.good) < plain.lines:
            lines = lines_of(block)
            return *self._by_python(lines, range(first_line, first_line + len(lines))), len(lines)
        self._skipped.rows += len(plain.good)
        numbers = plain.good + first_line
        if not plain.odd:
            return plain.arrays, numbers, plain.lines
        lines = lines_of(block)
        odd_arrays, odd_numbers = self._by_python([lines[i] for i in plain.odd], [first_line + i for i in plain.odd])
        together = np.concatenate([numbers, odd_numbers])
        order = np.argsort(together)
        arrays = [np.concatenate(pair)[order] for pair in zip(plain.arrays, odd_arrays, strict=True)]
        return arrays, together[order], plain.lines

    def _by_python(
        self, lines: Sequence[str], line_numbers: Sequence[int]
    ) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
        return _read(lines, line_numbers, self._separator, self._width, self._columns, self._skipped)


def _read(
    lines: Sequence[str],
    line_numbers: Sequence[int],
    separator: str,
    width: int,
    columns: Sequence[Column],
    skipped: SkippedRows,
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    numbers = [number for number, line in zip(line_numbers, lines, strict=True) if line and not line.isspace()]
    rows = [line.split(separator) for line in lines if line and not line.isspace()]
    skipped.rows += len(rows)
    rows, numbers = _of_width(rows, numbers, width, skipped)
    if not rows:
        return [column.parse([]) for column in columns], np.empty(0, np.int64)
    return _parsed(rows, numbers, columns, skipped)


def _parsed(
    rows: list[list[str]], numbers: list[int], columns: Sequence[Column], skipped: SkippedRows
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    """All rows at once; where one of them is bad, each half of them, so that one bad row costs few others."""
    cells = list(zip(*rows, strict=True))
    try:
        return [column.parse(cells[column.index]) for column in columns], np.array(numbers, np.int64)
    except _NUMBER_ERRORS:
        if len(rows) <= _FEW_ROWS:
            return _row_by_row(rows, numbers, columns, skipped)
    middle = len(rows) // 2
    first, of_first = _parsed(rows[:middle], numbers[:middle], columns, skipped)
    second, of_second = _parsed(rows[middle:], numbers[middle:], columns, skipped)
    joined = [np.concatenate(pair) for pair in zip(first, second, strict=True)]
    return joined, np.concatenate([of_first, of_second])


_FEW_ROWS = 16

_PLAIN: dict[Parser, int] = {
    floats: text_columns.NUMBER,
    floats_or_missing: text_columns.NUMBER_OR_MISSING,
    integers: text_columns.INTEGER,
    exact_integers: text_columns.INTEGER_BY_POWER,
}


def _of_width(
    rows: list[list[str]], numbers: list[int], width: int, skipped: SkippedRows
) -> tuple[list[list[str]], list[int]]:
    if all(len(row) == width for row in rows):
        return rows, numbers
    kept, kept_numbers = [], []
    for row, number in zip(rows, numbers, strict=True):
        if len(row) < width:
            skipped.add("truncated", number)
        elif any(cell.strip() for cell in row[width:]):
            skipped.add("unsupported", number)
        else:
            kept.append(row[:width])
            kept_numbers.append(number)
    return kept, kept_numbers


def _row_by_row(
    rows: list[list[str]], numbers: list[int], columns: Sequence[Column], skipped: SkippedRows
) -> tuple[list[NDArray[Any]], NDArray[np.int64]]:
    kept: list[list[str]] = []
    kept_numbers: list[int] = []
    for row, number in zip(rows, numbers, strict=True):
        bad = next((c.code for c in columns if not _parses(c, row[c.index])), None)
        if bad is None:
            kept.append(row)
            kept_numbers.append(number)
        else:
            skipped.add(bad, number)
    cells: list[Sequence[str]] = list(zip(*kept, strict=True)) if kept else []
    parsed = [column.parse(cells[column.index] if cells else []) for column in columns]
    return parsed, np.array(kept_numbers, np.int64)


def _parses(column: Column, cell: str) -> bool:
    try:
        column.parse([cell])
    except _NUMBER_ERRORS:
        return False
    return True
