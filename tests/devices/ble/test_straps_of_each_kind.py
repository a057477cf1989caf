"""Armbands, SDK mode, Movesense, devices that only broadcast."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from allostat.strap import (
    AdvertisedHeartRate,
    FollowOptions,
    IntervalBatch,
    RecordKind,
    SampleBlock,
    StreamStarted,
)
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.link import BleLink
from allostat_devices.virtual.device_faults import (
    START,
    AnswerStatus,
    SilentStreams,
    StopStreams,
)
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import heart_rate_strap, movesense_sensor, polar_h10, verity_sense
from allostat_devices.virtual.polar_measurement import PolarMeasurement
from allostat_devices.virtual.radio_faults import (
    OutOfRange,
)
from tests.devices.ble.following import (
    CONNECT,
    PMD,
    PPG,
    PPI,
    Followed,
    follow,
    followed,
    radio_with,
)

# --- SDK mode, other kinds of straps


def test_ppg_and_ppi_of_an_armband() -> None:
    one = follow(verity_sense(1), 120)
    values = one.values()
    started = [value.stream for value in values if isinstance(value, StreamStarted)]
    assert started == ["ppg", "ppi"] and one.notes == []
    blocks = [value for value in values if isinstance(value, SampleBlock)]
    assert {(block.stream, block.nominal_hz, block.raw.shape[1]) for block in blocks} == {("ppg", 55.0, 4)}
    beats = [value for value in values if isinstance(value, IntervalBatch) and value.stream == "ppi"]
    assert len(beats) > 10 and all(batch.error_ms is not None for batch in beats)


def test_ppi_may_take_15_s_between_frames_and_35_s_to_begin_again() -> None:
    ppi = FollowOptions(streams=("ppi",))
    short = follow(verity_sense(1), 120, (60, SilentStreams(8)), options=ppi)
    assert "silent" not in short.notes
    longer = follow(verity_sense(1), 180, (60, SilentStreams(20)), options=ppi)
    assert longer.notes.count("silent") == 1 and len(longer.times(CONNECT)) == 1
    assert longer.times(PMD, PPI, since_s=150)


def test_sdk_mode_is_entered_when_asked_for_and_left_at_the_end() -> None:
    asked = FollowOptions(streams=("ppg", "ppi"))
    usual = follow(verity_sense(1), 30, options=asked)
    assert pmd.SDK_MODE_ON not in usual.requests
    one = follow(verity_sense(1), 30, options=asked, link=BleLink(sdk_mode=True))
    assert one.requests[0] == pmd.SDK_MODE_ON and one.requests[-1] == pmd.SDK_MODE_OFF
    (started,) = [value for value in one.values() if isinstance(value, StreamStarted)]
    assert (started.stream, started.nominal_hz) == ("ppg", 176.0)
    h10 = follow(polar_h10(1), 10, link=BleLink(sdk_mode=True))
    assert "no_sdk_mode" in h10.notes and h10.times(PMD)


def test_a_device_left_in_sdk_mode_is_taken_out_of_it() -> None:
    strap = verity_sense(1)
    service = strap.service(PolarMeasurement)
    assert service is not None
    service._sdk_mode = True
    one = follow(strap, 60)
    assert "sdk_mode_left" in one.notes and one.times(PMD, PPI) and one.times(PMD, PPG)


def test_status_12_during_a_stream_frees_the_mode_and_restarts_the_others() -> None:
    one = follow(verity_sense(1), 60, (20, AnswerStatus(12, START, PPG)), (20, StopStreams((PPG,))))
    assert pmd.SDK_MODE_OFF in one.requests and len(one.times(CONNECT)) == 1
    assert one.times(PMD, PPG, since_s=40) and one.times(PMD, PPI, since_s=55)


def test_movesense_subscribes_again_after_a_lost_link() -> None:
    one = follow(movesense_sensor(1), 60, (20, OutOfRange(10)), link=BleLink(movesense_uv_per_count=0.381))
    subscriptions = [request for request in one.requests if request[:1] == b"\x01"]
    assert len(subscriptions) == 2 == len(one.times(CONNECT)) and one.requests[-1][:1] == b"\x02"
    values = one.values()
    blocks = [value for value in values if isinstance(value, SampleBlock)]
    assert {(block.unit, block.scale, block.nominal_hz) for block in blocks} == {("uV", 0.381, 125.0)}
    assert sum(len(block.raw) for block in blocks) > 125 * 40
    assert sum(len(value.raw) for value in values if isinstance(value, IntervalBatch)) > 30
    back = 3.0 + 20 + 10
    assert one.times(RecordKind.SENSOR_DATA, since_s=back)[0] - back <= 3


def test_movesense_without_a_scale_stays_counts() -> None:
    blocks = [value for value in follow(movesense_sensor(1), 10).values() if isinstance(value, SampleBlock)]
    assert {(block.unit, block.scale) for block in blocks} == {("1", 1.0)}


def test_a_device_that_only_broadcasts_is_listened_to_beside_straps_that_connect() -> None:
    watch = heart_rate_strap(9)
    watch.advertisement = replace(
        watch.advertisement, name="Polar Vantage V3", services=(), manufacturer_data={0x6B: bytes([0x32, 1, 71, 72])}
    )
    radio = radio_with(watch, polar_h10(1))

    async def main() -> tuple[Followed, Followed]:
        async with followed(radio) as (broadcast, strap):
            await asyncio.sleep(30)
            strap.strap.inflict(OutOfRange(5))
            await asyncio.sleep(30)
        return broadcast, strap

    broadcast, strap = run_fast(main())
    assert {kind for _, kind, _ in broadcast.records} == {RecordKind.ADVERTISEMENT}
    assert len(broadcast.records) > 30 and len(strap.times(CONNECT)) == 2
    (value,) = broadcast.values()
    assert value == AdvertisedHeartRate(72.0, True)


def test_short_notifications_cannot_be_had_and_that_is_said() -> None:
    one = follow(polar_h10(1), 10, options=FollowOptions(low_latency=True))
    assert one.notes == ["no_short_notifications"]
