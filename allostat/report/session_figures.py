"""Figures of a live session: where every stream has data, and the course of each strap's beats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from allostat.recording import NS_PER_S, Marker
from allostat.report.axis_frame import frame, legend, round_ticks
from allostat.report.blocks import Picture, Table, number, percent
from allostat.report.local_time import LocalClock, clock_ticks, time_unit
from allostat.report.series import values
from allostat.report.session_facts import LONG_WINDOW, SHORT_WINDOW, StrapFacts
from allostat.report.svg import BLUE, FULL_WIDTH, GREEN, INK, MUTED, PURPLE, VERMILLION, Axes, Figure

_ROW = 24
_LEFT = 190
_LONGEST_NAME = 26
_MOST_POINTS = 2400
_THIN_PX = 1.5
"""A gap is drawn at least this wide: one lost notification in eight hours is still seen."""


def coverage_timeline(
    straps: Sequence[StrapFacts], markers: Sequence[Marker], clock: LocalClock, span: tuple[int, int]
) -> Picture | None:
    """A row for each stream of each strap: data, declared gaps and markers over the session; None without data."""
    rows = [(strap, stream) for strap in straps for stream in strap.streams if stream.spans or stream.gaps]
    if not rows or span[1] <= span[0]:
        return None
    start, stop = span
    _, divisor = time_unit(stop - start)
    figure = Figure(FULL_WIDTH, 90 + _ROW * len(rows))
    axes = figure.axes(left=_LEFT, bottom=52, top=30)
    thinnest = (stop - start) / divisor * _THIN_PX / axes.width
    data: list[tuple[float, float, float, float]] = []
    holes: list[tuple[float, float, float, float]] = []
    for row, (_, stream) in enumerate(rows):
        data += [((a - start) / divisor, row + 0.14, (b - a) / divisor, 0.72) for a, b in stream.spans]
        holes += [
            ((g.start_ns - start) / divisor, row + 0.3, max(thinnest, (g.end_ns - g.start_ns) / divisor), 0.4)
            for g in stream.gaps
        ]
    axes.rectangles(data, BLUE, alpha=0.75)
    axes.rectangles(holes, VERMILLION, alpha=1.0)
    axes.xlim, axes.ylim = (0.0, (stop - start) / divisor), (float(len(rows)), 0.0)
    _marker_lines(axes, markers, start, divisor)
    names = [f"{strap.title[:_LONGEST_NAME]} {stream.name}" for strap, stream in rows]
    label, ticks = clock_ticks(clock, start, stop)
    frame(axes, xlabel=label, xticks=ticks, yticks=[(i + 0.5, n) for i, n in enumerate(names)], left=False)
    hours = (stop - start) / NS_PER_S / 3600
    table = tuple(
        (name, str(s.received), str(s.missing), number(s.missing_percent), str(len(s.gaps)))
        for name, (_, s) in zip(names, rows, strict=True)
    )
    gaps = sum(len(s.gaps) for _, s in rows)
    return Picture(
        figure.inline(
            key="coverage",
            title="Coverage of the session",
            description=f"{len(rows)} streams over {hours:.2f} h with {gaps} declared gaps and {len(markers)} markers.",
        ),
        "Broad bars: data. Narrow bars of the other colour: gaps that were declared, drawn at least a pixel wide. "
        "Vertical lines: markers.",
        Table("Streams", ("stream", "received", "missing", "missing, %", "gaps"), table, frozenset({1, 2, 3, 4})),
    )


def strap_course(
    strap: StrapFacts, markers: Sequence[Marker], clock: LocalClock, span: tuple[int, int], place: int
) -> Picture | None:
    """Tachogram with markers, and RMSSD of 1 and 5 minutes, over the whole session; None without beats.

    Parameters
    ----------
    place
        Number of the strap: tells several of these apart on one page.
    """
    beats = strap.beats
    if beats is None:
        return None
    start, stop = span
    _, divisor = time_unit(stop - start)
    label, named = clock_ticks(clock, start, stop)
    ticks = round_ticks(0.0, (stop - start) / divisor, 9) if named is None else named
    figure = Figure(FULL_WIDTH, 360 if strap.windows else 220)
    top = figure.axes(top=12, bottom=206 if strap.windows else 46)
    x, y = _thinned((beats.times_ns - start) / divisor, beats.intervals_ms)
    top.line(x, y, BLUE, width=0.9)
    marked = beats.flags != 0
    shown = np.flatnonzero(marked & np.isfinite(beats.intervals_ms))[:500]
    top.marks((beats.times_ns[shown] - start) / divisor, beats.intervals_ms[shown], VERMILLION, "^", size=5)
    top.xlim, top.ylim = (0.0, (stop - start) / divisor), _limits(beats.intervals_ms)
    _marker_lines(top, markers, start, divisor)
    bare = [(at, "") for at, _ in ticks]
    frame(top, ylabel="interval (ms)", xlabel="" if strap.windows else label, xticks=bare if strap.windows else ticks)
    if strap.windows:
        _trends(figure, strap, start, divisor, top.xlim, label, ticks)
    corrected = int(marked.sum())
    known = beats.intervals_ms[np.isfinite(beats.intervals_ms)]
    return Picture(
        figure.inline(
            key=f"course-{place}",
            title=f"Beats of {strap.title}",
            description=f"{len(beats)} beats, median interval {np.median(known):.0f} ms, {corrected} corrected.",
        ),
        f"{strap.title}: {strap.beats_of}; intervals after correction (triangles: {corrected} corrected of "
        f"{len(beats)} beats, {percent(corrected / len(beats))})"
        + (", and RMSSD in windows of 1 and 5 minutes, a window each minute." if strap.windows else ".")
        + (" Vertical lines: markers." if markers else ""),
        _course_table(strap, clock),
    )


def _trends(
    figure: Figure,
    strap: StrapFacts,
    start: int,
    divisor: float,
    xlim: tuple[float, float],
    label: str,
    ticks: Sequence[tuple[float, str]],
) -> None:
    axes = figure.axes(top=196, bottom=46)
    found: list[float] = []
    for name, colour, marker in ((SHORT_WINDOW, GREEN, "o"), (LONG_WINDOW, PURPLE, "s")):
        windows = strap.windows.get(name)
        if windows is None:
            continue
        rmssd = values(windows, "rmssd")
        middle = (np.asarray(windows["time"].values) + np.asarray(windows["end"].values)) / 2
        many = len(rmssd) > 90
        axes.line(
            (middle - start) / divisor,
            rmssd,
            colour,
            marker=None if many else marker,  # type: ignore[arg-type]
            dash=(5.0, 3.0) if name == LONG_WINDOW else (),
            size=5,
            label=name.replace("min", " min"),
        )
        found += rmssd[np.isfinite(rmssd)].tolist()
    axes.xlim, axes.ylim = xlim, _limits(np.array(found))
    frame(axes, xlabel=label, ylabel="RMSSD (ms)", xticks=ticks)
    legend(axes, inside=True)


def _course_table(strap: StrapFacts, clock: LocalClock) -> Table:
    windows = strap.windows.get(LONG_WINDOW, strap.windows.get(SHORT_WINDOW))
    columns = ("from", "heart rate (/min)", "RMSSD (ms)", "SDNN (ms)")
    if windows is None:
        return Table("HRV in windows", columns, ())
    name = LONG_WINDOW if LONG_WINDOW in strap.windows else SHORT_WINDOW
    every = max(1, -(-windows.sizes["window"] // 60))
    columns_of = [values(windows, key)[::every].tolist() for key in ("hr_of_mean_nn", "rmssd", "sdnn")]
    times = np.asarray(windows["time"].values)[::every].tolist()
    rows = tuple(
        (clock.text(int(t), seconds=True), *(number(v) for v in row))
        for t, *row in zip(times, *columns_of, strict=True)
    )
    return Table(f"HRV in windows of {name.replace('min', ' min')}", columns, rows, frozenset({1, 2, 3}))


def _marker_lines(axes: Axes, markers: Sequence[Marker], start: int, divisor: float) -> None:
    low, high = axes.ylim
    colour = INK if len(markers) <= 40 else MUTED
    for marker in markers:
        at = (marker.time_ns - start) / divisor
        axes.line([at, at], [low, high], colour, width=1.0, dash=(2.0, 2.0), alpha=0.8)


def _limits(found: np.ndarray[tuple[int], np.dtype[np.float64]]) -> tuple[float, float]:
    kept = found[np.isfinite(found)]
    if not len(kept):
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(kept, [0.1, 99.9]))
    pad = 0.08 * (high - low) or 1.0
    return low - pad, high + pad


def _thinned(
    x: np.ndarray[tuple[int], np.dtype[np.float64]], y: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """At most some 2,400 points: of each stretch the shortest and the longest interval, and every break."""
    if len(y) <= _MOST_POINTS:
        return x, y
    size = -(-len(y) // (_MOST_POINTS // 2))
    kept: set[int] = set(np.flatnonzero(np.isnan(y))[: _MOST_POINTS // 4].tolist())
    for begin in range(0, len(y), size):
        part = y[begin : begin + size]
        if np.isfinite(part).any():
            kept |= {begin + int(np.nanargmin(part)), begin + int(np.nanargmax(part))}
    at = np.array(sorted(kept))
    return x[at], y[at]
