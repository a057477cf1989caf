"""How sure a reference is of its own cut-points: its persons drawn again, everything fitted again.

Persons are drawn with replacement, each with the own survey weight, all biomarkers of a person together. Survey designs
with strata and sampling units are not taken into account: intervals of such references are too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.definitions import Definition, load_definition
from allostat.allostatic_load.fitting import CutRule, Winsor, entry_of
from allostat.allostatic_load.fitting_models import with_models
from allostat.allostatic_load.reference_sample import (
    Members,
    Stratum,
    Weights,
    person_weights,
    persons_with_values,
    rows_of_occasion,
    sample_fingerprint,
    stratum_members,
    stratum_sample,
)
from allostat.allostatic_load.references import Reference, ReferenceEntry
from allostat.allostatic_load.scoring import allostatic_load, index_of
from allostat.biomarkers import BiomarkerTable
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel, panel_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BootstrappedReference:
    """A reference with intervals of its cut-points, and the references of the resamples.

    Parameters
    ----------
    reference
        The reference, each entry with ``cut_low`` and ``cut_high``; the cuts are those of the original.
    replicates
        References fitted on resampled persons.
    """

    reference: Reference
    replicates: tuple[Reference, ...]
    level: float
    seed: int


def bootstrap_reference(
    table: BiomarkerTable | Panel | pd.DataFrame,
    reference: Reference,
    *,
    weights: Weights | None = None,
    occasion: str | None = None,
    definition: str | Path | Definition | None = None,
    winsorise: bool = True,
    resamples: int = 500,
    level: float = 0.95,
    seed: int = 0,
) -> BootstrappedReference:
    """Intervals of a reference's cut-points from resamples of its persons.

    Parameters
    ----------
    table, weights, occasion
        The sample that the reference was fitted on, as `fit_reference` took it. Quantiles, operators, tails and limits
        are read from the reference.
    definition, winsorise
        A definition whose models are fitted anew in each resample too, see `with_models`; models of other definitions
        are left out of the replicates.

    Raises
    ------
    InputError
        Other persons, values or weights than those of the reference; a stratum that has no spread in a resample.
    ConfigError
        A reference that no sample is behind, fewer than 100 resamples.
    """
    if resamples < 100:
        raise ConfigError("an interval needs resamples", found=resamples, expected="100 or more")
    if not 0 < level < 1:
        raise ConfigError("a level lies between 0 and 1", found=level)
    if not reference.sample_n or any(e.quantile is None or e.quantile_type is None for e in reference.entries):
        raise ConfigError("the reference was not fitted on a sample by fit_reference", found=reference.name)
    panel = panel_of(table)
    weight = None if weights is None else person_weights(panel, weights)
    at = rows_of_occasion(panel, occasion)
    persons = persons_with_values(panel if weight is None else panel.rows(weight > 0), reference.biomarkers, at)
    if sample_fingerprint(persons) != reference.sample_sha256:
        raise InputError(
            "the reference was fitted on other persons", found=f"{len(persons)} persons",
            expected=f"the {reference.sample_n} of reference {reference.name}",
        )  # fmt: skip
    chosen = definition if definition is None or isinstance(definition, Definition) else load_definition(definition)
    groups = list(_members(panel, reference, weight, occasion))
    rng = np.random.default_rng(seed)
    n = len(panel.participants)
    replicates = []
    for _ in range(resamples):
        drawn = rng.integers(0, n, n)
        times = np.bincount(drawn, minlength=n)
        entries = tuple(_refitted(entry, rule, members, times) for entry, rule, members in groups)
        again = replace(reference, entries=entries, notes=(), models=(), sample_n=0, sample_sha256="")
        if chosen is not None:
            again = with_models(again, panel.rows(drawn), chosen, occasion=occasion, winsorise=winsorise)
        replicates.append(again)
    cuts = np.array([[e.cut for e in r.entries] for r in replicates], dtype=np.float64)
    ends = np.quantile(cuts, [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=0).tolist()
    entries = tuple(
        replace(entry, cut_low=low, cut_high=high) for (entry, _, _), low, high in zip(groups, *ends, strict=True)
    )
    said = f"{level:.0%} percentile interval, {resamples} resamples of persons, seed {seed}"
    return BootstrappedReference(
        replace(reference, entries=entries, rules={**reference.rules, "cut_interval": said}),
        tuple(replicates),
        level,
        seed,
    )


def _members(
    panel: Panel, reference: Reference, weight: Floats | None, occasion: str | None
) -> Iterator[tuple[ReferenceEntry, CutRule, Members]]:
    """Each entry with its rule and its members, checked against the entry."""
    for entry in reference.entries:
        stratum = Stratum(entry.sex, entry.age_low, entry.age_high)
        rule = _rule_of(entry, reference)
        members = next(
            iter(
                stratum_members(
                    panel, occasion=occasion, biomarkers=(entry.biomarker,), strata=(stratum,), weights=weight
                )
            )
        )
        again = entry_of(members.sample(), rule)
        if (again.cut, again.n) != (entry.cut, entry.n):
            raise InputError(
                "the sample does not give the reference's cut: other values or weights",
                where=f"{entry.biomarker}, {stratum}", found=f"{again.cut} of {again.n} persons",
                expected=f"{entry.cut} of {entry.n}",
            )  # fmt: skip
        order = np.argsort(members.values)
        yield (
            entry,
            rule,
            replace(
                members,
                persons=members.persons[order],
                values=members.values[order],
                weights=None if members.weights is None else members.weights[order],
                at_limit=None if members.at_limit is None else members.at_limit[order],
            ),
        )


def _rule_of(entry: ReferenceEntry, reference: Reference) -> CutRule:
    assert entry.quantile is not None
    assert entry.quantile_type is not None
    winsor: Winsor = reference.rules.get("winsor", "1/99")  # type: ignore[assignment]
    return CutRule(
        entry.quantile,
        entry.quantile_type,
        "strict" if entry.strict else "inclusive",
        "one" if entry.other_cut is None else "two",
        winsor,
    )


def _refitted(entry: ReferenceEntry, rule: CutRule, members: Members, times: NDArray[np.int64]) -> ReferenceEntry:
    """The entry of persons that stand in the resample so many times."""
    often = times[members.persons]
    sample = stratum_sample(
        members.biomarker,
        np.repeat(members.values, often),
        members.stratum,
        None if members.weights is None else np.repeat(members.weights, often),
        None if members.at_limit is None else np.repeat(members.at_limit, often),
    )
    return entry_of(sample, rule, entry.source)


def reference_uncertainty(
    table: BiomarkerTable | Panel | pd.DataFrame,
    definition: str | Path | Definition,
    bootstrapped: BootstrappedReference,
    *,
    winsorise: bool = True,
) -> xr.Dataset:
    """What the uncertainty of a reference does to the index of each person.

    Parameters
    ----------
    table, definition, winsorise
        As `allostatic_load`.

    Returns
    -------
    xr.Dataset
        ``index`` under the reference; ``reference_se``, ``reference_low``, ``reference_high``: standard deviation and
        percentile interval of the index over the resampled references. It shifts all persons together: it
        belongs to comparisons with other references, not to comparisons of persons under one.

    Raises
    ------
    ConfigError
        A definition that needs a fitted model which the replicates lack: name it in `bootstrap_reference`.
    """
    import xarray as xr

    chosen = definition if isinstance(definition, Definition) else load_definition(definition)
    panel = panel_of(table)
    scored = allostatic_load(panel, chosen, bootstrapped.reference, winsorise=winsorise)
    index = scored["index"]
    drawn = np.stack([index_of(panel, chosen, r, winsorise=winsorise) for r in bootstrapped.replicates])
    drawn = drawn.reshape(len(drawn), *index.shape)
    drawn[:, np.isnan(index.to_numpy())] = np.nan
    tails = [(1.0 - bootstrapped.level) / 2.0, (1.0 + bootstrapped.level) / 2.0]
    low, high = np.quantile(drawn, tails, axis=0)
    method = f"{len(drawn)} resamples of the reference's persons, seed {bootstrapped.seed}"
    about = {"units": "1", "method": method}
    data = {
        "index": index,
        "reference_se": (
            index.dims, drawn.std(axis=0, ddof=1), {"long_name": "standard deviation over resamples", **about}
        ),
        "reference_low": (
            index.dims, low, {"long_name": f"{bootstrapped.level:.0%} interval over references, lower end", **about}
        ),
        "reference_high": (
            index.dims, high, {"long_name": f"{bootstrapped.level:.0%} interval over references, upper end", **about}
        ),
    }  # fmt: skip
    coords = {n: scored.coords[n] for n in ("participant", "occasion") if n in scored.coords}
    return xr.Dataset(data, coords=coords, attrs=scored.attrs)
