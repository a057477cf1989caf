"""The order after a connection, every status, silence, and streams that a strap ends."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from bleak.backends.characteristic import BleakGATTCharacteristic

from allostat.errors import ConfigError
from allostat.strap import (
    FollowOptions,
    FoundStrap,
    RecordKind,
)
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.link import LINK
from allostat_devices.virtual.device_faults import (
    SETTINGS,
    START,
    AnswerLate,
    AnswerMissing,
    AnswerSplit,
    AnswerStatus,
    SilentStreams,
    StopStreams,
    StrayAnswer,
)
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import heart_rate_strap, polar_h10
from allostat_devices.virtual.radio_faults import (
    Disconnect,
    Garbage,
    SmallMtu,
)
from tests.devices.ble.following import (
    ACC,
    BOTH,
    CONNECT,
    DISCONNECT,
    ECG,
    ECG_START,
    ECG_STOP,
    HR,
    PMD,
    Followed,
    Unsubscribed,
    follow,
    follow_h10,
    followed,
    radio_with,
    silences,
)
from tests.devices.ble.resuming import resume_times

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


@pytest.mark.parametrize("status", [7, 11, 12, 13])
def test_what_may_change_is_tried_again_and_told_once(status: int) -> None:
    one = follow_h10(AnswerStatus(status, START, ACC, times=5), options=BOTH, for_s=200)
    assert one.notes.count(f"refused_{status}") == 1 and len(one.times(CONNECT)) == 1
    assert one.times(PMD, ACC, since_s=180)
    assert silences(one.times(PMD, ECG)) < 0.7
    assert one.notes.count("stopped_for_mode") == (status == 12)


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
