"""Heart rate in Polar advertisements."""

from __future__ import annotations

from allostat_devices.ble.malformed import Fault, Malformed
from allostat_devices.ble.polar_advertisement import AdvertisedHeartRate, decode_advertisement


def advertised(text: str) -> AdvertisedHeartRate:
    read = decode_advertisement(bytes.fromhex(text))
    assert isinstance(read, AdvertisedHeartRate)
    return read


def test_four_bytes_have_a_fast_and_a_slow_average() -> None:
    read = advertised("3300463C")
    assert (read.fast_heart_rate_per_min, read.slow_heart_rate_per_min) == (70, 60)
    assert (read.battery_low, read.contact, read.frame_counter, read.broadcasting) == (True, True, 4, True)


def test_three_bytes_have_one_average() -> None:
    read = advertised("00003C")
    assert (read.fast_heart_rate_per_min, read.slow_heart_rate_per_min) == (60, 60)
    assert (read.battery_low, read.contact, read.frame_counter, read.broadcasting) == (False, False, 0, False)


def test_the_counter_goes_from_0_to_7() -> None:
    assert [advertised(f"{byte:02x}0000").frame_counter for byte in (0xE3, 0xE7, 0xFF)] == [0, 1, 7]


def test_blocks_before_the_heart_rate_are_skipped() -> None:
    # the vendor's example of an OH1, without the company number (client code, github.com/polarofficial/polar-ble-sdk)
    read = advertised("72067F4437000000" + "33003C")
    assert (read.fast_heart_rate_per_min, read.slow_heart_rate_per_min) == (60, 60)
    assert advertised("72067F4437000000" + "3300463C").slow_heart_rate_per_min == 60


def test_an_advertisement_without_heart_rate_gives_none() -> None:
    assert decode_advertisement(bytes.fromhex("72067F4437000000")) is None


def test_zero_is_no_heart_rate() -> None:
    read = advertised("33000000")
    assert (read.fast_heart_rate_per_min, read.slow_heart_rate_per_min) == (None, None)
    assert read.faults == (Fault.ZERO_HEART_RATE,)


def test_short_advertisements_are_malformed() -> None:
    for text in ("", "3300", "72067F4437", "72067F443700000033"):
        assert isinstance(decode_advertisement(bytes.fromhex(text)), Malformed)
