"""Plotly figures of the cohort page as plain JSON: data and layout, coloured by the page when it draws them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.report.blocks import number, readable_unit
from allostat.report.cohort import SMALLEST_CELL, CohortMember, CohortOverview
from allostat.report.cohort_tables import (
    biomarker_names,
    definitions,
    groups,
    index_column,
    metric_names,
    spearman,
)
from allostat.report.load_figures import short_name

_SYMBOLS = ("circle", "triangle-up", "square", "diamond", "cross", "star")
_COLOURS = ("--blue", "--vermillion", "--green", "--purple", "--orange", "--sky")


@dataclass(frozen=True)
class Plot:
    """One Plotly figure.

    Parameters
    ----------
    data, layout
        As Plotly takes them. A colour that begins with ``--`` names a CSS variable of the page.
    summary
        What the figure shows in one sentence, for those who do not see it.
    """

    id: str
    title: str
    caption: str
    summary: str
    height: int
    data: tuple[dict[str, Any], ...]
    layout: dict[str, Any]


def plotly_script() -> str:
    """The Plotly library, to be inlined once."""
    return resources.files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")


def quality_strips(cohort: CohortOverview) -> Plot | None:
    """One strip per quality metric; a dot opens its participant."""
    members = cohort.having("ok")
    names = metric_names(members)
    if not names:
        return None
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"showlegend": False}
    gap = 0.42 / len(names)
    for row, name in enumerate(names):
        axis = "" if row == 0 else str(row + 1)
        shown = [m for m in members if math.isfinite(m.qc.get(name, math.nan))]
        x = np.array([m.qc[name] for m in shown])
        far = _far(x)
        top = 1 - row / len(names)
        layout[f"yaxis{axis}"] = {
            "domain": [top - 1 / len(names) + gap, top],
            "range": [-1, 1],
            "showticklabels": False,
            "ticks": "",
            "fixedrange": True,
            "anchor": f"x{axis}",
            "zeroline": False,
            "showgrid": False,
            "title": {"text": "", "standoff": 0},
        }
        layout[f"xaxis{axis}"] = {"anchor": f"y{axis}", "zeroline": False, "nticks": 8} | _whole_steps(x)
        layout.setdefault("annotations", []).append(
            {
                "text": _label(name),
                "x": -0.01,
                "xref": "paper",
                "xanchor": "right",
                "y": top - 0.5 / len(names) + gap / 2,
                "yref": "paper",
                "yanchor": "middle",
                "showarrow": False,
            }
        )
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": x.tolist(),
                "y": _jitter(len(shown)),
                "xaxis": f"x{axis}",
                "yaxis": f"y{axis}",
                "text": [_escaped(m.participant) for m in shown],
                "customdata": [m.link for m in shown],
                "hovertemplate": "%{text}: %{x:.4g}<extra></extra>",
                "marker": {
                    "size": 9,
                    "opacity": 0.8,
                    "color": ["--vermillion" if f else "--blue" for f in far],
                    "symbol": ["triangle-up" if f else "circle" for f in far],
                },
            }
        )
    return Plot(
        "quality",
        "Quality metrics",
        "One strip per quality metric, one dot per participant; a dot opens the participant's page. Triangles: more "
        "than three scaled median absolute deviations from the median. Metrics of fewer than half of the "
        "participants are in qc.tsv only.",
        f"{len(members)} participants on {len(names)} quality metrics.",
        40 + 84 * len(names),
        tuple(data),
        layout | {"margin": {"l": 190, "r": 20, "t": 10, "b": 40}},
    )


def _far(x: NDArray[np.float64]) -> list[bool]:
    """Which values lie more than three scaled median absolute deviations from the median."""
    if len(x) < SMALLEST_CELL:
        return [False] * len(x)
    distance = np.abs(x - np.median(x))
    scale = 1.4826 * float(np.median(distance))
    return [bool(d > 3 * scale) for d in distance] if scale > 0 else [False] * len(x)


def _whole_steps(x: NDArray[np.float64]) -> dict[str, Any]:
    """Ticks on whole numbers for counts that lie close together."""
    counts = bool(len(x)) and bool((x == np.round(x)).all()) and float(np.ptp(x)) <= 8
    return {"dtick": 1} if counts else {}


def _jitter(n: int) -> list[float]:
    """Vertical places that keep dots apart, the same in every run (golden-ratio sequence)."""
    return [round(1.2 * ((i * 0.6180339887) % 1.0) - 0.6, 3) for i in range(n)]


def _label(name: str) -> str:
    return "<br>".join(_escaped(line) for line in textwrap.wrap(name.replace("_", " "), 26))


def _escaped(text: str) -> str:
    """Text for Plotly, which reads a small subset of HTML in labels."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def adherence(cohort: CohortOverview) -> Plot | None:
    """Hours with valid beats, participant × day of recording."""
    members = [m for m in cohort.having("ok") if m.adherence]
    if not members:
        return None
    width = max(len(m.adherence) for m in members)
    z = [[h for _, h in m.adherence] + [None] * (width - len(m.adherence)) for m in members]
    text = [[d for d, _ in m.adherence] + [""] * (width - len(m.adherence)) for m in members]
    total = sum(h for m in members for _, h in m.adherence)
    return Plot(
        "adherence",
        "Adherence",
        "Hours with valid beat intervals per participant and day of recording. Empty cells were not recorded.",
        f"{len(members)} participants, {total:.0f} hours.",
        110 + 22 * len(members),
        (
            {
                "type": "heatmap",
                "z": z,
                "x": list(range(1, width + 1)),
                "y": [_escaped(m.participant) for m in members],
                "text": text,
                "zmin": 0,
                "zmax": 24,
                "xgap": 2,
                "ygap": 2,
                "colorscale": [[0, "--soft"], [1, "--blue"]],
                "hovertemplate": "%{y}, day %{x} (%{text}): %{z:.1f} h<extra></extra>",
                "hoverongaps": False,
                "colorbar": {"title": {"text": "h"}, "thickness": 12},
            },
        ),
        {
            "xaxis": {"title": {"text": "day of recording"}, "dtick": max(1, width // 14), "showgrid": False},
            "yaxis": {"autorange": "reversed", "type": "category", "showgrid": False, "automargin": True},
            "margin": {"l": 90, "r": 20, "t": 10, "b": 50},
        },
    )


def distributions(cohort: CohortOverview, units: dict[str, str]) -> Plot | None:
    """Each biomarker by group as box and dots; groups with fewer than five values are left out."""
    members = cohort.having("ok")
    names = [n for n in biomarker_names(members) if any(math.isfinite(m.biomarkers.get(n, math.nan)) for m in members)]
    if not names:
        return None
    by_group = groups(members)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"showlegend": False, "annotations": []}
    for place, name in enumerate(names):
        axis = "" if place == 0 else str(place + 1)
        column, row = place % columns, place // columns
        left, right = column / columns + 0.045, (column + 1) / columns - 0.015
        top = 1 - row / rows
        bottom = 1 - (row + 1) / rows
        layout[f"xaxis{axis}"] = {
            "domain": [left, right],
            "anchor": f"y{axis}",
            "type": "category",
            "showgrid": False,
            "range": [-0.5, len(by_group) - 0.5],
        }
        layout[f"yaxis{axis}"] = {
            "domain": [bottom + 0.24 / rows, top - 0.12 / rows],
            "anchor": f"x{axis}",
            "zeroline": False,
            "nticks": 5,
        }
        unit = readable_unit(units.get(name, ""))
        layout["annotations"].append(
            {
                "text": f"{short_name(name)} ({unit})" if unit else short_name(name),
                "x": left,
                "xref": "paper",
                "xanchor": "left",
                "y": top - 0.10 / rows,
                "yref": "paper",
                "yanchor": "bottom",
                "showarrow": False,
            }
        )
        data += _group_boxes(name, by_group, axis)
    return Plot(
        "distributions",
        "Biomarkers by group",
        f"Each biomarker by group: box from quartile to quartile with the median, and every participant as a dot. "
        f"Groups with fewer than {SMALLEST_CELL} values are not drawn.",
        f"{len(names)} biomarkers in {len(by_group)} groups.",
        60 + 250 * rows,
        tuple(data),
        layout | {"margin": {"l": 20, "r": 10, "t": 10, "b": 20}},
    )


def _group_boxes(name: str, by_group: dict[str, list[CohortMember]], axis: str) -> list[dict[str, Any]]:
    boxes: list[dict[str, Any]] = []
    for i, (group, members) in enumerate(by_group.items()):
        shown = [m for m in members if math.isfinite(m.biomarkers.get(name, math.nan))]
        label = f"{_escaped(group)}<br>n {len(shown) if len(shown) >= SMALLEST_CELL else f'< {SMALLEST_CELL}'}"
        if len(shown) < SMALLEST_CELL:
            boxes.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": [label],
                    "y": [None],
                    "xaxis": f"x{axis}",
                    "yaxis": f"y{axis}",
                    "hoverinfo": "skip",
                }
            )
            continue
        boxes.append(
            {
                "type": "box",
                "x": [label] * len(shown),
                "y": [m.biomarkers[name] for m in shown],
                "xaxis": f"x{axis}",
                "yaxis": f"y{axis}",
                "boxpoints": "all",
                "jitter": 0.5,
                "pointpos": 0,
                "hoveron": "points",
                "text": [_escaped(m.participant) for m in shown],
                "customdata": [m.link for m in shown],
                "hovertemplate": "%{text}: %{y:.4g}<extra></extra>",
                "fillcolor": "rgba(0,0,0,0)",
                "line": {"width": 1.5, "color": _COLOURS[i % len(_COLOURS)]},
                "marker": {
                    "size": 6,
                    "opacity": 0.7,
                    "symbol": _SYMBOLS[i % len(_SYMBOLS)],
                    "color": _COLOURS[i % len(_COLOURS)],
                },
            }
        )
    return boxes


