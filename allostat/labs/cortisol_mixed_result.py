"""The labelled result of the mixed model, and the rows that it offers to waist 2."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.biomarkers import Biomarker
from allostat.labs.cortisol_course import Course
from allostat.labs.cortisol_mixed_model import Persons, Variances
from allostat.labs.cortisol_table import CohortSamples

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

REFERENCES = "10.1016/j.psyneuen.2009.06.011 10.2307/2529876 10.1093/aje/kws182"
COMPONENTS = ("person_intercept", "person_covariance", "person_slope", "day_intercept", "residual")
DAYS_WANTED = 3


class PersonReason(IntFlag):
    """What is known of a person's slope in the mixed model."""

    NO_USABLE_SAMPLE = 1
    """NaN: nothing is known of the person."""
    FEW_DAYS = 2
    """Fewer than three days."""
    FEW_SAMPLES = 4
    """Fewer than three samples: hardly more than the mean of all persons."""


@dataclass(frozen=True)
class Fit:
    """An estimated model, time in h.

    Parameters
    ----------
    model, status
        ``mixed`` or ``two_stage``, and the codes of its convergence.
    names, coefficients, covariance
        Fixed effects.
    variances, variance_errors
        Components with their standard errors.
    persons
        Predictions, in the order of ``CohortSamples.of_person``.
    """

    model: str
    status: tuple[str, ...]
    names: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    variances: Variances
    variance_errors: Floats
    persons: Persons
    log_likelihood: float
    steps: int
    said: str


def result_dataset(
    cohort: CohortSamples, shape: Course, fit: Fit, unshrunk: Floats, *, method: str, confidence: float
) -> xr.Dataset:
    """Everything that a fit tells, with names, units and sources; see `allostat.labs.cortisol_mixed`."""
    import xarray as xr
    from scipy.special import ndtri

    z = float(ndtri(1.0 - (1.0 - confidence) / 2.0))
    how = f"{fit.model} model, {method}" if fit.model == "mixed" else "least squares per person, shrunk in two stages"
    data: dict[str, Any] = {}

    def put(name: str, dim: str, values: NDArray[Any], unit: str, long_name: str) -> None:
        data[name] = (dim, values, {"units": unit, "long_name": long_name, "method": how, "references": REFERENCES})

    people = fit.persons
    for name, per_person, unit, long_name in (
        ("slope", people.slope, "ln(nmol/L)/h", "slope of ln cortisol, shrunk"),
        ("slope_se", people.slope_se, "ln(nmol/L)/h", "standard error of prediction of slope"),
        ("slope_low", people.slope - z * people.slope_se, "ln(nmol/L)/h", f"lower limit, {confidence:g}"),
        ("slope_high", people.slope + z * people.slope_se, "ln(nmol/L)/h", f"upper limit, {confidence:g}"),
        ("slope_reliability", people.reliability, "1", "share of the variance between persons that the samples tell"),
        ("slope_unshrunk", unshrunk, "ln(nmol/L)/h", "least-squares slope of the person alone"),
        ("level", people.intercept, "ln(nmol/L)", "ln cortisol at waking on the mean line, shrunk"),
        ("level_se", people.intercept_se, "ln(nmol/L)", "standard error of prediction of level"),
    ):
        put(name, "participant", _spread(cohort, per_person), unit, long_name)
    days, counts, reasons = _counts(cohort)
    put("n_days", "participant", days, "1", "days with a usable sample")
    put("n_samples", "participant", counts, "1", "usable samples")
    masks = np.array([int(r) for r in PersonReason], dtype=np.int8)
    data["reasons"] = (
        "participant", reasons,
        {"long_name": "what is known of the person", "flag_masks": masks,
         "flag_meanings": " ".join(str(r.name) for r in PersonReason)},
    )  # fmt: skip
    errors = np.sqrt(np.diag(fit.covariance))
    put("coefficient", "effect", fit.coefficients, "ln(nmol/L) per unit of the effect", "fixed effect")
    put("coefficient_se", "effect", errors, "ln(nmol/L) per unit of the effect", "standard error of coefficient")
    put("coefficient_low", "effect", fit.coefficients - z * errors, "ln(nmol/L) per unit of the effect", "lower limit")
    put("coefficient_high", "effect", fit.coefficients + z * errors, "ln(nmol/L) per unit of the effect", "upper limit")
    put("variance", "component", np.array(fit.variances), "ln(nmol/L)2; slope: per h2", "variance component")
    put("variance_se", "component", fit.variance_errors, "ln(nmol/L)2; slope: per h2", "standard error of variance")
    hours = np.arange(0.0, math.floor(float(cohort.hours.max())) + 1.0)
    mean, mean_se = _mean_course(fit, shape, hours)
    put("course", "hour", mean, "ln(nmol/L)", "mean course of ln cortisol, covariates at their mean")
    put("course_se", "hour", mean_se, "ln(nmol/L)", "standard error of course")
    coords = {
        "participant": ("participant", np.array(cohort.participants), {"long_name": "participant"}),
        "effect": ("effect", np.array(fit.names), {"long_name": "fixed effect"}),
        "component": ("component", np.array(COMPONENTS), {"long_name": "variance component"}),
        "hour": ("hour", hours, {"units": "h", "long_name": "time since actual waking"}),
    }
    attrs: dict[str, Any] = {
        "model": fit.model,
        "method": method,
        "converged": int("CONVERGED" in fit.status),
        "status": " ".join(fit.status),
        "said": fit.said,
        "log_likelihood": fit.log_likelihood,
        "steps": fit.steps,
        "confidence": confidence,
        "curve": shape.curve,
        "knots": " ".join(f"{k:g}" for k in shape.knots),
        "specimen": cohort.specimen,
        "assay": cohort.assay,
        "n_participants": len(cohort.of_person),
        "n_days": int(days.sum()),
        "n_samples": len(cohort.hours),
        "references": REFERENCES,
    }
    attrs |= {f"left_out_{reason}": count for reason, count in cohort.left_out.items()}
    return xr.Dataset(data, coords, attrs)


