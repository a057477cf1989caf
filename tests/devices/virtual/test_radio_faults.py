"""Faults between strap and host: each does what it says, and the truth counts what it costs."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError

from allostat.errors import ConfigError
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.virtual.air import LossRates
from allostat_devices.virtual.fault_script import At, Fault, Script, random_script
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import polar_h10
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.radio_faults import (
    Disconnect,
    Drop,
    Duplicate,
    FlipBit,
    Garbage,
    HeldByPhone,
    Losses,
    OutOfRange,
    RefuseConnects,
    Reorder,
    SmallMtu,
    Stall,
    Truncate,
)
from allostat_devices.virtual.radio_trouble import RadioTrouble
from allostat_devices.virtual.strap import VirtualStrap
from tests.devices.virtual.listening import ECG_START, START_NS, STOP_ECG, Host, connected, radio_with


def streamed_with(fault: Fault, seconds: float = 30.0) -> tuple[VirtualStrap, Host]:
    """ECG for a while, with a fault after ten seconds."""
    strap = polar_h10()

    async def story(host: Host) -> None:
        await host.ask(ECG_START)
        await asyncio.sleep(10)
        strap.inflict(fault)
        await asyncio.sleep(seconds)
        await host.ask(STOP_ECG, 3)

    return strap, connected(strap, story)


def steps(host: Host) -> list[int]:
    """Samples from frame to frame by the strap's clock; a frame has 73."""
    last = [frame.last_sample_ns for frame in host.samples]
    return [round(step * 130 / 1e9) for step in np.diff(np.array(last, dtype=np.int64)).tolist()]


def test_dropped_frames_leave_a_hole_of_whole_frames() -> None:
    strap, host = streamed_with(Drop(3, pmd.DATA))
    (run,) = strap.truth.of(0)
    assert run.framed - run.delivered == 3 * 73 and run.frames - run.frames_delivered == 3
    assert sorted(steps(host))[-2:] == [73, 4 * 73]


def test_duplicates_come_twice_and_count_once() -> None:
    strap, host = streamed_with(Duplicate(2, pmd.DATA))
    (run,) = strap.truth.of(0)
    assert run.delivered == run.framed and len(host.samples) == run.frames + 2
    assert steps(host).count(0) == 2


def test_a_reordered_frame_comes_after_those_that_follow_it() -> None:
    strap, host = streamed_with(Reorder(1, pmd.DATA))
    (run,) = strap.truth.of(0)
    assert run.delivered == run.framed
    assert min(steps(host)) < 0 and sum(steps(host)) == 73 * (run.frames - 1)


def test_a_truncated_frame_is_short_and_a_flipped_bit_is_one_bit() -> None:
    strap, host = streamed_with(Truncate(1, pmd.DATA))
    (run,) = strap.truth.of(0)
    assert run.framed - run.delivered == 73
    assert sum(len(frame.raw) for frame in host.samples) < run.framed
    whole, spoilt = streamed_with(Drop(0))[1], streamed_with(FlipBit(1, pmd.DATA))[1]
    assert len(whole.frames) == len(spoilt.frames)


def test_a_stall_delivers_all_at_once_and_loses_nothing() -> None:
    strap, host = streamed_with(Stall(5))
    (run,) = strap.truth.of(0)
    assert run.delivered == run.framed and set(steps(host)) == {73}
    waits = np.diff([at for at, _ in host.frames])
    assert waits.max() == pytest.approx(5, abs=0.7) and (waits < 1e-6).sum() >= 7


def test_garbage_comes_beside_the_real_ones() -> None:
    strap, host = streamed_with(Garbage(20))
    (run,) = strap.truth.of(0)
    assert run.delivered == run.framed
    assert strap.truth.delivered == len(host.frames) + len(host.heart_rate) + len(host.control)
    assert strap.truth.notifications == strap.truth.delivered


def test_losses_by_chance_are_as_frequent_as_asked_and_repeat_with_the_seed() -> None:
    rates = LossRates(drop=0.1, duplicate=0.1, stall=0.02)
    strap, host = streamed_with(Losses(rates), 1500)
    again, _ = streamed_with(Losses(rates), 1500)
    (run,) = strap.truth.of(0)
    assert (run.frames - run.frames_delivered) / run.frames == pytest.approx(0.1, abs=0.025)
    assert again.truth.of(0)[0].delivered == run.delivered
    received = {frame.last_sample_ns: len(frame.raw) for frame in host.samples}
    assert sum(received.values()) == run.delivered
    with pytest.raises(ConfigError):
        LossRates(drop=0.6, flip=0.6)


