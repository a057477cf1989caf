"""Autoregressive model against explicit least squares, a known process, and the printed spectrum of Sample01."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.autoregressive import Models, autoregressive, densities, windowed
from allostat.kernels.even_series import Stretches
from allostat.kernels.spectrum import band_power
from tests.reference import autoregressive as reference


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=3), st.integers(1, 6), st.integers(0, 9))
def test_model_equals_explicit_least_squares(lengths, order, seed):
    rng = np.random.default_rng(seed)
    parts = [rng.normal(800, 50, n) for n in lengths]
    edges = np.concatenate([[0], np.cumsum(lengths)])
    zeros = np.zeros(len(parts), np.int64)
    found = windowed(Stretches(np.concatenate(parts), edges), zeros, 1, order)
    if sum(n for n in lengths if n > order) < 2 * order + 2:
        assert np.isnan(found.variance[0])
        return
    if np.isnan(found.variance[0]):
        return
    coefficients, variance = reference.autoregressive(parts, order)
    np.testing.assert_allclose(found.coefficients[0], coefficients, rtol=1e-6, atol=1e-7)
    assert found.variance[0] == pytest.approx(variance, rel=1e-6, abs=1e-6)


def process(n, seed=1):
    """x[n] = 1.2 x[n-1] - 0.8 x[n-2] + e[n]"""
    x, e = np.zeros(n), np.random.default_rng(seed).normal(0, 3, n)
    for i in range(2, n):
        x[i] = 1.2 * x[i - 1] - 0.8 * x[i - 2] + e[i]
    return x


def test_a_known_process_is_found_again():
    model = autoregressive(process(20_000), 2)
    assert model.coefficients == pytest.approx([1, -1.2, 0.8], abs=0.02)
    assert model.variance == pytest.approx(9, rel=0.03)


def test_the_area_of_the_density_is_the_variance():
    x = process(20_000)
    model = autoregressive(x, 2)
    density = densities(Models(model.coefficients[None], np.array([model.variance])), 4.0, 4096)[0]
    f = np.arange(2049) * 4 / 4096
    assert band_power(f, density, 0, 2) == pytest.approx(np.var(x), rel=0.05)


def test_too_little_or_no_variation_has_no_model():
    for series in ([], [1.0], np.arange(5.0), np.full(100, 800.0)):
        assert np.isnan(autoregressive(np.array(series), 4).variance)
    with pytest.raises(ValueError, match="positive order"):
        autoregressive(np.arange(50.0), 0)
