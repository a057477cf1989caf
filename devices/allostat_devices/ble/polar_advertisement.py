"""Heart rate in the advertisements of Polar devices: for groups larger than a radio can connect.

Manufacturer data of company 0x006B, without the company number (as scanners give it). Source: Polar BLE SDK, client
code (github.com/polarofficial/polar-ble-sdk).
"""

from __future__ import annotations

from dataclasses import dataclass

from allostat_devices.ble.malformed import Fault, Malformed, wrong_length

COMPANY = 0x006B
_OTHER_BLOCK = 0x40


@dataclass(frozen=True, slots=True)
class AdvertisedHeartRate:
    """Heart rate of one advertisement.

    Attributes
    ----------
    battery_low
        The device's battery bit.
    contact
        Skin contact.
    frame_counter
        0 to 7; unchanged = the same values repeated, not a new measurement.
    broadcasting
        The broadcast bit.
    fast_heart_rate_per_min, slow_heart_rate_per_min
        Fast and slow average; None where 0 was sent. Devices that send one value give it as both.
    """

    battery_low: bool
    contact: bool
    frame_counter: int
    broadcasting: bool
    fast_heart_rate_per_min: int | None
    slow_heart_rate_per_min: int | None
    faults: tuple[Fault, ...] = ()


def decode_advertisement(data: bytes | bytearray) -> AdvertisedHeartRate | Malformed | None:
    """Heart rate in Polar's manufacturer data; None when the advertisement holds none.

    Three or four bytes are heart rate. Longer data begin with other blocks (bit 6 of their first byte, then their
    length), which are skipped.
    """
    where = "Polar advertisement"
    bad = wrong_length(data, where, 3)
    if bad is not None:
        return bad
    offset = 0
    if len(data) > 4:
        while offset < len(data) and data[offset] & _OTHER_BLOCK:
            if offset + 1 >= len(data):
                return Malformed(Fault.TOO_SHORT, where, len(data), "the length of a block")
            offset += 2 + data[offset + 1]
        if offset == len(data):
            return None
        if offset + 3 > len(data):
            return Malformed(Fault.TOO_SHORT, where, len(data), f"{offset + 3} bytes")
    bits, fast = data[offset], data[offset + 2]
    # a fourth byte is the slow average only when the data end with it; else another block begins there
    slow = data[offset + 3] if offset + 4 == len(data) else fast
    faults = (Fault.ZERO_HEART_RATE,) if not slow else ()
    return AdvertisedHeartRate(
        battery_low=bool(bits & 0x01),
        contact=bool(bits & 0x02),
        frame_counter=bits >> 2 & 0x07,
        broadcasting=bool(bits & 0x20),
        fast_heart_rate_per_min=fast or None,
        slow_heart_rate_per_min=slow or None,
        faults=faults,
    )
