"""The persons that a reference is fitted on: strata, survey weights, detection limits, and who they were."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.canonical import sha256_of
from allostat.allostatic_load.quantiles import SortedWeights, effective_size
from allostat.biomarkers import Sex, biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.panel import SEXES, Panel

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
AgeBand = tuple[int, int]
Weights: TypeAlias = "Mapping[str, float] | pd.Series | Floats"

AT_LIMIT_CODE = "BELOW_LOD"


@dataclass(frozen=True)
class Stratum:
    """A group of persons: sex (None: pooled) and whole years of age, both included (None: all ages)."""

    sex: Sex | None = None
    age_low: int | None = None
    age_high: int | None = None

    def __str__(self) -> str:
        ages = "" if self.age_low is None else f", age {self.age_low} to {self.age_high}"
        return f"{self.sex or 'both sexes'}{ages}"


@dataclass(frozen=True)
class StratumSample:
    """The values of one biomarker in one stratum, ready for any cut-point.

    Parameters
    ----------
    x
        (n,) values in ascending order, in the biomarker's unit.
    weights
        Survey weights in the same order, None when every person counts alike.
    mean, sd
        Of the transformed values. Plain: divisor n - 1. Weighted: ``sum w (f - m)^2 / (W - sum w^2 / W)`` with W the
        sum of weights, which is the divisor n - 1 for equal weights and does not depend on their scale.
    at_limit
        Share at a detection limit; None when the table marks none of the biomarker.
    """

    biomarker: str
    stratum: Stratum
    x: Floats
    weights: SortedWeights | None
    mean: float
    sd: float
    at_limit: float | None = None

    @property
    def n(self) -> int:
        """Persons."""
        return len(self.x)

    @property
    def where(self) -> str:
        """Biomarker and stratum in words."""
        return f"{self.biomarker}, {self.stratum}"

    def share(self, there: Mask) -> float:
        """Share of persons (of weight) in a mask over ``x``."""
        if self.weights is None:
            return float(np.mean(there))
        return float(self.weights.weight[there].sum() / self.weights.cumulative[-1])


def stratum_sample(
    biomarker: str,
    values: Floats,
    stratum: Stratum,
    weights: Floats | None = None,
    at_limit: Mask | None = None,
) -> StratumSample:
    """The sample of values without NaN; ``weights`` above zero and ``at_limit`` in the same order.

    Raises
    ------
    InputError
        Nobody, or no spread.
    """
    where = f"{biomarker}, {stratum}"
    if not len(values):
        raise InputError(
            "a stratum of the reference is empty", where=where,
            expected="persons with a value; or by_sex=False, other sexes, other age_bands",
        )  # fmt: skip
    f = np.log(values) if biomarker_kind(biomarker).transform == "ln" else values
    if weights is None:
        mean, sd = float(f.mean()), float(f.std(ddof=1)) if len(f) > 1 else 0.0
        x, ordered = np.sort(values), None
    else:
        mean, sd = weighted_moments(f, weights)
        order = np.argsort(values)
        x, ordered = values[order], SortedWeights.of(weights[order])
    if not sd > 0:
        raise InputError("a stratum of the reference has no spread", where=where)
    share = None
    if at_limit is not None:
        share = float(at_limit.mean() if weights is None else weights[at_limit].sum() / weights.sum())
    return StratumSample(biomarker, stratum, x, ordered, mean, sd, share)


def weighted_moments(f: Floats, weights: Floats) -> tuple[float, float]:
    """Weighted mean and standard deviation with the divisor ``W - sum w^2 / W``; sd 0 for one person."""
    total = float(weights.sum())
    mean = float(np.dot(weights, f)) / total
    divisor = total * (1.0 - 1.0 / effective_size(weights))
    if len(f) < 2 or not divisor > 0:
        return mean, 0.0
    return mean, math.sqrt(float(np.dot(weights, (f - mean) ** 2)) / divisor)


def strata_of(by_sex: bool, sexes: Sequence[Sex], age_bands: Sequence[AgeBand]) -> tuple[Stratum, ...]:
    """Pooled, by sex, and by sex and age band.

    Raises
    ------
    ConfigError
        Age bands that overlap or run backwards, or bands without sexes.
    """
    if age_bands and not by_sex:
        raise ConfigError("age bands are fitted inside each sex", found="by_sex=False", expected="by_sex=True")
    ordered = sorted(age_bands)
    for low, high in ordered:
        if not (isinstance(low, int) and isinstance(high, int) and 0 <= low <= high):
            raise ConfigError("an age band is two whole years, both included", found=(low, high))
    for (_, before), (after, _) in itertools.pairwise(ordered):
        if after <= before:
            raise ConfigError("age bands overlap", found=ordered)
    by = tuple(sexes) if by_sex else ()
    return (Stratum(), *(Stratum(s) for s in by), *(Stratum(s, low, high) for s in by for low, high in ordered))


@dataclass(frozen=True)
class Members:
    """The persons of a stratum that have a biomarker: numbers of participants, values, weights, who is at a limit."""

    biomarker: str
    stratum: Stratum
    persons: NDArray[np.int64]
    values: Floats
    weights: Floats | None
    at_limit: Mask | None

    def sample(self) -> StratumSample:
        """Ready for any cut-point; errors as `stratum_sample`."""
        return stratum_sample(self.biomarker, self.values, self.stratum, self.weights, self.at_limit)


def stratum_members(
    panel: Panel,
    *,
    occasion: str | None,
    biomarkers: Sequence[str] | None,
    strata: Sequence[Stratum],
    weights: Weights | None,
) -> Iterator[Members]:
    """The members of every biomarker and stratum, biomarker by biomarker.

    Raises
    ------
    InputError
        No such occasion or biomarker, several occasions and none chosen, a person without a weight.
    """
    at = rows_of_occasion(panel, occasion)
    weight = None if weights is None else person_weights(panel, weights)
    limits = panel.codes.get(AT_LIMIT_CODE)
    inside = [_inside(panel, at, s) for s in strata]
    for biomarker in wanted_biomarkers(panel, biomarkers):
        j = panel.column_of[biomarker]
        column = np.ascontiguousarray(panel.value[at, j])
        there = ~np.isnan(column) if weight is None else ~np.isnan(column) & (weight > 0)
        marked = None if limits is None or not limits[:, j].any() else limits[at, j]
        for stratum, mask in zip(strata, inside, strict=True):
            here = np.flatnonzero(there & mask)
            yield Members(
                biomarker,
                stratum,
                here,
                column[here],
                None if weight is None else weight[here],
                None if marked is None else marked[here],
            )


def rows_of_occasion(panel: Panel, occasion: str | None) -> slice:
    """Rows of the occasion to fit on, one per participant."""
    if occasion is None and len(panel.occasions) > 1:
        raise InputError("several occasions: name the one to fit on", found=", ".join(panel.occasions))
    chosen = occasion or panel.occasions[0]
    if chosen not in panel.occasions:
        raise InputError("no such occasion", found=chosen, valid=panel.occasions)
    return slice(panel.occasions.index(chosen), None, len(panel.occasions))


def wanted_biomarkers(panel: Panel, biomarkers: Sequence[str] | None) -> tuple[str, ...]:
    """The biomarkers to fit, all of the panel when None."""
    scored = (b for b in panel.biomarkers if biomarker_kind(b).direction != "none")
    wanted = tuple(scored if biomarkers is None else biomarkers)
    if not wanted:
        raise InputError("a reference needs biomarkers: the table has none")
    for biomarker in wanted:
        if biomarker not in panel.column_of:
            raise InputError("the table has no such biomarker", found=biomarker, valid=panel.biomarkers)
    return wanted


def _inside(panel: Panel, at: slice, stratum: Stratum) -> Mask:
    inside = np.ones(len(panel.participants), dtype=np.bool_)
    if stratum.sex is not None:
        inside &= panel.sex[at] == SEXES.index(stratum.sex)
    if stratum.age_low is not None and stratum.age_high is not None:
        age = panel.age_years[at]
        inside &= (age >= stratum.age_low) & (age < stratum.age_high + 1)
    return inside


def person_weights(panel: Panel, weights: Weights) -> Floats:
    """(participants,) survey weights of zero or more.

    Parameters
    ----------
    weights
        By participant (a mapping or a series), or an array in the order of ``panel.participants``.

    Raises
    ------
    InputError
        A participant without a weight, or a weight below zero or not finite.
    """
    if isinstance(weights, np.ndarray):
        found = weights.astype(np.float64)
        if found.shape != (len(panel.participants),):
            raise InputError(
                "weights", found=found.shape, expected=f"one for each of {len(panel.participants)} persons"
            )
    else:
        told = {str(k): float(v) for k, v in weights.items()}
        if len(told) != len(weights):
            raise InputError("two weights of one participant")
        lacking = [p for p in panel.participants if p not in told]
        if lacking:
            raise InputError(f"{len(lacking)} participants have no weight", found=lacking[0])
        found = np.array([told[p] for p in panel.participants], dtype=np.float64)
    bad = ~(found >= 0) | np.isinf(found)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InputError(
            "a weight is a finite number of zero or more", where=f"participant {panel.participants[first]}",
            found=float(found[first]),
        )  # fmt: skip
    return found


def persons_with_values(panel: Panel, biomarkers: Sequence[str], at: slice | None = None) -> tuple[str, ...]:
    """Participants with a value of any of the biomarkers (on the occasion of the rows ``at``, or on any)."""
    columns = [panel.column_of[b] for b in biomarkers if b in panel.column_of]
    measured = panel.measured[:, columns].any(axis=1).reshape(len(panel.participants), len(panel.occasions))
    has = np.asarray(measured.any(axis=1) if at is None else measured[:, at.start])
    if has.all():
        return panel.participants
    return tuple(panel.participants[i] for i in np.flatnonzero(has).tolist())


def sample_fingerprint(participants: Sequence[str]) -> str:
    """SHA-256 of the set of participants: equal sets have equal fingerprints, and none says who is in it."""
    return sha256_of(sorted(participants))
