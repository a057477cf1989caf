"""Samples of WFDB signal files in formats 8, 16, 24, 32, 61, 80, 160, 212, 310 and 311, after WFDB signal(5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.samples import Samples, blocks_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING: dict[int, int] = {
    16: -(1 << 15), 24: -(1 << 23), 32: -(1 << 31), 61: -(1 << 15), 80: -(1 << 7), 160: -(1 << 15), 212: -(1 << 11),
    310: -(1 << 9), 311: -(1 << 9),
}  # fmt: skip
"""Raw value that means "no sample", for each format that has one."""

BITS: dict[int, float] = {
    8: 8, 16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12, 310: 32 / 3, 311: 32 / 3,
}  # fmt: skip
"""Bits that one sample takes in a file, for each format that is read here."""

DIFFERENCES = 8
"""The format whose samples are differences from the sample before."""


def decode(data: bytes, storage: int) -> NDArray[Any]:
    """All complete samples of a file, in the order of the file.

    Parameters
    ----------
    data
        Bytes after the header's byte offset.
    storage
        Format number, one of `BITS`.

    Returns
    -------
    ndarray
        int16 (n,), int32 for formats 24 and 32.
    """
    match storage:
        case 212:
            return _packed_12_bit(data)
        case 310:
            return _packed_10_bit(data, _places_310)
        case 311:
            return _packed_10_bit(data, _places_311)
        case 8:
            return np.frombuffer(data, np.int8).astype(np.int16)
        case 16:
            return np.frombuffer(data, "<i2", len(data) // 2).astype(np.int16)
        case 61:
            return np.frombuffer(data, ">i2", len(data) // 2).astype(np.int16)
        case 80:
            return (np.frombuffer(data, np.uint8).astype(np.int16) - 128).astype(np.int16)
        case 160:
            offset_binary = np.frombuffer(data, "<u2", len(data) // 2).astype(np.int32)
            return (offset_binary - 32768).astype(np.int16)
        case 24:
            triples = np.frombuffer(data, np.uint8, len(data) // 3 * 3).reshape(-1, 3)
            padded = np.zeros((len(triples), 4), np.uint8)
            padded[:, 1:] = triples
            return (padded.view("<i4").reshape(-1) >> 8).astype(np.int32)
        case 32:
            return np.frombuffer(data, "<i4", len(data) // 4).astype(np.int32)
        case _:
            raise ValueError(f"format {storage} is not read")


def _packed_12_bit(data: bytes) -> NDArray[np.int16]:
    """Two samples in three bytes: low bytes in bytes 0 and 2, both high nibbles in byte 1."""
    whole = len(data) // 3
    triples = np.frombuffer(data, np.uint8, whole * 3).reshape(-1, 3).astype(np.int16)
    pairs = np.empty((whole, 2), np.int16)
    pairs[:, 0] = triples[:, 0] | ((triples[:, 1] & 0x0F) << 8)
    pairs[:, 1] = triples[:, 2] | ((triples[:, 1] & 0xF0) << 4)
    samples = pairs.reshape(-1)
    if len(data) % 3 == 2:
        last = data[-2] | ((data[-1] & 0x0F) << 8)
        samples = np.append(samples, np.int16(last))
    return np.asarray(np.where(samples > 2047, samples - 4096, samples), dtype=np.int16)


def _packed_10_bit(
    data: bytes, places: Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]
) -> NDArray[np.int16]:
    """Three samples in each four bytes; of an unfinished last word those whose bits are all there."""
    words, rest = divmod(len(data), 4)
    padded = data + b"\0" * (4 - rest) if rest else data
    word = np.frombuffer(padded, "<u4").astype(np.int64)
    bits = np.stack(places(word), axis=1).reshape(-1)
    # 16 bits hold the first sample, 24 the second one in format 311 alone
    complete = 3 * words + (rest >= 2) + (rest == 3 and places is _places_311)
    return np.asarray(np.where(bits > 511, bits - 1024, bits), dtype=np.int16)[:complete]


def _places_310(word: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Upper ten of the lower eleven bits of each half; five bits of each half make the third."""
    return (word >> 1) & 0x3FF, (word >> 17) & 0x3FF, ((word >> 11) & 0x1F) | (((word >> 27) & 0x1F) << 5)


def _places_311(word: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """One after the other from the lowest bit; the two uppermost bits are free."""
    return word & 0x3FF, (word >> 10) & 0x3FF, (word >> 20) & 0x3FF


def checksum(samples: Samples) -> int:
    """Sum of samples modulo 65536, as the header states it up to its sign."""
    return sum(int(block.sum(dtype=np.int64)) for block in blocks_of(samples)) % 65536
