"""Movesense sensors over their GATT sensor-data service: commands, answers, ECG.

Source: Movesense GATT SensorData protocol (Movesense device library, sample application). A sensor forgets every
subscription when the link drops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import ConfigError
from allostat_devices.ble.malformed import LONGEST_VALUE_BYTES, Fault, Malformed, wrong_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

SERVICE = "34802252-7185-4d5d-b431-630e7050e8f0"
WRITE = "34800001-7185-4d5d-b431-630e7050e8f0"
NOTIFY = "34800002-7185-4d5d-b431-630e7050e8f0"

ECG_RATES_HZ = (125, 128, 200, 250, 256, 500, 512)
HEART_RATE_PATH = "/Meas/HR"
_HELLO, _SUBSCRIBE, _UNSUBSCRIBE, _FETCH_LOG = range(4)
_RESULT, _DATA, _DATA_PART2 = 1, 2, 3


def ecg_path(rate_hz: int) -> str:
    """Path of the ECG at a sampling rate; `ConfigError` when the sensor has no such rate."""
    if rate_hz not in ECG_RATES_HZ:
        raise ConfigError(
            "the sensor has no such ECG rate", found=rate_hz, expected=f"one of {', '.join(map(str, ECG_RATES_HZ))} Hz"
        )
    return f"/Meas/ECG/{rate_hz}"


def hello_command(reference: int) -> bytes:
    """Ask the sensor to answer."""
    return _command(_HELLO, reference, b"")


def subscribe_command(reference: int, path: str) -> bytes:
    """Subscribe to ``path``; its data come with ``reference``, 1 to 255."""
    if not path.isascii():
        raise ConfigError("a path of the sensor is plain ASCII", found=path)
    return _command(_SUBSCRIBE, reference, path.encode("ascii"))


def unsubscribe_command(reference: int) -> bytes:
    """End the subscription that has ``reference``."""
    return _command(_UNSUBSCRIBE, reference, b"")


def fetch_log_command(reference: int, log: int) -> bytes:
    """Fetch a log from the sensor's memory by its number, unsigned 32 bit."""
    if not 0 <= log < 2**32:
        raise ConfigError("the number of the log does not fit", found=log, expected=f"0 to {2**32 - 1}")
    return _command(_FETCH_LOG, reference, log.to_bytes(4, "little"))


def _command(code: int, reference: int, rest: bytes) -> bytes:
    if not 1 <= reference <= 255:
        raise ConfigError("a command's reference is one byte and not 0", found=reference, expected="1 to 255")
    return bytes([code, reference]) + rest


@dataclass(frozen=True, slots=True)
class CommandResult:
    """The sensor's answer to a command.

    Attributes
    ----------
    status
        As in HTTP: 200 to 299 = done.
    """

    reference: int
    status: int
    payload: bytes
    faults: tuple[Fault, ...] = ()

    @property
    def done(self) -> bool:
        """Whether the sensor did what was asked."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class SensorData:
    """Data of a subscription; ``second_part`` continues the notification before it with the same reference."""

    reference: int
    second_part: bool
    payload: bytes
    faults: tuple[Fault, ...] = ()


def decode_reply(data: bytes | bytearray) -> CommandResult | SensorData | Malformed:
    """One notification of the sensor."""
    where = "Movesense notification"
    bad = wrong_length(data, where, 2)
    if bad is not None:
        return bad
    if data[0] == _RESULT:
        if len(data) < 4:
            return Malformed(Fault.TOO_SHORT, where, len(data), "a result of 4 bytes")
        return CommandResult(data[1], data[2] | data[3] << 8, bytes(data[4:]))
    if data[0] in (_DATA, _DATA_PART2):
        return SensorData(data[1], data[0] == _DATA_PART2, bytes(data[2:]))
    return Malformed(Fault.UNKNOWN_TYPE, where, len(data), "a first byte of 1, 2 or 3")


@dataclass(frozen=True, slots=True, eq=False)
class MovesenseEcg:
    """ECG of one notification.

    Attributes
    ----------
    boot_ms
        Milliseconds since the sensor started; wraps after 49.7 days. Which sample it belongs to is not stated in the
        protocol.
    raw
        int32, (samples,). Microvolt per count depend on the firmware: a setting of the strap, not of the decoder.
    """

    boot_ms: int
    raw: NDArray[np.int32]
    faults: tuple[Fault, ...] = ()


def decode_ecg(payload: bytes | bytearray) -> MovesenseEcg | Malformed:
    """ECG from the payload of one `SensorData`, or of two parts put together (up to 2 × 512 bytes)."""
    length = len(payload)
    if length > 2 * LONGEST_VALUE_BYTES:
        return Malformed(Fault.TOO_LONG, "Movesense ECG", length, f"at most {2 * LONGEST_VALUE_BYTES} bytes")
    count, rest = divmod(length - 4, 4)
    if count < 1:
        fault = Fault.TOO_SHORT if length else Fault.EMPTY
        return Malformed(fault, "Movesense ECG", length, "a time and at least one sample, 8 bytes")
    raw = np.frombuffer(payload, dtype="<i4", count=count, offset=4).astype(np.int32)
    faults = (Fault.TRAILING_BYTES,) if rest else ()
    return MovesenseEcg(int.from_bytes(payload[:4], "little"), raw, faults)
