"""Whether two tools give the same: a fast answer that is wrong must show."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Answer = Mapping[str, float] | NDArray[np.float64]
"""Values by name, or ascending instants in s."""

TOGETHER_S = 0.05
"""Two instants this close are the same beat."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far another tool's answer is from allostat's."""

    difference: float
    """Largest relative difference of a value; for instants 1 - F1. NaN when there is nothing to compare."""
    text: str


def agreement(own: Answer, other: Answer) -> Agreement:
    """Compare two answers to one question.

    Values are compared where both name them: the relative difference is that of the larger one. Instants are matched
    one to one within `TOGETHER_S`.
    """
    if isinstance(own, Mapping) and isinstance(other, Mapping):
        return _of_values(own, other)
    return _of_instants(np.asarray(own, dtype=np.float64), np.asarray(other, dtype=np.float64))


def _of_values(own: Mapping[str, float], other: Mapping[str, float]) -> Agreement:
    differences = {name: _relative(own[name], other[name]) for name in own if name in other}
    if not differences:
        return Agreement(math.nan, "nothing to compare")
    worst = max(differences, key=lambda name: math.inf if math.isnan(differences[name]) else differences[name])
    difference = differences[worst]
    if difference <= 1e-9:
        return Agreement(difference, "equal to 1e-9: " + ", ".join(differences))
    return Agreement(difference, f"{worst} {own[worst]:.6g}, theirs {other[worst]:.6g} ({_share(difference)})")


def _relative(a: float, b: float) -> float:
    if a == b or (math.isnan(a) and math.isnan(b)):
        return 0.0
    return abs(a - b) / max(abs(a), abs(b))


def _share(difference: float) -> str:
    return f"{100 * difference:.2g} %" if difference >= 1e-4 else f"{difference:.1g}"


def _of_instants(own: NDArray[np.float64], other: NDArray[np.float64]) -> Agreement:
    together = matches(own, np.sort(other), TOGETHER_S)
    if not len(own) + len(other):
        return Agreement(math.nan, "nothing to compare")
    f1 = 2 * together / (len(own) + len(other))
    return Agreement(1 - f1, f"{len(own)} beats, theirs {len(other)}, F1 {100 * f1:.2f} % within 50 ms")


def matches(own: NDArray[np.float64], other: NDArray[np.float64], within: float) -> int:
    """How many of two ascending series of instants pair one to one, no two further apart than ``within``."""
    i = j = n = 0
    while i < len(own) and j < len(other):
        if abs(own[i] - other[j]) <= within:
            i, j, n = i + 1, j + 1, n + 1
        elif own[i] < other[j]:
            i += 1
        else:
            j += 1
    return n
