"""Searches for a main sleep: against the slow twins, missing values, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.main_sleep import best_from_each_start, ramps
from allostat.sleep_course import COARSE_MIN, LEAST_AWAKE_MIN, LEAST_COVERED, REACH_MIN
from tests.reference import sleep_course as reference


def best(score, lengths):
    blocks = score.reshape(-1, COARSE_MIN)
    counts, sums = np.isfinite(blocks).sum(axis=1), np.nansum(blocks, axis=1)
    reach = REACH_MIN // COARSE_MIN
    return best_from_each_start(counts, sums, COARSE_MIN, lengths, reach, LEAST_COVERED, LEAST_AWAKE_MIN)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 80), st.floats(0, 0.4))
def test_the_best_interval_from_each_start_equals_the_slow_twin(seed, steps, holes):
    rng = np.random.default_rng(seed)
    score = rng.standard_normal(steps * COARSE_MIN)
    score[rng.random(len(score)) < holes] = np.nan
    statistic, length = best(score, (6, 20))
    for first in range(steps):
        each = [
            reference.statistic(score, first * COARSE_MIN, (first + size) * COARSE_MIN)
            for size in range(6, min(20, steps - first) + 1)
        ]
        assert statistic[first] == pytest.approx(max(each, default=-np.inf), rel=1e-9, abs=1e-12)
        if np.isfinite(statistic[first]):
            assert each[length[first] - 6] == pytest.approx(statistic[first], rel=1e-9, abs=1e-12)
        else:
            assert length[first] == 0


def test_nothing_is_found_where_all_is_missing_or_too_short():
    for score in (np.full(400, np.nan), np.ones(20), np.empty(0)):
        statistic, length = best(score, (6, 20))
        assert np.all(statistic == -np.inf)
        assert not length.any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 120), st.integers(0, 120), st.integers(0, 60))
def test_sums_of_a_ramp_equal_the_slow_twin(seed, n, begin, width):
    rng = np.random.default_rng(seed)
    at = np.sort(rng.choice(121, n, replace=False)) + 0.5
    y = rng.standard_normal(n)
    size, along = ramps(at, y - y.mean(), np.array([begin]), np.array([begin + width]))
    want_size, want_along = reference.ramp_sums(at, y, begin, begin + width)
    assert size[0] == pytest.approx(want_size, rel=1e-9, abs=1e-12)
    assert along[0] == pytest.approx(want_along, rel=1e-9, abs=1e-12)


def test_what_makes_no_sense_is_refused():
    steps = np.ones(10)
    for lengths, reach in (((0, 3), 2), ((1, 3), -1)):
        with pytest.raises(ValueError, match="step"):
            best_from_each_start(steps, steps, 5, lengths, reach, 0.8, 6)
    with pytest.raises(ValueError, match="count"):
        best_from_each_start(steps, steps[1:], 5, (1, 3), 2, 0.8, 6)
    for at, begin, end in (
        (np.empty(0), [0.0], [1.0]),
        (np.arange(3.0), [2.0], [1.0]),
        (np.arange(3.0), [np.nan], [1]),
    ):
        with pytest.raises(ValueError, match="ramps"):
            ramps(at, at, np.array(begin), np.array(end))
