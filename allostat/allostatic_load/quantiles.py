"""Sample quantiles by Hyndman & Fan (1996, 10.1080/00031305.1996.10473566), plain and with survey weights.

Weighted generalisation (each type with equal weights is the plain type, zero weights change nothing, and neither does a
common factor of all weights):

- type 2: the value where the cumulative weight passes ``p`` times the total weight, and the mean of two neighbours
  where it meets it exactly. Whole-number weights are repeated rows.
- types 6, 7 and 8: Akinshin (2023, 10.48550/arXiv.2304.07265). The weights of the sorted sample divide 0 to 1 into
  stretches; the quantile is the mean of the values over the stretch from ``(h - 1) / m`` to ``h / m``, where m is the
  effective size ``(sum w)^2 / sum w^2`` (Kish) and h the position of the type in a sample of size m. Whole-number
  weights are *not* repeated rows here: the interpolation depends on how many persons there are, and a weight is none.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.references import QUANTILE_TYPES
from allostat.errors import ConfigError, InputError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SortedWeights:
    """Weights in the order of a sorted sample.

    Parameters
    ----------
    weight
        (n,) above zero.
    cumulative
        (n,) running sum.
    effective
        Kish's effective size ``(sum w)^2 / sum w^2``.
    """

    weight: Floats
    cumulative: Floats
    effective: float

    @classmethod
    def of(cls, weight: Floats) -> Self:
        """Of weights in the order of the sorted sample."""
        cumulative = np.cumsum(weight)
        return cls(weight, cumulative, effective_size(weight))

    def reversed(self) -> SortedWeights:
        """Of the sample sorted the other way round."""
        return SortedWeights.of(self.weight[::-1])


def effective_size(weights: Floats) -> float:
    """Kish's effective sample size ``(sum w)^2 / sum w^2``."""
    return float(weights.sum()) ** 2 / float(np.sum(weights**2))


def sample_quantile(values: Floats, p: float, quantile_type: int = 7, weights: Floats | None = None) -> float:
    """Sample quantile.

    Parameters
    ----------
    values
        (n,) without NaN.
    p
        0 to 1.
    quantile_type
        7: ``h = (n - 1) p + 1`` (R, NumPy); 2: mean of the two at a discontinuity (SAS PCTLDEF=5, Stata ``_pctile``);
        6: ``h = (n + 1) p``; 8: ``h = (n + 1/3) p + 1/3``.
    weights
        (n,) survey weights of zero or more; see the module for what they mean in each type.

    Raises
    ------
    ConfigError
        Unknown type.
    InputError
        No value, or none with a weight above zero.
    """
    x = np.asarray(values, dtype=np.float64)
    if weights is None:
        return sorted_quantile(np.sort(x), p, quantile_type)
    kept = np.asarray(weights, dtype=np.float64) > 0
    order = np.argsort(x[kept])
    return sorted_quantile(
        x[kept][order], p, quantile_type, SortedWeights.of(weights[kept][order]) if kept.any() else None
    )


def sorted_quantile(
    x: Floats,
    p: float,
    quantile_type: int = 7,
    weights: SortedWeights | None = None,
    scale: Callable[[Floats], Floats] | None = None,
) -> float:
    """`sample_quantile` of a sample in ascending order; ``scale`` is a rising function applied to the values first."""
    if quantile_type not in QUANTILE_TYPES:
        raise ConfigError("unknown quantile type", found=quantile_type, expected="2, 6, 7 or 8")
    if not len(x):
        raise InputError("quantile of nothing")
    if weights is not None:
        return _weighted(x, p, quantile_type, weights, scale)
    n = len(x)
    if quantile_type == 2:
        # n p is rounded because 0.07 * 100 > 7 in floating point.
        at = round(n * p, 9)
        first, second = math.ceil(at) - 1, math.floor(at)
    else:
        h = _position(n, p, quantile_type) - 1
        first = math.floor(round(h, 9))
        second = first + 1
    picked = x[[min(max(first, 0), n - 1), min(max(second, 0), n - 1)]]
    a, b = (picked if scale is None else scale(picked)).tolist()
    return float((a + b) / 2.0 if quantile_type == 2 else a + max(h - first, 0.0) * (b - a))


def _position(n: float, p: float, quantile_type: int) -> float:
    """Where the quantile lies in a sorted sample counted from 1."""
    return {6: (n + 1) * p, 7: (n - 1) * p + 1, 8: (n + 1 / 3) * p + 1 / 3}[quantile_type]


def _weighted(
    x: Floats, p: float, quantile_type: int, weights: SortedWeights, scale: Callable[[Floats], Floats] | None
) -> float:
    n, total, cumulative = len(x), float(weights.cumulative[-1]), weights.cumulative
    if quantile_type == 2:
        # Meeting the share exactly is judged to 1e-9 of a mean weight, as the plain type rounds n p.
        slack = 0.5e-9 * total / n
        first = int(np.searchsorted(cumulative, p * total - slack, side="left"))
        second = int(np.searchsorted(cumulative, p * total + slack, side="right"))
        picked = x[[min(first, n - 1), min(second, n - 1)]]
        return float((picked if scale is None else scale(picked)).mean())
    m = weights.effective
    h = min(max(_position(m, p, quantile_type), 1.0), m)
    low, high = (h - 1.0) / m * total, h / m * total
    first = min(int(np.searchsorted(cumulative, low, side="right")), n - 1)
    last = min(int(np.searchsorted(cumulative, high, side="left")), n - 1)
    ends = np.minimum(cumulative[first : last + 1], high)
    starts = np.maximum(np.append(cumulative[first - 1] if first else 0.0, cumulative[first:last]), low)
    share = np.maximum(ends - starts, 0.0)
    picked = x[first : last + 1]
    return float(np.dot(share, picked if scale is None else scale(picked)) / share.sum())
