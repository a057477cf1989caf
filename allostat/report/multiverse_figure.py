"""The specification curve of a multiverse, with the choices behind every specification below it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.report.axis_frame import frame, legend
from allostat.report.blocks import Picture, Table, number, percent
from allostat.report.svg import BLUE, FULL_WIDTH, INK, MUTED, ORANGE, VERMILLION, Axes, Figure, label

if TYPE_CHECKING:
    import xarray as xr

Floats = NDArray[np.float64]

_LEFT, _TOP, _CURVE, _GAP, _ROW, _BETWEEN, _BOTTOM = 262, 34, 250, 18, 15.0, 9.0, 44
_PREFIX = "choice_"

CHOICE_WORDS = {
    "definition": "definition", "cuts": "cut-points", "quantile_type": "quantile type", "operator": "comparison",
    "winsorise": "winsorising", "crp": "hs-CRP above 10", "medication": "treatment", "missing": "missing values",
    "hrv": "HRV context", "cortisol": "cortisol feature",
}  # fmt: skip
LEVEL_WORDS = {
    "reference": "frozen reference", "sample": "sample, pooled", "sample_sex": "sample, by sex",
    "sample_sex_age": "sample, sex and age", "clinical": "published cut-offs", "as_defined": "as defined",
    "by_rule": "by rule", "complete": "complete cases", "rest_5min": "rest", "off": "none", "adjust": "constant added",
    "risk": "counts as risk", "exclude": "left out", "keep": "kept", "winsorise": "winsorised", "none": "as measured",
}  # fmt: skip
NOT_APPLICABLE = "not applicable"
"""Level of a choice that a specification leaves no room for; it has no row."""

_COLOURS = {
    "--ink": "#1b1f24", "--muted": "#5b6570", "--rule": "#d3d8de", "--paper": "#ffffff", "--blue": "#0072b2",
    "--vermillion": "#c24e00", "--green": "#007d5b", "--orange": "#b87a00", "--sky": "#3c9bd4", "--purple": "#b0598a",
}  # fmt: skip
"""Colours of a drawing that stands alone; on a page they are those of the page."""


def multiverse_picture(result: xr.Dataset) -> Picture:
    """The curve of a multiverse with its choices.

    Parameters
    ----------
    result
        From `allostat.multiverse`. With an outcome the curve is the effect of every specification with its interval, in
        order; without one it is the rank correlation of every specification with the default.
    """
    effects = "effect" in result
    values, low, high = _curve(result)
    shown = np.flatnonzero(np.isfinite(values))
    order = shown[np.argsort(values[shown], kind="stable")]
    rows = _rows(result)
    height = sum(_ROW * len(levels) + _BETWEEN for _, levels in rows)
    figure = Figure(FULL_WIDTH, int(_TOP + _CURVE + _GAP + height + _BOTTOM))
    top = figure.axes(left=_LEFT, top=_TOP, bottom=figure.height - _TOP - _CURVE)
    below = figure.axes(left=_LEFT, top=_TOP + _CURVE + _GAP, bottom=_BOTTOM)
    top.xlim = below.xlim = (0.5, len(order) + 0.5)
    _draw_curve(top, result, order, values, low, high)
    _draw_choices(below, result, order, rows, height)
    about = str(result.attrs["description"])
    what = f"effect on {result.attrs['outcome']}" if effects else "agreement with the default specification"
    return Picture(
        figure.inline(key="multiverse", title=f"Specification curve: {what}", description=about),
        f"Every column is one specification, in the order of its {'effect' if effects else 'rank correlation'}. "
        + ("Vermilion: p < 0.05. " if effects else "")
        + "The orange line marks the default specification.",
        _shares_table(result),
    )


def multiverse_svg(result: xr.Dataset) -> str:
    """The curve as an SVG document of its own, on white."""
    text = str(multiverse_picture(result).svg)
    for name, colour in _COLOURS.items():
        text = text.replace(f"var({name})", colour)
    match = re.search(r'viewBox="0 0 (\d+) (\d+)"', text)
    assert match is not None
    width, height = match.groups()
    font = "font-family:system-ui,'Segoe UI',Roboto,'Noto Sans','Liberation Sans','DejaVu Sans',sans-serif"
    text = re.sub(r'style="--w: \d+px"', f'style="{font};background:#ffffff"', text, count=1)
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + text.replace("<svg ", opening, 1) + "\n"


def _curve(result: xr.Dataset) -> tuple[Floats, Floats, Floats]:
    """Values of the curve with their intervals (NaN: none)."""
    if "effect" in result:
        effect, low, high = (result[name].to_numpy() for name in ("effect", "ci_low", "ci_high"))
        return effect, low, high
    rho = result["rank_correlation"].to_numpy()
    default = int(result.attrs["default_specification"])
    values = rho[default - 1] if default else np.array([_median(row) for row in rho])
    return values, np.full(len(rho), math.nan), np.full(len(rho), math.nan)


def _median(row: Floats) -> float:
    known = row[~np.isnan(row)]
    return float(np.median(known)) if len(known) else math.nan


def _rows(result: xr.Dataset) -> list[tuple[str, list[str]]]:
    """Choices with several levels, and their levels in the order of the grid."""
    import json

    declared = json.loads(result.attrs["grid"])["choices"]
    rows = []
    for name in declared:
        found = set(result[_PREFIX + name].values.tolist()) - {NOT_APPLICABLE}
        if len(found) > 1:
            rows.append((name, [level for level in declared[name] if level in found]))
    return rows


def _draw_curve(
    axes: Axes, result: xr.Dataset, order: NDArray[np.int64], values: Floats, low: Floats, high: Floats
) -> None:
    x = np.arange(1, len(order) + 1, dtype=np.float64)
    effects = "effect" in result
    y, bottom, upper = values[order], low[order], high[order]
    every = np.concatenate([part[np.isfinite(part)] for part in (y, bottom, upper)])
    reach = (float(every.min()), float(every.max())) if len(every) else (0.0, 1.0)
    if effects:
        reach = (min(reach[0], 0.0), max(reach[1], 0.0))
    margin = 0.05 * ((reach[1] - reach[0]) or 1.0)
    axes.ylim = (reach[0] - margin, reach[1] + margin)
    at = _default_at(result, order)
    if at:
        axes.line([at, at], list(axes.ylim), ORANGE, width=1.6)
    size = 5.0 if len(order) <= 150 else 3.2
    if effects:
        axes.line([0.0, len(order) + 1.0], [0.0, 0.0], MUTED, width=0.9)
        significant = result["p_value"].to_numpy()[order] < 0.05
        for mask, colour, name in ((~significant, BLUE, "p ≥ 0.05"), (significant, VERMILLION, "p < 0.05")):
            axes.line(*_strokes(x[mask], bottom[mask], upper[mask]), colour, width=1.0, alpha=0.35)
            axes.marks(x[mask], y[mask], colour, "o", size=size, label=name if mask.any() else None)
        ylabel = f"effect on {result.attrs['outcome']} per SD"
    else:
        axes.marks(x, y, BLUE, "o", size=size, label="specification")
        ylabel = "rank correlation with the default" if at else "median rank correlation"
    if at:
        axes.marks([at], [y[at - 1]], ORANGE, "D", size=9, label="default")
    frame(axes, xticks=[], ylabel=ylabel)
    legend(axes)


def _draw_choices(
    axes: Axes, result: xr.Dataset, order: NDArray[np.int64], rows: list[tuple[str, list[str]]], height: float
) -> None:
    """One row for each level, with a stroke where a specification has it."""
    axes.ylim = (height, 0.0)
    x = np.arange(1, len(order) + 1, dtype=np.float64)
    width = max(0.6, min(6.0, 0.8 * axes.width / max(len(order), 1)))
    ticks: list[tuple[float, str]] = []
    place = _BETWEEN / 2
    for number_of, (name, levels) in enumerate(rows):
        told = result[_PREFIX + name].values[order]
        if number_of % 2 == 0:
            axes.rectangles([(0.5, place - 2, len(order), _ROW * len(levels) + 4)], MUTED, alpha=0.08)
        heading = axes.pixels([0.5], [place + _ROW / 2])[1][0]
        axes.around(label(10, float(heading), CHOICE_WORDS.get(name, name), down="middle", bold=True))
        for level in levels:
            here = x[told == level]
            centre = np.full(len(here), place + _ROW / 2)
            axes.line(*_strokes(here, centre - 5.0, centre + 5.0), INK, width=width, alpha=0.75)
            ticks.append((place + _ROW / 2, LEVEL_WORDS.get(level, level.replace("_", " "))))
            place += _ROW
        place += _BETWEEN
    at = _default_at(result, order)
    if at:
        axes.line([at, at], [0.0, height], ORANGE, width=1.6)
    frame(axes, xlabel=f"{len(order)} specifications", xticks=[], yticks=ticks, left=False)


def _default_at(result: xr.Dataset, order: NDArray[np.int64]) -> int:
    """Place of the default specification on the curve, from 1; 0 when it is not on it."""
    found = np.flatnonzero(order == int(result.attrs["default_specification"]) - 1)
    return int(found[0]) + 1 if len(found) else 0


def _strokes(x: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Vertical strokes as one broken line."""
    gap = np.full(len(x), math.nan)
    return np.stack([x, x, gap], axis=1).ravel(), np.stack([low, high, gap], axis=1).ravel()


def _shares_table(result: xr.Dataset) -> Table:
    """What each choice does."""
    effects = "effect_share" in result
    columns = ["choice", "share of rank variance", *(["share of effect variance"] if effects else []),
               "median correlation, this choice alone", "lowest", "pairs"]  # fmt: skip
    rows = []
    for i, name in enumerate(result["choice"].values.tolist()):
        cells = [CHOICE_WORDS.get(name, name), percent(float(result["score_share"][i]))]
        if effects:
            cells.append(percent(float(result["effect_share"][i])))
        cells += [number(float(result[v][i])) for v in ("alone_median", "alone_lowest", "alone_pairs")]
        rows.append(tuple(cells))
    return Table("What each choice does", tuple(columns), tuple(rows), frozenset(range(1, len(columns))))
