"""Time-domain and Poincaré measures: golden values, gaps, laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.poincare import poincare
from allostat.kernels.poincare import windowed as poincare_windowed
from allostat.kernels.time_domain import (
    DISTRIBUTION,
    MEASURES,
    distribution_windowed,
    mean_nn,
    pnn,
    rmssd,
    sdnn,
    sdsd,
    time_domain,
    windowed,
)
from tests.reference import time_domain as reference

GOLDEN = {
    "mean_nn": "mean_nn", "sdnn": "sdnn", "rmssd": "rmssd", "sdsd": "sdsd", "ln_rmssd": "ln_rmssd",
    "pnn20": "pnn20_div_Nminus1", "cv_rmssd": "cv_rmssd_pct", "mean_hr_of_beats": "mean_hr_of_beats",
    "hr_of_mean_nn": "hr_of_mean_nn",
}  # fmt: skip


@pytest.mark.parametrize("measure", sorted(GOLDEN))
def test_golden_value(golden, measure):
    assert time_domain(golden["rr_ms"])[measure] == pytest.approx(golden["hrv"][GOLDEN[measure]], rel=1e-9)


def test_golden_poincare_axes(golden):
    axes = poincare(golden["rr_ms"])
    assert axes.sd1 == pytest.approx(golden["hrv"]["sd1"], rel=1e-9)
    assert axes.sd2 == pytest.approx(golden["hrv"]["sd2"], rel=1e-9)


def test_single_functions_agree_with_the_table(golden):
    rr = golden["rr_ms"]
    table = time_domain(rr)
    assert (mean_nn(rr), sdnn(rr), rmssd(rr), sdsd(rr), pnn(rr, 20)) == tuple(
        table[name] for name in ("mean_nn", "sdnn", "rmssd", "sdsd", "pnn20")
    )


def test_no_difference_reaches_across_a_gap():
    nn = np.array([800.0, 810.0, np.nan, 1200.0, 1190.0])
    table = time_domain(nn)
    assert table["n_intervals"] == 4
    assert table["n_differences"] == 2
    assert table["rmssd"] == pytest.approx(10.0, rel=1e-12)
    assert table["pnn50"] == 0.0


def test_too_few_intervals_are_missing_and_not_zero():
    for nn in ([], [np.nan], [800.0], [800.0, np.nan, 810.0]):
        assert np.isnan(time_domain(np.array(nn))["rmssd"])
        assert np.isnan(poincare(np.array(nn)).sd1)
    assert np.isnan(sdnn(np.array([800.0])))


def test_a_metronome_has_no_log_of_its_rmssd():
    table = time_domain(np.full(20, 800.0))
    assert table["rmssd"] == 0.0
    assert np.isnan(table["ln_rmssd"])


intervals = st.lists(st.one_of(st.floats(250, 2500), st.just(float("nan"))), max_size=60)


@settings(max_examples=50, deadline=None)
@given(intervals)
def test_all_measures_equal_the_slow_twin(nn):
    ours, slow = time_domain(np.array(nn)), reference.time_domain(nn)
    assert tuple(ours) == MEASURES
    for name in MEASURES:
        assert ours[name] == pytest.approx(slow[name], rel=1e-9, abs=1e-9, nan_ok=True), name
    assert tuple(poincare(np.array(nn))) == pytest.approx(reference.poincare(nn), rel=1e-9, abs=1e-9, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(intervals, st.floats(-200, 500), st.floats(0.5, 2.0))
def test_constant_shift_leaves_spread_and_scaling_scales_it(nn, shift, scale):
    base = np.array(nn)
    was, moved, scaled = (time_domain(v) for v in (base, base + shift, base * scale))
    for name in ("sdnn", "rmssd", "sdsd"):
        assert moved[name] == pytest.approx(was[name], rel=1e-9, abs=1e-9, nan_ok=True)
        assert scaled[name] == pytest.approx(scale * was[name], rel=1e-9, abs=1e-9, nan_ok=True)
    assert poincare(base + shift).sd1 == pytest.approx(poincare(base).sd1, rel=1e-9, abs=1e-9, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(intervals, st.data())
def test_a_window_has_the_values_of_its_intervals_alone(nn, data):
    first = data.draw(st.lists(st.integers(0, len(nn)), min_size=1, max_size=5))
    stop = [data.draw(st.integers(f, len(nn))) for f in first]
    series = np.array(nn)
    rows = windowed(series, np.array(first), np.array(stop))
    axes = poincare_windowed(series, np.array(first), np.array(stop))
    for k, (f, s) in enumerate(zip(first, stop, strict=True)):
        assert np.array_equal(rows[k], list(time_domain(series[f:s]).values()), equal_nan=True)
        assert np.array_equal(axes[k], poincare(series[f:s]), equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(intervals)
def test_distribution_equals_numpy(nn):
    row = dict(zip(DISTRIBUTION, distribution_windowed(np.array(nn), [0], [len(nn)])[0], strict=True))
    finite = np.array([v for v in nn if np.isfinite(v)])
    if not len(finite):
        assert np.isnan(list(row.values())).all()
        return
    low, q1, median, q3, high = np.percentile(finite, [20, 25, 50, 75, 80])
    mad = 1.4826 * np.median(np.abs(finite - median))
    assert [row["prc20_nn"], row["prc80_nn"], row["iqr_nn"], row["mad_nn"]] == pytest.approx(
        [low, high, q3 - q1, mad], rel=1e-9, abs=1e-9
    )
    off = finite - finite.mean()
    if np.std(finite) > 1:
        assert row["skewness_nn"] == pytest.approx(np.mean(off**3) / np.mean(off**2) ** 1.5, rel=1e-7, abs=1e-9)
        assert row["kurtosis_nn"] == pytest.approx(np.mean(off**4) / np.mean(off**2) ** 2, rel=1e-7)


def test_a_window_after_far_away_ones_keeps_its_median():
    nn = 800 + 50 * np.random.default_rng(3).normal(size=5000)
    first = np.array([4000, 0, 10, 4990, 2500, 2500])
    stop = np.array([4300, 300, 310, 5000, 2501, 2500])
    rows = windowed(nn, first, stop)
    for row, a, b in zip(rows, first, stop, strict=True):
        assert row[3] == pytest.approx(np.median(nn[a:b]) if b > a else np.nan, rel=1e-12, nan_ok=True)


def test_intervals_of_zero_have_no_heart_rate():
    table = time_domain(np.array([0.0, 0.0, 0.0]))
    assert np.isnan(table["mean_hr_of_beats"])
    assert np.isnan(table["hr_of_mean_nn"])
    assert np.isnan(table["max_hr"])


@pytest.mark.parametrize("step", [1, 37, 400])
def test_windows_that_share_their_sums_equal_the_slow_twin(step):
    rng = np.random.default_rng(step)
    nn = 800 + np.cumsum(rng.normal(0, 8, 2000)) + rng.normal(0, 30, 2000)
    nn[rng.integers(0, 2000, 40)] = np.nan
    nn[700:1200] = 801.1
    first = np.arange(0, 1700, step)[:60]
    rows = windowed(nn, first, first + 300)
    for row, begin in zip(rows[::7], first[::7], strict=True):
        slow = reference.time_domain(nn[begin : begin + 300])
        assert row == pytest.approx([slow[name] for name in MEASURES], rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_trend_leaves_the_deviation_of_the_differences():
    """Differences that are nearly all alike: their squares without their mean would cancel."""
    nn = 500.0 + 3.0 * np.arange(300) + np.random.default_rng(1).normal(0, 1e-5, 300)
    assert time_domain(nn)["sdsd"] == pytest.approx(np.std(np.diff(nn), ddof=1), rel=1e-9)
    far = np.concatenate([np.full(3000, 300.0), nn + 40_000.0])
    assert windowed(far, [0, 3000], [3000, 3300])[1, 6] == pytest.approx(np.std(nn, ddof=1), rel=1e-9)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_medians_are_exact_in_any_unit_and_order_of_windows(scale):
    rng = np.random.default_rng(2)
    nn = scale * np.concatenate([rng.normal(800, 60, 900), np.full(50, 812.5), rng.normal(-800, 60, 50)])
    nn[rng.integers(0, 1000, 30)] = np.nan
    first = rng.integers(0, 900, 80)
    stop = first + rng.integers(0, 101, 80)
    rows = windowed(nn, first, stop)
    for row, a, b in zip(rows, first, stop, strict=True):
        finite = nn[a:b][np.isfinite(nn[a:b])]
        assert np.array_equal(row[3], np.median(finite) if len(finite) else np.nan, equal_nan=True)


odd = st.sampled_from([0.0, -5.0, 15.9, 16.0, 4095.9, 4096.0, 20_000.0, 1e200, float("inf"), float("nan")])
sampled = st.integers(40, 400).map(lambda samples: samples * 1000.0 / 128)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.one_of(st.floats(16, 4095), sampled, st.integers(300, 1500), odd), min_size=1, max_size=60), st.data()
)
def test_a_window_beside_intervals_that_no_heart_makes_has_its_own_values(nn, data):
    series = np.array(nn, dtype=np.float64)
    first = data.draw(st.lists(st.integers(0, len(nn) - 1), min_size=1, max_size=6))
    stop = [data.draw(st.integers(f, len(nn))) for f in first]
    with np.errstate(all="ignore"):  # without the compiler NumPy warns of infinity
        rows = windowed(series, np.array(first), np.array(stop))
        alone = [list(time_domain(series[f:s]).values()) for f, s in zip(first, stop, strict=True)]
    for row, own, f, s in zip(rows, alone, first, stop, strict=True):
        assert np.array_equal(row, own, equal_nan=True)
        finite = series[f:s][np.isfinite(series[f:s])]
        assert row[0] == len(finite)
        if len(finite):
            assert (row[4], row[5]) == (finite.min(), finite.max())


@pytest.mark.parametrize("spread", [1e-9, 1e-4, 0.3, 0.99, 1.01, 3.0, 200.0])
@pytest.mark.parametrize("level", [40.0, 801.1, 3000.0])
def test_shared_sums_lose_nothing_of_small_and_large_spreads(spread, level):
    nn = level + spread * np.clip(np.random.default_rng(4).normal(size=1000), -4, 4) * min(1.0, level / 1000)
    rows = windowed(nn, [0, 300, 650, 651], [350, 600, 1000, 1000])
    for row, part in zip(rows, (nn[:350], nn[300:600], nn[650:], nn[651:]), strict=True):
        slow = reference.time_domain(part)
        assert row[[2, 6, 7, 9]] == pytest.approx(
            [slow[name] for name in ("mean_nn", "sdnn", "rmssd", "sdsd")], rel=1e-12, abs=1e-15
        )


def test_more_intervals_than_sums_hold_are_added_up_one_by_one():
    nn = np.tile([3000.5, 4095.1, 4001.25, np.nan], 70_000)
    row = windowed(nn, [0, 8], [len(nn), 16])[0]
    finite = nn[np.isfinite(nn)]
    assert row[[0, 1]].tolist() == [210_000, 140_000]
    assert row[[2, 6]] == pytest.approx([finite.mean(), finite.std(ddof=1)], rel=1e-12)
