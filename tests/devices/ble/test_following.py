"""The rules of a supervisor of straps, each as a test against straps that misbehave on demand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from bleak.backends.characteristic import BleakGATTCharacteristic
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import ConfigError
from allostat.strap import (
    AdvertisedHeartRate,
    FollowOptions,
    FoundStrap,
    IntervalBatch,
    RecordKind,
    SampleBlock,
    StreamStarted,
    StreamStopped,
)
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.link import LINK, BleLink
from allostat_devices.virtual.device_faults import (
    SETTINGS,
    START,
    STOP,
    AnswerLate,
    AnswerMissing,
    AnswerSplit,
    AnswerStatus,
    SilentStreams,
    StopStreams,
    StrayAnswer,
)
from allostat_devices.virtual.fault_script import random_script
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import heart_rate_strap, movesense_sensor, polar_h10, verity_sense
from allostat_devices.virtual.polar_measurement import PolarMeasurement
from allostat_devices.virtual.radio_faults import (
    Disconnect,
    Garbage,
    HeldByPhone,
    OutOfRange,
    RefuseConnects,
    SmallMtu,
)
from allostat_devices.virtual.radio_trouble import RadioTrouble
from allostat_devices.virtual.strap import VirtualStrap
from tests.devices.ble.following import ACC, ECG, PPG, PPI, Followed, followed, radio_with
from tests.devices.ble.resuming import resume_times

BOTH = FollowOptions(streams=("ecg", "acc"))
ECG_START = pmd.start_request(pmd.Stream.ECG, {pmd.Setting.SAMPLE_RATE_HZ: 130, pmd.Setting.RESOLUTION_BITS: 14})
ECG_STOP = pmd.stop_request(pmd.Stream.ECG)
PMD, HR, CONNECT, DISCONNECT = (
    RecordKind.PMD_DATA,
    RecordKind.HEART_RATE,
    RecordKind.CONNECT,
    RecordKind.DISCONNECT,
)


def follow_h10(*faults: Any, after_s: float = 0.0, for_s: float = 30.0, options: FollowOptions | None = None,
               **host: Any) -> Followed:  # fmt: skip
    """Follow one H10; the faults strike together, before the first connection or some seconds later."""
    radio = radio_with(polar_h10(1), **host)

    async def main() -> Followed:
        radio.begin()
        if not after_s:
            for fault in faults:
                radio.straps[0].inflict(fault)
        async with followed(radio, options=options) as (one,):
            if after_s:
                await asyncio.sleep(after_s)
                for fault in faults:
                    one.strap.inflict(fault)
            await asyncio.sleep(for_s)
        return one

    return run_fast(main())


def silences(times: list[float]) -> float:
    """The longest silence between two records."""
    return max(b - a for a, b in pairwise(times))


@dataclass(frozen=True)
class Unsubscribed:
    """The strap forgets a subscription."""

    characteristic: str

    def strike(self, strap: VirtualStrap) -> None:
        strap._subscriptions.discard(self.characteristic)


# --- what arrives


def test_an_h10_streams_ecg_and_rr_until_it_is_left() -> None:
    one = follow_h10(for_s=120)
    assert len(one.times(PMD)) > 200 and len(one.times(HR)) > 110 and one.notes == []
    assert [facts["reason"] for facts in one.facts(DISCONNECT)] == ["stopped by the host"]
    (facts,) = one.facts(CONNECT)
    assert (facts["model"], facts["mtu"], facts["services"]) == ("H10", 232, ["heart_rate", "polar_pmd"])
    assert one.bytes_of(RecordKind.BATTERY)


def test_what_is_journalled_decodes_to_what_the_strap_sent() -> None:
    one = follow_h10(for_s=60, options=BOTH)
    values = one.values()
    started = {value.stream: value.nominal_hz for value in values if isinstance(value, StreamStarted)}
    assert started == {"ecg": 130.0, "acc": 50.0}
    ecg = sum(len(v.raw) for v in values if isinstance(v, SampleBlock) and v.stream == "ecg")
    acc = sum(len(v.raw) for v in values if isinstance(v, SampleBlock) and v.stream == "acc")
    truth = {run.stream: run.delivered for run in one.strap.truth.runs}
    assert (ecg, acc) == (truth[ECG], truth[ACC])
    assert sum(len(v.raw) for v in values if isinstance(v, IntervalBatch)) > 50
    assert [v.asked for v in values if isinstance(v, StreamStopped)] == [True, True]


def test_a_strap_without_measurement_service_gives_its_rr() -> None:
    radio = radio_with(heart_rate_strap(3))

    async def main() -> Followed:
        async with followed(radio) as (one,):
            await asyncio.sleep(60)
        return one

    one = run_fast(main())
    assert len(one.times(HR)) > 55 and one.facts(CONNECT)[0]["services"] == ["heart_rate"]


def test_identities_are_not_written_down() -> None:
    one = follow_h10(for_s=5)
    for _, kind, data in one.records:
        if kind in (CONNECT, RecordKind.NOTE, RecordKind.SETTINGS, DISCONNECT):
            assert b"A0000001" not in data and b"C0:10" not in data


# --- rule 1: one connection at a time


def test_one_connection_at_a_time_over_all_straps() -> None:
    radio = radio_with(*(polar_h10(number) for number in range(1, 9)), connects_at_once=1)

    async def main() -> None:
        async with followed(radio) as all_of_them:
            await asyncio.sleep(60)
            assert all(one.streaming for one in all_of_them)

    run_fast(main())
    assert radio.most_connecting == 1


def test_an_adapter_that_cannot_connect_while_it_scans_is_found_out() -> None:
    radio = radio_with(*(polar_h10(number) for number in range(1, 5)), connects_while_scanning=False)

    async def main() -> None:
        async with followed(radio) as all_of_them:
            await asyncio.sleep(20)
            for one in all_of_them:
                one.strap.inflict(OutOfRange(10))
            await asyncio.sleep(40)
            assert all(one.streaming for one in all_of_them)

    run_fast(main())


def test_the_scanned_device_is_connected_to_and_not_its_address() -> None:
    radio = radio_with(polar_h10(1))
    given: list[object] = []
    client = radio.client

    class Spy(client):  # type: ignore[valid-type,misc]
        def __init__(self, device: object, **kwargs: Any) -> None:
            given.append(device)
            super().__init__(device, **kwargs)

    radio.client = Spy

    async def main() -> None:
        async with followed(radio) as (one,):
            await asyncio.sleep(5)
            one.strap.inflict(Disconnect())
            await asyncio.sleep(10)

    run_fast(main())
    assert len(given) == 2 and not any(isinstance(device, str) for device in given)


# --- rule 2: for ever, with back-off


def test_refused_connections_are_tried_again_with_growing_delays() -> None:
    one = follow_h10(RefuseConnects(8), for_s=60)
    assert one.streaming == frozenset() and len(one.times(CONNECT)) == 1
    # 0.1 + 0.2 + 0.4 + 0.8 + 1.6 + 3.2 + 5 + 5, and one advertisement each
    assert 16 < one.times(CONNECT)[0] < 32
    assert "failed" in one.notes


def test_a_link_that_drops_in_discovery_is_tried_again() -> None:
    one = follow_h10(RefuseConnects(3, in_discovery=True), for_s=20)
    assert len(one.times(CONNECT)) == 1 and len(one.times(PMD)) > 10


def test_delays_begin_anew_after_a_good_frame() -> None:
    radio = radio_with(polar_h10(1, advertising_interval_s=0.05))

    async def main() -> Followed:
        async with followed(radio) as (one,):
            for _ in range(20):
                await asyncio.sleep(4)
                one.strap.inflict(Disconnect())
            await asyncio.sleep(4)
        return one

    one = run_fast(main())
    connects, ends = one.times(CONNECT), one.times(DISCONNECT)
    assert len(connects) == 21
    assert max(up - down for up, down in zip(connects[1:], ends, strict=False)) < 0.8


def test_a_strap_that_is_away_for_an_hour_streams_3_s_after_it_is_back() -> None:
    one = follow_h10(OutOfRange(3600), after_s=10, for_s=3605)
    back = 3.0 + 10 + 3600
    first = one.times(PMD, since_s=back)[0]
    assert first - back <= 3
    assert one.notes.count("absent") == 1


# --- rule 3: the order after a connection, and statuses


def test_the_order_of_requests_after_a_connection() -> None:
    radio = radio_with(polar_h10(1))
    done: list[tuple[str, str]] = []
    client = radio.client

    class Spy(client):  # type: ignore[valid-type,misc]
        async def start_notify(self, characteristic: BleakGATTCharacteristic, *args: Any, **kwargs: Any) -> None:
            done.append(("notify", characteristic.uuid))
            await super().start_notify(characteristic, *args, **kwargs)

        async def read_gatt_char(self, characteristic: BleakGATTCharacteristic, **kwargs: Any) -> bytearray:
            done.append(("read", characteristic.uuid))
            return await super().read_gatt_char(characteristic, **kwargs)

        async def write_gatt_char(self, characteristic: BleakGATTCharacteristic, data: Any, response: bool) -> None:
            assert response
            done.append((f"write {bytes(data)[:2].hex()}", characteristic.uuid))
            await super().write_gatt_char(characteristic, data, response)

    radio.client = Spy

    async def main() -> None:
        async with followed(radio) as (one,):
            await asyncio.sleep(5)
            one.strap.inflict(Disconnect())
            await asyncio.sleep(5)

    run_fast(main())
    expected = [
        ("notify", pmd.CONTROL_POINT),
        ("notify", pmd.DATA),
        ("notify", hrs.MEASUREMENT),
        ("read", pmd.CONTROL_POINT),
        ("write 0100", pmd.CONTROL_POINT),
        ("write 0200", pmd.CONTROL_POINT),
    ]
    kept = [step for step in done if step[1] in (pmd.CONTROL_POINT, pmd.DATA, hrs.MEASUREMENT)]
    assert kept[:6] == expected and kept[6:12] == expected
    assert kept[12:] == [("write 0300", pmd.CONTROL_POINT)]


def test_status_6_stops_and_starts_so_that_the_settings_are_known() -> None:
    one = follow_h10(AnswerStatus(6, START))
    assert one.requests[1:4] == [ECG_START, ECG_STOP, ECG_START]
    assert len(one.times(CONNECT)) == 1 and one.times(PMD)


def test_status_10_reconnects() -> None:
    one = follow_h10(AnswerStatus(10, START), for_s=10)
    assert len(one.times(CONNECT)) == 2 and len(one.times(PMD)) > 5
    assert "MTU" in one.facts(DISCONNECT)[0]["reason"]


def test_a_small_mtu_is_negotiated_again_by_a_new_connection() -> None:
    one = follow_h10(SmallMtu(23, connections=2), for_s=15)
    assert [facts["mtu"] for facts in one.facts(CONNECT)] == [23, 23, 232]
    assert len(one.times(PMD)) > 5


def test_a_strap_whose_mtu_stays_small_gives_its_rr_all_the_same() -> None:
    one = follow_h10(SmallMtu(23, connections=100), for_s=60)
    assert len(one.times(CONNECT)) == 4 and len(one.times(HR)) > 40
    assert "refused_10" in one.notes


def test_status_12_stops_streams_leaves_sdk_mode_and_tries_once_more() -> None:
    one = follow_h10(AnswerStatus(12, START, ACC), options=BOTH)
    assert pmd.SDK_MODE_OFF in one.requests and one.requests.count(one.requests[3]) == 2
    assert len(one.times(PMD, ECG)) > 30 and len(one.times(PMD, ACC)) > 30
    again = follow_h10(AnswerStatus(12, START, ACC, times=10), options=BOTH)
    assert "refused_12" in again.notes and not again.times(PMD, ACC) and len(again.times(PMD, ECG)) > 30


@pytest.mark.parametrize("status", [1, 2, 3, 4, 5, 13, 14, 99])
def test_other_refusals_are_told_in_a_sentence_and_the_rest_goes_on(status: int) -> None:
    one = follow_h10(AnswerStatus(status, START, ACC, times=100), options=BOTH)
    (note,) = [fact for fact in one.facts(RecordKind.NOTE) if fact["code"] == f"refused_{status}"]
    assert note["message"].startswith("acc was refused: ") and note["message"].endswith(".")
    assert sum(request[:2] == b"\x02\x02" for request in one.requests) == 1
    assert len(one.times(PMD, ECG)) > 40 and len(one.times(CONNECT)) == 1


@pytest.mark.parametrize("status", [7, 8, 9, 11])
def test_a_refused_setting_is_chosen_anew_from_what_the_strap_lists(status: int) -> None:
    one = follow_h10(AnswerStatus(status, START))
    assert [request[:2] for request in one.requests[:4]] == [b"\x01\x00", b"\x02\x00", b"\x01\x00", b"\x02\x00"]
    assert len(one.times(PMD)) > 40


def test_settings_that_are_refused_leave_the_documented_ones() -> None:
    one = follow_h10(AnswerStatus(3, SETTINGS, times=100))
    assert one.requests[1] == ECG_START and len(one.times(PMD)) > 40


def test_an_answer_in_several_indications() -> None:
    one = follow_h10(AnswerSplit(3, times=10), options=BOTH)
    assert len(one.times(PMD, ACC)) > 10 and len(one.times(CONNECT)) == 1
    assert sum(data[:1] == b"<" for data in one.bytes_of(RecordKind.CONTROL_POINT)) > 8


def test_a_start_that_is_never_answered_is_stopped_and_started_so_that_the_factor_is_known() -> None:
    one = follow_h10(AnswerLate(0.05), AnswerMissing(1), for_s=30)
    assert one.requests[1:4] == [ECG_START, ECG_STOP, ECG_START]
    assert "no_answer" in one.notes and len(one.times(CONNECT)) == 1
    assert one.times(RecordKind.SETTINGS) and len(one.times(PMD, since_s=one.times(RecordKind.SETTINGS)[0])) > 10


def test_a_strap_that_answers_nothing_is_reconnected_and_streams_when_it_answers() -> None:
    one = follow_h10(AnswerMissing(8), for_s=120)
    assert len(one.times(CONNECT)) == 2 and one.facts(RecordKind.SETTINGS)
    assert len(one.times(HR)) > 80


def test_the_answer_to_a_stop_that_comes_late_does_not_empty_the_settings() -> None:
    one = follow_h10(StrayAnswer(bytes.fromhex("f003000000")), StrayAnswer(), StopStreams((ECG,)), after_s=10)
    assert one.facts(RecordKind.SETTINGS)[-1]["settings"] == {"sample_rate_hz": 130, "resolution_bits": 14}
    assert len(one.times(CONNECT)) == 1


# --- rule 5: the watchdog


def test_silence_of_5_s_restarts_the_stream_and_not_the_connection() -> None:
    one = follow_h10(SilentStreams(7), after_s=10)
    assert one.notes.count("silent") == 1 and len(one.times(CONNECT)) == 1
    assert one.requests[2:] == [ECG_STOP, pmd.settings_request(pmd.Stream.ECG), ECG_START, ECG_STOP]
    assert 5 < silences(one.times(PMD)) < 8


def test_silence_three_times_as_long_ends_the_connection() -> None:
    one = follow_h10(SilentStreams(18), after_s=10, for_s=60)
    assert one.notes.count("silent") == 2 and len(one.times(CONNECT)) == 2
    down = one.times(DISCONNECT)[0]
    assert 14 < down - max(at for at in one.times(PMD) if at < down) < 17.5
    assert "silent" in one.facts(DISCONNECT)[0]["reason"]


def test_the_first_frame_may_take_35_s() -> None:
    one = follow_h10(SilentStreams(33), for_s=60)
    assert "silent" not in one.notes and len(one.times(CONNECT)) == 1 and len(one.times(PMD)) > 20
    late = follow_h10(SilentStreams(45), for_s=60)
    assert late.notes.count("silent") == 1


def test_garbage_is_no_frame() -> None:
    radio = radio_with(polar_h10(1))

    async def main() -> Followed:
        async with followed(radio) as (one,):
            await asyncio.sleep(10)
            one.strap.inflict(SilentStreams(7))
            for _ in range(14):
                await asyncio.sleep(0.5)
                one.strap.inflict(Garbage(1, pmd.CONTROL_POINT))
                one.strap.push(pmd.DATA, b"\x00short")
            await asyncio.sleep(20)
        return one

    assert run_fast(main()).notes.count("silent") == 1


def test_a_heart_rate_strap_that_falls_silent_is_subscribed_to_anew() -> None:
    radio = radio_with(heart_rate_strap(3))

    async def main() -> Followed:
        async with followed(radio) as (one,):
            await asyncio.sleep(10)
            one.strap._subscriptions.discard(hrs.MEASUREMENT)
            await asyncio.sleep(40)
        return one

    one = run_fast(main())
    assert one.notes == ["silent"] and 15 < silences(one.times(HR)) < 18 and len(one.times(CONNECT)) == 1


def test_heart_rate_is_watched_when_no_other_stream_runs() -> None:
    quiet = (10, Unsubscribed(hrs.MEASUREMENT))
    alone = follow(polar_h10(1), 60, quiet, options=FollowOptions(streams=()))
    assert alone.notes == ["silent"] and len(alone.times(CONNECT)) == 1
    assert follow(polar_h10(1), 60, quiet).notes == []


def test_a_stream_that_no_strap_has_is_a_wrong_setting() -> None:
    with pytest.raises(ConfigError, match="nearest valid: 'ecg'"):
        asyncio.run(LINK.follow(FoundStrap("x", "x", frozenset()), lambda *_: None, FollowOptions(streams=("eeg",))))


# --- rule 6: streams that the strap ends


def test_a_stream_that_the_strap_ends_is_restarted_alone() -> None:
    one = follow_h10(StopStreams((ECG,)), after_s=10, options=BOTH)
    assert "ended_by_strap" in one.notes and len(one.times(CONNECT)) == 1
    assert silences(one.times(PMD, ACC)) < 1 and silences(one.times(PMD, ECG)) < 2
    assert sum(request[:2] == b"\x02\x02" for request in one.requests) == 1


def test_a_stream_that_ends_again_and_again_is_restarted_with_growing_delays() -> None:
    radio = radio_with(polar_h10(1))

    async def main() -> Followed:
        async with followed(radio) as (one,):
            await asyncio.sleep(5)
            for _ in range(300):
                await asyncio.sleep(0.1)
                if one.streaming:
                    one.strap.inflict(StopStreams())
            await asyncio.sleep(20)
        return one

    one = run_fast(main())
    assert sum(request == ECG_START for request in one.requests) < 20
    assert one.times(PMD, since_s=50) and len(one.times(CONNECT)) == 1


def test_lost_links_of_any_length_resume_within_3_s_of_the_return() -> None:
    took = resume_times(straps=8, seconds=400, seed=5, advertising_interval_s=0.2)
    assert len(took) > 10 and took[-1] <= 3 and np.median(took) < 1.5


# --- rules 7 and 10: a failing strap never blocks the others


def test_a_strap_that_a_phone_holds_is_told_of_and_followed_when_it_is_free() -> None:
    radio = radio_with(polar_h10(1), polar_h10(2))

    async def main() -> tuple[Followed, Followed]:
        async with followed(radio) as (held, other):
            await asyncio.sleep(10)
            held.strap.inflict(HeldByPhone(60))
            await asyncio.sleep(90)
        return held, other

    held, other = run_fast(main())
    (note,) = [fact for fact in held.facts(RecordKind.NOTE) if fact["code"] == "absent"]
    assert "phone" in note["message"]
    assert held.times(PMD, since_s=75) and silences(other.times(PMD)) < 1


def test_straps_that_are_away_or_refuse_do_not_keep_others_from_coming_back() -> None:
    straps = [polar_h10(number) for number in range(1, 6)]
    radio = radio_with(*straps)

    async def main() -> list[Followed]:
        async with followed(radio) as all_of_them:
            await asyncio.sleep(20)
            all_of_them[0].strap.inflict(OutOfRange(500))
            all_of_them[1].strap.inflict(HeldByPhone(500))
            all_of_them[2].strap.inflict(RefuseConnects(1000))
            all_of_them[2].strap.inflict(Disconnect())
            await asyncio.sleep(60)
            all_of_them[3].strap.inflict(OutOfRange(30))
            await asyncio.sleep(60)
        return all_of_them

    *_, lost, steady = run_fast(main())
    back = 3.0 + 20 + 60 + 30
    assert lost.times(PMD, since_s=back)[0] - back < 6
    assert silences(steady.times(PMD)) < 1


def test_a_strap_whose_connections_hang_leaves_the_radio_to_others() -> None:
    radio = radio_with(polar_h10(1), polar_h10(2))
    client = radio.client
    hanging = radio.straps[0].address

    class Hanging(client):  # type: ignore[valid-type,misc]
        async def connect(self, pair: bool, **kwargs: Any) -> None:
            if self.address == hanging:
                await asyncio.Event().wait()
            await super().connect(pair, **kwargs)

    radio.client = Hanging

    async def main() -> tuple[Followed, Followed]:
        async with followed(radio) as (bad, good):
            for _ in range(10):
                await asyncio.sleep(30)
                good.strap.inflict(OutOfRange(5))
            await asyncio.sleep(30)
        return bad, good

    bad, good = run_fast(main())
    assert "held" in bad.notes
    assert len(good.times(CONNECT)) == 11 and silences(good.times(PMD)) < 5 + 6 + 3


def test_bluetooth_that_is_switched_off_is_told_and_straps_come_back_with_it() -> None:
    radio = radio_with(polar_h10(1), polar_h10(2))

    async def main() -> list[Followed]:
        async with followed(radio) as all_of_them:
            await asyncio.sleep(20)
            radio.trouble = RadioTrouble.POWERED_OFF
            for one in all_of_them:
                one.strap.inflict(Disconnect())
            await asyncio.sleep(100)
            radio.trouble = None
            await asyncio.sleep(30)
        return all_of_them

    for one in run_fast(main()):
        (note,) = [fact for fact in one.facts(RecordKind.NOTE) if fact["code"] == "failed"]
        assert "switch it on" in note["message"]
        assert one.times(PMD, since_s=140)


def test_links_with_adapters_of_their_own_connect_side_by_side() -> None:
    radio = radio_with(polar_h10(1), polar_h10(2))
    adapters: set[str | None] = set()
    scanner = radio.scanner

    class Spy(scanner):  # type: ignore[valid-type,misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            adapters.add(kwargs["bluez"].get("adapter"))
            super().__init__(*args, **kwargs)

    radio.scanner = Spy

    async def main() -> None:
        first, second = BleLink(adapter="hci0"), BleLink(adapter="hci1")
        found = await first.scan(3, backend=radio)
        await second.scan(1, backend=radio)
        tasks = [
            asyncio.create_task(link.follow(strap, lambda kind, data: None, FollowOptions(), backend=radio))
            for link, strap in zip((first, second), found, strict=True)
        ]
        await asyncio.sleep(10)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run_fast(main())
    assert adapters == {"hci0", "hci1"} and radio.most_connecting == 2


# --- SDK mode, other kinds of straps


def follow(strap: VirtualStrap, for_s: float, *faults: tuple[float, Any], options: FollowOptions | None = None,
           link: BleLink = LINK) -> Followed:  # fmt: skip
    """Follow one strap; each fault strikes after its seconds."""
    radio = radio_with(strap)

    async def main() -> Followed:
        async with followed(radio, options=options, link=link) as (one,):
            loop = asyncio.get_running_loop()
            for at_s, fault in faults:
                loop.call_later(at_s, fault.strike, one.strap)
            await asyncio.sleep(for_s)
        return one

    return run_fast(main())


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


# --- rule 8: the end


@pytest.mark.parametrize("faults", [[], [AnswerMissing(100)], [SilentStreams(1000)], [AnswerStatus(5, STOP, times=9)]])
def test_leaving_takes_a_bounded_time_whatever_the_strap_does(faults: list[Any]) -> None:
    radio = radio_with(polar_h10(1))

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with followed(radio, options=BOTH) as (one,):
            await asyncio.sleep(10)
            for fault in faults:
                one.strap.inflict(fault)
            began = loop.time()
        return loop.time() - began

    assert run_fast(main()) <= 8


def test_leaving_a_strap_that_has_just_gone_out_of_range() -> None:
    radio = radio_with(polar_h10(1))

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with followed(radio, options=BOTH) as (one,):
            await asyncio.sleep(10)
            one.strap.inflict(OutOfRange(100))
            await asyncio.sleep(0.5)
            began = loop.time()
        return loop.time() - began

    assert run_fast(main()) <= 13


LEFT_ALONE: tuple[Any, ...] = ()
MISBEHAVIOUR: tuple[tuple[Any, ...], ...] = (
    LEFT_ALONE,
    (AnswerMissing(2),),
    (AnswerLate(3.0, 2),),
    (AnswerStatus(6, START), AnswerStatus(12, START)),
    (RefuseConnects(2), SmallMtu(23)),
    (RefuseConnects(2, in_discovery=True),),
    (SilentStreams(20),),
)


def cancelled_after(seconds: float, faults: tuple[Any, ...] = (), times: int = 1) -> None:
    """Cancel at a moment, as often as a hasty user does, and look for anything that is left."""
    radio = radio_with(polar_h10(1), verity_sense(2), heart_rate_strap(3), movesense_sensor(4))

    async def main() -> None:
        radio.begin()
        for fault in faults:
            radio.straps[0].inflict(fault)
        async with followed(radio, options=BOTH) as all_of_them:
            await asyncio.sleep(seconds)
            for _ in range(times - 1):
                for one in all_of_them:
                    one.task.cancel()
                await asyncio.sleep(0.01)

    run_fast(main())


def test_cancelled_in_steps_while_everything_connects_nothing_is_left() -> None:
    for step in range(60):
        cancelled_after(step * 0.055, times=1 + step % 3)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 25), st.sampled_from(MISBEHAVIOUR), st.integers(1, 3))
def test_cancelled_at_any_moment_nothing_is_left(seconds: float, faults: tuple[Any, ...], times: int) -> None:
    cancelled_after(seconds, faults, times)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_after_any_faults_every_strap_streams_again(seed: int) -> None:
    straps = [polar_h10(1), verity_sense(2), movesense_sensor(3), heart_rate_strap(4)]
    radio = radio_with(*straps)

    async def main() -> None:
        async with followed(radio) as all_of_them:
            for number, strap in enumerate(straps):
                strap.follow(random_script(seed + number, duration_s=120, every_s=6))
            await asyncio.sleep(180)
            for one in all_of_them:
                now = asyncio.get_running_loop().time()
                assert one.strap.connected and one.times(HR, since_s=now - 3)
                assert len(one.streaming) == {0: 1, 1: 2}.get(straps.index(one.strap), 0)

    run_fast(main())