def test_a_disconnect_amid_a_frame_loses_what_was_in_it() -> None:
    strap = polar_h10()
    ended: list[float] = []
    radio = radio_with(strap)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        client = BleakClient(strap.address, lambda _: ended.append(loop.time()), backend=radio.client)
        await client.connect()
        host = Host(client)
        await host.listen()
        await host.ask(ECG_START)
        await asyncio.sleep(10)
        strap.inflict(Disconnect(mid_frame=True))
        await asyncio.sleep(2)
        assert not client.is_connected and len(ended) == 1
        with pytest.raises(BleakError):
            await host.ask(STOP_ECG)

    run_fast(main())
    (run,) = strap.truth.of(0)
    assert 30 <= run.taken - run.framed <= 43 and run.ended_s == pytest.approx(ended[0])


def test_out_of_range_for_a_moment_is_a_stall_and_for_longer_ends_the_link() -> None:
    strap, host = streamed_with(OutOfRange(1.5))
    assert strap.truth.connections == 1 and strap.truth.of(0)[0].lost < 73 and set(steps(host)) == {73}

    lost, back = polar_h10(2), []
    radio = radio_with(lost)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        client = BleakClient(lost.address, lambda _: gone.set(), backend=radio.client)
        await client.connect()
        host = Host(client)
        await host.listen()
        await host.ask(ECG_START)
        await asyncio.sleep(10)
        lost.inflict(OutOfRange(12))
        left = loop.time()
        await gone.wait()
        assert loop.time() - left == pytest.approx(2.0)
        assert await BleakScanner.discover(5, backend=radio.scanner) == []
        again = BleakClient(lost.address, timeout=20, backend=radio.client)
        await again.connect()
        back.append(loop.time() - left)
        await again.disconnect()

    run_fast(main())
    assert 12 <= back[0] <= 12 + 1.2
    (run,) = lost.truth.of(0)
    # two seconds until the loss was noticed, and the frame at hand
    assert 2 * 130 <= run.lost <= 2 * 130 + 73


def test_refused_connects_fail_so_often_and_then_succeed() -> None:
    strap = polar_h10()
    radio = radio_with(strap)

    async def main() -> None:
        strap.inflict(RefuseConnects(2))
        strap.inflict(RefuseConnects(1, in_discovery=True))
        client = BleakClient(strap.address, backend=radio.client)
        for _ in range(2):
            with pytest.raises(BleakDBusError, match="le-connection-abort-by-local"):
                await client.connect()
        with pytest.raises(BleakError, match="discover services"):
            await client.connect()
        assert not client.is_connected and not strap.connected
        await client.connect()
        assert client.is_connected

    run_fast(main())


def test_an_mtu_too_small_is_refused_by_the_device_until_the_next_connection() -> None:
    strap = polar_h10()
    radio = radio_with(strap)
    statuses: list[int] = []

    async def main() -> None:
        strap.inflict(SmallMtu(23))
        for _ in range(2):
            async with BleakClient(strap.address, backend=radio.client) as client:
                host = Host(client)
                await host.listen()
                await host.ask(ECG_START)
                statuses.append(host.control[0][3])

    run_fast(main())
    assert statuses == [10, 0]


def test_mtu_70_has_19_samples_a_frame() -> None:
    strap = polar_h10()
    strap.small_mtus.append(70)

    async def story(host: Host) -> None:
        assert host.client.mtu_size == 70
        await host.ask(ECG_START)
        await asyncio.sleep(5)

    host = connected(strap, story)
    assert {len(frame.raw) for frame in host.samples} == {19}


def test_a_strap_that_a_phone_holds_is_neither_heard_nor_connected_until_it_is_free() -> None:
    strap = polar_h10()
    radio = radio_with(strap)

    async def main() -> None:
        client = BleakClient(strap.address, timeout=5, backend=radio.client)
        await client.connect()
        strap.inflict(HeldByPhone(60))
        await asyncio.sleep(0)
        assert not client.is_connected
        assert await BleakScanner.discover(5, backend=radio.scanner) == []
        with pytest.raises(TimeoutError):
            await client.connect()
        await asyncio.sleep(60)
        await client.connect()
        assert client.is_connected

    run_fast(main())


