"""Figures of the index: the components and systems of one definition, and all definitions side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.biomarkers import biomarker_kinds
from allostat.report.axis_frame import frame, legend
from allostat.report.blocks import Picture, Table, number, readable_unit
from allostat.report.series import flag_word, mask_words
from allostat.report.svg import BLUE, FULL_WIDTH, INK, MUTED, ORANGE, VERMILLION, Axes, Figure

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the index for one participant."""

    name: str
    system: str
    value: float
    unit: str
    z: float
    flag: bool | None
    reason: str
    notes: tuple[str, ...]

    @property
    def long_name(self) -> str:
        """Name in words."""
        kind = biomarker_kinds().get(self.name)
        return kind.long_name if kind else self.name


@dataclass(frozen=True, slots=True)
class Index:
    """One definition's index for one participant."""

    definition: str
    long_name: str
    value: float
    low: float
    high: float
    standard_error: float
    reason: str
    notes: tuple[str, ...]
    components: tuple[Component, ...]
    systems: tuple[tuple[str, float], ...]
    reference: str
    reference_sha256: str
    reference_notes: tuple[str, ...]
    scale: str
    rule: str
    without: tuple[tuple[str, float], ...]
    """Leave-one-out: component, and the index without it."""

    @property
    def text(self) -> str:
        """Value with its interval."""
        if not math.isfinite(self.value):
            return "not computed"
        interval = f" ({number(self.low)} to {number(self.high)})" if math.isfinite(self.low) else ""
        return number(self.value) + interval


def component_bars(index: Index) -> Picture | None:
    """Risk-oriented z of each component, its system's score and the index with its interval; None without any z."""
    shown = [c for c in index.components if math.isfinite(c.z)]
    if not shown:
        return None
    systems = dict(index.systems)
    names: list[str] = []
    headings: list[int] = []
    figure = Figure(FULL_WIDTH, 92 + 30 * (len(shown) + len(_system_order(shown)) + 1))
    axes = figure.axes(left=330, top=32, bottom=46)
    row = 0
    for system in _system_order(shown):
        score = systems.get(system, math.nan)
        headings.append(row)
        names.append(_words(system))
        if math.isfinite(score):
            axes.marks([score], [row], INK, "D", size=9)
        row += 1
        for c in (c for c in shown if c.system == system):
            colour = VERMILLION if c.flag else BLUE
            axes.rectangles([(min(0.0, c.z), row - 0.31, abs(c.z), 0.62)], colour, alpha=0.85 if c.flag else 0.6)
            if c.flag:
                axes.marks([c.z], [row], VERMILLION, "^", size=8)
            names.append(f"{_short(c)}  {number(c.value)} {readable_unit(c.unit)}".rstrip())
            row += 1
    headings.append(row)
    names.append(f"index {index.text}")
    if math.isfinite(index.value) and index.scale == "z":
        if math.isfinite(index.low):
            axes.line([index.low, index.high], [row, row], ORANGE, width=3)
        axes.marks([index.value], [row], ORANGE, "s", size=10)
    reach = max(1.6, *(abs(c.z) for c in shown), *(abs(x) for x in (index.low, index.high) if math.isfinite(x))) + 0.3
    axes.line([0.0, 0.0], [row + 0.6, -0.6], MUTED, width=0.9)
    axes.xlim, axes.ylim = (-reach, reach), (row + 0.6, -0.6)
    frame(
        axes,
        xlabel="distance from the reference mean in SD; right is risk",
        yticks=list(enumerate(names)),
        left=False,
        strong=frozenset(headings),
    )
    _component_legend(axes)
    rows = tuple(
        (c.long_name, _words(c.system), number(c.value), readable_unit(c.unit), number(c.z), _flag(c), _remarks(c))
        for c in index.components
    )
    columns = ("component", "system", "value", "unit", "z (risk)", "high risk", "remarks")
    return Picture(
        figure.inline(
            key=f"load-{index.definition}",
            title=f"Components of the index, definition {index.definition}",
            description=f"Index {index.text}. " + "; ".join(f"{c.long_name} z {number(c.z)}" for c in shown),
        ),
        f"{index.long_name}, by component: bars point to the right when the value lies on the side of "
        "risk. Triangle and vermilion: beyond the high-risk cut-point. Diamonds: system scores. Square: the index with "
        "its 95 % interval.",
        Table("Components", columns, rows, frozenset({2, 4})),
    )


def _component_legend(axes: Axes) -> None:
    axes.marks([], [], INK, "D", size=8, label="system")
    axes.marks([], [], VERMILLION, "^", size=8, label="high risk")
    axes.marks([], [], ORANGE, "s", size=8, label="index")
    legend(axes)


def _system_order(components: list[Component]) -> list[str]:
    return list(dict.fromkeys(c.system for c in components))


