"""Cosinor, non-parametric circadian measures, regression lines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.cosinor import cosinor
from allostat.kernels.regression import log_linear, ols
from allostat.kernels.rest_activity import rest_activity
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
