"""Heart rate variability in windows: what rejects a window, and the measuring.

Arrays in, arrays out; `allostat.hrv` gives the results their names, units and sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from allostat.hrv_measures import (
    COUNTS,
    LONG_S,
    basic_measures,
    complexity_measures,
    derived_measures,
    detrended_basic_measures,
    further_measures,
    heart_rate_sd,
    long_measures,
    pattern_measures,
    scaling_exponents,
)
from allostat.hrv_patterns import pattern_shares, stress_indices
from allostat.hrv_presets import PRESETS as PRESETS
from allostat.hrv_presets import Band as Band
from allostat.hrv_presets import Preset as Preset
from allostat.hrv_presets import preset_of as preset_of
from allostat.hrv_series import IntervalSeries as IntervalSeries
from allostat.hrv_series import detrended_intervals, even_windows, with_mean
from allostat.hrv_series import interval_series as interval_series
from allostat.hrv_spectra import band_values
from allostat.recording import NS_PER_S

MeasureSet = Literal["brief", "standard", "full"]
"""``brief``: time domain, Poincaré axes and scaling exponents, as of live windows. ``standard``: time domain, Poincaré
axes and band powers. ``full``: all measures."""

STANDARD_SPECTRAL = ("vlf", "lf", "hf", "spectrum_s", "total_power", "lf_hf")

_AT_ONCE = 2048
"""Windows that are measured together; overlapping ones are laid out end to end where they are detrended."""


class Reason(IntFlag):
    """Why a window has no values, or what to know of them."""

    TOO_SHORT = 1
    """Shorter than the preset allows, or the recording ends inside it: no values."""
    TOO_FEW_VALID = 2
    """NN intervals cover too little of it: no values."""
    TOO_MANY_CORRECTED = 4
    """Too many of its beats were corrected: no values."""
    NO_SPECTRUM = 8
    """A band's power is missing: no gap-free stretch is long enough."""
    ULTRA_SHORT = 16
    """Shorter than 5 minutes; values are given."""
    NEEDS_LONGER = 32
    """Too short for some measures (triangular index, SDANN, turbulence …): these are missing."""
    UNDEFINED = 64
    """Some measure has no value here: no templates match, too few premature beats, no variation."""
    IRREGULAR = 128
    """More of its beats than the preset allows lie in a rhythm too irregular to correct: values are given, but are not
    those of sinus rhythm."""


REJECTED = Reason.TOO_SHORT | Reason.TOO_FEW_VALID | Reason.TOO_MANY_CORRECTED


@dataclass(frozen=True, slots=True)
class WindowValues:
    """Values by name, and what decides on them; arrays of one element per window."""

    values: dict[str, NDArray[np.float64]]
    valid_share: NDArray[np.float64]
    corrected_share: NDArray[np.float64]
    irregular_share: NDArray[np.float64]
    reasons: NDArray[np.int16]

    @property
    def accepted(self) -> NDArray[np.bool_]:
        """Windows that are not rejected."""
        return np.asarray((self.reasons & int(REJECTED)) == 0)

    @property
    def irregular(self) -> NDArray[np.bool_]:
        """Windows whose rhythm is irregular."""
        return np.asarray((self.reasons & int(Reason.IRREGULAR)) != 0)


def measure(
    series: IntervalSeries,
    starts_ns: NDArray[np.int64],
    ends_ns: NDArray[np.int64],
    preset: Preset,
    measures: MeasureSet = "standard",
) -> WindowValues:
    """Measure windows; an interval belongs to the window [start, end) in which it ends.

    Differences are taken between intervals that both end inside the window. A preset without bands has no spectra.
    """
    parts = [
        _measure(series, starts_ns[at : at + _AT_ONCE], ends_ns[at : at + _AT_ONCE], preset, measures)
        for at in range(0, max(len(starts_ns), 1), _AT_ONCE)
    ]
    if len(parts) == 1:
        return parts[0]
    return WindowValues(
        {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values},
        np.concatenate([part.valid_share for part in parts]),
        np.concatenate([part.corrected_share for part in parts]),
        np.concatenate([part.irregular_share for part in parts]),
        np.concatenate([part.reasons for part in parts]),
    )


