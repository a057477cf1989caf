"""Which choice matters most: variance over specifications, shared out among the choices.

Each choice is a factor with main effects. Specifications are not a full factorial (what cannot be defended is left
out), so factors overlap, and the variance that several explain is shared out by averaging each factor's gain over all
orders in which factors can enter (Lindeman, Merenda & Gold 1980; Grömping 2007, 10.1198/000313007X188252). In a
balanced design this is the share of the factorial analysis of variance. Shares of the choices and the rest
(interactions) add up to 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.multiverse.choices import NOT_APPLICABLE

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

RESIDUAL = "residual"
_SINGULAR = 1e-9


@dataclass(frozen=True)
class Shares:
    """Shares of the variance over specifications.

    Parameters
    ----------
    of
        By choice, and `RESIDUAL` for interactions; NaN when there is no variance or nobody to compare.
    specifications
        Number of specifications that were compared.
    participants
        Number of participants that all of them score (0 for effects).
    """

    of: Mapping[str, float]
    specifications: int
    participants: int = 0


def factor_columns(levels: Sequence[Mapping[str, str]]) -> dict[str, Floats]:
    """Columns (specifications, levels - 1) of each choice that has several levels.

    Levels are contrasted among the specifications to which the choice applies; those to which it does not are 0, so
    that a choice nested in another one takes none of its variance.
    """
    columns: dict[str, Floats] = {}
    for name in levels[0] if levels else ():
        told = [one[name] for one in levels]
        applies = np.array([level != NOT_APPLICABLE for level in told])
        found = sorted(set(told) - {NOT_APPLICABLE})
        if len(found) < 2:
            continue
        dummies = np.array([[float(level == one) for one in found[1:]] for level in told])
        dummies[applies] -= dummies[applies].mean(axis=0)
        dummies[~applies] = 0.0
        columns[name] = dummies
    return columns


def variance_shares(levels: Sequence[Mapping[str, str]], values: Floats) -> dict[str, float]:
    """Share of each choice in the variance of values over specifications.

    Parameters
    ----------
    values
        (specifications, participants) without NaN. The shares are means over participants of the share in the
        variance of each; participants whose values are all equal are left out.
    """
    names = list(levels[0]) if levels else []
    centred = values - values.mean(axis=0)
    total = (centred**2).sum(axis=0)
    varied = total > 1e-24 * np.maximum((values**2).sum(axis=0), 1e-300)
    if not varied.any() or len(values) < 2:
        return dict.fromkeys([*names, RESIDUAL], math.nan)
    scaled = centred[:, varied] / np.sqrt(total[varied])
    columns = factor_columns(levels)
    factors = list(columns)
    design = np.concatenate([columns[name] for name in factors], axis=1) if factors else np.zeros((len(values), 0))
    design -= design.mean(axis=0)
    projected = design.T @ scaled
    outer = projected @ projected.T / varied.sum()
    inner = design.T @ design
    places = np.cumsum([0, *(columns[name].shape[1] for name in factors)])
    explained = _explained_by_subset(inner, outer, [slice(a, b) for a, b in itertools.pairwise(places.tolist())])
    shares = dict.fromkeys(names, 0.0)
    for number, name in enumerate(factors):
        shares[name] = _mean_gain(explained, number, len(factors))
    shares[RESIDUAL] = max(0.0, 1.0 - explained[-1])
    return shares


def _explained_by_subset(inner: Floats, outer: Floats, places: Sequence[slice]) -> Floats:
    """Share explained by every subset of factors; the bits of a subset's number say which factors are in it."""
    count = len(places)
    explained = np.zeros(1 << count)
    for subset in range(1, 1 << count):
        at = np.concatenate([np.arange(p.start, p.stop) for i, p in enumerate(places) if subset >> i & 1])
        value, vector = np.linalg.eigh(inner[np.ix_(at, at)])
        kept = value > _SINGULAR * max(value[-1], 1e-300)
        basis = vector[:, kept] / np.sqrt(value[kept])
        explained[subset] = float((basis * (outer[np.ix_(at, at)] @ basis)).sum())
    return explained


def _mean_gain(explained: Floats, factor: int, count: int) -> float:
    """What a factor adds, averaged over all orders of entry."""
    gain = 0.0
    for subset in range(1 << count):
        if subset >> factor & 1:
            continue
        size = subset.bit_count()
        weight = math.factorial(size) * math.factorial(count - 1 - size) / math.factorial(count)
        gain += weight * (explained[subset | 1 << factor] - explained[subset])
    return max(0.0, gain)


def score_shares(levels: Sequence[Mapping[str, str]], ranks: Floats) -> Shares:
    """Which choice moves persons most: shares in the variance of each person's rank over specifications.

    Parameters
    ----------
    ranks
        (specifications, participants) from 0 to 1, NaN where not scored. Compared are the persons that all compared
        specifications score; specifications that score fewer than half as many as the one that scores most are left
        out.
    """
    scored = (~np.isnan(ranks)).sum(axis=1)
    compared = np.flatnonzero(scored * 2 >= scored.max()) if len(scored) else np.zeros(0, dtype=np.int64)
    everywhere = ~np.isnan(ranks[compared]).any(axis=0)
    chosen = [levels[i] for i in compared.tolist()]
    if not everywhere.any():
        return Shares(dict.fromkeys([*(levels[0] if levels else ()), RESIDUAL], math.nan), len(compared))
    shares = variance_shares(chosen, ranks[np.ix_(compared, np.flatnonzero(everywhere))])
    return Shares(shares, len(compared), int(everywhere.sum()))


def effect_shares(levels: Sequence[Mapping[str, str]], effects: Floats) -> Shares:
    """Which choice moves the effect most; specifications without an effect are left out."""
    known = np.flatnonzero(~np.isnan(effects))
    chosen = [levels[i] for i in known.tolist()]
    if not chosen:
        return Shares(dict.fromkeys([*(levels[0] if levels else ()), RESIDUAL], math.nan), 0)
    return Shares(variance_shares(chosen, effects[known, None]), len(known))
