"""Straps of the in-process radio through bleak's own scanner and client."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError

from allostat.errors import ConfigError
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.polar_advertisement import COMPANY, AdvertisedHeartRate, decode_advertisement
from allostat_devices.virtual.fault_script import random_script
from allostat_devices.virtual.heart import EcgSignal, resting_heart
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import Body, heart_rate_strap, polar_h10
from allostat_devices.virtual.radio_faults import Drop, Duplicate, FlipBit, Garbage, Reorder, Stall
from allostat_devices.virtual.truth import Truth
from tests.devices.virtual.listening import ECG_START, START_NS, STOP_ECG, Host, radio_with


def test_scanner_reports_names_services_and_strength_within_3_s() -> None:
    radio = radio_with(polar_h10(1), polar_h10(2), heart_rate_strap(1))

    async def main() -> None:
        found = await BleakScanner.discover(3, return_adv=True, backend=radio.scanner)
        assert set(found) == {strap.address for strap in radio.straps}
        device, heard = found["C0:10:00:00:00:01"]
        assert device.name == heard.local_name == "Polar H10 A0000001"
        assert hrs.SERVICE in heard.service_uuids and -70 < heard.rssi < -50
        assert await BleakScanner.discover(3, service_uuids=[pmd.SERVICE], backend=radio.scanner) == []

    run_fast(main())


def test_heart_rate_is_advertised_anew_each_second() -> None:
    radio = radio_with(polar_h10(1, Body(heart=resting_heart(1, heart_rate_per_min=90)), advertising_interval_s=0.5))
    heard: list[AdvertisedHeartRate] = []

    def detected(_: BLEDevice, data: AdvertisementData) -> None:
        read = decode_advertisement(data.manufacturer_data[COMPANY])
        assert isinstance(read, AdvertisedHeartRate) and read.faults == ()
        heard.append(read)

    async def main() -> None:
        async with BleakScanner(detected, backend=radio.scanner):
            await asyncio.sleep(20)

    run_fast(main())
    assert {read.frame_counter for read in heard} == set(range(8))
    assert all(read.contact and read.broadcasting and 70 < (read.fast_heart_rate_per_min or 0) < 115 for read in heard)


def test_the_same_seed_and_script_of_faults_send_the_same_bytes_again() -> None:
    def once() -> tuple[list[tuple[float, bytes]], Truth]:
        strap = polar_h10(3)
        strap.follow(random_script(3, 300, 10, [Drop(), Duplicate(), Reorder(), Stall(1), Garbage(3), FlipBit()]))
        radio, seen = radio_with(strap), []

        async def main() -> None:
            async with BleakClient(strap.address, backend=radio.client) as client:
                clock = asyncio.get_running_loop().time
                for uuid in (pmd.CONTROL_POINT, pmd.DATA, hrs.MEASUREMENT):
                    await client.start_notify(uuid, lambda _, data: seen.append((clock(), bytes(data))))
                await client.write_gatt_char(pmd.CONTROL_POINT, ECG_START, response=True)
                await asyncio.sleep(300)

        run_fast(main())
        return seen, strap.truth

    first, truth = once()
    assert (first, truth) == once() and truth.of(0)[0].lost > 0


def test_an_hour_of_h10_loses_nothing_and_its_bytes_are_the_samples_of_the_truth() -> None:
    heart = resting_heart(7)
    strap = polar_h10(7, Body(heart=heart, rate_ratio=1.0005, drift_ppm=20))
    radio = radio_with(strap)

    async def main() -> Host:
        device = await BleakScanner.find_device_by_name("Polar H10 A0000007", backend=radio.scanner)
        assert device is not None
        async with BleakClient(device, backend=radio.client) as client:
            assert client.mtu_size == 232
            received = Host(client)
            await received.listen()
            features = pmd.decode_control(await client.read_gatt_char(pmd.CONTROL_POINT))
            assert features == pmd.Features(frozenset([pmd.Stream.ECG, pmd.Stream.ACC]))
            await received.ask(pmd.settings_request(pmd.Stream.ECG))
            await received.ask(ECG_START)
            await asyncio.sleep(3600)
            await received.ask(STOP_ECG)
            return received

    received = run_fast(main())
    # the bytes that an H10 answers
    assert [data.hex() for data in received.control] == ["f0010000000001820001010e00", "f00200000000", "f003000000"]
    (run,) = strap.truth.of(0)
    assert run.frames == run.frames_delivered == len(received.samples)
    assert run.framed == run.delivered == sum(len(frame.raw) for frame in received.samples)
    assert 0 <= run.taken - run.framed < 73
    assert run.taken == pytest.approx(3600 * 130 * 1.0005, abs=130)
    sent = np.concatenate([frame.raw for frame in received.samples])
    expected = EcgSignal(heart, 7).block(0, run.sample_times() - strap.origin_s)
    np.testing.assert_array_equal(sent, expected)
    last = np.array([frame.last_sample_ns for frame in received.samples], dtype=np.int64)
    np.testing.assert_array_equal(last, np.array(run.device_ns))
    # device time runs 20 ppm fast, and a frame arrives after its last sample
    arrived = np.array([at for at, _ in received.frames])
    true = (last - START_NS) / 1e9 / (1 + 20e-6)
    assert ((arrived - true) > 0.029).all() and np.median(arrived - true) < 0.05
    beats = strap.truth.beats
    got = received.rr
    assert got == list(beats.raw)[: len(got)] and beats.formed == beats.delivered + beats.discarded
    assert len(got) == pytest.approx(3600 * 62 / 60, rel=0.05)


def test_the_same_seed_sends_the_same_bytes_at_the_same_instants() -> None:
    def once() -> list[tuple[float, bytes]]:
        radio = radio_with(polar_h10(3))
        seen: list[tuple[float, bytes]] = []

        async def main() -> None:
            async with BleakClient("C0:10:00:00:00:03", backend=radio.client) as client:
                clock = asyncio.get_running_loop().time
                for uuid in (pmd.CONTROL_POINT, pmd.DATA, hrs.MEASUREMENT):
                    await client.start_notify(uuid, lambda _, data: seen.append((clock(), bytes(data))))
                await client.write_gatt_char(pmd.CONTROL_POINT, ECG_START, response=True)
                await asyncio.sleep(30)

        run_fast(main())
        return seen

    first = once()
    assert len(first) > 80 and first == once()


def test_a_control_point_that_nobody_listens_to_refuses_the_write() -> None:
    radio = radio_with(polar_h10())

    async def main() -> None:
        async with BleakClient("C0:10:00:00:00:01", backend=radio.client) as client:
            with pytest.raises(BleakGATTProtocolError):
                await client.write_gatt_char(pmd.CONTROL_POINT, ECG_START, response=True)
            with pytest.raises(BleakGATTProtocolError):
                await client.read_gatt_char(pmd.DATA)

    run_fast(main())


def test_errors_of_a_client_are_those_of_bleak() -> None:
    radio = radio_with(polar_h10())

    async def main() -> None:
        with pytest.raises(BleakDeviceNotFoundError):
            await BleakClient("C0:00:00:00:00:99", backend=radio.client).connect()
        client = BleakClient("C0:10:00:00:00:01", backend=radio.client)
        await client.connect()
        other = BleakClient("C0:10:00:00:00:01", timeout=5, backend=radio.client)
        with pytest.raises(TimeoutError):
            await other.connect()
        ended: list[BleakClient] = []
        await client.disconnect()
        with pytest.raises(BleakError):
            await client.read_gatt_char(hrs.BATTERY_LEVEL)
        again = BleakClient("C0:10:00:00:00:01", ended.append, backend=radio.client)
        await again.connect()
        assert await again.read_gatt_char(hrs.BATTERY_LEVEL) == b"\x5a"
        radio.straps[0].link_down()
        await asyncio.sleep(0)
        assert ended == [again] and not again.is_connected

    run_fast(main())


def test_two_straps_of_one_address_are_refused() -> None:
    with pytest.raises(ConfigError):
        radio_with(polar_h10(1), polar_h10(1))
