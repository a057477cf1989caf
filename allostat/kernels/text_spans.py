"""Values out of stretches of bytes: dates with an offset, clock times, numbers, and texts that occur again and again.

The stretches are those that `allostat.kernels.xml_attributes.scan` found: of each of the rows ``which``, the one that
begins at ``rows[i, column]`` and ends before ``rows[i, column + 1]``; a begin below 0 stands for one that does not
exist. What is written otherwise than said here is left to the caller, who decodes the few that remain with Python.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel, lean_kernel
from allostat.kernels.text_rows import decimal, stamp_s, two_digits
from allostat.kernels.xml_attributes import enter, entry_of, find_either

NO_STAMP = -(1 << 62)
_STAMP = 25  # YYYY-MM-DD hh:mm:ss +hhmm


@lean_kernel
def stamps(
    data: NDArray[np.uint8],
    rows: NDArray[np.int32],
    which: NDArray[np.int64],
    column: int,
    seconds: NDArray[np.int64],
    offsets_s: NDArray[np.int64],
) -> int:
    """Read ``YYYY-MM-DD hh:mm:ss ±hhmm`` as seconds since 1970 UTC, and the offset of its clock from UTC in s.

    Parameters
    ----------
    seconds, offsets_s
        Filled; `NO_STAMP` and 0 where no such text stands.

    Returns
    -------
    int
        Stretches that exist and were not read.
    """
    odd = 0
    for i in range(len(which)):
        at, stop = int(np.int64(rows[which[i], column])), int(np.int64(rows[which[i], column + 1]))
        seconds[i], offsets_s[i] = NO_STAMP, 0
        if at < 0:
            continue
        odd += 1
        if stop - at != _STAMP or data[at + 19] != 32:
            continue
        sign = int(data[at + 20])
        hours, minutes = two_digits(data, at + 21), two_digits(data, at + 23)
        local = stamp_s(data, at)
        if local == NO_STAMP or (sign != 43 and sign != 45) or not 0 <= hours <= 14 or not 0 <= minutes <= 59:
            continue
        offset = hours * 3600 + minutes * 60
        if sign == 45:
            offset = -offset
        seconds[i], offsets_s[i] = local - offset, offset
        odd -= 1
    return odd


@lean_kernel
def numbers(
    data: NDArray[np.uint8],
    rows: NDArray[np.int32],
    which: NDArray[np.int64],
    column: int,
    values: NDArray[np.float64],
) -> int:
    """Read plain decimals of up to 15 digits; ``values`` is filled, NaN where none stands.

    Returns
    -------
    int
        Stretches that exist and were not read.
    """
    odd = 0
    for i in range(len(which)):
        at, stop = int(np.int64(rows[which[i], column])), int(np.int64(rows[which[i], column + 1]))
        values[i] = np.nan
        if at >= 0:
            values[i] = decimal(data, at, stop)
            if np.isnan(values[i]):
                odd += 1
    return odd


@lean_kernel
def clock_times(
    data: NDArray[np.uint8],
    rows: NDArray[np.int32],
    which: NDArray[np.int64],
    column: int,
    ns: NDArray[np.int64],
) -> int:
    """Read ``20:14:07.68``, ``08:34:05,10`` or ``6:14:48.94 PM`` as ns since midnight; ``ns`` is filled, -1: none.

    Between number and AM or PM may stand blanks, also those of U+00A0 and U+202F in UTF-8. Up to nine decimals.

    Returns
    -------
    int
        Stretches that exist and were not read.
    """
    odd = 0
    for i in range(len(which)):
        ns[i] = -1
        at, stop = int(np.int64(rows[which[i], column])), int(np.int64(rows[which[i], column + 1]))
        if at < 0:
            continue
        odd += 1
        hour, digits = 0, 0
        while at < stop and digits < 2 and 48 <= data[at] <= 57:
            hour = hour * 10 + int(data[at]) - 48
            digits += 1
            at += 1
        if digits == 0 or at + 6 > stop or data[at] != 58 or data[at + 3] != 58:
            continue
        minute, second = two_digits(data, at + 1), two_digits(data, at + 4)
        at += 6
        fraction, scale = 0, 1_000_000_000
        if at < stop and (data[at] == 46 or data[at] == 44):
            at += 1
            while at < stop and scale > 1 and 48 <= data[at] <= 57:
                fraction = fraction * 10 + int(data[at]) - 48
                scale //= 10
                at += 1
        half = 0
        while at < stop:
            c = int(data[at])
            if c == 32:
                at += 1
            elif c == 194 and at + 1 < stop and data[at + 1] == 160:
                at += 2
            elif c == 226 and at + 2 < stop and data[at + 1] == 128 and data[at + 2] == 175:
                at += 3
            elif half == 0 and (c | 32 == 97 or c | 32 == 112) and at + 1 < stop and data[at + 1] | 32 == 109:
                half = 1 if c | 32 == 97 else 2
                at += 2
            else:
                half = -1
                break
        if half > 0:
            if not 1 <= hour <= 12:
                continue
            hour = hour % 12 + (12 if half == 2 else 0)
        if half < 0 or hour > 23 or not 0 <= minute <= 59 or not 0 <= second <= 59:
            continue
        ns[i] = (hour * 3600 + minute * 60 + second) * 1_000_000_000 + fraction * scale
        odd -= 1
    return odd


@kernel
def entries(
    data: NDArray[np.uint8],
    words: NDArray[np.uint64],
    rows: NDArray[np.int32],
    which: NDArray[np.int64],
    column: int,
    behind: int,
    pool: NDArray[np.uint64],
    pool_ends: NDArray[np.int64],
    known: int,
    numbers_of: NDArray[np.int64],
) -> int:
    """Give every stretch the number of its text; new texts are entered into a pool.

    Parameters
    ----------
    words
        The same bytes as uint64.
    behind
        Code of a character: the text begins behind the first of it, when there is one. 0: at the begin.
    pool, pool_ends, known
        As in `xml_attributes.entry_of`, ``known`` texts being there.
    numbers_of
        Filled; -1 where no stretch exists, -2 where its text found no place in the pool.

    Returns
    -------
    int
        Texts in the pool now.
    """
    last = -1
    for i in range(len(which)):
        at, stop = int(np.int64(rows[which[i], column])), int(np.int64(rows[which[i], column + 1]))
        numbers_of[i] = -1
        if at < 0:
            continue
        if behind:
            place = find_either(data, words, at, stop, behind, behind)
            if place < stop:
                at = place + 1
        found = entry_of(words, at, stop, pool, pool_ends, known, last)
        if found < 0 and enter(data, at, stop, pool, pool_ends, known):
            found = known
            known += 1
        numbers_of[i] = found if found >= 0 else -2
        last = found
    return known
