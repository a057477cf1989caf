"""Faults of the strap itself: control point, clock, heart rate packets, battery."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from allostat.errors import ConfigError
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.polar_frames import SampleFrame
from allostat_devices.virtual.device_faults import (
    SETTINGS,
    START,
    AnswerLate,
    AnswerMissing,
    AnswerSplit,
    AnswerStatus,
    BatteryLevel,
    ClockDrift,
    ClockReset,
    ClockStep,
    ContactOff,
    Energy,
    RrFlagOff,
    RrHeld,
    SilentStreams,
    StopStreams,
    StrayAnswer,
    WideHeartRate,
)
from allostat_devices.virtual.models import Body, heart_rate_strap, polar_h10
from allostat_devices.virtual.radio_faults import SmallMtu
from tests.devices.virtual.listening import ECG_START, STOP_ECG, Host, connected


@pytest.mark.parametrize("status", range(16))
def test_any_status_is_answered_and_the_request_is_not_carried_out(status: int) -> None:
    strap = polar_h10()
    strap.inflict(AnswerStatus(status, START))

    async def story(host: Host) -> None:
        await host.ask(pmd.settings_request(pmd.Stream.ECG))
        await host.ask(ECG_START, 2)
        assert not host.frames
        await host.ask(ECG_START, 2)
        assert host.frames

    host = connected(strap, story)
    read = [pmd.decode_control(data) for data in host.control]
    assert [reply.status for reply in read if isinstance(reply, pmd.ControlReply)] == [0, status, 0]


def test_statuses_that_a_device_finds_by_itself() -> None:
    async def story(host: Host) -> None:
        stream, setting = pmd.Stream, pmd.Setting
        for request in (
            b"\x0a\x00",
            bytes([1, 15]),
            pmd.settings_request(stream.PPG),
            b"\x02",
            pmd.start_request(stream.ECG, {setting.SAMPLE_RATE_HZ: 131}),
            pmd.start_request(stream.ECG, {setting.RESOLUTION_BITS: 16}),
            pmd.start_request(stream.ACC, {setting.RANGE: 3}),
            bytes([2, 0, 0xEE]),
            ECG_START,
            ECG_START,
            STOP_ECG,
            STOP_ECG,
        ):
            await host.ask(request)

    host = connected(polar_h10(), story)
    assert [data[3] for data in host.control] == [1, 2, 3, 4, 8, 7, 9, 5, 0, 6, 0, 6]


def test_answers_come_late_or_never_although_the_request_is_carried_out() -> None:
    strap = polar_h10()

    async def story(host: Host) -> None:
        strap.inflict(AnswerLate(3.0))
        await host.ask(ECG_START, 2.5)
        assert not host.control and host.frames
        await asyncio.sleep(1)
        assert len(host.control) == 1
        strap.inflict(AnswerMissing())
        await host.ask(STOP_ECG, 20)
        assert len(host.control) == 1
        (run,) = strap.truth.of(0)
        assert run.ended_s is not None

    connected(strap, story)


def test_an_answer_in_pieces_is_one_answer_for_the_decoder() -> None:
    strap = polar_h10()
    strap.inflict(AnswerSplit(3))

    async def story(host: Host) -> None:
        await host.ask(pmd.settings_request(pmd.Stream.ACC))

    host = connected(strap, story)
    assert len(host.control) == 8 and all(len(data) <= 8 for data in host.control)
    joiner = pmd.ControlPoint()
    *begun, last = [joiner.push(data) for data in host.control]
    assert begun == [None] * 7 and isinstance(last, pmd.ControlReply)
    offered = pmd.parse_settings(last.parameters).offered
    assert offered[pmd.Setting.SAMPLE_RATE_HZ] == (25, 50, 100, 200) and offered[pmd.Setting.RANGE] == (2, 4, 8)


def test_streams_end_unasked_and_start_again() -> None:
    strap = polar_h10()

    async def story(host: Host) -> None:
        await host.ask(ECG_START, 5)
        strap.inflict(StopStreams())
        await asyncio.sleep(5)
        assert pmd.decode_control(host.control[-1]) == pmd.StreamsStopped((0,))
        last = host.frames[-1][0]
        assert asyncio.get_running_loop().time() - last > 4
        await host.ask(ECG_START, 5)
        assert host.frames[-1][0] > last + 5
        strap.inflict(StrayAnswer())
        await asyncio.sleep(0.1)
        assert host.control[-1] == bytes.fromhex("f003020000")

    connected(strap, story)
    assert len(strap.truth.of(0)) == 2


def test_a_stream_that_falls_silent_goes_on_by_its_own_account() -> None:
    strap = polar_h10()

    async def story(host: Host) -> None:
        await host.ask(ECG_START, 5)
        strap.inflict(SilentStreams(20))
        await asyncio.sleep(30)
        await host.ask(STOP_ECG)

    host = connected(strap, story)
    (run,) = strap.truth.of(0)
    assert run.framed - run.delivered == pytest.approx(20 * 130, abs=73)
    assert np.diff([at for at, _ in host.frames]).max() == pytest.approx(20, abs=1.2)


def test_the_clock_falls_back_to_2019_steps_and_drifts() -> None:
    strap = polar_h10(1, Body(clock_offset_s=100))

    async def story(host: Host) -> None:
        await host.ask(ECG_START, 5)
        strap.inflict(ClockDrift(20_000))
        await asyncio.sleep(10)
        strap.inflict(ClockStep(50))
        await asyncio.sleep(5)
        strap.inflict(ClockReset())
        await asyncio.sleep(5)

    host = connected(strap, story)
    arrived = np.array([at for at, frame in host.frames if isinstance(frame, SampleFrame)])
    last = np.array([frame.last_sample_ns for frame in host.samples], dtype=np.int64)
    assert last[0] / 1e9 == pytest.approx(1_750_000_100 + arrived[0], abs=0.1)
    jumps = np.diff(last) / 1e9 - np.diff(arrived)
    (forward,) = np.flatnonzero(jumps > 1)
    (back,) = np.flatnonzero(jumps < -1)
    assert jumps[forward] == pytest.approx(50, abs=0.1) and back > forward
    assert str(np.datetime64(int(last[-1]), "ns")).startswith("2019-01-01T00:00:0")
    middle = slice(12, int(forward))
    assert np.diff(last[middle]).sum() / 1e9 / np.diff(arrived[middle]).sum() == pytest.approx(1.02, abs=0.003)


def test_without_contact_there_are_no_beats_and_the_rate_is_0() -> None:
    strap = heart_rate_strap()

    async def story(host: Host) -> None:
        await asyncio.sleep(10)
        strap.inflict(ContactOff(10))
        await asyncio.sleep(20)

    host = connected(strap, story)
    off = [packet for packet in host.beats if packet.contact is False]
    assert len(off) == 10 and not any(packet.rr_raw for packet in off[1:])
    assert {packet.heart_rate_per_min for packet in off} == {None}
    # no interval reaches over the pause
    assert max(host.rr) < 1600


def test_wide_heart_rate_energy_and_a_toggling_rr_flag() -> None:
    strap = heart_rate_strap()

    async def story(host: Host) -> None:
        strap.inflict(WideHeartRate(5))
        strap.inflict(Energy(65_534))
        await asyncio.sleep(10)
        strap.inflict(RrFlagOff(10))
        await asyncio.sleep(30)
        await host.client.write_gatt_char(hrs.CONTROL_POINT, hrs.RESET_ENERGY, response=True)
        await asyncio.sleep(11)

    host = connected(strap, story)
    assert not any(packet.faults for packet in host.beats)
    energies = [packet.energy_kj for packet in host.beats if packet.energy_kj is not None]
    assert len(energies) == 5 and energies[1:4] == [hrs.ENERGY_FULL_KJ] * 3 and energies[-1] < 3
    without = [packet for _, packet in host.heart_rate[9:21] if isinstance(packet, hrs.HeartRateMeasurement)]
    assert sum(not packet.rr_raw for packet in without) >= 10
    beats = strap.truth.beats
    assert beats.formed == beats.sent + beats.discarded + beats.overflowed and beats.discarded >= 9
    assert len(host.rr) == beats.delivered


def test_a_full_buffer_drops_the_oldest_intervals() -> None:
    strap = heart_rate_strap()

    async def story(host: Host) -> None:
        await asyncio.sleep(5)
        strap.inflict(RrHeld(60))
        await asyncio.sleep(80)

    host = connected(strap, story)
    beats = strap.truth.beats
    assert beats.overflowed == pytest.approx(62 - 30, abs=5)
    assert beats.formed == beats.sent + beats.discarded + beats.overflowed
    formed, got = list(beats.raw), host.rr
    assert got[-20:] == formed[len(formed) - beats.discarded - 20 : len(formed) - beats.discarded]
    # at MTU 65 a packet takes 29 intervals with 8-bit heart rate and energy
    assert max(len(packet.rr_raw) for packet in host.beats) in (29, 30)


@pytest.mark.parametrize(("energy", "wide", "most"), [(False, False, 9), (True, False, 8), (False, True, 8)])
def test_a_packet_at_mtu_23_holds_as_many_intervals_as_fit(energy: bool, wide: bool, most: int) -> None:
    strap = heart_rate_strap()
    strap.inflict(SmallMtu(23))

    async def story(host: Host) -> None:
        assert host.client.mtu_size == 23
        if wide:
            strap.inflict(WideHeartRate())
        # every tenth packet has the energy: let it be among those after the pause
        await asyncio.sleep(8.5)
        strap.inflict(RrHeld(25))
        await asyncio.sleep(60)

    host = connected(strap, story)
    counts = [len(packet.rr_raw) for packet in host.beats if (packet.energy_kj is not None) == energy]
    assert max(counts) == most == hrs.rr_capacity(23, 1 + wide, 2 * energy)
    assert not any(packet.faults for packet in host.beats)


def test_the_battery_drops_and_the_host_is_told() -> None:
    strap, levels = polar_h10(), []

    async def story(host: Host) -> None:
        await host.client.start_notify(hrs.BATTERY_LEVEL, lambda _, data: levels.append(bytes(data)))
        strap.inflict(BatteryLevel(7))
        await asyncio.sleep(0.2)
        assert await host.client.read_gatt_char(hrs.BATTERY_LEVEL) == b"\x07"

    connected(strap, story)
    assert levels == [b"\x07"]


def test_a_fault_that_a_strap_cannot_have_is_an_error() -> None:
    with pytest.raises(ConfigError, match="control point"):
        heart_rate_strap().inflict(AnswerStatus(6, SETTINGS))