def index_plot(cohort: CohortOverview) -> Plot | None:
    """The first definition's index of every participant with its interval, from low to high."""
    members = cohort.having("ok")
    names = definitions(members)
    if not names:
        return None
    definition = names[0]
    shown = [m for m in members if definition in m.index and math.isfinite(m.index[definition].value)]
    if not shown:
        return None
    shown.sort(key=lambda m: (m.index[definition].value, m.participant))
    values = [m.index[definition] for m in shown]
    return Plot(
        "index",
        "Allostatic load index",
        f"Index by the definition {definition} of each participant with its 95 % interval, from low to high; "
        "a dot opens the participant's page.",
        f"{len(shown)} participants, from {number(values[0].value)} to {number(values[-1].value)}.",
        90 + 24 * len(shown),
        (
            {
                "type": "scatter",
                "mode": "markers",
                "x": [v.value for v in values],
                "y": [_escaped(m.participant) for m in shown],
                "customdata": [m.link for m in shown],
                "hovertemplate": "%{y}: %{x:.3g}<extra></extra>",
                "marker": {"size": 10, "color": "--orange", "symbol": "square"},
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "color": "--muted",
                    "thickness": 1.6,
                    "width": 4,
                    "array": [_reach(v.ci_high - v.value) for v in values],
                    "arrayminus": [_reach(v.value - v.ci_low) for v in values],
                },
            },
        ),
        {
            "yaxis": {"type": "category", "automargin": True},
            "xaxis": {"title": {"text": f"index, {definition}"}, "zeroline": True},
            "showlegend": False,
            "margin": {"l": 90, "r": 20, "t": 10, "b": 50},
        },
    )


