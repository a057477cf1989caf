"""Rows of integers as delimited text: the writing side of text exports, a few hundred MB per second."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]

DECIMAL = 0
"""A number with a fixed count of decimals: the integer is the number times ten to that count."""
TRIMMED = 1
"""As `DECIMAL`, trailing zeros left out, but one decimal always written (``0.0``, ``-0.118``)."""
SCIENTIFIC = 2
"""A positive integer as ``d.dddde+xx``, trailing zeros left out: the way a float of nanoseconds is printed."""
CLOCK_SECOND = 3
"""Milliseconds since 1970 as ``YYYY-MM-DD hh:mm:ss``."""
CLOCK_MILLISECOND = 4
"""Milliseconds since 1970 as ``YYYY-MM-DDThh:mm:ss.mmm``."""

EMPTY = np.iinfo(np.int64).min
"""Cell value that is written as nothing."""

_WIDEST = 28
_MS_PER_DAY = 86_400_000
_POWERS = 10 ** np.arange(19, dtype=np.int64)
"""Looked up, because an integer power in a compiled loop costs as much as writing the digits."""


@inner_kernel
def _put_digits(out: Bytes, at: int, value: int, width: int) -> int:
    """Digits of a non-negative integer, padded with zeros to ``width``."""
    while width < 19 and value >= _POWERS[width]:
        width += 1
    end = at + width
    left = np.uint64(value)
    ten = np.uint64(10)
    i = end
    while i > at:
        i -= 1
        rest = left // ten
        out[i] = np.uint64(48) + left - rest * ten
        left = rest
    return end


@inner_kernel
def _put_decimal(out: Bytes, at: int, value: int, decimals: int, trim: bool) -> int:
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    if decimals == 0:
        return _put_digits(out, at, value, 1)
    unit = _POWERS[decimals]
    at = _put_digits(out, at, value // unit, 1)
    out[at] = 46
    end = _put_digits(out, at + 1, value % unit, decimals)
    if trim:
        while end > at + 2 and out[end - 1] == 48:
            end -= 1
    return end


@inner_kernel
def _put_scientific(out: Bytes, at: int, value: int) -> int:
    end = _put_digits(out, at + 1, value, 1)
    exponent = end - at - 2
    out[at] = out[at + 1]
    out[at + 1] = 46
    while end > at + 2 and out[end - 1] == 48:
        end -= 1
    if end == at + 2:
        end -= 1
    out[end] = 101
    out[end + 1] = 43
    return _put_digits(out, end + 2, exponent, 2)


@inner_kernel
def _put_clock(out: Bytes, at: int, value: int, milliseconds: bool) -> int:
    """Civil date and clock of milliseconds since 1970 (days counted in eras of 400 years beginning on 1 March)."""
    day = value // _MS_PER_DAY + 719_468
    rest = value % _MS_PER_DAY
    era = day // 146_097
    of_era = day - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * of_year + 2) // 153
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (1 if month <= 2 else 0)
    at = _put_digits(out, at, year, 4)
    out[at] = 45
    at = _put_digits(out, at + 1, month, 2)
    out[at] = 45
    at = _put_digits(out, at + 1, of_year - (153 * month_from_march + 2) // 5 + 1, 2)
    out[at] = 84 if milliseconds else 32
    at = _put_digits(out, at + 1, rest // 3_600_000, 2)
    out[at] = 58
    at = _put_digits(out, at + 1, rest // 60_000 % 60, 2)
    out[at] = 58
    at = _put_digits(out, at + 1, rest // 1000 % 60, 2)
    if milliseconds:
        out[at] = 46
        at = _put_digits(out, at + 1, rest % 1000, 3)
    return at


@kernel
def _fill(out: Bytes, values: Ints, kinds: Ints, decimals: Ints, literals: Bytes, ends: Ints) -> int:
    at = 0
    for row in range(values.shape[0]):
        start = 0
        for column in range(values.shape[1]):
            value = values[row, column]
            kind = kinds[column]
            if value != EMPTY:
                if kind in (DECIMAL, TRIMMED):
                    at = _put_decimal(out, at, value, decimals[column], kind == TRIMMED)
                elif kind == SCIENTIFIC:
                    at = _put_scientific(out, at, value)
                else:
                    at = _put_clock(out, at, value, kind == CLOCK_MILLISECOND)
            for i in range(start, ends[column]):
                out[at] = literals[i]
                at += 1
            start = ends[column]
    return at


def format_rows(columns: list[tuple[NDArray[np.integer[Any]], int, int, bytes]]) -> bytes:
    """Text of a table, one row per entry of its columns.

    Parameters
    ----------
    columns
        Per column: its integers (one length), kind of cell (`DECIMAL` …), decimals, and the bytes that follow each
        cell (a separator, or the line end after the last).
    """
    values = np.column_stack([np.asarray(c[0], dtype=np.int64) for c in columns])
    kinds = np.array([c[1] for c in columns], dtype=np.int64)
    decimals = np.array([c[2] for c in columns], dtype=np.int64)
    ends = np.cumsum([len(c[3]) for c in columns], dtype=np.int64)
    literals = np.frombuffer(b"".join(c[3] for c in columns), dtype=np.uint8)
    out = np.empty(len(values) * (len(columns) * _WIDEST + len(literals)) + _WIDEST, dtype=np.uint8)
    used = _fill(out, np.ascontiguousarray(values), kinds, decimals, literals, ends)
    return out[:used].tobytes()
