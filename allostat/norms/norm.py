"""A norm: mean and spread of biomarkers by sex and age, with the context and the sensor that they hold for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Any, Literal

from allostat.biomarkers import Sex, biomarker_kind
from allostat.canonical import sha256_of
from allostat.errors import InputError

Standing = Literal["primary", "secondary"]
NormSensor = Literal["ecg", "ppg"]
FORMAT = "allostat-norm/1"


class NormContextError(InputError):
    """A value of one context meets a norm or a cut-off of another."""


@dataclass(frozen=True, slots=True)
class NormCell:
    """One biomarker in one group of people.

    Parameters
    ----------
    sex
        None: both sexes together.
    age_low, age_high
        Whole years of age, both included; None: open on that side.
    n
        People behind the cell; None: not stated.
    mu, sigma
        Mean and standard deviation on the scale of the biomarker's transform: of ln values where that is ``ln``.
    """

    biomarker: str
    sex: Sex | None
    age_low: int | None
    age_high: int | None
    n: int | None
    mu: float
    sigma: float

    def holds(self, age_years: float) -> bool:
        """Whether an age lies in the cell; a band 25 to 34 ends with the 35th birthday."""
        above = self.age_low is None or age_years >= self.age_low
        return above and (self.age_high is None or age_years < self.age_high + 1)

    @property
    def by_age(self) -> bool:
        """Whether the cell is of some ages only."""
        return self.age_low is not None or self.age_high is not None

    @property
    def group(self) -> str:
        """The group in words, as ``men, 25 to 34 years``."""
        who = {"F": "women", "M": "men", None: "both sexes"}[self.sex]
        if not self.by_age:
            return f"{who}, all ages"
        low, high = self.age_low, self.age_high
        if high is None:
            return f"{who}, from {low} years"
        return f"{who}, up to {high} years" if low is None else f"{who}, {low} to {high} years"


@dataclass(frozen=True)
class Norm:
    """A named, versioned, hashed set of norm cells of one context.

    Attributes
    ----------
    context
        Context of all its biomarkers (``rest_5min``, ``night``, ``24h``, ``ecg_10s`` …).
    sensor
        What the heart beats were found in.
    references
        DOIs.
    standing
        ``secondary``: of less weight than a norm by age and sex, see ``notes``.
    notes
        What a user must know.
    """

    name: str
    version: str
    title: str
    context: str
    sensor: NormSensor
    cells: tuple[NormCell, ...]
    population: str = ""
    references: tuple[str, ...] = ()
    standing: Standing = "primary"
    notes: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole content."""
        return sha256_of(self.as_json())

    @cached_property
    def biomarkers(self) -> tuple[str, ...]:
        """Biomarkers that have a cell."""
        return tuple(sorted({c.biomarker for c in self.cells}))

    def as_json(self) -> dict[str, Any]:
        """The content as plain JSON values, cells in a fixed order."""
        content = asdict(self)
        content["cells"] = [asdict(c) for c in sorted(self.cells, key=_order)]
        return content | {"format": FORMAT}

    def check(self, biomarker: str, context: str | None = None) -> None:
        """Refuse a biomarker of another context, and one that the norm does not have.

        Parameters
        ----------
        context
            Where the value was taken in; the biomarker's own context when left out.

        Raises
        ------
        NormContextError
            Another context than the norm's; the message names both.
        InputError
            The context fits, but the norm has no such biomarker, or the biomarker does not exist.
        """
        kind = biomarker_kind(biomarker)
        taken_in = kind.context if context is None else context
        if taken_in != self.context:
            raise NormContextError(
                "value and norm are of different contexts",
                where=f"{biomarker}, norm {self.name}",
                found=taken_in or "no context",
                expected=self.context,
            )
        if biomarker not in self.biomarkers:
            raise InputError(
                "norm does not have this biomarker", where=f"norm {self.name}", found=biomarker, valid=self.biomarkers
            )

    def cell(self, biomarker: str, age_years: float | None, sex: Sex | None) -> NormCell | str:
        """The cell of a person, or the reason code why there is none.

        A cell of the person's sex goes before one of both sexes. ``SEX_MISSING``: the norm has no pooled cells;
        ``AGE_MISSING``; ``AGE_OUTSIDE_NORM``: nothing is extrapolated. Errors as `check`.
        """
        self.check(biomarker)
        own = [c for c in self.cells if c.biomarker == biomarker]
        of_sex = [c for c in own if sex is not None and c.sex == sex] or [c for c in own if c.sex is None]
        if not of_sex:
            return "SEX_MISSING" if sex is None else "SEX_OUTSIDE_NORM"
        if not any(c.by_age for c in of_sex):
            return of_sex[0]
        if age_years is None or math.isnan(age_years):
            return "AGE_MISSING"
        return next((c for c in of_sex if c.holds(age_years)), "AGE_OUTSIDE_NORM")

    def quantile(self, biomarker: str, p: float, age_years: float | None = None, sex: Sex | None = None) -> float:
        """The value below which a share ``p`` (0 to 1) of the person's group lies; NaN where the norm has no group.

        ``exp(mu + z_p sigma)`` for a biomarker on the ln scale, ``mu + z_p sigma`` otherwise. Errors as `check`.
        """
        if not 0 < p < 1:
            raise InputError("a quantile lies between 0 and 1", found=p)
        cell = self.cell(biomarker, age_years, sex)
        if isinstance(cell, str):
            return math.nan
        at = cell.mu + NormalDist().inv_cdf(p) * cell.sigma
        return math.exp(at) if biomarker_kind(biomarker).transform == "ln" else at


