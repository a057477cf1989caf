"""Measures of the histogram and of short patterns of the intervals of windows: stress index, symbolic dynamics.

Sources: Porta et al. 2007, 10.1152/ajpheart.00006.2007 (six levels between the extremes); Cysarz et al. 2018,
10.1088/1361-6579/aae302 (four levels of equal probability). The stress index is Baevsky's, of bins of 50 ms and with
the median as its mode; its square root, as Kubios gives it (Tarvainen et al. 2014, 10.1016/j.cmpb.2013.07.024).
"""

from __future__ import annotations

import numpy as np

from allostat.hrv_presets import Preset
from allostat.hrv_series import Floats, Indices

SYMBOLIC = ("symbolic_0v", "symbolic_1v", "symbolic_2lv", "symbolic_2uv")
STRESS_BIN_MS = 50.0
LEAST_INTERVALS = 12
"""Fewer intervals have no histogram and no patterns worth the name."""

_LEVELS = {"extremes_6": 6, "probability_4": 4}


def symbolic_shares(nn_ms: Floats, symbols: str) -> tuple[float, float, float, float]:
    """Shares in % of patterns of three intervals without variation, with one, with two like and two unlike ones.

    Parameters
    ----------
    nn_ms
        (n,) intervals; NaN is a gap, which no pattern reaches across.
    symbols
        ``extremes_6``: six levels of equal width between the shortest and the longest interval. ``probability_4``: four
        levels between the quartiles. An interval on a bound belongs to the level above it.

    Returns
    -------
    shares
        NaN without variation, without patterns, or with fewer than `LEAST_INTERVALS` intervals.
    """
    nothing = (np.nan, np.nan, np.nan, np.nan)
    known = np.isfinite(nn_ms)
    values = nn_ms[known]
    if len(values) < LEAST_INTERVALS or not _varies(values):
        return nothing
    levels = _LEVELS[symbols]
    if symbols == "extremes_6":
        bounds = np.linspace(values.min(), values.max(), levels + 1)[1:-1]
    else:
        bounds = np.quantile(values, np.linspace(0, 1, levels + 1)[1:-1])
    # A gap takes a place, so that what lies on either side of it are no neighbours.
    symbol = np.searchsorted(bounds, np.where(known, nn_ms, 0.0), side="right")
    whole = known[:-2] & known[1:-1] & known[2:]
    first, second = np.diff(symbol)[:-1][whole], np.diff(symbol)[1:][whole]
    if not len(first):
        return nothing
    changes = (first != 0).astype(np.int64) + (second != 0)
    like = (changes == 2) & (np.sign(first) == np.sign(second))
    share = 100.0 / len(first)
    return (
        share * float((changes == 0).sum()),
        share * float((changes == 1).sum()),
        share * float(like.sum()),
        share * float(((changes == 2) & ~like).sum()),
    )


def _varies(values: Floats) -> bool:
    """Whether values differ by more than what rounding leaves of a constant series that was detrended."""
    return bool(np.ptp(values) > 1e-9 * np.max(np.abs(values)))


def stress_index(nn_ms: Floats) -> float:
    """Square root of AMo / (2 Mo MxDMn): the fullest bin's share in %, median and range in s; NaN without a range."""
    values = nn_ms[np.isfinite(nn_ms)]
    if len(values) < LEAST_INTERVALS or not _varies(values) or not np.median(values) > 0:
        return float("nan")
    _, counts = np.unique(np.floor(values / STRESS_BIN_MS), return_counts=True)
    fullest = 100.0 * float(counts.max()) / len(values)
    return float(np.sqrt(fullest / (2 * float(np.median(values)) / 1000 * float(np.ptp(values)) / 1000)))


def pattern_shares(nn_ms: Floats, first: Indices, stop: Indices, preset: Preset) -> dict[str, Floats]:
    """`symbolic_shares` of windows."""
    rows = np.array([symbolic_shares(nn_ms[a:b], preset.symbols) for a, b in zip(first, stop, strict=True)])
    rows = rows.reshape(len(first), len(SYMBOLIC))
    return {name: rows[:, k].copy() for k, name in enumerate(SYMBOLIC)}


def stress_indices(nn_ms: Floats, first: Indices, stop: Indices) -> Floats:
    """`stress_index` of windows."""
    return np.array([stress_index(nn_ms[a:b]) for a, b in zip(first, stop, strict=True)], dtype=np.float64)
