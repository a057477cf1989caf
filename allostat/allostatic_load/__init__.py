"""Allostatic load index: declarative definitions, frozen references, scoring with uncertainty."""

from allostat.allostatic_load.bootstrap import ClusterInterval, cluster_bootstrap
from allostat.allostatic_load.cross_fitting import cross_fitted_scores
from allostat.allostatic_load.definitions import Definition, Marker, System, definition_names, load_definition
from allostat.allostatic_load.fitting import fit_reference
from allostat.allostatic_load.fitting_models import with_models
from allostat.allostatic_load.imputation import ImputationModel, ImputedPanels, fit_imputation, impute
from allostat.allostatic_load.imputed_index import imputed_allostatic_load
from allostat.allostatic_load.multiverse import MultiverseGrid, grid_names, load_grid, multiverse
from allostat.allostatic_load.quantiles import sample_quantile
from allostat.allostatic_load.reference_bootstrap import (
    BootstrappedReference,
    bootstrap_reference,
    reference_uncertainty,
)
from allostat.allostatic_load.reference_difference import ReferenceDifference, reference_difference
from allostat.allostatic_load.references import (
    Reference,
    ReferenceEntry,
    ReferenceModel,
    load_reference,
    reference_names,
    save_reference,
)
from allostat.allostatic_load.rubin import Pooled, pool
from allostat.allostatic_load.scoring import allostatic_load, combine_scores
from allostat.allostatic_load.uncertainty import ErrorCorrelation

__all__ = [
    "BootstrappedReference",
    "ClusterInterval",
    "Definition",
    "ErrorCorrelation",
    "ImputationModel",
    "ImputedPanels",
    "Marker",
    "MultiverseGrid",
    "Pooled",
    "Reference",
    "ReferenceDifference",
    "ReferenceEntry",
    "ReferenceModel",
    "System",
    "allostatic_load",
    "bootstrap_reference",
    "cluster_bootstrap",
    "combine_scores",
    "cross_fitted_scores",
    "definition_names",
    "fit_imputation",
    "fit_reference",
    "grid_names",
    "impute",
    "imputed_allostatic_load",
    "load_definition",
    "load_grid",
    "load_reference",
    "multiverse",
    "pool",
    "reference_difference",
    "reference_names",
    "reference_uncertainty",
    "sample_quantile",
    "save_reference",
    "with_models",
]
