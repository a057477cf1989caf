"""Published cut-offs of heart rate variability, each with the context that it holds for."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from statistics import NormalDist

from allostat.biomarkers import biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.norms.norm import NormContextError


@dataclass(frozen=True, slots=True)
class ClinicalCut:
    """A cut-off below which a value is high risk.

    Parameters
    ----------
    name
        As ``jarczok2019``.
    biomarker, context, unit
        What it holds for. A value of another context is refused.
    cut, margin
        The cut-off, and the uncertainty that its source states (0: none).
    n
        People behind it; None: not stated.
    verified
        Whether the number was seen in its source; a convention otherwise.
    """

    name: str
    biomarker: str
    context: str
    unit: str
    cut: float
    margin: float
    n: int | None
    source: str
    references: tuple[str, ...]
    verified: bool


@dataclass(frozen=True, slots=True)
class CutVerdict:
    """How a value compares with a cut-off.

    Parameters
    ----------
    high_risk
        Whether the value lies below; None when it is missing.
    within_margin
        Whether it lies so near that the cut-off's own uncertainty decides.
    probability
        That the true value lies below, by the value's standard error; NaN without one.
    """

    cut: ClinicalCut
    high_risk: bool | None
    within_margin: bool
    probability: float


@cache
def clinical_cuts() -> tuple[ClinicalCut, ...]:
    """All cut-offs of heart rate variability, from the data package."""
    text = resources.files("allostat_data").joinpath("norms", "cuts.toml").read_text(encoding="utf-8")
    found = []
    for entry in tomllib.loads(text)["cut"]:
        kind = biomarker_kind(entry["biomarker"])
        if kind.direction != "low":
            raise ConfigError("cut-offs below which risk lies are of biomarkers whose risk is low", found=kind.name)
        found.append(
            ClinicalCut(
                name=entry["name"],
                biomarker=kind.name,
                context=kind.context,
                unit=kind.unit,
                cut=float(entry["cut"]),
                margin=float(entry.get("margin", 0.0)),
                n=entry.get("n"),
                source=entry["source"],
                references=tuple(entry.get("references", ())),
                verified=entry["verified"],
            )
        )
    return tuple(found)


def judge(
    value: float,
    biomarker: str,
    *,
    name: str | None = None,
    context: str | None = None,
    standard_error: float = math.nan,
) -> CutVerdict:
    """Compare a value with the published cut-off of its biomarker.

    Parameters
    ----------
    value
        In the biomarker's unit; NaN gives no verdict.
    name
        Which cut-off, where a biomarker has several; the first listed when left out.
    context
        Where the value was taken in; the biomarker's own when left out.
    standard_error
        Of the value on the ln scale, as waist 2 carries it.

    Raises
    ------
    NormContextError
        The value's context is not that of the cut-off; the message names both.
    InputError
        No cut-off for this biomarker or of this name.
    """
    kind = biomarker_kind(biomarker)
    fitting = [c for c in clinical_cuts() if c.biomarker == biomarker and name in (None, c.name)]
    if not fitting:
        valid = sorted({c.name if name else c.biomarker for c in clinical_cuts()})
        raise InputError("no published cut-off", where=biomarker, found=name or biomarker, valid=valid)
    cut = fitting[0]
    if context is not None and context != cut.context:
        raise NormContextError(
            "value and cut-off are of different contexts",
            where=f"{biomarker}, cut-off {cut.name}",
            found=context or "no context",
            expected=cut.context,
        )
    if math.isnan(value):
        return CutVerdict(cut, None, False, math.nan)
    if not kind.plausible_low <= value <= kind.plausible_high:
        raise InputError("value is implausible in its unit (UNIT_SUSPECT)", where=biomarker, found=f"{value:g}")
    probability = math.nan
    if standard_error > 0:
        probability = NormalDist().cdf((math.log(cut.cut) - math.log(value)) / standard_error)
    return CutVerdict(cut, value < cut.cut, abs(value - cut.cut) <= cut.margin, probability)
