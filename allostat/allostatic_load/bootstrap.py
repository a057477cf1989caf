"""Group-level uncertainty: clusters (clinics) drawn whole, bias-corrected and accelerated intervals.

BCa: Efron 1987 (10.1080/01621459.1987.10478410). Persons of one clinic are alike, so clinics are what is drawn; persons
inside a drawn clinic stay as they are. The acceleration comes from leaving out one cluster at a time. With two groups,
whose clusters are different ones, each group's clusters are drawn by themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.errors import ConfigError, InputError

Floats = NDArray[np.float64]
Statistic: TypeAlias = Callable[[Floats], float]

FEW_CLUSTERS = 10


@dataclass(frozen=True)
class ClusterInterval:
    """An estimate with its cluster bootstrap interval.

    Parameters
    ----------
    estimate
        The statistic of the sample.
    se
        Standard deviation of the resamples.
    low, high
        BCa interval.
    bias_correction, acceleration
        z0 and a of the interval; 0 and 0 give the plain percentile interval.
    clusters, n
        Clusters and persons with a value.
    left_out
        Persons without a value.
    resamples
        Values of the statistic in the resamples.
    notes
        ``FEW_CLUSTERS`` below 10: intervals from few clusters are too narrow. ``NO_SPREAD``: all resamples are equal.
    """

    estimate: float
    se: float
    low: float
    high: float
    bias_correction: float
    acceleration: float
    clusters: int
    n: int
    left_out: int
    resamples: Floats
    level: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Group:
    """Rows of one group ordered by cluster: ``values[start[k] : start[k + 1]]`` is cluster k."""

    values: Floats
    start: NDArray[np.int64]

    @property
    def clusters(self) -> int:
        return len(self.start) - 1

    def drawn(self, clusters: NDArray[np.int64]) -> Floats:
        return np.concatenate([self.values[self.start[k] : self.start[k + 1]] for k in clusters.tolist()])


def cluster_bootstrap(
    values: ArrayLike,
    clusters: Sequence[object] | NDArray[np.generic],
    statistic: Statistic | None = None,
    *,
    groups: Sequence[object] | NDArray[np.generic] | None = None,
    contrast: tuple[object, object] | None = None,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> ClusterInterval:
    """Interval of a statistic, or of its difference between two groups, from resamples of clusters.

    Parameters
    ----------
    values
        (n,) one value for each person, or (n, k) several for a statistic of several (a slope, a correlation). Rows with
        NaN are left out and counted.
    clusters
        (n,) cluster of each person, for example the clinic.
    statistic
        From the values of the persons drawn, (n*,) or (n*, k), to one number; None: the mean.
    groups
        (n,) group of each person: the result is ``statistic(second) - statistic(first)``. No cluster may lie in both.
    contrast
        (first, second) group; needed with ``groups``.
    resamples, level, seed
        Number of resamples, coverage, seed of the random numbers: the same call gives the same numbers.

    Returns
    -------
    ClusterInterval

    Raises
    ------
    InputError
        Lengths that differ, fewer than two clusters (in a group), a cluster in both groups, an estimate that is NaN.
    ConfigError
        Unknown group, fewer than 100 resamples, level outside 0 to 1.
    """
    if resamples < 100:
        raise ConfigError("an interval needs resamples", found=resamples, expected="100 or more (2,000 is usual)")
    if not 0 < level < 1:
        raise ConfigError("a level lies between 0 and 1", found=level)
    x = np.asarray(values, dtype=np.float64)
    labels = np.asarray(clusters)
    if x.ndim not in (1, 2) or labels.shape != x.shape[:1]:
        raise InputError("clusters of other length than values", found=labels.shape, expected=f"({len(x)},)")
    there = np.asarray(~np.isnan(x.reshape(len(x), -1)).any(axis=1))
    parts = _groups(x, labels, there, groups, contrast)
    rng = np.random.default_rng(seed)
    if statistic is None:
        if x.ndim != 1:
            raise ConfigError("several values for each person need a statistic", found=x.shape)
        found = [_mean(p, rng, resamples) for p in parts]
    else:
        found = [_any(p, statistic, rng, resamples) for p in parts]
    # The first group is taken away from the second.
    signs = (1.0,) if len(parts) == 1 else (-1.0, 1.0)
    estimate = sum(s * f[0] for s, f in zip(signs, found, strict=True))
    if not np.isfinite(estimate):
        raise InputError("the statistic of the sample is not a number", found=estimate)
    drawn: Floats = np.sum([s * f[1] for s, f in zip(signs, found, strict=True)], axis=0)
    if not np.isfinite(drawn).all():
        raise InputError(
            "the statistic is not a number in some resamples",
            found=f"{int((~np.isfinite(drawn)).sum())} of {resamples}", expected="a statistic of any set of clusters",
        )  # fmt: skip
    a = acceleration([s * f[2] for s, f in zip(signs, found, strict=True)])
    low, high, z0 = bca_interval(estimate, drawn, a, level)
    count = sum(p.clusters for p in parts)
    notes: tuple[str, ...] = ("FEW_CLUSTERS",) if min(p.clusters for p in parts) < FEW_CLUSTERS else ()
    if np.ptp(drawn) == 0:
        notes += ("NO_SPREAD",)
    n = sum(len(p.values) for p in parts)
    left_out = int((~there).sum())
    return ClusterInterval(
        estimate, float(drawn.std(ddof=1)), low, high, z0, a, count, n, left_out, drawn, level, notes
    )


def _groups(
    x: Floats,
    labels: NDArray[np.generic],
    there: NDArray[np.bool_],
    groups: Sequence[object] | NDArray[np.generic] | None,
    contrast: tuple[object, object] | None,
) -> list[_Group]:
    if groups is None:
        return [_ordered(x[there], labels[there], "")]
    of = np.asarray(groups)
    if of.shape != labels.shape:
        raise InputError("groups of other length than values", found=of.shape, expected=str(labels.shape))
    if contrast is None:
        raise ConfigError("two groups need a contrast", expected="contrast=(first, second)")
    for name in contrast:
        if not (of == name).any():
            raise ConfigError("no such group", found=name, valid=[str(g) for g in np.unique(of)])
    first, second = (there & (of == name) for name in contrast)
    both = np.intersect1d(labels[first], labels[second])
    if len(both):
        raise InputError(
            "a cluster lies in both groups: groups inside clusters need a statistic of values and group",
            found=both[0], expected="each cluster in one group",
        )  # fmt: skip
    return [_ordered(x[m], labels[m], str(n)) for m, n in zip((first, second), contrast, strict=True)]


def _ordered(x: Floats, labels: NDArray[np.generic], group: str) -> _Group:
    _, number, size = np.unique(labels, return_inverse=True, return_counts=True)
    if len(size) < 2:
        raise InputError(
            "resampling clusters needs two of them", where=f"group {group}" if group else None, found=len(size)
        )
    order = np.argsort(number, kind="stable")
    return _Group(x[order], np.concatenate([[0], np.cumsum(size)]).astype(np.int64))


def _mean(group: _Group, rng: np.random.Generator, resamples: int) -> tuple[float, Floats, Floats]:
    """Mean, its resamples, and its values without each cluster, from the sums of clusters alone."""
    total = np.add.reduceat(group.values, group.start[:-1])
    size = np.diff(group.start).astype(np.float64)
    k = group.clusters
    times = rng.multinomial(k, np.full(k, 1.0 / k), size=resamples).astype(np.float64)
    left = (total.sum() - total) / (size.sum() - size)
    return float(total.sum() / size.sum()), (times @ total) / (times @ size), left


def _any(group: _Group, statistic: Statistic, rng: np.random.Generator, resamples: int) -> tuple[float, Floats, Floats]:
    """The same of any statistic."""
    k = group.clusters
    drawn = np.array([statistic(group.drawn(rng.integers(0, k, k))) for _ in range(resamples)], dtype=np.float64)
    every = np.arange(k)
    left = np.array([statistic(group.drawn(np.delete(every, i))) for i in range(k)], dtype=np.float64)
    return float(statistic(group.values)), drawn, left


def acceleration(left_out: Sequence[Floats]) -> float:
    """Acceleration of BCa from the statistic without each cluster, one array for each group.

    ``a = sum_g sum_i U_gi^3 / k_g^3 / (6 (sum_g sum_i U_gi^2 / k_g^2)^1.5)``, ``U_gi = (k_g - 1)(mean - value_gi)``,
    for several independent samples; the usual form for one. 0 when nothing varies.
    """
    cubes, squares = 0.0, 0.0
    for left in left_out:
        k = len(left)
        u = (k - 1) * (left.mean() - left)
        cubes += float(np.sum(u**3)) / k**3
        squares += float(np.sum(u**2)) / k**2
    return cubes / (6.0 * squares**1.5) if squares > 0 and np.isfinite(cubes) else 0.0


def bca_interval(estimate: float, drawn: Floats, a: float, level: float = 0.95) -> tuple[float, float, float]:
    """Lower end, upper end and bias correction z0 of the BCa interval; resamples equal to the estimate count half."""
    from scipy.special import ndtr, ndtri

    below = float(np.mean(drawn < estimate) + 0.5 * np.mean(drawn == estimate))
    # All resamples on one side would put z0 at infinity: half a resample is left on the other.
    half = 0.5 / len(drawn)
    z0 = float(ndtri(min(max(below, half), 1.0 - half)))
    z = z0 + ndtri(np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0]))
    shares = ndtr(z0 + z / (1.0 - a * z))
    low, high = np.quantile(drawn, shares).tolist()
    return low, high, z0
