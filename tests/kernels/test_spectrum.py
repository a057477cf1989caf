"""Spline, Welch, band power and smoothness priors against scipy, known signals and Sample01."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.even_series import Stretches, at_beats, even_stretches, without_trend
from allostat.kernels.spectrum import (
    band_power,
    band_powers,
    cubic_spline,
    even_series,
    smoothness_priors_trend,
    welch,
    welch_density,
    welch_segments,
    welch_windows,
)
from tests.reference import spectrum as reference

rr_lists = st.lists(st.floats(300, 1800), min_size=2, max_size=80)


@settings(max_examples=50, deadline=None)
@given(rr_lists)
def test_spline_equals_scipy(rr):
    x = np.cumsum(rr) / 1000
    at = np.linspace(x[0], x[-1], 97)
    np.testing.assert_allclose(cubic_spline(x, rr, at), reference.cubic_spline(x, rr, at), rtol=1e-9, atol=1e-6)


def test_spline_returns_a_cubic_exactly():
    x = np.array([0.0, 0.7, 1.9, 2.2, 3.5, 5.0])
    cubic = np.polynomial.Polynomial([3.0, -2.0, 0.5, 0.25])
    at = np.linspace(0, 5, 41)
    np.testing.assert_allclose(cubic_spline(x, cubic(x), at), cubic(at), rtol=1e-12, atol=1e-12)


def test_a_spline_needs_two_knots():
    with pytest.raises(ValueError, match="two knots"):
        cubic_spline(np.array([1.0]), np.array([1.0]), np.array([1.0]))


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 3000), st.sampled_from([None, 4096]), st.sampled_from(["linear", "constant"]), st.integers(0, 9))
def test_welch_equals_scipy(n, n_fft, detrend, seed):
    series = np.random.default_rng(seed).normal(800, 50, n)
    ours = welch(series, 4.0, n_fft=n_fft, detrend=detrend)
    theirs = reference.welch(series, 4.0, n_fft=n_fft, detrend=detrend)
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-12)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=1e-9, atol=1e-9 * theirs[1].max())


@settings(max_examples=30, deadline=None)
@given(st.floats(0.0, 0.5), st.floats(0.01, 1.4), st.integers(0, 9))
def test_band_power_equals_the_slow_twin(low, width, seed):
    density = np.random.default_rng(seed).random(513)
    f = np.arange(513) / 256
    ours = band_power(f, density, low, low + width)
    assert ours == pytest.approx(reference.band_power(f, density, low, low + width), rel=1e-9)


def test_band_power_of_touching_bands_adds_up():
    f = np.arange(513) / 256
    density = np.sin(f * 9) ** 2
    parts = [band_power(f, density, a, b) for a, b in ((0, 0.04), (0.04, 0.15), (0.15, 0.4))]
    assert sum(parts) == pytest.approx(band_power(f, density, 0, 0.4), rel=1e-12)
    assert np.isnan(band_power(f, density, 0.4, 2.5))


@pytest.mark.parametrize(("hz", "band"), [(0.1, (0.04, 0.15)), (0.25, (0.15, 0.4))])
def test_the_power_of_a_sine_lies_in_its_band(hz, band):
    beats_s = np.cumsum(np.full(700, 0.8))
    rr = 800 + 30 * np.sin(2 * np.pi * hz * beats_s)
    f, density = welch(even_series(beats_s, rr, 4.0), 4.0)
    assert band_power(f, density, *band) == pytest.approx(30**2 / 2, rel=0.02)


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 400), st.sampled_from([1.0, 10.0, 256.0, 500.0]), st.integers(0, 9))
def test_smoothness_priors_equal_a_sparse_solve(n, smoothing, seed):
    series = np.random.default_rng(seed).normal(800, 50, n)
    ours = smoothness_priors_trend(series, smoothing)
    np.testing.assert_allclose(ours, reference.smoothness_priors_trend(series, smoothing), rtol=1e-7)


def test_smoothness_priors_keep_a_straight_line():
    line = 800 + 0.5 * np.arange(500)
    np.testing.assert_allclose(smoothness_priors_trend(line, 500.0), line, rtol=1e-8)


def test_sample01_gives_the_band_powers_of_the_specification(recordings):
    rr = np.loadtxt(recordings("kubios_sample01/Sample01_rr.txt")) * 1000
    t = np.cumsum(rr) / 1000
    f, density = welch(even_series(t, rr, 4.0), 4.0)
    powers = [band_power(f, density, a, b) for a, b in ((0, 0.04), (0.04, 0.15), (0.15, 0.4))]
    assert powers == pytest.approx([1559.015, 3625.957, 1619.737], abs=5.1e-4)


def test_an_empty_series_has_no_spectrum():
    with pytest.raises(ValueError, match="samples"):
        welch(np.array([]), 4.0)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(4, 700)), min_size=1, max_size=6),
    st.booleans(),
    st.integers(0, 9),
)
def test_many_windows_equal_welch_of_each(parts, linear, seed):
    parts = sorted(parts)
    rng = np.random.default_rng(seed)
    series = [rng.normal(800, 50, n) for _, n in parts]
    window = np.array([w for w, _ in parts])
    edges = np.concatenate([[0], np.cumsum([n for _, n in parts])])
    found = welch_windows(Stretches(np.concatenate(series), edges), window, 4, 4.0, 256, linear=linear)
    powers = band_powers(found.density, 4.0 / 256, [(0.0, 0.04), (0.04, 0.15), (0.15, 0.4)])
    for w in range(4):
        mine = [s for s, k in zip(series, window, strict=True) if k == w]
        if not mine:
            assert np.isnan(found.density[w]).all()
            assert found.used[w] == 0
            continue
        length = min(max(len(s) for s in mine), 256)
        rows = np.concatenate([welch_segments(s, length, detrend="linear" if linear else "constant") for s in mine])
        f, density = welch_density(rows, 4.0, 256)
        np.testing.assert_allclose(found.density[w], density, rtol=1e-9, atol=1e-12 * density.max())
        for k, (low, high) in enumerate(((0.0, 0.04), (0.04, 0.15), (0.15, 0.4))):
            assert powers[w, k] == pytest.approx(reference.band_power(f, density, low, high), rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(4, 60), min_size=1, max_size=4), st.integers(0, 9))
def test_many_stretches_equal_the_spline_of_each(lengths, seed):
    rng = np.random.default_rng(seed)
    rr = rng.normal(800, 50, sum(lengths))
    ends = np.cumsum(np.round(rr * 1e6)).astype(np.int64)
    stop = np.cumsum(lengths)
    first = stop - lengths
    even = even_stretches(ends, rr, first, stop, 4.0)
    plain = without_trend(even, 256.0)
    back = np.empty(len(rr))
    at_beats(plain, ends, first, stop, 4.0, first, back)
    for k, (a, b) in enumerate(zip(first, stop, strict=True)):
        t = (ends[a:b] - ends[a]) / 1e9
        mine = slice(even.edges[k], even.edges[k + 1])
        np.testing.assert_allclose(even.values[mine], even_series(t, rr[a:b], 4.0), rtol=1e-12)
        expected = even.values[mine] - smoothness_priors_trend(even.values[mine], 256.0)
        np.testing.assert_allclose(plain.values[mine], expected, atol=1e-9)
        np.testing.assert_allclose(
            back[a:b], reference.cubic_spline(np.arange(len(expected)) / 4, expected, t), atol=1e-6
        )


def test_a_band_beyond_the_last_frequency_has_no_power():
    assert np.isnan(band_powers(np.ones((2, 5)), 0.1, [(0.1, 0.6)])).all()
    assert band_powers(np.ones((1, 5)), 0.1, [(0.05, 0.35)])[0, 0] == pytest.approx(0.3, rel=1e-12)
