"""What every algorithm offers to scoring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from allostat.errors import ConfigError

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.references import ModelKind, ReferenceModel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

ComponentScore = Literal["flag", "z", "z_positive", "tail", "distance"]
"""What an index is made of.

``flag``: 1 where the value is beyond the high-risk cut. ``z``: risk-oriented z. ``z_positive``: z above 0, else 0.
``tail``: normal probability of z to a power. ``distance``: risk-oriented distance from the cut in standard deviations.
"""


class ScoringRule(Protocol):
    """One algorithm.

    All arrays have the shape (rows, components); ``u`` is the component score, NaN where there is none, and ``counted``
    says which components take part (never one without a score). A row depends on itself alone: a person scored alone
    and inside a cohort get the same bits.
    """

    def component_score(self, definition: Definition) -> ComponentScore:
        """What the index is made of."""
        ...

    def model_kind(self, definition: Definition) -> ModelKind | None:
        """The fitted model that the reference must hold, None when cuts or moments are enough."""
        ...

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) index; NaN where the components that count are not enough for this algorithm."""
        ...

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) derivative of the index by each component score; 0 for those that do not count."""
        ...


def require_settings(definition: Definition, model: ReferenceModel, names: tuple[str, ...]) -> None:
    """Raise `ConfigError` when a model was fitted under other settings than the definition's."""
    for name in names:
        wanted = definition.option(name)
        if model.settings.get(name) != wanted:
            raise ConfigError(
                f"the reference's {model.kind} model was fitted with another {name}",
                where=f"definition {definition.id}, sex {model.sex or 'pooled'}",
                found=model.settings.get(name),
                expected=f"{wanted}: fit the reference anew with this definition",
            )


def weighted_sum(weights: Floats, u: Floats) -> Floats:
    """Sums over components, one after the other: a person alone and inside a cohort get the same bits.

    NaN where no component has a weight.
    """
    total = np.zeros(len(weights))
    for j in range(weights.shape[1]):
        w = weights[:, j]
        total += np.where(w != 0, w * u[:, j], 0.0)
    result: Floats = np.where((weights != 0).any(axis=1), total, np.nan)
    return result
