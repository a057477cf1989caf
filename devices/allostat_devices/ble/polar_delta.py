"""Delta-compressed samples in frames of Polar Measurement Data.

A frame holds one whole sample, then blocks of differences of any width, packed least significant bit first. Source:
Polar BLE SDK, technical documentation and test vectors (github.com/polarofficial/polar-ble-sdk).

A block of width 0 says that its samples equal the last one; it is decoded so and counted, for the vendor documents no
such block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat_devices.ble.malformed import Fault, Malformed, wrong_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDEST_BITS = 32
"""Differences of 32 bit occur, in frames of 32-bit samples."""


@dataclass(frozen=True, slots=True, eq=False)
class DeltaSamples:
    """Samples of one compressed frame.

    Attributes
    ----------
    raw
        int32, (samples, channels); what the device counts, before the factor.
    missing
        Samples that the last block promises and the payload does not hold. A frame's time stamp belongs to the last
        sample promised, so that the last sample here is ``missing`` periods older.
    faults
        Reasons to count.
    """

    raw: NDArray[np.int32]
    missing: int = 0
    faults: tuple[Fault, ...] = ()

    def scaled(self, factor: float) -> NDArray[np.float64]:
        """Samples times ``factor``, in floating point; the factor comes with the answer to the start request."""
        return self.raw * np.float64(factor)


def decode_delta(payload: bytes | bytearray, channels: int, resolution_bits: int) -> DeltaSamples | Malformed:
    """Samples of the payload of a compressed frame.

    Parameters
    ----------
    payload
        The frame without its header of 10 bytes.
    channels
        Values per sample, 1 or more.
    resolution_bits
        Width of a value in the whole sample that comes first, 1 to 32; it takes whole bytes.

    Returns
    -------
    DeltaSamples | Malformed
        `Malformed` when not even the first sample is there. A block that promises more than the payload holds ends the
        frame after its last complete sample; sums wrap at 32 bit as in the device.
    """
    value_bytes = (resolution_bits + 7) // 8
    first_bytes = channels * value_bytes
    bad = wrong_length(payload, "compressed frame", first_bytes)
    if bad is not None:
        return bad
    # eight bytes more, so that a 64-bit word can be read at every byte of the payload
    padded = bytes(payload) + bytes(8)
    words: NDArray[np.uint64] = np.ndarray(len(payload), dtype="<u8", buffer=padded, strides=(1,))
    at = np.arange(0, first_bytes, value_bytes)
    parts = [_signed(words[at], 8 * value_bytes)]
    faults: list[Fault] = []
    offset, missing = first_bytes, 0
    while offset < len(payload):
        if offset + 2 > len(payload):
            faults.append(Fault.TRAILING_BYTES)
            break
        width, promised = payload[offset], payload[offset + 1]
        offset += 2
        if width > WIDEST_BITS:
            faults.append(Fault.WIDTH_IMPOSSIBLE)
            missing = promised
            break
        if width == 0:
            if promised:
                faults.append(Fault.WIDTH_ZERO)
                parts.append(np.zeros(promised * channels, dtype=np.int64))
            continue
        held = min(promised, 8 * (len(payload) - offset) // (channels * width))
        bit = np.arange(0, held * channels * width, width)
        parts.append(_signed(words[offset + (bit >> 3)] >> (bit & 7).astype(np.uint64), width))
        if held < promised:
            faults.append(Fault.BLOCK_TRUNCATED)
            missing = promised - held
            break
        offset += (promised * channels * width + 7) // 8
    steps = np.concatenate(parts).reshape(-1, channels)
    return DeltaSamples(np.cumsum(steps, axis=0).astype(np.int32), missing, tuple(faults))


def _signed(words: NDArray[np.uint64], width: int) -> NDArray[np.int64]:
    """The low ``width`` bits of each word as a signed number."""
    rest = 64 - width
    return (words << np.uint64(rest)).view(np.int64) >> np.int64(rest)
