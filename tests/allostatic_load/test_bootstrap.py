"""Cluster bootstrap: known cases, another implementation, coverage."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from allostat.allostatic_load import cluster_bootstrap
from allostat.allostatic_load.bootstrap import acceleration
from allostat.errors import ConfigError, InputError


def clinics(k: int, per: int, tau: float, rng: np.random.Generator) -> tuple[Any, Any]:
    labels = np.repeat(np.arange(k), per)
    return rng.normal(0, tau, k)[labels] + rng.normal(0, 1, k * per), labels


def test_the_error_of_a_mean_is_that_of_cluster_means() -> None:
    """Clusters of equal size: the standard error is that of the mean of k cluster means, divisor k."""
    values, labels = clinics(40, 12, 0.8, np.random.default_rng(0))
    means = values.reshape(40, 12).mean(axis=1)
    found = cluster_bootstrap(values, labels, resamples=20_000)
    assert found.estimate == pytest.approx(values.mean(), rel=1e-12)
    assert found.se == pytest.approx(means.std() / math.sqrt(40), rel=0.02)
    assert (found.clusters, found.n, found.left_out, found.notes) == (40, 480, 0, ())
    # Persons drawn one by one would be far too sure.
    assert found.se > 2 * values.std() / math.sqrt(480)


def test_any_statistic_gives_what_the_mean_gives() -> None:
    values, labels = clinics(15, 6, 0.5, np.random.default_rng(1))
    plain = cluster_bootstrap(values, labels, resamples=2000)
    same = cluster_bootstrap(values, labels, lambda x: float(np.mean(x)), resamples=2000)
    assert same.estimate == pytest.approx(plain.estimate, rel=1e-12)
    assert same.acceleration == pytest.approx(plain.acceleration, rel=1e-9)
    assert same.se == pytest.approx(plain.se, rel=0.08)


def test_one_person_in_each_cluster_is_the_interval_of_scipy() -> None:
    from scipy.stats import bootstrap

    x = np.random.default_rng(2).lognormal(0, 0.8, 60)
    found = cluster_bootstrap(x, np.arange(60), resamples=6000)
    other = bootstrap((x,), np.mean, n_resamples=6000, method="BCa", rng=np.random.default_rng(1)).confidence_interval
    assert (found.low, found.high) == pytest.approx((other.low, other.high), rel=0.02)


def test_acceleration_by_hand() -> None:
    """For the mean it is a sixth of the skewness of the sample divided by sqrt(n)."""
    x = np.array([1.0, 2.0, 4.0, 9.0])
    left = (x.sum() - x) / 3
    centred = x - x.mean()
    skewness = np.mean(centred**3) / np.mean(centred**2) ** 1.5
    assert acceleration([left]) == pytest.approx(skewness / 6 / 2, rel=1e-12)
    assert acceleration([np.full(5, 2.0)]) == 0.0


def test_difference_of_two_groups_of_clinics() -> None:
    rng = np.random.default_rng(3)
    values, labels = clinics(30, 10, 0.6, rng)
    arm = np.where(labels % 2, "wait", "care")
    shifted = values + 0.7 * (arm == "care")
    found = cluster_bootstrap(shifted, labels, groups=arm, contrast=("wait", "care"), resamples=10_000)
    assert found.estimate == pytest.approx(shifted[arm == "care"].mean() - shifted[arm == "wait"].mean(), rel=1e-12)
    means = [shifted[arm == a].reshape(15, 10).mean(axis=1) for a in ("wait", "care")]
    assert found.se == pytest.approx(math.sqrt(sum(m.var() / 15 for m in means)), rel=0.03)
    turned = cluster_bootstrap(shifted, labels, groups=arm, contrast=("care", "wait"), resamples=10_000)
    assert turned.estimate == pytest.approx(-found.estimate, rel=1e-12)
    median = cluster_bootstrap(
        shifted, labels, lambda x: float(np.median(x)), groups=arm, contrast=("wait", "care"), resamples=200
    )
    assert median.low < median.estimate < median.high


def test_statistics_of_several_values() -> None:
    rng = np.random.default_rng(4)
    x, labels = clinics(25, 8, 0.5, rng)
    y = 2 * x + rng.normal(0, 0.5, len(x))

    def slope(rows: Any) -> float:
        return float(np.polyfit(rows[:, 0], rows[:, 1], 1)[0])

    found = cluster_bootstrap(np.stack([x, y], axis=1), labels, slope, resamples=300)
    assert found.low < 2 < found.high
    assert found.high - found.low < 0.3


def test_intervals_cover_the_truth() -> None:
    """30 clinics of 5 with one third of the variance between them; BCa with 30 clusters covers a little below 95 %."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(400):
        values, labels = clinics(30, 5, 0.7, rng)
        found = cluster_bootstrap(values, labels, resamples=400, seed=int(rng.integers(1 << 30)))
        hits += found.low <= 0 <= found.high
    assert 0.915 <= hits / 400 <= 0.97


