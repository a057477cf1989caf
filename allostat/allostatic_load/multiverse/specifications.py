"""From a grid to specifications: combinations that cannot be defended or change nothing are sorted out and counted."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import cast

from allostat.allostatic_load.algorithms import rule_of
from allostat.allostatic_load.components import biomarkers_of
from allostat.allostatic_load.definitions import Definition, Marker, System
from allostat.allostatic_load.multiverse.choices import (
    AS_DEFINED,
    NOT_APPLICABLE,
    SAMPLE_CUTS,
    STRATA_OF_CUTS,
    choices,
    is_cortisol_feature,
)
from allostat.allostatic_load.multiverse.grid import MultiverseGrid
from allostat.allostatic_load.multiverse.ruled_panels import RuledPanels
from allostat.allostatic_load.options import Comparison
from allostat.biomarkers import biomarker_kinds

SAMPLE_QUANTILE = 0.75
"""High-risk quantile fitted for a definition that states none."""

NO_MOMENTS = "published cut-offs have no mean and spread, so no z score"
NO_QUANTILE = "a quantile type matters to flags by quantiles of the sample only"
NO_FLAG = "a comparison with the cut matters to flags only"
NO_EXTREMES = "winsorising matters to z scores and distances only"
FROZEN_LIMITS = "a frozen reference has winsor limits of its own"
NO_RISK_FLAG = "treatment can count as high risk in a count of flags only"
CHANGES_NOTHING = "the rule changes no value of these biomarkers in this table"
NO_MARKER = "the definition has no such marker"
NO_SUCH_COLUMN = "the table has no biomarker of that kind"
NO_OUTCOME_WEIGHTS = "weights by an outcome need a reference of other persons with that outcome"
NO_MODEL = "published cut-offs hold no fitted model"
SEX_UNKNOWN = "nobody's sex is known"
AGE_UNKNOWN = "nobody's age is known"


@dataclass(frozen=True)
class Specification:
    """One way of making the index: a level of each choice, and the definition that they make of the grid's."""

    levels: Mapping[str, str]
    definition: Definition

    @property
    def label(self) -> str:
        """The levels in one line."""
        return ", ".join(f"{n} {v}" for n, v in self.levels.items() if v not in (NOT_APPLICABLE, AS_DEFINED))


@dataclass(frozen=True)
class Plan:
    """The specifications of a grid for one table.

    ``removed`` counts the combinations that are left out by reason; with ``specifications`` they add up to the
    grid's combinations. ``default`` holds the levels of the default specification.
    """

    specifications: tuple[Specification, ...]
    removed: Mapping[str, int]
    default: Mapping[str, str]


