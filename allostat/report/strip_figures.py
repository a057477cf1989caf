"""Ten-second strips of signal with the beats found in them, chosen by signal quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.recording import NS_PER_S
from allostat.report.axis_frame import frame, round_ticks
from allostat.report.blocks import Picture, Table, readable_unit
from allostat.report.series import Series, mask_words, values
from allostat.report.svg import BLUE, FULL_WIDTH, ORANGE, VERMILLION, Axes, Figure

if TYPE_CHECKING:
    import xarray as xr

_STRIP_HEIGHT = 132
_MOST_POINTS = 1400


def ranked_windows(quality: xr.Dataset) -> list[tuple[str, int, float, str]]:
    """Best, median and worst window: name, start in ns, length in s, and what its quality is in words.

    Accepted windows rank before rejected ones, then those with fewer reasons against them, then those
    whose beats resemble their template more, then the earlier ones.
    """
    starts = np.asarray(quality["start_ns"].values, dtype=np.int64)
    accepted = np.asarray(quality["accepted"].values, dtype=np.int64)
    masks = np.asarray(quality["reasons"].values, dtype=np.int64)
    faults = np.array([int(m).bit_count() for m in masks])
    likeness = np.nan_to_num(values(quality, "template_correlation"), nan=-1.0)
    order = np.lexsort((starts, -likeness, faults, -accepted))
    length_s = float(quality.attrs.get("window_s", 10.0))
    places = {"best": order[0], "median": order[(len(order) - 1) // 2], "worst": order[-1]}
    chosen: list[tuple[str, int, float, str]] = []
    for name, at in places.items():
        if all(int(starts[at]) != start for _, start, _, _ in chosen):
            words = ", ".join(mask_words(quality["reasons"], int(masks[at])))
            verdict = "accepted" if accepted[at] else "rejected"
            chosen.append((name, int(starts[at]), length_s, f"{verdict}, {words}" if words else verdict))
    return chosen


def strips(item: Series, place: int = 0) -> Picture | None:
    """Best, median and worst 10 s of the signal with the beats found; None without signal or quality.

    ``place`` tells several of them on one page apart.
    """
    if item.signal is None or item.quality is None or not item.quality.sizes.get("window", 0):
        return None
    chosen = ranked_windows(item.quality)
    figure = Figure(FULL_WIDTH, _STRIP_HEIGHT * len(chosen) + 44)
    axes = figure.axes(top=4, bottom=40)
    axes.xlim, axes.ylim = (0.0, chosen[0][2]), (0.0, float(len(chosen)))
    rows: list[tuple[str, ...]] = []
    ticks: list[tuple[float, str]] = []
    for row, (name, start, length_s, words) in enumerate(chosen):
        base = len(chosen) - 1 - row
        axes.text(0.004 * length_s, base + 0.86, f"{name}: {words}", size=12.5)
        ticks += _strip(axes, item, (start, start + int(length_s * NS_PER_S)), base + 0.06, 0.74)
        found = item.beats.between(start, start + int(length_s * NS_PER_S))
        rows.append((name, item.clock.text(start, seconds=True), str(len(found)), words))
    frame(axes, xlabel="seconds", yticks=ticks)
    unit = readable_unit(item.signal.unit) or "no unit"
    return Picture(
        figure.inline(
            key=f"strips-{place}",
            title="Best, median and worst ten seconds of signal",
            description="; ".join(f"{r[0]} at {r[1]}: {r[2]} beats, {r[3]}" for r in rows),
        ),
        f"Ten seconds each of {item.id} ({unit}): the best, the median and the worst window "
        "by signal quality. Circles: beats kept as found; triangles: beats corrected.",
        Table("Windows shown", ("window", "from", "beats", "quality"), tuple(rows), frozenset({2})),
    )


def _strip(axes: Axes, item: Series, span: tuple[int, int], base: float, height: float) -> list[tuple[float, str]]:
    """Draw one window between ``base`` and ``base + height`` of the axes; gives its ticks in the signal's unit."""
    signal = item.signal
    assert signal is not None
    first, last = sample_range(item, *span)
    y = signal.physical(first, last)
    finite = np.isfinite(y)
    if finite.sum() < 2:
        return []
    x = (signal.clock.times_ns(np.arange(first, last)) - span[0]) / NS_PER_S
    low, high = float(np.nanmin(y)), float(np.nanmax(y))
    scale = height / (high - low) if high > low else 0.0
    axes.line(*broken_at_gaps(*thinned(x, base + (y - low) * scale)), BLUE, width=1.0)
    inside = (item.beats.times_ns >= span[0]) & (item.beats.times_ns < span[1])
    at = (item.beats.times_ns[inside] - span[0]) / NS_PER_S
    level = base + (np.interp(at, x[finite], y[finite]) - low) * scale
    flags = item.beats.flags[inside]
    axes.marks(at[flags == 0], level[flags == 0], ORANGE, "o", size=7, hollow=True)
    axes.marks(at[flags != 0], level[flags != 0], VERMILLION, "^", size=7, hollow=True)
    return [(base + (value - low) * scale, label) for value, label in round_ticks(low, high, 4)]


def thinned(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """At most some 1,400 points that keep every peak: of each stretch its lowest and its highest sample."""
    if len(y) <= _MOST_POINTS:
        return x, y
    size = -(-len(y) // (_MOST_POINTS // 2))
    edges = np.arange(0, len(y), size)
    kept: set[int] = {0, len(y) - 1}
    for a, b in zip(edges, [*edges[1:], len(y)], strict=True):
        part = y[a:b]
        if np.isfinite(part).any():
            kept |= {int(a + np.nanargmin(part)), int(a + np.nanargmax(part))}
        if not np.isfinite(part).all():
            kept.add(int(a + np.flatnonzero(np.isnan(part))[0]))
    at = np.array(sorted(kept))
    return x[at], y[at]


def broken_at_gaps(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The line with a NaN wherever two points lie much farther apart than usual, so that no gap is bridged."""
    steps = np.diff(x)
    at = np.flatnonzero(steps > 4 * np.median(steps)) + 1 if len(steps) else np.empty(0, np.intp)
    return np.insert(x, at, np.nan), np.insert(y, at, np.nan)


def sample_range(item: Series, start_ns: int, stop_ns: int) -> tuple[int, int]:
    """First sample at or after ``start_ns`` and first at or after ``stop_ns``."""
    assert item.signal is not None
    blocks = list(item.signal.clock.spans())
    bounds = []
    for instant in (start_ns, stop_ns):
        sample = 0
        for begin, end, block in blocks:
            if instant > block.t0_ns:
                sample = min(end, begin + int(np.ceil((instant - block.t0_ns) * block.rate_hz / NS_PER_S)))
        bounds.append(sample)
    return bounds[0], bounds[1]
