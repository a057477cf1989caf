"""The index: components to systems to one number with its interval, for a cohort or for one person alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms import ComponentScore, ScoringRule, rule_of
from allostat.allostatic_load.algorithms.base import weighted_sum
from allostat.allostatic_load.algorithms.linear import Linear
from allostat.allostatic_load.components import Components, ComponentStatus, Note, biomarkers_of, components
from allostat.allostatic_load.definitions import Definition, load_definition
from allostat.allostatic_load.error_draws import draw_intervals
from allostat.allostatic_load.reference_sample import persons_with_values, sample_fingerprint
from allostat.allostatic_load.references import Reference, ReferenceModel, load_reference
from allostat.allostatic_load.result import IndexArrays, IndexStatus, as_dataset
from allostat.allostatic_load.uncertainty import (
    Z_95,
    Correlations,
    ErrorCorrelation,
    count_intervals,
    error_covariance,
    standard_error,
)
from allostat.biomarkers import BiomarkerTable, biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.panel import SEXES, Panel, panel_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Uncertainty = Literal["delta", "bootstrap"]


def allostatic_load(
    table: BiomarkerTable | Panel | pd.DataFrame,
    definition: str | Path | Definition = "system",
    reference: str | Path | Reference | None = None,
    *,
    winsorise: bool = True,
    uncertainty: Uncertainty = "delta",
    draws: int = 1000,
    seed: int = 0,
    error_correlation: Correlations | None = None,
) -> xr.Dataset:
    """Allostatic load index of every participant and occasion of a biomarker table.

    Parameters
    ----------
    table
        A biomarker table, the same in columns (`allostat.Panel`), or a wide data frame (see `Panel.from_frame`).
    definition
        Name of a definition that comes with allostat, path of a ``.toml`` file, or the object.
    reference
        Name, path of a ``.json`` file, or the object; None: the one that the definition names. The sample itself is
        never the reference: fit one with `fit_reference` and pass it.
    winsorise
        Whether transformed values are limited to the reference's winsor limits before a z score.
    uncertainty
        ``delta``: standard error by the delta method and normal interval (counts: Poisson-binomial distribution).
        ``bootstrap``: ``draws`` parametric draws of the measurement errors, scored again through the whole path, and
        their percentiles; a person's draws depend on ``seed``, participant and occasion alone.
    error_correlation
        Correlations of the errors of biomarkers on the scale of their transforms: ``{("sbp", "dbp"): 0.6}`` or a data
        frame. Pairs that are not named are independent.

    Returns
    -------
    xr.Dataset
        Dimensions ``participant`` (and ``occasion`` when there are several), ``component``, ``system``. ``index`` with
        ``index_se``, ``ci_low``, ``ci_high``; ``index_status``; ``count``, ``proportion``, ``n_inputs``, ``n_systems``,
        ``n_with_se``; per component ``value``, ``r``, ``z``, ``flag`` (-1 missing), ``p_flag``, ``component_status``,
        ``component_notes``, ``biomarker_used``, ``quality``, ``index_without``; ``system_score``; ``loo_low`` and
        ``loo_high``, the range of the index when any one component is left out. Hashes of definition and reference are
        attributes.

    Raises
    ------
    ConfigError
        Unknown or invalid definition or reference; correlated errors of flags with ``uncertainty="delta"``.
    InputError
        A value whose context differs from its reference's.

    Notes
    -----
    Missing-data rule: a system counts with half of its markers, an index with three quarters of its systems and the
    definition's required groups, else it is NaN with ``INSUFFICIENT_INPUTS``. A count is the number of flags among the
    measured components; with a partial panel read ``proportion`` with ``n_inputs`` (note ``PARTIAL_PANEL``).

    The standard error covers the components with a known standard error (note ``PARTIAL_SE`` when there are others);
    an index that a fitted model cannot give for these components is NaN with ``INCOMPLETE_FOR_MODEL``. For counts the
    error is that of the Poisson-binomial distribution of the flags and the interval is its quantiles.

    When exactly the persons that the reference was fitted on are scored, every row has the note
    ``SAMPLE_IS_REFERENCE`` and the attribute ``sample_is_reference`` is 1.
    """
    if uncertainty not in get_args(Uncertainty):
        raise ConfigError("unknown uncertainty", found=uncertainty, valid=get_args(Uncertainty))
    chosen = definition if isinstance(definition, Definition) else load_definition(definition)
    compared = reference if isinstance(reference, Reference) else load_reference(reference or chosen.default_reference)
    panel = panel_of(table)
    if not panel.participants:
        raise InputError("biomarker table is empty: there is nobody to score")
    scored = components(panel, chosen, compared, winsorise=winsorise)
    correlation = None if error_correlation is None else ErrorCorrelation.of(error_correlation)
    if uncertainty == "delta":
        arrays = _index(panel, scored, chosen, compared, correlation)
    else:
        arrays = _index(panel, scored, chosen, compared, None)
        rows = np.flatnonzero(~np.isnan(arrays.index) & (arrays.n_with_se > 0))
        drawn = draw_intervals(
            panel,
            rows,
            biomarkers_of(chosen),
            lambda p: index_of(p, chosen, compared, winsorise=winsorise),
            draws=draws,
            seed=seed,
            correlation=correlation,
        )
        se, low, high = (np.full(len(arrays.index), np.nan) for _ in range(3))
        se[rows], low[rows], high[rows] = drawn
        arrays = replace(arrays, se=se, ci_low=low, ci_high=high)
    itself = is_own_reference(panel, compared)
    if itself:
        arrays = replace(arrays, notes=arrays.notes | np.int16(Note.SAMPLE_IS_REFERENCE))
    result = as_dataset(arrays, scored, chosen, compared, winsorise=winsorise)
    result.attrs["uncertainty"] = "delta" if uncertainty == "delta" else f"bootstrap, {draws} draws, seed {seed}"
    result.attrs["error_correlation"] = "" if correlation is None else correlation.text()
    result.attrs["sample_is_reference"] = int(itself)
    return result


def is_own_reference(panel: Panel, reference: Reference) -> bool:
    """Whether the persons of a panel with any biomarker of the reference are the set that the reference was fitted on.

    Found by the hash of the set: persons more or less, and it is another sample.
    """
    if not reference.sample_n:
        return False
    persons = persons_with_values(panel, reference.biomarkers)
    return len(persons) == reference.sample_n and sample_fingerprint(persons) == reference.sample_sha256


def index_of(panel: Panel, definition: Definition, reference: Reference, *, winsorise: bool = True) -> Floats:
    """(rows,) the index alone, without regard to the missing-data rule; NaN where the algorithm cannot give it."""
    rule = rule_of(definition.algorithm)
    scored = components(panel, definition, reference, winsorise=winsorise)
    u = component_scores(scored, definition, rule.component_score(definition))
    complete = complete_systems(scored.available, definition)
    return _index_values(panel, scored.available, complete, u, definition, reference)


def _counted(available: Mask, complete: Mask, definition: Definition) -> Mask:
    """Components that take part: those of incomplete systems do not when systems are averaged."""
    return available & complete[:, definition.system_of] if definition.algorithm == "system" else available


def combine_scores(scores: Sequence[xr.Dataset]) -> xr.Dataset:
    """Scores of several tables in one dataset.

    Raises
    ------
    InputError
        When they come from different definitions or references: such scores are not comparable.
    """
    import xarray as xr

    if not scores:
        raise InputError("no scores to combine")
    for name in ("definition_sha256", "reference_sha256", "winsorised"):
        found = {str(s.attrs[name]) for s in scores}
        if len(found) > 1:
            raise InputError(f"scores of different {name} are not comparable", found=", ".join(sorted(found)))
    return xr.concat(scores, dim="participant", data_vars="all", combine_attrs="override", join="outer")


def _index(
    panel: Panel,
    scored: Components,
    definition: Definition,
    reference: Reference,
    correlation: ErrorCorrelation | None,
) -> IndexArrays:
    rule = rule_of(definition.algorithm)
    score = rule.component_score(definition)
    available = scored.available
    models = _models(panel, available, definition, reference)
    complete = complete_systems(available, definition)
    counted = _counted(available, complete, definition)
    enough = _sufficient(panel, complete, definition)
    u = component_scores(scored, definition, score)
    index = np.full(len(u), np.nan)
    gradient = np.zeros(u.shape, order="F")
    without = np.full(u.shape, np.nan, order="F")
    for rows, model in models:
        # Most definitions need no model: all rows at once and no copies.
        u_here, counted_here = u[rows], counted[rows]
        index[rows] = rule.index(u_here, counted_here, definition, model)
        gradient[rows] = rule.gradient(u_here, counted_here, definition, model)
        without[rows] = _leave_one_out(rule, u_here, counted_here, definition, model)
    p = np.where(counted, scored.p_flag, np.nan)
    known = counted & (scored.se >= 0)
    errors = np.where(known, component_errors(scored, definition, score), np.nan)
    covariance = None
    if correlation is not None:
        if score == "flag":
            raise ConfigError(
                "flags of correlated errors have no delta-method error", where=f"definition {definition.id}",
                expected='uncertainty="bootstrap"',
            )  # fmt: skip
        signs = np.array([1.0 if biomarker_kind(m.any_of[0]).direction == "high" else -1.0 for m in definition.markers])
        covariance = error_covariance(
            gradient, errors, scored.used, signs, correlation.among(biomarkers_of(definition))
        )
    se = standard_error(gradient, errors, covariance)
    low, high = index - Z_95 * se, index + Z_95 * se
    if definition.algorithm == "count":
        uncertain = known.any(axis=1) & enough
        low[uncertain], high[uncertain] = count_intervals(p[uncertain], counted[uncertain])
    there = enough & ~np.isnan(index)
    without[~there] = np.nan
    notes = np.bitwise_or.reduce(np.where(counted, scored.notes, 0), axis=1).astype(np.int16)
    notes[counted.sum(axis=1) < counted.shape[1]] |= int(Note.PARTIAL_PANEL)
    notes[known.any(axis=1) & (known.sum(axis=1) < counted.sum(axis=1))] |= int(Note.PARTIAL_SE)
    flags = np.where(counted & (scored.flag >= 0), scored.flag, 0).sum(axis=1)
    flagged = (counted & (scored.flag >= 0)).sum(axis=1)
    status = scored.status.copy()
    status[available & ~counted] = ComponentStatus.SYSTEM_INCOMPLETE
    reason = np.where(enough, IndexStatus.INCOMPLETE_FOR_MODEL, IndexStatus.INSUFFICIENT_INPUTS)
    return IndexArrays(
        index=np.where(there, index, np.nan),
        se=np.where(there, se, np.nan),
        ci_low=np.where(there, low, np.nan),
        ci_high=np.where(there, high, np.nan),
        index_status=np.where(there, IndexStatus.OK, reason).astype(np.int8),
        count=np.where(there & (flagged > 0), flags, np.nan),
        proportion=np.where(there & (flagged > 0), flags / np.maximum(flagged, 1), np.nan),
        n_inputs=counted.sum(axis=1).astype(np.int32),
        n_systems=complete.sum(axis=1).astype(np.int32),
        n_with_se=known.sum(axis=1).astype(np.int32),
        notes=notes,
        status=status,
        system_score=_system_scores(u, available, complete, definition),
        without=without,
    )


def index_values(panel: Panel, available: Mask, u: Floats, definition: Definition, reference: Reference) -> Floats:
    """The index alone, without interval, notes and leave-one-out: what is scored under hundreds of settings.

    Parameters
    ----------
    available, u
        (rows, components) which components have a score, and `component_scores`; columns that lie one after the other
        in memory are fastest.

    Returns
    -------
    (rows,) the ``index`` of `allostatic_load`.
    """
    complete = complete_systems(available, definition)
    index = _index_values(panel, available, complete, u, definition, reference)
    return np.where(_sufficient(panel, complete, definition), index, np.nan)


def _index_values(
    panel: Panel, available: Mask, complete: Mask, u: Floats, definition: Definition, reference: Reference
) -> Floats:
    rule = rule_of(definition.algorithm)
    counted = _counted(available, complete, definition)
    index = np.full(len(u), np.nan)
    for rows, model in _models(panel, available, definition, reference):
        index[rows] = rule.index(u[rows], counted[rows], definition, model)
    return index


def _models(
    panel: Panel, available: Mask, definition: Definition, reference: Reference
) -> list[tuple[NDArray[np.int64] | slice, ReferenceModel | None]]:
    """Rows and the fitted model that serves them."""
    kind = rule_of(definition.algorithm).model_kind(definition)
    if kind is None:
        return [(slice(None), None)]
    markers = tuple(m.name for m in definition.markers)
    found: list[tuple[NDArray[np.int64] | slice, ReferenceModel | None]] = []
    for sex in (None,) if definition.strata == "pooled" else SEXES:
        here = available.any(axis=1)
        if sex is not None:
            here = here & (panel.sex == SEXES.index(sex))
        model = reference.model(kind, markers, sex)
        if not here.any():
            continue
        if model is None:
            raise ConfigError(
                f"reference holds no {kind} model of the definition's markers",
                where=f"definition {definition.id}, reference {reference.name}, sex {sex or 'pooled'}",
                found=", ".join(sorted({m.kind for m in reference.models})) or "no model",
                expected=f"a reference fitted with fit_reference(..., definition='{definition.id}')",
            )
        found.append((np.flatnonzero(here), model))
    return found


def complete_systems(available: Mask, definition: Definition) -> Mask:
    """Which systems (rows, systems) have at least one marker and the wanted share of their markers."""
    member = np.array(definition.system_of)
    found = np.stack([available[:, member == k].sum(axis=1) for k in range(len(definition.systems))], axis=1)
    size = np.array([len(s.markers) for s in definition.systems])
    complete: Mask = (found > 0) & (found / size >= definition.min_share_in_system)
    return complete


def component_scores(scored: Components, definition: Definition, score: ComponentScore) -> Floats:
    """What the index is made of (rows, components)."""
    match score:
        case "flag":
            flags: Floats = np.where(scored.flag >= 0, scored.flag.astype(np.float64), np.nan)
            return flags
        case "z":
            return scored.z
        case "z_positive":
            return np.maximum(scored.z, 0.0)
        case "tail":
            from scipy.special import ndtr

            tail: Floats = ndtr(scored.z) ** float(definition.option("power"))
            return tail
        case "distance":
            return np.maximum(scored.distance, 0.0) if definition.option("one_sided") else scored.distance


def component_errors(scored: Components, definition: Definition, score: ComponentScore) -> Floats:
    """Standard error of each component's score; a flag is a Bernoulli variable, a z below 0 adds nothing to zpos."""
    match score:
        case "flag":
            bernoulli: Floats = np.sqrt(scored.p_flag * (1.0 - scored.p_flag))
            return bernoulli
        case "z":
            return scored.se_z
        case "z_positive":
            return np.where(scored.z > 0, scored.se_z, 0.0)
        case "tail":
            from scipy.special import ndtr

            power = float(definition.option("power"))
            density = np.exp(-0.5 * scored.z**2) / np.sqrt(2.0 * np.pi)
            tail: Floats = power * ndtr(scored.z) ** (power - 1.0) * density * scored.se_z
            return tail
        case "distance":
            beyond = (scored.distance > 0) | (not definition.option("one_sided"))
            return np.where(beyond, scored.se_z, 0.0)


