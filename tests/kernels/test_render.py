"""Bumps are Gaussians on the grid, and their maxima are found between samples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.render import add_bumps, bump_maxima


def slow_bumps(n: int, rate: float, centre: np.ndarray, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    t = np.arange(n) / rate
    return sum(
        (h * np.exp(-0.5 * ((t - c) / w) ** 2) for c, w, h in zip(centre, width, height, strict=True)), np.zeros(n)
    )


@given(st.integers(0, 2**32 - 1), st.sampled_from([25.0, 64.0, 130.0, 1000.0]))
@settings(max_examples=30, deadline=None)
def test_bumps_agree_with_whole_gaussians(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    centre, width, height = rng.uniform(-1, 4, 12), rng.uniform(0.01, 0.3, 12), rng.normal(0, 100, 12)
    drawn = np.zeros(int(3 * rate))
    add_bumps(drawn, rate, centre, width, height)
    np.testing.assert_allclose(drawn, slow_bumps(len(drawn), rate, centre, width, height), atol=0.05)
    plain = np.zeros(len(drawn))
    add_bumps.py_func(plain, rate, centre, width, height)
    np.testing.assert_allclose(drawn, plain, rtol=1e-12, atol=1e-12)


def test_maximum_of_overlapping_bumps_lies_where_a_fine_grid_puts_it() -> None:
    centre = np.array([[0.50, 0.62, 0.80], [1.40, 1.52, 1.70]])
    width = np.array([[0.05, 0.07, 0.10]] * 2)
    height = np.array([[0.8, 0.4, 0.3]] * 2)
    found = bump_maxima(centre[:, 0] + 0.02, 0.06, centre, width, height)
    fine = slow_bumps(200_000, 1e5, centre.ravel(), width.ravel(), height.ravel())
    expected = [np.argmax(fine[40_000:60_000]) + 40_000, np.argmax(fine[130_000:150_000]) + 130_000]
    assert found * 1e5 == pytest.approx(expected, abs=1.0)