def _measure(
    series: IntervalSeries,
    starts_ns: NDArray[np.int64],
    ends_ns: NDArray[np.int64],
    preset: Preset,
    measures: MeasureSet,
) -> WindowValues:
    first = np.searchsorted(series.ends_ns, starts_ns).astype(np.int64)
    stop = np.searchsorted(series.ends_ns, ends_ns).astype(np.int64)
    valid_share = _valid_share(series, starts_ns, ends_ns)
    corrected_share = _share_of_beats(series.corrected, first, stop)
    irregular_share = _share_of_beats(series.irregular, first, stop)
    reasons = _reasons(series, starts_ns, ends_ns, preset, valid_share, corrected_share)
    reasons[irregular_share > preset.most_irregular_share] |= np.int16(Reason.IRREGULAR)
    rejected = (reasons & int(REJECTED)) != 0
    bounds = _Bounds(starts_ns, ends_ns, first, stop, np.where(rejected, first, stop))
    values = _all_measures(series, bounds, preset, measures)
    for name, found in values.items():
        if name not in COUNTS:
            found[rejected] = np.nan
    _mark_missing(values, bounds, preset, reasons, rejected)
    return WindowValues(values, valid_share, corrected_share, irregular_share, reasons)


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Windows as instants and as beats; ``kept`` is ``stop``, or ``first`` where the window is rejected."""

    starts_ns: NDArray[np.int64]
    ends_ns: NDArray[np.int64]
    first: NDArray[np.int64]
    stop: NDArray[np.int64]
    kept: NDArray[np.int64]

    @property
    def length_s(self) -> NDArray[np.float64]:
        return np.asarray((self.ends_ns - self.starts_ns) / NS_PER_S)


def _all_measures(
    series: IntervalSeries, bounds: _Bounds, preset: Preset, measures: MeasureSet
) -> dict[str, NDArray[np.float64]]:
    full = measures == "full"
    first, kept = bounds.first, bounds.kept
    values = basic_measures(series.nn_ms, first, bounds.stop)
    raw = used = detrended = (series.nn_ms, first, kept)
    if preset.series == "detrended" or (measures != "standard" and preset.nonlinear_series == "detrended"):
        even = even_windows(series, first, kept, preset, detrended=True)
        detrended = detrended_intervals(series, first, kept, even, preset)
    if preset.series == "detrended":
        values = detrended_basic_measures(values, *detrended)
        used = with_mean(detrended, values["mean_nn"])
    whole = basic_measures(series.corrected_ms, first, kept)
    values["rmssd_interpolated"], values["sdnn_interpolated"] = whole["rmssd"], whole["sdnn"]
    nonlinear = detrended if preset.nonlinear_series == "detrended" else raw
    if measures == "brief":
        values |= scaling_exponents(*nonlinear, preset)
    if full:
        values |= derived_measures(values)
        values |= further_measures(*raw)
        values["sd_hr"] = heart_rate_sd(*used)
        values["mcv_nn"] = 100 * values["mad_nn"] / values["median_nn"]
        values |= complexity_measures(*nonlinear, bounds.length_s, preset)
        values |= pattern_measures(*raw, preset)
        values |= pattern_shares(*raw, preset)
        values["stress_index"] = stress_indices(*used)
        values |= long_measures(series, first, kept, bounds.starts_ns, bounds.ends_ns, preset, used)
    if preset.pnn_divisor == "intervals":
        for name in ("pnn20", "pnn50"):
            values[name] *= values["n_differences"] / (values["n_differences"] + 1)
    if preset.bands and measures != "brief":
        if preset.spectrum_detrend != "smoothness_priors" or preset.series == "raw":
            smooth = preset.spectrum_detrend == "smoothness_priors"
            even = even_windows(series, first, kept, preset, detrended=smooth)
        powers = band_values(series, first, kept, even, preset)
        standard = (*(band.name for band in preset.bands), *STANDARD_SPECTRAL)
        values |= powers if full else {name: powers[name] for name in powers if name in standard}
    return values


def _mark_missing(
    values: dict[str, NDArray[np.float64]],
    bounds: _Bounds,
    preset: Preset,
    reasons: NDArray[np.int16],
    rejected: NDArray[np.bool_],
) -> None:
    """Say why measures of accepted windows are missing."""
    bands = {band.name: band.shortest_s for band in preset.bands}
    # Beats lie up to 2 % inside the window's ends.
    least = LONG_S | dict.fromkeys(("triangular_index", "tinn"), preset.geometric_s)
    least |= {name: shortest for name, shortest in bands.items() if name not in ("vlf", "lf", "hf")}
    spectral = {*bands, *STANDARD_SPECTRAL, "lf_nu", "hf_nu"}
    spectral |= {f"{kind}{name}" for name in bands for kind in ("ln_", "relative_")} | {
        f"{name}_peak" for name in bands
    }
    for name, found in values.items():
        missing = np.isnan(found) & ~rejected
        if not missing.any():
            continue
        short = missing & (bounds.length_s < least.get(name, 0.0))
        reasons[short] |= np.int16(Reason.NEEDS_LONGER)
        reasons[missing & ~short] |= np.int16(Reason.NO_SPECTRUM if name in spectral else Reason.UNDEFINED)


def _valid_share(
    series: IntervalSeries, starts_ns: NDArray[np.int64], ends_ns: NDArray[np.int64]
) -> NDArray[np.float64]:
    if not len(series.ends_ns):
        return np.zeros(len(starts_ns))
    covered = _covered_until(series, ends_ns) - _covered_until(series, starts_ns)
    share: NDArray[np.float64] = np.clip(covered / (ends_ns - starts_ns), 0.0, 1.0)
    return share


def _covered_until(series: IntervalSeries, instants_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Time covered by NN intervals from the first beat to some instants: whole ns, so that a difference is exact."""
    last = len(series.ends_ns) - 1
    before = np.clip(np.searchsorted(series.ends_ns, instants_ns, side="right") - 1, 0, last)
    inside = series.covered_ns[np.minimum(before + 1, last)] > series.covered_ns[before]
    beyond = np.maximum(instants_ns - series.ends_ns[before], 0)
    return np.asarray(series.covered_ns[before] + np.where(inside, beyond, 0))


