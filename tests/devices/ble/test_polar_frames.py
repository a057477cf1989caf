"""Data frames of Polar Measurement Data."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from allostat_devices.ble.malformed import Fault, Malformed, faults_of
from allostat_devices.ble.polar_frames import POLAR_EPOCH_NS, PpiFrame, RawFrame, SampleFrame, decode_frame
from tests.devices.ble.test_polar_delta import ACC_TYPE_1, PPG_TYPE_0, PPG_TYPE_7


def frame(stream: int, kind: int, payload: bytes, device_ns: int = 2_000_000_000) -> bytes:
    return struct.pack("<BQB", stream, device_ns, kind) + payload


def sampled(data: bytes | bytearray, factor: float = 1.0) -> SampleFrame:
    read = decode_frame(data, factor)
    assert isinstance(read, SampleFrame)
    return read


@pytest.mark.parametrize("count", [1, 19, 73])
def test_ecg_type_0_is_24_bit_signed_microvolt(count: int) -> None:
    values = np.random.default_rng(count).integers(-(2**23), 2**23, size=count).tolist()
    values[0], values[-1] = -(2**23), 2**23 - 1
    payload = b"".join(int(value).to_bytes(3, "little", signed=True) for value in values)
    data = frame(0, 0, payload)
    for form in (data, bytearray(data)):
        read = sampled(form)
        assert read.raw.tolist() == [[value] for value in values]
        assert (read.raw.dtype, read.unit, read.scale) == (np.int32, "uV", 1.0)
        assert read.last_sample_ns == POLAR_EPOCH_NS + 2_000_000_000
        assert (read.missing, read.faults) == (0, ())


def test_samples_do_not_point_into_the_notification() -> None:
    data = bytearray(frame(0, 0, bytes([1, 0, 0])))
    read = sampled(data)
    data[10] = 99
    data.extend(bytes(4))
    assert read.raw.tolist() == [[1]]


def test_a_frame_cut_inside_a_sample_keeps_the_complete_ones() -> None:
    read = sampled(frame(0, 0, bytes([1, 0, 0, 2, 0, 0, 3])))
    assert (read.raw.tolist(), read.missing, read.faults) == ([[1], [2]], 1, (Fault.TRAILING_BYTES,))


def test_a_time_of_zero_is_unknown_and_a_time_after_every_clock_is_counted() -> None:
    assert sampled(frame(0, 0, bytes(3), 0)).last_sample_ns is None
    assert sampled(frame(0, 0, bytes(3), 0)).faults == ()
    read = sampled(frame(0, 0, bytes(3), 2**64 - 1))
    assert (read.last_sample_ns, read.faults) == (None, (Fault.TIME_IMPOSSIBLE,))


def test_acceleration_of_an_h10() -> None:
    # first samples of the vendor's vector (AccDataTest.kt, github.com/polarofficial/polar-ble-sdk)
    read = sampled(frame(2, 1, bytes.fromhex("F7FFFFFFE703F8FFFEFFE503")))
    assert read.raw.tolist() == [[-9, -1, 999], [-8, -2, 997]]
    assert read.unit == "m[g]"
    np.testing.assert_array_equal(read.values, read.raw)


def test_compressed_acceleration_type_0_counts_in_g_and_type_1_in_milli_g() -> None:
    # head of the vendor's vector: reference sample, width 10, first difference (AccDataTest.kt)
    payload = bytes.fromhex("7107F06A9E8D0A01BE5CBE3A")
    read = sampled(frame(2, 0x80, payload), 2.44e-4)
    assert read.raw.tolist() == [[1905, 27376, -29282], [2095, 27271, -29367]]
    np.testing.assert_allclose(read.values[0], np.array([1905, 27376, -29282]) * 0.244, rtol=1e-12)
    assert sampled(frame(2, 0x81, ACC_TYPE_1)).values.tolist() == [[-15, 20, 1008], [-20, 17, 1008]]


def test_ppg_type_0_has_three_bytes_per_value() -> None:
    # the vendor's vector (PpgDataTest.kt, github.com/polarofficial/polar-ble-sdk)
    read = sampled(frame(1, 0, bytes.fromhex("010203040506FFFF7F000000FFFFFF0FEFEF0000800FEFEF")))
    assert read.raw.tolist() == [[197121, 394500, 8388607, 0], [-1, -1052913, -8388608, -1052913]]


def test_compressed_ppg() -> None:
    read = sampled(frame(1, 0x80, PPG_TYPE_0))
    assert read.raw.shape == (42, 4)
    assert (read.raw[1] - read.raw[0]).tolist() == [178, -68, -178, 68]
    assert sampled(frame(1, 0x87, PPG_TYPE_7)).raw.shape == (2, 17)


def test_a_truncated_block_says_how_many_samples_are_missing_before_the_time_stamp() -> None:
    read = sampled(frame(1, 0x80, PPG_TYPE_0[:-1]))
    assert (len(read.raw), read.missing, read.faults) == (41, 1, (Fault.BLOCK_TRUNCATED,))


@pytest.mark.parametrize(
    ("stream", "kind"), [(0, 1), (0, 2), (0, 3), (0, 0x80), (1, 5), (1, 0x88), (2, 0), (5, 0x80), (4, 0), (63, 7)]
)
def test_layouts_that_are_not_read_are_kept_as_bytes_with_a_sentence(stream: int, kind: int) -> None:
    read = decode_frame(frame(stream, kind, b"payload"))
    assert isinstance(read, RawFrame)
    assert (read.stream, read.layout, read.compressed, read.payload) == (stream, kind & 0x7F, kind > 0x7F, b"payload")
    assert read.faults == (Fault.UNREAD_LAYOUT,)
    assert str(kind & 0x7F) in read.message


def test_intervals_of_the_vendors_vector() -> None:
    # PpiDataTest.kt (github.com/polarofficial/polar-ble-sdk)
    read = decode_frame(frame(3, 0, bytes.fromhex("8080808080FF000100010000"), 0))
    assert isinstance(read, PpiFrame)
    assert read.raw_ms.tolist() == [32896, 1]
    assert read.error_ms.tolist() == [32896, 1]
    assert read.blocked.tolist() == [True, False]
    assert read.contact.tolist() == [1, -1]
    np.testing.assert_array_equal(read.interval_ms, [np.nan, 1])
    np.testing.assert_array_equal(read.heart_rate_per_min, [128, np.nan])
    assert (read.last_sample_ns, read.faults) == (None, ())


def test_an_interval_of_zero_is_missing_and_contact_does_not_judge() -> None:
    rows = [(60, 1000, 5, 0b110), (60, 990, 5, 0b100), (60, 0, 5, 0b110), (60, 980, 5, 0b111)]
    read = decode_frame(frame(3, 0, b"".join(struct.pack("<BHHB", *row) for row in rows) + b"\x01"))
    assert isinstance(read, PpiFrame)
    np.testing.assert_array_equal(read.interval_ms, [1000, 990, np.nan, np.nan])
    assert read.contact.tolist() == [1, 0, 1, 1]
    assert read.faults == (Fault.TRAILING_BYTES, Fault.ZERO_INTERVAL)


@pytest.mark.parametrize("length", [0, 1, 9, 10, 12])
def test_a_frame_without_a_whole_sample_is_malformed(length: int) -> None:
    read = decode_frame(bytes(length))
    assert isinstance(read, Malformed)
    assert read.fault is (Fault.TOO_SHORT if length else Fault.EMPTY)


def test_streams_without_a_sample_are_malformed_in_their_own_words() -> None:
    assert faults_of(decode_frame(frame(3, 0, bytes(5)))) == (Fault.TOO_SHORT,)
    assert faults_of(decode_frame(frame(2, 0x80, bytes(5)))) == (Fault.TOO_SHORT,)
    assert faults_of(decode_frame(bytes(513))) == (Fault.TOO_LONG,)
