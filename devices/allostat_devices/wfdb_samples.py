"""Samples of WFDB signal files in formats 16, 24, 32, 61, 80, 160 and 212, after the WFDB signal(5) format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING: dict[int, int] = {
    16: -(1 << 15), 24: -(1 << 23), 32: -(1 << 31), 61: -(1 << 15), 80: -(1 << 7), 160: -(1 << 15), 212: -(1 << 11),
}  # fmt: skip
"""Raw value that means "no sample", for each format that is read."""

BITS: dict[int, int] = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12}
"""Bits that one sample takes in a file, for each format that is read."""


def decode(data: bytes, storage: int) -> NDArray[Any]:
    """All complete samples of a file, in the order of the file.

    Parameters
    ----------
    data
        Bytes after the header's byte offset.
    storage
        Format number, one of `MISSING`.

    Returns
    -------
    ndarray
        int16 (n,), int32 for formats 24 and 32.
    """
    match storage:
        case 212:
            return _packed_12_bit(data)
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


def checksum(samples: NDArray[Any]) -> int:
    """Sum of samples modulo 65536, as the header states it up to its sign."""
    return int(samples.sum(dtype=np.int64)) % 65536