@pytest.mark.parametrize("trouble", RadioTrouble)
def test_a_host_without_bluetooth_raises_what_bleak_raises(trouble: RadioTrouble) -> None:
    strap = polar_h10()
    radio = radio_with(strap)

    async def main() -> None:
        client = BleakClient(strap.address, backend=radio.client)
        await client.connect()
        radio.switch(trouble)
        assert not client.is_connected
        errors = (FileNotFoundError, BleakDBusError, BleakBluetoothNotAvailableError)
        with pytest.raises(errors):
            await BleakScanner.discover(1, backend=radio.scanner)
        with pytest.raises(errors):
            await client.connect()
        radio.switch(None)
        await client.connect()

    run_fast(main())


def test_an_adapter_that_does_one_thing_at_a_time_says_so() -> None:
    straps = [polar_h10(number) for number in (1, 2)]
    radio = VirtualRadio(straps, wall_ns=lambda: START_NS, connects_at_once=1, connects_while_scanning=False)

    async def main() -> None:
        clients = [BleakClient(strap.address, backend=radio.client) for strap in straps]
        first, second = await asyncio.gather(*(client.connect() for client in clients), return_exceptions=True)
        assert first is None and isinstance(second, BleakDBusError)
        async with BleakScanner(backend=radio.scanner):
            with pytest.raises(BleakDBusError, match="InProgress"):
                await clients[1].connect()
        await clients[1].connect()

    run_fast(main())
    assert radio.most_connecting == 1 and radio.scanning == 0


def test_a_script_strikes_at_its_times_even_when_it_is_set_before_the_radio_is_used() -> None:
    strap = polar_h10()
    strap.follow(Script((At(20, Drop(1, pmd.DATA)), At(30, Drop(2, pmd.DATA)))))

    async def story(host: Host) -> None:
        await host.ask(ECG_START)
        await asyncio.sleep(60)

    host = connected(strap, story)
    holes = [(host.frames[at][0], step) for at, step in enumerate(steps(host)) if step != 73]
    assert [step for _, step in holes] == [146, 219]
    assert [at for at, _ in holes] == pytest.approx([20, 30], abs=0.7)


def test_a_script_from_a_seed_is_the_same_again() -> None:
    script = random_script(3, 3600, 60)
    assert script == random_script(3, 3600, 60) != random_script(4, 3600, 60)
    assert 30 < len(script.events) < 90
    assert {type(event.fault) for event in random_script(3, 600, 30, [Drop(2)]).events} == {Drop}
    with pytest.raises(ConfigError):
        random_script(1, 60, 0)


def test_after_an_hour_of_faults_every_rr_interval_and_sample_is_accounted_for() -> None:
    strap = polar_h10()
    strap.follow(random_script(5, 3600, 20))
    radio = radio_with(strap)
    rr, samples = [], [0]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < 3700:
            lost = asyncio.Event()
            client = BleakClient(strap.address, lambda _, lost=lost: lost.set(), timeout=30, backend=radio.client)
            try:
                await client.connect()
                host = Host(client)
                await host.listen()
                await host.ask(ECG_START)
                async with asyncio.timeout(60):
                    await lost.wait()
            except (BleakError, TimeoutError):
                pass
            if client.is_connected:
                await client.disconnect()
            rr.extend(host.rr)
            samples.append(sum(len(frame.raw) for frame in host.samples))

    run_fast(main())
    truth = strap.truth
    assert truth.connections > 50 and len(truth.of(0)) > 50
    assert truth.beats.formed == truth.beats.sent + truth.beats.discarded + truth.beats.overflowed
    assert truth.beats.delivered <= truth.beats.sent
    for run in truth.of(0):
        assert 0 <= run.delivered <= run.framed <= run.taken and run.ended_s is not None
        assert run.taken == pytest.approx((run.ended_s - run.started_s) * 130, abs=1.01)
    # a host that notices nothing between its connections still has most of what was delivered
    assert sum(samples) > 0.5 * sum(run.delivered for run in truth.of(0))
