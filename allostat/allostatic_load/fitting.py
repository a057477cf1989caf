"""Fitting a reference: a named step of its own, never a side effect of scoring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.definitions import Definition, Tails
from allostat.allostatic_load.options import Comparison
from allostat.allostatic_load.quantiles import sample_quantile, sorted_quantile
from allostat.allostatic_load.reference_sample import (
    AgeBand,
    Stratum,
    StratumSample,
    Weights,
    person_weights,
    persons_with_values,
    rows_of_occasion,
    sample_fingerprint,
    strata_of,
    stratum_members,
    stratum_sample,
    wanted_biomarkers,
)
from allostat.allostatic_load.references import Operator, Reference, ReferenceEntry
from allostat.biomarkers import BiomarkerKind, BiomarkerTable, Sex, biomarker_kind, biomarker_kinds
from allostat.errors import ConfigError
from allostat.panel import Panel, panel_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

FEW_PERSONS = 30
PREVALENCE_OFF = 0.05
"""A flag's share of the reference that lies further than this from the nominal one is noted."""

Floats = NDArray[np.float64]
Winsor = Literal["1/99", "0.5/99.5", "3sd", "off"]
"""Limits of transformed values: percentiles, or three standard deviations about the mean."""

_MIRRORED: Mapping[Operator, Operator] = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}
_WINSOR_SHARE: Mapping[str, float] = {"1/99": 0.01, "0.5/99.5": 0.005}

__all__ = [
    "CutRule", "Winsor", "comparison_sign", "fit_entry", "fit_reference", "high_risk_cut", "is_high_risk",
    "mirrored", "sample_quantile",
]  # fmt: skip


@dataclass(frozen=True)
class CutRule:
    """How cut-points and limits are taken from a sample; parameters as `fit_reference`."""

    quantile: float = 0.75
    quantile_type: int = 7
    operators: Comparison | Mapping[str, Comparison] = "inclusive"
    tails: Tails | Mapping[str, Tails] = "one"
    winsor: Winsor = "1/99"

    def __post_init__(self) -> None:
        if not 0 <= self.quantile <= 1:
            raise ConfigError("a quantile lies from 0 to 1", found=self.quantile)
        if self.winsor not in get_args(Winsor):
            raise ConfigError("unknown winsor limits", found=self.winsor, valid=get_args(Winsor))
        for what, given, valid in (
            ("operator", self.operators, get_args(Comparison)), ("tails", self.tails, get_args(Tails)),
        ):  # fmt: skip
            told = {"": given} if isinstance(given, str) else given
            for biomarker, choice in told.items():
                if biomarker and biomarker not in biomarker_kinds():
                    raise ConfigError(f"unknown biomarker in {what}", found=biomarker, valid=biomarker_kinds())
                if choice not in valid:
                    raise ConfigError(f"invalid {what}", where=biomarker or None, found=choice, valid=valid)
        if self.quantile <= 0.5 and "two" in ({"": self.tails} if isinstance(self.tails, str) else self.tails).values():
            raise ConfigError("two tails need a quantile above one half", found=self.quantile)

    def comparison(self, biomarker: str) -> Comparison:
        """``inclusive`` or ``strict``."""
        return self.operators if isinstance(self.operators, str) else self.operators.get(biomarker, "inclusive")

    def tails_of(self, biomarker: str) -> Tails:
        """``one`` or ``two``."""
        return self.tails if isinstance(self.tails, str) else self.tails.get(biomarker, "one")

    def nominal(self, biomarker: str) -> float:
        """Share of the reference that the flag means to find."""
        return (1.0 - self.quantile) * (2.0 if self.tails_of(biomarker) == "two" else 1.0)

    def texts(self) -> dict[str, str]:
        """What a reference records of it."""
        return {
            "quantile": f"{self.quantile:g} of the risk-oriented value, Hyndman-Fan type {self.quantile_type}",
            "operator": _told(self.operators, "inclusive"),
            "tails": _told(self.tails, "one"),
            "winsor": self.winsor,
        }


def _told(choice: str | Mapping[str, str], default: str) -> str:
    if isinstance(choice, str):
        return choice
    return "; ".join((default, *(f"{b}: {c}" for b, c in sorted(choice.items()) if c != default)))