def _spread(cohort: CohortSamples, per_person: Floats) -> Floats:
    """Values of persons with samples among all participants; NaN for the others."""
    found = np.full(len(cohort.participants), math.nan)
    found[cohort.of_person] = per_person
    return found


def _counts(cohort: CohortSamples) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int8]]:
    """Days and samples of each participant, and what follows from them."""
    first = np.flatnonzero(np.diff(cohort.day, prepend=-1))
    days = np.zeros(len(cohort.participants), dtype=np.int32)
    samples = np.zeros(len(cohort.participants), dtype=np.int32)
    days[cohort.of_person] = np.bincount(cohort.person[first], minlength=len(cohort.of_person))
    samples[cohort.of_person] = np.bincount(cohort.person, minlength=len(cohort.of_person))
    reasons = (
        np.where(samples == 0, PersonReason.NO_USABLE_SAMPLE, 0)
        | np.where(days < DAYS_WANTED, PersonReason.FEW_DAYS, 0)
        | np.where(samples < 3, PersonReason.FEW_SAMPLES, 0)
    )
    return days, samples, reasons.astype(np.int8)


def _mean_course(fit: Fit, shape: Course, hours: Floats) -> tuple[Floats, Floats]:
    """Mean ln cortisol over the day with its standard error, awakening response left out."""
    rows = np.zeros((len(hours), len(fit.names)))
    rows[:, 0], rows[:, 1] = 1.0, hours
    bent = shape.columns(hours)
    for i, name in enumerate(shape.names):
        if name in fit.names:
            rows[:, fit.names.index(name)] = bent[:, i]
    mean: Floats = rows @ fit.coefficients
    spread: Floats = np.sqrt(np.einsum("ij,jk,ik->i", rows, fit.covariance, rows))
    return mean, spread


def slope_biomarkers(result: xr.Dataset, *, occasion: str = "1") -> tuple[Biomarker, ...]:
    """The shrunk slopes as rows of waist 2, in place of the means of the days' own slopes.

    Parameters
    ----------
    result
        Of `allostat.labs.cortisol_mixed`.

    Returns
    -------
    tuple of Biomarker
        ``cortisol_slope`` of every participant; NaN with ``NO_VALID_DAY`` for one without a usable sample. Every row of
        a model that did not converge carries ``MODEL_NOT_CONVERGED``.
    """
    rows = []
    status = [] if result.attrs["converged"] else ["MODEL_NOT_CONVERGED"]
    for i, participant in enumerate(result["participant"].to_numpy()):
        mask = PersonReason(int(result["reasons"][i]))
        codes = [*status]
        if PersonReason.NO_USABLE_SAMPLE in mask:
            codes.append("NO_VALID_DAY")
        else:
            codes += [str(r.name) for r in (PersonReason.FEW_DAYS, PersonReason.FEW_SAMPLES) if r in mask]
        rows.append(
            Biomarker(
                participant=str(participant),
                biomarker="cortisol_slope",
                value=float(result["slope"][i]),
                unit="ln(nmol/L)/h",
                occasion=occasion,
                standard_error=float(result["slope_se"][i]),
                n=int(result["n_days"][i]),
                quality=tuple(codes),
                provenance=f"{result.attrs['model']} model over persons and days, {result.attrs['method']}, "
                f"status {result.attrs['status']}",
            )
        )
    return tuple(rows)
