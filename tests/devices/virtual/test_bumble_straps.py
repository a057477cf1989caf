"""The same straps over real ATT and L2CAP: bumble on both sides, in one process and over TCP."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("bumble")

from bleak import BleakClient, BleakScanner
from bleak.exc import BleakError, BleakGATTProtocolError

from allostat.errors import ConfigError
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.virtual.bumble_peripheral import StrapServer, advertising_bytes
from allostat_devices.virtual.bumble_radio import BumbleRadio
from allostat_devices.virtual.device_faults import AnswerSplit, StopStreams
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import MODELS, heart_rate_strap, polar_h10, verity_sense
from allostat_devices.virtual.radio_faults import Disconnect, Drop, HeldByPhone, OutOfRange, RefuseConnects, SmallMtu
from allostat_devices.virtual.strap import VirtualStrap
from tests.devices.virtual.listening import ECG_START, START_NS, STOP_ECG, Host

FAST_ADVERTISING_S = 0.02


def h10(number: int = 1) -> VirtualStrap:
    return polar_h10(number, advertising_interval_s=FAST_ADVERTISING_S)


def over_bumble(straps: list[VirtualStrap], story: Callable[[BumbleRadio], Awaitable[None]], mtu: int = 517) -> None:
    async def main() -> None:
        async with BumbleRadio.with_straps(straps, wall_ns=lambda: START_NS, largest_mtu_bytes=mtu) as radio:
            await story(radio)

    run_fast(main())


async def hosted(radio: BumbleRadio, strap: VirtualStrap, ended: list[BleakClient] | None = None) -> Host:
    client = BleakClient(strap.address, None if ended is None else ended.append, timeout=5, backend=radio.client)
    await client.connect()
    host = Host(client)
    await host.listen()
    return host


def test_scanner_hears_names_and_services() -> None:
    async def story(radio: BumbleRadio) -> None:
        found = await BleakScanner.discover(3, return_adv=True, service_uuids=[hrs.SERVICE], backend=radio.scanner)
        assert {heard.local_name for _, heard in found.values()} == {"Polar H10 A0000001", "HRM 0002"}
        assert all(hrs.SERVICE in heard.service_uuids for _, heard in found.values())

    over_bumble([h10(), heart_rate_strap(2)], story)


def test_an_h10_agrees_on_its_mtu_answers_by_indication_and_streams_without_loss() -> None:
    strap = h10()

    async def story(radio: BumbleRadio) -> None:
        host = await hosted(radio, strap)
        assert host.client.mtu_size == strap.mtu_bytes == 232
        assert pmd.decode_control(await host.client.read_gatt_char(pmd.CONTROL_POINT)) == pmd.Features(
            frozenset([pmd.Stream.ECG, pmd.Stream.ACC])
        )
        strap.inflict(AnswerSplit(4))
        await host.ask(pmd.settings_request(pmd.Stream.ECG), 0.5)
        await host.ask(ECG_START, 60)
        await host.ask(STOP_ECG)
        assert [len(data) for data in host.control] == [9, 9, 6, 5] or len(host.control) == 4
        (run,) = strap.truth.of(0)
        assert run.framed == run.delivered == sum(len(frame.raw) for frame in host.samples)
        assert [frame.last_sample_ns for frame in host.samples] == list(run.device_ns)
        assert host.rr == list(strap.truth.beats.raw)[: len(host.rr)] and len(host.rr) > 50

    over_bumble([strap], story)


def test_refusals_come_as_att_errors() -> None:
    strap = h10()

    async def story(radio: BumbleRadio) -> None:
        client = BleakClient(strap.address, backend=radio.client)
        await client.connect()
        with pytest.raises(BleakGATTProtocolError):
            await client.write_gatt_char(pmd.CONTROL_POINT, ECG_START, response=True)
        with pytest.raises(BleakGATTProtocolError) as refused:
            await client.write_gatt_char(hrs.CONTROL_POINT, hrs.RESET_ENERGY, response=True)
        assert refused.value.code == hrs.RESET_NOT_SUPPORTED
        with pytest.raises(BleakError):
            await client.connect()
        await client.disconnect()
        with pytest.raises(BleakError):
            await client.read_gatt_char(hrs.BATTERY_LEVEL)

    over_bumble([strap], story)


@pytest.mark.parametrize(("mtu", "samples"), [(517, 73), (70, 19)])
def test_the_mtu_sets_the_length_of_a_frame(mtu: int, samples: int) -> None:
    strap = h10()

    async def story(radio: BumbleRadio) -> None:
        host = await hosted(radio, strap)
        await host.ask(ECG_START, 3)
        assert {len(frame.raw) for frame in host.samples} == {samples}

    over_bumble([strap], story, mtu)


def test_a_small_mtu_is_refused_and_the_next_connection_works() -> None:
    strap = h10()
    strap.inflict(SmallMtu(23))

    async def story(radio: BumbleRadio) -> None:
        for status in (10, 0):
            host = await hosted(radio, strap)
            await host.ask(ECG_START)
            assert host.control[0][3] == status
            await host.client.disconnect()

    over_bumble([strap], story)


def test_an_unasked_disconnect_is_told_and_a_new_connection_streams() -> None:
    strap, ended = h10(), []

    async def story(radio: BumbleRadio) -> None:
        host = await hosted(radio, strap, ended)
        await host.ask(ECG_START, 5)
        strap.inflict(StopStreams())
        await asyncio.sleep(1)
        assert pmd.decode_control(host.control[-1]) == pmd.StreamsStopped((0,))
        strap.inflict(Disconnect())
        await asyncio.sleep(0.1)
        assert ended == [host.client] and not host.client.is_connected
        again = await hosted(radio, strap)
        await again.ask(ECG_START, 5)
        assert again.samples and strap.truth.connections == 2

    over_bumble([strap], story)


def test_a_link_lost_amid_a_request_is_an_error_and_no_cancellation() -> None:
    strap = h10()

    async def story(radio: BumbleRadio) -> None:
        client = BleakClient(strap.address, backend=radio.client)
        await client.connect()
        reading = asyncio.create_task(client.read_gatt_char(hrs.BATTERY_LEVEL))
        await asyncio.sleep(0)
        strap.link_down()
        with pytest.raises(BleakError):
            await reading
            await client.read_gatt_char(hrs.BATTERY_LEVEL)

    over_bumble([strap], story)


def test_refused_connects_range_and_phones() -> None:
    strap = h10()

    async def story(radio: BumbleRadio) -> None:
        strap.inflict(RefuseConnects(1))
        strap.inflict(RefuseConnects(1, in_discovery=True))
        for _ in range(2):
            with pytest.raises(BleakError):
                await hosted(radio, strap)
        host = await hosted(radio, strap)
        strap.inflict(OutOfRange(6))
        await asyncio.sleep(3)
        assert not host.client.is_connected
        assert await BleakScanner.discover(2, backend=radio.scanner) == []
        strap.inflict(HeldByPhone(20))
        with pytest.raises(TimeoutError):
            await hosted(radio, strap)
        await asyncio.sleep(20)
        assert (await hosted(radio, strap)).client.is_connected

    over_bumble([strap], story)


def test_a_request_to_a_strap_out_of_range_waits_or_fails_with_the_link() -> None:
    strap = h10()

    async def story(radio: BumbleRadio) -> None:
        clock = asyncio.get_running_loop().time
        host = await hosted(radio, strap)
        strap.inflict(OutOfRange(1))
        began = clock()
        assert await host.client.read_gatt_char(hrs.BATTERY_LEVEL) == b"\x5a"
        assert clock() - began == pytest.approx(1, abs=0.01)
        strap.inflict(OutOfRange(10))
        with pytest.raises(BleakError):
            await host.client.read_gatt_char(hrs.BATTERY_LEVEL)
        assert clock() - began == pytest.approx(3, abs=0.01)

    over_bumble([strap], story)


def test_a_connect_that_is_given_up_does_not_stand_in_the_way_of_the_next() -> None:
    strap = h10()

    async def story(radio: BumbleRadio) -> None:
        strap.inflict(OutOfRange(5))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await hosted(radio, strap)
        assert (await hosted(radio, strap)).client.is_connected

    over_bumble([strap], story)


def test_parallel_connects_wait_for_each_other() -> None:
    straps = [h10(number) for number in range(1, 5)]

    async def story(radio: BumbleRadio) -> None:
        hosts = await asyncio.gather(*(hosted(radio, strap) for strap in straps))
        await asyncio.gather(*(host.ask(ECG_START, 10) for host in hosts))
        straps[0].inflict(Drop(2, pmd.DATA))
        await asyncio.sleep(10)
        await asyncio.gather(*(host.ask(STOP_ECG) for host in hosts))
        lost = [sum(run.framed - run.delivered for run in strap.truth.of(0)) for strap in straps]
        assert lost == [146, 0, 0, 0]
        for host, strap in zip(hosts, straps, strict=True):
            assert sum(len(frame.raw) for frame in host.samples) == strap.truth.of(0)[0].delivered

    over_bumble(straps, story)


def test_verity_streams_over_bumble() -> None:
    strap = verity_sense(1, advertising_interval_s=FAST_ADVERTISING_S)

    async def story(radio: BumbleRadio) -> None:
        host = await hosted(radio, strap)
        await host.ask(pmd.start_request(pmd.Stream.PPG, {pmd.Setting.SAMPLE_RATE_HZ: 55}), 10)
        (run,) = strap.truth.of(1)
        assert run.delivered == sum(len(frame.raw) for frame in host.samples) > 400

    over_bumble([strap], story)


def test_hosts_of_a_server_are_hosts_of_their_own_and_a_lost_one_frees_its_strap() -> None:
    straps = [h10(1), h10(2)]

    async def main() -> None:
        async with StrapServer(straps, wall_ns=lambda: START_NS) as server:
            at = ("127.0.0.1", server.port)
            async with BumbleRadio.over_tcp(*at) as one, BumbleRadio.over_tcp(*at) as other:
                first, second = await hosted(one, straps[0]), await hosted(other, straps[1])
                await first.ask(ECG_START, 5)
                await second.ask(ECG_START, 5)
                assert first.samples and second.samples
            await asyncio.sleep(0.5)
            assert not any(strap.connected for strap in straps)
            async with BumbleRadio.over_tcp(*at) as one:
                assert (await hosted(one, straps[1])).client.is_connected

    run_fast(main())


def test_bytes_that_are_no_hci_do_a_server_no_harm() -> None:
    strap = h10()

    async def main() -> None:
        async with StrapServer([strap], wall_ns=lambda: START_NS) as server:
            rng = random.Random(1)
            for _ in range(20):
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
                writer.write(bytes([rng.choice((0, 1, 2, 4, 255))]) + rng.randbytes(rng.randint(0, 400)))
                await writer.drain()
                await asyncio.sleep(0.1)
                writer.close()
                await writer.wait_closed()
            async with BumbleRadio.over_tcp("127.0.0.1", server.port) as radio:
                assert (await hosted(radio, strap)).client.is_connected

    run_fast(main())


def test_a_server_is_on_the_loopback_interface_alone() -> None:
    with pytest.raises(ConfigError):
        StrapServer([], host="0.0.0.0")


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_an_advertisement_fits_into_31_bytes(model: Callable[..., VirtualStrap]) -> None:
    assert len(advertising_bytes(model(999).advertisement)) <= 31