_SYSTEM_WORDS = {"hpa": "HPA axis"}
_SHORT = {
    "cortisol_slope": "cortisol slope",
    "sbp": "systolic BP",
    "dbp": "diastolic BP",
    "rmssd_night": "night RMSSD",
    "rmssd_rest": "resting RMSSD",
    "hr_night": "night heart rate",
    "hr_rest": "resting heart rate",
    "hs_crp": "hs-CRP",
    "rmssd": "RMSSD",
    "cortisol_aucg": "cortisol AUCg",
    "cortisol_car": "cortisol CAR",
}


def _words(name: str) -> str:
    return _SYSTEM_WORDS.get(name, name.replace("_", " "))


def _short(component: Component) -> str:
    return short_name(component.name)


def short_name(biomarker: str) -> str:
    """A biomarker's name for axes and columns."""
    return _SHORT.get(biomarker, biomarker.replace("_", " "))


def _remarks(component: Component) -> str:
    return ", ".join(filter(None, (component.reason, *component.notes)))


def _flag(component: Component) -> str:
    return "–" if component.flag is None else ("yes" if component.flag else "no")


def definitions_table(indices: Mapping[str, Index]) -> Table:
    """All definitions side by side."""
    rows = tuple(
        (
            i.long_name,
            number(i.value),
            number(i.standard_error),
            f"{number(i.low)} to {number(i.high)}" if math.isfinite(i.low) else "–",
            f"{sum(math.isfinite(c.value) for c in i.components)} of {len(i.components)}",
            ", ".join(short_name(c.name) for c in i.components if c.flag) or "none",
            i.reference or "–",
            ", ".join(filter(None, (i.reason, *i.notes))) or "–",
        )
        for i in indices.values()
    )
    columns = (
        "definition",
        "index",
        "standard error",
        "95 % interval",
        "components",
        "high risk",
        "reference",
        "remarks",
    )
    return Table("The index by every definition", columns, rows, frozenset({1, 2, 3}))


def leave_one_out_table(index: Index) -> Table | None:
    """The index without each component in turn; None when that was not computed."""
    if not index.without:
        return None
    rows = tuple((short_name(name), number(value), _difference(value - index.value)) for name, value in index.without)
    return Table(
        f"Leave one out: index by {index.definition} without each component",
        ("without", "index", "change"),
        rows,
        frozenset({1, 2}),
    )


def _difference(value: float) -> str:
    return ("+" if value > 0 else "") + number(value)


def index_of(dataset: xr.Dataset, participant: str, definition: str) -> Index:
    """One participant's index out of a result of `allostat.allostatic_load`; of several occasions the first."""
    one = dataset.sel(participant=participant)
    if "occasion" in one.dims:
        one = one.isel(occasion=0)
    attrs = dataset.attrs
    names = [str(c) for c in one["component"].values]
    components = tuple(_component(one, i, name) for i, name in enumerate(names))
    without = np.asarray(one["index_without"].values, dtype=np.float64)
    status = flag_word(one["index_status"], int(one["index_status"]))
    return Index(
        definition=definition,
        long_name=str(attrs["title"]),
        value=float(one["index"]),
        low=float(one["ci_low"]),
        high=float(one["ci_high"]),
        standard_error=float(one["index_se"]),
        reason="" if status == "OK" else status,
        notes=tuple(mask_words(one["index_notes"], int(one["index_notes"]))),
        components=components,
        systems=tuple(
            (str(n), float(s)) for n, s in zip(one["system"].values, one["system_score"].values, strict=True)
        ),
        reference=str(attrs["reference"]),
        reference_sha256=str(attrs["reference_sha256"]),
        reference_notes=tuple(filter(None, str(attrs.get("reference_notes", "")).split("\n"))),
        scale="count" if attrs["algorithm"] == "count" else "z",
        rule=str(attrs["missing_rule"]),
        without=tuple((n, float(w)) for n, w in zip(names, without, strict=True) if math.isfinite(w)),
    )


def _component(one: xr.Dataset, i: int, name: str) -> Component:
    used = flag_word(one["biomarker_used"], int(one["biomarker_used"].values[i]))
    kind = biomarker_kinds().get(used if used not in ("", "none") else name)
    flag = int(one["flag"].values[i])
    status = flag_word(one["component_status"], int(one["component_status"].values[i]))
    return Component(
        name=kind.name if kind else name,
        system=str(one["system"].values[int(one["component_system"].values[i])]),
        value=float(one["value"].values[i]),
        unit=kind.unit if kind else "",
        z=float(one["z"].values[i]),
        flag=None if flag < 0 else flag > 0,
        reason="" if status == "USED" else status,
        notes=tuple(mask_words(one["component_notes"], int(one["component_notes"].values[i]))),
    )