def _share_of_beats(
    marked: NDArray[np.bool_] | NDArray[np.int8] | NDArray[np.float64],
    first: NDArray[np.int64],
    stop: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Mean of the marks of each window's beats; NaN without beats, and where the marks are NaN."""
    counted = np.zeros(len(marked) + 1)
    np.cumsum(marked, out=counted[1:])
    n = stop - first
    share = np.full(len(first), np.nan)
    share[n > 0] = (counted[stop] - counted[first])[n > 0] / n[n > 0]
    return share


def _reasons(
    series: IntervalSeries,
    starts_ns: NDArray[np.int64],
    ends_ns: NDArray[np.int64],
    preset: Preset,
    valid_share: NDArray[np.float64],
    corrected_share: NDArray[np.float64],
) -> NDArray[np.int16]:
    reasons = np.zeros(len(starts_ns), dtype=np.int16)
    length_s = (ends_ns - starts_ns) / NS_PER_S
    last = series.ends_ns[-1] if len(series.ends_ns) else np.iinfo(np.int64).min
    reasons[(length_s < preset.shortest_s) | (ends_ns > last + 1)] |= np.int16(Reason.TOO_SHORT)
    reasons[valid_share < preset.least_valid_share] |= np.int16(Reason.TOO_FEW_VALID)
    reasons[corrected_share > preset.most_corrected_share] |= np.int16(Reason.TOO_MANY_CORRECTED)
    reasons[length_s < preset.short_s] |= np.int16(Reason.ULTRA_SHORT)
    return reasons
