"""Scores of every participant under every specification.

Work is shared: a marker is scored once for each column of values, reference and comparison that occur, and an index is
put together from such scores. Every number equals what `allostatic_load` gives for that specification alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms import rule_of
from allostat.allostatic_load.components import biomarkers_of, components
from allostat.allostatic_load.definitions import Definition, Marker, System
from allostat.allostatic_load.fitting import Winsor
from allostat.allostatic_load.fitting_models import with_models
from allostat.allostatic_load.multiverse.choices import NOT_APPLICABLE, SAMPLE_CUTS
from allostat.allostatic_load.multiverse.ruled_panels import RuledPanels, columns_of
from allostat.allostatic_load.multiverse.sample_references import Cuts, SampleReferences, joined
from allostat.allostatic_load.multiverse.specifications import SAMPLE_QUANTILE, Specification
from allostat.allostatic_load.references import Reference, ReferenceEntry, load_reference
from allostat.allostatic_load.scoring import component_scores, index_values
from allostat.panel import Panel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CLINICAL = "clinical-2026.1"


@dataclass(frozen=True)
class Single:
    """All that one specification's score depends on: `allostatic_load` with it gives the same numbers."""

    panel: Panel
    definition: Definition
    reference: Reference
    winsorise: bool


@dataclass(frozen=True)
class Scorer:
    """Scores specifications one after the other and keeps what several of them share."""

    ruled: RuledPanels
    frozen: Reference | None
    samples: SampleReferences
    defaults: Mapping[str, str]
    _markers: dict[tuple[object, ...], tuple[Floats, Mask]] = field(default_factory=dict)
    _references: dict[tuple[object, ...], Reference] = field(default_factory=dict)
    _parts: dict[tuple[object, ...], Reference] = field(default_factory=dict)
    _equal: dict[tuple[ReferenceEntry, ...], Reference] = field(default_factory=dict)

    def level(self, specification: Specification, name: str) -> str:
        """Level of a choice, the default where it makes no difference."""
        level = specification.levels[name]
        return self.defaults[name] if level == NOT_APPLICABLE else level

    def single(self, specification: Specification) -> Single:
        """What the specification stands for.

        Raises
        ------
        InputError, ConfigError
            The sample cannot be fitted, or the reference does not serve the definition.
        """
        crp, medication = self.level(specification, "crp"), self.level(specification, "medication")
        return Single(
            self.ruled.panel(crp, medication),
            specification.definition,
            self.reference(specification),
            self.level(specification, "winsorise") != "off",
        )

    def reference(self, specification: Specification) -> Reference:
        """Whom the specification compares persons with; errors as `single`."""
        definition, cuts = specification.definition, specification.levels["cuts"]
        if cuts not in SAMPLE_CUTS:
            if cuts == "reference" and self.frozen is not None:
                return self.frozen
            name = CLINICAL if cuts == "clinical" else definition.default_reference
            if (name,) not in self._references:
                self._references[name,] = load_reference(name)
            return self._references[name,]
        crp, medication = self.level(specification, "crp"), self.level(specification, "medication")
        names = tuple(b for b in biomarkers_of(definition) if b in self.ruled.measured.column_of)
        versions = self.ruled.versions(names, crp, medication)
        how = self._cuts(specification)
        winsorise = self.level(specification, "winsorise") != "off"
        modelled = rule_of(definition.algorithm).model_kind(definition) is not None
        key = (names, versions, how, crp, medication, (definition.sha256, winsorise) if modelled else ())
        if key not in self._references:
            panel = self.ruled.panel(crp, medication)
            fits = [
                self.samples.column(columns_of(panel, (name,)), version, how)
                for name, version in zip(names, versions, strict=True)
            ]
            fitted = joined(fits, how, {"crp": crp, "medication": medication}, self.ruled.fingerprint)
            self._references[key] = with_models(fitted, panel, definition, winsorise=winsorise) if modelled else fitted
        return self._references[key]

    def _cuts(self, specification: Specification) -> Cuts:
        definition, limits = specification.definition, self.level(specification, "winsorise")
        return Cuts(
            cuts=specification.levels["cuts"],
            quantile=definition.quantile if definition.quantile is not None else SAMPLE_QUANTILE,
            quantile_type=int(self.level(specification, "quantile_type")),
            # Scores without winsorising leave the limits of the reference unused.
            winsor="1/99" if limits == "off" else cast(Winsor, limits),
            two_tails=frozenset(b for m in definition.markers if m.tails == "two" for b in m.any_of),
        )

    def score(self, specification: Specification) -> Floats:
        """(participants,) index, NaN where the missing-data rule leaves none; errors as `single`."""
        one = self.single(specification)
        definition = one.definition
        versions = {
            marker: self.ruled.versions(
                marker.any_of, self.level(specification, "crp"), self.level(specification, "medication")
            )
            for marker in definition.markers
        }
        scored = [self._marker(marker, versions[marker], one) for marker in definition.markers]
        # Columns of components lie one after the other in memory: they are read one by one.
        u = np.array([score for score, _ in scored]).T
        available = np.array([there for _, there in scored]).T
        return index_values(one.panel, available, u, definition, one.reference)

    def _marker(self, marker: Marker, versions: tuple[str, ...], one: Single) -> tuple[Floats, Mask]:
        """Score of one marker for everybody, and for whom it is available."""
        reference = self._part(one.reference, marker)
        definition = one.definition
        score = rule_of(definition.algorithm).component_score(definition)
        # A tail and a distance depend on options of the algorithm, flags and z scores do not.
        options = (definition.algorithm, *sorted(definition.options.items())) if score in ("tail", "distance") else ()
        told = (definition.operator, definition.quantile) if score == "flag" else (None, None)
        winsorise = one.winsorise and score != "flag"
        key = (marker, versions, id(reference), definition.strata, score, options, told, winsorise)
        if key not in self._markers:
            alone = dataclasses.replace(definition, systems=(System("one", (marker,)),), require_one_of=())
            panel = columns_of(one.panel, marker.any_of)
            parts = components(panel, alone, reference, winsorise=winsorise)
            self._markers[key] = component_scores(parts, alone, score)[:, 0], parts.available[:, 0]
        return self._markers[key]

    def _part(self, reference: Reference, marker: Marker) -> Reference:
        """The entries of a reference that a marker can need; the same object for equal entries."""
        key = (id(reference), marker.any_of)
        if key not in self._parts:
            entries = tuple(e for e in reference.entries if e.biomarker in marker.any_of)
            if entries not in self._equal:
                self._equal[entries] = dataclasses.replace(reference, entries=entries, notes=(), models=())
            self._parts[key] = self._equal[entries]
        return self._parts[key]
