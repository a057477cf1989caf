"""Person values in their contexts: waking hours and dips, whole days, 10-second ECGs, HF power, sensors apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.biomarkers import biomarker_kinds, rows_of
from allostat.correction import correct_beats
from allostat.hrv import hrv, person_hrv
from allostat.hrv_person_repeats import MEDIAN_EFFICIENCY, standard_error
from allostat.hrv_person_spans import day_starts
from allostat.recording import Beats

S = 1_000_000_000
H = 3600 * S
DAY = 24 * H


@dataclass(frozen=True)
class Slept:
    start_ns: int
    end_ns: int
    quality: tuple[str, ...] = ()


def course(hours, *, start_h=0.0, night_ms=1000.0, day_ms=750.0, depth=30.0, seed=5, epoch="utc", source="ecg"):
    """Beats from ``start_h`` on; slower from 23 to 7 o'clock; breathing at 0.25 Hz."""
    rng = np.random.default_rng(seed)
    intervals, t = [], start_h * 3600.0
    end = t + hours * 3600.0
    while t < end:
        asleep = (t / 3600) % 24 >= 23 or (t / 3600) % 24 < 7
        k = np.arange(400)
        base = night_ms if asleep else day_ms
        block = base + depth * np.sin(2 * np.pi * 0.25 * (t + k * base / 1000)) + rng.normal(0, 8, 400)
        intervals.append(block)
        t += block.sum() / 1000
    return Beats.from_intervals(np.concatenate(intervals), start_ns=int(start_h * H), epoch=epoch, source=source)


def nights_of(days, first=0):
    return [Slept((k * 24 + 23) * H, (k * 24 + 31) * H) for k in range(first, first + days)]


@pytest.fixture(scope="module")
def three_days():
    return person_hrv(course(60, start_h=12), nights=nights_of(2), rest=())


def test_the_heart_rate_falls_at_night_by_what_the_simulation_says(three_days):
    assert float(three_days.hr_dip) == pytest.approx(1 - 60 / 80, abs=0.01)
    assert float(three_days.hr_day_night_ratio) == pytest.approx(80 / 60, abs=0.02)
    assert float(three_days.hr_day_night_ratio) == pytest.approx(1 / (1 - float(three_days.hr_dip)), rel=1e-4)
    assert float(three_days.hr_day) == pytest.approx(80, rel=0.01)
    assert three_days.hr_dip.attrs["n"] == 2
    assert three_days.hr_dip.attrs["standard_error"] >= 0
    by_night = three_days.hr_dip_by_night.values
    np.testing.assert_allclose(by_night, 1 - three_days.hr_by_night.values / three_days.hr_by_day.values, rtol=1e-12)


def test_each_value_becomes_a_row_in_its_own_context(three_days):
    rows = {row.biomarker: row for row in rows_of(three_days, "s1")}
    contexts = {name: row.context for name, row in rows.items()}
    assert contexts == {
        "rmssd_night": "night", "hr_night": "night", "sdnn_night": "night", "hf_night": "night",
        "rmssd_day": "day", "hr_day": "day", "hr_dip": "24h", "hr_day_night_ratio": "24h", "sdnn_24h": "24h",
        "rmssd_rest": "rest_5min", "hr_rest": "rest_5min",
    }  # fmt: skip
    assert rows["rmssd_rest"].quality == ("NO_REST_RECORDING",)
    assert all(row.n == 2 and not row.missing for name, row in rows.items() if not name.endswith("_rest"))
    assert all("sensor: ecg" in row.provenance for row in rows.values())


def test_sdnn_of_24_h_is_that_of_all_intervals(three_days):
    beats = course(60, start_h=12)
    inside = (beats.times_ns >= beats.times_ns[0]) & (beats.times_ns < beats.times_ns[0] + DAY)
    assert three_days.sdnn_by_24h.values[0] == pytest.approx(np.nanstd(beats.intervals_ms[inside], ddof=1), rel=1e-9)
    assert three_days.sizes["day"] == 2
    assert float(three_days.sdnn_24h) > 100 > float(three_days.sdnn_night)


def test_a_day_below_eighteen_hours_has_no_sdnn_of_24_h():
    assert "sdnn_24h" not in person_hrv(course(17, start_h=8), nights=nights_of(1), rest=())
    holed = course(24, start_h=8)
    keep = (holed.times_ns < 14 * H) | (holed.times_ns > 22 * H)
    gap = replace(holed, times_ns=holed.times_ns[keep], flags=holed.flags[keep], intervals_ms=holed.intervals_ms[keep])
    first = int(np.flatnonzero(~keep)[0])
    gap.intervals_ms[first] = np.nan
    found = person_hrv(gap, rest=()).sdnn_24h
    assert np.isnan(float(found))
    assert found.attrs["quality"].split() == ["INSUFFICIENT_24H"]
    assert found.attrs["coverage"] == pytest.approx(16 / 24, abs=0.01)