def fit_reference(
    table: BiomarkerTable | Panel | pd.DataFrame,
    *,
    name: str,
    version: str = "1",
    title: str = "",
    by_sex: bool = True,
    sexes: Sequence[Sex] = ("F", "M"),
    age_bands: Sequence[AgeBand] = (),
    quantile: float = 0.75,
    quantile_type: int = 7,
    operators: Comparison | Mapping[str, Comparison] = "inclusive",
    tails: Tails | Mapping[str, Tails] = "one",
    winsor: Winsor = "1/99",
    weights: Weights | None = None,
    few_persons: int = FEW_PERSONS,
    occasion: str | None = None,
    biomarkers: Sequence[str] | None = None,
    source: str = "",
    rules: Mapping[str, str] | None = None,
    definition: str | Path | Definition | None = None,
    outcome: Mapping[str, float] | None = None,
) -> Reference:
    """A frozen reference from a sample.

    Parameters
    ----------
    table
        The sample, in any of the forms of `allostatic_load`; missing values are left out biomarker by biomarker.
    by_sex
        Fit one stratum for each of ``sexes`` besides the pooled one (which is always there).
    age_bands
        Whole years of age, both included, fitted inside each sex besides all ages: ``[(25, 34), (35, 44)]``.
    quantile, quantile_type
        High-risk quantile of the risk-oriented value: 0.75 is P75 where high is risk and P25 where low is risk.
    operators
        ``inclusive`` (a value at the cut is high risk) or ``strict``; one for all or by biomarker.
    tails
        ``two``: also the opposite quantile becomes a cut (``other_cut``); one for all or by biomarker.
    winsor
        Limits of transformed values before a z score: percentiles ``1/99`` or ``0.5/99.5``, ``3sd`` about the mean, or
        ``off``.
    weights
        Survey weights of the participants, by participant (mapping, series) or in the order of `Panel.participants`
        (array, for a panel); persons of weight 0 are left out. What they mean for quantiles and moments:
        `allostat.allostatic_load.quantiles` and `StratumSample`.
    few_persons
        Strata of fewer persons are noted (30 is a convention).
    occasion
        The occasion to fit on; needed when the table has several. Follow-ups are scored with the baseline's cuts.
    biomarkers
        Which to fit; all of the table when left out.
    rules
        What the user wants recorded besides (medication, missing values); wins over the fit's own entries.
    definition, outcome
        A definition whose models are fitted too, on the same persons, see `with_models`; without weights (noted).

    Returns
    -------
    Reference
        With achieved prevalence of each flag and share at the detection limit (code ``BELOW_LOD``). Notes name strata
        of few persons and flags whose prevalence is more than 5 points off the nominal one. ``sample_n`` and
        ``sample_sha256`` say whom it was fitted on (a hash of the set of participants), so that scoring can tell when a
        sample is compared with itself.

    Raises
    ------
    InputError
        An empty stratum, or one without spread; several occasions and none chosen; a participant without a weight.
    ConfigError
        Unknown or contradicting settings.
    """
    panel = panel_of(table)
    if isinstance(weights, np.ndarray) and not isinstance(table, Panel):
        raise ConfigError(
            "weights without names need a panel", expected="weights by participant: a mapping or a series"
        )
    rule = CutRule(quantile, quantile_type, operators, tails, winsor)
    wanted = wanted_biomarkers(panel, biomarkers)
    at = rows_of_occasion(panel, occasion)
    weight = None if weights is None else person_weights(panel, weights)
    members = stratum_members(
        panel, occasion=occasion, biomarkers=wanted, strata=strata_of(by_sex, sexes, age_bands), weights=weight
    )
    entries, notes = fit_entries((m.sample() for m in members), rule, few_persons=few_persons, source=source)
    persons = persons_with_values(panel if weight is None else panel.rows(weight > 0), wanted, at)
    fitted = Reference(
        name=name,
        version=version,
        title=title or f"fitted on {len(persons)} persons, occasion {panel.occasions[at.start]}",
        entries=entries,
        rules={
            **rule.texts(),
            "missing": "persons without a value are left out, biomarker by biomarker",
            "weights": "none" if weights is None else "survey weights; sd with divisor W - sum w^2 / W",
            **(rules or {}),
        },
        notes=notes,
        sample_n=len(persons),
        sample_sha256=sample_fingerprint(persons),
    )
    if definition is None:
        return fitted
    from allostat.allostatic_load.fitting_models import with_models

    modelled = with_models(fitted, panel, definition, outcome=outcome, occasion=panel.occasions[at.start])
    if weights is None or not modelled.models:
        return modelled
    return replace(modelled, notes=(*modelled.notes, "models are fitted without the survey weights"))


def fit_entries(
    samples: Iterable[StratumSample], rule: CutRule, *, few_persons: int = FEW_PERSONS, source: str = ""
) -> tuple[tuple[ReferenceEntry, ...], tuple[str, ...]]:
    """Entries of samples under one rule, and what a user must know of them.

    Samples are drawn once (`stratum_members`) and serve any number of rules.
    """
    entries, notes = [], []
    for sample in samples:
        entry = entry_of(sample, rule, source)
        if sample.n < few_persons:
            notes.append(f"{sample.where}: only {sample.n} persons, fewer than {few_persons}")
        nominal, found = rule.nominal(sample.biomarker), entry.prevalence
        if found is not None and abs(found - nominal) > PREVALENCE_OFF:
            at_limit = f"; {entry.at_limit:.1%} at the detection limit" if entry.at_limit else ""
            notes.append(f"{sample.where}: the cut flags {found:.1%} of the reference, nominal {nominal:.1%}{at_limit}")
        entries.append(entry)
    return tuple(entries), tuple(notes)


