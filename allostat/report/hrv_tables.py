"""Tables of heart rate variability: the main metrics, every metric, and the values of the person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from allostat.hrv_reasons import why_without_values
from allostat.report.blocks import Table, number, percent, readable_unit
from allostat.report.series import Series

if TYPE_CHECKING:
    import xarray as xr

_MAIN = {
    "mean_nn": "mean NN ms", "hr_of_mean_nn": "HR /min", "sdnn": "SDNN ms", "rmssd": "RMSSD ms", "pnn50": "pNN50 %",
    "sd1": "SD1 ms", "sd2": "SD2 ms", "vlf": "VLF ms²", "lf": "LF ms²", "hf": "HF ms²", "lf_hf": "LF/HF",
    "valid_share": "valid", "corrected_share": "corrected",
}  # fmt: skip


def window_tables(series: Sequence[Series]) -> list[Table]:
    """Median over windows: the main metrics, one row per series, and folded away every metric with its meaning."""
    shown = [(s, s.windows) for s in series if s.windows is not None and s.windows.sizes.get("window", 0)]
    if not shown:
        return []
    rows = tuple(
        (item.id, str(windows.sizes["window"]), *(_median(windows, name) for name in _MAIN)) for item, windows in shown
    )
    main = Table(
        "Median over windows", ("series", "windows", *_MAIN.values()), rows, frozenset(range(1, 2 + len(_MAIN)))
    )
    return [main, _every_metric(shown)]


def without_values(series: Sequence[Series]) -> tuple[str, ...]:
    """For each series without any value in any window, a sentence with the reasons."""
    sentences = []
    for item in series:
        if item.windows is None:
            sentences.append(f"{item.id}: too few beats for a window.")
            continue
        why = why_without_values(item.windows)
        if why:
            sentences.append(f"{item.id}: no window has values: {', '.join(why)}.")
    return tuple(sentences)


def _every_metric(shown: Sequence[tuple[Series, xr.Dataset]]) -> Table:
    names: dict[str, xr.DataArray] = {}
    for _, windows in shown:
        for name, variable in windows.data_vars.items():
            if variable.dims == ("window",) and variable.dtype.kind == "f":
                names.setdefault(str(name), variable)
    rows = []
    for name, variable in names.items():
        cells = [_median(windows, name) for _, windows in shown]
        if any(cell != "–" for cell in cells):
            unit = "" if name.endswith("_share") else readable_unit(str(variable.attrs.get("units", "")))
            rows.append((name, str(variable.attrs.get("long_name", "")), unit, *cells))
    columns = ("metric", "meaning", "unit", *(item.id for item, _ in shown))
    title = "Every metric, median over windows"
    return Table(title, columns, tuple(rows), frozenset(range(3, len(columns))), folded=True)


def _median(windows: xr.Dataset, name: str) -> str:
    if name not in windows:
        return "–"
    found = np.asarray(windows[name].values, dtype=np.float64)
    found = found[np.isfinite(found)]
    if not found.size:
        return "–"
    middle = float(np.median(found))
    return percent(middle) if name.endswith("_share") else number(middle, 4)


def person_tables(person: xr.Dataset | None) -> list[Table]:
    """Values of the person with their repeats and reason codes, and the nights behind them."""
    if person is None:
        return []
    rows = tuple(
        (
            str(name),
            str(variable.attrs.get("long_name", "")),
            number(float(variable), 4),
            readable_unit(str(variable.attrs.get("units", ""))),
            str(variable.attrs.get("n", "–")),
            ", ".join(str(variable.attrs.get("quality", "")).split()) or "–",
        )
        for name, variable in person.data_vars.items()
        if not variable.ndim and variable.dtype.kind == "f"
    )
    columns = ("value of the person", "meaning", "value", "unit", "repeats", "reason codes")
    return [Table("Values of the person, offered to the index", columns, rows, frozenset({2, 4}))] if rows else []


def scalar_rows(dataset: xr.Dataset) -> tuple[tuple[str, ...], ...]:
    """Name, meaning, value and unit of each single number of a dataset that is known."""
    rows = []
    for name, variable in dataset.data_vars.items():
        if variable.ndim == 0 and variable.dtype.kind in "fi" and np.isfinite(float(variable)):
            attrs = variable.attrs
            unit = readable_unit(str(attrs.get("units", "")))
            rows.append((str(name), str(attrs.get("long_name", "")), number(float(variable), 4), unit))
    return tuple(rows)
