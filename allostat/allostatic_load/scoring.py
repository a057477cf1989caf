"""The index: components to systems to one number with its interval, for a cohort or for one person alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.components import Components, ComponentStatus, Note, components
from allostat.allostatic_load.definitions import Algorithm, Definition, load_definition
from allostat.allostatic_load.references import Reference, load_reference
from allostat.allostatic_load.result import IndexArrays, as_dataset
from allostat.allostatic_load.uncertainty import Z_95, count_interval, linear_standard_error
from allostat.biomarkers import BiomarkerTable
from allostat.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]


def allostatic_load(
    table: BiomarkerTable,
    definition: str | Path | Definition = "system",
    reference: str | Path | Reference | None = None,
    *,
    winsorise: bool = True,
) -> xr.Dataset:
    """Allostatic load index of every participant and occasion of a biomarker table.

    Parameters
    ----------
    definition
        Name of a definition that comes with allostat, path of a ``.toml`` file, or the object.
    reference
        Name, path of a ``.json`` file, or the object; None: the one that the definition names. The sample itself is
        never the reference: fit one with `fit_reference` and pass it.
    winsorise
        Whether transformed values are limited to the reference's winsor limits before a z score.

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
        Unknown or invalid definition or reference.
    InputError
        A value whose context differs from its reference's.

    Notes
    -----
    Missing-data rule: a system counts with half of its markers, an index with three quarters of its systems and the
    definition's required groups, else it is NaN with ``INSUFFICIENT_INPUTS``. A count is the number of flags among the
    measured components; with a partial panel read ``proportion`` with ``n_inputs`` (note ``PARTIAL_PANEL``).

    The standard error is the delta-method one over components with a known standard error, independent of each other;
    for counts it is that of the Poisson-binomial distribution of the flags and the interval is its quantiles.
    """
    chosen = definition if isinstance(definition, Definition) else load_definition(definition)
    compared = reference if isinstance(reference, Reference) else load_reference(reference or chosen.default_reference)
    if not table.keys:
        raise InputError("biomarker table is empty: there is nobody to score")
    scored = components(table, chosen, compared, winsorise=winsorise)
    return as_dataset(_index(table, scored, chosen), scored, chosen, compared, winsorise=winsorise)


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


def _index(table: BiomarkerTable, scored: Components, definition: Definition) -> IndexArrays:
    available = scored.available
    complete = complete_systems(available, definition)
    counted = available & complete[:, definition.system_of] if definition.algorithm == "system" else available
    enough = _sufficient(table, scored, complete, definition)
    u = _scores(scored, definition)
    weights = component_weights(counted, definition)
    index = _weighted_sum(weights, u)
    p = np.where(counted, scored.p_flag, np.nan)
    known = counted & (scored.se >= 0)
    errors = np.where(known, _component_errors(scored, definition), np.nan)
    se = linear_standard_error(weights, errors)
    low, high = index - Z_95 * se, index + Z_95 * se
    if definition.algorithm == "count":
        for i in np.flatnonzero(known.any(axis=1) & enough):
            low[i], high[i] = count_interval(p[i, counted[i]])
    without = _leave_one_out(u, counted, definition)
    without[~enough] = np.nan
    notes = np.bitwise_or.reduce(np.where(counted, scored.notes, 0), axis=1).astype(np.int16)
    notes[counted.sum(axis=1) < counted.shape[1]] |= int(Note.PARTIAL_PANEL)
    notes[known.any(axis=1) & (known.sum(axis=1) < counted.sum(axis=1))] |= int(Note.PARTIAL_SE)
    flags = np.where(counted & (scored.flag >= 0), scored.flag, 0).sum(axis=1)
    flagged = (counted & (scored.flag >= 0)).sum(axis=1)
    status = scored.status.copy()
    status[available & ~counted] = ComponentStatus.SYSTEM_INCOMPLETE
    return IndexArrays(
        index=np.where(enough, index, np.nan),
        se=np.where(enough, se, np.nan),
        ci_low=np.where(enough, low, np.nan),
        ci_high=np.where(enough, high, np.nan),
        enough=enough,
        count=np.where(enough & (flagged > 0), flags, np.nan),
        proportion=np.where(enough & (flagged > 0), flags / np.maximum(flagged, 1), np.nan),
        n_inputs=counted.sum(axis=1).astype(np.int32),
        n_systems=complete.sum(axis=1).astype(np.int32),
        n_with_se=known.sum(axis=1).astype(np.int32),
        notes=notes,
        status=status,
        system_score=_system_scores(u, available, complete, definition),
        without=without,
    )


def complete_systems(available: NDArray[np.bool_], definition: Definition) -> NDArray[np.bool_]:
    """Which systems (rows, systems) have at least one marker and the wanted share of their markers."""
    member = np.array(definition.system_of)
    found = np.stack([available[:, member == k].sum(axis=1) for k in range(len(definition.systems))], axis=1)
    size = np.array([len(s.markers) for s in definition.systems])
    complete: NDArray[np.bool_] = (found > 0) & (found / size >= definition.min_share_in_system)
    return complete


def component_weights(counted: NDArray[np.bool_], definition: Definition) -> Floats:
    """Weight of each component (rows, components) in the index, which is linear in the component scores."""
    return _weights(counted, np.array(definition.system_of), definition.algorithm)


def _weights(counted: NDArray[np.bool_], member: NDArray[np.int64], algorithm: Algorithm) -> Floats:
    here = counted.astype(np.float64)
    match algorithm:
        case "count" | "zsum" | "zpos":
            return here
        case "zmean":
            mean: Floats = here / np.maximum(here.sum(axis=1, keepdims=True), 1.0)
            return mean
        case "system":
            per_system = np.stack([here[:, member == k].sum(axis=1) for k in range(member.max() + 1)], axis=1)
            systems = np.maximum((per_system > 0).sum(axis=1, keepdims=True), 1)
            balanced: Floats = here / (np.maximum(per_system[:, member], 1.0) * systems)
            return balanced


def _weighted_sum(weights: Floats, u: Floats) -> Floats:
    """Sums over components, one after the other: a person alone and inside a cohort get the same bits."""
    total = np.zeros(len(weights))
    for j in range(weights.shape[1]):
        total += np.where(weights[:, j] != 0, weights[:, j] * u[:, j], 0.0)
    result: Floats = np.where((weights != 0).any(axis=1), total, np.nan)
    return result


def _scores(scored: Components, definition: Definition) -> Floats:
    """What the index is made of: flags, z, or positive z."""
    if definition.uses_flags:
        flags: Floats = np.where(scored.flag >= 0, scored.flag.astype(np.float64), np.nan)
        return flags
    return np.maximum(scored.z, 0.0) if definition.algorithm == "zpos" else scored.z


def _component_errors(scored: Components, definition: Definition) -> Floats:
    """Standard error of each component's score; a flag is a Bernoulli variable, a z below 0 adds nothing to zpos."""
    if definition.uses_flags:
        bernoulli: Floats = np.sqrt(scored.p_flag * (1.0 - scored.p_flag))
        return bernoulli
    return np.where(scored.z > 0, scored.se_z, 0.0) if definition.algorithm == "zpos" else scored.se_z


