"""Figures of beats over time: coverage by hour, tachogram, Poincaré density."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from allostat.recording import BeatFlag
from allostat.report.axis_frame import frame, legend, round_ticks
from allostat.report.blocks import Picture, Table, number, percent
from allostat.report.local_time import DAY_NS, HOUR_NS, LocalClock, clock_ticks, day_text, time_unit
from allostat.report.series import Series
from allostat.report.svg import BLUE, FULL_WIDTH, HALF_WIDTH, INK, MUTED, RULE, VERMILLION, Figure

_BINS = 1000
_LEVELS = (0.25, 0.5, 0.75, 0.999)
_MAX_DAYS = 31
_MARK = 0.12
"""Height of the tallest mark of corrected beats, as a share of the axis."""
_FULL_MARK = 0.2
_SLEEP_ALPHA = 0.14

_BEATS_AT_ONCE = 1 << 17


def hourly_cover(series: Sequence[Series]) -> dict[int, NDArray[np.float64]]:
    """Share of each hour with valid intervals, by wall-clock day: day number → 24 shares, the best series of each hour.

    Days count from the epoch of the clock. An interval counts for the hour in which it ends.
    """
    cover: dict[int, NDArray[np.float64]] = {}
    for item in series:
        if not len(item.beats):
            continue
        first, total = _hourly_ms(item)
        total /= 3.6e6
        for at in np.flatnonzero(total):
            day, hour = divmod(first + int(at), 24)
            row = cover.setdefault(day, np.zeros(24))
            row[hour] = max(row[hour], min(1.0, float(total[at])))
    return cover


def _hourly_ms(item: Series) -> tuple[int, NDArray[np.float64]]:
    """First hour of the clock, and the sum of the valid intervals that end in each from there on, in ms.

    A part at a time: a fortnight has more than a million beats. Sums go on from part to part in the order of the beats.
    """
    times, intervals = item.beats.times_ns, item.beats.intervals_ms
    # Turning clocks back may put an instant up to hours before the first.
    first = int(item.clock.wall_ns(times[:1])[0]) // HOUR_NS - 24
    total: NDArray[np.float64] = np.zeros(1)
    for at in range(0, len(times), _BEATS_AT_ONCE):
        hours = item.clock.wall_ns(times[at : at + _BEATS_AT_ONCE]) // HOUR_NS - first
        valid_ms = np.nan_to_num(intervals[at : at + _BEATS_AT_ONCE])
        places = np.concatenate([np.arange(len(total)), hours])
        total = np.bincount(places, weights=np.concatenate([total, valid_ms])).astype(np.float64, copy=False)
    return first, total


def coverage(series: Sequence[Series]) -> Picture | None:
    """Coverage day × hour; None without beats."""
    cover = hourly_cover(series)
    if not cover:
        return None
    clock = series[0].clock
    first, last = min(cover), max(cover)
    days = list(range(first, last + 1)) if last - first < _MAX_DAYS else sorted(cover)[:_MAX_DAYS]
    height = 70 + 22 * len(days)
    figure = Figure(FULL_WIDTH, height)
    axes = figure.axes(left=96, bottom=44, top=24)
    levels: list[list[tuple[float, float, float, float]]] = [[] for _ in range(5)]
    for row, day in enumerate(days):
        for hour in range(24):
            share = cover.get(day, np.zeros(24))[hour]
            if share > 0:
                levels[int(np.searchsorted(_LEVELS, share))].append((hour + 0.04, row + 0.08, 0.92, 0.84))
    empty = [(h + 0.04, r + 0.08, 0.92, 0.84) for r in range(len(days)) for h in range(24)]
    axes.rectangles(empty, RULE, alpha=0.35)
    for boxes, alpha in zip(levels, (0.22, 0.4, 0.6, 0.8, 1.0), strict=True):
        axes.rectangles(boxes, BLUE, alpha=alpha)
    axes.xlim, axes.ylim = (0.0, 24.0), (float(len(days)), 0.0)
    frame(
        axes,
        xlabel="hour of the day" if clock.known else "hour (no local zone: not hours of the day)",
        xticks=[(h, str(h)) for h in range(0, 25, 3)],
        yticks=[(r + 0.5, _day_name(d, clock)) for r, d in enumerate(days)],
        left=False,
    )
    hours = float(sum(r.sum() for r in cover.values()))
    columns = ("day", *(f"{h:02d}" for h in range(24)))
    rows = tuple((_day_name(d, clock), *(f"{100 * s:.0f}" for s in cover.get(d, np.zeros(24)))) for d in days)
    return Picture(
        figure.inline(
            key="coverage",
            title="Coverage by day and hour",
            description=f"{len(days)} days, {hours:.1f} hours with valid beat intervals.",
        ),
        f"Share of each hour that is covered by valid beat-to-beat intervals, {clock.axis_label}; "
        "the darker, the more complete. Grey: nothing recorded.",
        Table("Valid share of each hour, per cent", columns, rows, frozenset(range(1, 25))),
    )


def _day_name(day: int, clock: LocalClock) -> str:
    return f"day {day + 1}" if clock.epoch == "relative" else day_text(day * DAY_NS)


def tachogram(item: Series, sleep: Sequence[tuple[int, int]] = ()) -> Picture | None:
    """Intervals over time, reduced to the range of each of at most 1,000 bins; None without intervals."""
    beats = item.beats
    known = np.isfinite(beats.intervals_ms)
    if known.sum() < 2:
        return None
    start, stop = int(beats.times_ns[0]), int(beats.times_ns[-1])
    _, divisor = time_unit(stop - start)
    edges = np.linspace(0, stop - start + 1, min(_BINS, max(20, int(known.sum()))) + 1)
    # The instants ascend: the beats of a bin are those from its first one to the first of the next.
    bounds = np.searchsorted(beats.times_ns, start + np.ceil(edges).astype(np.int64))
    low, middle, high = _binned(bounds, beats.intervals_ms)
    in_bin = np.searchsorted(bounds, np.flatnonzero(beats.flags != BeatFlag.NORMAL), side="right") - 1
    corrected = np.bincount(in_bin, minlength=len(edges) - 1)
    x = (edges[:-1] + edges[1:]) / 2 / divisor
    figure = Figure(FULL_WIDTH, 300)
    axes = figure.axes(top=30, bottom=46)
    for begin, end in sleep:
        if end > start and begin < stop:
            from_here, to_here = (max(begin, start) - start) / divisor, (min(end, stop) - start) / divisor
            axes.span(from_here, to_here, MUTED, alpha=_SLEEP_ALPHA)
    axes.line(np.repeat(x, 3), _raw_columns(low, high), BLUE, width=1.0, alpha=0.55, label="range of intervals")
    axes.line(x, middle, INK, label="median")
    bottom, top = _limits(low, high)
    share = corrected / np.maximum(1, np.diff(bounds))
    if corrected.any():
        heights = _MARK * (top - bottom) * np.minimum(1.0, share[corrected > 0] / _FULL_MARK)
        axes.line(*_marks(x[corrected > 0], bottom, heights), VERMILLION, label="corrected beats")
    axes.xlim, axes.ylim = (0.0, (stop - start) / divisor), (bottom, top)
    label, ticks = clock_ticks(item.clock, start, stop)
    frame(axes, xlabel=label, ylabel="interval (ms)", xticks=ticks)
    legend(axes)
    count = int((beats.flags != BeatFlag.NORMAL).sum())
    return Picture(
        figure.inline(
            key="tachogram",
            title="Tachogram",
            description=f"{len(beats)} beats from {item.clock.text(start)} to {item.clock.text(stop)}; "
            f"median interval {np.nanmedian(beats.intervals_ms):.0f} ms; {count} beats corrected.",
        ),
        f"Beat-to-beat intervals of {item.id} ({item.source_name}): range and median of each of {len(x)} equal "
        f"stretches. Marks on the lower edge: corrected beats, full height where {percent(_FULL_MARK)} or more were "
        f"corrected ({count} of {len(beats)} beats, "
        f"{percent(count / len(beats))})." + (" Shaded: sleep." if len(sleep) else ""),
        _tachogram_table(item, bounds),
    )


def _tachogram_table(item: Series, bounds: NDArray[np.intp]) -> Table:
    """At most 48 rows: the same intervals in coarser stretches."""
    coarse = max(1, -(-(len(bounds) - 1) // 48))
    rows = []
    for first, stop in itertools.pairwise([*bounds[:-1:coarse].tolist(), len(item.beats)]):
        inside = slice(first, stop)
        rr, flags = item.beats.intervals_ms[inside], item.beats.flags[inside]
        rr = rr[np.isfinite(rr)]
        if rr.size:
            begin = item.clock.text(int(item.beats.times_ns[inside][0]), seconds=True)
            rows.append(
                (
                    begin,
                    str(rr.size),
                    f"{rr.min():.0f}",
                    f"{np.median(rr):.0f}",
                    f"{rr.max():.0f}",
                    str(int((flags != 0).sum())),
                )
            )
    columns = ("from", "intervals", "min ms", "median ms", "max ms", "corrected beats")
    return Table("Intervals in stretches of equal length", columns, tuple(rows), frozenset(range(1, 6)))


def _binned(
    bounds: NDArray[np.intp], intervals: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Least, median and greatest interval of the beats between each two bounds, NaN where there is none."""
    low, middle, high = (np.full(len(bounds) - 1, np.nan) for _ in range(3))
    for k, (first, stop) in enumerate(itertools.pairwise(bounds.tolist())):
        own = intervals[first:stop]
        own = np.sort(own[np.isfinite(own)])
        n = len(own)
        if n:
            low[k], high[k], middle[k] = own[0], own[-1], (own[(n - 1) // 2] + own[n // 2]) / 2
    return low, middle, high


def _raw_columns(low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([low, high, np.full(len(low), np.nan)]).ravel()


def _limits(low: NDArray[np.float64], high: NDArray[np.float64]) -> tuple[float, float]:
    bottom, top = float(np.nanpercentile(low, 0.5)), float(np.nanpercentile(high, 99.5))
    pad = max(20.0, 0.08 * (top - bottom))
    return bottom - 2.2 * pad, top + pad


def _marks(
    x: NDArray[np.float64], bottom: float, heights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Vertical marks as one line broken by NaN."""
    return np.repeat(x, 3), _raw_columns(np.full(len(x), bottom), bottom + heights)


def poincare_plot(item: Series) -> Picture | None:
    """Density of successive intervals (NN_i, NN_i+1); None with fewer than 30 pairs.

    Pairs across a gap, and intervals that touch a corrected beat, are left out.
    """
    from allostat.hrv_windows import interval_series
    from allostat.kernels.poincare import poincare

    nn = interval_series(item.beats).nn_ms
    keep = np.isfinite(nn[:-1]) & np.isfinite(nn[1:])
    first, second = nn[:-1][keep], nn[1:][keep]
    if len(first) < 30:
        return None
    sd1, sd2 = poincare(nn)
    del nn
    low, high = np.percentile(np.concatenate([first, second]), [0.2, 99.8], overwrite_input=True)
    pad = 0.06 * (high - low) + 5
    edges = np.linspace(low - pad, high + pad, 56)
    counts = np.zeros((len(edges) - 1, len(edges) - 1))
    for at in range(0, len(first), _BEATS_AT_ONCE):
        part = slice(at, at + _BEATS_AT_ONCE)
        counts += np.histogram2d(first[part], second[part], bins=[edges, edges])[0]
    figure = Figure(HALF_WIDTH, 430)
    axes = figure.axes(left=64, bottom=48, top=12)
    step = edges[1] - edges[0]
    cuts = np.quantile(counts[counts > 0], [0.4, 0.7, 0.9])
    for level, alpha in enumerate((0.22, 0.45, 0.7, 1.0)):
        cells = np.argwhere((counts > 0) & (np.searchsorted(cuts, counts, side="left") == level))
        axes.rectangles([(edges[i], edges[j], step, step) for i, j in cells], BLUE, alpha=alpha)
    axes.line([edges[0], edges[-1]], [edges[0], edges[-1]], MUTED, width=0.8, dash=(4, 3))
    angle = np.linspace(0, 2 * np.pi, 73)
    u, v = sd2 * np.cos(angle), sd1 * np.sin(angle)
    axes.line(first.mean() + (u - v) / 2**0.5, first.mean() + (u + v) / 2**0.5, VERMILLION, width=1.6)
    axes.xlim = axes.ylim = (float(edges[0]), float(edges[-1]))
    ticks = round_ticks(*axes.xlim, 7)
    frame(axes, xlabel="interval i (ms)", ylabel="interval i + 1 (ms)", xticks=ticks, yticks=ticks)
    rows = (
        ("pairs", str(len(first))),
        ("mean interval (ms)", f"{first.mean():.1f}"),
        ("SD1 (ms)", number(sd1)),
        ("SD2 (ms)", number(sd2)),
    )
    return Picture(
        figure.inline(
            key="poincare",
            title="Poincaré plot",
            description=f"Density of {len(first)} pairs of successive intervals; "
            f"SD1 {number(sd1)} ms, SD2 {number(sd2)} ms.",
        ),
        f"Successive intervals of {item.id}, {len(first)} pairs; darker cells hold more pairs. Dashed: equal "
        "intervals. Ellipse: SD1 and SD2.",
        Table("Poincaré plot", ("quantity", "value"), rows, frozenset({1})),
        wide=False,
    )
