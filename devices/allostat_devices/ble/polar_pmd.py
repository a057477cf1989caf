"""Polar Measurement Data: features, settings, requests, and the answers of the control point. Frames: `polar_frames`.

Source: Polar BLE SDK, technical documentation and client code (github.com/polarofficial/polar-ble-sdk). Where they
differ the code is followed: the range in milli-units takes four bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from types import MappingProxyType

from allostat.errors import ConfigError
from allostat_devices.ble.malformed import Fault, Malformed, wrong_length

SERVICE = "fb005c80-02e7-f387-1cad-8acd2d8df0c8"
CONTROL_POINT = "fb005c81-02e7-f387-1cad-8acd2d8df0c8"
DATA = "fb005c82-02e7-f387-1cad-8acd2d8df0c8"

LONGEST_REPLY_BYTES = 8192
"""Answers of several indications end here; none of the known ones reaches a tenth of it."""

_FEATURES, _REPLY, _STOPPED = 0x0F, 0xF0, 0x01
_STREAM_MASK, _OFFLINE = 0x3F, 0x80


class Stream(IntEnum):
    """What a device measures; also the number of its bit in the features."""

    ECG = 0
    PPG = 1
    ACC = 2
    PPI = 3
    GYRO = 5
    MAGNETOMETER = 6
    SKIN_TEMPERATURE = 7
    SDK_MODE = 9
    LOCATION = 10
    PRESSURE = 11
    TEMPERATURE = 12
    OFFLINE_RECORDING = 13
    OFFLINE_HEART_RATE = 14


class Operation(IntEnum):
    """First byte of a request; an answer repeats it."""

    SETTINGS = 1
    START = 2
    STOP = 3
    SDK_SETTINGS = 4
    MEASUREMENT_STATUS = 5
    SDK_MODE_STATUS = 6
    OFFLINE_TRIGGER_STATUS = 7
    OFFLINE_TRIGGER_MODE = 8
    OFFLINE_TRIGGER_SETTINGS = 9


class Reaction(StrEnum):
    """What a supervisor does about the status of an answer."""

    GO_ON = "go on"
    REPORT = "report to the user; do not retry"
    STOP_THEN_START = "on start: stop, then start again"
    QUERY_SETTINGS = "query the settings and take a listed value"
    RECONNECT = "disconnect, connect, negotiate the MTU and start"
    LEAVE_SDK_MODE = "stop the streams, leave the SDK mode, retry once"


@dataclass(frozen=True, slots=True)
class Status:
    """Meaning of a status byte: a sentence for the user and what to do."""

    sentence: str
    reaction: Reaction


STATUSES: Mapping[int, Status] = MappingProxyType(
    {
        0: Status("The device has done what was asked.", Reaction.GO_ON),
        1: Status("The device does not know this request.", Reaction.REPORT),
        2: Status("The device does not know this kind of measurement.", Reaction.REPORT),
        3: Status("The device does not offer this measurement.", Reaction.REPORT),
        4: Status("The device found the request too short or too long.", Reaction.REPORT),
        5: Status("The device refused a value of the request.", Reaction.REPORT),
        6: Status("The measurement is already in the state that was asked for.", Reaction.STOP_THEN_START),
        7: Status("The device does not offer this resolution.", Reaction.QUERY_SETTINGS),
        8: Status("The device does not offer this sampling rate.", Reaction.QUERY_SETTINGS),
        9: Status("The device does not offer this range.", Reaction.QUERY_SETTINGS),
        10: Status("The MTU of the connection is too small for this stream.", Reaction.RECONNECT),
        11: Status("The device does not offer this number of channels.", Reaction.QUERY_SETTINGS),
        12: Status("The device cannot do this in its present mode.", Reaction.LEAVE_SDK_MODE),
        13: Status("The device is in its charger and does not measure there.", Reaction.REPORT),
        14: Status("The memory of the device is full.", Reaction.REPORT),
    }
)


def status_of(code: int) -> Status:
    """Meaning of a status byte; a number that the protocol does not list is reported as such."""
    return STATUSES.get(code) or Status(f"The device answered with status {code}, which is not known.", Reaction.REPORT)


class Setting(IntEnum):
    """Type of a setting."""

    SAMPLE_RATE_HZ = 0
    RESOLUTION_BITS = 1
    RANGE = 2
    RANGE_MILLI = 3
    CHANNELS = 4
    FACTOR = 5
    SECURITY = 6


_VALUE_BYTES = {
    Setting.SAMPLE_RATE_HZ: 2,
    Setting.RESOLUTION_BITS: 2,
    Setting.RANGE: 2,
    Setting.RANGE_MILLI: 4,
    Setting.CHANNELS: 1,
    Setting.FACTOR: 4,
    Setting.SECURITY: 16,
}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings that a device offers, or has taken.

    Attributes
    ----------
    offered
        Values per type, in the order of the answer. Neither the factor nor a security key stands here.
    factor
        What samples of compressed frames are multiplied with; None when the answer has none or an impossible one.
    faults
        What could not be read; types in front of it are kept.
    """

    offered: Mapping[Setting, tuple[int, ...]]
    factor: float | None = None
    faults: tuple[Fault, ...] = ()


