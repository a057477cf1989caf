"""Intervals of a cosinor: the touching circles and rays by brute force, and how often intervals hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from allostat.circadian import CircadianSettings, circadian
from allostat.circadian_intervals import cosinor_intervals, touching_circles, touching_rays
from allostat.circadian_series import fitted, points_of
from allostat.errors import ConfigError
from allostat.recording import TimeZone

HOUR = 3600 * 1_000_000_000
UTC = TimeZone("UTC", "user")


def series(y, step_h=1.0, name="hr_of_mean_nn"):
    time = (1_700_006_400 * 1_000_000_000 + np.round(step_h * HOUR * np.arange(len(y)))).astype(np.int64)
    return xr.DataArray(
        np.asarray(y, dtype=float), dims="window", name=name, attrs={"units": "/min"},
        coords={"time": ("window", time, {"epoch": "utc"})},
    )  # fmt: skip


def hours_of(y, step_h=1.0):
    """The clock of `series`, which begins at midnight."""
    return step_h * np.arange(len(y))


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.floats(-5, 5), st.floats(-5, 5)), st.floats(0.05, 4), st.floats(0.05, 4), st.floats(0, np.pi)
)  # fmt: skip
def test_circles_and_rays_touch_the_ellipse(centre, a, b, tilt):
    """Reference: forty thousand points of the boundary."""
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    shape = turn @ np.diag([a * a, b * b]) @ turn.T
    at = np.array(centre)
    u = np.linspace(0, 2 * np.pi, 40_001)
    x, y = at[:, None] + turn @ np.array([a * np.cos(u), b * np.sin(u)])
    reach = at @ np.linalg.inv(shape) @ at
    assume(abs(reach - 1.0) > 1e-9)  # an origin on the ellipse itself lies on either side of it by rounding
    covers = reach <= 1
    low, high = touching_circles(at, shape)
    assert high == pytest.approx(np.hypot(x, y).max(), rel=1e-7)
    assert low == pytest.approx(0.0 if covers else np.hypot(x, y).min(), rel=1e-4, abs=1e-4 * max(a, b))
    rays = touching_rays(at, shape)
    assert (rays is None) == covers
    if rays is not None:
        away = np.angle(np.exp(1j * (np.arctan2(y, x) - np.arctan2(at[1], at[0]))))
        assert rays == pytest.approx((away.min(), away.max()), abs=2e-3)
        assert rays[0] < 0 < rays[1]


def covered(noise, amplitude, days, step_h, samples, method):
    """How often the intervals of mesor, amplitude and acrophase hold the truth."""
    chosen = CircadianSettings(intervals=method, draws=200)
    held = np.zeros(3)
    for sample in range(samples):
        hours = np.arange(0, 24 * days, step_h)
        y = 70 + amplitude * np.cos(2 * np.pi * (hours - 15) / 24) + noise(np.random.default_rng(sample), hours)
        points = points_of(series(y, step_h), UTC, chosen)
        found = cosinor_intervals(points, fitted(points, True, chosen), chosen)
        for j, (interval, truth) in enumerate(zip(found[:3], (70, amplitude, 15), strict=True)):
            around = (truth - 24, truth, truth + 24) if j == 2 else (truth,)
            # No acrophase is excluded where the ellipse covers no rhythm.
            held[j] += np.isnan(interval.low) or any(interval.low <= t <= interval.high for t in around)
    return held / samples


def independent(rng, hours):
    return rng.normal(0, 8, len(hours))


def alike_within_a_day(rng, hours):
    day = (hours // 24).astype(int)
    level, turn = rng.normal(0, 3, day.max() + 1), rng.normal(0, 3, (day.max() + 1, 2))
    wave = turn[day, 0] * np.cos(2 * np.pi * hours / 24) + turn[day, 1] * np.sin(2 * np.pi * hours / 24)
    return level[day] + wave + rng.normal(0, 4, len(hours))


def test_intervals_hold_the_truth_as_often_as_they_say_for_independent_residuals():
    for method in ("delta", "ellipse", "bootstrap"):
        assert covered(independent, 10.0, 4, 1.0, 120, method).min() > 0.88, method


def test_the_ellipse_holds_small_rhythms_where_the_delta_method_does_not():
    delta, ellipse = (covered(independent, 0.5, 2, 1.0, 120, m) for m in ("delta", "ellipse"))
    assert delta[2] < 0.85 < 0.93 < ellipse[2]


def test_days_drawn_whole_hold_the_truth_where_residuals_are_alike_within_a_day():
    delta, bootstrap = (covered(alike_within_a_day, 8.0, 7, 0.5, 100, m) for m in ("delta", "bootstrap"))
    assert delta.max() < 0.7
    assert bootstrap.min() > 0.87


def test_the_bootstrap_of_single_values_has_the_standard_errors_of_the_delta_method():
    y = 70 + 10 * np.cos(2 * np.pi * (np.arange(24 * 14) - 15) / 24)
    y += np.random.default_rng(1).normal(0, 5, len(y))
    plain = circadian(series(y), UTC)
    drawn = circadian(series(y), UTC, settings=CircadianSettings(intervals="bootstrap", block_h=1.0, draws=2000))
    for name in ("mesor_se", "amplitude_se", "acrophase_se"):
        assert float(drawn[name]) == pytest.approx(float(plain[name]), rel=0.1)
    for name in ("mesor", "amplitude", "acrophase"):
        assert float(drawn[name]) == float(plain[name])


def test_the_ellipse_is_wider_and_says_where_there_is_no_rhythm():
    rng = np.random.default_rng(2)
    y = 70 + 6 * np.cos(2 * np.pi * (np.arange(96) - 15) / 24) + rng.normal(0, 6, 96)
    delta, ellipse = (circadian(series(y), UTC, settings=CircadianSettings(intervals=m)) for m in ("delta", "ellipse"))
    assert float(ellipse.amplitude_low) < float(delta.amplitude_low)
    assert float(ellipse.amplitude_high) > float(delta.amplitude_high)
    assert float(ellipse.mesor_low) == float(delta.mesor_low)
    assert "ellipse" in ellipse.acrophase_low.attrs["method"]
    none = circadian(series(70 + rng.normal(0, 6, 96)), UTC, settings=CircadianSettings(intervals="ellipse"))
    assert float(none.amplitude_low) == 0
    assert np.isnan(float(none.acrophase_low))
    assert "NO_RHYTHM_IN_ELLIPSE" in none.attrs["quality"]


def test_the_ellipse_covers_no_rhythm_just_when_the_zero_amplitude_test_says_so():
    for seed in range(30):
        y = 70 + 1.5 * np.cos(2 * np.pi * np.arange(72) / 24) + np.random.default_rng(seed).normal(0, 5, 72)
        found = circadian(series(y), UTC, settings=CircadianSettings(intervals="ellipse"))
        assert (float(found.p) > 0.05) == bool(np.isnan(found.acrophase_low)), seed


def test_the_same_seed_draws_the_same_and_few_days_draw_nothing():
    y = 70 + 10 * np.cos(2 * np.pi * np.arange(24 * 5) / 24) + np.random.default_rng(1).normal(0, 5, 24 * 5)
    chosen = CircadianSettings(intervals="bootstrap")
    first, again = (circadian(series(y), UTC, settings=chosen) for _ in range(2))
    assert first.identical(again)
    other = circadian(series(y), UTC, settings=CircadianSettings(intervals="bootstrap", seed=1))
    assert float(other.amplitude_se) != float(first.amplitude_se)
    few = circadian(series(y[:50]), UTC, settings=chosen)
    assert "FEW_BLOCKS" in few.attrs["quality"]
    assert np.isnan(float(few.amplitude_low))
    assert np.isfinite(float(few.amplitude))


@pytest.mark.parametrize("method", ["ellipse", "bootstrap"])
@pytest.mark.parametrize(
    "y", [[], [70.0], [70.0] * 200, [np.nan] * 200, [np.inf] * 200], ids=["empty", "one", "constant", "NaN", "inf"]
)
def test_what_has_no_fit_has_no_interval(method, y):
    found = circadian(series(y), UTC, settings=CircadianSettings(intervals=method))
    for name in ("amplitude", "acrophase"):
        low, high = float(found[f"{name}_low"]), float(found[f"{name}_high"])
        assert np.isnan(low) or low == high or len(y) == 200
    assert np.isnan(float(found.acrophase_low))


def test_settings_of_intervals_are_checked():
    for wrong in ({"intervals": "profile"}, {"block_h": 0.0}, {"draws": 5}):
        with pytest.raises(ConfigError):
            CircadianSettings(**wrong)
