"""What is said of a table that looks like a waveform and tells too little to be read: the JSON to write beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.source import Source
from allostat_devices.file_names import without_device_id
from allostat_devices.members import shown_name
from allostat_devices.rr_text import runs_like_a_wave
from allostat_devices.signal_labels import kind_of_label
from allostat_devices.table_layout import CARDIAC, TableLayout, grid_of, label_of, number
from allostat_devices.table_sidecar import is_physio, sidecar_name
from allostat_devices.text_lines import head_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD_BYTES = 1 << 14
"""Bytes at the start of a table that are looked at."""
_FEW = 150
"""Numbers below which nothing is said of how they run."""


def looks_like_waves(source: Source, member: str, lines: Sequence[str]) -> bool:
    """Whether a table of numbers without a rate is worth a hint: a column runs like a wave, or its name says so."""
    name = shown_name(source, member)
    if sidecar_name(name) is None:
        return False
    if is_physio(name):
        return True
    grid = grid_of(lines, name)
    if not grid.names and any(abs(v) >= 1e9 for v in grid.numbers(0)[:1]):
        # a start in Unix time above the samples, as E4 files have it
        return False
    if grid.names:
        named = any(kind_of_label(label_of(name)[0]) in CARDIAC for name in grid.names)
        if not named and grid.width > 3:
            return False
    elif len(grid.rows[0]) > 8:
        return any(_is_wave(np.array([number(c) for c in row])) for row in grid.rows[:4])
    columns = [np.array(grid.numbers(i)) for i in range(min(grid.width, 12))]
    if grid.width == 1 and (columns[0] < 0).any():
        # no interval is negative
        return len(columns[0]) > _FEW and not _runs_one_way(columns[0])
    return any(_is_wave(column) for column in columns)


def _is_wave(values: NDArray[np.float64]) -> bool:
    filled = values[np.isfinite(values)]
    return len(filled) > _FEW and runs_like_a_wave(filled) and not _runs_one_way(filled)


def _runs_one_way(values: NDArray[np.float64]) -> bool:
    """Whether numbers rise nearly always, as times, counters and instants of beats do."""
    rising = float(np.mean(np.diff(values) >= 0))
    return rising > 0.9 or rising < 0.1


def wanted_json(source: Source, member: str, layout: TableLayout | None) -> str:
    """Which JSON to write beside a table that tells too little."""
    name = without_device_id(shown_name(source, member))
    beside = sidecar_name(name) or f"{name}.json"
    grid = grid_of(head_lines(source, member, HEAD_BYTES), name)
    columns = list(grid.names) or ["ecg", *(f"column{i}" for i in range(2, min(len(grid.rows[0]), 8) + 1))]
    if not grid.names and len(grid.rows[0]) > 8:
        columns = ["ecg"]
    time = layout.time if layout is not None else None
    cardiac = layout is not None and any(t.kind in CARDIAC for t in layout.tracks)
    if layout is not None and layout.tracks and not cardiac:
        columns[layout.tracks[0].column] = "ecg"
    about: dict[str, Any] = {"SamplingFrequency": 250, "StartTime": 0} if time is None else {}
    about["Columns"] = columns
    if time is not None and time.unit != "iso":
        about[columns[time.column]] = {"Units": time.unit}
    lacks = "tells no sampling rate" if time is None else "names no ECG or PPG"
    explained = "your rate in Hz, and ecg or ppg" if time is None else "ecg or ppg"
    return f"looks like a waveform but {lacks}: write {beside} beside it with {json.dumps(about)} ({explained})"
