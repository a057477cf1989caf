"""Heart Rate Service, field by field, and the characteristics beside it."""

from __future__ import annotations

import itertools
import math
import struct

import pytest

from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble.heart_rate_service import HeartRateMeasurement, decode_measurement, rr_capacity
from allostat_devices.ble.malformed import Fault, Malformed, faults_of


def measured(data: bytes) -> HeartRateMeasurement:
    read = decode_measurement(data)
    assert isinstance(read, HeartRateMeasurement)
    return read


@pytest.mark.parametrize("reserved", [0x00, 0xE0])
@pytest.mark.parametrize(
    ("wide", "contact", "supported", "energy", "rr"), list(itertools.product([False, True], repeat=5))
)
def test_every_combination_of_the_five_flags(
    wide: bool, contact: bool, supported: bool, energy: bool, rr: bool, reserved: int
) -> None:
    flags = reserved | wide | contact << 1 | supported << 2 | energy << 3 | rr << 4
    packet = struct.pack("<BH" if wide else "<BB", flags, 300 if wide else 61)
    packet += struct.pack("<H", 1234) if energy else b""
    packet += struct.pack("<2H", 500, 501) if rr else b""
    assert decode_measurement(packet) == HeartRateMeasurement(
        heart_rate_per_min=300 if wide else 61,
        contact=contact if supported else None,
        energy_kj=1234 if energy else None,
        rr_raw=(500, 501) if rr else (),
        rr_ms=(500 * 1000 / 1024, 501 * 1000 / 1024) if rr else (),
    )


def test_an_interval_is_never_rounded() -> None:
    assert measured(bytes([0x10, 60]) + struct.pack("<3H", 1023, 1, 65535)).rr_ms == (
        999.0234375,
        0.9765625,
        63999.0234375,
    )


def test_an_odd_trailing_byte_is_counted_and_makes_no_interval() -> None:
    read = measured(bytes([0x10, 60, 0, 4, 7]))
    assert (read.rr_raw, read.faults) == ((1024,), (Fault.TRAILING_BYTES,))


def test_bytes_without_the_rr_flag_make_no_interval() -> None:
    read = measured(bytes([0x00, 60, 0, 4]))
    assert (read.rr_raw, read.faults) == ((), (Fault.TRAILING_BYTES,))


def test_an_rr_flag_without_intervals_is_counted() -> None:
    assert measured(bytes([0x10, 60])).faults == (Fault.INTERVALS_ABSENT,)


def test_a_heart_rate_of_zero_is_none() -> None:
    for packet in (bytes([0x00, 0]), bytes([0x01, 0, 0])):
        read = measured(packet)
        assert (read.heart_rate_per_min, read.faults) == (None, (Fault.ZERO_HEART_RATE,))


def test_an_interval_of_zero_is_missing_and_keeps_its_place() -> None:
    read = measured(bytes([0x10, 60]) + struct.pack("<3H", 1024, 0, 512))
    assert read.rr_raw == (1024, 0, 512)
    assert read.rr_ms[0] == 1000 and math.isnan(read.rr_ms[1]) and read.rr_ms[2] == 500
    assert read.faults == (Fault.ZERO_INTERVAL,)


@pytest.mark.parametrize(
    "packet", [b"", b"\x00", b"\x01\x3c", b"\x08\x3c", b"\x08\x3c\x01", b"\x09\x3c\x00\x01", b"\x19\x3c\x00\x01"]
)
def test_a_packet_shorter_than_its_flags_demand_is_malformed(packet: bytes) -> None:
    read = decode_measurement(packet)
    assert isinstance(read, Malformed)
    assert read.fault is (Fault.TOO_SHORT if packet else Fault.EMPTY)
    assert faults_of(read) == (read.fault,)
    assert str(read).startswith("0x2A37: ")


def test_a_value_longer_than_att_allows_is_malformed() -> None:
    assert faults_of(decode_measurement(bytes([0x10, 60]) + bytes(512))) == (Fault.TOO_LONG,)


def test_a_full_counter_of_energy_stays_what_it_is() -> None:
    assert measured(bytes([0x08, 60, 0xFF, 0xFF])).energy_kj == hrs.ENERGY_FULL_KJ


def test_intervals_that_fit_into_a_notification() -> None:
    assert [rr_capacity(23), rr_capacity(23, 1, 2), rr_capacity(23, 2), rr_capacity(23, 2, 2)] == [9, 8, 8, 7]


def test_body_location_and_battery() -> None:
    assert hrs.decode_body_location(b"\x01") == "chest"
    assert hrs.decode_battery_percent(b"\x64") == 100
    for broken in (hrs.decode_body_location(b"\x07"), hrs.decode_battery_percent(b"\x65")):
        assert isinstance(broken, Malformed) and broken.fault is Fault.OUT_OF_RANGE
    for empty in (hrs.decode_body_location(b""), hrs.decode_battery_percent(b"")):
        assert isinstance(empty, Malformed) and empty.fault is Fault.EMPTY


def test_the_serial_number_is_kept_under_a_key_or_not_at_all() -> None:
    values = {hrs.MAKER: b"Polar Electro Oy\0", hrs.MODEL: b"H10", hrs.SERIAL: b"CANARY01", hrs.FIRMWARE: b"5.0.0"}
    keyed = hrs.decode_device_information(values, b"k" * 32)
    assert (keyed.maker, keyed.model, keyed.firmware, keyed.hardware) == ("Polar Electro Oy", "H10", "5.0.0", None)
    assert keyed.serial_hmac is not None and len(keyed.serial_hmac) == 64
    assert keyed.serial_hmac != hrs.decode_device_information(values, b"j" * 32).serial_hmac
    bare = hrs.decode_device_information(values, None)
    assert bare.serial_hmac is None
    assert "CANARY01" not in repr(keyed) + repr(bare)


def test_device_information_that_is_no_text_is_counted() -> None:
    read = hrs.decode_device_information({hrs.MAKER: b"\xff\xfe", hrs.MODEL: b"a\x1b[2J", hrs.SERIAL: b"x" * 600}, b"k")
    assert (read.maker, read.model, read.serial_hmac) == (None, None, None)
    assert sorted(read.faults) == [Fault.NOT_TEXT, Fault.NOT_TEXT, Fault.TOO_LONG]
