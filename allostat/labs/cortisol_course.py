"""The shape of the day's course in the mixed model: straight, quadratic, piecewise linear or a spline.

Every shape is the straight line plus columns from which the line has been taken out, so that the coefficient of time
is the mean slope of the day whatever the shape. Source of the alternatives: Sánchez et al. 2012 (10.1093/aje/kws182).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError

Floats = NDArray[np.float64]
Curve: TypeAlias = Literal["linear", "quadratic", "piecewise", "spline"]
CURVES: tuple[Curve, ...] = ("linear", "quadratic", "piecewise", "spline")


@dataclass(frozen=True)
class Course:
    """Columns of a shape.

    Parameters
    ----------
    curve, knots
        The shape and where it bends, in h since waking.
    line
        (2, columns): the straight line through each raw column, which is taken out.
    """

    curve: Curve
    knots: tuple[float, ...]
    line: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        match self.curve:
            case "quadratic":
                return ("time_squared",)
            case "piecewise":
                return tuple(f"slope_change_at_{k:g}_h" for k in self.knots)
            case "spline":
                return tuple(f"spline_{i + 1}" for i in range(len(self.knots) - 2))
        return ()

    def columns(self, hours: Floats) -> Floats:
        """(n, columns) at times in h since waking."""
        straight = np.column_stack([np.ones(len(hours)), hours])
        return _raw(hours, self.curve, self.knots) - straight @ self.line


def course(hours: Floats, curve: Curve, knots: Sequence[float]) -> Course:
    """The shape for samples at these times (those of the awakening response left out).

    Parameters
    ----------
    knots
        In h since waking. Empty: the terciles of the times for ``piecewise``; for ``spline`` (restricted cubic,
        straight outside) the 5th, 35th, 65th and 95th percentile.

    Raises
    ------
    InputError
        Knots that the curve does not have, that are not in order, or lie outside of the times.
    """
    if curve not in CURVES:
        raise InputError("unknown curve", found=curve, valid=CURVES)
    at = _knots(hours, curve, knots)
    raw = _raw(hours, curve, at)
    straight = np.column_stack([np.ones(len(hours)), hours])
    line: Floats = np.linalg.lstsq(straight, raw, rcond=None)[0].astype(np.float64)
    shape = Course(curve, at, line)
    size = np.sqrt((raw**2).mean(axis=0))
    if bool((np.sqrt((shape.columns(hours) ** 2).mean(axis=0)) < 1e-6 * size).any()):
        raise InputError(
            f"the times of the samples do not tell a {curve} course from a straight one", expected="curve='linear'"
        )
    return shape


def _knots(hours: Floats, curve: Curve, knots: Sequence[float]) -> tuple[float, ...]:
    if curve in ("linear", "quadratic"):
        if knots:
            raise InputError(f"a {curve} curve has no knots", found=", ".join(f"{k:g}" for k in knots))
        return ()
    if not knots:
        shares = (1 / 3, 2 / 3) if curve == "piecewise" else (0.05, 0.35, 0.65, 0.95)
        chosen = np.unique(np.quantile(hours, shares))
    else:
        chosen = np.array(knots, dtype=np.float64)
    least = 1 if curve == "piecewise" else 3
    inside = curve == "spline" or (chosen.min() > hours.min() and chosen.max() < hours.max())
    if len(chosen) < least or bool((np.diff(chosen) <= 0).any()) or not inside:
        raise InputError(
            f"knots of a {curve} curve", found=", ".join(f"{k:g}" for k in chosen),
            expected=f"{least} or more in ascending order, within the times of the samples",
        )  # fmt: skip
    return tuple(float(k) for k in chosen)


def _raw(hours: Floats, curve: Curve, knots: tuple[float, ...]) -> Floats:
    match curve:
        case "quadratic":
            return hours[:, None] ** 2
        case "piecewise":
            hinges: Floats = np.maximum(hours[:, None] - np.array(knots), 0.0)
            return hinges
        case "spline":
            return _restricted_cubic(hours, np.array(knots))
    return np.empty((len(hours), 0))


def _restricted_cubic(hours: Floats, knots: Floats) -> Floats:
    """Truncated cubics combined so that the curve is straight before the first and after the last knot."""
    cubes = np.maximum(hours[:, None] - knots, 0.0) ** 3
    last, before = knots[-1], knots[-2]
    bent = (
        cubes[:, :-2]
        - cubes[:, -2:-1] * (last - knots[:-2]) / (last - before)
        + cubes[:, -1:] * (before - knots[:-2]) / (last - before)
    )
    scaled: Floats = bent / (last - knots[0]) ** 2
    return scaled
