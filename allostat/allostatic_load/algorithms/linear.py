"""Counts, sums and means: indices that are linear in the component scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from allostat.allostatic_load.algorithms.base import ComponentScore, Floats, Mask

if TYPE_CHECKING:
    from allostat.allostatic_load.definitions import Definition
    from allostat.allostatic_load.options import Algorithm
    from allostat.allostatic_load.references import ReferenceModel

Join = Literal["sum", "mean", "systems"]


@dataclass(frozen=True)
class Linear:
    """Component scores added up, averaged, or averaged inside systems that are then joined.

    Parameters
    ----------
    score
        The component score; None: the definition's option ``score``.
    join
        ``sum``, ``mean``, or ``systems``: mean inside each system, then the mean or the sum (option ``total``).
    """

    score: ComponentScore | None
    join: Join

    def component_score(self, definition: Definition) -> ComponentScore:
        """What the index is made of."""
        if self.score is not None:
            return self.score
        return "flag" if definition.option("score") == "flag" else "z"

    def model_kind(self, definition: Definition) -> None:
        """No model: cuts or moments are enough."""
        return

    def index(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows,) joined component scores."""
        parts = self._parts(u, counted, definition)
        return _joined(parts.total, parts.n, self._over(definition))

    def gradient(self, u: Floats, counted: Mask, definition: Definition, model: ReferenceModel | None) -> Floats:
        """(rows, components) weights."""
        parts = self._parts(u, counted, definition)
        over = self._over(definition)
        weights = np.zeros(u.shape, order="F")
        systems = np.maximum((parts.n > 0).sum(axis=1), 1)
        for j, k in enumerate(parts.member):
            inside = np.ones(len(u)) if over == "sum" else 1.0 / np.maximum(parts.n[:, k], 1)
            weights[:, j] = np.where(counted[:, j], inside / systems if over == "mean of means" else inside, 0.0)
        return weights

    def without(self, u: Floats, counted: Mask, definition: Definition) -> Floats:
        """(rows, components) index without each component that counts, NaN for the others."""
        parts = self._parts(u, counted, definition)
        over = self._over(definition)
        left = np.full(u.shape, np.nan, order="F")
        for j, k in enumerate(parts.member):
            total, n = parts.total.copy(order="F"), parts.n.copy(order="F")
            total[:, k] = _sum_of(u, counted, [i for i, m in enumerate(parts.member) if m == k and i != j])
            n[:, k] -= counted[:, j]
            left[:, j] = np.where(counted[:, j], _joined(total, n, over), np.nan)
        return left

    def _over(self, definition: Definition) -> str:
        if self.join != "systems":
            return self.join
        return "mean of means" if definition.option("total") == "mean" else "sum of means"

    def _parts(self, u: Floats, counted: Mask, definition: Definition) -> _Parts:
        """Sums and numbers of component scores by system; everything is one system where systems do not matter."""
        member = definition.system_of if self.join == "systems" else (0,) * u.shape[1]
        systems = max(member) + 1
        total, n = np.zeros((len(u), systems), order="F"), np.zeros((len(u), systems), dtype=np.int64, order="F")
        for k in range(systems):
            inside = [j for j, m in enumerate(member) if m == k]
            total[:, k] = _sum_of(u, counted, inside)
            for j in inside:
                n[:, k] += counted[:, j]
        return _Parts(member, total, n)


@dataclass(frozen=True)
class _Parts:
    """(rows, systems) sums and numbers of component scores, and the system of each component."""

    member: tuple[int, ...]
    total: Floats
    n: np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def _sum_of(u: Floats, counted: Mask, columns: list[int]) -> Floats:
    """Sum over some components, one after the other: a person alone and inside a cohort get the same bits."""
    total = np.zeros(len(u))
    for j in columns:
        total += np.where(counted[:, j], u[:, j], 0.0)
    return total


def _joined(total: Floats, n: np.ndarray[tuple[int, ...], np.dtype[np.int64]], over: str) -> Floats:
    """The index from sums and numbers by system; NaN where nothing counts."""
    index, systems = np.zeros(len(total)), np.zeros(len(total), dtype=np.int64)
    for k in range(total.shape[1]):
        here = n[:, k] > 0
        systems += here
        index += total[:, k] if over == "sum" else np.where(here, total[:, k] / np.maximum(n[:, k], 1), 0.0)
    if over == "mean of means":
        index /= np.maximum(systems, 1)
    result: Floats = np.where(systems > 0, index, np.nan)
    return result


LINEAR: Mapping[Algorithm, Linear] = {
    "count": Linear("flag", "sum"),
    "zsum": Linear("z", "sum"),
    "zmean": Linear("z", "mean"),
    "zpos": Linear("z_positive", "sum"),
    "tail_weighted": Linear("tail", "sum"),
    "system": Linear(None, "systems"),
}