def test_days_are_those_that_recordings_fill():
    def at(start_h, hours):
        return Beats.from_intervals(np.full(int(hours * 60), 60_000.0), start_ns=int(start_h * H), epoch="utc")

    assert day_starts([]) == []
    assert day_starts([at(0, 48.1)]) == [0, DAY]
    assert day_starts([at(0, 43)]) == [0, DAY]
    assert day_starts([at(0, 41)]) == [0]
    assert day_starts([at(0, 2), at(30, 24)]) == [30 * H]
    assert day_starts([at(0, 24), at(250, 24)]) == [0, 250 * H]
    assert day_starts([at(k * 24, 8) for k in range(5)]) == []


def test_without_waking_hours_there_is_no_dip():
    found = person_hrv(course(8, start_h=23), nights=nights_of(1), rest=())
    assert {"rmssd_day", "hr_dip", "hr_day_night_ratio"}.isdisjoint(found.data_vars)
    few = person_hrv(course(9, start_h=22), nights=nights_of(1), rest=())
    assert np.isnan(float(few.hr_dip))
    assert "INSUFFICIENT_DAY" in few.hr_dip.attrs["quality"].split()


def test_waking_hours_after_the_night_count_where_those_before_are_too_few():
    found = person_hrv(course(24, start_h=22), nights=nights_of(1), rest=())
    assert float(found.hr_dip) == pytest.approx(0.25, abs=0.01)
    assert np.isnan(found.hr_dip.attrs["standard_error"])
    assert found.hr_dip.attrs["n"] == 1


def test_pulse_waves_never_enter_a_value_of_an_ecg():
    ecg = course(8, start_h=23)
    ppg = course(32, start_h=47, depth=80.0, source="ppg", seed=6)
    alone = person_hrv(ecg, nights=nights_of(1), rest=())
    both = person_hrv([ecg, ppg], nights=nights_of(2), rest=())
    assert float(both.rmssd_night) == float(alone.rmssd_night)
    assert both.rmssd_night.attrs["sensor"] == "ecg"
    assert "PPG_LEFT_OUT" in both.rmssd_night.attrs["quality"].split()
    assert both.rmssd_night.attrs["n"] == 1
    assert np.isnan(both.rmssd_by_night.values[1])
    # the pulse waves are the only ones that fill a day
    assert both.sdnn_24h.attrs["sensor"] == "ppg"
    assert both.sdnn_24h.attrs["quality"].split()[0] == "SENSOR_PPG"


def test_pulse_waves_alone_are_called_pulse_rate_variability():
    found = person_hrv(course(8, start_h=23, source="ppg"), nights=nights_of(1), rest=())
    assert found.rmssd_night.attrs["long_name"].startswith("pulse rate variability: ")
    assert "SENSOR_PPG" in found.hr_night.attrs["quality"].split()
    assert found.rmssd_night.attrs["sensor"] == "ppg"
    assert not found.hr_night.attrs["long_name"].startswith("pulse")


def test_resting_pulse_waves_beside_a_resting_ecg_are_left_out():
    ecg, ppg = course(0.09, start_h=9), course(0.09, start_h=10, source="ppg", depth=90.0)
    found = person_hrv([ecg, ppg])
    assert float(found.rmssd_rest) == float(person_hrv(ecg).rmssd_rest)
    assert found.rmssd_rest.attrs["quality"].split() == ["PPG_LEFT_OUT", "REST_ASSUMED"]
    assert found.rmssd_rest.attrs["coverage"] == pytest.approx(1, abs=0.01)
    relative = [replace(b, epoch="relative") for b in (ecg, ppg)]
    assert float(person_hrv(relative).rmssd_rest) == float(found.rmssd_rest)


