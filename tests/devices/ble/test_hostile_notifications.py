"""Any bytes: decoders answer, invent nothing, and count what they cannot read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble.heart_rate_service import HeartRateMeasurement
from allostat_devices.ble.malformed import Fault, Malformed, faults_of
from allostat_devices.ble.movesense_gatt import decode_ecg, decode_reply
from allostat_devices.ble.polar_advertisement import decode_advertisement
from allostat_devices.ble.polar_frames import PpiFrame, RawFrame, SampleFrame, decode_frame
from allostat_devices.ble.polar_pmd import ControlPoint, decode_control, parse_settings

FAST = settings(max_examples=50, deadline=None)
OTHERS: tuple[Callable[[bytes], object], ...] = (
    decode_control,
    parse_settings,
    decode_advertisement,
    decode_reply,
    decode_ecg,
    hrs.decode_body_location,
    hrs.decode_battery_percent,
    lambda data: hrs.decode_device_information({hrs.MAKER: data, hrs.SERIAL: data}, b"key"),
)


def announced_intervals(data: bytes) -> list[int]:
    """What a packet of 0x2A37 announces, read plainly."""
    if not data[0] & 0x10:
        return []
    start = 2 + (data[0] & 1) + (2 if data[0] & 8 else 0)
    return [int.from_bytes(data[at : at + 2], "little") for at in range(start, len(data) - 1, 2)]


def check_measurement(data: bytes) -> tuple[Fault, ...]:
    read = hrs.decode_measurement(data)
    if isinstance(read, HeartRateMeasurement):
        assert list(read.rr_raw) == announced_intervals(data)
        assert len(read.rr_ms) == len(read.rr_raw)
        assert (
            sum(value != value for value in read.rr_ms)
            == read.rr_raw.count(0)
            == read.faults.count(Fault.ZERO_INTERVAL)
        )
        assert all(value > 0 for value in read.rr_ms if value == value)
    return faults_of(read)


def check_frame(data: bytes) -> tuple[Fault, ...]:
    read = decode_frame(data)
    match read:
        case SampleFrame():
            assert read.raw.ndim == 2 and len(read.raw) >= 1 and read.raw.dtype == np.int32
            if not read.compressed:
                assert read.raw.size * 2 <= len(data) - 10
            # a block of 2 bytes can promise 255 samples at most
            assert len(read.raw) + read.missing <= 1 + 255 * (len(data) // 2)
        case PpiFrame():
            assert len(read.interval_ms) == (len(data) - 10) // 6
            kept = read.interval_ms[np.isfinite(read.interval_ms)]
            assert (kept > 0).all() and not read.blocked[np.isfinite(read.interval_ms)].any()
        case RawFrame():
            assert read.payload == data[10:]
        case Malformed():
            assert read.length_bytes <= len(data)
    return faults_of(read)


@FAST
@given(st.binary(max_size=600))
def test_any_bytes_at_any_decoder(data: bytes) -> None:
    check_measurement(data)
    check_frame(data)
    for decode in OTHERS:
        decode(data)


@FAST
@given(st.lists(st.binary(max_size=40) | st.binary(max_size=40).map(lambda tail: b"\xf0\x01\x02\x00\x01" + tail)))
def test_any_conversation_at_the_control_point(messages: list[bytes]) -> None:
    point = ControlPoint()
    for data in messages:
        point.push(data)
    point.forget()
    assert point.push(b"\xf0\x01\x02\x00\x00ab") == decode_control(b"\xf0\x01\x02\x00\x00ab")


def test_100_000_random_notifications() -> None:
    rng = np.random.default_rng(20_260_101)
    noise = rng.bytes(1 << 20)
    starts = rng.integers(0, len(noise) - 600, size=100_000).tolist()
    lengths = np.where(rng.random(100_000) < 0.9, rng.integers(0, 40, 100_000), rng.integers(0, 560, 100_000)).tolist()
    heads = [bytes([stream]) + noise[:8] + bytes([kind]) for stream in range(4) for kind in (0, 1, 0x80, 0x81, 0x87)]
    counted: Counter[Fault] = Counter()
    for number, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        data = noise[start : start + length]
        if number % 2:
            counted.update(check_measurement(data))
        else:
            counted.update(check_frame(heads[number // 2 % len(heads)] + data if number % 4 else data))
        if number % 10 == 0:
            OTHERS[number // 10 % len(OTHERS)](data)
    reached = {
        Fault.EMPTY,
        Fault.TOO_SHORT,
        Fault.TOO_LONG,
        Fault.TRAILING_BYTES,
        Fault.INTERVALS_ABSENT,
        Fault.ZERO_HEART_RATE,
        Fault.UNREAD_LAYOUT,
        Fault.TIME_IMPOSSIBLE,
        Fault.BLOCK_TRUNCATED,
        Fault.WIDTH_IMPOSSIBLE,
        Fault.WIDTH_ZERO,
    }
    assert reached <= set(counted)