def _sufficient(
    table: BiomarkerTable, scored: Components, complete: NDArray[np.bool_], definition: Definition
) -> NDArray[np.bool_]:
    """The missing-data rule for each row."""
    share = complete.sum(axis=1) / complete.shape[1]
    enough: NDArray[np.bool_] = complete.any(axis=1) & (share >= definition.min_share_of_systems)
    measured: dict[tuple[str, str], set[str]] = {}
    for row in table.rows:
        if not row.missing:
            measured.setdefault((row.participant, row.occasion), set()).add(row.biomarker)
    for i, key in enumerate(scored.keys):
        here = measured.get(key, set())
        enough[i] &= all(here & set(group) for group in definition.require_one_of)
    return enough


def _system_scores(
    u: Floats, available: NDArray[np.bool_], complete: NDArray[np.bool_], definition: Definition
) -> Floats:
    """Mean score inside each complete system (rows, systems)."""
    scores = np.full(complete.shape, np.nan)
    member = np.array(definition.system_of)
    for k in range(complete.shape[1]):
        inside = available & (member == k)
        n = inside.sum(axis=1)
        total = _weighted_sum(inside.astype(np.float64), u)
        scores[:, k] = np.where(complete[:, k], total / np.maximum(n, 1), np.nan)
    return scores


def _leave_one_out(u: Floats, counted: NDArray[np.bool_], definition: Definition) -> Floats:
    """The index without each component that counts; NaN for those that do not, and when nothing would be left."""
    without = np.full(counted.shape, np.nan)
    for j in range(counted.shape[1]):
        rest = counted.copy()
        rest[:, j] = False
        without[:, j] = np.where(counted[:, j], _weighted_sum(component_weights(rest, definition), u), np.nan)
    return without