def fit_entry(
    biomarker: str,
    values: Floats,
    sex: Sex | None,
    quantile: float = 0.75,
    quantile_type: int = 7,
    comparison: Comparison = "inclusive",
    source: str = "",
    *,
    weights: Floats | None = None,
    tails: Tails = "one",
    winsor: Winsor = "1/99",
) -> ReferenceEntry:
    """Moments, winsor limits and high-risk cut of one biomarker in one stratum; errors as `fit_reference`."""
    kept = slice(None) if weights is None else weights > 0
    sample = stratum_sample(biomarker, values[kept], Stratum(sex), None if weights is None else weights[kept])
    return entry_of(sample, CutRule(quantile, quantile_type, comparison, tails, winsor), source)


def entry_of(sample: StratumSample, rule: CutRule, source: str = "") -> ReferenceEntry:
    """The entry of one sample under a rule."""
    kind = biomarker_kind(sample.biomarker)
    operator = comparison_sign(kind, rule.comparison(sample.biomarker))
    cut = _oriented_quantile(sample, kind, rule.quantile, rule.quantile_type)
    flagged = is_high_risk(sample.x, cut, operator)
    other = None
    if rule.tails_of(sample.biomarker) == "two":
        other = _oriented_quantile(sample, kind, 1.0 - rule.quantile, rule.quantile_type)
        flagged |= is_high_risk(sample.x, other, mirrored(operator))
    low, high = _winsor_limits(sample, kind, rule)
    return ReferenceEntry(
        biomarker=sample.biomarker,
        unit=kind.unit,
        transform=kind.transform,
        direction=kind.direction,
        context=kind.context,
        sex=sample.stratum.sex,
        age_low=sample.stratum.age_low,
        age_high=sample.stratum.age_high,
        n=sample.n,
        n_effective=None if sample.weights is None else sample.weights.effective,
        mean=sample.mean,
        sd=sample.sd,
        winsor_low=low,
        winsor_high=high,
        cut=cut,
        other_cut=other,
        operator=operator,
        quantile=rule.quantile,
        quantile_type=rule.quantile_type,
        prevalence=sample.share(flagged),
        at_limit=sample.at_limit,
        source=source,
    )


def _oriented_quantile(sample: StratumSample, kind: BiomarkerKind, quantile: float, quantile_type: int) -> float:
    """The quantile of the risk-oriented value, given back on the value's own scale."""
    if kind.direction == "high":
        return sorted_quantile(sample.x, quantile, quantile_type, sample.weights)
    turned = None if sample.weights is None else sample.weights.reversed()
    return -sorted_quantile(-sample.x[::-1], quantile, quantile_type, turned)


def _winsor_limits(sample: StratumSample, kind: BiomarkerKind, rule: CutRule) -> tuple[float | None, float | None]:
    """Limits on the transformed scale."""
    if rule.winsor == "off":
        return None, None
    if rule.winsor == "3sd":
        return sample.mean - 3.0 * sample.sd, sample.mean + 3.0 * sample.sd
    scale = np.log if kind.transform == "ln" else None
    share = _WINSOR_SHARE[rule.winsor]
    low, high = (sorted_quantile(sample.x, p, rule.quantile_type, sample.weights, scale) for p in (share, 1.0 - share))
    return low, high


def high_risk_cut(kind: BiomarkerKind, values: Floats, quantile: float, quantile_type: int) -> float:
    """The quantile of the risk-oriented value, given back on the value's own scale."""
    sign = 1.0 if kind.direction == "high" else -1.0
    return sign * sample_quantile(sign * values, quantile, quantile_type)


def comparison_sign(kind: BiomarkerKind, comparison: Comparison) -> Operator:
    """The comparison of a value with its cut, on the side where risk lies."""
    if kind.direction == "high":
        return ">=" if comparison == "inclusive" else ">"
    return "<=" if comparison == "inclusive" else "<"


def mirrored(operator: Operator) -> Operator:
    """The comparison with the cut on the side away from risk."""
    return _MIRRORED[operator]


def is_high_risk(values: Floats, cut: float, operator: Operator) -> NDArray[np.bool_]:
    """Whether each value lies on the risk side of the cut; False for NaN."""
    match operator:
        case ">=":
            return values >= cut
        case ">":
            return values > cut
        case "<=":
            return values <= cut
        case "<":
            return values < cut
