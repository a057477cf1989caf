"""Counts, sums and means: indices that are linear in the component scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.allostatic_load.algorithms.base import ComponentScore, Floats, Mask, weighted_sum

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.options import Algorithm
    from allostat.allostatic_load.references import ReferenceModel

Weights = Callable[[Mask, "Definition"], Floats]


@dataclass(frozen=True)
class Linear:
    """Sum of component scores with weights that depend only on which components count.

    Parameters
    ----------
    score
        The component score; None: the definition's option ``score``.
    weights
        (rows, components) weights from the mask of components that count.
    """

    score: ComponentScore | None
    weights: Weights

    def component_score(self, definition: Definition) -> ComponentScore:
        """What the index is made of."""
        if self.score is not None:
            return self.score
        return "flag" if definition.option("score") == "flag" else "z"

    def model_kind(self, definition: Definition) -> None:
        """No model: cuts or moments are enough."""
        return

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) weighted sum."""
        return weighted_sum(self.weights(counted, definition), u)

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) weights."""
        return self.weights(counted, definition)


def ones(counted: Mask, definition: Definition) -> Floats:
    """Every component that counts has weight 1."""
    return counted.astype(np.float64)


def shares(counted: Mask, definition: Definition) -> Floats:
    """Every component that counts has the same weight; they add up to 1."""
    here = counted.astype(np.float64)
    mean: Floats = here / np.maximum(here.sum(axis=1, keepdims=True), 1.0)
    return mean


def by_system(counted: Mask, definition: Definition) -> Floats:
    """Mean inside each system, then the mean (or sum) over systems."""
    here = counted.astype(np.float64)
    member = np.array(definition.system_of)
    per_system = np.stack([here[:, member == k].sum(axis=1) for k in range(len(definition.systems))], axis=1)
    inside: Floats = here / np.maximum(per_system[:, member], 1.0)
    if definition.option("total") == "sum":
        return inside
    systems = np.maximum((per_system > 0).sum(axis=1, keepdims=True), 1)
    balanced: Floats = here / (np.maximum(per_system[:, member], 1.0) * systems)
    return balanced


LINEAR: Mapping[Algorithm, Linear] = {
    "count": Linear("flag", ones),
    "zsum": Linear("z", ones),
    "zmean": Linear("z", shares),
    "zpos": Linear("z_positive", ones),
    "tail_weighted": Linear("tail", ones),
    "system": Linear(None, by_system),
}