def parse_settings(parameters: bytes | bytearray) -> Settings:
    """Settings from the parameters of an answer: type, count and values, again and again.

    Never raises. An unknown type ends the reading, because the width of its values is not known.
    """
    offered: dict[Setting, tuple[int, ...]] = {}
    factor: float | None = None
    faults: list[Fault] = []
    offset = 0
    # stop and status answers end with one zero byte that is no setting
    while len(parameters) - offset >= 2:
        code, count = parameters[offset], parameters[offset + 1]
        if code not in _VALUE_BYTES:
            faults.append(Fault.UNKNOWN_SETTING)
            break
        setting = Setting(code)
        width = _VALUE_BYTES[setting]
        offset += 2
        held = min(count, (len(parameters) - offset) // width)
        values = [bytes(parameters[offset + width * i : offset + width * (i + 1)]) for i in range(held)]
        offset += width * held
        if setting is Setting.FACTOR:
            for value in values:
                read = struct.unpack("<f", value)[0]
                if math.isfinite(read) and read > 0:
                    factor = read
                else:
                    faults.append(Fault.BAD_FACTOR)
        elif setting is not Setting.SECURITY and values:
            numbers = tuple(int.from_bytes(value, "little") for value in values)
            offered[setting] = offered.get(setting, ()) + numbers
        if held < count:
            faults.append(Fault.TOO_SHORT)
            break
    else:
        if any(parameters[offset:]):
            faults.append(Fault.TRAILING_BYTES)
    return Settings(MappingProxyType(offered), factor, tuple(faults))


def build_settings(chosen: Mapping[Setting, int]) -> bytes:
    """The bytes of chosen settings, one value each, in the order of ``chosen``.

    Raises
    ------
    ConfigError
        When a value does not fit its field, or a type cannot be chosen (factor, security).
    """
    parts = []
    for setting, value in chosen.items():
        if setting in (Setting.FACTOR, Setting.SECURITY):
            raise ConfigError("this setting cannot be asked for", found=setting.name.lower())
        width = _VALUE_BYTES[setting]
        if not 0 <= value < 256**width:
            raise ConfigError(
                "the setting does not fit its field",
                where=setting.name.lower(),
                found=value,
                expected=f"0 to {256**width - 1}",
            )
        parts.append(bytes([setting, 1]) + value.to_bytes(width, "little"))
    return b"".join(parts)


def settings_request(stream: Stream) -> bytes:
    """Ask which settings a stream offers."""
    return bytes([Operation.SETTINGS, stream])


def sdk_settings_request(stream: Stream) -> bytes:
    """Ask which settings a stream offers in SDK mode."""
    return bytes([Operation.SDK_SETTINGS, stream])


def start_request(stream: Stream, chosen: Mapping[Setting, int]) -> bytes:
    """Start a stream with these settings; errors as `build_settings`."""
    return bytes([Operation.START, stream]) + build_settings(chosen)


def stop_request(stream: Stream) -> bytes:
    """Stop a stream."""
    return bytes([Operation.STOP, stream])


SDK_MODE_ON = bytes([Operation.START, Stream.SDK_MODE])
"""More sampling rates; the device's own heart rate, PPI and RR are off. Refused (12) while a stream runs."""
SDK_MODE_OFF = bytes([Operation.STOP, Stream.SDK_MODE])
SDK_MODE_STATUS_REQUEST = bytes([Operation.SDK_MODE_STATUS])
MEASUREMENT_STATUS_REQUEST = bytes([Operation.MEASUREMENT_STATUS])


@dataclass(frozen=True, slots=True)
class Features:
    """What a device can do, from reading the control point.

    Attributes
    ----------
    streams
        Known measurements; ``Stream.SDK_MODE`` among them when the device has that mode.
    """

    streams: frozenset[Stream]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class ControlReply:
    """Answer to a request, joined when it came in several indications.

    Attributes
    ----------
    operation, stream
        Of the request that it answers; numbers, because a device may name ones that are not known.
    offline
        The answer is about recording in the device's memory.
    status
        0 = done; `status_of` gives the sentence and the reaction.
    more
        A further indication follows.
    parameters
        What stands behind the head, for example settings.
    """

    operation: int
    stream: int
    offline: bool
    status: int
    more: bool
    parameters: bytes
    faults: tuple[Fault, ...] = ()

    def answers(self, request: bytes) -> bool:
        """Whether this is the answer to ``request``, by operation and measurement."""
        stream = request[1] & _STREAM_MASK if len(request) > 1 else self.stream
        return len(request) > 0 and request[0] == self.operation and stream == self.stream


@dataclass(frozen=True, slots=True)
class StreamsStopped:
    """The device ended streams by itself; a supervisor starts them again."""

    streams: tuple[int, ...]
    faults: tuple[Fault, ...] = ()


def decode_control(data: bytes | bytearray) -> Features | ControlReply | StreamsStopped | Malformed:
    """One value of the control point: read (features) or indicated (an answer, or the end of streams)."""
    where = "control point"
    bad = wrong_length(data, where, 2)
    if bad is not None:
        return bad
    if data[0] == _FEATURES:
        bits = int.from_bytes(data[1:3], "little")
        return Features(frozenset(stream for stream in Stream if bits >> stream & 1))
    if data[0] == _STOPPED:
        return StreamsStopped(tuple(byte & _STREAM_MASK for byte in data[1:]))
    if data[0] != _REPLY:
        return Malformed(Fault.UNKNOWN_TYPE, where, len(data), "a first byte of 0x0f, 0xf0 or 0x01")
    if len(data) < 4:
        return Malformed(Fault.TOO_SHORT, where, len(data), "an answer of at least 4 bytes")
    # an H10 leaves out the byte "more" when it refuses
    return ControlReply(
        operation=data[1],
        stream=data[2] & _STREAM_MASK,
        offline=bool(data[2] & _OFFLINE),
        status=data[3],
        more=len(data) > 4 and data[4] != 0,
        parameters=bytes(data[5:]),
    )


class ControlPoint:
    """Joins answers that come in several indications.

    Each indication repeats the head of five bytes; its parameters follow those before. The state is the answer so far.
    """

    def __init__(self) -> None:
        self._begun: ControlReply | None = None

    def push(self, data: bytes | bytearray) -> Features | ControlReply | StreamsStopped | Malformed | None:
        """A whole message, or None while more indications have to follow.

        An answer that is interrupted by another one is dropped, and the other one has `Fault.REPLY_INTERRUPTED`. The
        end of streams may come in between.
        """
        decoded = decode_control(data)
        if not isinstance(decoded, ControlReply):
            return decoded
        begun, self._begun = self._begun, None
        if begun is not None:
            same = (begun.operation, begun.stream, begun.offline) == (
                decoded.operation,
                decoded.stream,
                decoded.offline,
            )
            if same:
                decoded = replace(decoded, parameters=begun.parameters + decoded.parameters, faults=begun.faults)
            else:
                decoded = replace(decoded, faults=(Fault.REPLY_INTERRUPTED,))
        if len(decoded.parameters) > LONGEST_REPLY_BYTES:
            expected = f"at most {LONGEST_REPLY_BYTES} bytes of parameters"
            return Malformed(Fault.TOO_LONG, "control point", len(decoded.parameters), expected)
        if decoded.more:
            self._begun = decoded
            return None
        return decoded

    def forget(self) -> None:
        """Drop an answer that has begun: before each request, after a timeout, after a disconnect."""
        self._begun = None


def sdk_mode_is_on(reply: ControlReply) -> bool | None:
    """What the answer to `SDK_MODE_STATUS_REQUEST` says; None when it does not say it."""
    if reply.operation != Operation.SDK_MODE_STATUS or reply.status != 0 or not reply.parameters:
        return None
    return reply.parameters[0] != 0


def running_streams(reply: ControlReply) -> frozenset[int] | None:
    """Streams that are sent live, from the answer to `MEASUREMENT_STATUS_REQUEST`; None when it does not say it.

    Each byte holds the measurement in its low six bits; bit 6 = sent live, bit 7 = recorded in the device.
    """
    if reply.operation != Operation.MEASUREMENT_STATUS or reply.status != 0:
        return None
    return frozenset(byte & _STREAM_MASK for byte in reply.parameters if byte & 0x40)
