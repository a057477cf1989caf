"""Quantiles with survey weights: each plain type as the case of equal weights."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.allostatic_load import sample_quantile
from allostat.allostatic_load.quantiles import effective_size
from allostat.errors import ConfigError, InputError

TYPES = (2, 6, 7, 8)
SHARES = st.sampled_from([0.005, 0.01, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 0.99])
VALUES = st.lists(st.floats(-1e3, 1e3).map(lambda v: round(v, 6)), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(VALUES, SHARES, st.sampled_from(TYPES), st.sampled_from([1.0, 0.1, 3.7, 1e6]))
def test_equal_weights_are_no_weights(values: list[float], p: float, quantile_type: int, weight: float) -> None:
    x = np.array(values)
    plain = sample_quantile(x, p, quantile_type)
    weighted = sample_quantile(x, p, quantile_type, np.full(len(x), weight))
    assert weighted == pytest.approx(plain, rel=1e-12, abs=1e-12 * (1.0 + float(np.abs(x).max())))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(0, 6)), min_size=1, max_size=20), SHARES)
def test_whole_number_weights_are_repeated_rows_for_type_2(pairs: list[tuple[int, int]], p: float) -> None:
    x, w = (np.array(column, dtype=float) for column in zip(*pairs, strict=True))
    if not w.any():
        return
    assert sample_quantile(x, p, 2, w) == sample_quantile(np.repeat(x, w.astype(int)), p, 2)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-100, 100), st.floats(0.01, 10)), min_size=1, max_size=20),
    SHARES,
    st.sampled_from(TYPES),
)
def test_weight_zero_and_the_scale_of_weights_change_nothing(
    pairs: list[tuple[float, float]], p: float, quantile_type: int
) -> None:
    x, w = (np.array(column) for column in zip(*pairs, strict=True))
    once = sample_quantile(x, p, quantile_type, w)
    more = sample_quantile(np.append(x, [1e6, -1e6]), p, quantile_type, np.append(w, [0.0, 0.0]))
    assert more == once
    assert sample_quantile(x, p, quantile_type, 8.0 * w) == pytest.approx(once, rel=1e-9, abs=1e-9)
    assert x.min() - 1e-9 <= once <= x.max() + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(0.01, 10)), min_size=2, max_size=20), st.sampled_from(TYPES))
def test_quantiles_rise_with_the_share(pairs: list[tuple[float, float]], quantile_type: int) -> None:
    x, w = (np.array(column) for column in zip(*pairs, strict=True))
    found = [sample_quantile(x, p, quantile_type, w) for p in (0.05, 0.25, 0.5, 0.75, 0.95)]
    assert all(b >= a - 1e-9 for a, b in itertools.pairwise(found))


def test_weights_move_the_quantile_to_the_heavy_side() -> None:
    x = np.arange(100.0)
    for quantile_type in TYPES:
        heavy = sample_quantile(x, 0.5, quantile_type, np.where(x < 20, 1.0, 4.0))
        assert heavy > sample_quantile(x, 0.5, quantile_type)


def test_a_survey_sample_finds_the_population_quantile() -> None:
    """Old persons are drawn four times as often; weights give back the population's P75."""
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 80, 400_000)
    value = 100 + 0.5 * age + rng.normal(0, 10, len(age))
    chance = np.where(age > 60, 0.2, 0.05)
    drawn = rng.uniform(size=len(age)) < chance
    truth = float(np.quantile(value, 0.75))
    for quantile_type in TYPES:
        weighted = sample_quantile(value[drawn], 0.75, quantile_type, 1 / chance[drawn])
        assert weighted == pytest.approx(truth, abs=0.35)
        assert sample_quantile(value[drawn], 0.75, quantile_type) > truth + 2


def test_effective_size() -> None:
    assert effective_size(np.full(7, 3.0)) == pytest.approx(7, rel=1e-15)
    assert effective_size(np.array([1.0, 3.0])) == pytest.approx(16 / 10)


def test_nothing_and_unknown_types_are_refused() -> None:
    with pytest.raises(InputError, match="quantile of nothing"):
        sample_quantile(np.array([]), 0.5)
    with pytest.raises(InputError, match="quantile of nothing"):
        sample_quantile(np.array([1.0]), 0.5, 7, np.array([0.0]))
    with pytest.raises(ConfigError, match="2, 6, 7 or 8"):
        sample_quantile(np.array([1.0]), 0.5, 3, np.array([1.0]))