def _order(cell: NormCell) -> tuple[str, str, int, int]:
    low = -1 if cell.age_low is None else cell.age_low
    return cell.biomarker, cell.sex or "", low, -1 if cell.age_high is None else cell.age_high


def log_moments(mean: float, sd: float) -> tuple[float, float]:
    """Mean and standard deviation of the logarithm of a log-normal variable with this mean and standard deviation.

    ``sigma^2 = ln(1 + (sd / mean)^2)``, ``mu = ln(mean) - sigma^2 / 2``. RMSSD and SDNN are skewed: taken as normal,
    men of 25 to 34 years would have a 5th percentile of RMSSD of 6.4 ms instead of 14.9 ms.
    """
    variance = math.log1p((sd / mean) ** 2)
    return math.log(mean) - variance / 2, math.sqrt(variance)


def stored(moments: tuple[float, float]) -> tuple[float, float]:
    """Moments to twelve decimals: logarithms of different machines differ behind them, and hashes must not."""
    return round(moments[0], 12), round(moments[1], 12)


def check_cells(norm: Norm, *, places: Mapping[NormCell, str]) -> None:
    """Raise when cells contradict the norm, their biomarker or each other.

    Parameters
    ----------
    places
        Where each cell stands, for messages.

    Raises
    ------
    NormContextError
        A biomarker of another context than the norm's.
    InputError
        No cells, a spread that is not above zero, reversed or overlapping ages, an unknown biomarker.
    """
    if not norm.cells:
        raise InputError("a norm needs cells", where=norm.name)
    for i, cell in enumerate(norm.cells):
        where = places.get(cell, norm.name)
        norm.check(cell.biomarker)
        if not (math.isfinite(cell.mu) and math.isfinite(cell.sigma) and cell.sigma > 0):
            raise InputError("the spread of a norm is above zero", where=where, found=cell.sigma)
        low, high = cell.age_low, cell.age_high
        if low is not None and high is not None and low > high:
            raise InputError("an age band begins after it ends", where=where, found=f"{low} to {high}")
        if cell.n is not None and cell.n < 1:
            raise InputError("a cell of a norm without people", where=where, found=cell.n)
        for other in norm.cells[:i]:
            if (other.biomarker, other.sex) == (cell.biomarker, cell.sex) and _overlap(other, cell):
                raise InputError(
                    "two cells of a norm hold the same people",
                    where=f"{places.get(other, norm.name)} and {where}",
                    found=f"{cell.biomarker}, {other.group} and {cell.group}",
                )


def _overlap(a: NormCell, b: NormCell) -> bool:
    def span(c: NormCell) -> tuple[float, float]:
        return (
            -math.inf if c.age_low is None else float(c.age_low),
            math.inf if c.age_high is None else float(c.age_high),
        )

    (a_low, a_high), (b_low, b_high) = span(a), span(b)
    return a_low <= b_high and b_low <= a_high
