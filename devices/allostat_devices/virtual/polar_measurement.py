"""Polar Measurement Data as a device serves it: control point, settings, streams.

Source: Polar BLE SDK (github.com/polarofficial/polar-ble-sdk); the answers to ECG requests have the bytes that an H10
sends.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from allostat_devices.virtual.gatt import CCCD_WRONG, WRONG_LENGTH, AttError, Characteristic
from allostat_devices.virtual.pmd_frames import HEADER_BYTES, FrameLayout, frame_header
from allostat_devices.virtual.truth import StreamRun

if TYPE_CHECKING:
    from allostat_devices.virtual.heart import Signal
    from allostat_devices.virtual.strap import VirtualStrap

SERVICE = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

ECG, PPG, ACC, PPI, SDK_MODE = 0, 1, 2, 3, 9
RATE, RESOLUTION, RANGE, RANGE_MILLI, CHANNELS, FACTOR = range(6)
_SETTING_BYTES = {RATE: 2, RESOLUTION: 2, RANGE: 2, RANGE_MILLI: 4, CHANNELS: 1, FACTOR: 4}
_BLOCK_S = 6.0


class Code(IntEnum):
    """Status of an answer."""

    OK = 0
    UNKNOWN_OPERATION = 1
    UNKNOWN_TYPE = 2
    NOT_SUPPORTED = 3
    WRONG_LENGTH = 4
    WRONG_PARAMETER = 5
    ALREADY_IN_STATE = 6
    WRONG_RESOLUTION = 7
    WRONG_RATE = 8
    WRONG_RANGE = 9
    WRONG_MTU = 10
    WRONG_CHANNELS = 11
    INVALID_STATE = 12
    IN_CHARGER = 13
    DISK_FULL = 14


_REFUSED = {RATE: Code.WRONG_RATE, RESOLUTION: Code.WRONG_RESOLUTION, RANGE: Code.WRONG_RANGE,
            RANGE_MILLI: Code.WRONG_RANGE, CHANNELS: Code.WRONG_CHANNELS}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measurement:
    """A stream that a device offers.

    Attributes
    ----------
    signal
        What is measured.
    layout
        How samples stand in frames.
    settings
        Values offered by type of setting; the first one is taken when a request names none.
    rate_ratio
        True samples per second of the device's own clock, over the nominal rate.
    factor
        Sent with the answer to a start request when not None.
    sdk_settings
        Values offered in SDK mode.
    """

    signal: Signal
    layout: FrameLayout
    settings: Mapping[int, tuple[int, ...]]
    rate_ratio: float = 1.0
    factor: float | None = None
    sdk_settings: Mapping[int, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))


class PolarMeasurement:
    """The service.

    Parameters
    ----------
    measurements
        Streams by number.
    has_sdk_mode
        Whether the device has that mode.
    least_mtu_bytes
        Under this MTU a start is refused with status 10. Which MTU a real device demands is not documented.
    answer_delay_s
        From a request to the answer.
    """

    uuid = SERVICE

    def __init__(
        self,
        measurements: Mapping[int, Measurement],
        *,
        has_sdk_mode: bool = False,
        least_mtu_bytes: int = 70,
        answer_delay_s: float = 0.02,
    ) -> None:
        self.characteristics = (
            Characteristic(CONTROL, ("read", "write", "indicate")),
            Characteristic(DATA, ("notify",)),
        )
        self._measurements = dict(measurements)
        self._has_sdk_mode = has_sdk_mode
        self._least_mtu_bytes = least_mtu_bytes
        self._answer_delay_s = answer_delay_s
        self._running: dict[int, _Running] = {}
        self._sdk_mode = False

    def attach(self, strap: VirtualStrap) -> None:
        """Called once by the strap."""
        self._strap = strap

    @property
    def streaming(self) -> frozenset[int]:
        """Streams that run."""
        return frozenset(self._running)

    # --- GATT

    def read(self, uuid: str) -> bytes:
        """Features."""
        bits = sum(1 << stream for stream in self._measurements) | self._has_sdk_mode << SDK_MODE
        return b"\x0f" + bits.to_bytes(2, "little") + bytes(14)

    def write(self, uuid: str, data: bytes) -> None:
        """A request; its answer is indicated later."""
        if not data:
            raise AttError(WRONG_LENGTH)
        if not self._strap.is_subscribed(CONTROL):
            raise AttError(CCCD_WRONG)
        status, parameters = self._answer(data)
        stream = data[1] if len(data) > 1 else 0
        self._reply(data[0], stream, status, parameters)

    def subscribed(self, uuid: str, on: bool) -> None:
        """Streams run whether or not their frames are wanted."""

    def unlinked(self) -> None:
        """A device ends its streams with the connection."""
        for stream in list(self._running):
            self._running.pop(stream).end()
        self._sdk_mode = False

    def stop_by_itself(self, streams: Sequence[int]) -> None:
        """End streams without being asked, and say so."""
        for stream in streams:
            running = self._running.pop(stream, None)
            if running is not None:
                running.end()
        self._strap.push(CONTROL, bytes([1, *streams]))

    # --- requests

    def _reply(self, operation: int, stream: int, status: int, parameters: bytes) -> None:
        head = bytes([0xF0, operation, stream, status])
        value = head + b"\0" + parameters
        self._strap.loop.call_later(self._answer_delay_s, self._strap.push, CONTROL, value)

    def _answer(self, request: bytes) -> tuple[int, bytes]:
        operation = request[0]
        if operation == 5:
            return Code.OK, bytes(stream | 0x40 for stream in sorted(self._running))
        if operation == 6:
            return Code.OK, bytes([self._sdk_mode])
        if not 1 <= operation <= 4:
            return Code.UNKNOWN_OPERATION, b""
        if len(request) < 2:
            return Code.WRONG_LENGTH, b""
        stream = request[1] & 0x3F
        if stream == SDK_MODE and operation in (2, 3) and self._has_sdk_mode:
            return self._switch_sdk_mode(operation == 2), b""
        if stream > 14:
            return Code.UNKNOWN_TYPE, b""
        found = self._measurements.get(stream)
        if found is None or request[1] & 0x80:
            return Code.NOT_SUPPORTED, b""
        if operation == 1:
            return Code.OK, pack_settings(self._settings(found))
        if operation == 4:
            offered = pack_settings(found.sdk_settings)
            return (Code.OK, offered) if found.sdk_settings else (Code.NOT_SUPPORTED, b"")
        if operation == 2:
            return self._start(stream, found, request[2:])
        return self._stop(stream)

    def _settings(self, found: Measurement) -> Mapping[int, tuple[int, ...]]:
        return found.sdk_settings if self._sdk_mode and found.sdk_settings else found.settings

    def _switch_sdk_mode(self, on: bool) -> int:
        if self._running:
            return Code.INVALID_STATE
        if self._sdk_mode == on:
            return Code.ALREADY_IN_STATE
        self._sdk_mode = on
        return Code.OK

    def _start(self, stream: int, found: Measurement, asked: bytes) -> tuple[int, bytes]:
        if stream in self._running:
            return Code.ALREADY_IN_STATE, b""
        if self._strap.mtu_bytes < self._least_mtu_bytes:
            return Code.WRONG_MTU, b""
        offered = self._settings(found)
        chosen = {setting: values[0] for setting, values in offered.items()}
        wanted = unpack_settings(asked)
        if wanted is None:
            return Code.WRONG_PARAMETER, b""
        for setting, value in wanted.items():
            if value not in offered.get(setting, ()):
                return _REFUSED.get(setting, Code.WRONG_PARAMETER), b""
            chosen[setting] = value
        self._running[stream] = _Running(self._strap, stream, found, chosen[RATE])
        factor = b"" if found.factor is None else bytes([FACTOR, 1]) + struct.pack("<f", found.factor)
        return Code.OK, factor or b"\0"

    def _stop(self, stream: int) -> tuple[int, bytes]:
        running = self._running.pop(stream, None)
        if running is None:
            return Code.ALREADY_IN_STATE, b""
        running.end()
        return Code.OK, b""


def pack_settings(settings: Mapping[int, Sequence[int]]) -> bytes:
    """Settings as an answer has them: type, count, values."""
    parts = []
    for setting, values in settings.items():
        width = _SETTING_BYTES[setting]
        parts.append(bytes([setting, len(values)]) + b"".join(value.to_bytes(width, "little") for value in values))
    return b"".join(parts)


def unpack_settings(asked: bytes) -> dict[int, int] | None:
    """Settings of a start request, one value each; None when the bytes are none."""
    found: dict[int, int] = {}
    at = 0
    while at < len(asked):
        width = _SETTING_BYTES.get(asked[at])
        if width is None or asked[at + 1 : at + 2] != b"\1" or at + 2 + width > len(asked):
            return None
        found[asked[at]] = int.from_bytes(asked[at + 2 : at + 2 + width], "little")
        at += 2 + width
    return found


class _Running:
    """A stream that runs: a frame is sent when its last sample has been taken."""

    def __init__(self, strap: VirtualStrap, stream: int, measurement: Measurement, rate_hz: int) -> None:
        self._strap = strap
        self._stream = stream
        self._signal, self._layout = measurement.signal, measurement.layout
        self._started_s = strap.now()
        # the sensor counts the strap's own seconds
        self._rate_hz = rate_hz * measurement.rate_ratio * (1 + strap.clock.drift_ppm * 1e-6)
        self._room_bytes = strap.mtu_bytes - 3 - HEADER_BYTES
        self._block = max(round(_BLOCK_S * rate_hz), 512)
        self._frames: deque[tuple[int, bytes]] = deque()
        self._sent = 0
        self.run = StreamRun(stream, strap.truth.connections, self._started_s, self._rate_hz)
        strap.truth.runs.append(self.run)
        self._wait()

    def end(self) -> None:
        """Stop; what is in the frame that is not full is never sent."""
        self._timer.cancel()
        now = self._strap.now()
        self.run.ended_s = now
        self.run.taken = int((now - self._started_s) * self._rate_hz + 1e-6)

    def _time_of(self, samples: int) -> float:
        """When so many samples have been taken."""
        return self._started_s + samples / self._rate_hz

    def _wait(self) -> None:
        if not self._frames:
            times = self._started_s + np.arange(self._sent + 1, self._sent + 1 + self._block) / self._rate_hz
            samples = self._signal.block(self._sent, times - self._strap.origin_s)
            self._frames.extend(self._layout.cut(samples, self._room_bytes))
        self._due_s = self._time_of(self._sent + self._frames[0][0])
        self._timer = self._strap.loop.call_at(self._due_s, self._send)

    def _send(self) -> None:
        count, payload = self._frames.popleft()
        self._sent += count
        device_ns = self._strap.clock.unix_ns(self._due_s)
        run = self.run
        run.taken = run.framed = self._sent
        run.frames += 1
        if self._strap.truth.keep:
            run.device_ns.append(device_ns)
        self._strap.push(DATA, frame_header(self._stream, device_ns, self._layout.frame_type) + payload, run, count)
        self._wait()