def _reach(length: float) -> float:
    return length if math.isfinite(length) and length > 0 else 0.0


def agreement_plot(cohort: CohortOverview) -> Plot | None:
    """Spearman's correlation between definitions as a matrix; None with fewer than two."""
    members = cohort.having("ok")
    names = definitions(members)
    if len(names) < 2:
        return None
    rho = [[spearman(index_column(members, a), index_column(members, b))[0] for b in names] for a in names]
    z: Sequence[Sequence[float | None]] = [[r if math.isfinite(r) else None for r in row] for row in rho]
    return Plot(
        "agreement",
        "Agreement between definitions",
        "Spearman's rank correlation of the index between each two definitions, over the participants "
        "that both could score.",
        f"{len(names)} definitions.",
        140 + 46 * len(names),
        (
            {
                "type": "heatmap",
                "z": z,
                "x": names,
                "y": names,
                "zmin": -1,
                "zmax": 1,
                "xgap": 2,
                "ygap": 2,
                "text": [[f"{r:.2f}" if math.isfinite(r) else "" for r in row] for row in rho],
                "texttemplate": "%{text}",
                "colorscale": [[0, "--vermillion"], [0.5, "--soft"], [1, "--blue"]],
                "hoverongaps": False,
                "hovertemplate": "%{x}, %{y}: %{z:.2f}<extra></extra>",
                "colorbar": {"title": {"text": "ρ"}, "thickness": 12},
            },
        ),
        {
            "yaxis": {"autorange": "reversed", "automargin": True, "showgrid": False},
            "xaxis": {"showgrid": False},
            "margin": {"l": 120, "r": 20, "t": 10, "b": 60},
        },
    )
