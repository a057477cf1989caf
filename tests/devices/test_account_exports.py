"""Account exports of summaries: what the vendor worked out stays a summary, on its own clock, with its gaps."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import allostat
from allostat.adapter import Adapter, ReadOptions
from allostat.errors import AllostatError, InputError
from allostat.recording import Recording
from allostat.simulate import EXPORTS, Worn, simulate_participant, simulate_worn
from allostat.source import Source
from allostat_devices.fitbit import ADAPTER as FITBIT
from allostat_devices.oura import ADAPTER as OURA
from allostat_devices.polar_flow import ADAPTER as POLAR_FLOW
from allostat_devices.samsung_health import ADAPTER as SAMSUNG
from allostat_devices.whoop import ADAPTER as WHOOP
from allostat_devices.withings import ADAPTER as WITHINGS

ADAPTERS: dict[str, Adapter] = {
    "fitbit": FITBIT, "oura": OURA, "polar-flow": POLAR_FLOW, "polar-nightly-recovery": POLAR_FLOW,
    "samsung-health": SAMSUNG, "whoop": WHOOP, "withings": WITHINGS,
}  # fmt: skip
VIENNA = ReadOptions(participant="sub-001", timezone="Europe/Vienna")
UTC_NS = 10**9


@pytest.fixture(scope="module")
def worn() -> Worn:
    """A night over the end of summer time, 2024-10-27."""
    return simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 10, 26, 20, 0), 14, "Europe/Vienna")  # noqa: DTZ001


def written(name: str, worn: Worn, folder: Path, options: ReadOptions = VIENNA) -> Recording:
    (recording,) = ADAPTERS[name].read(Source(EXPORTS[name](worn, folder)), options)
    return recording


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_identifying_texts_appear_nowhere(name: str, worn: Worn, tmp_path: Path) -> None:
    source = Source(EXPORTS[name](worn, tmp_path))
    found = repr((list(ADAPTERS[name].read(source, ReadOptions())), ADAPTERS[name].inspect(source)))
    assert "canary" not in found.casefold() and "ca0a7e" not in found


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_what_is_not_verified_says_so(name: str, worn: Worn, tmp_path: Path) -> None:
    recording = written(name, worn, tmp_path)
    assert ("unverified" in {n.code for n in recording.notices}) == (name != "whoop")


def test_fitbit_heart_rates_lie_on_the_true_instants_through_the_change_of_the_clock(
    worn: Worn, tmp_path: Path
) -> None:
    hr = written("fitbit", worn, tmp_path).series["hr"]
    times, rate = worn.heart_rate(10.0)
    good = np.isfinite(rate)
    # two hours of wall clock fell into one: rows of one file that repeat a time belong to the second pass
    assert np.array_equal(hr.times_ns, times[good])
    assert np.array_equal(hr.values, np.rint(rate[good])) and set(hr.extras["confidence"]) == {2.0}
    assert hr.epoch == "utc"


def test_fitbit_times_stay_local_until_the_zone_is_named(worn: Worn, tmp_path: Path) -> None:
    short = simulate_worn(worn.person, datetime(2024, 3, 4, 20, 0), 0.5, "Europe/Vienna")  # noqa: DTZ001
    recording = written("fitbit", short, tmp_path, ReadOptions())
    assert recording.epoch == "local" and not recording.timezone.known
    assert "local_or_utc" in {n.code for n in recording.notices}
    assert recording.series["hr"].times_ns[0] == short.heart_rate(10.0)[0][0] + 3600 * UTC_NS


def test_fitbit_resting_rate_0_is_missing_and_stamps_with_z_are_utc(tmp_path: Path) -> None:
    (tmp_path / "resting_heart_rate-2024-01-01.json").write_text(
        json.dumps([
            {"dateTime": "01/01/24 00:00:00", "value": {"date": "01/01/24", "value": 58.5, "error": 6.7}},
            {"dateTime": "01/02/24 00:00:00", "value": {"date": None, "value": 0.0, "error": 0.0}},
        ])
    )  # fmt: skip
    (tmp_path / "Heart Rate Variability Details - 2024-01-01.csv").write_text(
        "Timestamp,RMSSD,coverage,low_frequency\n2024-01-01T01:00:00Z,31.5,0.9,1\n2024-01-01T01:05:00,32.5,0.9,1\n",
        encoding="utf-8-sig",
    )
    (recording,) = FITBIT.read(Source(tmp_path), ReadOptions())
    assert recording.series["resting_hr"].values.tolist() == [58.5]
    zulu, naive = recording.series["rmssd"], recording.series["rmssd_local"]
    assert (zulu.epoch, naive.epoch, zulu.metric, zulu.window_s) == ("utc", "local", "rmssd", 300.0)
    assert zulu.values.tolist() == [31.5] and naive.values.tolist() == [32.5]


def test_oura_keeps_nulls_on_the_grid_and_files_rmssd_as_rmssd(worn: Worn, tmp_path: Path) -> None:
    recording = written("oura", worn, tmp_path, ReadOptions())
    hrv = recording.series["rmssd"]
    assert hrv.metric == "rmssd" and hrv.window_s == 300.0 and hrv.context == "night"
    assert np.isnan(hrv.values[6]) and not np.isnan(hrv.values[0])
    assert set(np.diff(hrv.times_ns)) == {300 * UTC_NS}
    (night,) = worn.sleep
    sleep = recording.series["sleep"]
    assert sleep.times_ns[0] // UTC_NS == night.bed_ns // UTC_NS
    assert sleep.ends_ns is not None and sleep.ends_ns[0] // UTC_NS == night.wake_ns // UTC_NS
    truth_t, truth = worn.rmssd()
    inside = (truth_t >= night.bed_ns) & (truth_t < night.wake_ns)
    expected = np.rint(truth[inside])
    keep = np.isfinite(hrv.values)
    assert np.array_equal(hrv.values[keep], expected[keep])


def test_whoop_uses_the_offset_of_each_row_for_both_of_its_times(tmp_path: Path) -> None:
    head = "Cycle start time,Cycle end time,Cycle timezone,Heart rate variability (ms),Resting heart rate (bpm)"
    head += ",Sleep onset,Wake onset"
    (tmp_path / "physiological_cycles.csv").write_text(
        f"{head}\n2024-11-03 04:10:00,,UTC-05:00,,,,\n"
        "2024-11-02 05:00:00,2024-11-03 05:10:00,UTC-04:00,55,50,2024-11-02 05:00:00,2024-11-02 12:00:00\n"
        "2024-11-01 05:00:00,2024-11-02 05:00:00,UTCZ,44,51,2024-11-01 05:00:00,2024-11-01 12:00:00\n"
    )
    (recording,) = WHOOP.read(Source(tmp_path), ReadOptions())
    rmssd = recording.series["rmssd"]
    assert rmssd.values.tolist() == [44.0, 55.0] and rmssd.metric == "rmssd" and rmssd.context == "night"
    assert rmssd.times_ns.tolist() == [
        int(np.datetime64("2024-11-01T05:00", "ns").astype(np.int64)),
        int(np.datetime64("2024-11-02T09:00", "ns").astype(np.int64)),
    ]
    assert not recording.timezone.known and "zone_changes" in {n.code for n in recording.notices}
    assert rmssd.extras["utc_offset_s"].tolist() == [0, -14400]


def test_whoop_real_export(recordings: Callable[[str], Path]) -> None:
    (recording,) = WHOOP.read(Source(recordings("whoop")), ReadOptions())
    assert {n: len(s) for n, s in recording.series.items()} == WHOOP_COUNTS
    assert np.nanmedian(recording.series["resting_hr"].values) > 40
    assert allostat.inspect(recordings("whoop")).adapter == "whoop"


WHOOP_COUNTS = {"rmssd": 171, "resting_hr": 171, "respiration_rate": 171, "mean_hr": 172, "sleep": 183}


def test_samsung_reads_utc_text_and_bins_of_hrv(worn: Worn, tmp_path: Path) -> None:
    recording = written("samsung-health", worn, tmp_path, ReadOptions())
    starts, rmssd = worn.rmssd()
    good = np.isfinite(rmssd)
    found = recording.series["rmssd"]
    assert np.array_equal(found.times_ns, starts[good]) and np.allclose(found.values, rmssd[good], rtol=1e-12)
    assert recording.series["sdnn"].metric == "sdnn"
    times, _ = worn.heart_rate(600.0)
    assert recording.series["hr"].times_ns[0] == times[0] - 600 * UTC_NS
    assert "zone_changes" in {n.code for n in recording.notices}


def test_withings_arrays_follow_each_other_and_uneven_ones_are_counted(worn: Worn, tmp_path: Path) -> None:
    path = EXPORTS["withings"](worn, tmp_path)
    with (path / "raw_hr_hr.csv").open("a") as file:
        file.write('2024-10-27T12:00:00+01:00,"[60,60]","[70]"\n2024-10-27T12:10:00+01:00,"[]","[]"\n')
    (recording,) = WITHINGS.read(Source(path), ReadOptions())
    times, rate = worn.heart_rate(60.0)
    hr = recording.series["hr"]
    assert hr.times_ns[0] == times[0] - 60 * UTC_NS and hr.values[0] == round(rate[0])
    assert hr.ends_ns is not None and np.all(hr.ends_ns - hr.times_ns == 60 * UTC_NS)
    assert {n.code: n.count for n in recording.notices}["truncated"] == 2
    rows = worn.blood_pressure()
    assert [r.sbp for r in recording.blood_pressure] == [float(r.value) for r in rows[::2]]


def test_polar_flow_intervals_are_the_true_ones_through_the_repeated_hour(worn: Worn, tmp_path: Path) -> None:
    beats = written("polar-flow", worn, tmp_path).beats["ppi"]
    truth = np.rint(worn.beats_ns / 1e6).astype(np.int64)
    assert beats.epoch == "utc" and beats.source == "ppg"
    assert np.array_equal(beats.times_ns // 1_000_000, truth)
    assert np.array_equal(beats.intervals_ms[1:], np.diff(truth).astype(float))


def test_polar_flow_times_without_seconds_and_two_devices_that_overlap(tmp_path: Path) -> None:
    first = [
        {"sampleDateTime": t, "pulseLength": 1000}
        for t in ("2024-01-02T03:04", "2024-01-02T03:04:01", "2024-01-02T03:04:02.000")
    ]
    second = [
        {"pulseLength": 900, "sampleDateTime": "2024-01-02T03:04:00.500"},
        {"pulseLength": 0, "sampleDateTime": "x"},
    ]
    lists = [{"deviceId": "CANARY1", "ppiSamples": first}, {"deviceId": "CANARY2", "ppiSamples": second}]
    path = tmp_path / "ppi_samples_1.json"
    path.write_text(json.dumps([{"date": "2024-01-02", "devicePpiSamplesList": lists}]))
    one, two = POLAR_FLOW.read(Source(path), ReadOptions())
    assert one.id != two.id and len(one.beats["ppi"]) == 4 and len(two.beats["ppi"]) == 2
    assert one.beats["ppi"].epoch == "local"
    assert {n.code: n.count for n in two.notices}["bad_time"] == 1
    assert "CANARY" not in repr((one, two, POLAR_FLOW.inspect(Source(path))))


def test_polar_flow_keeps_the_order_of_the_list_when_the_clock_goes_back_and_no_zone_is_named(
    worn: Worn, tmp_path: Path
) -> None:
    recording = written("polar-flow", worn, tmp_path, ReadOptions())
    assert "clock_set_back" in {n.code for n in recording.notices}
    assert len(recording.beats["ppi"]) == len(worn.beats_ns)


def test_nightly_recovery_crosses_midnight_once(tmp_path: Path) -> None:
    path = tmp_path / "nightly_recovery_1.json"
    night = {"date": "2024-01-02", "heart_rate_avg": 55, "beat_to_beat_avg": 1090, "heart_rate_variability_avg": 40,
             "hrv_samples": {"23:50": 41, "23:55": 42, "00:00": 43, "00:05": 44}}  # fmt: skip
    path.write_text(json.dumps([night]))
    (recording,) = POLAR_FLOW.read(Source(path), ReadOptions(timezone="Europe/Vienna"))
    hrv = recording.series["rmssd"]
    assert hrv.values.tolist() == [41.0, 42.0, 43.0, 44.0] and set(np.diff(hrv.times_ns)) == {300 * UTC_NS}
    assert hrv.times_ns[0] == int(np.datetime64("2024-01-01T22:50", "ns").astype(np.int64))
    assert recording.series["rmssd_of_night"].values.tolist() == [40.0]


@pytest.mark.parametrize("name", sorted(ADAPTERS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cut_and_changed_exports_give_a_recording_or_an_allostat_error(
    name: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    short = simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 23, 0), 0.2, "Europe/Vienna")  # noqa: DTZ001
    path = EXPORTS[name](short, tmp_path_factory.mktemp("m"))
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    victim = data.draw(st.sampled_from(files))
    content = bytearray(victim.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    junk = data.draw(st.sampled_from([b"", b"\x00", b"1e999", b"9" * 400, b"NaN", b"[[[[", b'"', b"-0"]))
    at = data.draw(st.integers(0, len(content)))
    victim.write_bytes(bytes(content[:at]) + junk + bytes(content[at : data.draw(st.integers(at, len(content)))]))
    try:
        list(ADAPTERS[name].read(Source(path), ReadOptions()))
        ADAPTERS[name].inspect(Source(path))
    except AllostatError:
        pass


def test_an_export_without_a_usable_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw_hr_hr.csv"
    path.write_text('start,duration,value\n2024-10-27T12:00:00+01:00,"[60,60]","[70]"\n')
    with pytest.raises(InputError, match="no value that can be used"):
        list(WITHINGS.read(Source(path), ReadOptions()))
