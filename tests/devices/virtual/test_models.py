"""Models of straps: what each sends is read by the product's decoders and equals the truth."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from allostat.errors import ConfigError
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import movesense_gatt as gsp
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.polar_frames import PpiFrame
from allostat_devices.ble.rr_unit import RrUnitTest
from allostat_devices.virtual.device_faults import StopStreams
from allostat_devices.virtual.heart import (
    EcgSignal,
    PulseSignal,
    RecordedSignal,
    SpoiltSignal,
    heart_from_rr,
    resting_heart,
)
from allostat_devices.virtual.models import (
    MODELS,
    Body,
    heart_rate_strap,
    millisecond_strap,
    movesense_sensor,
    polar_h10,
    verity_sense,
)
from allostat_devices.virtual.radio_faults import SmallMtu
from allostat_devices.virtual.strap import VirtualStrap
from tests.devices.virtual.listening import ECG_START, STOP_ECG, Host, connected


@pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
def test_every_model_says_who_it_is(model: Callable[..., VirtualStrap]) -> None:
    told: dict[str, bytes] = {}

    async def story(host: Host) -> None:
        for uuid in (hrs.MAKER, hrs.MODEL, hrs.SERIAL, hrs.FIRMWARE):
            told[uuid] = bytes(await host.client.read_gatt_char(uuid))
        assert hrs.decode_body_location(await host.client.read_gatt_char(hrs.BODY_LOCATION)) == "chest"
        await asyncio.sleep(30)

    host = connected(model(5), story)
    read = hrs.decode_device_information(told, b"key")
    assert read.faults == () and read.maker and read.model and read.firmware and read.serial_hmac
    assert len(host.beats) in (29, 30, 31)
    assert not any(packet.faults for packet in host.beats)


def test_given_beats_and_samples_are_sent_as_they_are() -> None:
    rr_ms = [812.5, 1003.90625, 750.0, 903.3203125]
    ecg = np.arange(-400, 600, dtype=np.int32)
    body = Body(heart=heart_from_rr(rr_ms), ecg=RecordedSignal(ecg))
    strap = polar_h10(1, body)

    async def story(host: Host) -> None:
        await host.ask(ECG_START, 60)
        await host.ask(STOP_ECG)

    host = connected(strap, story)
    sent = np.concatenate([frame.raw[:, 0] for frame in host.samples])
    np.testing.assert_array_equal(sent, np.resize(ecg, len(sent)))
    raw = [round(value * 1.024) for value in rr_ms]
    at = raw.index(host.rr[0])
    assert host.rr == [raw[(at + n) % 4] for n in range(len(host.rr))]


def test_a_capture_of_a_real_h10_is_sent_again_byte_by_byte(recordings: Callable[[str], Path]) -> None:
    lines = (recordings("polar_h10_transcripts") / "ecg2_demo.txt").read_text().splitlines()
    sent = tuple(bytes.fromhex("".join(re.findall(r"'(..)'", line))) for line in lines if line.startswith("DATA"))
    strap = polar_h10(1, Body(ecg_frames=sent))
    came: list[tuple[float, bytes]] = []

    async def story(host: Host) -> None:
        clock = asyncio.get_running_loop().time
        await host.client.stop_notify(pmd.DATA)
        await host.client.start_notify(pmd.DATA, lambda _, data: came.append((clock(), bytes(data))))
        await host.ask(ECG_START, 60)
        await host.ask(STOP_ECG)

    connected(strap, story)
    assert tuple(data for _, data in came) == sent and len(sent) == 52
    device_s = np.array([int.from_bytes(data[1:9], "little") for data in sent]) / 1e9
    np.testing.assert_allclose(np.diff([at for at, _ in came]), np.diff(device_s), atol=0.05)
    (run,) = strap.truth.of(0)
    assert run.taken == run.delivered == 52 * 73 and run.ended_s is not None
    with pytest.raises(ConfigError):
        polar_h10(1, Body(ecg_frames=sent[:1]))


@pytest.mark.parametrize("rr", [[], [800], [800, 100], [800, float("nan")]])
def test_intervals_of_no_heart_are_refused(rr: list[float]) -> None:
    with pytest.raises(ConfigError):
        heart_from_rr(rr)


def test_electrodes_that_come_off_give_flat_saturated_or_noisy_stretches() -> None:
    clean = EcgSignal(resting_heart(4), 4)
    times = np.arange(1, 130 * 30 + 1) / 130
    whole, off = clean.block(0, times), (times >= 10) & (times < 12)
    made = {how: SpoiltSignal(clean, [(10, 12)], how).block(0, times) for how in ("flat", "saturated", "noise")}
    for samples in made.values():
        np.testing.assert_array_equal(samples[~off], whole[~off])
    assert (made["flat"][off] == 0).all() and (made["saturated"][off] == 20_000).all()
    assert made["noise"][off].std() > 2 * whole[off].std()


def test_straps_that_cannot_be_are_refused() -> None:
    for wrong in ({"rate_ratio": 0.0}, {"rate_ratio": float("nan")}, {"drift_ppm": 1e6}, {"clock_offset_s": np.inf}):
        with pytest.raises(ConfigError):
            Body(**wrong)
    with pytest.raises(ConfigError):
        polar_h10(2**24)
    with pytest.raises(ConfigError):
        polar_h10(1, advertising_interval_s=0)
    with pytest.raises(ConfigError, match="loop"):
        polar_h10(1).now()


def test_signals_of_no_sensor_are_refused() -> None:
    with pytest.raises(ConfigError):
        RecordedSignal(np.zeros(0, dtype=np.int32))
    with pytest.raises(ConfigError):
        RecordedSignal(np.zeros(5))  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        resting_heart(1, heart_rate_per_min=0)


def test_the_ecg_has_its_r_peaks_at_the_beats_and_is_the_same_however_it_is_cut() -> None:
    heart = resting_heart(4)
    signal = EcgSignal(heart, 4)
    times = np.arange(1, 130 * 60 + 1) / 130
    whole = signal.block(0, times)
    np.testing.assert_array_equal(whole[1000:2000], signal.block(1000, times[1000:2000]))
    beats = heart.beats_between(1.0, 59.0)
    for beat in beats:
        around = np.abs(times - beat) < 0.2
        assert abs(times[around][np.argmax(whole[around, 0])] - beat) < 0.012
    # turns join without a break
    seam = heart.beats_between(heart.turn_s - 5, heart.turn_s + 5)
    assert np.diff(seam).min() > 0.6 and np.diff(seam).max() < 1.5


def test_verity_sends_compressed_ppg_and_acceleration_that_are_the_truth() -> None:
    heart = resting_heart(9)
    strap = verity_sense(9, Body(heart=heart))

    async def story(host: Host) -> None:
        await host.ask(pmd.settings_request(pmd.Stream.PPG))
        await host.ask(pmd.start_request(pmd.Stream.PPG, {pmd.Setting.SAMPLE_RATE_HZ: 55}))
        await host.ask(pmd.start_request(pmd.Stream.ACC, {pmd.Setting.SAMPLE_RATE_HZ: 52}), 60)
        for stream in (pmd.Stream.PPG, pmd.Stream.ACC):
            await host.ask(pmd.stop_request(stream))

    host = connected(strap, story)
    read = pmd.decode_control(host.control[0])
    assert isinstance(read, pmd.ControlReply)
    offered = pmd.parse_settings(read.parameters).offered
    assert dict(offered) == {
        pmd.Setting.SAMPLE_RATE_HZ: (55,),
        pmd.Setting.RESOLUTION_BITS: (22,),
        pmd.Setting.CHANNELS: (4,),
    }
    acc_started = pmd.decode_control(host.control[2])
    assert isinstance(acc_started, pmd.ControlReply)
    assert pmd.parse_settings(acc_started.parameters).factor == pytest.approx(0.244)
    ppg = [frame for frame in host.samples if frame.stream is pmd.Stream.PPG]
    acc = [frame for frame in host.samples if frame.stream is pmd.Stream.ACC]
    assert all(frame.compressed and frame.faults == () for frame in ppg + acc)
    (run,) = strap.truth.of(1)
    np.testing.assert_array_equal(
        np.concatenate([frame.raw for frame in ppg]),
        PulseSignal(heart, 9).block(0, run.sample_times() - strap.origin_s),
    )
    gravity = np.concatenate([frame.raw for frame in acc]) * 0.244
    assert np.linalg.norm(gravity, axis=1).mean() == pytest.approx(993, abs=10)
    # a strap for the arm has no RR
    assert host.rr == []


def test_ppi_comes_after_25_s_in_batches_and_equals_the_beats() -> None:
    heart = heart_from_rr([800.0, 900.0, 1000.0])
    strap = verity_sense(2, Body(heart=heart))

    async def story(host: Host) -> None:
        await host.ask(pmd.start_request(pmd.Stream.PPI, {}))
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(60)
        await host.ask(pmd.stop_request(pmd.Stream.PPI))
        assert host.frames[0][0] - began == pytest.approx(25, abs=0.3)

    host = connected(strap, story)
    batches = [frame for _, frame in host.frames if isinstance(frame, PpiFrame)]
    sent = np.concatenate([frame.raw_ms for frame in batches]).tolist()
    (run,) = strap.truth.of(3)
    assert len(sent) == run.framed == run.delivered <= run.taken
    at = [800, 900, 1000].index(sent[0])
    assert sent == [(800, 900, 1000)[(at + n) % 3] for n in range(len(sent))]
    assert [frame.last_sample_ns for frame in batches] == list(run.device_ns)


def test_sdk_mode_has_more_rates_and_silences_the_heart_rate() -> None:
    strap = verity_sense(3)

    async def story(host: Host) -> None:
        fast = pmd.start_request(pmd.Stream.PPG, {pmd.Setting.SAMPLE_RATE_HZ: 176})
        await host.ask(fast)
        await host.ask(pmd.SDK_MODE_ON, 2)
        heard = len(host.heart_rate)
        await host.ask(fast, 5)
        await host.ask(pmd.SDK_MODE_OFF)
        await host.ask(pmd.start_request(pmd.Stream.PPI, {}))
        assert len(host.heart_rate) <= heard + 1
        await host.ask(pmd.SDK_MODE_STATUS_REQUEST)
        status = pmd.decode_control(host.control[-1])
        assert isinstance(status, pmd.ControlReply) and pmd.sdk_mode_is_on(status)
        await host.ask(pmd.stop_request(pmd.Stream.PPG))
        await host.ask(pmd.SDK_MODE_OFF, 5)
        assert len(host.heart_rate) > heard + 3

    host = connected(strap, story)
    assert [data[3] for data in host.control] == [8, 0, 0, 12, 12, 0, 0, 0]
    assert strap.truth.of(1)[0].rate_hz == 176


def test_running_streams_are_told() -> None:
    strap = polar_h10()

    async def story(host: Host) -> None:
        await host.ask(ECG_START)
        await host.ask(pmd.start_request(pmd.Stream.ACC, {pmd.Setting.SAMPLE_RATE_HZ: 200}), 5)
        await host.ask(pmd.MEASUREMENT_STATUS_REQUEST)
        reply = pmd.decode_control(host.control[-1])
        assert isinstance(reply, pmd.ControlReply) and pmd.running_streams(reply) == {0, 2}
        strap.inflict(StopStreams((2,)))
        await host.ask(pmd.MEASUREMENT_STATUS_REQUEST)
        reply = pmd.decode_control(host.control[-1])
        assert isinstance(reply, pmd.ControlReply) and pmd.running_streams(reply) == {0}

    host = connected(strap, story)
    assert {len(frame.raw) for frame in host.samples if frame.stream is pmd.Stream.ACC} == {36}


@pytest.mark.parametrize(("model", "unit"), [(heart_rate_strap, "1/1024 s"), (millisecond_strap, "ms")])
def test_the_unit_test_of_the_product_tells_the_two_kinds_of_strap_apart(
    model: Callable[..., VirtualStrap], unit: str
) -> None:
    async def story(host: Host) -> None:
        await asyncio.sleep(120)

    host = connected(model(1), story)
    test = RrUnitTest()
    for at, packet in host.heart_rate:
        assert isinstance(packet, hrs.HeartRateMeasurement)
        test.push(at, packet.rr_raw, packet.contact)
    assert test.verdict().unit == unit


@pytest.mark.parametrize("rate", [128, 512])
def test_movesense_sends_ecg_by_subscription_and_forgets_it_with_the_link(rate: int) -> None:
    strap, told = movesense_sensor(), []

    async def story(host: Host) -> None:
        await host.client.start_notify(gsp.NOTIFY, lambda _, data: told.append(gsp.decode_reply(data)))
        for command, wait_s in (
            (gsp.hello_command(1), 0.1),
            (gsp.subscribe_command(2, gsp.ecg_path(rate)), 10),
            (gsp.subscribe_command(3, gsp.HEART_RATE_PATH), 10),
            (gsp.subscribe_command(4, "/Meas/Nothing"), 0.1),
            (gsp.unsubscribe_command(2), 0.1),
            (gsp.unsubscribe_command(2), 0.1),
            (gsp.fetch_log_command(5, 1), 0.1),
        ):
            await host.client.write_gatt_char(gsp.WRITE, command, response=True)
            await asyncio.sleep(wait_s)
        assert strap.connected

    connected(strap, story)
    results = {(r.reference, r.status) for r in told if isinstance(r, gsp.CommandResult)}
    assert results == {(1, 200), (2, 200), (3, 200), (4, 404), (2, 404), (5, 404)}
    data = [r for r in told if isinstance(r, gsp.SensorData)]
    ecg = [gsp.decode_ecg(r.payload) for r in data if r.reference == 2]
    assert all(isinstance(packet, gsp.MovesenseEcg) and packet.faults == () for packet in ecg)
    (run, rates) = strap.truth.runs
    assert sum(len(packet.raw) for packet in ecg if isinstance(packet, gsp.MovesenseEcg)) == run.framed
    assert run.framed == pytest.approx(20 * rate, abs=rate) and rates.ended_s is not None
    assert any(r.reference == 3 for r in data)


@pytest.mark.parametrize(("mtu", "samples"), [(60, 16), (23, 8)])
def test_a_movesense_packet_that_is_too_long_comes_in_two_parts(mtu: int, samples: int) -> None:
    strap, told = movesense_sensor(), []
    strap.inflict(SmallMtu(mtu))

    async def story(host: Host) -> None:
        await host.client.start_notify(gsp.NOTIFY, lambda _, data: told.append(gsp.decode_reply(data)))
        await host.client.write_gatt_char(gsp.WRITE, gsp.subscribe_command(9, gsp.ecg_path(125)), response=True)
        await asyncio.sleep(5)

    connected(strap, story)
    parts = [part for part in told if isinstance(part, gsp.SensorData)]
    assert [part.second_part for part in parts[:4]] == [False, True, False, True]
    first, second = parts[0], parts[1]
    packet = gsp.decode_ecg(first.payload + second.payload)
    assert isinstance(packet, gsp.MovesenseEcg) and len(packet.raw) == samples and packet.faults == ()
