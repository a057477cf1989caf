"""CRC-16 of a FIT file over megabytes at once, by the algebra of polynomials instead of a loop over bytes."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POLYNOMIAL = 0xA001
"""x^16 + x^15 + x^2 + 1, lowest bit first."""
_LANE = 256
"""Bytes that one lane goes through; measured best between 64 and 1024 on 1 MB."""


@cache
def _table() -> NDArray[np.uint16]:
    """Remainder after one more byte, for each low byte of the remainder."""
    values = np.arange(256, dtype=np.uint16)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ _POLYNOMIAL, values >> 1).astype(np.uint16)
    return values


@cache
def _after_zeros(n_bytes: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Remainders after ``n_bytes`` zero bytes, by the low and by the high byte of the remainder before."""
    if n_bytes == 1:
        low, high = _table(), np.arange(256, dtype=np.uint16)
        return low, high
    half = _after_zeros(n_bytes // 2)
    low, high = half[0], half[1]
    return _advanced(low, half), _advanced(high, half)


def _advanced(
    remainder: NDArray[np.uint16], tables: tuple[NDArray[np.uint16], NDArray[np.uint16]]
) -> NDArray[np.uint16]:
    low, high = tables
    advanced: NDArray[np.uint16] = low[remainder & 0xFF] ^ high[remainder >> 8]
    return advanced


def crc16(data: NDArray[np.uint8]) -> int:
    """CRC-16 of bytes as FIT takes it (polynomial 0xA001 reflected, initial value 0).

    Zero over a block that ends with its own CRC, low byte first.

    Notes
    -----
    With an initial value of 0 leading zero bytes change nothing, so the data are padded in front to a power of two of
    lanes; the lanes run side by side, and pairs of lanes are then joined by the table of `_after_zeros`.
    """
    if not len(data):
        return 0
    lanes = 1 << max((len(data) - 1) // _LANE, 0).bit_length()
    padded = np.zeros(lanes * _LANE, np.uint8)
    padded[len(padded) - len(data) :] = data
    columns = np.ascontiguousarray(padded.reshape(lanes, _LANE).T)
    table = _table()
    remainder = np.zeros(lanes, np.uint16)
    for column in columns:
        remainder = table[(remainder & 0xFF) ^ column] ^ (remainder >> 8)
    length = _LANE
    while len(remainder) > 1:
        remainder = _advanced(remainder[0::2], _after_zeros(length)) ^ remainder[1::2]
        length *= 2
    return int(remainder[0])