def _sufficient(panel: Panel, complete: Mask, definition: Definition) -> Mask:
    """The missing-data rule for each row."""
    share = complete.sum(axis=1) / complete.shape[1]
    enough: Mask = complete.any(axis=1) & (share >= definition.min_share_of_systems)
    for group in definition.require_one_of:
        columns = [panel.column_of[b] for b in group if b in panel.column_of]
        enough &= panel.measured[:, columns].any(axis=1)
    return enough


def _system_scores(u: Floats, available: Mask, complete: Mask, definition: Definition) -> Floats:
    """Mean score inside each complete system (rows, systems)."""
    scores = np.full(complete.shape, np.nan)
    member = np.array(definition.system_of)
    for k in range(complete.shape[1]):
        inside = available[:, member == k]
        total = weighted_sum(inside.astype(np.float64), u[:, member == k])
        scores[:, k] = np.where(complete[:, k], total / np.maximum(inside.sum(axis=1), 1), np.nan)
    return scores


def _leave_one_out(
    rule: ScoringRule, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None
) -> Floats:
    """The index without each component that counts; NaN for those that do not, and when nothing would be left."""
    if isinstance(rule, Linear):
        return rule.without(u, counted, definition)
    without = np.full(counted.shape, np.nan)
    for j in range(counted.shape[1]):
        rest = counted.copy()
        rest[:, j] = False
        without[:, j] = np.where(counted[:, j], rule.index(u, rest, definition, model), np.nan)
    return without
