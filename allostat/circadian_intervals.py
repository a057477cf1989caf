"""Standard errors and confidence intervals of a cosinor: delta method, joint ellipse, bootstrap of days.

Sources: Bingham et al. 1982 (Chronobiologia 9, 397-439) and Cornélissen 2014, 10.1186/1742-4682-11-16, for the ellipse;
Cameron, Gelbach and Miller 2008, 10.1162/rest.90.3.414, for blocks drawn whole.

Of several components the interval is that of the first, the others kept in the model.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.circadian_series import CORNELISSEN, NAN, CircadianSettings, Points, bounds, clock_hours
from allostat.kernels.cosinor import MultiCosinor

CAMERON = "10.1162/rest.90.3.414"
LEAST_BLOCKS = 4
"""A bootstrap of fewer blocks says nothing."""


class Interval(NamedTuple):
    """A standard error, the ends of a confidence interval, where they come from and their sources."""

    se: float
    low: float
    high: float
    method: str
    references: str = CORNELISSEN


class Intervals(NamedTuple):
    """Of mesor, amplitude and acrophase (h, not taken modulo), with reason codes.

    ``NO_RHYTHM_IN_ELLIPSE``: the ellipse covers an amplitude of 0, and no acrophase is excluded. ``FEW_BLOCKS``: fewer
    than four blocks for a bootstrap.
    """

    mesor: Interval
    amplitude: Interval
    acrophase: Interval
    codes: tuple[str, ...] = ()


def cosinor_intervals(points: Points, fit: MultiCosinor, settings: CircadianSettings) -> Intervals:
    """Intervals by the method that the settings name; NaN where the fit is."""
    match settings.intervals:
        case "ellipse":
            return _by_ellipse(points, fit, settings)
        case "bootstrap":
            return _by_bootstrap(points, fit, settings)
    return _by_delta(fit, settings)


def _by_delta(fit: MultiCosinor, settings: CircadianSettings) -> Intervals:
    main, free = fit.components[0], fit.n - 1 - 2 * len(fit.components)
    mesor, amplitude, acrophase = (
        Interval(error, *bounds(value, error, free, settings), how)
        for value, error, how in (
            (fit.mesor, fit.mesor_se, "least squares"),
            (main.amplitude, main.amplitude_se, "delta method"),
            (main.acrophase_h, main.acrophase_se_h, "delta method"),
        )
    )
    return Intervals(mesor, amplitude, acrophase)


def _by_ellipse(points: Points, fit: MultiCosinor, settings: CircadianSettings) -> Intervals:
    from scipy.special import fdtri

    delta = _by_delta(fit, settings)
    main, free = fit.components[0], fit.n - 1 - 2 * len(fit.components)
    if not np.isfinite(delta.amplitude.se) or free < 1:
        return delta
    reach = 2 * float(fdtri(2, free, settings.confidence))
    design = _design(points, settings)
    inverse: NDArray[np.float64] = np.linalg.inv(design.T @ design).astype(np.float64)
    block = np.asarray(inverse[1:3, 1:3] * fit.residual_sd**2)
    angle = main.acrophase_h * 2 * np.pi / main.period_h
    centre = main.amplitude * np.array([np.cos(angle), np.sin(angle)])
    low, high = touching_circles(centre, reach * block)
    rays = touching_rays(centre, reach * block)
    hours = main.period_h / (2 * np.pi)
    left, right = (main.acrophase_h + ray * hours for ray in rays) if rays else (NAN, NAN)
    how = "circles and rays that touch the joint confidence ellipse of amplitude and acrophase"
    return Intervals(
        delta.mesor,
        delta.amplitude._replace(low=low, high=high, method=how),
        delta.acrophase._replace(low=left, high=right, method=how),
        () if rays else ("NO_RHYTHM_IN_ELLIPSE",),
    )


def touching_circles(centre: NDArray[np.float64], shape: NDArray[np.float64]) -> tuple[float, float]:
    """Least and largest distance of points of an ellipse's disc from the origin.

    The disc is {x : (x - centre)' shape^-1 (x - centre) <= 1}; the least distance is 0 when it covers the origin.
    """
    axes, ways = np.linalg.eigh(shape)
    half = np.sqrt(np.maximum(axes, 0.0))
    at = ways.T @ centre
    turn = np.linspace(0.0, 2 * np.pi, 721)[:-1]

    def distance(u: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.hypot(at[0] + half[0] * np.cos(u), at[1] + half[1] * np.sin(u)))

    on_it = distance(turn)
    ends = []
    for sign in (1.0, -1.0):
        u = float(turn[np.argmin(sign * on_it)])
        for _ in range(20):
            # Newton steps on half the squared distance; from half a degree away they reach the last digit.
            x, y = at[0] + half[0] * np.cos(u), at[1] + half[1] * np.sin(u)
            dx, dy = -half[0] * np.sin(u), half[1] * np.cos(u)
            slope = x * dx + y * dy
            bend = dx * dx + dy * dy - x * (x - at[0]) - y * (y - at[1])
            if sign * bend <= 0:
                break
            u -= slope / bend
        candidates = np.array([u, float(turn[np.argmin(sign * on_it)])])
        ends.append(float(sign * np.min(sign * distance(candidates))))
    return (0.0 if _covers_origin(centre, shape) else ends[0]), ends[1]


def touching_rays(centre: NDArray[np.float64], shape: NDArray[np.float64]) -> tuple[float, float] | None:
    """Angles, relative to the centre's, of the two rays from the origin that touch an ellipse; None when it covers it.

    A line through the origin meets the disc when its normal n has n' (centre centre' - shape) n <= 0, a sinusoid in
    twice the angle.
    """
    if _covers_origin(centre, shape):
        return None
    along = centre / np.hypot(*centre)
    turned = np.array([[along[0], along[1]], [-along[1], along[0]]])
    form = turned @ (np.outer(centre, centre) - shape) @ turned.T
    level = (form[0, 0] + form[1, 1]) / 2
    cosine, sine = (form[1, 1] - form[0, 0]) / 2, -form[0, 1]
    phase = float(np.arctan2(sine, cosine))
    # cos(2 a - phase) is at most -level / size between these two places, and the centre, a = 0, lies between them.
    edge = float(np.arccos(np.clip(-level / np.hypot(cosine, sine), -1.0, 1.0)))
    first, last = phase + edge, phase + 2 * np.pi - edge
    whole = 2 * np.pi * np.ceil((0.0 - last) / (2 * np.pi))
    return (first + whole) / 2, (last + whole) / 2


def _covers_origin(centre: NDArray[np.float64], shape: NDArray[np.float64]) -> bool:
    if not np.linalg.det(shape) > 0:
        return not np.any(centre)
    return bool(centre @ np.linalg.solve(shape, centre) <= 1.0)


def _by_bootstrap(points: Points, fit: MultiCosinor, settings: CircadianSettings) -> Intervals:
    main = fit.components[0]
    how = f"bootstrap, {settings.draws} draws of blocks of {settings.block_h:g} h, t of blocks less 1"
    missing = Interval(NAN, NAN, NAN, how, CAMERON)
    if not np.isfinite(main.amplitude):
        return Intervals(missing, missing, missing)
    block = np.floor(clock_hours(points) / settings.block_h).astype(np.int64)
    _, which = np.unique(block, return_inverse=True)
    count = int(which.max()) + 1
    if count < LEAST_BLOCKS:
        return Intervals(missing, missing, missing, ("FEW_BLOCKS",))
    found = _drawn(points, which, count, settings)
    amplitude = np.hypot(found[:, 1], found[:, 2])
    angle = np.arctan2(found[:, 2], found[:, 1])
    away = np.angle(np.exp(1j * (angle - main.acrophase_h * 2 * np.pi / main.period_h))) * main.period_h / (2 * np.pi)
    # Of few blocks drawn with replacement the spread is too small by this factor, as a variance with divisor n.
    inflated = float(np.sqrt(count / (count - 1)))

    def of(value: float, draws: NDArray[np.float64]) -> Interval:
        error = inflated * float(np.std(draws, ddof=1))
        return Interval(error, *bounds(value, error, count - 1, settings), how, CAMERON)

    return Intervals(of(fit.mesor, found[:, 0]), of(main.amplitude, amplitude), of(main.acrophase_h, away))


def _drawn(points: Points, which: NDArray[np.int64], count: int, settings: CircadianSettings) -> NDArray[np.float64]:
    """Coefficients of the fits to blocks drawn with replacement, each by the sum of its blocks' normal equations."""
    design = _design(points, settings)
    size = design.shape[1]
    squares, products = np.zeros((count, size, size)), np.zeros((count, size))
    np.add.at(squares, which, design[:, :, None] * design[:, None, :])
    np.add.at(products, which, design * points.value[:, None])
    generator = np.random.default_rng(settings.seed)
    times = generator.multinomial(count, np.full(count, 1 / count), size=settings.draws).astype(np.float64)
    left, right = np.einsum("db,bij->dij", times, squares), times @ products
    # A draw whose blocks leave hours of the day out has no fit.
    solvable = np.linalg.cond(left) < 1e8
    return np.asarray(np.linalg.solve(left[solvable], right[solvable][:, :, None])[:, :, 0])


def _design(points: Points, settings: CircadianSettings) -> NDArray[np.float64]:
    hours = clock_hours(points)
    columns = [np.ones(len(hours))]
    for period in settings.periods_h:
        angle = 2 * np.pi * np.mod(hours, period) / period
        columns += [np.cos(angle), np.sin(angle)]
    return np.column_stack(columns)
