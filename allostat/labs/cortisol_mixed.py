"""Mixed model of ln cortisol over persons and days: slopes of persons, shrunk, with their standard errors.

Sources: Adam & Kumari 2009 (10.1016/j.psyneuen.2009.06.011) for the model of the day, Laird & Ware 1982
(10.2307/2529876) for its estimation, Sánchez et al. 2012 (10.1093/aje/kws182) for other shapes of the day.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.labs.cortisol_course import Course, Curve, course
from allostat.labs.cortisol_day import DEFAULTS
from allostat.labs.cortisol_mixed_check import confirm
from allostat.labs.cortisol_mixed_model import (
    Maximum,
    Persons,
    Sums,
    Variances,
    cross_products,
    fixed_effects,
    maximise,
    predict_persons,
    variance_errors,
)
from allostat.labs.cortisol_mixed_result import Fit, result_dataset
from allostat.labs.cortisol_rules import CortisolSettings
from allostat.labs.cortisol_table import CohortSamples, cohort_samples, samples_table
from allostat.labs.cortisol_two_stage import person_lines, shrink_lines

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]

TIME_UNIT_H = 10.0
"""Time inside the model, so that intercepts and slopes vary by the same order of magnitude."""
EDGE = 1e-6
"""A variance, or what a correlation of one leaves of it, that is below this share of the residual counts as 0."""
NO_NOISE = 1e-12
"""Residual variance of ln cortisol that is rounding."""


@dataclass(frozen=True)
class Columns:
    """Columns of the fixed effects: values, names, and by what each was divided."""

    x: Floats
    names: tuple[str, ...]
    scale: Floats


def cortisol_mixed(
    samples: pd.DataFrame | Mapping[str, xr.Dataset],
    *,
    covariates: Sequence[str] = (),
    response: Literal["indicator", "exclude", "none"] = "indicator",
    curve: Curve = "quadratic",
    knots: Sequence[float] = (),
    method: Literal["reml", "ml"] = "reml",
    confidence: float = 0.95,
    check: Literal["statsmodels", "none"] = "statsmodels",
    settings: CortisolSettings = DEFAULTS,
) -> xr.Dataset:
    """Slope of ln cortisol of every person from all days together, shrunk towards the mean by how much it is known.

    ln c = (b0 + person + day) + (b1 + person) t + b2 response + curve + covariates + error, with t in hours since
    actual waking; persons' intercepts and slopes vary together, days vary around their person.

    Parameters
    ----------
    samples
        One row per sample: ``participant_id``, ``day`` (any name of the day, of the participant), ``value``, ``unit``,
        ``specimen``; ``hours_since_waking``, or ``collected_at`` and ``wake_time``; optional ``operator``, ``assay``,
        and the covariates. Or the `allostat.cortisol` result of each participant.
    covariates
        Columns that enter as fixed effects: wake time, weekday, sleep, smoking, contraceptives, season … Numbers are
        centred at their mean; others become one column per level, against the most frequent one. A sample without
        one is left out and counted.
    response
        Samples of the awakening response (up to 60 min after waking, but not the waking sample): ``indicator``, they
        have a level of their own; ``exclude``, left out; ``none``, treated as any other.
    curve, knots
        ``linear``, ``quadratic``, ``piecewise`` (linear between knots) or ``spline`` (restricted cubic). The line is
        taken out of the curve's columns, so that the slope is the mean slope of the day whatever the curve.
    method
        Restricted or full maximum likelihood.
    confidence
        Of all intervals (normal quantiles).
    check
        ``statsmodels``: its MixedLM continues from the maximum and must stay there; ``none`` skips this, which a
        study of several thousand persons may want (0.3 s per hundred persons).
    settings
        Rules for outliers and assays, as for `allostat.cortisol`.

    Returns
    -------
    Dataset
        Per ``participant``: ``slope`` with ``slope_se`` (of prediction), ``slope_low``, ``slope_high``;
        ``slope_reliability`` (share of the variance between persons that the person's own samples tell),
        ``slope_unshrunk`` (least squares of this person alone), ``level`` with ``level_se`` (ln cortisol at waking on
        the mean line), ``n_days``, ``n_samples``, ``reasons``. Per ``effect``: ``coefficient`` with ``coefficient_se``
        and its interval. Per ``component``: ``variance``, ``variance_se`` (NaN at the edge). Per ``hour``: ``course``,
        ``course_se``, the mean course. Attributes: ``converged`` (1 or 0), ``status`` (codes), ``model``, ``method``,
        ``log_likelihood``, ``said`` (what statsmodels said), counts, ``left_out_…`` (samples by reason).

    Raises
    ------
    InputError
        Mixed assays or specimens, a missing column, fewer than two persons with usable samples, samples too few to
        tell persons' slopes from noise, or covariates that determine each other.
    UnitError
        Units that contradict their values.

    Notes
    -----
    Codes of ``status``: ``CONVERGED``; ``CONFIRMED`` by statsmodels or ``NOT_CONFIRMED``; ``BOUNDARY``, a variance is
    estimated as 0 or a correlation as 1; ``DAY_EFFECT_NOT_IDENTIFIED``, no person has two days or no day two samples;
    ``DAY_EFFECT_DROPPED``, the model converged only without it; ``FALLBACK_TWO_STAGE``, it did not converge at all, and
    persons' own lines were shrunk by their standard errors instead. The intervals take the variances as known.
    """
    _refuse_unknown(response, method, check, confidence)
    table = samples_table(samples) if isinstance(samples, Mapping) else samples
    cohort = cohort_samples(table, covariates, settings)
    if response == "exclude":
        cohort = _without_response(cohort)
    _refuse_too_few(cohort)
    steady = ~cohort.in_response if response == "indicator" else np.ones(len(cohort.hours), dtype=bool)
    shape = course(cohort.hours[steady], curve, knots)
    columns = _columns(cohort, shape, with_response=response == "indicator")
    unshrunk = person_lines(
        cohort.person[steady], cohort.hours[steady], cohort.ln_cortisol[steady], len(cohort.of_person)
    )
    if not unshrunk.residual_variance > NO_NOISE:
        raise InputError(
            "cortisol samples lie on their persons' lines: there is no noise that a mixed model could tell",
            found=f"residual variance {unshrunk.residual_variance:.3g}",
        )
    fit = _estimate(cohort, columns, restricted=method == "reml", check=check)
    return result_dataset(cohort, shape, fit, unshrunk.slope, method=method, confidence=confidence)


def _refuse_unknown(response: str, method: str, check: str, confidence: float) -> None:
    for what, found, valid in (
        ("treatment of the awakening response", response, ("indicator", "exclude", "none")),
        ("method", method, ("reml", "ml")),
        ("check", check, ("statsmodels", "none")),
    ):
        if found not in valid:
            raise InputError(f"unknown {what}", found=found, valid=valid)
    if not 0 < confidence < 1:
        raise InputError("a confidence lies between 0 and 1", found=confidence)


def _without_response(cohort: CohortSamples) -> CohortSamples:
    """The samples without those of the awakening response; persons and days are numbered anew."""
    keep = ~cohort.in_response
    left, person = np.unique(cohort.person[keep], return_inverse=True)
    day = np.unique(cohort.day[keep], return_inverse=True)[1]
    return CohortSamples(
        cohort.participants, cohort.of_person[left], person.astype(np.int64), day.astype(np.int64), cohort.hours[keep],
        cohort.ln_cortisol[keep], cohort.in_response[keep], cohort.covariates[keep].reset_index(drop=True),
        cohort.specimen, cohort.assay, {**cohort.left_out, "awakening_response": int((~keep).sum())},
    )  # fmt: skip


def _refuse_too_few(cohort: CohortSamples) -> None:
    """Persons' slopes and the noise are told apart by persons with three or more samples."""
    counts = np.bincount(cohort.person) if len(cohort.person) else np.zeros(0, dtype=np.int64)
    rich = int((counts >= 3).sum())
    if len(counts) < 2 or rich < 2 or float(np.ptp(cohort.hours)) <= 0:
        raise InputError(
            "too few cortisol samples for a mixed model",
            found=f"{len(counts)} persons with a usable sample, {rich} of them with three or more",
            expected="two or more persons with three or more samples at different times",
        )


def _columns(cohort: CohortSamples, shape: Course, *, with_response: bool) -> Columns:
    hours = cohort.hours
    parts = [np.ones((len(hours), 1)), hours[:, None] / TIME_UNIT_H]
    names, scale = ["intercept", "slope"], [1.0, TIME_UNIT_H]
    if with_response and bool(cohort.in_response.any()):
        parts.append(cohort.in_response.astype(np.float64)[:, None])
        names.append("awakening_response")
        scale.append(1.0)
    bent = shape.columns(hours)
    sizes = np.sqrt((bent**2).mean(axis=0))
    parts.append(bent / sizes)
    names += shape.names
    scale += [float(s) for s in sizes]
    for name in cohort.covariates.columns:
        values, labels, width = _covariate(cohort.covariates[name], str(name))
        parts.append(values)
        names += labels
        scale += [width] * len(labels)
    x = np.hstack(parts)
    _refuse_dependent(x, names)
    return Columns(x, tuple(names), np.array(scale))


def _covariate(column: pd.Series, name: str) -> tuple[Floats, list[str], float]:
    """Columns of one covariate, their names, and what they were divided by."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(column) and not is_bool_dtype(column):
        values = column.to_numpy(dtype=np.float64)
        width = float(values.std())
        if not (width > 0 and math.isfinite(width)):
            raise InputError("a covariate does not vary, or is infinite", found=name)
        return ((values - values.mean()) / width)[:, None], [name], width
    texts = column.astype(str)
    levels = texts.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable").index
    if len(levels) < 2:
        raise InputError("a covariate does not vary", found=name)
    found = np.column_stack([(texts == level).to_numpy(dtype=np.float64) for level in levels[1:]])
    return found, [f"{name}[{level}]" for level in levels[1:]], 1.0


def _refuse_dependent(x: Floats, names: Sequence[str]) -> None:
    """Raise when a column is determined by those before it."""
    width = np.sqrt((x**2).sum(axis=0))
    diagonal = np.abs(np.diag(np.linalg.qr(x / width, mode="r")))
    bad = [name for name, d in zip(names, diagonal, strict=True) if d < 1e-8]
    if bad:
        raise InputError("columns of the mixed model determine each other", found=", ".join(bad))


def _estimate(cohort: CohortSamples, columns: Columns, *, restricted: bool, check: str) -> Fit:
    x, y, person, day = columns.x, cohort.ln_cortisol, cohort.person, cohort.day
    status: list[str] = []
    with_day = _days_tell(person, day)
    if not with_day:
        status.append("DAY_EFFECT_NOT_IDENTIFIED")
    sums = cross_products(x, y, person, day, with_day=with_day)
    best = maximise(sums, restricted=restricted)
    if not best.converged and with_day:
        status.append("DAY_EFFECT_DROPPED")
        sums = cross_products(x, y, person, day, with_day=False)
        best = maximise(sums, restricted=restricted)
    if not best.converged:
        return _two_stage(cohort, status)
    status.insert(0, "CONVERGED")
    if _at_edge(best.variances, with_day=sums.with_day):
        status.append("BOUNDARY")
    said = ""
    if check == "statsmodels":
        told = confirm(
            x, y, person, day, best.variances, best.log_likelihood, restricted=restricted, with_day=sums.with_day
        )
        status.append("CONFIRMED" if told.agrees else "NOT_CONFIRMED")
        said = told.said
    return _in_hours(sums, best, columns, restricted=restricted, status=status, said=said)


def _days_tell(person: NDArray[np.int64], day: NDArray[np.int64]) -> bool:
    """Whether some person has two days and some day two samples."""
    days_of_person = np.bincount(person[np.flatnonzero(np.diff(day, prepend=-1))])
    return int(days_of_person.max()) > 1 and int(np.bincount(day).max()) > 1


def _at_edge(variances: Variances, *, with_day: bool) -> bool:
    """Whether a variance is 0 or the correlation of intercepts and slopes is 1."""
    least = EDGE * variances.residual
    left = variances.slope - variances.covariance**2 / max(variances.intercept, least)
    return variances.intercept <= least or left <= least or (with_day and variances.day <= least)


def _in_hours(
    sums: Sums, best: Maximum, columns: Columns, *, restricted: bool, status: Sequence[str], said: str
) -> Fit:
    """Everything that the maximum tells, with time in h and covariates in their own units."""
    coefficients, covariance = fixed_effects(sums, best.variances)
    persons = predict_persons(sums, best.variances)
    errors = variance_errors(sums, best.variances, restricted=restricted)
    unit = np.array([1.0, TIME_UNIT_H, TIME_UNIT_H**2, 1.0, 1.0])
    scaled = Persons(
        persons.intercept, persons.intercept_se, persons.slope / TIME_UNIT_H, persons.slope_se / TIME_UNIT_H,
        persons.reliability,
    )  # fmt: skip
    # the restricted likelihood depends on the scale of the columns
    of_scale = float(np.log(columns.scale).sum()) if restricted else 0.0
    return Fit(
        model="mixed",
        status=tuple(status),
        names=columns.names,
        coefficients=coefficients / columns.scale,
        covariance=covariance / np.outer(columns.scale, columns.scale),
        variances=Variances(*(float(v) for v in np.array(best.variances) / unit)),
        variance_errors=errors / unit,
        persons=scaled,
        log_likelihood=best.log_likelihood - of_scale,
        steps=best.steps,
        said=said,
    )


def _two_stage(cohort: CohortSamples, status: Sequence[str]) -> Fit:
    """Each person's own line without the awakening response, shrunk by its standard error."""
    steady = ~cohort.in_response
    lines = person_lines(cohort.person[steady], cohort.hours[steady], cohort.ln_cortisol[steady], len(cohort.of_person))
    shrunk = shrink_lines(lines)
    nan = math.nan
    return Fit(
        model="two_stage",
        status=("FALLBACK_TWO_STAGE", *status),
        names=("intercept", "slope"),
        coefficients=np.array([shrunk.mean_level, shrunk.mean_slope]),
        covariance=np.diag([shrunk.mean_level_se**2, shrunk.mean_slope_se**2]),
        variances=Variances(shrunk.variance_level, nan, shrunk.variance_slope, nan, lines.residual_variance),
        variance_errors=np.full(5, nan),
        persons=shrunk.persons,
        log_likelihood=nan,
        steps=0,
        said="",
    )
