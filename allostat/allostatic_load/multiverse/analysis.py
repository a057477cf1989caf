"""The multiverse: one table under every defensible way of making the index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.multiverse.agreement import choice_agreement, rank_agreement, scaled_ranks, score_codes
from allostat.allostatic_load.multiverse.curve import fitted_effects
from allostat.allostatic_load.multiverse.decomposition import effect_shares, score_shares
from allostat.allostatic_load.multiverse.grid import MultiverseGrid, load_grid
from allostat.allostatic_load.multiverse.outcomes import outcome_of
from allostat.allostatic_load.multiverse.permutation import permuted_curve
from allostat.allostatic_load.multiverse.result import Curve, Scored, as_dataset
from allostat.allostatic_load.multiverse.ruled_panels import RuledPanels
from allostat.allostatic_load.multiverse.sample_references import SampleReferences
from allostat.allostatic_load.multiverse.scores import Scorer
from allostat.allostatic_load.multiverse.specifications import Plan, Specification, planned
from allostat.allostatic_load.references import Reference, load_reference
from allostat.biomarkers import BiomarkerTable
from allostat.errors import ConfigError, InputError
from allostat.panel import Panel, is_panel_column, panel_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]

NOBODY_SCORED = "nobody has enough biomarkers that the reference covers"
NOT_DRAWN = "more specifications than the limit: not drawn"


def multiverse(
    table: BiomarkerTable | Panel | pd.DataFrame,
    outcome: str | None = None,
    *,
    covariates: Sequence[str] = (),
    persons: pd.DataFrame | None = None,
    model: Literal["auto", "linear", "logistic"] = "auto",
    grid: str | Path | MultiverseGrid = "default",
    reference: str | Path | Reference | None = None,
    occasion: str | None = None,
    permutations: int = 500,
    limit: int | None = 2000,
    seed: int = 0,
) -> xr.Dataset:
    """The index under every defensible combination of choices, and what the choices do to persons and to an effect.

    Parameters
    ----------
    table
        As for `allostatic_load`, with one occasion. Values of a panel or data frame are taken as measured; those of a
        biomarker table are put back to what was measured. A data frame may hold columns besides biomarkers: they are
        the ``persons``.
    outcome
        Column of ``persons``; the index of each specification, in standard deviations, is put in the same model of it.
    covariates
        Further terms of the model: columns of ``persons``, or ``age`` and ``sex`` of the table.
    persons
        One row per participant; None: the columns of ``table`` that are no biomarkers.
    model
        ``linear``: least squares, the effect in units of the outcome. ``logistic``: maximum likelihood, the effect in
        log-odds. ``auto``: logistic for an outcome of two values.
    grid
        Name of a grid that comes with allostat, path of a ``.toml`` file, or the object.
    reference
        Frozen reference for the level ``reference`` of the cuts; None: the one that each definition names.
    occasion
        The occasion to score; needed when the table has several.
    permutations
        Random outcomes for the test of the whole curve; 0: none.
    limit
        Most specifications; of a larger multiverse so many are drawn, the default one among them. None: all.
    seed
        Of the draw and the permutations: the same seed gives the same result.

    Returns
    -------
    xr.Dataset
        Dimensions ``specification``, ``participant``, ``choice``. ``score`` (specification, participant) with the
        level of each choice as coordinates ``choice_<name>``; ``n_scored``, ``is_default``, ``definition_sha256``,
        ``reference_sha256``; ``rank_correlation`` and ``n_common`` (specification, other); per choice
        ``score_share`` (share of the variance of persons' ranks over specifications), ``alone_median``,
        ``alone_lowest`` and ``alone_pairs`` (rank correlation of specifications that differ in this choice alone).
        With an outcome ``effect``, ``effect_se``, ``ci_low``, ``ci_high``, ``p_value``, ``n_model``,
        ``effect_status``, ``effect_share`` (choice) and ``permuted_median`` (permutation). Attributes hold the grid,
        what was left out and why, and a summary.

    Raises
    ------
    ConfigError
        Unknown or invalid grid, reference or setting.
    InputError
        Nobody to score, several occasions and none chosen, no specification that scores anybody, an unknown outcome or
        covariate, an outcome without variance or known for too few.

    Notes
    -----
    Every score equals what `allostatic_load` gives with the specification's panel, definition and reference. A
    specification that scores nobody, or whose reference cannot be fitted, is left out and counted with the reason.
    Fitting a reference on the persons who are scored is a declared choice here, and only here.

    Specification curve and its test: Simonsohn, Simmons & Nelson 2020 (10.1038/s41562-020-0912-z); multiverse: Steegen
    and others 2016 (10.1177/1745691616658637). Deviation: the test of a logistic model permutes score statistics, it
    does not fit the model anew.
    """
    if model not in ("auto", "linear", "logistic"):
        raise ConfigError("unknown model", found=model, valid=("auto", "linear", "logistic"))
    if permutations < 0 or (limit is not None and limit < 1):
        raise ConfigError("permutations are 0 or more, a limit 1 or more", found=f"{permutations}, {limit}")
    chosen = grid if isinstance(grid, MultiverseGrid) else load_grid(grid)
    frozen = reference if isinstance(reference, Reference) or reference is None else load_reference(reference)
    biomarkers, others = _parted(table)
    ruled = RuledPanels.of(biomarkers, occasion)
    told = None
    if outcome is not None:
        told = outcome_of(ruled.measured, persons if persons is not None else others, outcome, covariates, model)
    plan = planned(chosen, ruled)
    scored = _scored(plan, ruled, frozen, chosen, limit, seed)
    levels = [s.levels for s in scored.specifications]
    codes = score_codes(scored.scores)
    agreement = rank_agreement(codes)
    curve = None
    if told is not None:
        effects = fitted_effects(scored.scores, told)
        random = permuted_curve(scored.scores, told, effects, permutations=permutations, seed=seed)
        curve = Curve(told, effects, random, effect_shares(levels, effects.effect))
    return as_dataset(
        scored,
        chosen,
        ruled.measured,
        agreement,
        choice_agreement(levels, agreement.rho),
        score_shares(levels, scaled_ranks(codes)),
        curve,
        seed=seed,
    )


def _parted(
    table: BiomarkerTable | Panel | pd.DataFrame,
) -> tuple[BiomarkerTable | Panel, pd.DataFrame | None]:
    """The biomarkers, and the columns of a data frame that are something else."""
    if isinstance(table, BiomarkerTable | Panel) or not hasattr(table, "columns"):
        return (table if isinstance(table, BiomarkerTable) else panel_of(table)), None
    return panel_of(table[[c for c in table.columns if is_panel_column(str(c))]]), table


def _order(count: int, limit: int | None, seed: int) -> list[int]:
    """The order in which specifications are scored: as they come, or at random behind the first (the default)."""
    if limit is None or count <= limit:
        return list(range(count))
    return [0, *(1 + np.random.default_rng(seed).permutation(count - 1)).tolist()]


def _scored(
    plan: Plan,
    ruled: RuledPanels,
    frozen: Reference | None,
    grid: MultiverseGrid,
    limit: int | None = None,
    seed: int = 0,
) -> Scored:
    """Scores of at most ``limit`` specifications; those left out are counted with the reason."""
    scorer = Scorer(ruled, frozen, SampleReferences(grid.age_bands), grid.default)
    removed = dict(plan.removed)
    found: dict[int, tuple[Specification, Floats, str]] = {}
    for number in _order(len(plan.specifications), limit, seed):
        if limit is not None and len(found) == limit:
            removed[NOT_DRAWN] = removed.get(NOT_DRAWN, 0) + 1
            continue
        specification = plan.specifications[number]
        try:
            row = scorer.score(specification)
            reason = NOBODY_SCORED if np.isnan(row).all() else ""
        except (InputError, ConfigError) as error:
            reason = str(error)
        if reason:
            removed[reason] = removed.get(reason, 0) + 1
            continue
        found[number] = specification, row, scorer.reference(specification).sha256
    if not found:
        raise InputError(
            "no specification of the grid scores anybody",
            where=f"grid {grid.id}",
            found="; ".join(f"{reason} ({times})" for reason, times in removed.items()),
        )
    specifications, rows, references = zip(*(found[number] for number in sorted(found)), strict=True)
    return Scored(specifications, np.array(rows), references, removed, plan.default)
