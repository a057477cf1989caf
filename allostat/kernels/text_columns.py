"""Columns of numbers and times out of delimited text, such as ``2026-03-02T16:06:00.220;825779160000000000;0.0;8``.

Unlike `text_rows`, which reads one column of rows that all look alike, this reads any columns and leaves out the rows
that need judgement: the caller reads those with Python. What is read is what Python's ``float`` and ``int`` and NumPy's
``datetime64`` give.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.byte_words import (
    DIGIT_ZEROS,
    EACH,
    HIGH,
    LOW,
    ONE,
    ZERO,
    bytes_before,
    either,
    no_digits,
    number_of,
    word_at,
)
from allostat.kernels.compiled import inlined_kernel, lean_inner_kernel, lean_kernel
from allostat.kernels.text_rows import decimal, stamp_s, two_digits

PASSED_OVER, NUMBER, NUMBER_OR_MISSING, INTEGER, INTEGER_BY_POWER, STAMP_NS = range(6)
"""What a column holds: nothing that is wanted; a plain decimal; one, or an empty cell; an integer below 9e18; one that
may be written with an exponent, as ``1.71492060000602e+18``; a date and time ``YYYY-MM-DDThh:mm:ss`` with up to nine
decimals, as ns since 1970."""
ODD, READ, BLANK = range(3)
"""What became of a row: it needs judgement, it was read, it holds nothing."""

_NONE = -(1 << 63)  # no cell that is read is so low
_EARLIEST_S = 631_152_000  # 1990, before which no wearable wrote a time
_MINUTE_TEXT = 16  # YYYY-MM-DDThh:mm
_NS_PER_S = 1_000_000_000
_NS_PER_MS = 1_000_000
_BEYOND = -1
_POWERS = 10 ** np.arange(19, dtype=np.int64)

_NINE = np.uint64(9)
_LOWEST = np.uint64(0xFF)
_LINE_FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
_CLOCK_ZEROS = np.uint64(0x003030302E30303A)
"""``:00.000`` and a separator that is still to be put in."""
_UP_FROM_CLOCK = np.uint64(0x7F7676767F76767F)
"""What sets the high bit, when it is added, of each digit's byte of 10 and more, and of each other byte but 0."""
_SECONDS = np.uint64(0x0000000000FFFF00)
_MILLISECONDS = np.uint64(0x00FFFFFF00000000)


@lean_inner_kernel
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


@inlined_kernel
def _cell_end(data: NDArray[np.uint8], at: int, end: int, separator: int) -> int:
    """Where the next separator or line feed stands; eight bytes are looked at at once."""
    separators = np.uint64(separator) * EACH
    while at + 8 <= end:
        found = either(word_at(data, at), separators, _LINE_FEEDS)
        if found != ZERO:
            return at + bytes_before(found)
        at += 8
    while at < end and data[at] != 10 and data[at] != separator:
        at += 1
    return at


@inlined_kernel
def _short_number(data: NDArray[np.uint8], at: int, end: int, separator: int) -> tuple[float, int]:
    """A decimal of up to seven characters, and where its cell ends; -1 when the cell holds something else."""
    sign = 1 - 2 * int(data[at] == 45)
    at += int(data[at] == 45)
    if at + 8 > end:
        return 0.0, -1
    word = word_at(data, at) ^ DIGIT_ZEROS
    others = no_digits(word)
    if others == ZERO:
        return 0.0, -1
    digits = bytes_before(others)
    behind = _byte(word, digits) ^ 48
    if behind != 46:
        if digits == 0 or (behind != separator and behind != 10):
            return 0.0, -1
        # the product makes a 0 below 0 of -0, as Python does
        return sign * float(number_of(word << np.uint64(64 - 8 * digits))), at + digits
    others &= others - ONE
    length = bytes_before(others)
    behind = _byte(word, length) ^ 48
    if others == ZERO or length < 2 or (behind != separator and behind != 10):
        return 0.0, -1
    whole = (ONE << np.uint64(8 * digits)) - ONE
    joined = (word & whole) | ((word >> np.uint64(8)) & ~whole)
    mantissa = number_of(joined << np.uint64(72 - 8 * length))
    return sign * (float(mantissa) / float(_POWERS[length - 1 - digits])), at + length


@inlined_kernel
def _byte(word: np.uint64, at: int) -> int:
    return int(np.int64((word >> np.uint64(8 * at)) & _LOWEST))


@inlined_kernel
def _by_power(data: NDArray[np.uint8], at: int, stop: int) -> int:
    """``1.71492060000602e+18`` with 9 to 16 decimals; `_NONE` when it is written otherwise."""
    decimals = stop - at - 6
    if not 9 <= decimals <= 16 or stop < 20 or data[at + 1] != 46 or not 49 <= data[at] <= 56:
        return _NONE
    if data[stop - 4] != 101 or data[stop - 3] != 43 or data[stop - 2] != 49 or data[stop - 1] != 56:
        return _NONE
    # the 16 characters before the e, of which those before the decimals count as 0
    before = (ONE << np.uint64(8 * (16 - decimals))) - ONE
    one = (word_at(data, stop - 20) ^ DIGIT_ZEROS) & ~before
    two = word_at(data, stop - 12) ^ DIGIT_ZEROS
    if no_digits(one) | no_digits(two) != ZERO:
        return _NONE
    fraction = number_of(one) * 100_000_000 + number_of(two)
    return ((int(data[at]) - 48) * int(_POWERS[decimals]) + fraction) * int(_POWERS[18 - decimals])