def test_hf_power_needs_five_minutes_of_known_rest():
    beats = course(0.2, start_h=9)
    start = int(beats.times_ns[0])
    known = person_hrv(beats, rest=[(start, start + 300 * S)])
    assert float(known.hf_rest) == pytest.approx(float(hrv(beats, "5min").hf[0]), rel=0.05)
    assert known.hf_rest.attrs["units"] == "ms2"
    assert np.isfinite(float(known.sdnn_rest))
    short = person_hrv(beats, rest=[(start, start + 200 * S)])
    assert np.isfinite(float(short.rmssd_rest))
    assert np.isnan(float(short.hf_rest))
    assert np.isnan(float(short.sdnn_rest))
    assert short.hf_rest.attrs["quality"].split() == ["ULTRA_SHORT"]
    assumed = person_hrv(course(0.1, start_h=9))
    assert np.isnan(float(assumed.hf_rest))
    assert assumed.hf_rest.attrs["quality"].split() == ["REST_ASSUMED"]
    long = person_hrv(beats, rest=[(start, start + 700 * S)])
    assert np.isnan(float(long.sdnn_rest))
    assert "REST_OVER_10_MIN" in long.sdnn_rest.attrs["quality"].split()


def test_hf_power_of_the_night_is_the_geometric_mean_of_its_windows():
    beats = course(8, start_h=23)
    found = person_hrv(beats, nights=nights_of(1), rest=())
    windows = hrv(beats.between(23 * H, 31 * H), "5min").hf.values
    assert float(found.hf_night) == pytest.approx(np.exp(np.log(windows).mean()), rel=0.01)


def test_a_ten_second_ecg_has_a_context_of_its_own():
    beats = Beats.from_intervals([800.0, 820, 790, 810, 805, 795, 815, 800, 810, 790, 805, 800], source="ecg")
    found = person_hrv([replace(beats, epoch="relative")] * 2)
    assert float(found.rmssd_10s) == pytest.approx(float(np.sqrt(np.mean(np.diff(beats.intervals_ms[1:]) ** 2))))
    assert found.rmssd_10s.attrs["context"] == "ecg_10s"
    assert found.rmssd_10s.attrs["n"] == 2
    assert found.rmssd_10s.attrs["quality"] == ""
    assert found.rmssd_rest.attrs["quality"] == "NO_REST_RECORDING"
    pulse = person_hrv(replace(beats, source="ppg"))
    assert "rmssd_10s" not in pulse
    assert "TOO_SHORT" in pulse.rmssd_rest.attrs["quality"].split()


@given(st.lists(st.floats(0.5, 6.0), min_size=2, max_size=12))
@settings(max_examples=50, deadline=None)
def test_the_standard_error_is_that_of_the_median(values):
    one = np.array(values)
    factor = MEDIAN_EFFICIENCY if len(one) > 2 else 1.0
    assert standard_error(one) == pytest.approx(factor * one.std(ddof=1) / np.sqrt(len(one)), rel=1e-12)
    assert standard_error(one + 3) == pytest.approx(standard_error(one), rel=1e-6, abs=1e-12)
    assert np.isnan(standard_error(one[:1]))


def test_every_kind_of_the_autonomic_system_has_a_context():
    kinds = [k for k in biomarker_kinds().values() if k.name.startswith(("rmssd_", "hr_", "sdnn_", "hf_"))]
    assert len(kinds) >= 15
    assert all(k.system == "autonomic" and k.context for k in kinds)
    assert {k.name for k in kinds if k.direction == "high"} == {"hr_night", "hr_rest", "hr_day", "hr_10s"}
    assert all(k.transform == "ln" for k in kinds if not k.name.startswith("hr_") and "residual" not in k.name)


def test_a_gap_told_as_one_interval_does_not_decide_sdnn_of_a_day():
    beats = course(24, start_h=8, epoch="relative")
    intervals = beats.intervals_ms.copy()
    intervals[40_000] = 147_000.0
    told = Beats.from_intervals(intervals[1:], epoch="relative", source="ecg")
    plain = float(person_hrv(beats, rest=()).sdnn_24h)
    assert float(person_hrv(told, rest=()).sdnn_24h) == pytest.approx(plain, rel=0.01)


def test_hearts_that_fail_vary_less_over_the_day(recordings):
    """Of the healthy none lies below the clinical cut-off of 100 ms, of those with heart failure most do."""
    found = {}
    for group, names in (("normal", ("nsr001", "nsr004", "nsr008", "nsr019")), ("chf", ("chf201", "chf203", "chf210"))):
        for name in names:
            rr_s = np.loadtxt(recordings("rr24h") / group / f"{name}_rr_secs.txt.gz")[1:]
            beats = correct_beats(Beats.from_intervals(1000 * rr_s, epoch="relative", source="ecg"))
            found.setdefault(group, []).append(float(person_hrv(beats, rest=()).sdnn_24h))
    assert min(found["normal"]) > 100 > max(found["chf"])
    assert found["normal"][0] == pytest.approx(168.7, abs=0.1)
