"""One recording under several presets side by side, with the settings that differ, and beside NeuroKit2 itself."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import ConfigError, InputError
from allostat.hrv import hrv
from allostat.hrv_names import describe
from allostat.hrv_presets import PRESETS, Preset, preset_of
from allostat.hrv_series import interval_series
from allostat.recording import NS_PER_S, Beats

if TYPE_CHECKING:
    import xarray as xr

MOST_INTERVALS = 10_000
"""NeuroKit2 compares every interval with every other one, in memory."""

NEUROKIT_NAMES = {
    "mean_nn": ("MeanNN", 1.0), "median_nn": ("MedianNN", 1.0), "min_nn": ("MinNN", 1.0), "max_nn": ("MaxNN", 1.0),
    "sdnn": ("SDNN", 1.0), "rmssd": ("RMSSD", 1.0), "sdsd": ("SDSD", 1.0), "cvnn": ("CVNN", 100.0),
    "cv_rmssd": ("CVSD", 100.0), "pnn20": ("pNN20", 1.0), "pnn50": ("pNN50", 1.0), "prc20_nn": ("Prc20NN", 1.0),
    "prc80_nn": ("Prc80NN", 1.0), "iqr_nn": ("IQRNN", 1.0), "mad_nn": ("MadNN", 1.0), "mcv_nn": ("MCVNN", 100.0),
    "sdnn_rmssd": ("SDRMSSD", 1.0), "sdann": ("SDANN5", 1.0), "sdnn_index": ("SDNNI5", 1.0),
    "triangular_index": ("HTI", 1.0), "tinn": ("TINN", 1.0), "ulf": ("ULF", 1.0), "vlf": ("VLF", 1.0),
    "lf": ("LF", 1.0), "hf": ("HF", 1.0), "vhf": ("VHF", 1.0), "total_power": ("TP", 1.0), "lf_hf": ("LFHF", 1.0),
    "lf_nu": ("LFn", 100.0), "hf_nu": ("HFn", 100.0), "ln_hf": ("LnHF", 1.0), "sd1": ("SD1", 1.0),
    "sd2": ("SD2", 1.0), "sd1_sd2": ("SD1SD2", 1.0), "ellipse_area": ("S", 1.0), "csi": ("CSI", 1.0),
    "cvi": ("CVI", 1.0), "csi_modified": ("CSI_Modified", 1.0), "guzik_index": ("GI", 1.0),
    "slope_index": ("SI", 1.0), "area_index": ("AI", 1.0), "porta_index": ("PI", 1.0), "sd1d": ("SD1d", 1.0),
    "sd1a": ("SD1a", 1.0), "sd2d": ("SD2d", 1.0), "sd2a": ("SD2a", 1.0), "sdnnd": ("SDNNd", 1.0),
    "sdnna": ("SDNNa", 1.0), "c1d": ("C1d", 1.0), "c2d": ("C2d", 1.0), "cd": ("Cd", 1.0), "pip": ("PIP", 1.0),
    "ials": ("IALS", 1.0), "pss": ("PSS", 1.0), "pas": ("PAS", 1.0), "dfa_alpha1": ("DFA_alpha1", 1.0),
    "symbolic_0v": ("Symbolic_EqualProb4_0V", 100.0), "symbolic_1v": ("Symbolic_EqualProb4_1V", 100.0),
    "symbolic_2lv": ("Symbolic_EqualProb4_2LV", 100.0), "symbolic_2uv": ("Symbolic_EqualProb4_2UV", 100.0),
    "sdann_1min": ("SDANN1", 1.0), "sdann_2min": ("SDANN2", 1.0), "sdnn_index_1min": ("SDNNI1", 1.0),
    "sdnn_index_2min": ("SDNNI2", 1.0),
    "dfa_alpha2": ("DFA_alpha2", 1.0), "approximate_entropy": ("ApEn", 1.0), "sample_entropy": ("SampEn", 1.0),
}  # fmt: skip
"""Name of each measure in NeuroKit2 0.2.13 (without ``HRV_``) and the factor that brings it to allostat's unit."""


