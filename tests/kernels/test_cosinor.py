"""Cosinor, non-parametric circadian measures, regression lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.cosinor import cosinor, multi_cosinor
from allostat.kernels.regression import log_linear, ols
from allostat.kernels.rest_activity import daily_extremes, rest_activity
from tests.reference import cosinor as reference

HOURS = np.arange(168.0)
RHYTHM = 70 + 10 * np.cos(2 * np.pi * (HOURS - 15) / 24)


def noisy(seed, n=120):
    rng = np.random.default_rng(seed)
    t = np.sort(rng.uniform(0, 72, n))
    return t, 65 + 8 * np.cos(2 * np.pi * (t - 16) / 24) + rng.normal(0, 4, n)


def test_golden_cosinor(golden):
    fit, want = cosinor(HOURS, RHYTHM), golden["cosinor_same_series"]
    assert fit.mesor == pytest.approx(want["mesor"], rel=1e-12)
    assert fit.amplitude == pytest.approx(want["amplitude"], rel=1e-12)
    assert fit.acrophase_h == pytest.approx(want["acrophase_h"], rel=1e-12)
    assert fit.percent_rhythm == pytest.approx(100, rel=1e-12)


def test_golden_npcra(golden):
    found, want = rest_activity(RHYTHM), golden["npcra_70+10cos(2pi(h-15)/24)_168h"]
    assert found.interdaily_stability == pytest.approx(want["IS"], rel=1e-9)
    assert found.intradaily_variability == pytest.approx(want["IV"], rel=1e-9)
    assert (found.m10, found.m10_onset) == pytest.approx((want["M10"], want["M10_onset_h"]), rel=1e-9)
    assert (found.l5, found.l5_onset) == pytest.approx((want["L5"], want["L5_onset_h"]), rel=1e-9)
    assert found.relative_amplitude == pytest.approx(want["RA"], rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_cosinor_equals_the_slow_twin(seed):
    t, y = noisy(seed)
    fit, slow = cosinor(t, y), reference.cosinor(t, y)
    for name, value in slow.items():
        assert getattr(fit, name) == pytest.approx(value, rel=1e-6), name


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(-400, 400), st.floats(0.1, 23.9))
def test_whole_days_change_nothing_and_the_acrophase_shifts_with_the_clock(seed, days, hours):
    t, y = noisy(seed)
    fit, by_days, by_hours = cosinor(t, y), cosinor(t + 24 * days, y), cosinor(t + hours, y)
    np.testing.assert_allclose(np.array(by_days), np.array(fit), rtol=1e-7)
    assert by_hours.amplitude == pytest.approx(fit.amplitude, rel=1e-7)
    assert np.cos((by_hours.acrophase_h - fit.acrophase_h - hours) * np.pi / 12) == pytest.approx(1, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 60))
def test_npcra_does_not_change_by_whole_days_and_onsets_shift_with_the_clock(seed, shift):
    x = np.random.default_rng(seed).normal(70, 10, 96)
    was, now = rest_activity(x), rest_activity(x, first_bin=shift)
    assert rest_activity(x, first_bin=24 * shift) == was
    assert now.m10 == pytest.approx(was.m10, rel=1e-12)
    assert now.m10_onset == (was.m10_onset + shift) % 24
    assert now.interdaily_stability == pytest.approx(was.interdaily_stability, rel=1e-12)


def test_npcra_leaves_missing_hours_out():
    x = RHYTHM.copy()
    x[[3, 50, 51, 120]] = np.nan
    found = rest_activity(x)
    assert found.m10 == pytest.approx(77.33693506762263, rel=1e-9)
    assert found.interdaily_stability == pytest.approx(1, rel=1e-9)
    always = RHYTHM.copy()
    always[5::24] = np.nan
    assert np.isnan(rest_activity(always).l5)
    assert np.isnan(rest_activity(np.full(48, 60.0)).interdaily_stability)


@pytest.mark.parametrize("y", [[1.0, 2.0], [np.nan] * 9, [5.0] * 9])
def test_cosinor_without_rhythm_is_missing(y):
    fit = cosinor(np.arange(len(y)) * 3.0, np.array(y))
    assert np.isnan(fit.acrophase_h)
    assert np.isnan(fit.f)


def test_cosinor_of_one_place_in_the_period_is_missing():
    assert np.isnan(cosinor(np.arange(10) * 24.0, np.arange(10.0)).amplitude)


def test_golden_cortisol_slopes(golden):
    day = golden["diurnal"]
    line = log_linear(np.array(day["t_h"]), np.array(day["nmolL"]))
    assert line.slope == pytest.approx(day["ln_ols_slope"], rel=1e-9)
    assert line.intercept == pytest.approx(day["ln_intercept"], rel=1e-9)
    raw = ols(np.array(day["t_h"]), np.array(day["nmolL"]))
    assert raw.slope == pytest.approx(day["raw_ols_slope"], rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 40))
def test_line_equals_the_slow_twin(seed, n):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 16, n), rng.normal(2, 1, n)
    line, slow = ols(x, y), reference.line(x, y)
    for name, value in slow.items():
        assert getattr(line, name) == pytest.approx(value, rel=1e-7), name


def test_a_line_needs_two_different_places():
    assert np.isnan(ols(np.array([1.0, 1.0]), np.array([1.0, 2.0])).slope)
    two = ols(np.array([1.0, 3.0, np.nan]), np.array([1.0, 2.0, 7.0]))
    assert (two.slope, two.n) == (0.5, 2)
    assert np.isnan(two.slope_se)
    assert log_linear(np.arange(4.0), np.array([1.0, 0.0, -1.0, np.e])).n == 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([(24.0,), (24.0, 12.0), (24.0, 12.0, 8.0), (21.0, 5.5)]))
def test_several_cosines_equal_the_slow_twin(seed, periods):
    t, y = noisy(seed)
    fit, slow = multi_cosinor(t, y, periods), reference.multi_cosinor(t, y, periods)
    for name, value in slow.items():
        if name != "components":
            assert getattr(fit, name) == pytest.approx(value, rel=1e-6), name
    for got, want in zip(fit.components, slow["components"], strict=True):
        for name, value in want.items():
            assert getattr(got, name) == pytest.approx(value, rel=1e-5), name


def test_two_cosines_are_found_again_with_the_extremes_of_their_sum():
    t = np.arange(0, 72, 0.25)
    y = 70 + 8 * np.cos(2 * np.pi * (t - 15) / 24) + 3 * np.cos(2 * np.pi * (t - 2) / 12)
    fit = multi_cosinor(t, y, (24.0, 12.0))
    assert [c.amplitude for c in fit.components] == pytest.approx([8, 3], rel=1e-9)
    assert [c.acrophase_h for c in fit.components] == pytest.approx([15, 2], rel=1e-9)
    fine = np.arange(0, 24, 0.0005)
    curve = 8 * np.cos(2 * np.pi * (fine - 15) / 24) + 3 * np.cos(2 * np.pi * (fine - 2) / 12)
    assert fit.orthophase_h == pytest.approx(fine[curve.argmax()], abs=0.001)
    assert fit.bathyphase_h == pytest.approx(fine[curve.argmin()], abs=0.001)
    assert fit.magnitude == pytest.approx((curve.max() - curve.min()) / 2, rel=1e-8)


def test_statsmodels_gives_the_same_coefficients_errors_and_tests():
    api = pytest.importorskip("statsmodels.api")
    t, y = noisy(7)
    w = 2 * np.pi / 24
    design = np.column_stack([np.ones(len(t)), np.cos(w * t), np.sin(w * t), np.cos(2 * w * t), np.sin(2 * w * t)])
    theirs, fit = api.OLS(y, design).fit(), multi_cosinor(t, y, (24.0, 12.0))
    assert fit.mesor == pytest.approx(theirs.params[0], rel=1e-10)
    assert fit.mesor_se == pytest.approx(theirs.bse[0], rel=1e-10)
    assert fit.f == pytest.approx(theirs.fvalue, rel=1e-9)
    second = theirs.f_test(np.eye(5)[3:])
    assert fit.components[1].f == pytest.approx(float(second.fvalue), rel=1e-8)


def test_intervals_of_the_cosinor_hold_the_truth_as_often_as_they_say():
    hits = np.zeros(2)
    rounds = 400
    for seed in range(rounds):
        t = np.arange(0, 48, 1.0)
        y = 70 + 6 * np.cos(2 * np.pi * (t - 15) / 24) + np.random.default_rng(seed).normal(0, 4, len(t))
        fit = cosinor(t, y)
        hits += [
            abs(fit.amplitude - 6) < 2.014 * fit.amplitude_se,
            abs(fit.acrophase_h - 15) < 2.014 * fit.acrophase_se_h,
        ]
    assert np.all(hits / rounds > 0.92)
    assert np.all(hits / rounds < 0.98)


@pytest.mark.parametrize("periods", [(), (24.0, 24.0), (0.0,), (np.nan,), (np.inf,)])
def test_periods_are_different_positive_numbers(periods):
    with pytest.raises(ValueError, match="periods"):
        multi_cosinor(HOURS, RHYTHM, periods)


@pytest.mark.parametrize("n", [0, 1, 2, 4, 5])
def test_a_handful_of_points_gives_what_it_determines(n):
    fit = multi_cosinor(np.arange(n) * 3.0, np.array([1.0, 4.0, 2.0, 8.0, 5.0])[:n], (24.0, 12.0))
    assert fit.n == n
    assert np.isnan(fit.f)
    assert np.isfinite(fit.mesor) == (n == 5)


def test_is_from_the_profile_weighs_the_hours_of_the_day_alike():
    x = RHYTHM + np.random.default_rng(3).normal(0, 3, len(RHYTHM))
    assert rest_activity(x, centre="profile").interdaily_stability == pytest.approx(
        rest_activity(x).interdaily_stability, rel=1e-12
    )
    x[24:150] = np.where(np.arange(126) % 3 == 0, np.nan, x[24:150])
    assert rest_activity(x, centre="profile").interdaily_stability != rest_activity(x).interdaily_stability
    with pytest.raises(ValueError, match="profile"):
        rest_activity(x, centre="median")


def test_an_hour_that_comes_twice_counts_in_its_clock_hour():
    bins = np.concatenate([np.arange(24), [0, 1, 2, 2], np.arange(3, 24), np.arange(24)])
    x = np.cos(2 * np.pi * bins / 24)
    found = rest_activity(x, clock_bins=bins)
    assert found.interdaily_stability == pytest.approx(1, rel=1e-12)
    for wrong in (bins[1:], bins + 1, bins.astype(float)):
        with pytest.raises(ValueError, match="bin"):
            rest_activity(x, clock_bins=wrong)


def test_extremes_of_single_days_are_averaged():
    bins = np.tile(np.arange(24), 3)
    day = np.repeat(np.arange(3), 24)
    x = np.where((bins >= 8) & (bins < 18), 90.0, 60.0) + day
    x[(bins >= 1) & (bins < 6)] -= 10
    found = daily_extremes(x, day, bins)
    assert (found.m10, found.m10_onset, found.l5, found.l5_onset, found.days) == pytest.approx((91, 8, 51, 1, 3))
    x[30] = np.nan
    assert daily_extremes(x, day, bins).days == 3
    assert daily_extremes(np.full(72, np.nan), day, bins).days == 0
    assert daily_extremes(np.empty(0), np.empty(0, int), np.empty(0, int)).days == 0
