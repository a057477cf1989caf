"""Polar Measurement Data as a device serves it: control point, settings, streams.

Source: Polar BLE SDK (github.com/polarofficial/polar-ble-sdk); the answers to ECG requests have the bytes that an H10
sends.
"""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from allostat_devices.virtual.gatt import CCCD_WRONG, WRONG_LENGTH, AttError, Characteristic
from allostat_devices.virtual.heart_rate import HeartRate
from allostat_devices.virtual.polar_streams import CHANNELS, FACTOR, RANGE, RANGE_MILLI, RATE, RESOLUTION

if TYPE_CHECKING:
    from allostat_devices.virtual.polar_streams import Measurement, Running
    from allostat_devices.virtual.strap import VirtualStrap
    from allostat_devices.virtual.truth import StreamRun

SERVICE = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

ECG, PPG, ACC, PPI, SDK_MODE = 0, 1, 2, 3, 9
_SETTING_BYTES = {RATE: 2, RESOLUTION: 2, RANGE: 2, RANGE_MILLI: 4, CHANNELS: 1, FACTOR: 4}


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
        self.delays_s: deque[float] = deque()
        self.pieces_bytes: deque[int] = deque()
        self.silent_until_s = -math.inf
        self._refusals: list[tuple[int, int | None, int | None]] = []
        self._running: dict[int, Running] = {}
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
        stream = data[1] if len(data) > 1 else 0
        refused = self._refusal(data[0], stream & 0x3F)
        status, parameters = self._answer(data) if refused is None else (refused, b"")
        self._reply(data[0], stream, status, parameters)

    def subscribed(self, uuid: str, on: bool) -> None:
        """Streams run whether or not their frames are wanted."""

    def unlinked(self) -> None:
        """A device ends its streams with the connection."""
        for stream in list(self._running):
            self._running.pop(stream).end()
        self._set_sdk_mode(False)

    def stop_by_itself(self, streams: Sequence[int]) -> None:
        """End streams without being asked, and say so."""
        for stream in streams:
            running = self._running.pop(stream, None)
            if running is not None:
                running.end()
        self._strap.push(CONTROL, bytes([1, *streams]))

    def until_mid_frame_s(self) -> float:
        """Seconds until a frame of the first stream is half full; 0 when none runs."""
        return self._running[min(self._running)].until_mid_frame_s() if self._running else 0.0

    # --- faults

    def refuse(self, status: int, operation: int | None, stream: int | None, times: int) -> None:
        """Answer the next requests with a status; None = any operation, any stream."""
        self._refusals.extend([(status, operation, stream)] * times)

    def stray(self, value: bytes) -> None:
        """Indicate what nobody asked for."""
        self._strap.push(CONTROL, value)

    def _refusal(self, operation: int, stream: int) -> int | None:
        for at, (status, of_operation, of_stream) in enumerate(self._refusals):
            if of_operation in (None, operation) and of_stream in (None, stream):
                del self._refusals[at]
                return status
        return None

    # --- requests

    def _reply(self, operation: int, stream: int, status: int, parameters: bytes) -> None:
        head = bytes([0xF0, operation, stream, status])
        delay_s = self.delays_s.popleft() if self.delays_s else self._answer_delay_s
        if math.isinf(delay_s):
            return
        room = self._strap.mtu_bytes - 3 - 5
        room = min(room, self.pieces_bytes.popleft()) if self.pieces_bytes else room
        pieces = [parameters[at : at + room] for at in range(0, len(parameters), room)] or [b""]
        # each piece has the head again; all but the last say that more follow
        values = [head + bytes([at + 1 < len(pieces)]) + piece for at, piece in enumerate(pieces)]
        self._strap.loop.call_later(delay_s, self._indicate, self._strap.truth.connections, values)

    def _indicate(self, connection: int, values: Sequence[bytes]) -> None:
        if connection == self._strap.truth.connections:
            for value in values:
                self._strap.push(CONTROL, value)

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
        self._set_sdk_mode(on)
        return Code.OK

    def _set_sdk_mode(self, on: bool) -> None:
        self._sdk_mode = on
        heart_rate = self._strap.service(HeartRate)
        if heart_rate is not None:
            # the mode switches the device's own algorithms off
            heart_rate.silent = on

    def _start(self, stream: int, found: Measurement, asked: bytes) -> tuple[int, bytes]:
        if stream in self._running:
            return Code.ALREADY_IN_STATE, b""
        if self._strap.mtu_bytes < self._least_mtu_bytes:
            return Code.WRONG_MTU, b""
        if self._sdk_mode and not found.sdk_settings:
            return Code.INVALID_STATE, b""
        offered = self._settings(found)
        chosen = {setting: values[0] for setting, values in offered.items()}
        wanted = unpack_settings(asked)
        if wanted is None:
            return Code.WRONG_PARAMETER, b""
        for setting, value in wanted.items():
            if value not in offered.get(setting, ()):
                return _REFUSED.get(setting, Code.WRONG_PARAMETER), b""
            chosen[setting] = value
        self._running[stream] = found.start(self._strap, stream, chosen, self._send)
        factor = b"" if found.factor is None else bytes([FACTOR, 1]) + struct.pack("<f", found.factor)
        return Code.OK, factor or b"\0"

    def _send(self, frame: bytes, run: StreamRun, count: int) -> None:
        if self._strap.now() >= self.silent_until_s:
            self._strap.push(DATA, frame, run, count)

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
