"""Heart Rate Service (0x180D) with its companions: battery (0x180F) and device information (0x180A).

Source: Bluetooth SIG, Heart Rate Service 1.0 and GATT Specification Supplement. RR intervals stay as sent, in 1/1024 s,
beside their value in ms; they are never rounded to whole milliseconds.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from allostat_devices.ble.malformed import LONGEST_VALUE_BYTES, Fault, Malformed, wrong_length

SERVICE = "0000180d-0000-1000-8000-00805f9b34fb"
MEASUREMENT = "00002a37-0000-1000-8000-00805f9b34fb"
BODY_LOCATION = "00002a38-0000-1000-8000-00805f9b34fb"
CONTROL_POINT = "00002a39-0000-1000-8000-00805f9b34fb"
BATTERY_LEVEL = "00002a19-0000-1000-8000-00805f9b34fb"
MAKER = "00002a29-0000-1000-8000-00805f9b34fb"
MODEL = "00002a24-0000-1000-8000-00805f9b34fb"
SERIAL = "00002a25-0000-1000-8000-00805f9b34fb"
FIRMWARE = "00002a26-0000-1000-8000-00805f9b34fb"
HARDWARE = "00002a27-0000-1000-8000-00805f9b34fb"
SOFTWARE = "00002a28-0000-1000-8000-00805f9b34fb"

RESET_ENERGY = b"\x01"
"""Written to the control point. ATT error `RESET_NOT_SUPPORTED` says that the strap has no such counter."""
RESET_NOT_SUPPORTED = 0x80
ENERGY_FULL_KJ = 0xFFFF
"""The counter stops here until it is reset."""
RR_PER_S = 1024
LOCATIONS = ("other", "chest", "wrist", "finger", "hand", "ear lobe", "foot")

_WIDE_HEART_RATE, _CONTACT, _CONTACT_SUPPORTED, _ENERGY, _RR = 0x01, 0x02, 0x04, 0x08, 0x10
_RR_STRUCTS = tuple(struct.Struct(f"<{count}H") for count in range(256))


@dataclass(frozen=True, slots=True)
class HeartRateMeasurement:
    """One notification of 0x2A37. It has neither a time stamp nor a sequence number.

    Attributes
    ----------
    heart_rate_per_min
        None where the strap sent 0, which is no heart rate.
    contact
        Skin contact; None when the strap does not say whether it knows.
    energy_kj
        Energy since the last reset; `ENERGY_FULL_KJ` = counter full; None when not in this packet.
    rr_raw
        Intervals as sent, unsigned 16 bit, oldest first. The standard's unit is 1/1024 s; a strap that sends ms is
        found by `allostat_devices.ble.rr_unit`.
    rr_ms
        The same in the standard's unit, in ms; NaN where the strap sent 0: an interval of no length is a missing one.
    faults
        What was wrong with a packet that could be read in part.
    """

    heart_rate_per_min: int | None
    contact: bool | None
    energy_kj: int | None
    rr_raw: tuple[int, ...]
    rr_ms: tuple[float, ...]
    faults: tuple[Fault, ...] = ()


def decode_measurement(data: bytes | bytearray) -> HeartRateMeasurement | Malformed:
    """Heart rate, contact, energy and RR intervals of one notification of 0x2A37.

    Parameters
    ----------
    data
        The notification, any bytes at all.

    Returns
    -------
    HeartRateMeasurement | Malformed
        `Malformed` for a packet shorter than its own flags demand: no field of it is believed. Reserved flags are
        ignored. Bytes after the last field that is announced are counted and not read.
    """
    bad = wrong_length(data, "0x2A37", 2)
    if bad is not None:
        return bad
    flags = data[0]
    wide, energy_here = flags & _WIDE_HEART_RATE, flags & _ENERGY
    offset = 2 + (1 if wide else 0)
    demanded = offset + (2 if energy_here else 0)
    if len(data) < demanded:
        return Malformed(Fault.TOO_SHORT, "0x2A37", len(data), f"{demanded} bytes for flags 0x{flags:02x}")
    faults: list[Fault] = []
    heart_rate = data[1] | data[2] << 8 if wide else data[1]
    if heart_rate == 0:
        faults.append(Fault.ZERO_HEART_RATE)
    energy = data[offset] | data[offset + 1] << 8 if energy_here else None
    count = (len(data) - demanded) // 2 if flags & _RR else 0
    if flags & _RR and count == 0:
        faults.append(Fault.INTERVALS_ABSENT)
    if demanded + 2 * count != len(data):
        faults.append(Fault.TRAILING_BYTES)
    raw: tuple[int, ...] = _RR_STRUCTS[count].unpack_from(data, demanded)
    faults.extend(Fault.ZERO_INTERVAL for value in raw if value == 0)
    return HeartRateMeasurement(
        heart_rate_per_min=heart_rate or None,
        contact=bool(flags & _CONTACT) if flags & _CONTACT_SUPPORTED else None,
        energy_kj=energy,
        rr_raw=raw,
        rr_ms=tuple([value * 1000 / RR_PER_S if value else math.nan for value in raw]),
        faults=tuple(faults),
    )


def rr_capacity(mtu_bytes: int, heart_rate_bytes: int = 1, energy_bytes: int = 0) -> int:
    """How many RR intervals fit into one notification.

    A packet that is full may stand after intervals that the strap threw away: its buffer drops the oldest one silently.

    Parameters
    ----------
    mtu_bytes
        The ATT MTU of the connection, 23 when nothing was negotiated.
    heart_rate_bytes
        1 or 2, as bit 0 of the flags says.
    energy_bytes
        0, or 2 when the packet holds the energy.
    """
    return max(0, (mtu_bytes - 3 - 1 - heart_rate_bytes - energy_bytes) // 2)


def decode_body_location(data: bytes | bytearray) -> str | Malformed:
    """Where the sensor is worn, from 0x2A38: one of `LOCATIONS`."""
    bad = wrong_length(data, "0x2A38", 1)
    if bad is not None:
        return bad
    if data[0] >= len(LOCATIONS):
        return Malformed(Fault.OUT_OF_RANGE, "0x2A38", len(data), f"0 to {len(LOCATIONS) - 1}")
    return LOCATIONS[data[0]]


def decode_battery_percent(data: bytes | bytearray) -> int | Malformed:
    """Charge in percent, from 0x2A19; a value above 100 is malformed."""
    bad = wrong_length(data, "0x2A19", 1)
    if bad is not None:
        return bad
    if data[0] > 100:
        return Malformed(Fault.OUT_OF_RANGE, "0x2A19", len(data), "0 to 100 percent")
    return data[0]


@dataclass(frozen=True, slots=True)
class DeviceInformation:
    """What a strap says about itself; None for what it does not offer or what is no text.

    Attributes
    ----------
    serial_hmac
        HMAC-SHA256 of the serial number under the key of the study, in hexadecimal digits. The serial number itself is
        personal data and is not kept.
    """

    maker: str | None
    model: str | None
    firmware: str | None
    hardware: str | None
    software: str | None
    serial_hmac: str | None
    faults: tuple[Fault, ...] = ()


def decode_device_information(values: Mapping[str, bytes | bytearray], serial_key: bytes | None) -> DeviceInformation:
    """Maker, model, versions and a stand-in for the serial number.

    Parameters
    ----------
    values
        What was read, by UUID in lower case (`MAKER`, `MODEL`, …); others are ignored.
    serial_key
        Secret of the study. Without one the serial number is dropped: a hash without a key can be undone by trying all
        serial numbers.
    """
    faults: list[Fault] = []

    def text(uuid: str) -> str | None:
        value = values.get(uuid)
        if value is None:
            return None
        if len(value) > LONGEST_VALUE_BYTES:
            faults.append(Fault.TOO_LONG)
            return None
        try:
            read = bytes(value).decode("utf-8").strip("\0 \t\r\n")
        except UnicodeDecodeError:
            faults.append(Fault.NOT_TEXT)
            return None
        if not read.isprintable():
            faults.append(Fault.NOT_TEXT)
            return None
        return read or None

    serial = text(SERIAL)
    hashed = None
    if serial is not None and serial_key:
        hashed = hmac.new(serial_key, f"strap\0{serial}".encode(), hashlib.sha256).hexdigest()
    maker, model, firmware, hardware, software = map(text, (MAKER, MODEL, FIRMWARE, HARDWARE, SOFTWARE))
    return DeviceInformation(maker, model, firmware, hardware, software, hashed, tuple(faults))
