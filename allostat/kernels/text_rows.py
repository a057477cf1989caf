"""Rows of delimited text, such as ``2025-03-20 09:00:08 +0000,665,0``, read from their bytes.

Only text without anything unusual is read: a row that needs judgement stops the kernel, and the caller reads the block
line by line instead. What is read is what Python's ``float`` and ``datetime`` give.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import lean_inner_kernel, lean_kernel

_STAMP = 19  # YYYY-MM-DD hh:mm:ss
EXACT_DIGITS = 15
"""A decimal of so many digits is its integer divided by a power of ten that float64 holds exactly."""


@lean_inner_kernel
def two_digits(data: NDArray[np.uint8], at: int) -> int:
    """The number that two digits make; -1 when they are none."""
    tens, ones = int(data[at]) - 48, int(data[at + 1]) - 48
    return tens * 10 + ones if 0 <= tens <= 9 and 0 <= ones <= 9 else -1


@lean_inner_kernel
def stamp_s(data: NDArray[np.uint8], at: int) -> int:
    """Seconds since 1970 of ``YYYY-MM-DD hh:mm:ss`` (or with T); a number below all years when it is none."""
    none = -(1 << 62)
    century, short = two_digits(data, at), two_digits(data, at + 2)
    month, day = two_digits(data, at + 5), two_digits(data, at + 8)
    hour, minute, second = two_digits(data, at + 11), two_digits(data, at + 14), two_digits(data, at + 17)
    if data[at + 4] != 45 or data[at + 7] != 45 or data[at + 13] != 58 or data[at + 16] != 58:
        return none
    if data[at + 10] != 32 and data[at + 10] != 84:
        return none
    if century < 19 or century > 21 or short < 0 or not 1 <= month <= 12:
        return none
    if not 0 <= hour <= 23 or not 0 <= minute <= 59 or not 0 <= second <= 59:
        return none
    year = century * 100 + short
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    last = 31
    if month == 2:
        last = 29 if leap else 28
    elif month == 4 or month == 6 or month == 9 or month == 11:
        last = 30
    if not 1 <= day <= last:
        return none
    # days from civil date, counted in years that begin in March
    shifted = year - 1 if month <= 2 else year
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month - 3 if month > 2 else month + 9) + 2) // 5 + day - 1
    days = era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468
    return days * 86400 + hour * 3600 + minute * 60 + second


@lean_inner_kernel
def decimal(data: NDArray[np.uint8], at: int, stop: int) -> float:
    """A plain decimal number such as ``812`` or ``-0.8125``; NaN when it is written otherwise."""
    sign = 1.0
    if at < stop and data[at] == 45:
        sign = -1.0
        at += 1
    mantissa, digits, after = 0, 0, -1
    for i in range(at, stop):
        c = int(data[i])
        if 48 <= c <= 57:
            mantissa = mantissa * 10 + (c - 48)
            digits += 1
            if after >= 0:
                after += 1
        elif c == 46 and after < 0:
            after = 0
        else:
            return np.nan
    if digits == 0 or digits > EXACT_DIGITS:
        return np.nan
    power = 1.0
    for _ in range(max(after, 0)):
        power *= 10.0
    return sign * (mantissa / power)


@lean_kernel
def read_rows(
    data: NDArray[np.uint8],
    separator: int,
    columns: int,
    value_at: int,
    stamp_at: int,
    stamp_end: NDArray[np.uint8],
    values: NDArray[np.float64],
    stamps_s: NDArray[np.int64],
) -> int:
    """Read one column of numbers, and one of date and time, from rows that all look alike.

    Parameters
    ----------
    data
        uint8 (bytes,): whole rows, each ended by a line feed.
    separator
        Code of the character between columns; 0 when there is one column only.
    columns
        Number of columns that every row has.
    value_at, stamp_at
        Columns of the number and of the date and time; ``stamp_at`` is -1 when there is none.
    stamp_end
        Bytes that follow the 19 characters of every date and time, such as `` +0000``.
    values, stamps_s
        Filled, one element per row: the number, and seconds since 1970 as written.

    Returns
    -------
    int
        Number of rows; -1 when any row is written otherwise.
    """
    row, at = 0, 0
    while at < len(data):
        for column in range(columns):
            start = at
            while at < len(data) and data[at] != 10 and (separator == 0 or data[at] != separator):
                at += 1
            last = column == columns - 1
            if at >= len(data) or (data[at] == 10) != last:
                return -1
            if column == value_at:
                values[row] = decimal(data, start, at)
                if np.isnan(values[row]):
                    return -1
            elif column == stamp_at:
                if at - start != _STAMP + len(stamp_end):
                    return -1
                for i in range(len(stamp_end)):
                    if data[start + _STAMP + i] != stamp_end[i]:
                        return -1
                stamps_s[row] = stamp_s(data, start)
                if stamps_s[row] == -(1 << 62):
                    return -1
            at += 1
        row += 1
    return row
