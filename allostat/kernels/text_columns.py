"""Columns of numbers and times out of delimited text, such as ``2026-03-02T16:06:00.220;825779160000000000;0.0;8``.

Unlike `text_rows`, which reads one column of rows that all look alike, this reads any columns and leaves out the rows
that need judgement: the caller reads those with Python. What is read is what Python's ``float`` and ``int`` and NumPy's
``datetime64`` give.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel
from allostat.kernels.text_rows import EXACT_DIGITS, decimal, stamp_s, two_digits

PASSED_OVER, NUMBER, NUMBER_OR_MISSING, INTEGER, INTEGER_BY_POWER, STAMP_NS = range(6)
"""What a column holds: nothing that is wanted; a plain decimal; one, or an empty cell; an integer below 9e18; one that
may be written with an exponent, as ``1.71492060000602e+18``; a date and time ``YYYY-MM-DDThh:mm:ss`` with up to nine
decimals, as ns since 1970."""

_NONE = -(1 << 62)
_EARLIEST_S = 631_152_000  # 1990, before which no wearable wrote a time
_MINUTE = 17  # YYYY-MM-DDThh:mm:
_NS_PER_S = 1_000_000_000


@inner_kernel
def _integer(data: NDArray[np.uint8], at: int, stop: int, by_power: bool) -> int:
    """An integer below 9e18, with an exponent if that is allowed; `_NONE` when it is written otherwise."""
    negative = at < stop and data[at] == 45
    if negative:
        at += 1
    value, digits, after = 0, 0, -1
    while at < stop and data[at] != 101 and data[at] != 69:
        c = int(data[at])
        if 48 <= c <= 57 and digits < 19 and value < 900_000_000_000_000_000:
            value = value * 10 + (c - 48)
            digits += 1
            if after >= 0:
                after += 1
        elif c == 46 and after < 0:
            after = 0
        else:
            return _NONE
        at += 1
    power = -max(after, 0)
    if at < stop:
        # two digits of exponent, as every library writes them
        if not by_power or stop - at != 4 or data[at + 1] != 43:
            return _NONE
        exponent = two_digits(data, at + 2)
        if exponent < 0:
            return _NONE
        power += exponent
    elif after >= 0:
        return _NONE
    if digits == 0 or power < 0 or digits + power > 19:
        return _NONE
    for _ in range(power):
        # 19 digits that begin with 9 may not fit into 64 bits
        if value >= 900_000_000_000_000_000:
            return _NONE
        value *= 10
    return -value if negative else value


@inner_kernel
def _fraction_ns(data: NDArray[np.uint8], at: int, stop: int) -> int:
    """Nanoseconds of ``.220`` or of nothing; `_NONE` when it is written otherwise."""
    if at == stop:
        return 0
    decimals = stop - at - 1
    if data[at] != 46 or not 1 <= decimals <= 9:
        return _NONE
    ns = 0
    for i in range(at + 1, stop):
        c = int(data[i])
        if not 48 <= c <= 57:
            return _NONE
        ns = ns * 10 + (c - 48)
    for _ in range(9 - decimals):
        ns *= 10
    return ns


@inner_kernel
def _stamp_ns(data: NDArray[np.uint8], at: int, stop: int) -> int:
    if stop - at < 19 or data[at + 10] != 84:
        return _NONE
    seconds = stamp_s(data, at)
    if seconds < _EARLIEST_S:
        return _NONE
    fraction = _fraction_ns(data, at + 19, stop)
    return _NONE if fraction == _NONE else seconds * _NS_PER_S + fraction


@inner_kernel
def _same_minute(data: NDArray[np.uint8], one: int, other: int) -> bool:
    """Whether two stamps are of one minute; from its end, which differs first."""
    if other + _MINUTE > len(data):
        return False
    left = _MINUTE
    while left > 0 and data[one + left - 1] == data[other + left - 1]:
        left -= 1
    return left == 0


@inner_kernel
def _is_blank(data: NDArray[np.uint8], at: int, stop: int) -> bool:
    while at < stop and (data[at] == 32 or data[at] == 9):
        at += 1
    return at >= stop


@kernel
def read_columns(
    data: NDArray[np.uint8],
    separator: int,
    kinds: NDArray[np.int64],
    numbers: NDArray[np.float64],
    integers: NDArray[np.int64],
    states: NDArray[np.int8],
) -> int:
    """Read the wanted columns of every row that is written plainly.

    Parameters
    ----------
    data
        uint8 (bytes,): whole rows, each ended by a line feed.
    separator
        Code of the character between columns.
    kinds
        int64 (columns,): what each column of a row holds (`PASSED_OVER` and the others); a row may have further empty
        ones at its end.
    numbers, integers
        float64 and int64 (columns, rows): filled where a column holds numbers, or integers and stamps; NaN stands for
        an empty cell of `NUMBER_OR_MISSING`.
    states
        int8 (rows,): filled with 1 for a row that was read, 0 for one that needs judgement, 2 for a blank one.

    Returns
    -------
    int
        Number of rows, of whatever state.
    """
    row, at, end = 0, 0, len(data)
    known, minute_ns = -1, 0
    while at < end:
        first, good, column = at, True, 0
        while True:
            start = at
            kind = kinds[column] if column < len(kinds) else PASSED_OVER
            # nearly all cells are digits, or the minute of the stamp before and digits: they are read while the end of
            # the cell is looked for
            value, digits, sign, c = 0, 0, 1, 10
            if kind != PASSED_OVER:
                if kind == STAMP_NS:
                    if known >= 0 and _same_minute(data, known, at):
                        at += _MINUTE
                elif at < end and data[at] == 45:
                    sign = -1
                    at += 1
                digits = at
                while at < end:
                    c = int(data[at])
                    if not 48 <= c <= 57:
                        break
                    value = value * 10 + (c - 48)
                    at += 1
                digits = at - digits
            plain = at
            while at < end:
                c = int(data[at])
                if c == 10 or c == separator:
                    break
                at += 1
            ends = at >= end or c == 10
            if column >= len(kinds):
                # a row may end with separators
                good = good and start == at
            elif good and kind in (NUMBER, NUMBER_OR_MISSING):
                if plain == at and 0 < digits <= EXACT_DIGITS:
                    number = sign * float(value)
                else:
                    number = decimal(data, start, at)
                numbers[column, row] = number
                if number != number and not (kind == NUMBER_OR_MISSING and start == at):
                    good = False
            elif good and kind != PASSED_OVER:
                if kind == STAMP_NS:
                    if plain - start == _MINUTE + 2 and digits == 2 and value < 60:
                        whole = _fraction_ns(data, plain, at)
                        if whole != _NONE:
                            whole += minute_ns + value * _NS_PER_S
                    else:
                        whole = _stamp_ns(data, start, at)
                        if whole != _NONE:
                            known, minute_ns = start, whole - whole % (60 * _NS_PER_S)
                elif plain == at and 0 < digits < 19:
                    whole = sign * value
                else:
                    whole = _integer(data, start, at, kind == INTEGER_BY_POWER)
                integers[column, row] = whole
                if whole == _NONE:
                    good = False
            column += 1
            at += 1
            if ends:
                break
        read = good and column >= len(kinds)
        states[row] = 1 if read else 0
        if column == 1 and _is_blank(data, first, at - 1):
            states[row] = 2
        row += 1
    return row
