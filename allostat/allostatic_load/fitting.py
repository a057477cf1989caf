"""Fitting a reference: a named step of its own, never a side effect of scoring."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.options import Comparison
from allostat.allostatic_load.references import QUANTILE_TYPES, Operator, Reference, ReferenceEntry
from allostat.biomarkers import BiomarkerKind, BiomarkerTable, Sex, biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.panel import SEXES, Panel, panel_of

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from allostat.allostatic_load.definitions import Definition

FEW_PERSONS = 30
WINSOR_SHARE = 0.01

Floats = NDArray[np.float64]


def sample_quantile(values: Floats, p: float, quantile_type: int = 7) -> float:
    """Sample quantile by Hyndman & Fan (1996, 10.1080/00031305.1996.10473566).

    Parameters
    ----------
    values
        (n,) without NaN.
    quantile_type
        7: ``h = (n - 1) p`` (R, NumPy); 2: mean of the two at a discontinuity (SAS PCTLDEF=5, Stata ``_pctile``);
        6: ``h = (n + 1) p``; 8: ``h = (n + 1/3) p + 1/3``.
    """
    if quantile_type not in QUANTILE_TYPES:
        raise ConfigError("unknown quantile type", found=quantile_type, expected="2, 6, 7 or 8")
    if not len(values):
        raise InputError("quantile of nothing")
    x = np.sort(np.asarray(values, dtype=np.float64))
    n = len(x)
    if quantile_type == 2:
        # n p is rounded because 0.07 * 100 > 7 in floating point.
        at = round(n * p, 9)
        low, high = math.ceil(at) - 1, math.floor(at)
        return (_clamped(x, low) + _clamped(x, high)) / 2.0
    h = {6: (n + 1) * p, 7: (n - 1) * p + 1, 8: (n + 1 / 3) * p + 1 / 3}[quantile_type] - 1
    low = math.floor(round(h, 9))
    a, b = _clamped(x, low), _clamped(x, low + 1)
    return a + max(h - low, 0.0) * (b - a)


def _clamped(x: Floats, i: int) -> float:
    return float(x[min(max(i, 0), len(x) - 1)])


def fit_reference(
    table: BiomarkerTable | Panel | pd.DataFrame,
    *,
    name: str,
    version: str = "1",
    title: str = "",
    by_sex: bool = True,
    sexes: Sequence[Sex] = ("F", "M"),
    quantile: float = 0.75,
    quantile_type: int = 7,
    operators: Comparison | Mapping[str, Comparison] = "inclusive",
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
    quantile, quantile_type
        High-risk quantile of the risk-oriented value: 0.75 is P75 where high is risk and P25 where low is risk.
    operators
        ``inclusive`` (a value at the cut is high risk) or ``strict``; one for all or by biomarker.
    occasion
        The occasion to fit on; needed when the table has several. Follow-ups are scored with the baseline's cuts.
    biomarkers
        Which to fit; all of the table when left out.
    definition, outcome
        A definition whose models are fitted too, on the same persons, see `with_models`.

    Returns
    -------
    Reference
        With achieved prevalence of each flag, and a note for every stratum of fewer than 30 persons.

    Raises
    ------
    InputError
        An empty stratum, or one without spread; several occasions and none chosen.
    """
    panel = panel_of(table)
    if occasion is None and len(panel.occasions) > 1:
        raise InputError("several occasions: name the one to fit on", found=", ".join(panel.occasions))
    chosen = occasion or panel.occasions[0]
    if chosen not in panel.occasions:
        raise InputError("no such occasion", found=chosen, valid=panel.occasions)
    wanted = tuple(biomarkers or panel.biomarkers)
    if not wanted:
        raise InputError("a reference needs biomarkers: the table has none")
    at = slice(panel.occasions.index(chosen), None, len(panel.occasions))
    strata: tuple[Sex | None, ...] = (None, *sexes) if by_sex else (None,)
    samples: dict[tuple[str, Sex | None], Floats] = {}
    for biomarker, sex in itertools.product(wanted, strata):
        if biomarker not in panel.column_of:
            raise InputError("the table has no such biomarker", found=biomarker, valid=panel.biomarkers)
        column = panel.value[at, panel.column_of[biomarker]]
        here = ~np.isnan(column) if sex is None else ~np.isnan(column) & (panel.sex[at] == SEXES.index(sex))
        samples[biomarker, sex] = column[here]
    entries, notes = [], []
    for (biomarker, sex), sample in samples.items():
        stratum = f"{biomarker}, {sex or 'both sexes'}"
        if not len(sample):
            raise InputError(
                "a stratum of the reference is empty", where=stratum, expected="persons with a value; or by_sex=False"
            )
        if len(sample) < FEW_PERSONS:
            notes.append(f"{stratum}: only {len(sample)} persons, fewer than {FEW_PERSONS}")
        comparison = operators if isinstance(operators, str) else operators.get(biomarker, "inclusive")
        entries.append(fit_entry(biomarker, sample, sex, quantile, quantile_type, comparison, source))
    fitted = Reference(
        name=name,
        version=version,
        title=title or f"fitted on {len(panel.participants)} persons, occasion {chosen}",
        entries=tuple(entries),
        rules=dict(rules or {}),
        notes=tuple(notes),
    )
    if definition is None:
        return fitted
    from allostat.allostatic_load.fitting_models import with_models

    return with_models(fitted, panel, definition, outcome=outcome, occasion=chosen)


def fit_entry(
    biomarker: str,
    values: Floats,
    sex: Sex | None,
    quantile: float = 0.75,
    quantile_type: int = 7,
    comparison: Comparison = "inclusive",
    source: str = "",
) -> ReferenceEntry:
    """Moments, winsor limits and high-risk cut of one biomarker in one stratum; errors as `fit_reference`."""
    kind = biomarker_kind(biomarker)
    f = np.log(values) if kind.transform == "ln" else values
    sd = float(f.std(ddof=1)) if len(f) > 1 else 0.0
    if not sd > 0:
        raise InputError("a stratum of the reference has no spread", where=f"{biomarker}, {sex or 'both sexes'}")
    cut = high_risk_cut(kind, values, quantile, quantile_type)
    operator = comparison_sign(kind, comparison)
    return ReferenceEntry(
        biomarker=biomarker,
        unit=kind.unit,
        transform=kind.transform,
        direction=kind.direction,
        context=kind.context,
        sex=sex,
        n=len(values),
        mean=float(f.mean()),
        sd=sd,
        winsor_low=sample_quantile(f, WINSOR_SHARE, quantile_type),
        winsor_high=sample_quantile(f, 1 - WINSOR_SHARE, quantile_type),
        cut=cut,
        operator=operator,
        quantile=quantile,
        quantile_type=quantile_type,
        prevalence=float(np.mean(is_high_risk(values, cut, operator))),
        source=source,
    )


def high_risk_cut(kind: BiomarkerKind, values: Floats, quantile: float, quantile_type: int) -> float:
    """The quantile of the risk-oriented value, given back on the value's own scale."""
    sign = 1.0 if kind.direction == "high" else -1.0
    return sign * sample_quantile(sign * values, quantile, quantile_type)


def comparison_sign(kind: BiomarkerKind, comparison: Comparison) -> Operator:
    """The comparison of a value with its cut, on the side where risk lies."""
    if kind.direction == "high":
        return ">=" if comparison == "inclusive" else ">"
    return "<=" if comparison == "inclusive" else "<"


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
