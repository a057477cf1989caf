"""Rules by which cortisol samples are used: outliers, calibrations between assays, gaps, fixed times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from allostat.errors import InputError
from allostat.labs.cortisol_reasons import DayReason

SALIVA_LIMIT_NMOL_L = 60.0


def _positive(what: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise InputError(f"{what} is above zero", found=value)


@dataclass(frozen=True, slots=True)
class Cut:
    """Saliva above a limit is missing and flagged (a convention, not verified; 50 nmol/L is another one)."""

    limit_nmol_l: float = SALIVA_LIMIT_NMOL_L

    def __post_init__(self) -> None:
        _positive("limit", self.limit_nmol_l)

    def apply(self, nmol_l: float) -> tuple[float, DayReason]:
        """Value to use and what is known of it."""
        if nmol_l <= self.limit_nmol_l:
            return nmol_l, DayReason(0)
        usual = self.limit_nmol_l == SALIVA_LIMIT_NMOL_L
        return math.nan, DayReason.ABOVE_60_NMOL_L if usual else DayReason.ABOVE_LIMIT


@dataclass(frozen=True, slots=True)
class Winsorise:
    """Saliva outside of two limits is set to the nearer one and flagged; see `winsorise_limits`."""

    low_nmol_l: float
    high_nmol_l: float

    def __post_init__(self) -> None:
        _positive("low limit", self.low_nmol_l)
        if not self.high_nmol_l > self.low_nmol_l:
            raise InputError("limits are in order", found=f"{self.low_nmol_l:g} to {self.high_nmol_l:g} nmol/L")

    def apply(self, nmol_l: float) -> tuple[float, DayReason]:
        """Value to use and what is known of it."""
        limited = min(max(nmol_l, self.low_nmol_l), self.high_nmol_l)
        return limited, DayReason(0) if limited == nmol_l else DayReason.WINSORISED


@dataclass(frozen=True, slots=True)
class Keep:
    """Every value counts."""

    def apply(self, nmol_l: float) -> tuple[float, DayReason]:
        """Value to use and what is known of it."""
        return nmol_l, DayReason(0)


OutlierRule: TypeAlias = Cut | Winsorise | Keep


def winsorise_limits(nmol_l: ArrayLike, *, k_sd: float = 3.0) -> Winsorise:
    """Limits at mean ± k standard deviations of ln cortisol, of the samples of a whole study.

    Fitting is a step of its own, so that a person is not judged by that person's own few samples.

    Parameters
    ----------
    nmol_l
        Concentrations of one specimen; NaN is left out. Limits of samples of one time of day are narrower.
    k_sd
        3 to 4 in use (a convention, not verified).

    Raises
    ------
    InputError
        Fewer than 10 values, or one that is not above zero.
    """
    values = np.asarray(nmol_l, dtype=np.float64).ravel()
    values = values[~np.isnan(values)]
    if values.size < 10 or not bool((values > 0).all()):
        raise InputError("limits need ten or more values, all above zero", found=f"{values.size} values")
    _positive("k_sd", k_sd)
    logs = np.log(values)
    mean, sd = float(logs.mean()), float(logs.std(ddof=1))
    return Winsorise(math.exp(mean - k_sd * sd), math.exp(mean + k_sd * sd))


@dataclass(frozen=True, slots=True)
class AssayCalibration:
    """A line that turns values of one assay into those of another; no numbers are shipped.

    Parameters
    ----------
    a, b
        Intercept and factor: ``a + b * c`` with c in nmol/L, or ``exp(a + b * ln c)`` when ``scale`` is ``ln``.
    assay, to
        Names as in the column ``assay``: which samples it applies to, and what they become comparable with.
    source
        Where the numbers come from.

    Notes
    -----
    Functions for several immunoassays are published by Miller et al. 2013 (10.1016/j.psyneuen.2012.04.019).
    """

    a: float
    b: float
    assay: str
    to: str
    scale: Literal["linear", "ln"] = "linear"
    source: str = ""

    def __post_init__(self) -> None:
        _positive("factor b of a calibration", self.b)
        if not math.isfinite(self.a):
            raise InputError("intercept a of a calibration is a number", found=self.a)
        if not self.assay or not self.to:
            raise InputError("a calibration names the assay and what it leads to", found=f"{self.assay!r} {self.to!r}")
        if self.scale not in ("linear", "ln"):
            raise InputError("unknown scale of a calibration", found=self.scale, valid=["linear", "ln"])

    def apply(self, nmol_l: float) -> tuple[float, DayReason]:
        """Calibrated value; NaN where the line goes to zero or below."""
        value = math.exp(self.a + self.b * math.log(nmol_l)) if self.scale == "ln" else self.a + self.b * nmol_l
        return (value, DayReason.CALIBRATED) if value > 0 else (math.nan, DayReason.CALIBRATED_BELOW_ZERO)


def calibration_of(assay: str, calibrations: Sequence[AssayCalibration]) -> AssayCalibration | None:
    """The calibration of an assay; None when there is none."""
    found = [c for c in calibrations if c.assay == assay]
    if len(found) > 1:
        raise InputError("two calibrations of one assay", found=assay)
    return found[0] if found else None


def refuse_mixed_assays(assays: Sequence[str], calibrations: Sequence[AssayCalibration], where: str = "") -> str:
    """The one assay that all samples are comparable with (empty: unnamed); an error when there are several."""
    kinds = set()
    for assay in {a for a in assays if a}:
        line = calibration_of(assay, calibrations)
        kinds.add(line.to if line is not None else assay)
    if len(kinds) > 1:
        raise InputError(
            "cortisol of several assays in one series", where=where or None, found=", ".join(sorted(kinds)),
            expected="one: they are not interchangeable without a calibration",
        )  # fmt: skip
    return next(iter(kinds), "")


@dataclass(frozen=True, slots=True)
class CortisolSettings:
    """How a person's cortisol samples become features.

    Parameters
    ----------
    allow_gap
        Areas pass over a missing inner sample, increases leave out a missing later one; else they are NaN.
    outliers
        What happens to improbable values in saliva; the reported value is kept beside.
    calibrations
        Lines between assays.
    largest_awakening_se_min
        An awakening whose standard error is larger cannot tell whether the first sample was in time: no awakening
        response. ``inf`` accepts any.
    waking_tolerance_min, half_hour_tolerance_min, clock_tolerance_min
        How far the samples "at waking", "30 min after waking", and "12:00" and "21:00" may lie from these times.
    """

    allow_gap: bool = False
    outliers: OutlierRule = Cut()
    calibrations: tuple[AssayCalibration, ...] = ()
    largest_awakening_se_min: float = 5.0
    waking_tolerance_min: float = 15.0
    half_hour_tolerance_min: float = 10.0
    clock_tolerance_min: float = 60.0
