"""Main sleep from the course of the heart rate alone: an interval of low values, then the ends of its slopes.

Arrays of minutes in, intervals of minutes out; `allostat.sleep` puts them on the clock.

1. Every minute has the logarithms of its heart rate (running median of 5 min, values above the third quartile set to
   it: exercise says nothing of sleep), of the spread of the heart rate of 11 min, and of RMSSD (median of 11 min).
   Perez-Pozuelo et al. 2022 find sleep below a quantile of the heart rate, and place its ends where the heart rate
   begins to vary.
2. A main sleep is the interval of 3 to 14 h that differs most, as a t statistic, from the 8 h before and after it: the
   statistic of circular binary segmentation (Olshen et al. 2004). The weights of the three courses begin equal and
   become those of Fisher's linear discriminant between the intervals found and the rest; a course that tells the
   wrong way has none. There is no quantile, so that recordings of any length and share of sleep have the same rule.
3. Around either end the discriminant falls, or rises, along a ramp of up to an hour. Least squares give each ramp a
   probability, the residuals' autocorrelation reckoned with; falling asleep is the median of where falling ramps end,
   waking that of where rising ones begin, and the standard deviations are the standard errors.

Sources: Perez-Pozuelo et al. 2022, 10.1038/s41598-022-11792-7; Olshen et al. 2004, 10.1093/biostatistics/kxh008; Fisher
1936, 10.1111/j.1469-1809.1936.tb02137.x.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.main_sleep import best_from_each_start, ramps

Floats = NDArray[np.float64]

REFERENCES = "10.1038/s41598-022-11792-7 10.1093/biostatistics/kxh008 10.1111/j.1469-1809.1936.tb02137.x"

COARSE_MIN = 5
SHORTEST_MIN, LONGEST_MIN = 180, 840
REACH_MIN = 480
"""Minutes before and after a sleep that it is compared with."""

LEAST_AWAKE_MIN = 60
LEAST_COVERED = 0.8
"""Share of an interval's minutes that need a heart rate."""

APART_MIN = 720
"""Least distance of the middles of two main sleeps; between two nights a day apart no nap has it."""

ROUNDS = 3
LONGEST_RAMP_MIN, RAMP_STEP_MIN = 60, 2
BEFORE_MIN, INTO_MIN = 120, 90
"""What a ramp is looked for in: minutes outside and inside the interval."""

LEAST_RAMP_MIN = 30
"""Fewer minutes with a heart rate around an end do not place it."""

LEAST_OUTSIDE_MIN = 20
"""An end with fewer minutes awake beyond it was not seen."""


class Minutes(NamedTuple):
    """Courses of a recording, one value per minute, NaN where there is none: all of one length."""

    ln_hr: Floats
    ln_spread: Floats
    ln_rmssd: Floats


class MainSleep(NamedTuple):
    """An interval of minutes from the first of the course; ``nan`` standard errors where an end was not seen.

    ``separation``: distance of the discriminant's means, in the interval and around it, in standard deviations.
    """

    start: float
    end: float
    start_se: float
    end_se: float
    hr_asleep: float
    hr_awake: float
    separation: float


def minute_courses(minute: NDArray[np.int64], intervals_ms: Floats, usable: NDArray[np.bool_]) -> Minutes:
    """Courses from beats.

    Parameters
    ----------
    minute
        (n,) minute in which each interval ends, ascending, counted from the first of the course.
    intervals_ms
        (n,) intervals.
    usable
        (n,) which of them count.
    """
    size = int(minute[-1]) + 1 if len(minute) else 0
    beats = np.bincount(minute[usable], minlength=size)
    covered_ms = np.bincount(minute[usable], weights=intervals_ms[usable], minlength=size)
    seen = covered_ms >= 30_000
    hr = np.full(size, np.nan)
    hr[seen] = 60_000 * beats[seen] / covered_ms[seen]
    pairs = usable[1:] & usable[:-1]
    at, squared = minute[1:][pairs], intervals_ms[1:][pairs]
    squared -= intervals_ms[:-1][pairs]
    squared *= squared
    count = np.bincount(at, minlength=size)
    total = np.bincount(at, weights=squared, minlength=size)
    rmssd = np.full(size, np.nan)
    enough = (count >= 20) & (total > 0)
    rmssd[enough] = np.sqrt(total[enough] / count[enough])
    ln_hr = np.log(hr)
    # A floor of half a percent: a device that gives whole beats per minute has minutes without any spread.
    spread = np.log(_rolling(ln_hr, 11, "sd") + 0.005)
    return Minutes(_rolling(ln_hr, 5, "median"), spread, _rolling(np.log(rmssd), 11, "median"))


