"""Ten-second strips of signal with the beats found in them, chosen by signal quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from allostat.recording import NS_PER_S
from allostat.report.blocks import Picture, Table, readable_unit
from allostat.report.series import Series, mask_words, values
from allostat.report.svg import BLUE, FULL_WIDTH, INK, ORANGE, VERMILLION, add_axes, frame, inline_svg, new_figure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

_STRIP_HEIGHT = 150


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
    figure = new_figure(FULL_WIDTH, _STRIP_HEIGHT * len(chosen) + 30)
    rows: list[tuple[str, ...]] = []
    for row, (name, start, length_s, words) in enumerate(chosen):
        axes = add_axes(
            figure, left=62, bottom=_STRIP_HEIGHT * (len(chosen) - 1 - row) + 62, top=_STRIP_HEIGHT * row + 22
        )
        axes.text(0, 1.08, f"{name}: {words}", transform=axes.transAxes, fontsize=12.5, color=INK, parse_math=False)
        _strip(axes, item, start, length_s)
        frame(axes, xlabel="seconds" if row == len(chosen) - 1 else "")
        found = item.beats.between(start, start + int(length_s * NS_PER_S))
        rows.append((name, item.clock.text(start, seconds=True), str(len(found)), words))
    unit = readable_unit(item.signal.unit) or "no unit"
    return Picture(
        inline_svg(
            figure,
            key=f"strips-{place}",
            title="Best, median and worst ten seconds of signal",
            description="; ".join(f"{r[0]} at {r[1]}: {r[2]} beats, {r[3]}" for r in rows),
        ),
        f"Ten seconds each of {item.id} ({unit}): the best, the median and the worst window "
        "by signal quality. Circles: beats kept as found; triangles: beats corrected.",
        Table("Windows shown", ("window", "from", "beats", "quality"), tuple(rows), frozenset({2})),
    )


def _strip(axes: Axes, item: Series, start: int, length_s: float) -> None:
    signal = item.signal
    assert signal is not None
    stop = start + int(length_s * NS_PER_S)
    first, last = sample_range(item, start, stop)
    y = signal.physical(first, last)
    x = (signal.clock.times_ns(np.arange(first, last)) - start) / NS_PER_S
    step = max(1, len(y) // 1300)
    axes.plot(x[::step], y[::step], color=BLUE, linewidth=1.0)
    inside = (item.beats.times_ns >= start) & (item.beats.times_ns < stop)
    at = (item.beats.times_ns[inside] - start) / NS_PER_S
    flags = item.beats.flags[inside]
    finite = np.isfinite(y)
    if finite.sum() > 1:
        level = np.interp(at, x[finite], y[finite])
        for mask, marker, colour in ((flags == 0, "o", ORANGE), (flags != 0, "^", VERMILLION)):
            axes.plot(
                at[mask],
                level[mask],
                linestyle="none",
                marker=marker,
                markersize=6,
                markerfacecolor="none",
                markeredgecolor=colour,
                markeredgewidth=1.6,
            )
        low, high = float(np.nanmin(y)), float(np.nanmax(y))
        pad = 0.14 * (high - low) or 1.0
        axes.set(ylim=(low - pad, high + pad))
    axes.set(xlim=(0, length_s))


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