def compare_hrv(
    beats: Beats, presets: Sequence[str | Preset] = tuple(PRESETS), *, neurokit: bool = False
) -> xr.Dataset:
    """Every measure of a whole recording under several presets.

    Parameters
    ----------
    beats
        Corrected beats.
    presets
        Two or more presets of different names.
    neurokit
        Whether NeuroKit2 itself measures the same NN intervals, as a further column. Its results under names that
        allostat has (`NEUROKIT_NAMES`) are brought to allostat's units; fragmentation stays in shares of 1.

    Returns
    -------
    Dataset(preset)
        One variable per measure, NaN where a preset has none, with ``long_name``, ``units``, and ``methods`` (JSON:
        method by preset). Attribute ``differing_settings`` is JSON: by setting, its value in each preset.

    Raises
    ------
    ConfigError
        When fewer than two presets are given (one beside NeuroKit2), a name is unknown or used twice.
    InputError
        When NeuroKit2 is asked for more than `MOST_INTERVALS` intervals, or fewer than 20.
    """
    import xarray as xr

    chosen = [preset_of(preset) for preset in presets]
    names = [preset.name for preset in chosen]
    if len(chosen) + neurokit < 2 or len(set(names)) < len(names):
        raise ConfigError("a comparison needs two presets of different names", found=names, valid=PRESETS)
    results = [hrv(beats, preset=preset) for preset in chosen]
    columns: list[Mapping[str, float]] = [
        {str(name): float(found[name].values[0]) for name in found.data_vars} for found in results
    ]
    labels = list(names)
    if neurokit:
        labels.append(f"NeuroKit2 {_version()}")
        columns.append(neurokit_values(beats))
    data = {}
    for name in dict.fromkeys(str(name) for found in results for name in found.data_vars):
        values = np.array([column.get(name, np.nan) for column in columns])
        data[name] = ("preset", values, _about(name, chosen, results))
    attrs = {
        "differing_settings": json.dumps(differing_settings(chosen)),
        "sensor": beats.source,
        "beats": beats.method,
    }
    return xr.Dataset(data, {"preset": ("preset", labels)}, attrs)


def differing_settings(presets: Sequence[Preset]) -> dict[str, dict[str, Any]]:
    """Settings in which presets differ: by setting, its value in each preset by name."""
    each = {preset.name: asdict(preset) for preset in presets}
    keys = [key for key in next(iter(each.values()), {}) if key not in ("name", "references")]
    texts = {key: [json.dumps(settings[key], sort_keys=True) for settings in each.values()] for key in keys}
    return {key: {name: settings[key] for name, settings in each.items()} for key in keys if len(set(texts[key])) > 1}


def neurokit_values(beats: Beats) -> dict[str, float]:
    """What NeuroKit2 makes of the NN intervals of a recording, under allostat's names; powers in ms^2.

    Raises
    ------
    InputError
        When there are fewer than 20 or more than `MOST_INTERVALS` NN intervals.
    """
    import neurokit2

    series = interval_series(beats)
    known = np.isfinite(series.nn_ms)
    if not 20 <= known.sum() <= MOST_INTERVALS:
        raise InputError(
            "NeuroKit2 is asked for as many NN intervals only",
            found=int(known.sum()),
            expected=f"20 to {MOST_INTERVALS}",
        )
    seconds = (series.ends_ns[known] - series.ends_ns[0]) / NS_PER_S
    peaks = {"RRI": series.nn_ms[known], "RRI_Time": seconds}
    with warnings.catch_warnings():
        # It warns of what is compared here: short recordings, gaps, names that change.
        warnings.simplefilter("ignore")
        found = {
            **neurokit2.hrv_time(peaks).iloc[0],
            **neurokit2.hrv_frequency(peaks, normalize=False).iloc[0],
            **neurokit2.hrv_nonlinear(peaks).iloc[0],
        }
    return {
        name: factor * float(found[f"HRV_{theirs}"])
        for name, (theirs, factor) in NEUROKIT_NAMES.items()
        if f"HRV_{theirs}" in found
    }


def _version() -> str:
    from importlib.metadata import version

    return version("neurokit2")


def _about(name: str, presets: Sequence[Preset], results: Sequence[xr.Dataset]) -> dict[str, str]:
    having = [(preset, found) for preset, found in zip(presets, results, strict=True) if name in found]
    attrs = having[0][1][name].attrs
    about = {key: str(attrs[key]) for key in ("units", "long_name", "references") if key in attrs}
    units = dict.fromkeys(str(found[name].attrs.get("units", "1")) for _, found in having)
    about["units"] = " or ".join(units)
    if "method" in attrs:
        about["methods"] = json.dumps({preset.name: describe(name, preset)["method"] for preset, _ in having})
    return about
