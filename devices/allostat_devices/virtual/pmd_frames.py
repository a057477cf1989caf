"""Data frames of Polar Measurement Data as a device writes them: plain and delta-compressed samples.

Written from the vendor's documentation, independent of the decoders. Source: Polar BLE SDK
(github.com/polarofficial/polar-ble-sdk).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from allostat_devices.virtual.device_clock import POLAR_EPOCH_UNIX_NS

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEADER_BYTES = 10
_HEADER = struct.Struct("<BQB")


def frame_header(stream: int, last_sample_unix_ns: int | None, frame_type: int) -> bytes:
    """First ten bytes of a frame; time None = unknown, sent as 0."""
    device_ns = 0 if last_sample_unix_ns is None else last_sample_unix_ns - POLAR_EPOCH_UNIX_NS
    return _HEADER.pack(stream, device_ns, frame_type)


class FrameLayout(Protocol):
    """How samples of a stream stand in frames."""

    @property
    def frame_type(self) -> int:
        """Layout number, with bit 7 when compressed."""
        ...

    def cut(self, samples: NDArray[np.int32], room_bytes: int) -> list[tuple[int, bytes]]:
        """Payloads of as many full frames as the samples give: (samples, payload) each; the rest is left over.

        Parameters
        ----------
        samples
            int32, (samples, channels).
        room_bytes
            Longest payload.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlainLayout:
    """Whole values of 1 to 4 bytes, little endian, signed.

    Attributes
    ----------
    value_bytes
        Per value.
    most_samples
        Per frame, however much room there is.
    """

    frame_type: int
    value_bytes: int
    most_samples: int

    def cut(self, samples: NDArray[np.int32], room_bytes: int) -> list[tuple[int, bytes]]:
        """See `FrameLayout.cut`."""
        size = samples.shape[1] * self.value_bytes
        each = min(self.most_samples, room_bytes // size)
        wide = np.ascontiguousarray(samples, dtype="<i4").view(np.uint8).reshape(-1, 4)
        data = wide[:, : self.value_bytes].tobytes()
        return [(each, data[at : at + each * size]) for at in range(0, len(data) - each * size + 1, each * size)]


@dataclass(frozen=True, slots=True)
class DeltaLayout:
    """A whole sample, then blocks of differences, each as narrow as its largest difference.

    Attributes
    ----------
    resolution_bits
        Of the whole sample.
    block_samples
        Samples per block, at most 255.
    most_blocks
        Per frame, however much room there is.
    """

    frame_type: int
    resolution_bits: int
    block_samples: int = 12
    most_blocks: int = 3

    def cut(self, samples: NDArray[np.int32], room_bytes: int) -> list[tuple[int, bytes]]:
        """See `FrameLayout.cut`."""
        frames: list[tuple[int, bytes]] = []
        at = 0
        while at < len(samples):
            taken, payload = self._one(samples[at:], room_bytes)
            if taken == 0:
                break
            frames.append((taken, payload))
            at += taken
        return frames

    def _one(self, samples: NDArray[np.int32], room_bytes: int) -> tuple[int, bytes]:
        parts = [pack_whole(samples[0].tolist(), self.resolution_bits)]
        length, at = len(parts[0]), 1
        for _ in range(self.most_blocks):
            end = at + self.block_samples
            if end > len(samples):
                return 0, b""
            rows = samples[at - 1 : end].astype(np.int64)
            block = pack_block(rows[1:] - rows[:-1])
            if length + len(block) > room_bytes:
                break
            parts.append(block)
            length, at = length + len(block), end
        return at, b"".join(parts)


def pack_whole(values: Sequence[int], resolution_bits: int) -> bytes:
    """A sample as it stands first in a compressed frame: whole bytes per value, signed."""
    return b"".join(value.to_bytes((resolution_bits + 7) // 8, "little", signed=True) for value in values)


def width_of(differences: NDArray[np.int64]) -> int:
    """Bits that the largest of the differences takes with its sign; at least 1."""
    low, high = int(differences.min(initial=0)), int(differences.max(initial=0))
    return 1 + max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0, 0)


def pack_block(differences: NDArray[np.int64], width_bits: int | None = None) -> bytes:
    """A block of differences: width, count, and the bits, least significant first, padded to a byte.

    Parameters
    ----------
    differences
        int64, (samples, channels), at most 255 samples.
    width_bits
        1 to 32; the least that holds them when None.
    """
    width = width_of(differences) if width_bits is None else width_bits
    bits = (differences.reshape(-1, 1) >> np.arange(width)) & 1
    return bytes([width, len(differences)]) + np.packbits(bits.astype(np.uint8), axis=None, bitorder="little").tobytes()
