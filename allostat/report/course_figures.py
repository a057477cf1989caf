"""Figures of the day's course: heart rate and RMSSD over the clock with the cosinor, and cortisol curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.report.axis_frame import frame, legend, round_ticks
from allostat.report.blocks import Picture, Table, number
from allostat.report.local_time import DAY_NS, HOUR_NS, clock_ticks, time_unit
from allostat.report.series import Series, scalar, values, window_text
from allostat.report.svg import BLUE, FULL_WIDTH, GREEN, MUTED, ORANGE, PURPLE, SKY, VERMILLION, Dash, Figure, Marker

if TYPE_CHECKING:
    import xarray as xr

_COLOURS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
_MARKERS: tuple[Marker, ...] = ("o", "^", "s", "D", "v", "P")
_DASHES: tuple[Dash, ...] = ((), (5, 2), (1, 1.5), (5, 2, 1, 2), (8, 3), (3, 1))
_MOST_NAMED = 12


def windowed_course(item: Series, sleep: Sequence[tuple[int, int]] = ()) -> Picture | None:
    """Heart rate and RMSSD of each window over the recording; None with fewer than three windows."""
    if item.windows is None or item.windows.sizes.get("window", 0) < 3:
        return None
    times = np.asarray(item.windows["time"].values, dtype=np.int64)
    figure = Figure(FULL_WIDTH, 380)
    panels = (("hr_of_mean_nn", "heart rate (/min)", BLUE), ("rmssd", "RMSSD (ms)", GREEN))
    start, stop = int(times[0]), int(times[-1])
    _, divisor = time_unit(stop - start)
    span = max(1.0, (stop - start) / divisor)
    axis_name, clock_labels = clock_ticks(item.clock, start, stop)
    ticks = round_ticks(0, span, 9) if clock_labels is None else clock_labels
    for place, (name, label, colour) in enumerate(panels):
        axes = figure.axes(top=12 + place * 178, bottom=46 + (1 - place) * 172)
        for begin, end in sleep:
            axes.span((begin - start) / divisor, (end - start) / divisor, MUTED, alpha=0.14)
        y = values(item.windows, name)
        x = (times - start) / divisor
        step = np.median(np.diff(times)) if len(times) > 1 else 0
        broken = np.flatnonzero(np.diff(times) > 1.5 * step) + 1
        x, y = np.insert(x, broken, np.nan), np.insert(y, broken, np.nan)
        axes.line(x, y, colour, marker="o" if len(y) < 60 else None, size=4)
        kept = y[np.isfinite(y)]
        low, high = (float(kept.min()), float(kept.max())) if kept.size else (0.0, 1.0)
        pad = 0.08 * (high - low) or 1.0
        axes.xlim, axes.ylim = (0.0, span), (low - pad, high + pad)
        bare = [(at, "") for at, _ in ticks]
        frame(axes, xlabel=axis_name if place else "", ylabel=label, xticks=ticks if place else bare)
    hr, rmssd = values(item.windows, "hr_of_mean_nn"), values(item.windows, "rmssd")
    return Picture(
        figure.inline(
            key="windows",
            title="Heart rate and RMSSD over the recording",
            description=f"{len(times)} windows; heart rate {_range(hr)} per minute, RMSSD {_range(rmssd)} ms.",
        ),
        f"Heart rate and RMSSD of {item.id} in windows of {window_text(item.windows)}."
        + (" Shaded: sleep." if len(sleep) else ""),
        hourly_table(item, times),
    )


def hourly_table(item: Series, times: NDArray[np.int64]) -> Table:
    """Medians of the windows, hour by hour where there are more than 60 windows."""
    assert item.windows is not None
    columns = {"hr_of_mean_nn": "HR /min", "rmssd": "RMSSD ms", "sdnn": "SDNN ms", "lf": "LF ms²", "hf": "HF ms²"}
    present = [name for name in columns if name in item.windows]
    groups = times // HOUR_NS if len(times) > 60 else np.arange(len(times))
    rows = []
    for group in np.unique(groups)[:200]:
        inside = groups == group
        cells = []
        for name in present:
            found = values(item.windows, name)[inside]
            found = found[np.isfinite(found)]
            cells.append(number(float(np.median(found))) if found.size else "–")
        rows.append((item.clock.text(int(times[inside][0])), str(int(inside.sum())), *cells))
    names = ("from", "windows", *(columns[n] for n in present))
    return Table("Medians of the windows", names, tuple(rows), frozenset(range(1, len(names))))


def _range(found: NDArray[np.float64]) -> str:
    kept = found[np.isfinite(found)]
    return f"{np.percentile(kept, 5):.0f} to {np.percentile(kept, 95):.0f}" if kept.size else "not known"


def circadian_fit(item: Series, circadian: xr.Dataset) -> Picture | None:
    """Heart rate by hour of the day with the fitted cosinor; None when nothing was fitted."""
    mesor, amplitude = scalar(circadian, "mesor"), scalar(circadian, "amplitude")
    acrophase = scalar(circadian, "acrophase")
    if item.windows is None or not all(map(math.isfinite, (mesor, amplitude, acrophase))):
        return None
    wall = item.clock.wall_ns(np.asarray(item.windows["time"].values, dtype=np.int64))
    hour = (wall % DAY_NS) / HOUR_NS
    y = values(item.windows, "hr_of_mean_nn")
    bins = np.floor(hour).astype(np.int64)
    profile = []
    for h in range(24):
        inside = y[(bins == h) & np.isfinite(y)]
        if inside.size:
            profile.append((h, *np.percentile(inside, [10, 50, 90]), inside.size))
    table = np.array(profile)
    figure = Figure(FULL_WIDTH, 290)
    axes = figure.axes(top=30, bottom=46)
    at = table[:, 0] + 0.5
    axes.area(at, table[:, 1], table[:, 3], BLUE, alpha=0.18, label="10th to 90th percentile")
    axes.line(at, table[:, 2], BLUE, marker="o", size=5, width=1.2, label="median of the hour")
    hours = np.linspace(0, 24, 97)
    fit = mesor + amplitude * np.cos(2 * np.pi * (hours - acrophase) / 24)
    axes.line(hours, fit, VERMILLION, width=1.8, dash=(6, 3), label="cosinor")
    axes.line([acrophase] * 2, [-math.inf, math.inf], MUTED, width=0.9, dash=(2, 2))
    low, high = min(table[:, 1].min(), fit.min()), max(table[:, 3].max(), fit.max())
    pad = 0.08 * (high - low) or 1.0
    axes.xlim, axes.ylim = (0.0, 24.0), (low - pad, high + pad)
    hours_shown = [(float(h), f"{h:02d}:00") for h in range(0, 25, 3)]
    frame(axes, xlabel=f"hour of the day, {item.clock.axis_label}", ylabel="heart rate (/min)", xticks=hours_shown)
    legend(axes)
    rows = tuple(
        (f"{int(h):02d}:00", f"{n:.0f}", number(low), number(mid), number(high)) for h, low, mid, high, n in profile
    )
    return Picture(
        figure.inline(
            key="circadian",
            title="Course of the day with cosinor",
            description=f"Mesor {number(mesor)}, amplitude {number(amplitude)}, acrophase {number(acrophase)} h.",
        ),
        f"Heart rate by hour of the day and the fitted 24 h cosine: mesor {number(mesor)} /min, "
        f"amplitude {number(amplitude)} /min, peak at {_clock(acrophase)} (dotted).",
        Table(
            "Heart rate by hour",
            ("hour", "windows", "10th percentile", "median", "90th percentile"),
            rows,
            frozenset(range(1, 5)),
        ),
    )


def _clock(hours: float) -> str:
    minutes = round(hours * 60) % 1440
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


@dataclass(frozen=True, slots=True)
class CortisolDay:
    """One day's samples and the line fitted to them."""

    day: str
    hours: NDArray[np.float64]
    """Hours since waking."""
    nmol_l: NDArray[np.float64]
    slope: float
    intercept: float
    increase: float
    """Awakening response: peak minus first sample, in nmol/L."""
    aucg: float
    reason: str


