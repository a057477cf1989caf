"""Item response theory on high-risk flags: a two-parameter logistic model."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms.base import ComponentScore, Floats, Mask
from allostat.errors import InputError

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.options import Algorithm
    from allostat.allostatic_load.references import ModelKind, ReferenceModel

NODES = 61
_ITERATIONS = 3000
_STEEPEST = 12.0
"""Slope beyond which an item counts as determined by the others: the model has no maximum there."""


@dataclass(frozen=True)
class ItemResponse:
    """Expected latent load given the flags (EAP), where ``P(flag_j | t) = 1 / (1 + exp(-(a_j t + c_j)))``.

    Model ``irt``: ``slope`` a (p,), ``intercept`` c (p,), ``difficulty`` -c/a (p,). The latent load t is standard
    normal in the reference persons; the high end is the one where most flags are raised.

    Notes
    -----
    Liu et al. 2021 (10.1016/j.cpnec.2020.100025) scored allostatic load by item response theory. Flags that are missing
    take no part in the likelihood; the expectation then lies nearer to 0 and its standard deviation
    (`expected_a_posteriori`) is larger.
    """

    def component_score(self, definition: Definition) -> ComponentScore:
        """High-risk flags."""
        return "flag"

    def model_kind(self, definition: Definition) -> ModelKind:
        """Item parameters."""
        return "irt"

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) expected latent load; NaN where nothing counts."""
        assert model is not None
        mean, _ = expected_a_posteriori(u, counted, model)
        return mean

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) a_j times the posterior variance: the likelihood is exponential in ``sum u_j a_j t``."""
        assert model is not None
        _, sd = expected_a_posteriori(u, counted, model)
        variance = np.where(np.isnan(sd), 0.0, sd**2)
        return np.where(counted, variance[:, None] * model.array("slope"), 0.0)


def expected_a_posteriori(u: Floats, counted: Mask, model: ReferenceModel) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the latent load of each row given its flags.

    Parameters
    ----------
    u, counted
        (rows, components) flags and which of them count.

    Returns
    -------
    (rows,) each; NaN where nothing counts.
    """
    slope, intercept = model.array("slope"), model.array("intercept")
    rows, which = _distinct(u, counted)
    flags, here = np.where(counted, u, 0.0)[rows], counted[rows]
    t, weight = gauss_hermite(NODES)
    log_likelihood = np.repeat(np.log(weight)[:, None], len(rows), axis=1)
    for j in range(u.shape[1]):
        line = slope[j] * t + intercept[j]
        log_likelihood += np.where(here[:, j], line[:, None] * flags[:, j] - np.logaddexp(0.0, line)[:, None], 0.0)
    log_likelihood -= log_likelihood.max(axis=0)
    posterior = np.exp(log_likelihood)
    # Sums over nodes one after the other: a person alone and in a cohort get the same bits.
    total, first, second = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    for node, one in zip(t.tolist(), posterior, strict=True):
        total += one
        first += node * one
        second += node * node * one
    mean = first / total
    sd = np.sqrt(np.maximum(second / total - mean**2, 0.0))
    some = here.any(axis=1)
    return np.where(some, mean, np.nan)[which], np.where(some, sd, np.nan)[which]