def test_missing_persons_are_left_out_and_counted() -> None:
    values, labels = clinics(12, 5, 0.5, np.random.default_rng(6))
    values[[0, 7, 59]] = np.nan
    there = ~np.isnan(values)
    found, same = cluster_bootstrap(values, labels), cluster_bootstrap(values[there], labels[there])
    assert (found.n, found.left_out) == (57, 3)
    assert (found.low, found.high) == (same.low, same.high)


def test_the_same_call_gives_the_same_numbers() -> None:
    values, labels = clinics(12, 5, 0.5, np.random.default_rng(6))
    names = np.array([f"clinic {k}" for k in labels])
    one, two = cluster_bootstrap(values, names, seed=9), cluster_bootstrap(values, names, seed=9)
    assert (one.low, one.high) == (two.low, two.high)
    assert one.low != cluster_bootstrap(values, names, seed=10).low


def test_few_clusters_and_no_spread_are_noted() -> None:
    few = cluster_bootstrap([1.0, 2.0, 3.0], ["a", "b", "c"])
    assert few.notes == ("FEW_CLUSTERS",)
    same = cluster_bootstrap(np.ones(40), np.arange(40) // 2)
    assert same.notes == ("NO_SPREAD",)
    assert (same.low, same.high) == (1.0, 1.0)


def test_what_cannot_be_resampled_is_refused() -> None:
    with pytest.raises(InputError, match="needs two of them"):
        cluster_bootstrap([1.0, 2.0], ["a", "a"])
    with pytest.raises(InputError, match="needs two of them"):
        cluster_bootstrap([np.nan, 2.0], ["a", "b"])
    with pytest.raises(InputError, match="other length"):
        cluster_bootstrap([1.0, 2.0], ["a"])
    with pytest.raises(InputError, match="lies in both groups"):
        cluster_bootstrap(np.arange(4.0), list("aabb"), groups=list("xyxy"), contrast=("x", "y"))
    with pytest.raises(ConfigError, match="contrast"):
        cluster_bootstrap(np.arange(4.0), list("aabb"), groups=list("xxyy"))
    with pytest.raises(ConfigError, match="no such group"):
        cluster_bootstrap(np.arange(4.0), list("aabb"), groups=list("xxyy"), contrast=("x", "z"))
    with pytest.raises(ConfigError, match="100 or more"):
        cluster_bootstrap(np.arange(4.0), list("aabb"), resamples=3)
    with pytest.raises(ConfigError, match="need a statistic"):
        cluster_bootstrap(np.ones((4, 2)), list("aabb"))
    with pytest.raises(InputError, match="some resamples"):
        cluster_bootstrap(
            np.arange(4.0), list("abcd"), lambda x: float(np.log(x.max() - 2.5)) if x.max() > 2.5 else np.nan
        )
