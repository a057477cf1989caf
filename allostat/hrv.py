"""Heart rate variability in windows, with the settings, units and sources of every value.

Sources: Task Force 1996, 10.1161/01.CIR.93.5.1043; Shaffer and Ginsberg 2017, 10.3389/fpubh.2017.00258.
`allostat.hrv_presets` holds the settings, `allostat.hrv_names` what each variable means; `allostat.hrv_windows`
measures arrays; `allostat.hrv_person` condenses nights and resting recordings to the values of a person.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, get_args

import numpy as np

from allostat.errors import ConfigError
from allostat.hrv_names import MEASURES as MEASURES
from allostat.hrv_names import describe
from allostat.hrv_person import person_hrv as person_hrv
from allostat.hrv_person_spans import Night as Night
from allostat.hrv_windows import PRESETS as PRESETS
from allostat.hrv_windows import MeasureSet as MeasureSet
from allostat.hrv_windows import Preset as Preset
from allostat.hrv_windows import Reason as Reason
from allostat.hrv_windows import interval_series, measure, preset_of
from allostat.recording import NS_PER_S, Beats

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray


def hrv(
    beats: Beats,
    window: str | float | None = None,
    step: str | float | None = None,
    preset: str | Preset = "taskforce1996",
    drop_artefacts: bool = True,
    measures: MeasureSet = "full",
) -> xr.Dataset:
    """Heart rate variability of a recording, in windows.

    Parameters
    ----------
    beats
        Corrected beats; without correction artefacts are measured as if they were heart beats.
    window
        ``"5min"``, ``"30s"``, a number of seconds, or None for the whole recording. The first window begins at the
        first beat; a rest too short for a window at the end is left out. An interval belongs to the window in
        which it ends.
    step
        Distance of the windows' starts; ``window`` when None.
    preset
        Name of a preset (``taskforce1996``, ``kubios``, ``neurokit``) or a `Preset`.
    drop_artefacts
        Whether intervals that touch an artefact are left out of everything but the spectrum and the variables
        named ``…_interpolated``; otherwise the corrected series counts as NN.
    measures
        ``full``: all; ``standard``: time domain, Poincaré axes and band powers; ``brief``: time domain, Poincaré axes
        and scaling exponents, as `allostat.live` gives them.

    Returns
    -------
    Dataset(window)
        Measures (ms, ms2, %, /min) with attributes ``units``, ``long_name``, ``method``, ``references``, ``preset``
        and ``sensor``; ``n_intervals``, ``n_differences``, ``valid_share`` (of the window's time, covered by NN
        intervals), ``corrected_share`` (of its beats), ``irregular_share`` (of its beats, those in a rhythm too
        irregular to correct; NaN for beats that were not corrected), ``reasons`` (bit mask of `Reason`). Coordinates
        ``time`` and ``end``: int64 ns from the beats' epoch. Where a reason rejects a window its measures are NaN; a
        measure that needs a longer window (attribute ``shortest_s``) is NaN with the reason ``NEEDS_LONGER``.

    Raises
    ------
    ConfigError
        When preset, window, step or set of measures are not understood.

    Notes
    -----
    Values from pulse waves (``sensor`` is ``ppg``) are pulse rate variability: their RMSSD is biased upwards in motion.
    Welch windows of 256 s: of a 5-minute window the samples after the last whole one do not count.
    """
    import xarray as xr

    settings = preset_of(preset)
    chosen = measure_set(measures)
    starts, ends = _windows(beats, window, step)
    found = measure(interval_series(beats, drop_artefacts=drop_artefacts), starts, ends, settings, chosen)
    data: dict[str, tuple[str, NDArray[np.generic], dict[str, object]]] = {}
    for name, values in found.values.items():
        if name in ("n_intervals", "n_differences"):
            long_name = "NN intervals" if name == "n_intervals" else "differences of neighbouring NN intervals"
            data[name] = ("window", values.astype(np.int64), {"units": "1", "long_name": f"number of {long_name}"})
        else:
            data[name] = ("window", values, {**describe(name, settings), "sensor": beats.source})
    data["valid_share"] = ("window", found.valid_share, {
        "units": "1", "long_name": "share of the window's time covered by NN intervals"})  # fmt: skip
    data["corrected_share"] = ("window", found.corrected_share, {
        "units": "1", "long_name": "share of the window's beats that were corrected"})  # fmt: skip
    data["irregular_share"] = ("window", found.irregular_share, {
        "units": "1", "long_name": "share of the window's beats in a rhythm too irregular to correct"})  # fmt: skip
    data["reasons"] = ("window", found.reasons, {
        "long_name": "why values are missing, or what to know of them",
        "flag_masks": np.array([r.value for r in Reason], dtype=np.int16),
        "flag_meanings": " ".join(str(r.name) for r in Reason),
    })  # fmt: skip
    coords = {
        "window": ("window", np.arange(len(starts)), {"long_name": "window"}),
        "time": ("window", starts, {"units": "ns", "long_name": "start of the window", "epoch": beats.epoch}),
        "end": ("window", ends, {"units": "ns", "long_name": "end of the window", "epoch": beats.epoch}),
    }
    attrs = {
        "preset": settings.name,
        "settings": json.dumps(asdict(settings), sort_keys=True),
        "beats": beats.method,
        "sensor": beats.source,
        "drop_artefacts": int(drop_artefacts),
    }
    return xr.Dataset(data, coords, attrs)


def _windows(
    beats: Beats, window: str | float | None, step: str | float | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    start, last = (int(beats.times_ns[0]), int(beats.times_ns[-1])) if len(beats) else (0, 0)
    if window is None:
        if step is not None:
            raise ConfigError("a step needs a window", found=step)
        return np.array([start], dtype=np.int64), np.array([last + 1], dtype=np.int64)
    width = round(seconds_of(window, "window") * NS_PER_S)
    hop = width if step is None else round(seconds_of(step, "step") * NS_PER_S)
    count = max((last - start - width) // hop + 1, 1)
    starts = start + hop * np.arange(count, dtype=np.int64)
    return starts, starts + width


def measure_set(name: str) -> MeasureSet:
    """A set of measures by its name.

    Raises
    ------
    ConfigError
        When there is none of this name.
    """
    match name:
        case "brief" | "standard" | "full":
            return name
    raise ConfigError("unknown set of HRV measures", found=name, valid=get_args(MeasureSet))


_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*")


def seconds_of(duration: str | float, name: str = "duration") -> float:
    """Seconds of ``"5min"``, ``"30s"``, ``"1h"`` or a positive number of seconds.

    Raises
    ------
    ConfigError
        When it is none of these.
    """
    seconds = float("nan")
    if isinstance(duration, str):
        match = _DURATION.fullmatch(duration)
        if match:
            seconds = float(match[1]) * {"s": 1.0, "min": 60.0, "h": 3600.0}[match[2]]
    else:
        seconds = float(duration)
    # Below a millisecond windows would be empty and without number.
    if not 0.001 <= seconds < float("inf"):
        raise ConfigError(f"{name} is not a duration", found=duration, expected="5min, 30s, 1h or seconds")
    return seconds
