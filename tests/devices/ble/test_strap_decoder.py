"""Records of one strap become values; no bytes raise, and nothing is invented."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.strap import (
    AdvertisedHeartRate,
    BatteryLevel,
    Connected,
    Decoded,
    Disconnected,
    IntervalBatch,
    Malformation,
    RecordKind,
    SampleBlock,
    StrapDecoder,
    StreamStarted,
    StreamStopped,
    UnitVerdict,
)
from allostat_devices.ble import movesense_gatt
from allostat_devices.ble.polar_frames import POLAR_EPOCH_NS
from allostat_devices.ble.polar_pmd import Setting, Stream, start_request, stop_request
from allostat_devices.ble.strap_decoder import BleDecoder
from allostat_devices.ble.strap_records import from_json, number_of, to_json
from tests.devices.ble.test_rr_unit import packets

ECG_START = start_request(Stream.ECG, {Setting.SAMPLE_RATE_HZ: 130, Setting.RESOLUTION_BITS: 14})
ECG_STARTED = b"<\xf0\x02\x00\x00\x00"
CONNECT = to_json({"maker": "Polar Electro Oy", "model": "H10", "mtu": 232, "services": ["heart_rate", "polar_pmd"]})
MOVESENSE = to_json({"mtu": 247, "services": ["heart_rate", "movesense"]})
CP, PMD, HR = RecordKind.CONTROL_POINT, RecordKind.PMD_DATA, RecordKind.HEART_RATE


def ecg_frame(values: list[int], device_ns: int = 10**18) -> bytes:
    return struct.pack("<BQB", 0, device_ns, 0) + b"".join(v.to_bytes(3, "little", signed=True) for v in values)


def connected(facts: bytes = CONNECT) -> BleDecoder:
    decoder = BleDecoder()
    decoder.push(RecordKind.CONNECT, facts, 0)
    return decoder


def codes(values: list[Decoded]) -> list[str]:
    return [value.code for value in values if isinstance(value, Malformation)]


def only_block(values: list[Decoded]) -> SampleBlock:
    (block,) = (value for value in values if isinstance(value, SampleBlock))
    return block


def test_it_is_a_strap_decoder() -> None:
    decoder: StrapDecoder = BleDecoder()
    assert decoder.push(RecordKind.NOTE, b"", 0) == decoder.push(RecordKind.MARKER, b"", 0) == []


def test_ecg_with_the_settings_of_its_start() -> None:
    decoder = connected()
    assert decoder.push(CP, b">" + ECG_START, 1) == []
    (started,) = decoder.push(CP, ECG_STARTED, 2)
    assert started == StreamStarted("ecg", 130.0, {"sample_rate_hz": 130, "resolution_bits": 14})
    (block,) = decoder.push(PMD, ecg_frame([1, -2, 3]), 3)
    assert isinstance(block, SampleBlock)
    assert (block.stream, block.kind, block.labels, block.unit, block.scale) == ("ecg", "ecg", ("ecg",), "uV", 1.0)
    assert block.raw.tolist() == [[1], [-2], [3]] and block.raw.dtype == np.int32
    assert (block.nominal_hz, block.last_sample_ns) == (130.0, 10**18 + POLAR_EPOCH_NS)
    decoder.push(CP, b">" + stop_request(Stream.ECG), 4)
    assert decoder.push(CP, b"<\xf0\x03\x00\x00\x00", 5) == [StreamStopped("ecg", asked=True)]


def test_a_frame_before_the_answer_is_read_by_the_request_and_the_stream_begins_once() -> None:
    decoder = connected()
    decoder.push(CP, b">" + ECG_START, 1)
    early = decoder.push(PMD, ecg_frame([1]), 2)
    assert [type(value) for value in early] == [StreamStarted, Malformation, SampleBlock]
    assert codes(early) == ["stream_unconfirmed"]
    assert decoder.push(CP, ECG_STARTED, 3) == []
    assert [type(value) for value in decoder.push(PMD, ecg_frame([1]), 4)] == [SampleBlock]


def test_a_capture_without_conversation_is_read_and_counted_and_an_unknown_rate_is_not_guessed() -> None:
    decoder = BleDecoder()
    assert only_block(decoder.push(PMD, ecg_frame([7]), 0)).nominal_hz == 130
    acc = struct.pack("<BQB3h", 2, 10**18, 1, 1, 2, 3)
    values = decoder.push(PMD, acc, 0)
    assert codes(values) == ["stream_unconfirmed", "rate_unknown"] and len(values) == 2


def test_the_factor_of_the_answer_multiplies_compressed_samples_as_a_float() -> None:
    decoder = connected()
    decoder.push(CP, b">" + start_request(Stream.ACC, {Setting.SAMPLE_RATE_HZ: 52}), 0)
    factor = struct.pack("<f", 0.244)
    (started,) = decoder.push(CP, b"<\xf0\x02\x02\x00\x00\x05\x01" + factor, 0)
    assert isinstance(started, StreamStarted) and started.nominal_hz == 52
    assert started.settings["factor"] == pytest.approx(0.244)
    frame = struct.pack("<BQB3h", 2, 10**18, 0x81, 1, -2, 3)
    block = only_block(decoder.push(PMD, frame, 1))
    assert block.scale == struct.unpack("<f", factor)[0] and block.labels == ("acc_x", "acc_y", "acc_z")


def test_an_answer_in_several_indications_is_joined_and_a_new_request_forgets_half_an_answer() -> None:
    decoder = connected()
    decoder.push(CP, b">" + start_request(Stream.ACC, {}), 0)
    assert decoder.push(CP, b"<\xf0\x02\x02\x00\x01\x00\x01", 0) == []
    (started,) = decoder.push(CP, b"<\xf0\x02\x02\x00\x00\x34\x00", 0)
    assert isinstance(started, StreamStarted) and started.nominal_hz == 52
    decoder.push(CP, b"<\xf0\x02\x02\x00\x01\x00\x01", 0)
    decoder.push(CP, b">" + ECG_START, 0)
    (begun,) = decoder.push(CP, ECG_STARTED, 0)
    assert isinstance(begun, StreamStarted) and begun.stream == "ecg"


def test_an_end_by_the_strap_is_told_and_a_connection_forgets_all_settings() -> None:
    decoder = connected()
    decoder.push(CP, b">" + ECG_START, 0)
    decoder.push(CP, ECG_STARTED, 0)
    (stopped,) = decoder.push(CP, b"<\x01\x00", 0)
    assert isinstance(stopped, StreamStopped) and (stopped.stream, stopped.asked) == ("ecg", False)
    assert decoder.push(RecordKind.DISCONNECT, b'{"reason": "out of reach"}', 0) == [Disconnected("out of reach")]
    decoder.push(RecordKind.CONNECT, CONNECT, 0)
    assert codes(decoder.push(PMD, ecg_frame([1]), 0)) == ["stream_unconfirmed"]


def test_refused_starts_and_sdk_mode_start_no_stream() -> None:
    decoder = connected()
    for answer in (b"<\xf0\x02\x00\x06\x00", b"<\xf0\x02\x00\x0a", b"<\xf0\x02\x09\x00\x00", b"<\xf0\x82\x00\x00\x00"):
        assert decoder.push(CP, answer, 0) == []


def test_connect_tells_device_and_facts() -> None:
    (value,) = BleDecoder().push(RecordKind.CONNECT, CONNECT, 0)
    assert isinstance(value, Connected)
    assert (value.device.manufacturer, value.device.model) == ("Polar Electro Oy", "H10")
    assert value.facts["mtu"] == 232


def test_rr_are_not_rounded_and_a_zero_keeps_its_place() -> None:
    (fault, batch) = connected().push(HR, bytes([0x16, 61]) + struct.pack("<3H", 1000, 0, 513), 0)
    assert fault == Malformation("zero_interval") and isinstance(batch, IntervalBatch)
    assert batch.raw.tolist() == [1000, 0, 513] and batch.raw.dtype == np.int64
    np.testing.assert_array_equal(batch.intervals_ms, [1000 * 1000 / 1024, np.nan, 513 * 1000 / 1024])
    assert (batch.heart_rate_bpm, batch.contact, batch.full, batch.last_beat_ns) == (61.0, True, False, None)


def test_a_full_notification_says_so() -> None:
    decoder = connected(to_json({"mtu": 23}))
    for flags, head, capacity in ((0x10, b"\x3c", 9), (0x11, b"\x3c\x00", 8), (0x18, b"\x3c\x01\x00", 8)):
        for count in (capacity - 1, capacity):
            (batch,) = decoder.push(HR, bytes([flags]) + head + b"\xe8\x03" * count, 0)
            assert isinstance(batch, IntervalBatch) and batch.full == (count == capacity)


def test_no_heart_rate_is_nan() -> None:
    (fault, batch) = connected().push(HR, b"\x00\x00", 0)
    assert fault == Malformation("zero_heart_rate")
    assert isinstance(batch, IntervalBatch) and math.isnan(batch.heart_rate_bpm) and batch.contact is None


def verdicts(decoder: BleDecoder, stream: list[tuple[float, list[int]]]) -> list[UnitVerdict]:
    found = []
    for arrival_s, rr in stream:
        notification = bytes([0x10, 60]) + struct.pack(f"<{len(rr)}H", *rr)
        found += [v for v in decoder.push(HR, notification, int(arrival_s * 1e9)) if isinstance(v, UnitVerdict)]
    return found


def test_a_strap_that_sends_milliseconds_is_found_out_and_read_so_from_then_on() -> None:
    decoder = connected()
    (verdict,) = verdicts(decoder, packets(3, 1000, 80))
    assert verdict.decided and verdict.ms_per_unit == 1.0 and "milliseconds" in (verdict.message or "")
    (batch,) = decoder.push(HR, bytes([0x10, 60]) + struct.pack("<H", 1001), int(90e9))
    assert isinstance(batch, IntervalBatch) and batch.intervals_ms.tolist() == [1001.0]


def test_both_units_are_told_apart_within_the_decoder_too() -> None:
    right = []
    for seed in range(60):
        for units_per_s, ms_per_unit in ((1024, 1000 / 1024), (1000, 1.0)):
            found = verdicts(connected(), packets(seed, units_per_s, 75))
            right.append(bool(found) and found[-1].ms_per_unit == ms_per_unit)
    assert np.mean(right) >= 0.99


def test_notifications_that_nobody_declared_lost_do_not_look_like_the_other_unit() -> None:
    for seed in range(20):
        kept = [packet for number, packet in enumerate(packets(seed, 1024, 300)) if number % 60 not in (20, 21, 22)]
        found = verdicts(connected(), kept)
        assert found and all(verdict.ms_per_unit == 1000 / 1024 for verdict in found)


def test_pulse_intervals() -> None:
    decoder = connected()
    decoder.push(CP, b">" + start_request(Stream.PPI, {}), 0)
    (started,) = decoder.push(CP, b"<\xf0\x02\x03\x00\x00", 0)
    assert isinstance(started, StreamStarted) and math.isnan(started.nominal_hz)
    rows = struct.pack("<BHHB", 70, 850, 10, 0) + struct.pack("<BHHB", 71, 830, 30, 7)
    (batch,) = decoder.push(PMD, struct.pack("<BQB", 3, 0, 0) + rows, 0)
    assert isinstance(batch, IntervalBatch) and batch.error_ms is not None
    assert (batch.stream, batch.contact, batch.last_beat_ns, batch.heart_rate_bpm) == ("ppi", True, None, 71.0)
    np.testing.assert_array_equal(batch.intervals_ms, [850.0, np.nan])
    assert batch.raw.tolist() == [850, 830] and batch.error_ms.tolist() == [10.0, 30.0]


def test_battery_and_advertised_heart_rate() -> None:
    decoder = BleDecoder()
    assert decoder.push(RecordKind.BATTERY, b"\x55", 0) == [BatteryLevel(85)]
    assert codes(decoder.push(RecordKind.BATTERY, b"\xff", 0)) == ["out_of_range"]
    advert = b"\x6b\x00" + bytes([0x02, 0x00, 65, 63])
    assert decoder.push(RecordKind.ADVERTISEMENT, advert, 0) == [AdvertisedHeartRate(63.0, True)]
    assert decoder.push(RecordKind.ADVERTISEMENT, advert, 0) == []
    (fault, value) = decoder.push(RecordKind.ADVERTISEMENT, b"\x6b\x00" + bytes([0x04, 0x00, 0, 0]), 0)
    assert isinstance(value, AdvertisedHeartRate) and math.isnan(value.bpm) and isinstance(fault, Malformation)
    assert decoder.push(RecordKind.ADVERTISEMENT, b"\x4c\x00\x02\x15", 0) == []


def movesense() -> BleDecoder:
    decoder = connected(MOVESENSE)
    decoder.push(CP, b">" + movesense_gatt.subscribe_command(1, movesense_gatt.ecg_path(125)), 0)
    return decoder


def sensor(payload: bytes, second: bool = False) -> bytes:
    return bytes([3 if second else 2, 1]) + payload


def test_movesense_ecg_in_one_and_in_two_parts() -> None:
    decoder = movesense()
    (started,) = decoder.push(RecordKind.SENSOR_DATA, b"\x01\x01\xc8\x00", 0)
    assert isinstance(started, StreamStarted) and started.nominal_hz == 125
    samples = np.arange(16, dtype="<i4").tobytes()
    (whole,) = decoder.push(RecordKind.SENSOR_DATA, sensor(struct.pack("<I", 1000) + samples), 0)
    assert isinstance(whole, SampleBlock) and whole.raw[:, 0].tolist() == list(range(16))
    assert whole.last_sample_ns == 1_000_000_000 + 15 * 8_000_000 and (whole.unit, whole.scale) == ("1", 1.0)
    cut = struct.pack("<I", 1128) + samples
    first = only_block(decoder.push(RecordKind.SENSOR_DATA, sensor(cut[:30]), 0))
    second = only_block(decoder.push(RecordKind.SENSOR_DATA, sensor(cut[30:], second=True), 0))
    assert first.raw[:, 0].tolist() + second.raw[:, 0].tolist() == list(range(16))
    assert second.last_sample_ns == 1_128_000_000 + 15 * 8_000_000
    assert codes(decoder.push(RecordKind.SENSOR_DATA, sensor(b"\0" * 8, second=True), 0)) == ["second_part_alone"]


def test_movesense_time_goes_on_after_its_counter_wraps() -> None:
    decoder = movesense()
    decoder.push(RecordKind.SENSOR_DATA, sensor(struct.pack("<Ii", 2**32 - 100, 5)), 0)
    block = only_block(decoder.push(RecordKind.SENSOR_DATA, sensor(struct.pack("<Ii", 28, 5)), 0))
    assert block.last_sample_ns == (2**32 + 28) * 1_000_000


def test_movesense_scale_is_a_setting_and_refusals_and_stray_data_are_counted() -> None:
    decoder = movesense()
    decoder.push(RecordKind.SETTINGS, to_json({"stream": "ecg", "uv_per_count": 0.381}), 0)
    block = only_block(decoder.push(RecordKind.SENSOR_DATA, sensor(struct.pack("<Ii", 1, 5)), 0))
    assert (block.scale, block.unit) == (0.381, "uV")
    assert decoder.push(CP, b">" + movesense_gatt.unsubscribe_command(1), 0) == [StreamStopped("ecg", asked=True)]
    assert codes(decoder.push(RecordKind.SENSOR_DATA, sensor(struct.pack("<Ii", 1, 5)), 0)) == ["data_unasked"]
    refused = movesense()
    assert codes(refused.push(RecordKind.SENSOR_DATA, b"\x01\x01\x94\x01", 0)) == ["subscription_refused"]


def test_unknown_records_are_counted() -> None:
    assert codes(BleDecoder().push(99, b"", 0)) == ["unknown_record"]
    assert codes(BleDecoder().push(CP, b"x", 0)) == ["no_direction"]
    assert codes(BleDecoder().push(RecordKind.CONNECT, b"[" * 100_000, 0)) == ["not_json"]


@pytest.mark.parametrize("text", [b"[1]", b"\xff", b'{"mtu": 1e999, "services": {"a": 1}, "maker": 3}', b"[" * 5000])
def test_broken_facts_do_not_raise(text: bytes) -> None:
    BleDecoder().push(RecordKind.CONNECT, text, 0)
    facts = from_json(text)
    assert facts is None or number_of(facts, "mtu") is None


HEADS = (b"", b">\x02\x00", b">\x02\x02\x00\x01", b"<\xf0\x02\x02\x00\x00", b"<\xf0\x02\x00\x00\x01", b"\x02\x01",
         b"\x00" * 9, b"\x01" * 9 + b"\x80", b"\x02" * 9 + b"\x81", b"\x6b\x00", b'{"mtu":')  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 13), st.builds(bytes.__add__, st.sampled_from(HEADS), st.binary(max_size=80)), st.integers()
        ),
        max_size=25,
    )
)
def test_any_records_in_any_order(records: list[tuple[int, bytes, int]]) -> None:
    first, second = BleDecoder(), BleDecoder()
    for kind, data, at in records:
        values, again = first.push(kind, data, at), second.push(kind, data, at)
        assert [type(value) for value in values] == [type(value) for value in again]
        for value in values:
            if isinstance(value, IntervalBatch):
                assert len(value.raw) == len(value.intervals_ms)
                kept = value.intervals_ms[np.isfinite(value.intervals_ms)]
                assert (kept > 0).all() and len(kept) <= len(data) // 2
            if isinstance(value, SampleBlock):
                assert value.nominal_hz > 0 and value.raw.shape[1] == len(value.labels)


def test_a_capture_of_an_h10_gives_the_samples_that_it_sent(recordings: Callable[[str], Path]) -> None:
    lines = (recordings("polar_h10_transcripts") / "ecg2_demo.txt").read_text().splitlines()
    decoder, raw = connected(), []
    decoder.push(CP, b">" + ECG_START, 0)
    for line in lines:
        data = bytes.fromhex("".join(re.findall(r"'(..)'", line)))
        if line.startswith("CTRL"):
            decoder.push(CP, b"<" + data, 0)
        elif line.startswith("DATA"):
            block = only_block(decoder.push(PMD, data, 0))
            raw += block.raw[:, 0].tolist()
            plain = [int.from_bytes(data[at : at + 3], "little", signed=True) for at in range(10, len(data), 3)]
            assert raw[-73:] == plain
    assert len(raw) == 52 * 73


def test_facts_round_trip() -> None:
    facts = {"a": 1, "b": "ü", "c": [1, 2.5], "d": None}
    assert from_json(to_json(facts)) == {"a": 1, "b": "ü", "c": [1, 2.5]}
    assert json.loads(to_json({"x": True})) == {"x": True}
