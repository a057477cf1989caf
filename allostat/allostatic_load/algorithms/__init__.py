"""How components become one number: one module per family, one `ScoringRule` per algorithm id of a definition."""

from __future__ import annotations

from collections.abc import Mapping

from allostat.allostatic_load.algorithms.base import ComponentScore, ScoringRule
from allostat.allostatic_load.algorithms.distance import DISTANCE
from allostat.allostatic_load.algorithms.dm import DM
from allostat.allostatic_load.algorithms.factor import FACTOR
from allostat.allostatic_load.algorithms.irt import IRT
from allostat.allostatic_load.algorithms.linear import LINEAR
from allostat.allostatic_load.algorithms.pca import PCA
from allostat.allostatic_load.algorithms.weighted import WEIGHTED
from allostat.allostatic_load.options import Algorithm

__all__ = ["RULES", "ComponentScore", "ScoringRule", "rule_of"]

RULES: Mapping[Algorithm, ScoringRule] = {**LINEAR, **DISTANCE, **DM, **PCA, **FACTOR, **IRT, **WEIGHTED}


def rule_of(algorithm: Algorithm) -> ScoringRule:
    """The scoring rule of an algorithm."""
    return RULES[algorithm]