def cortisol_curves(days: Sequence[CortisolDay]) -> Picture | None:
    """Cortisol of each day over hours since waking, logarithmic, with the fitted slopes; None without samples."""
    shown = [d for d in days if (np.isfinite(d.nmol_l) & np.isfinite(d.hours)).any()]
    if not shown:
        return None
    figure = Figure(FULL_WIDTH, 330)
    axes = figure.axes(top=12 + 18 * -(-len(shown) // 6), bottom=46)
    for i, day in enumerate(shown):
        style = i % len(_COLOURS)
        marker = _MARKERS[(i + i // len(_COLOURS)) % len(_MARKERS)]
        axes.line(
            day.hours,
            day.nmol_l,
            _COLOURS[style],
            marker=marker,
            dash=_DASHES[style],
            label=day.day if len(shown) <= _MOST_NAMED else None,
        )
        if math.isfinite(day.slope) and math.isfinite(day.intercept):
            x = np.array([0.0, np.nanmax(day.hours)])
            axes.line(x, np.exp(day.intercept + day.slope * x), _COLOURS[style], width=2.2, alpha=0.35)
    found = np.concatenate([d.nmol_l for d in shown])
    axes.logarithmic, axes.ylim = True, (float(np.nanmin(found)) / 1.25, float(np.nanmax(found)) * 1.25)
    reach = np.concatenate([d.hours for d in shown])
    axes.xlim = (min(0.0, float(np.nanmin(reach))) - 0.4, float(np.nanmax(reach)) + 0.4)
    frame(axes, xlabel="hours since waking", ylabel="cortisol (nmol/L)", yticks=_log_ticks(*axes.ylim))
    if len(shown) <= _MOST_NAMED:
        legend(axes, columns=6)
    rows = tuple(
        (d.day, number(float(h)), number(float(c))) for d in shown for h, c in zip(d.hours, d.nmol_l, strict=True)
    )
    return Picture(
        figure.inline(
            key="cortisol",
            title="Cortisol by day",
            description="; ".join(f"{d.day}: {len(d.hours)} samples, slope {number(d.slope)} per h" for d in shown),
        ),
        "Cortisol over hours since waking, one line per day, logarithmic scale. Broad pale lines: the slope of "
        "ln cortisol, fitted without the samples of the awakening response.",
        Table("Samples", ("day", "hours since waking", "nmol/L"), rows, frozenset({1, 2})),
    )


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    return [(t, f"{t:g}") for t in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if low <= t <= high]


def cortisol_table(days: Sequence[CortisolDay]) -> Table:
    """Slope, awakening response and area of each day."""
    rows = tuple(
        (
            d.day,
            str(int(np.isfinite(d.nmol_l).sum())),
            number(d.slope),
            number(d.increase),
            number(d.aucg),
            d.reason or "–",
        )
        for d in days
    )
    columns = (
        "day",
        "samples",
        "slope, ln(nmol/L) per h",
        "awakening rise, nmol/L",
        "AUC ground, nmol/L · min",
        "reason codes",
    )
    return Table("Cortisol by day", columns, rows, frozenset(range(1, 5)))