def _rolling(values: Floats, width: int, what: str) -> Floats:
    """Median or standard deviation of the finite values among ``width`` around each, NaN with less than half."""
    if not len(values):
        return values
    half = width // 2
    views = np.lib.stride_tricks.sliding_window_view(np.pad(values, half, constant_values=np.nan), width)
    has = np.isfinite(views)
    kept = has.sum(axis=1) > half
    out = np.full(len(values), np.nan)
    if what == "median":
        out[kept] = np.nanmedian(views[kept], axis=1)
    else:
        out[kept] = np.nanstd(views[kept], axis=1)
    return out


def main_sleeps(courses: Minutes) -> list[MainSleep]:
    """Main sleeps of a course, in order; none where no interval is lower than what lies around it.

    What is too weak to be a night is for the caller to say, by ``separation`` and the heart rates.
    """
    hr = courses.ln_hr
    columns = np.column_stack([
        _standardised(hr, 0.01, 0.75), _standardised(courses.ln_spread, 0.02, 0.98),
        -_standardised(courses.ln_rmssd, 0.02, 0.98),
    ])  # fmt: skip
    # A course that is missing altogether, as RMSSD in a recording of heart rates, tells nothing.
    columns = columns[:, np.isfinite(columns).any(axis=0)]
    if not columns.shape[1]:
        return []
    weights = np.ones(columns.shape[1])
    whole: NDArray[np.bool_] = np.all(np.isfinite(columns), axis=1)
    for _ in range(ROUNDS):
        score = columns @ weights
        found = _intervals(score)
        weights = _discriminant(columns, whole, found)
        if not found or not weights.any():
            return []
    return [_placed(score, hr, start, stop) for start, stop in found]


def _standardised(values: Floats, low: float, high: float) -> Floats:
    if not np.isfinite(values).any():
        return values
    clipped = np.clip(values, *np.nanquantile(values, [low, high]))
    spread = float(np.nanstd(clipped))
    return np.asarray((clipped - np.nanmedian(clipped)) / (spread if spread > 1e-9 else 1.0))


def _intervals(score: Floats) -> list[tuple[int, int]]:
    """Intervals of minutes, each the best within half a day, in order."""
    statistic, length = _best_from_each_start(score)
    middle = (np.arange(len(statistic)) + length / 2) * COARSE_MIN
    open_ = statistic > 0
    found = []
    while open_.any():
        best = int(np.argmax(np.where(open_, statistic, -np.inf)))
        found.append((best * COARSE_MIN, min((best + int(length[best])) * COARSE_MIN, len(score))))
        open_ &= np.abs(middle - middle[best]) >= APART_MIN
    return sorted(found)


