"""Local clocks, sleep windows and circadian measures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.circadian import CircadianSettings, SleepWindow, circadian, circadian_course, local_times, sleep_windows
from allostat.clocks import equation_of_time_min, solar_times
from allostat.errors import ConfigError, InputError, TimeZoneError
from allostat.hrv import hrv
from allostat.recording import UNKNOWN_ZONE, Beats, TimeZone
from allostat.tables.diary import DiaryDay
from allostat.tables.instant import parse_instant
from allostat.zones import zone_info

S = 1_000_000_000
HOUR = 3600 * S
VIENNA = TimeZone("Europe/Vienna", "user")
MONDAY = int(datetime(2024, 3, 4, tzinfo=UTC).timestamp()) * S


def hourly(values, *, start_ns=MONDAY, epoch="utc", name="hr_of_mean_nn", units="/min", step_ns=HOUR):
    time = start_ns + step_ns * np.arange(len(values))
    return xr.DataArray(
        np.asarray(values, dtype=float), dims="window", name=name, attrs={"units": units},
        coords={"time": ("window", time, {"epoch": epoch})},
    )  # fmt: skip


def rhythm(hours, peak=15.0):
    return 70 + 10 * np.cos(2 * np.pi * (np.asarray(hours) - peak) / 24)


def daily_beats(hours, *, start_ns=MONDAY, lowest_h=3.0, epoch="utc", skip=()):
    """Beats whose heart rate is lowest at an hour of the UTC clock."""
    clock = start_ns + np.arange(0, int(hours * HOUR) + 1, 10 * S)
    rate = 70 - 15 * np.cos(2 * np.pi * (clock % (24 * HOUR) / HOUR - lowest_h) / 24)
    counted = np.concatenate([[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2 * 10 / 60)])
    at = np.interp(np.arange(1, int(counted[-1])), counted, clock - clock[0]).astype(np.int64) + start_ns
    breaks = np.zeros(len(at), bool)
    for a, b in skip:
        keep = (at < a) | (at >= b)
        at, breaks = at[keep], breaks[keep]
        breaks[np.searchsorted(at, b)] = True
    return Beats.from_times(at, breaks=breaks, epoch=epoch, source="simulated")


def test_golden_cosinor_and_profile(golden):
    found = circadian(hourly(rhythm(np.arange(168))), "UTC+00:00")
    for name, key in (("mesor", "mesor"), ("amplitude", "amplitude"), ("acrophase", "acrophase_h")):
        assert float(found[name]) == pytest.approx(golden["cosinor_same_series"][key], rel=1e-9)
    want = golden["npcra_70+10cos(2pi(h-15)/24)_168h"]
    names = {"interdaily_stability": "IS", "intradaily_variability": "IV", "m10": "M10", "m10_onset": "M10_onset_h",
             "l5": "L5", "l5_onset": "L5_onset_h", "relative_amplitude": "RA"}  # fmt: skip
    for name, key in names.items():
        assert float(found[name]) == pytest.approx(want[key], rel=1e-9), name
    assert found.m10.attrs["phase"] == "active"
    assert float(found.p) == 0
    assert found.attrs["quality"] == "NO_SLEEP_WINDOW"


def test_high_hours_of_rmssd_are_those_of_rest():
    found = circadian(hourly(rhythm(np.arange(72)), name="ln_rmssd", units="ln(ms)"), VIENNA)
    assert (found.m10.attrs["phase"], found.l5.attrs["phase"]) == ("rest", "active")
    assert found.mesor.attrs["units"] == "ln(ms)"
    assert circadian(hourly(rhythm(np.arange(72)), name="other"), VIENNA).m10.attrs.get("phase") is None


@settings(max_examples=15, deadline=None)
@given(st.integers(-300, 300), st.integers(0, 23))
def test_whole_days_change_nothing_and_the_acrophase_is_that_of_the_local_clock(days, hours):
    noise = np.random.default_rng(5).normal(0, 3, 96)
    y = rhythm(np.arange(96)) + noise
    was = circadian(hourly(y), "UTC+00:00")
    moved = circadian(hourly(y, start_ns=MONDAY + days * 24 * HOUR), "UTC+00:00")
    east = circadian(hourly(y), f"UTC+{min(hours, 14):02d}:00")
    for name in was.data_vars:
        np.testing.assert_allclose(moved[name].values, was[name].values, rtol=1e-9, err_msg=str(name))
    shift = (float(east.acrophase) - float(was.acrophase) - min(hours, 14)) % 24
    assert min(shift, 24 - shift) < 1e-9
    assert float(east.m10_onset) == (float(was.m10_onset) + min(hours, 14)) % 24


def test_p_equals_the_tail_of_f():
    from scipy import stats

    y = rhythm(np.arange(48)) + np.random.default_rng(1).normal(0, 20, 48)
    found = circadian(hourly(y), VIENNA)
    assert float(found.p) == pytest.approx(stats.f.sf(float(found.f), 2, 45), rel=1e-9)


def test_less_than_a_day_is_refused_unless_forced():
    short = hourly(rhythm(np.arange(20)))
    found = circadian(short, VIENNA)
    assert np.isnan(float(found.mesor))
    assert np.isnan(float(found.m10))
    assert "SPAN_BELOW_24_H" in found.attrs["quality"].split()
    forced = circadian(short, "UTC", force=True)
    assert float(forced.mesor) == pytest.approx(70, rel=1e-9)
    one_day = circadian(hourly(rhythm(np.arange(30))), VIENNA)
    assert np.isnan(float(one_day.interdaily_stability))
    assert np.isfinite(float(one_day.intradaily_variability))
    assert "SPAN_BELOW_48_H" in one_day.attrs["quality"].split()


def test_empty_and_missing_values_stay_missing():
    for values in ([], [np.nan] * 50):
        found = circadian(hourly(values), VIENNA)
        assert np.isnan(float(found.mesor))
        assert np.isnan(float(found.intradaily_variability))
    y = rhythm(np.arange(72))
    y[10:20] = np.nan
    assert float(circadian(hourly(y), "UTC").mesor) == pytest.approx(70, rel=1e-9)


def test_an_unknown_zone_or_date_is_refused():
    with pytest.raises(TimeZoneError, match="not known"):
        circadian(hourly(rhythm(np.arange(48))), UNKNOWN_ZONE)
    with pytest.raises(TimeZoneError, match="date"):
        circadian(hourly(rhythm(np.arange(48)), epoch="relative"), VIENNA)
    local = circadian(hourly(rhythm(np.arange(48)), epoch="local"), UNKNOWN_ZONE)
    assert float(local.acrophase) == pytest.approx(15, rel=1e-9)
    with pytest.raises(TimeZoneError, match="Europe/Vienna"):
        circadian(hourly(rhythm(np.arange(48))), "Europe/Viena")


def test_a_series_without_time_is_refused():
    with pytest.raises(InputError, match="window"):
        circadian(xr.DataArray([1.0, 2.0], dims="x"), VIENNA)
    with pytest.raises(InputError, match="int64"):
        circadian(xr.DataArray([1.0], dims="window", coords={"time": ("window", [0.5])}), VIENNA)


def test_local_times_follow_the_clock_change():
    at = [datetime(2024, 3, 31, 0, 59, 59, tzinfo=UTC), datetime(2024, 3, 31, 1, tzinfo=UTC)]
    ns = np.array([int(t.timestamp()) for t in at]) * S
    assert ((local_times(ns, VIENNA) - ns) // HOUR).tolist() == [1, 2]
    assert ((local_times(ns.reshape(2, 1), "UTC-03:30") - ns[:, None]) / HOUR).ravel().tolist() == [-3.5, -3.5]
    assert local_times(ns, UNKNOWN_ZONE, "local").tolist() == ns.tolist()
    assert local_times(np.empty(0, np.int64), VIENNA).tolist() == []


@pytest.mark.parametrize(
    ("name", "hours"),
    [
        *[("UTC", 0), ("Z", 0), ("GMT", 0), ("utc", 0), ("UTC+00:00", 0), ("UTC+2", 2), ("UTC-05:00", -5)],
        *[("UTC+0530", 5.5), ("GMT+5:45", 5.75), ("+02:00", 2), ("-0330", -3.5), ("UTC+14:00", 14)],
    ],
)
def test_fixed_offsets(name, hours):
    assert zone_info(name).utcoffset(datetime(2024, 1, 1)).total_seconds() / 3600 == hours  # noqa: DTZ001


@pytest.mark.parametrize(
    "name", ["", "Vienna", "Europe", "UTC+25:00", "UTC+14:15", "UTC+01:75", "../../etc/passwd", "\x00"]
)
def test_unknown_zones_are_refused(name):
    with pytest.raises(TimeZoneError, match="unknown time zone"):
        zone_info(name)


def test_the_low_hours_of_the_heart_rate_are_the_night():
    found = sleep_windows(daily_beats(48, start_ns=MONDAY + 12 * HOUR), VIENNA)
    assert [w.source for w in found] == ["heart_rate", "heart_rate"]
    for k, window in enumerate(found):
        middle = (window.start_ns + window.end_ns) / 2 - MONDAY - 24 * HOUR * (k + 1)
        assert middle / HOUR == pytest.approx(3.0, abs=0.6)
        assert window.quality[0] == "NIGHT_FROM_HEART_RATE"


def test_a_recording_by_day_has_no_night():
    assert sleep_windows(daily_beats(6, start_ns=MONDAY + 8 * HOUR), VIENNA) == []
    assert sleep_windows(daily_beats(3), VIENNA) == []
    assert sleep_windows(Beats.from_times(np.empty(0, np.int64)), VIENNA) == []
    worker = sleep_windows(daily_beats(24, start_ns=MONDAY + 3 * HOUR, lowest_h=15), VIENNA)
    assert worker[0].quality[:2] == ("NIGHT_FROM_HEART_RATE", "NIGHT_AT_UNUSUAL_HOURS")


def test_the_night_of_a_recording_with_a_gap():
    gap = [(MONDAY + 26 * HOUR, MONDAY + 26 * HOUR + HOUR // 2)]
    found = sleep_windows(daily_beats(24, start_ns=MONDAY + 12 * HOUR, skip=gap), VIENNA)
    assert len(found) == 1
    assert ((found[0].start_ns + found[0].end_ns) / 2 - MONDAY) / HOUR == pytest.approx(27, abs=1.1)


def test_sleep_windows_need_a_clock():
    with pytest.raises(TimeZoneError):
        sleep_windows(daily_beats(8), UNKNOWN_ZONE)
    with pytest.raises(TimeZoneError):
        sleep_windows(daily_beats(8, epoch="relative"), VIENNA)
    with pytest.raises(TimeZoneError, match="epochs"):
        sleep_windows([daily_beats(1), daily_beats(1, epoch="local")], VIENNA)


def diary(*rows):
    days = []
    for day, wake, bed in rows:
        date = datetime.fromisoformat(day).date()
        days.append(DiaryDay("sub-001", date, wake and parse_instant(wake), bed and parse_instant(bed)))
    return days


def test_a_diary_night_wins_over_the_heart_rate():
    days = diary(("2024-03-04", None, "2024-03-04T23:10"), ("2024-03-05", "2024-03-05T06:40", None))
    found = sleep_windows(daily_beats(60), VIENNA, days)
    assert [w.source for w in found] == ["heart_rate", "diary", "heart_rate"]
    told = found[1]
    assert told.start_ns == MONDAY + 22 * HOUR + 10 * 60 * S
    assert told.end_ns == MONDAY + 29 * HOUR + 40 * 60 * S
    assert told.quality == ()


def test_diary_instants_of_every_kind_meet_the_clock_of_the_beats():
    naive = diary(("2024-03-04", None, "2024-03-04T23:00"), ("2024-03-05", "2024-03-05T07:00", None))
    offset = diary(("2024-03-04", None, "2024-03-04T23:00+01:00"), ("2024-03-05", "2024-03-05T07:00+01:00", None))
    by_utc = [sleep_windows(daily_beats(40), VIENNA, d)[1] for d in (naive, offset)]
    assert by_utc[0] == by_utc[1] == SleepWindow(MONDAY + 22 * HOUR, MONDAY + 30 * HOUR, "diary")
    by_wall = [sleep_windows(daily_beats(40, epoch="local"), UNKNOWN_ZONE, d)[1] for d in (naive, offset)]
    assert by_wall[0] == by_wall[1] == SleepWindow(MONDAY + 23 * HOUR, MONDAY + 31 * HOUR, "diary")


def test_a_diary_night_without_waking_or_beats_is_left_out():
    days = diary(
        ("2024-03-04", None, "2024-03-04T23:00"), ("2024-03-07", "2024-03-07T07:00", "2024-03-07T22:00"),
        ("2024-03-08", "2024-03-08T06:00", None),
    )  # fmt: skip
    assert {w.source for w in sleep_windows(daily_beats(60), VIENNA, days)} == {"heart_rate"}


def test_dip_and_morning_slope():
    night = [SleepWindow(MONDAY + k * 24 * HOUR, MONDAY + k * 24 * HOUR + 6 * HOUR, "diary") for k in range(3)]
    hours = np.arange(0, 72, 0.25)
    clock = hours % 24
    y = np.where(clock < 6, 60.0, 80.0)
    morning = (clock >= 6) & (clock <= 10)
    level = 80.0 + 2 * (hours // 24)
    y[morning] = (level + 3 * (clock - 6))[morning]
    found = circadian(hourly(y, step_ns=HOUR // 4), VIENNA, night)
    day = y[clock >= 6].mean()
    assert float(found.dip) == pytest.approx(1 - 60 / day, rel=1e-9)
    assert float(found.morning_slope) == pytest.approx(3, rel=1e-9)
    assert float(found.morning_slope_se) == pytest.approx(0, abs=1e-6)
    assert float(found.morning_slope_n) == 51
    assert found.slope_by_morning.values == pytest.approx([3, 3, 3], rel=1e-9)
    assert found.morning_slope.attrs["units"] == "/min/h"
    logs = circadian(hourly(np.log(y), step_ns=HOUR // 4, units="ln(ms)"), VIENNA, night)
    assert float(logs.dip) == pytest.approx(1 - 60 / np.exp(np.log(y[clock >= 6]).mean()), rel=1e-9)


def test_one_morning_has_the_standard_error_of_a_plain_line():
    from allostat.kernels.regression import ols

    rng = np.random.default_rng(2)
    y = 70 + rng.normal(0, 3, 30)
    found = circadian(hourly(y), VIENNA, [SleepWindow(MONDAY, MONDAY + 6 * HOUR, "diary")])
    line = ols(np.arange(5.0), y[6:11])
    assert float(found.morning_slope) == pytest.approx(line.slope, rel=1e-9)
    assert float(found.morning_slope_se) == pytest.approx(line.slope_se, rel=1e-9)


def test_windows_of_hrv_go_straight_in():
    beats = daily_beats(50)
    windows = hrv(beats, "5min")
    night = sleep_windows(beats, VIENNA)
    found = circadian(windows["hr_of_mean_nn"], VIENNA, night)
    assert float(found.mesor) == pytest.approx(70, abs=0.1)
    assert float(found.amplitude) == pytest.approx(15, abs=0.1)
    assert float(found.acrophase) == pytest.approx(16, abs=0.05)
    assert 0.1 < float(found.dip) < 0.3
    assert "NIGHT_FROM_HEART_RATE" in found.attrs["quality"].split()
    assert found.attrs["timezone"] == "Europe/Vienna"
    assert "sleep: heart rate, interval of 3 to 14 h" in found.attrs["method"]
    assert found.attrs["references"].startswith("10.1038/s41598-022-11792-7")
    assert all(v.attrs["long_name"] for v in found.data_vars.values())


def on_the_wall(first, days, zone, step_ns=HOUR // 4, peak=15.0):
    """A rhythm that follows the wall clock of a zone, sampled evenly in elapsed time."""
    start = int(datetime.fromisoformat(first).replace(tzinfo=zone_info(zone)).timestamp()) * S
    stop = int((datetime.fromisoformat(first) + timedelta(days=days)).replace(tzinfo=zone_info(zone)).timestamp()) * S
    at = np.arange(start, stop, step_ns)
    hours = local_times(at, zone) % (24 * HOUR) / HOUR
    return hourly(rhythm(hours, peak), start_ns=start, step_ns=step_ns)


@pytest.mark.parametrize(
    ("zone", "first", "hours"),
    [
        ("Europe/Vienna", "2024-03-30", 71), ("Europe/Vienna", "2024-10-26", 73),
        ("America/New_York", "2024-03-09", 71), ("America/New_York", "2024-11-02", 73),
        ("Australia/Adelaide", "2024-10-05", 71),
    ],
)  # fmt: skip
def test_days_of_23_and_25_hours(zone, first, hours):
    series = on_the_wall(first, 3, zone)
    assert len(series) == hours * 4
    found = circadian(series, zone)
    assert float(found.acrophase) == pytest.approx(15, abs=1e-9)
    assert float(found.amplitude) == pytest.approx(10, abs=1e-9)
    assert float(found.m10_onset) == 10
    by_day = circadian_course(series, zone)
    assert by_day.sizes["day"] == 3
    assert (by_day.n.values / 4).tolist() == [24, hours - 48, 24]
    assert by_day.acrophase.values == pytest.approx([15] * 3, abs=1e-9)
    assert by_day.clock_hours.values.tolist() == [24, min(hours - 48, 24), 24]


def test_the_hour_that_comes_twice_is_two_hours():
    from allostat.circadian_series import hour_means, points_of

    hours = hour_means(points_of(on_the_wall("2024-10-26", 2, "Europe/Vienna", HOUR), VIENNA))
    assert len(hours.mean) == 49
    assert hours.clock_hour[24:29].tolist() == [0, 1, 2, 2, 3]
    assert np.isfinite(hours.mean).all()
    spring = hour_means(points_of(on_the_wall("2024-03-30", 2, "Europe/Vienna", HOUR), VIENNA))
    assert len(spring.mean) == 47
    assert spring.clock_hour[24:28].tolist() == [0, 1, 3, 4]
    assert np.isfinite(spring.mean).all()


def test_hours_of_a_zone_off_by_half_an_hour_begin_on_its_clock():
    from allostat.circadian_series import hour_means, points_of

    hours = hour_means(points_of(on_the_wall("2024-06-01", 2, "Asia/Kolkata"), TimeZone("Asia/Kolkata", "user")))
    assert len(hours.mean) == 48
    assert hours.clock_hour[:3].tolist() == [0, 1, 2]


def test_equation_of_time_and_the_solar_clock():
    dates = [(2, 11, -14.2), (4, 15, 0.0), (5, 14, 3.7), (7, 26, -6.5), (11, 3, 16.4), (12, 25, 0.0)]
    at = np.array([int(datetime(2024, m, d, 12, tzinfo=UTC).timestamp()) for m, d, _ in dates]) * S
    assert equation_of_time_min(at) == pytest.approx([minutes for *_, minutes in dates], abs=0.4)
    east = solar_times(at, 90.0) - solar_times(at, 0.0)
    assert (east / HOUR).tolist() == [6.0] * 6
    with pytest.raises(InputError, match="longitude"):
        solar_times(at, 181.0)
    with pytest.raises(TimeZoneError, match="UTC"):
        solar_times(at, 0.0, "local")


def test_summer_time_moves_the_wall_clock_and_not_the_sun():
    series = hourly(rhythm(np.arange(24 * 60), peak=11.0), start_ns=MONDAY)
    solar = CircadianSettings(clock="solar", longitude_deg=16.4)
    sun = circadian_course(series, VIENNA, 3, 3, settings=solar)
    wall = circadian_course(series, VIENNA, 3, 3)
    assert np.ptp(sun.acrophase.values) < 0.35
    assert np.ptp(wall.acrophase.values) == pytest.approx(1.0, abs=1e-6)
    one = circadian(series, VIENNA, settings=solar)
    assert one.attrs["clock"] == "solar"
    assert "solar clock" in one.acrophase.attrs["long_name"]
    assert float(one.acrophase) == pytest.approx(11 + 16.4 / 15, abs=0.25)


def test_several_components_with_intervals():
    from scipy import stats

    t = np.arange(96)
    y = rhythm(t) + 4 * np.cos(2 * np.pi * (t - 2) / 12) + np.random.default_rng(1).normal(0, 2, 96)
    found = circadian(hourly(y), "UTC", settings=CircadianSettings(periods_h=(24.0, 12.0), confidence=0.9))
    assert found.period.values.tolist() == [24, 12]
    assert found.component_amplitude.values == pytest.approx([10, 4], abs=1)
    assert float(found.amplitude) == float(found.component_amplitude[0])
    assert np.all(found.component_p.values < 1e-6)
    t_quantile = stats.t.ppf(0.95, 96 - 5)
    assert float(found.amplitude_high - found.amplitude) == pytest.approx(t_quantile * float(found.amplitude_se))
    assert float(found.mesor_low) < 70 < float(found.mesor_high)
    assert float(found.p) == pytest.approx(stats.f.sf(float(found.f), 4, 91), rel=1e-9)


def test_no_rhythm_is_not_significant_more_often_than_stated():
    p = [float(circadian(hourly(np.random.default_rng(k).normal(70, 5, 48)), "UTC").p) for k in range(100)]
    assert np.mean(np.array(p) < 0.05) < 0.12
    assert np.mean(p) == pytest.approx(0.5, abs=0.1)


def test_settings_of_the_hourly_measures():
    y = rhythm(np.arange(96)) + np.random.default_rng(2).normal(0, 3, 96)
    y[30:36] = np.nan
    by_data = circadian(hourly(y), "UTC")
    by_days = circadian(hourly(y), "UTC", settings=CircadianSettings(extremes="days"))
    assert float(by_days.m10) > float(by_data.m10)
    assert float(by_days.l5) < float(by_data.l5)
    full = circadian(hourly(y), "UTC", settings=CircadianSettings(least_hours_per_day=20))
    assert float(full.interdaily_stability) != float(by_data.interdaily_stability)
    profile = circadian(hourly(y), "UTC", settings=CircadianSettings(centre="profile"))
    assert float(profile.interdaily_stability) != float(by_data.interdaily_stability)


@pytest.mark.parametrize(
    "wrong",
    [
        {"periods_h": ()}, {"periods_h": (24.0, 24.0)}, {"confidence": 1.0}, {"clock": "moon"}, {"clock": "solar"},
        {"longitude_deg": 3.0}, {"centre": "median"}, {"extremes": "weeks"}, {"least_hours_per_day": 25},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ConfigError):
        CircadianSettings(**wrong)


def test_a_course_over_days_follows_a_drifting_rhythm():
    t = np.arange(0, 24 * 10, 0.25)
    drifting = 70 + 10 * np.cos(2 * np.pi * (t - 15 - 0.5 * t / 24) / 24)
    course = circadian_course(hourly(drifting, step_ns=HOUR // 4), "UTC", 3)
    assert course.sizes["day"] == 8
    assert np.diff(course.acrophase.values) == pytest.approx([0.5] * 7, abs=0.05)
    assert course.phase_shift.values[0] < -1 < 1 < course.phase_shift.values[-1]
    assert course.day.values[0] == MONDAY // (24 * HOUR)
    for days, step in ((0, 1), (1, 0)):
        with pytest.raises(ConfigError):
            circadian_course(hourly(drifting), "UTC", days, step)
    assert circadian_course(hourly([]), "UTC").sizes["day"] == 0
    few = circadian_course(hourly(rhythm(np.arange(8))), "UTC")
    assert np.isnan(few.acrophase.values).all()
    with pytest.raises(TimeZoneError):
        circadian_course(hourly(drifting), UNKNOWN_ZONE)


def test_day_to_night_ratio_of_rates_and_of_logarithms():
    night = [SleepWindow(MONDAY, MONDAY + 6 * HOUR, "diary")]
    y = np.where(np.arange(24) < 6, 50.0, 75.0)
    found = circadian(hourly(y), "UTC", night)
    assert float(found.day_night_ratio) == pytest.approx(1.5, rel=1e-12)
    assert (float(found.night_n), float(found.day_n)) == (6, 18)
    logs = circadian(hourly(np.log(y), units="ln(ms)"), "UTC", night)
    assert float(logs.day_night_ratio) == pytest.approx(1.5, rel=1e-12)
    assert np.isnan(float(circadian(hourly(y), "UTC").day_night_ratio))
