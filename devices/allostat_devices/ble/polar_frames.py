"""Data frames of Polar Measurement Data: ECG, PPG, acceleration, pulse-to-pulse intervals.

Layout: ``[measurement u8][time u64][frame type u8][payload]``, little endian. The time belongs to the LAST sample, in
ns since 2000-01-01 UTC by the device's own clock. Source: Polar BLE SDK (github.com/polarofficial/polar-ble-sdk).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from allostat_devices.ble.malformed import LONGEST_VALUE_BYTES, Fault, Malformed, wrong_length
from allostat_devices.ble.polar_delta import decode_delta
from allostat_devices.ble.polar_pmd import Stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

POLAR_EPOCH_NS = 946_684_800_000_000_000
"""2000-01-01 UTC in Unix time."""
_LATEST_NS = 2**63 - 1 - POLAR_EPOCH_NS
_HEADER = struct.Struct("<BQB")
_COMPRESSED = 0x80
_PPI = np.dtype([("hr", "u1"), ("pp", "<u2"), ("error", "<u2"), ("flags", "u1")])

Unit = Literal["uV", "m[g]", "1"]


@dataclass(frozen=True, slots=True)
class _Layout:
    stream: Stream
    channels: int
    bits: int
    unit: Unit
    scale: float = 1.0


# by measurement and the whole byte of the frame type
_PLAIN = {
    (0, 0): _Layout(Stream.ECG, 1, 24, "uV"),
    (2, 1): _Layout(Stream.ACC, 3, 16, "m[g]"),
    (1, 0): _Layout(Stream.PPG, 4, 24, "1"),
}
_DELTA = {
    # type 0 counts in G, type 1 in mG
    (2, 0x80): _Layout(Stream.ACC, 3, 16, "m[g]", 1000.0),
    (2, 0x81): _Layout(Stream.ACC, 3, 16, "m[g]"),
    (1, 0x80): _Layout(Stream.PPG, 4, 24, "1"),
    # 16 photodiodes and a status word
    (1, 0x87): _Layout(Stream.PPG, 17, 24, "1"),
}


@dataclass(frozen=True, slots=True, eq=False)
class SampleFrame:
    """Samples of one notification.

    Attributes
    ----------
    stream
        ECG, PPG or ACC.
    last_sample_ns
        Device time of the last sample that the device put into the frame, in ns Unix time by the device's own clock
        (which falls back to 2019 on some straps); None when the device sent 0 or an instant that no clock has.
    layout, compressed
        Frame type. PPG: layout 0 has three photodiodes and ambient light, layout 7 sixteen and a status word.
    raw
        int32, (samples, channels), as the device counts. ECG is in microvolt already, whatever its resolution.
    scale
        ``raw * scale`` is in ``unit``.
    unit
        UCUM unit of the scaled samples; ``"m[g]"`` is a thousandth of the standard gravity.
    missing
        Samples promised behind the last one here; that last one is ``missing`` periods older than ``last_sample_ns``.
    faults
        Reasons to count.
    """

    stream: Stream
    last_sample_ns: int | None
    layout: int
    compressed: bool
    raw: NDArray[np.int32]
    scale: float
    unit: Unit
    missing: int = 0
    faults: tuple[Fault, ...] = ()

    @property
    def values(self) -> NDArray[np.float64]:
        """Samples in ``unit``, float64, (samples, channels)."""
        return self.raw * np.float64(self.scale)


@dataclass(frozen=True, slots=True, eq=False)
class PpiFrame:
    """Pulse-to-pulse intervals of one notification, oldest first.

    Attributes
    ----------
    last_sample_ns
        As `SampleFrame.last_sample_ns`; None on old firmware, where the batch is placed back from its arrival.
    raw_ms
        uint16, the intervals as sent.
    interval_ms
        float64; NaN where the device says that movement spoilt the interval (``blocked``), or where it sent 0.
    error_ms
        uint16, the device's own estimate of the error; a quality, not a correction.
    heart_rate_per_min
        float64; NaN where the device sent 0.
    blocked
        bool, movement.
    contact
        int8: 1 skin contact, 0 none, -1 not supported. Not to be trusted on OH1 and Verity Sense.
    """

    last_sample_ns: int | None
    raw_ms: NDArray[np.uint16]
    interval_ms: NDArray[np.float64]
    error_ms: NDArray[np.uint16]
    heart_rate_per_min: NDArray[np.float64]
    blocked: NDArray[np.bool_]
    contact: NDArray[np.int8]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class RawFrame:
    """A frame whose layout is not read; kept byte by byte, so that nothing is lost.

    Attributes
    ----------
    stream
        Number of the measurement.
    message
        One sentence for the user.
    """

    stream: int
    last_sample_ns: int | None
    layout: int
    compressed: bool
    payload: bytes
    message: str
    faults: tuple[Fault, ...] = (Fault.UNREAD_LAYOUT,)


Frame = SampleFrame | PpiFrame | RawFrame


def decode_frame(data: bytes | bytearray, factor: float = 1.0) -> Frame | Malformed:
    """Samples of one notification of the data characteristic.

    Parameters
    ----------
    data
        The notification, any bytes at all. Nothing of the result points into it.
    factor
        From the answer to the start request (`polar_pmd.Settings.factor`); used for compressed frames only.

    Returns
    -------
    SampleFrame | PpiFrame | RawFrame | Malformed
        `RawFrame` for a measurement or a layout that is not read; `Malformed` for a frame without a whole sample.
    """
    length = len(data)
    if length < 10 or length > LONGEST_VALUE_BYTES:
        return wrong_length(data, "data frame", 10) or Malformed(Fault.TOO_SHORT, "data frame", length, "10 bytes")
    measurement, device_ns, kind = _HEADER.unpack_from(data)
    faults: tuple[Fault, ...] = ()
    last_ns: int | None = None
    if 0 < device_ns <= _LATEST_NS:
        last_ns = device_ns + POLAR_EPOCH_NS
    elif device_ns:
        faults = (Fault.TIME_IMPOSSIBLE,)
    plain = _PLAIN.get((measurement, kind))
    if plain is not None:
        return _plain_frame(data, last_ns, kind, plain, faults)
    delta = _DELTA.get((measurement, kind))
    if delta is not None:
        return _compressed_frame(data, last_ns, kind & 0x7F, delta, factor, faults)
    if measurement == Stream.PPI and kind == 0:
        return _intervals(data, last_ns, faults)
    compressed, layout = kind >= _COMPRESSED, kind & 0x7F
    return RawFrame(
        measurement,
        last_ns,
        layout,
        compressed,
        bytes(data[10:]),
        _unread(measurement, layout, compressed),
        (*faults, Fault.UNREAD_LAYOUT),
    )


def _plain_frame(
    data: bytes | bytearray,
    last_ns: int | None,
    layout: int,
    found: _Layout,
    faults: tuple[Fault, ...],
) -> SampleFrame | Malformed:
    width, channels = found.bits // 8, found.channels
    count, rest = divmod(len(data) - 10, width * channels)
    if count == 0:
        return Malformed(Fault.TOO_SHORT, f"{found.stream.name} frame", len(data), f"{10 + width * channels} bytes")
    shape, strides = (count, channels), (width * channels, width)
    if width == 3:
        # a 32-bit word that begins one byte early holds the value in its upper three bytes: the shift extends the sign
        words: NDArray[np.int32] = np.ndarray(shape, dtype="<i4", buffer=data, offset=9, strides=strides)
        raw = words >> 8
    else:
        shorts: NDArray[np.int16] = np.ndarray(shape, dtype="<i2", buffer=data, offset=10, strides=strides)
        raw = shorts.astype(np.int32)
    if rest:
        faults = (*faults, Fault.TRAILING_BYTES)
    return SampleFrame(found.stream, last_ns, layout, False, raw, found.scale, found.unit, 1 if rest else 0, faults)


def _compressed_frame(
    data: bytes | bytearray,
    last_ns: int | None,
    layout: int,
    found: _Layout,
    factor: float,
    faults: tuple[Fault, ...],
) -> SampleFrame | Malformed:
    delta = decode_delta(data[10:], found.channels, found.bits)
    if isinstance(delta, Malformed):
        return delta
    scale = factor * found.scale
    faults = faults + delta.faults
    return SampleFrame(found.stream, last_ns, layout, True, delta.raw, scale, found.unit, delta.missing, faults)


def _intervals(data: bytes | bytearray, last_ns: int | None, faults: tuple[Fault, ...]) -> PpiFrame | Malformed:
    count, rest = divmod(len(data) - 10, 6)
    if count == 0:
        return Malformed(Fault.TOO_SHORT, "PPI frame", len(data), "16 bytes")
    rows = np.frombuffer(data, dtype=_PPI, count=count, offset=10)
    flags = rows["flags"]
    blocked = (flags & 1) != 0
    raw_ms = rows["pp"].astype(np.uint16)
    zero = raw_ms == 0
    if rest:
        faults = (*faults, Fault.TRAILING_BYTES)
    faults += (Fault.ZERO_INTERVAL,) * int(zero.sum())
    return PpiFrame(
        last_sample_ns=last_ns,
        raw_ms=raw_ms,
        interval_ms=np.where(blocked | zero, np.nan, raw_ms.astype(np.float64)),
        error_ms=rows["error"].astype(np.uint16),
        heart_rate_per_min=np.where(rows["hr"] == 0, np.nan, rows["hr"].astype(np.float64)),
        blocked=blocked,
        contact=np.where(flags & 4, (flags >> 1) & 1, -1).astype(np.int8),
        faults=faults,
    )


def _unread(measurement: int, layout: int, compressed: bool) -> str:
    known = measurement in Stream._value2member_map_
    name = Stream(measurement).name if known else f"measurement {measurement}"
    what = f"{name} frames of type {layout}{' (compressed)' if compressed else ''}"
    return f"{what} are kept as bytes: their layout is not covered by tests yet."