@dataclass(frozen=True)
class _Planner:
    grid: MultiverseGrid
    ruled: RuledPanels

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Choices that are sorted out one after the other, once definition and cuts are chosen."""
        return tuple(name for name in choices() if name not in ("definition", "cuts"))

    def ordered(self, name: str) -> list[str]:
        """Levels of a choice, the default first, so that it is the one kept among equals."""
        levels, default = self.grid.levels[name], self.grid.default[name]
        return [default, *(level for level in levels if level != default)]

    def kept(self, definition: Definition, cuts: str, name: str) -> tuple[dict[str, str], dict[str, int]]:
        """The levels that stay, as they are called in specifications, and the number left out by reason."""
        levels = self.ordered(name)
        score = rule_of(definition.algorithm).component_score(definition)
        flags = score == "flag"
        match name:
            case "quantile_type" if cuts not in SAMPLE_CUTS or score not in ("flag", "distance"):
                return _one(levels, NO_QUANTILE)
            case "operator" if not flags:
                return _one(levels, NO_FLAG)
            case "winsorise" if flags:
                return _one(levels, NO_EXTREMES)
            case "winsorise" if cuts not in SAMPLE_CUTS:
                limits = [level for level in levels if level != "off"]
                kept = [*limits[:1], *(["off"] if "off" in levels else [])]
                return _alone({level: level for level in kept}), _counted(FROZEN_LIMITS, len(levels) - len(kept))
            case "crp" | "medication":
                return self._rule_levels(definition, name, levels, flags)
            case "hrv" | "cortisol":
                return self._marker_levels(definition, name, levels)
            case _:
                return _alone({level: level for level in levels}), {}

    def _rule_levels(
        self, definition: Definition, name: str, levels: list[str], flags: bool
    ) -> tuple[dict[str, str], dict[str, int]]:
        names, default = biomarkers_of(definition), self.grid.default
        kept: dict[str, str] = {}
        seen: set[tuple[str, ...]] = set()
        removed: dict[str, int] = {}
        for level in levels:
            crp, medication = (level, default["medication"]) if name == "crp" else (default["crp"], level)
            versions = self.ruled.versions(names, crp, medication)
            reason = NO_RISK_FLAG if level == "risk" and not flags else CHANGES_NOTHING if versions in seen else ""
            if reason:
                removed[reason] = removed.get(reason, 0) + 1
            else:
                kept[level] = level
                seen.add(versions)
        return _alone(kept), removed

    def _marker_levels(
        self, definition: Definition, name: str, levels: list[str]
    ) -> tuple[dict[str, str], dict[str, int]]:
        """Levels whose biomarkers are in the table; equal sets of biomarkers count once."""
        have = self.ruled.measured.column_of
        seen: set[tuple[tuple[str, ...], ...]] = set()
        kept: dict[str, str] = {}
        removed: dict[str, int] = {}
        concerned = [m for m in definition.markers if _concerned(m, name)]
        if not concerned:
            return _one(levels, NO_MARKER)
        for level in levels:
            used = tuple(tuple(b for b in _standing(m, name, level) if b in have) for m in concerned)
            reason = (
                NO_SUCH_COLUMN if level != AS_DEFINED and not all(used) else CHANGES_NOTHING if used in seen else ""
            )
            if reason:
                removed[reason] = removed.get(reason, 0) + 1
            else:
                kept[level] = level
                seen.add(used)
        return _alone(kept), removed

    def cuts_reason(self, definition: Definition, cuts: str) -> str:
        """Why these cuts cannot serve a definition; empty when they can."""
        score = rule_of(definition.algorithm).component_score(definition)
        if cuts == "clinical" and score != "flag":
            return NO_MOMENTS
        kind = rule_of(definition.algorithm).model_kind(definition)
        if kind == "logit" and cuts in SAMPLE_CUTS:
            return NO_OUTCOME_WEIGHTS
        if kind is not None and cuts == "clinical":
            return NO_MODEL
        if cuts in ("sample_sex", "sample_sex_age") and (self.ruled.measured.sex < 0).all():
            return SEX_UNKNOWN
        if cuts == "sample_sex_age" and not (self.ruled.measured.age_years >= 0).any():
            return AGE_UNKNOWN
        return ""

    def combinations(self, removed: dict[str, int]) -> Iterator[dict[str, str]]:
        """Levels of each specification; counts those left out."""
        sizes = {name: len(self.grid.levels[name]) for name in self.names}
        rest = 1
        for size in sizes.values():
            rest *= size
        for definition, cuts in itertools.product(self.ordered("definition"), self.ordered("cuts")):
            reason = self.cuts_reason(self.grid.definitions[definition], cuts)
            if reason:
                removed[reason] = removed.get(reason, 0) + rest
                continue
            stay: list[dict[str, str]] = []
            before, after = 1, rest
            for name in self.names:
                kept, left_out = self.kept(self.grid.definitions[definition], cuts, name)
                after //= sizes[name]
                for why, number in left_out.items():
                    removed[why] = removed.get(why, 0) + number * before * after
                before *= len(kept)
                stay.append(kept)
            for levels in itertools.product(*(kept.values() for kept in stay)):
                yield {"definition": definition, "cuts": cuts, **dict(zip(self.names, levels, strict=True))}


def planned(grid: MultiverseGrid, ruled: RuledPanels) -> Plan:
    """The specifications of a grid for one table, the default first."""
    removed: dict[str, int] = {}
    planner = _Planner(grid, ruled)
    found: list[Specification] = []
    known: dict[tuple[str, ...], tuple[Definition, str]] = {}
    shaping = ("definition", "cuts", "operator", "missing", "hrv", "cortisol")
    seen: set[tuple[object, ...]] = set()
    for levels in planner.combinations(removed):
        reason = next((r.reason for r in grid.removals if r.concerns(levels)), "")
        key = tuple(levels[name] for name in shaping)
        if key not in known:
            definition = shaped(grid.definitions[levels["definition"]], levels)
            known[key] = definition, _content(definition, levels["cuts"])
        definition, content = known[key]
        same = (content, *(v for n, v in levels.items() if n not in ("definition", "operator", "missing")))
        if not reason and same in seen:
            reason = "the same definition, strata and rules as another specification"
        if reason:
            removed[reason] = removed.get(reason, 0) + 1
            continue
        seen.add(same)
        found.append(Specification(levels, definition))
    default = _default_levels(planner)
    found.sort(key=lambda s: s.levels != default)
    return Plan(tuple(found), removed, default)


def _default_levels(planner: _Planner) -> dict[str, str]:
    """The default specification as it is called among the specifications."""
    grid = planner.grid
    definition, cuts = grid.default["definition"], grid.default["cuts"]
    levels = {"definition": definition, "cuts": cuts}
    for name in planner.names:
        kept, _ = planner.kept(grid.definitions[definition], cuts, name)
        wanted = grid.default[name]
        levels[name] = kept.get(wanted, next(iter(kept.values())))
    return levels


def shaped(definition: Definition, levels: Mapping[str, str]) -> Definition:
    """A definition under the levels of a specification."""
    hrv, cortisol = levels["hrv"], levels["cortisol"]
    systems = tuple(
        System(s.name, tuple(_marker(m, {"hrv": hrv, "cortisol": cortisol}) for m in s.markers))
        for s in definition.systems
    )
    groups = definition.require_one_of
    if cortisol not in (AS_DEFINED, NOT_APPLICABLE):
        # Whoever asks for a cortisol feature asks for the one that is used.
        groups = tuple((*g, cortisol) if any(map(is_cortisol_feature, g)) and cortisol not in g else g for g in groups)
    complete = levels["missing"] == "complete"
    operator = levels["operator"]
    cuts = levels["cuts"]
    return replace(
        definition,
        systems=systems,
        require_one_of=groups,
        operator=definition.operator if operator == NOT_APPLICABLE else cast(Comparison, operator),
        strata=STRATA_OF_CUTS.get(cuts, definition.strata),
        quantile=definition.quantile if cuts != "clinical" else None,
        min_share_in_system=1.0 if complete else definition.min_share_in_system,
        min_share_of_systems=1.0 if complete else definition.min_share_of_systems,
    )


def _content(definition: Definition, cuts: str) -> str:
    """Hash of what a definition computes, whatever it is called."""
    reference = definition.default_reference if cuts == "reference" else ""
    return replace(definition, id="", version="", title="", citation="", doi="", default_reference=reference).sha256


def _alone(kept: dict[str, str]) -> dict[str, str]:
    """A level that is left alone is no choice any more."""
    return dict.fromkeys(kept, NOT_APPLICABLE) if len(kept) == 1 else kept


def _one(levels: list[str], reason: str) -> tuple[dict[str, str], dict[str, int]]:
    """A choice without room: one specification stands for all its levels."""
    return {levels[0]: NOT_APPLICABLE}, _counted(reason, len(levels) - 1)


def _counted(reason: str, number: int) -> dict[str, int]:
    return {reason: number} if number else {}


def _concerned(marker: Marker, name: str) -> bool:
    """Whether a choice of biomarkers (``hrv``, ``cortisol``) is about a marker."""
    kinds = biomarker_kinds()
    if name == "cortisol":
        return any(map(is_cortisol_feature, marker.any_of))
    return any(kinds[b].system == "autonomic" and kinds[b].context for b in marker.any_of)


def _standing(marker: Marker, name: str, level: str) -> tuple[str, ...]:
    """Biomarkers that stand for a marker at a level; none where there is no counterpart."""
    if level in (AS_DEFINED, NOT_APPLICABLE):
        return marker.any_of
    if name == "cortisol":
        same_side = biomarker_kinds()[level].direction == biomarker_kinds()[marker.any_of[0]].direction
        return (level,) if same_side else ()
    kinds = biomarker_kinds()
    of_context = tuple(b for b in marker.any_of if kinds[b].context == level)
    if of_context:
        return of_context
    stems = {b.split("_")[0] for b in marker.any_of if kinds[b].system == "autonomic"}
    return tuple(
        k.name for k in kinds.values()
        if k.system == "autonomic" and k.context == level and k.name.split("_")[0] in stems
    )  # fmt: skip


def _marker(marker: Marker, levels: Mapping[str, str]) -> Marker:
    for name, level in levels.items():
        if level not in (AS_DEFINED, NOT_APPLICABLE) and _concerned(marker, name):
            return replace(marker, any_of=_standing(marker, name, level))
    return marker
