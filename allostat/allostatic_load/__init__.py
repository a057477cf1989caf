"""Allostatic load index: declarative definitions, frozen references, scoring with uncertainty."""

from allostat.allostatic_load.cross_fitting import cross_fitted_scores
from allostat.allostatic_load.definitions import Definition, Marker, System, definition_names, load_definition
from allostat.allostatic_load.fitting import fit_reference, sample_quantile
from allostat.allostatic_load.fitting_models import with_models
from allostat.allostatic_load.references import (
    Reference,
    ReferenceEntry,
    ReferenceModel,
    load_reference,
    reference_names,
    save_reference,
)
from allostat.allostatic_load.scoring import allostatic_load, combine_scores

__all__ = [
    "Definition",
    "Marker",
    "Reference",
    "ReferenceEntry",
    "ReferenceModel",
    "System",
    "allostatic_load",
    "combine_scores",
    "cross_fitted_scores",
    "definition_names",
    "fit_reference",
    "load_definition",
    "load_reference",
    "reference_names",
    "sample_quantile",
    "save_reference",
    "with_models",
]
