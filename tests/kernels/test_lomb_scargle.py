"""Lomb-Scargle spectrum against the sums of its definition, scipy and known signals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lombscargle

from allostat.kernels.lomb_scargle import lomb_scargle, windowed
from tests.reference import lomb_scargle as reference


def beats(n, seed=0, spread=50.0):
    rr = 800 + spread * np.random.default_rng(seed).normal(size=n)
    return np.cumsum(rr) / 1000, rr


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 80), st.integers(1, 60), st.floats(1e-4, 0.02), st.integers(0, 9))
def test_density_equals_the_sums_of_the_definition(n, count, step, seed):
    t, rr = beats(n, seed)
    ours, slow = lomb_scargle(t, rr, step, count), np.array(reference.lomb_scargle(t, rr, step, count))
    np.testing.assert_allclose(ours, slow, rtol=1e-7, atol=1e-9 * slow.max())


def test_a_window_of_five_minutes_equals_scipy_to_ten_digits():
    t, rr = beats(353)
    step = 0.4 / 480
    f = step * np.arange(1, 481)
    theirs = 2 * lombscargle(t, rr - rr.mean(), 2 * np.pi * f) * (t[-1] - t[0]) / 352
    np.testing.assert_allclose(lomb_scargle(t, rr, step, 480), theirs, rtol=1e-10, atol=1e-11 * theirs.max())


@pytest.mark.parametrize("hz", [0.03, 0.1, 0.25])
def test_the_area_of_a_sine_is_half_its_amplitude_squared(hz):
    t, _ = beats(400)
    density = lomb_scargle(t, 800 + 30 * np.sin(2 * np.pi * hz * t), 1 / 4096, 2000)
    assert density.sum() / 4096 == pytest.approx(30**2 / 2, rel=0.02)
    assert np.argmax(density) + 1 == pytest.approx(hz * 4096, abs=2)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e6])
def test_a_scale_of_the_values_scales_the_density(scale):
    """Values and ones are transformed together and must not lend each other their rounding errors."""
    t, rr = beats(300)
    scaled, plain = lomb_scargle(t, rr * scale, 1e-3, 400), lomb_scargle(t, rr, 1e-3, 400)
    np.testing.assert_allclose(scaled / scale**2, plain, rtol=1e-9, atol=1e-12 * plain.max())


def test_samples_beside_the_ends_of_the_grid_count_in_full():
    """One period of the lowest frequency is the whole grid; its ends are neighbours."""
    t = np.array([0.0, 1e-9, 0.2, 0.49999999999, 0.5, 0.99, 1 - 1e-9, 1 - 1e-16, 1.0, 1 + 1e-9, 1.7])
    x = 800 + np.arange(11.0) ** 2
    slow = np.array(reference.lomb_scargle(t, x, 1.0, 30))
    np.testing.assert_allclose(lomb_scargle(t, x, 1.0, 30), slow, rtol=1e-7, atol=1e-9 * slow.max())


def test_infinite_values_are_left_out():
    t, rr = beats(100)
    spoilt = rr.copy()
    spoilt[50] = np.inf
    kept = np.arange(100) != 50
    assert np.array_equal(lomb_scargle(t, spoilt, 1e-3, 50), lomb_scargle(t[kept], rr[kept], 1e-3, 50))


def test_intervals_that_are_missing_are_left_out():
    t, rr = beats(300)
    known = np.ones(300, bool)
    known[100:130] = False
    pierced = np.where(known, rr, np.nan)
    np.testing.assert_allclose(
        lomb_scargle(t, pierced, 1e-3, 400), lomb_scargle(t[known], rr[known], 1e-3, 400), rtol=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 150), st.integers(0, 150)), min_size=1, max_size=5))
def test_a_window_has_the_spectrum_of_its_beats_alone(bounds):
    t, rr = beats(150)
    first, stop = np.array([min(b) for b in bounds]), np.array([max(b) for b in bounds])
    rows = windowed(t, rr, first, stop, 0.002, 50)
    for row, a, b in zip(rows, first, stop, strict=True):
        np.testing.assert_allclose(row, lomb_scargle(t[a:b], rr[a:b], 0.002, 50), rtol=1e-9, atol=1e-12)


def test_shift_of_time_changes_nothing():
    t, rr = beats(200)
    np.testing.assert_allclose(lomb_scargle(t + 5000, rr, 1e-3, 300), lomb_scargle(t, rr, 1e-3, 300), rtol=1e-7)


def test_bad_input_is_missing_or_refused():
    for t, x in (([], []), ([1.0], [800.0]), ([1.0, 2.0], [np.nan, np.nan]), ([1.0, 1.0], [800.0, 810.0])):
        assert np.isnan(lomb_scargle(np.array(t), np.array(x), 0.01, 5)).all()
    assert (lomb_scargle(np.arange(9.0), np.full(9, 800.0), 0.01, 5) == 0).all()
    for step, count in ((0.0, 5), (-1.0, 5), (np.nan, 5), (0.1, 0)):
        with pytest.raises(ValueError, match="positive step"):
            lomb_scargle(np.arange(9.0), np.arange(9.0), step, count)
