"""Return to baseline: fit, band, first minute, censoring."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import ConfigError, InputError
from allostat.kernels.exponential import exponential_return
from allostat.recovery import recovery

S = 1_000_000_000
START = 1_700_000_000 * S
REST = (START, START + 300 * S)
END = START + 600 * S


def course(values, step_s=5, name="hr_of_mean_nn", start=START, units="/min"):
    time = start + step_s * S * np.arange(len(values), dtype=np.int64)
    return xr.DataArray(
        np.asarray(values, float), dims="window", name=name, coords={"time": ("window", time)}, attrs={"units": units}
    )


def stress(tau=90.0, noise=1.0, level=62.0, peak=110.0, seed=1, minutes=30):
    t = np.arange(0, minutes * 60, 5.0)
    after = t - 600
    y = np.where(t < 300, level, np.where(t < 600, peak, level + (peak - level) * np.exp(-np.maximum(after, 0) / tau)))
    return y + np.random.default_rng(seed).normal(0, noise, len(t))


def test_time_constant_half_life_and_first_minute_are_found():
    found = recovery(course(stress()), REST, END)
    assert float(found.tau) == pytest.approx(90, abs=4)
    assert float(found.half_life) == pytest.approx(float(found.tau) * np.log(2))
    assert float(found.level) == pytest.approx(62, abs=0.5)
    assert float(found.excess) == pytest.approx(48, abs=2)
    assert float(found.hrr60) == pytest.approx(48 * (1 - np.exp(-60 / 90)), abs=3)
    assert float(found.baseline_mean) == pytest.approx(62, abs=0.5)
    assert found.attrs["quality"] in ("", "NOT_BACK")
    assert found.half_life.attrs["units"] == "s"
    assert all(v.attrs["long_name"] for v in found.data_vars.values())


def test_an_exact_return_is_back_when_it_enters_the_band():
    y = stress(noise=0.0)
    y[:60] += np.tile([-2.0, 2.0], 30)
    found = recovery(course(y), REST, END)
    sd = float(found.baseline_sd)
    exact = -90 * np.log(sd / 48)
    assert exact <= float(found.time_to_band) <= exact + 5
    assert int(found.censored) == 0
    assert float(found.tau) == pytest.approx(90, rel=1e-6)
    assert float(found.fit_r_squared) == pytest.approx(1, abs=1e-9)


def test_a_short_visit_to_the_band_is_no_return():
    y = np.full(400, 100.0)
    y[:60] = 60 + np.tile([-1.0, 1.0], 30)
    y[200:208] = 60.0
    y[300:] = 60.0
    assert float(recovery(course(y), REST, END).time_to_band) == (300 - 120) * 5
    gap = y.copy()
    gap[305:330] = np.nan
    assert float(recovery(course(gap), REST, END).time_to_band) == (330 - 120) * 5


def test_who_does_not_return_is_censored():
    never = recovery(course(stress(minutes=11)), REST, END)
    assert int(never.censored) == 1
    assert np.isnan(float(never.time_to_band))
    assert float(never.observed) == 55
    assert "NOT_BACK" in never.attrs["quality"].split()
    rising = np.concatenate([stress(minutes=10), np.linspace(80, 120, 100)])
    away = recovery(course(rising), REST, END)
    assert "TAU_BEYOND_SERIES" in away.attrs["quality"].split()
    assert np.isnan(float(away.tau))


def test_a_series_that_is_no_heart_rate_has_no_hrr():
    found = recovery(course(np.log(stress()), name="ln_rmssd", units="ln(ms)"), REST, END)
    assert np.isnan(float(found.hrr60))
    assert np.isfinite(float(found.change_60s))
    assert found.level.attrs["units"] == "ln(ms)"


@pytest.mark.parametrize("values", [[], [60.0], [60.0] * 400, [np.nan] * 400, [np.inf] * 400])
def test_nothing_to_fit_is_missing_with_a_reason(values):
    found = recovery(course(values), REST, END)
    codes = found.attrs["quality"].split()
    assert "NO_FIT" in codes
    assert np.isnan(float(found.tau))


def test_wrong_arguments_are_refused():
    series = course(stress())
    with pytest.raises(ConfigError, match="baseline"):
        recovery(series, (END, REST[0]), END)
    with pytest.raises(ConfigError, match="baseline"):
        recovery(series, (REST[0], END + S), END)
    with pytest.raises(ConfigError, match="positive"):
        recovery(series, REST, END, sustained_s=0)
    with pytest.raises(ConfigError):
        recovery(series, REST, END, until=END)
    with pytest.raises(InputError, match="window"):
        recovery(xr.DataArray([1.0], dims="x"), REST, END)
    with pytest.raises(InputError, match="ascend"):
        recovery(series[::-1], REST, END)


@settings(max_examples=20, deadline=None)
@given(st.floats(20, 400), st.floats(-50, 50), st.integers(0, 1000))
def test_the_fit_equals_scipys_and_ends_no_higher(tau, excess, seed):
    from scipy.optimize import curve_fit

    t = np.arange(0, 1200, 5.0)
    excess = excess if abs(excess) > 10 else 20.0
    y = 60 + excess * np.exp(-t / tau) + np.random.default_rng(seed).normal(0, 1, len(t))
    fit = exponential_return(t, y, 2.5, 3600)
    theirs, covariance = curve_fit(lambda x, a, b, c: a + b * np.exp(-x / c), t, y, p0=(60, excess, tau))
    assert (fit.level, fit.excess, fit.tau) == pytest.approx(theirs, rel=1e-3)
    assert (fit.level_se, fit.excess_se, fit.tau_se) == pytest.approx(np.sqrt(np.diag(covariance)), rel=1e-2)


def test_standard_errors_tell_the_spread_of_repeated_fits():
    t = np.arange(0, 900, 5.0)
    fits = []
    for seed in range(60):
        y = 60 + 40 * np.exp(-t / 80) + np.random.default_rng(seed).normal(0, 2, len(t))
        fits.append(exponential_return(t, y, 2.5, 2700))
    assert np.mean([f.tau_se for f in fits]) == pytest.approx(np.std([f.tau for f in fits]), rel=0.3)


def test_kernel_refuses_bounds_that_are_none():
    for bounds in ((0.0, 1.0), (2.0, 1.0), (1.0, np.inf)):
        with pytest.raises(ValueError, match="bounds"):
            exponential_return(np.arange(5.0), np.arange(5.0), *bounds)
    with pytest.raises(ValueError, match="length"):
        exponential_return(np.arange(5.0), np.arange(4.0), 1.0, 2.0)


def test_no_other_time_constant_leaves_less():
    t = 5.0 * np.arange(120)
    for seed, tau in enumerate((8.0, 90.0, 700.0)):
        y = 70 + 40 * np.exp(-t / tau) + np.random.default_rng(seed).normal(0, 2, len(t))
        fit = exponential_return(t, y, 2.5, 3600)
        left = [
            np.linalg.lstsq(np.column_stack([np.ones(len(t)), np.exp(-t / other)]), y, rcond=None)[1][0]
            for other in np.geomspace(2.5, 3600, 400)
        ]
        assert fit.residual_sd**2 * (len(t) - 3) <= min(left) * (1 + 1e-12)
