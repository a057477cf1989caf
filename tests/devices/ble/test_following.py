"""Straps are followed for ever, and none is in another one's way."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from bleak.backends.device import BLEDevice

from allostat.strap import (
    EventSink,
    FollowOptions,
    IntervalBatch,
    RecordKind,
    SampleBlock,
    StreamStarted,
    StreamStopped,
)
from allostat_devices.ble.link import LINK, BleLink
from allostat_devices.virtual.fault_script import At, Script
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import heart_rate_strap, polar_h10
from allostat_devices.virtual.radio_faults import (
    Disconnect,
    HeldByPhone,
    OutOfRange,
    RefuseConnects,
)
from allostat_devices.virtual.radio_trouble import RadioTrouble
from tests.devices.ble.following import (
    ACC,
    BOTH,
    CONNECT,
    DISCONNECT,
    ECG,
    HR,
    PMD,
    Followed,
    follow_h10,
    followed,
    radio_with,
    silences,
)

# --- what arrives


def test_an_h10_streams_ecg_and_rr_until_it_is_left() -> None:
    one = follow_h10(for_s=120)
    assert len(one.times(PMD)) > 200 and len(one.times(HR)) > 110 and one.notes == []
    assert [facts["reason"] for facts in one.facts(DISCONNECT)] == ["stopped by the host"]
    (facts,) = one.facts(CONNECT)
    assert (facts["model"], facts["mtu"], facts["services"]) == ("H10", 232, ["heart_rate", "polar_pmd"])
    assert (facts["maker"], facts["kind"], facts["firmware"]) == ("Polar Electro Oy", "chest strap", "3.1.1")
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


def test_a_strap_that_the_system_has_kept_connected_is_taken_over_while_others_connect() -> None:
    radio = radio_with(polar_h10(1), polar_h10(2))
    scanner = radio.scanner

    class Deaf(scanner):  # type: ignore[valid-type,misc]
        def call_detection_callbacks(self, device: BLEDevice, advertisement: Any) -> None:
            if device.address != radio.straps[0].address:
                super().call_detection_callbacks(device, advertisement)

    async def main() -> None:
        kept, other = sorted(await LINK.scan(3, backend=radio), key=lambda strap: strap.identity)
        radio.scanner = Deaf
        got = {strap.identity: 0 for strap in (kept, other)}

        def sink_of(identity: str) -> EventSink:
            def sink(kind: RecordKind, data: bytes) -> None:
                got[identity] += kind is PMD

            return sink

        tasks = [
            asyncio.create_task(LINK.follow(strap, sink_of(strap.identity), FollowOptions(), backend=radio))
            for strap in (replace(kept, rssi_dbm=None), other)
        ]
        await asyncio.sleep(20)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert min(got.values()) > 10

    run_fast(main())


def test_a_strap_that_left_after_the_scan_costs_the_others_nothing() -> None:
    radio = radio_with(*(polar_h10(number) for number in range(1, 6)))

    async def main() -> list[Followed]:
        radio.straps[0].follow(Script((At(3.0, OutOfRange(100)),)))
        async with followed(radio) as all_of_them:
            await asyncio.sleep(15)
        return all_of_them

    _, *others = run_fast(main())
    assert max(one.times(CONNECT)[0] for one in others) < 3 + 8


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