def _best_from_each_start(score: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """The largest statistic of intervals that begin at each step, and their lengths in steps."""
    steps = -(-len(score) // COARSE_MIN)
    padded = np.full(steps * COARSE_MIN, np.nan)
    padded[: len(score)] = score
    blocks = padded.reshape(steps, COARSE_MIN)
    lengths = SHORTEST_MIN // COARSE_MIN, LONGEST_MIN // COARSE_MIN
    counts, sums = np.isfinite(blocks).sum(axis=1), np.nansum(blocks, axis=1)
    return best_from_each_start(
        counts, sums, COARSE_MIN, lengths, REACH_MIN // COARSE_MIN, LEAST_COVERED, LEAST_AWAKE_MIN
    )


def _discriminant(columns: Floats, whole: NDArray[np.bool_], found: list[tuple[int, int]]) -> Floats:
    """Weights of the columns that tell intervals from the rest, those that tell the wrong way left out.

    ``whole``: minutes in which no column is missing.
    """
    asleep = np.zeros(len(columns), bool)
    for start, stop in found:
        asleep[start:stop] = True
    a, b = columns[asleep & whole], columns[~asleep & whole]
    if len(a) < SHORTEST_MIN // 2 or len(b) < LEAST_AWAKE_MIN // 2:
        return np.zeros(columns.shape[1])
    within = (np.cov(a.T, bias=True) * len(a) + np.cov(b.T, bias=True) * len(b)) / (len(a) + len(b))
    # A constant column would make the matrix singular; it gets no weight because its means do not differ.
    within = np.atleast_2d(within) + 1e-9 * np.eye(columns.shape[1])
    return np.maximum(np.linalg.solve(within, b.mean(axis=0) - a.mean(axis=0)), 0.0)


def _placed(score: Floats, ln_hr: Floats, start: int, stop: int) -> MainSleep:
    half = (stop - start) // 2
    into = min(INTO_MIN, half)
    lead = slice(max(start - BEFORE_MIN, 0), min(start + into, len(score)))
    tail = slice(max(stop - into, 0), min(stop + BEFORE_MIN, len(score)))
    begun = (
        _ramp(score[lead], falling=True) if np.isfinite(score[lead.start : start]).sum() >= LEAST_OUTSIDE_MIN else None
    )
    ended = (
        _ramp(score[tail], falling=False) if np.isfinite(score[stop : tail.stop]).sum() >= LEAST_OUTSIDE_MIN else None
    )
    nan = float("nan")
    first, first_se = (lead.start + begun[0], begun[1]) if begun else (float(start), nan)
    last, last_se = (tail.start + ended[0], ended[1]) if ended else (float(stop), nan)
    if not last - first >= SHORTEST_MIN / 2:
        first, last, first_se, last_se = float(start), float(stop), nan, nan
    lo, hi = round(first), round(last)
    around = np.zeros(len(score), bool)
    around[max(lo - REACH_MIN, 0) : hi + REACH_MIN] = True
    inside = np.zeros(len(score), bool)
    inside[lo:hi] = True
    known = np.isfinite(score)
    asleep, awake = score[inside & known], score[around & ~inside & known]
    return MainSleep(
        first, last, first_se, last_se, _median_rate(ln_hr[inside]), _median_rate(ln_hr[around & ~inside]),
        _separation(asleep, awake),
    )  # fmt: skip


def _median_rate(ln_hr: Floats) -> float:
    known = ln_hr[np.isfinite(ln_hr)]
    return float(np.exp(np.median(known))) if len(known) else float("nan")


def _separation(asleep: Floats, awake: Floats) -> float:
    """Distance of the means in standard deviations within; NaN when an end was moved so far that nothing is around."""
    if not len(asleep) or not len(awake):
        return float("nan")
    spread = float(np.sqrt((asleep.var() * len(asleep) + awake.var() * len(awake)) / (len(asleep) + len(awake))))
    return float(awake.mean() - asleep.mean()) / spread if spread > 0 else float("inf")


def _ramp(values: Floats, *, falling: bool) -> tuple[float, float] | None:
    """Where a falling ramp ends, or a rising one begins, in minutes from the first value, with its standard error."""
    has = np.isfinite(values)
    y = values[has]
    if len(y) < LEAST_RAMP_MIN or np.ptp(y) == 0:
        return None
    at = np.flatnonzero(has) + 0.5
    begin, end, order = _edges(len(values))
    size, along = ramps(at, y - y.mean(), begin, end)
    right_way = (size > 1e-9) & ((along < 0) if falling else (along > 0))
    if not right_way.any():
        return None
    total = float(((y - y.mean()) ** 2).sum())
    unexplained = np.where(right_way, total - along**2 / np.where(right_way, size, 1.0), np.inf)
    best = int(np.argmin(unexplained))
    rise = np.clip((at - begin[best]) / max(end[best] - begin[best], 1e-9), 0.0, 1.0)
    rest = y - y.mean() - (rise - rise.mean()) * along[best] / size[best]
    variance = max(float(rest @ rest), 1e-12 * total) / len(y)
    # Neighbouring minutes are alike: as a first-order autoregression they count as fewer.
    lag = float(np.clip(rest[1:] @ rest[:-1] / max(float(rest @ rest), 1e-300), 0.0, 0.95))
    likelihood = np.exp(-(unexplained - unexplained[best]) / (2 * variance * (1 + lag) / (1 - lag)))
    whole = likelihood.sum()
    place, ascending = (end, likelihood[order]) if falling else (begin, likelihood)
    median = int(np.searchsorted(np.cumsum(ascending) / whole, 0.5))
    middle = float(end[order[median]] if falling else begin[median])
    mean = float(likelihood @ place / whole)
    spread = float(np.sqrt(likelihood @ (place - mean) ** 2 / whole))
    # A grid of steps cannot be surer than the spread of one step.
    return middle, float(np.hypot(spread, RAMP_STEP_MIN / np.sqrt(12)))


@lru_cache(maxsize=16)
def _edges(minutes: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Where ramps in so many minutes begin and end, by begins that ascend; and the order in which ends do."""
    grid = np.arange(0, minutes + 1, RAMP_STEP_MIN, dtype=np.float64)
    begin, end = (edge.ravel() for edge in np.meshgrid(grid, grid, indexing="ij"))
    kept = (end >= begin) & (end - begin <= LONGEST_RAMP_MIN)
    return begin[kept], end[kept], np.argsort(end[kept], kind="stable")
