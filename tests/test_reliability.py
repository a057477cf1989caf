"""Reliability: the dyestuff batches, rules of the intraclass correlation, coverage of its intervals."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import InputError
from allostat.reliability import (
    bootstrap_icc,
    intraclass_correlation,
    repeats_for,
    smallest_real_difference,
    spearman_brown,
    standard_error_of_measurement,
    variance_components,
)


def batches(golden: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    data = golden["icc_dyestuff"]["data"]
    return np.concatenate(list(data.values())).astype(float), np.repeat(list(data), [len(v) for v in data.values()])


def days(rng: np.random.Generator, persons: int, icc: float, sizes: int | np.ndarray = 4) -> tuple[Any, Any]:
    who = np.repeat(np.arange(persons), sizes)
    level = rng.normal(0, math.sqrt(icc), persons)
    return level[who] + rng.normal(0, math.sqrt(1 - icc), len(who)), who


class TestGolden:
    def test_dyestuff_by_analysis_of_variance(self, golden: dict[str, Any]) -> None:
        expected = golden["icc_dyestuff"]
        found = intraclass_correlation(*batches(golden))
        assert found.icc == pytest.approx(expected["ICC1_anova"], rel=1e-9)
        assert found.icc_mean == pytest.approx(expected["ICC1k"], rel=1e-9)
        assert found.ms_between == pytest.approx(expected["MSB"], rel=1e-9)
        assert found.ms_within == pytest.approx(expected["MSW"], rel=1e-9)
        assert (found.groups, found.n, found.k0) == (6, 30, 5.0)

    @pytest.mark.parametrize(("method", "key"), [("reml", "REML"), ("ml", "ML")])
    def test_dyestuff_by_likelihood(self, golden: dict[str, Any], method: Any, key: str) -> None:
        expected = golden["icc_dyestuff"]
        found = variance_components(*batches(golden), method=method)
        # the vector's variances have two digits after the point, and its ML ratio is formed from them
        assert (round(found.between, 2), round(found.within, 2)) == tuple(expected[key])
        assert found.icc == pytest.approx(expected[f"ICC_{key}"], rel=1e-9 if method == "reml" else 2e-6)

    def test_mean_of_k_is_spearman_brown_of_one(self, golden: dict[str, Any]) -> None:
        found = intraclass_correlation(*batches(golden))
        assert spearman_brown(found.icc, 5) == pytest.approx(found.icc_mean, rel=1e-12)
        assert found.sem == pytest.approx(math.sqrt(found.ms_within), rel=1e-12)


class TestRules:
    def test_a_negative_estimate_is_reported_as_it_is(self) -> None:
        found = intraclass_correlation([0, 10, 1, 9.5, 0.5, 9], [1, 1, 2, 2, 3, 3])
        assert found.icc < -0.9
        assert found.low < found.icc < found.high
        assert math.isnan(repeats_for(found.icc, 0.8))
        assert variance_components([0, 10, 1, 9.5, 0.5, 9], [1, 1, 2, 2, 3, 3]).between == 0.0

    @pytest.mark.parametrize(
        ("values", "groups", "reason"),
        [
            ([], [], "FEW_GROUPS"),
            ([1.0, 2.0], ["a", "a"], "FEW_GROUPS"),
            ([1.0, 2.0, math.nan], ["a", "b", "b"], "NO_REPEATS"),
            ([3.0, 3.0, 3.0, 3.0], ["a", "a", "b", "b"], "NO_VARIATION"),
        ],
    )
    def test_nothing_to_estimate_says_why(self, values: list[float], groups: list[str], reason: str) -> None:
        found = intraclass_correlation(values, groups)
        assert found.reason == reason
        assert math.isnan(found.icc)
        assert all(math.isnan(end) for end in bootstrap_icc(values, groups))
        assert math.isnan(variance_components(values, groups).icc)

    def test_repeats_without_any_spread_within_are_perfect(self) -> None:
        found = intraclass_correlation([1, 1, 2, 2, 5, 5], list("aabbcc"))
        assert (found.icc, found.low, found.high, found.sem) == (1.0, 1.0, 1.0, 0.0)
        assert variance_components([1, 1, 2, 2, 5, 5], list("aabbcc")).icc == 1.0

    def test_bad_input_is_refused(self) -> None:
        with pytest.raises(InputError, match="equally long"):
            intraclass_correlation([1.0, 2.0], ["a"])
        with pytest.raises(InputError, match="infinite"):
            intraclass_correlation([1.0, math.inf], ["a", "a"])
        with pytest.raises(InputError, match="between 0 and 1"):
            repeats_for(0.5, 1.0)
        with pytest.raises(InputError, match="unknown method"):
            variance_components([1.0], ["a"], method="mle")  # type: ignore[arg-type]

    @pytest.mark.parametrize(("icc", "wanted", "days"), [(0.3, 0.7, 6), (0.3, 0.9, 21), (0.5, 0.8, 4), (0.95, 0.7, 1)])
    def test_days_for_a_reliability_are_the_smallest_that_reach_it(self, icc: float, wanted: float, days: int) -> None:
        assert repeats_for(icc, wanted) == days
        assert spearman_brown(icc, days) >= wanted - 1e-12
        assert days == 1 or spearman_brown(icc, days - 1) < wanted

    def test_error_of_measurement_and_smallest_real_difference(self) -> None:
        assert standard_error_of_measurement(2.0, 0.75) == pytest.approx(1.0)
        assert smallest_real_difference(1.0) == pytest.approx(2.7718585822512662)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.floats(-50, 50), st.floats(0.01, 100))
def test_icc_knows_neither_unit_nor_origin_nor_order(seed: int, shift: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    values, who = days(rng, 8, 0.4, rng.integers(1, 6, 8))
    shuffled = rng.permutation(len(values))
    found = intraclass_correlation(values, who)
    again = intraclass_correlation(values[shuffled] * scale + shift, who[shuffled].astype(str))
    if found.reason:
        assert again.reason == found.reason
        return
    assert again.icc == pytest.approx(found.icc, rel=1e-6, abs=1e-9)
    assert again.sem == pytest.approx(found.sem * scale, rel=1e-6)


def test_likelihood_of_unequal_groups_is_that_of_a_direct_search() -> None:
    from scipy.optimize import minimize

    rng = np.random.default_rng(4)
    values, who = days(rng, 9, 0.35, rng.integers(1, 6, 9))
    design = (who[:, None] == np.arange(9)).astype(float)

    def minus_two_log_likelihood(logs: np.ndarray) -> float:
        cov = math.exp(logs[0]) * design @ design.T + math.exp(logs[1]) * np.eye(len(values))
        inverse = np.linalg.inv(cov)
        mean = inverse.sum(axis=0) @ values / inverse.sum()
        away = values - mean
        return float(np.linalg.slogdet(cov)[1] + away @ inverse @ away + math.log(inverse.sum()))

    best = minimize(
        minus_two_log_likelihood, [-1.0, -0.5], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}
    )
    found = variance_components(values, who)
    assert (found.between, found.within) == pytest.approx(tuple(np.exp(best.x)), rel=1e-5)


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(12)
    by_f = by_bootstrap = 0
    trials = 400
    for trial in range(trials):
        values, who = days(rng, 60, 0.4)
        found = intraclass_correlation(values, who)
        by_f += found.low <= 0.4 <= found.high
        low, high = bootstrap_icc(values, who, resamples=300, seed=trial)
        by_bootstrap += low <= 0.4 <= high
    assert 0.93 <= by_f / trials <= 0.97
    assert 0.90 <= by_bootstrap / trials <= 0.97


def test_bootstrap_is_repeatable_by_its_seed() -> None:
    values, who = days(np.random.default_rng(1), 20, 0.4)
    assert bootstrap_icc(values, who, seed=5) == bootstrap_icc(values, who, seed=5)
    assert bootstrap_icc(values, who, seed=5) != bootstrap_icc(values, who, seed=6)