@inlined_kernel
def _long_integer(data: NDArray[np.uint8], at: int, end: int, separator: int, tail: int) -> tuple[int, int]:
    """An integer of 16 digits and ``tail`` further ones, up to three, and where its cell ends; -1 as above.

    The cell's length is taken to be that of the row above, so that the processor need not wait for its end.
    """
    if at + 24 > end:
        return 0, -1
    one, two, three = (
        word_at(data, at) ^ DIGIT_ZEROS,
        word_at(data, at + 8) ^ DIGIT_ZEROS,
        word_at(data, at + 16) ^ DIGIT_ZEROS,
    )
    bits = np.uint64(8 * tail)
    other = no_digits(one) | no_digits(two) | (no_digits(three) & ((ONE << bits) - ONE))
    behind = int(np.int64((three >> bits) & _LOWEST)) ^ 48
    # 19 digits that begin with 9 may not fit into 64 bits
    if other != ZERO or behind != separator or (tail == 3 and (one & _LOWEST) == _NINE):
        return 0, -1
    rest = number_of(three << (np.uint64(64) - bits))
    return (number_of(one) * 100_000_000 + number_of(two)) * int(_POWERS[tail]) + rest, at + 16 + tail


@inlined_kernel
def _clock_ms(data: NDArray[np.uint8], at: int, separator: int) -> int:
    """Milliseconds of ``:20.220;``, the separator behind it; -1 when something else stands there."""
    word = word_at(data, at) ^ (_CLOCK_ZEROS | np.uint64(separator) << np.uint64(56))
    if (((word & LOW) + _UP_FROM_CLOCK) | word) & HIGH != ZERO:
        return -1
    ms = number_of((word & _SECONDS) << np.uint64(16) | (word & _MILLISECONDS) << np.uint64(8))
    return ms if ms < 60_000 else -1


@lean_inner_kernel
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
    return ns * int(_POWERS[9 - decimals])


@lean_inner_kernel
def _stamp_ns(data: NDArray[np.uint8], at: int, stop: int) -> int:
    if stop - at < 19 or data[at + 10] != 84:
        return _NONE
    seconds = stamp_s(data, at)
    if seconds < _EARLIEST_S:
        return _NONE
    fraction = _fraction_ns(data, at + 19, stop)
    return _NONE if fraction == _NONE else seconds * _NS_PER_S + fraction


@lean_inner_kernel
def _is_blank(data: NDArray[np.uint8], at: int, stop: int) -> bool:
    while at < stop and (data[at] == 32 or data[at] == 9):
        at += 1
    return at >= stop


@lean_kernel
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
        float64 and int64 (columns, capacity): filled where a column holds numbers, or integers and stamps, with the
        rows that were read, one behind the other; NaN stands for an empty cell of `NUMBER_OR_MISSING`. A row that is
        read has a separator or line feed for each column, and a digit for each one that must not be empty, so that
        ``len(data) // columns + 1`` is capacity enough.
    states
        int8 (at least as many as there are rows,): filled with `READ`, `ODD` or `BLANK`.

    Returns
    -------
    int
        Number of rows, of whatever state.
    """
    row, read, at, end = 0, 0, 0, len(data)
    # the minute of the last stamp that was read in full: its text but for the last colon, and the time
    minute_ns, date_text, clock_text = _NONE, ZERO, ZERO
    tail = 2  # digits behind the 16th of the last integer that has so many
    while at < end:
        first, good, column, ends = at, True, 0, False
        while not ends:
            start, stop = at, -1
            kind = kinds[column] if column < len(kinds) else _BEYOND
            # nearly all cells are short numbers, or written like the one above: these need no search for their end
            if kind in (NUMBER, NUMBER_OR_MISSING):
                if at < end:
                    numbers[column, read], stop = _short_number(data, at, end, separator)
            elif kind in (INTEGER, INTEGER_BY_POWER):
                integers[column, read], stop = _long_integer(data, at, end, separator, tail)
            elif kind == STAMP_NS:
                alike = minute_ns != _NONE and at + _MINUTE_TEXT + 8 <= end
                alike = alike and word_at(data, at + 8) == clock_text and word_at(data, at) == date_text
                if alike:
                    ms = _clock_ms(data, at + _MINUTE_TEXT, separator)
                    if ms >= 0:
                        integers[column, read] = minute_ns + ms * _NS_PER_MS
                        stop = at + _MINUTE_TEXT + 7
            if stop < 0:
                stop = _cell_end(data, at, end, separator)
                if kind == _BEYOND:
                    # a row may end with separators
                    good = good and start == stop
                elif good and kind in (NUMBER, NUMBER_OR_MISSING):
                    number = decimal(data, start, stop)
                    numbers[column, read] = number
                    good = number == number or (kind == NUMBER_OR_MISSING and start == stop)
                elif good and kind == STAMP_NS:
                    whole = _stamp_ns(data, start, stop)
                    if whole != _NONE:
                        minute_ns = whole - whole % (60 * _NS_PER_S)
                        date_text, clock_text = word_at(data, start), word_at(data, start + 8)
                    integers[column, read] = whole
                    good = whole != _NONE
                elif good and kind != PASSED_OVER:
                    whole = _by_power(data, start, stop) if kind == INTEGER_BY_POWER else _NONE
                    if whole == _NONE:
                        whole = _integer(data, start, stop, kind == INTEGER_BY_POWER)
                    integers[column, read] = whole
                    good = whole != _NONE
                    if 17 <= stop - start <= 19:
                        tail = stop - start - 16
            ends = stop >= end or data[stop] == 10
            column += 1
            at = stop + 1
        if column == 1 and _is_blank(data, first, at - 1):
            states[row] = BLANK
        elif good and column >= len(kinds):
            states[row] = READ
            read += 1
        else:
            states[row] = ODD
        row += 1
    return row
