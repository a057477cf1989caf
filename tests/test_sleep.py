"""Main sleep estimated from the heart rate: against simulated truth, and where there is little to see."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import TimeZoneError
from allostat.recording import UNKNOWN_ZONE, BeatFlag, Beats, TimeZone
from allostat.simulate.physiology import simulate_participant, simulate_population
from allostat.simulate.rr import Sleep, simulate_rr, sleep_schedule
from allostat.sleep import SleepWindow, sleep_from_heart_rate, sleep_windows
from allostat.sleep_course import (
    LONGEST_MIN,
    RAMP_STEP_MIN,
    SHORTEST_MIN,
    _intervals,
    _ramp,
    main_sleeps,
    minute_courses,
)
from allostat.sleep_heart_rate import NightReason
from tests.reference import sleep_course as reference

S = 1_000_000_000
MINUTE, HOUR = 60 * S, 3600 * S
VIENNA = TimeZone("Europe/Vienna", "user")


def instant(text, zone="Europe/Vienna"):
    from allostat.zones import zone_info

    return round(datetime.fromisoformat(text).replace(tzinfo=zone_info(zone)).timestamp()) * S


def recorded(start, hours, *sleeps, seed=3, person="sub-001"):
    """Simulated beats from a local time on, asleep from … to …; a person whose heart rate falls by 15 /min."""
    own = replace(simulate_participant(person, seed), hr_rest=72.0, hr_night=57.0, rmssd_rest=28.0, rmssd_night=42.0)
    asleep = [Sleep(instant(a), instant(b)) for a, b in sleeps]
    return simulate_rr(own, instant(start), hours * 3600.0, "Europe/Vienna", asleep, seed=seed).beats()


def minutes_off(window, begun, ended):
    return (window.start_ns - instant(begun)) / MINUTE, (window.end_ns - instant(ended)) / MINUTE


def test_sleep_of_a_population_lies_where_it_was_simulated():
    """Floors on the median and mean distance, and on how often 1.96 standard errors reach the truth."""
    zone, errors, standard_errors = "Europe/Vienna", [], []
    for person in simulate_population(12, seed=11):
        nights = sleep_schedule(person, date(2026, 3, 2), 2, zone, seed=11)
        beats = simulate_rr(person, instant("2026-03-02T12:00"), 48 * 3600.0, zone, nights, seed=11).beats()
        found = sleep_windows(beats, VIENNA)
        assert len(found) == 2, person.id
        for window, truth in zip(found, nights, strict=True):
            errors.append([(window.start_ns - truth.bed_ns) / MINUTE, (window.end_ns - truth.wake_ns) / MINUTE])
            standard_errors.append([window.start_se_min, window.end_se_min])
    off = np.abs(errors)
    assert np.median(off, axis=0).tolist() <= [10.0, 12.0]
    assert off.mean(axis=0).max() < 30.0
    assert np.mean(off < 1.96 * np.array(standard_errors)) > 0.85


def test_a_nap_is_no_main_sleep():
    nap = ("2026-03-03T14:00", "2026-03-03T15:30")
    beats = recorded("2026-03-02T12:00", 30, ("2026-03-02T23:30", "2026-03-03T07:00"), nap)
    (night,) = sleep_windows(beats, VIENNA)
    assert np.abs(minutes_off(night, "2026-03-02T23:30", "2026-03-03T07:00")).max() < 40


def test_the_day_sleep_of_a_shift_worker():
    days = [(f"2026-03-0{k}T08:30", f"2026-03-0{k}T15:30") for k in (3, 4)]
    found = sleep_windows(recorded("2026-03-02T20:00", 52, *days), VIENNA)
    assert len(found) == 2
    for window, (begun, ended) in zip(found, days, strict=True):
        assert np.abs(minutes_off(window, begun, ended)).max() < 40
        assert window.quality[:2] == ("NIGHT_FROM_HEART_RATE", "NIGHT_AT_UNUSUAL_HOURS")


def test_a_rotation_from_night_to_day_work():
    sleeps = [("2026-03-02T23:00", "2026-03-03T06:30"), ("2026-03-04T09:00", "2026-03-04T15:00")]
    sleeps.append(("2026-03-05T00:00", "2026-03-05T08:00"))
    found = sleep_windows(recorded("2026-03-02T12:00", 74, *sleeps), VIENNA)
    for begun, ended in (sleeps[0], sleeps[2]):
        near = [w for w in found if np.abs(minutes_off(w, begun, ended)).max() < 60]
        assert len(near) == 1, begun


@pytest.mark.parametrize(
    ("evening", "begun", "ended", "hours"),
    [
        ("2026-03-28T12:00", "2026-03-28T23:00", "2026-03-29T07:00", 7.0),
        ("2026-10-24T12:00", "2026-10-24T23:00", "2026-10-25T07:00", 9.0),
    ],
)
def test_nights_in_which_the_clock_changes_keep_their_elapsed_length(evening, begun, ended, hours):
    beats = recorded(evening, 24, (begun, ended))
    found = sleep_from_heart_rate(beats, VIENNA).isel(night=0)
    assert float(found.sleep_duration) == pytest.approx(hours, abs=0.7)
    assert float(found.sleep_offset_clock) == pytest.approx(7.0, abs=0.5)
    assert float(found.sleep_onset_clock) == pytest.approx(23.0, abs=0.7)


def test_gaps_cost_precision_but_not_the_night():
    beats = recorded("2026-03-02T12:00", 24, ("2026-03-02T23:00", "2026-03-03T07:00"))
    at = beats.times_ns
    keep = np.ones(len(at), bool)
    for begin, end in (("2026-03-02T22:40", "2026-03-02T23:20"), ("2026-03-03T03:00", "2026-03-03T04:00")):
        keep &= (at < instant(begin)) | (at >= instant(end))
    rng = np.random.default_rng(4)
    flags = np.where(rng.random(keep.sum()) < 0.1, BeatFlag.UNUSABLE, BeatFlag.NORMAL).astype(np.int8)
    rest = at[keep]
    intervals = np.concatenate([[np.nan], np.diff(rest) / 1e6])
    intervals[intervals > 3000] = np.nan
    (night,) = sleep_windows(Beats(rest, intervals, flags, "simulated", "utc"), VIENNA)
    assert np.abs(minutes_off(night, "2026-03-02T23:00", "2026-03-03T07:00")).max() < 45


def test_a_strap_worn_in_bed_only_has_the_lowest_hours():
    beats = recorded("2026-03-02T23:30", 7, ("2026-03-02T23:00", "2026-03-03T08:00"))
    (night,) = sleep_windows(beats, VIENNA)
    assert "NIGHT_LOWEST_HOURS" in night.quality or "NIGHT_START_NOT_SEEN" in night.quality
    assert np.isnan(night.start_se_min)


def test_what_was_not_seen_has_no_standard_error():
    beats = recorded("2026-03-02T12:00", 16, ("2026-03-02T23:00", "2026-03-03T08:00"))
    (night,) = sleep_windows(beats, VIENNA)
    assert "NIGHT_END_NOT_SEEN" in night.quality
    assert np.isnan(night.end_se_min)
    assert np.isfinite(night.start_se_min)


def test_days_without_sleep_say_why():
    by_day = recorded("2026-03-02T13:00", 6)
    short = recorded("2026-03-02T13:00", 2)
    for beats, reason in ((by_day, NightReason.NO_CLEAR_SLEEP), (short, NightReason.TOO_LITTLE_HEART_RATE)):
        assert sleep_windows(beats, VIENNA) == []
        found = sleep_from_heart_rate(beats, VIENNA)
        assert found.sizes["night"] == 1
        assert np.isnan(found.sleep_onset.values).all()
        assert int(found.reasons[0]) & reason


def test_rows_are_days_with_data_in_order():
    first = recorded("2026-03-02T13:00", 5)
    later = recorded("2026-03-10T12:00", 24, ("2026-03-10T23:00", "2026-03-11T07:00"))
    found = sleep_from_heart_rate([later, first], VIENNA)
    assert np.isfinite(found.sleep_onset.values).tolist() == [False, True]
    assert np.diff(found.day.values).tolist() == [8]
    assert found.sleep_onset.attrs["references"].startswith("10.1038/s41598-022-11792-7")
    assert all(v.attrs["long_name"] for v in found.data_vars.values())
    assert "binary segmentation" in found.attrs["method"]
    assert "NIGHT_FROM_HEART_RATE" in found.attrs["quality"]


def test_a_device_that_gives_a_heart_rate_per_minute_will_do():
    """Constant intervals within each minute: no RMSSD, no spread but that of whole numbers."""
    hr = np.where((np.arange(24 * 60) >= 660) & (np.arange(24 * 60) < 1140), 56.0, 74.0)
    hr += np.round(np.random.default_rng(1).normal(0, 3, len(hr)))
    counts = np.floor(hr).astype(int)
    per_minute = [np.full(c, 60000.0 / c) for c in counts]
    beats = Beats.from_intervals(np.concatenate(per_minute), start_ns=instant("2026-03-02T12:00"), epoch="utc")
    (night,) = sleep_windows(beats, VIENNA)
    assert np.abs(minutes_off(night, "2026-03-02T23:00", "2026-03-03T07:00")).max() < 25


def beats_of(intervals, start="2026-03-02T12:00"):
    intervals = np.asarray(intervals, dtype=float)
    elapsed = np.cumsum(np.where(np.isfinite(intervals) & (intervals > 0), intervals, 800.0))
    times = instant(start) + np.round(elapsed * 1e6).astype(np.int64)
    return Beats(times, intervals, np.zeros(len(intervals), np.int8))


@pytest.mark.parametrize(
    "intervals",
    [[], [800.0], [np.nan] * 2000, [800.0] * 100_000, [np.inf] * 60_000, [np.nan, *([-5.0] * 60_000)]],
    ids=["empty", "one", "all NaN", "constant", "inf", "negative"],
)
def test_bad_series_have_no_sleep_and_no_warning(intervals):
    beats = beats_of(intervals)
    assert sleep_windows(beats, VIENNA) == []
    found = sleep_from_heart_rate(beats, VIENNA)
    assert np.isnan(found.sleep_onset.values).all()
    assert np.isnan(found.separation.values).all()
    assert (found.reasons.values != 0).all()


def test_no_recording_gives_no_rows_and_a_clock_is_needed():
    assert sleep_from_heart_rate([], VIENNA).sizes["night"] == 0
    beats = beats_of([800.0] * 4000)
    for wrong in (replace(beats, epoch="relative"), beats):
        with pytest.raises(TimeZoneError):
            sleep_from_heart_rate(wrong, VIENNA if wrong is not beats else UNKNOWN_ZONE)
    with pytest.raises(TimeZoneError, match="epochs"):
        sleep_from_heart_rate([beats, replace(beats, epoch="local")], VIENNA)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 3000),
    st.integers(0, 2**31),
    st.floats(0.0, 1.0),
    st.sampled_from([0.0, 0.3, 3.0]),
)
def test_any_course_gives_ordered_intervals_inside_it(size, seed, missing, spread):
    rng = np.random.default_rng(seed)
    minute = np.sort(rng.integers(0, size, size * 20))
    intervals = 800.0 * np.exp(spread * rng.normal(size=len(minute)))
    found = main_sleeps(minute_courses(minute, intervals, rng.random(len(minute)) >= missing))
    for one in found:
        assert 0 <= one.start < one.end <= size + 5
        assert np.isnan(one.start_se) or one.start_se > 0
    middles = [(one.start + one.end) / 2 for one in found]
    assert middles == sorted(middles)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.0, 0.3), st.integers(60, 400), st.integers(200, 420))
def test_the_interval_is_the_best_of_all(seed, missing, begin, length):
    rng = np.random.default_rng(seed)
    score = rng.normal(size=900)
    score[begin : begin + length] -= 2.0
    score[rng.random(900) < missing] = np.nan
    value, start, stop = reference.best_interval(score, SHORTEST_MIN, LONGEST_MIN)
    found = _intervals(score)
    if value <= 0:
        assert found == []
    else:
        assert (start, stop) in found


@pytest.mark.parametrize(("seed", "begin", "width"), [(1, 20, 0), (2, 30, 24), (3, 10, 40)])
@pytest.mark.parametrize("falling", [True, False])
def test_the_likeliest_ramp_is_that_of_single_regressions(seed, begin, width, falling):
    rng = np.random.default_rng(seed)
    at = np.arange(80) + 0.5
    shape = np.clip((at - begin) / max(width, 1e-9), 0, 1)
    values = (-1 if falling else 1) * 4.0 * shape + 0.02 * rng.normal(size=80)
    first, last = reference.ramp(values, falling, RAMP_STEP_MIN)
    found = _ramp(values, falling=falling)
    assert found is not None
    # With next to no noise the likelihood is all in one place and its neighbours.
    assert found[0] == pytest.approx(last if falling else first, abs=RAMP_STEP_MIN)
    assert found[1] < 5


@settings(max_examples=8, deadline=None)
@given(st.integers(-400, 400))
def test_whole_days_later_the_sleep_is_whole_days_later(days):
    night = ("2026-03-02T23:10", "2026-03-03T06:40")
    beats = recorded("2026-03-02T12:00", 24, night)
    (was,) = sleep_windows(beats, TimeZone("UTC+01:00", "user"))
    moved = replace(beats, times_ns=beats.times_ns + days * 24 * HOUR)
    (now,) = sleep_windows(moved, TimeZone("UTC+01:00", "user"))
    assert now == replace(was, start_ns=was.start_ns + days * 24 * HOUR, end_ns=was.end_ns + days * 24 * HOUR)


def test_a_sleep_window_without_estimate_is_as_before():
    assert SleepWindow(0, 1, "diary") == SleepWindow(0, 1, "diary")
    assert np.isnan(SleepWindow(0, 1, "diary").start_se_min)


def test_nights_of_healthy_persons_have_the_length_of_nights(recordings):
    """No truth about sleep in these days; 26 persons whose heart rates fall."""
    hours = []
    for path in sorted((recordings("rr24h") / "normal").glob("*.gz")):
        with gzip.open(path, "rt") as text:
            rr = np.array(text.read().split()[1:], dtype=float) * 1000.0
        minute = (np.cumsum(rr) / 60000.0).astype(np.int64)
        found = main_sleeps(minute_courses(minute, rr, (rr > 300) & (rr < 2000)))
        best = max(found, key=lambda one: one.separation * (one.end - one.start))
        hours.append((best.end - best.start) / 60)
    assert len(hours) == 26
    assert 7.0 < np.median(hours) < 9.0
    assert min(hours) > 5.0
    assert max(hours) < 12.5


def test_a_course_of_nothing_has_no_sleep():
    nothing = np.empty(0)
    assert main_sleeps(minute_courses(nothing.astype(np.int64), nothing, nothing.astype(bool))) == []


def test_local_clock_recordings_need_no_zone():
    beats = recorded("2026-03-02T12:00", 24, ("2026-03-02T23:00", "2026-03-03T07:00"))
    local = replace(beats, times_ns=beats.times_ns + HOUR, epoch="local")
    found = sleep_from_heart_rate(local, UNKNOWN_ZONE)
    assert float(found.sleep_onset_clock[0]) == pytest.approx(23.0, abs=0.7)
    assert datetime.fromtimestamp(float(found.sleep_offset[0]), UTC).hour in (6, 7)
