"""Eight bytes of a text at once, as one number whose lowest byte is the first of them.

The arithmetic on all bytes of a word is of the kind that Warren (Hacker's Delight, chapter 6) collects: no step lets a
byte carry into the next one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inlined_kernel

ZERO = np.uint64(0)
ONE = np.uint64(1)
EACH = np.uint64(0x0101010101010101)
"""Times a byte, that byte eight times."""
LOW = np.uint64(0x7F7F7F7F7F7F7F7F)
HIGH = np.uint64(0x8080808080808080)
DIGIT_ZEROS = np.uint64(0x3030303030303030)
"""The digit 0, eight times."""
_PLACES = 0x0001020304050607
"""Times the 1 of byte k, its highest byte is k."""
_UP_FROM_TEN = np.uint64(0x7676767676767676)
"""What sets the high bit of each byte of 10 and more, when it is added."""
_SECOND_BYTES = np.uint64(0x00FF00FF00FF00FF)
_SECOND_PAIRS = np.uint64(0x0000FFFF0000FFFF)
_LOW_HALF = np.uint64(0x00000000FFFFFFFF)


@inlined_kernel
def word_at(data: NDArray[np.uint8], at: int) -> np.uint64:
    """The eight bytes from ``at`` on; LLVM makes one load of it."""
    i = np.uint64(at)
    word = np.uint64(data[i])
    for k in range(1, 8):
        word |= np.uint64(data[i + np.uint64(k)]) << np.uint64(8 * k)
    return word


@inlined_kernel
def either(word: np.uint64, first: np.uint64, second: np.uint64) -> np.uint64:
    """The high bit of each byte that equals the byte of ``first`` or ``second`` in its place; no other bit."""
    one, other = word ^ first, word ^ second
    return ~((((one & LOW) + LOW) | one) & (((other & LOW) + LOW) | other) | LOW)


@inlined_kernel
def bytes_before(marks: np.uint64) -> int:
    """How many bytes lie before the first whose high bit is set; one is, and no other bits are."""
    first = int(np.int64((marks & (~marks + ONE)) >> np.uint64(7)))
    return (first * _PLACES >> 56) & 7


@inlined_kernel
def no_digits(word: np.uint64) -> np.uint64:
    """The high bit of each byte that is no digit, of a word less `DIGIT_ZEROS`; no other bit."""
    return (((word & LOW) + _UP_FROM_TEN) | word) & HIGH


@inlined_kernel
def number_of(word: np.uint64) -> int:
    """The number that eight digits less `DIGIT_ZEROS` make; neighbours are put together, then pairs, then fours."""
    word = (word * np.uint64(10) + (word >> np.uint64(8))) & _SECOND_BYTES
    word = (word * np.uint64(100) + (word >> np.uint64(16))) & _SECOND_PAIRS
    word = (word & _LOW_HALF) * np.uint64(10000) + (word >> np.uint64(32))
    return int(np.int64(word))