def _distinct(u: Floats, counted: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """One row for each pattern of flags, and the pattern of every row; all rows when they are no flags."""
    everyone = np.arange(len(u))
    known = np.where(counted, u, 0.0)
    if u.shape[1] > 39 or not ((known == 0) | (known == 1)).all():
        return everyone, everyone
    code = np.where(counted, known + 1.0, 0.0).astype(np.int64) @ (3 ** np.arange(u.shape[1], dtype=np.int64))
    _, first, which = np.unique(code, return_index=True, return_inverse=True)
    return first.astype(np.int64), which.astype(np.int64)


@cache
def gauss_hermite(nodes: int) -> tuple[Floats, Floats]:
    """Nodes and weights of an integral over the standard normal distribution; those of weight 0 are left out."""
    t, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    return t[w > 0], w[w > 0]


def fit_item_response(
    flags: Floats, markers: tuple[str, ...], *, where: str
) -> tuple[dict[str, Any], dict[str, str | float | bool]]:
    """Parameters and settings of an ``irt`` model by marginal maximum likelihood (EM, Bock & Aitkin 1981).

    Parameters
    ----------
    flags
        (persons, components) 0 or 1.

    Raises
    ------
    InputError
        A marker flagged in nobody or in everybody, fewer than 3 markers, an item without a finite slope, or no
        convergence.
    """
    share = flags.mean(axis=0)
    same = [m for m, s in zip(markers, share.tolist(), strict=True) if s in (0.0, 1.0)]
    if same:
        raise InputError("a marker is flagged in nobody or in everybody", where=where, found=", ".join(same))
    if len(markers) < 3:
        raise InputError("an item response model needs 3 markers or more", where=where, found=len(markers))
    patterns, count = np.unique(flags, axis=0, return_counts=True)
    items = np.stack([np.ones(len(markers)), np.log(share / (1.0 - share))])
    for iteration in itertools.count(1):
        persons, raised, log_likelihood = _expectation(patterns, count, items)
        updated = np.stack([_item(persons, raised[j], items[:, j]) for j in range(len(markers))], axis=1)
        moved, items = float(np.abs(updated - items).max()), updated
        steep = [m for m, a in zip(markers, items[0].tolist(), strict=True) if abs(a) > _STEEPEST]
        if steep:
            raise InputError(
                "a marker is determined by the others: its item slope has no finite value", where=where,
                found=", ".join(steep), expected="markers that are not two measures of one thing, or more persons",
            )  # fmt: skip
        if moved < 1e-7:
            break
        if iteration == _ITERATIONS:
            raise InputError(
                "item response model did not converge", where=where, found=f"change {moved:.2g}",
                expected=f"less than 1e-7 in {_ITERATIONS} iterations",
            )  # fmt: skip
    slope, intercept = items[0] * (-1.0 if items[0].sum() < 0 else 1.0), items[1]
    parameters = {
        "slope": slope.tolist(),
        "intercept": intercept.tolist(),
        "difficulty": (-intercept / np.where(slope == 0, 1e-12, slope)).tolist(),
    }
    return parameters, {"iterations": float(iteration), "log_likelihood": log_likelihood, "converged": True}


def _expectation(patterns: Floats, count: NDArray[np.int64], items: Floats) -> tuple[Floats, Floats, float]:
    """Expected persons at each node, expected flags of each item at each node, and the log-likelihood."""
    t, weight = gauss_hermite(NODES)
    line = t[:, None] * items[0] + items[1]
    log_joint = patterns @ line.T - np.logaddexp(0.0, line).sum(axis=1) + np.log(weight)
    peak = log_joint.max(axis=1, keepdims=True)
    joint = np.exp(log_joint - peak)
    marginal = joint.sum(axis=1, keepdims=True)
    expected = joint / marginal * count[:, None]
    log_likelihood = float(((np.log(marginal) + peak)[:, 0] * count).sum())
    return expected.sum(axis=0), patterns.T @ expected, log_likelihood


def _item(persons: Floats, raised: Floats, item: Floats) -> Floats:
    """Slope and intercept of one item by Newton's method on the expected persons and flags at each node."""
    t, _ = gauss_hermite(NODES)
    design = np.column_stack([t, np.ones(len(t))])
    for _step in range(25):
        p = 0.5 * (1.0 + np.tanh(0.5 * (design @ item)))
        information = design.T @ (design * (persons * p * (1.0 - p))[:, None])
        step = np.linalg.lstsq(information, design.T @ (raised - persons * p), rcond=None)[0]
        item = item + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-10:
            break
    return item


IRT: Mapping[Algorithm, ItemResponse] = {"irt": ItemResponse()}
