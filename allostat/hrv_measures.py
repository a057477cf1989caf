"""Measures of the intervals of windows: distribution, differences, Poincaré plot, complexity, long windows."""

from __future__ import annotations

import math

import numpy as np

from allostat.hrv_presets import Preset
from allostat.hrv_series import Floats, Indices, IntervalSeries
from allostat.kernels import (
    dfa,
    entropy,
    fragmentation,
    geometric,
    phase_rectified,
    poincare,
    segments,
    time_domain,
    turbulence,
)
from allostat.recording import NS_PER_S

COUNTS = ("n_intervals", "n_differences")
"""Numbers, which are 0 and not missing in a window without intervals."""

ALWAYS_RAW = (
    *COUNTS, "mean_nn", "median_nn", "min_nn", "max_nn", "hr_of_mean_nn", "mean_hr_of_beats", "min_hr", "max_hr",
)  # fmt: skip
"""Basic measures that are taken from the intervals as they are, whatever the preset detrends."""

LONG_S = {"sdann": 588.0, "sdnn_index": 588.0, "turbulence_onset": 3600.0, "turbulence_slope": 3600.0,
          "multiscale_entropy": 1176.0,
          "sdann_1min": 588.0, "sdann_2min": 588.0, "sdnn_index_1min": 588.0, "sdnn_index_2min": 588.0}  # fmt: skip
"""Windows shorter than this have no such measure: two segments of 5 minutes (less 2 %), an hour in which premature
beats may come, 20 minutes so that averages of five intervals leave some two hundred."""

PREMATURE_BEATS = 5
"""Heart rate turbulence is given from as many premature beats on: Bauer et al. 2008, 10.1016/j.jacc.2008.07.041."""

SCALES = 5
"""Multiscale entropy goes up to averages of this many intervals."""


def basic_measures(nn_ms: Floats, first: Indices, stop: Indices) -> dict[str, Floats]:
    """Time domain and axes of the Poincaré plot."""
    if len(first):
        # Kernels prepare something of every interval that they are given: those outside of these windows are left out.
        low = int(first.min())
        nn_ms, first, stop = nn_ms[low : max(int(stop.max()), low)], first - low, stop - low
    return _named(time_domain.windowed(nn_ms, first, stop), time_domain.MEASURES) | _named(
        poincare.windowed(nn_ms, first, stop), ("sd1", "sd2")
    )


def detrended_basic_measures(raw: dict[str, Floats], nn_ms: Floats, first: Indices, stop: Indices) -> dict[str, Floats]:
    """`basic_measures` of detrended intervals, beside means and extremes of the raw ones."""
    found = basic_measures(nn_ms, first, stop)
    found["cvnn"] = 100.0 * found["sdnn"] / raw["mean_nn"]
    found["cv_rmssd"] = 100.0 * found["rmssd"] / raw["mean_nn"]
    return found | {name: raw[name] for name in ALWAYS_RAW}


def derived_measures(basic: dict[str, Floats]) -> dict[str, Floats]:
    """Counts and ratios that follow from `basic_measures`."""
    sd1, sd2 = basic["sd1"], basic["sd2"]
    found = {
        "sdnn_rmssd": _quotient(basic["sdnn"], basic["rmssd"]),
        "sd1_sd2": _quotient(sd1, sd2),
        "ellipse_area": math.pi * sd1 * sd2,
        "csi": _quotient(sd2, sd1),
        "csi_modified": _quotient(4 * sd2**2, sd1),
        "cvi": np.full(len(sd1), np.nan),
    }
    np.log10(16 * sd1 * sd2, out=found["cvi"], where=sd1 * sd2 > 0)
    for limit in ("20", "50"):
        found[f"nn{limit}"] = np.round(basic[f"pnn{limit}"] * basic["n_differences"] / 100)
    return found


def further_measures(nn_ms: Floats, first: Indices, stop: Indices) -> dict[str, Floats]:
    """How the raw intervals are distributed, and the asymmetry of their Poincaré plot."""
    found = _named(time_domain.distribution_windowed(nn_ms, first, stop), time_domain.DISTRIBUTION)
    return found | _named(poincare.asymmetry_windowed(nn_ms, first, stop), poincare.ASYMMETRY)


def heart_rate_sd(nn_ms: Floats, first: Indices, stop: Indices) -> Floats:
    """Standard deviation of the heart rates of the intervals, in 1/min."""
    return time_domain.windowed(60000.0 / nn_ms, first, stop)[:, time_domain.MEASURES.index("sdnn")]


def scaling_exponents(nn_ms: Floats, first: Indices, stop: Indices, preset: Preset) -> dict[str, Floats]:
    """Both exponents of the detrended fluctuation analysis."""
    ranges = (preset.dfa_short, preset.dfa_long)
    found = dfa.windowed(nn_ms, first, stop, ranges, overlap=preset.dfa_overlap)
    return _named(found, ("dfa_alpha1", "dfa_alpha2"))


def complexity_measures(
    nn_ms: Floats, first: Indices, stop: Indices, length_s: Floats, preset: Preset
) -> dict[str, Floats]:
    """Entropies and scaling exponents, of the series that the preset says; windows of which lengths."""
    found = _named(
        entropy.windowed(nn_ms, first, stop, preset.template, r_sd=preset.tolerance, strict=preset.strict),
        entropy.MEASURES,
    )
    found |= scaling_exponents(nn_ms, first, stop, preset)
    found["multiscale_entropy"] = np.full(len(first), np.nan)
    for k in np.flatnonzero(length_s >= LONG_S["multiscale_entropy"]):
        by_scale = entropy.multiscale_entropy(
            nn_ms[first[k] : stop[k]], preset.template, None, range(1, SCALES + 1), r_sd=preset.tolerance,
            strict=preset.strict,
        )  # fmt: skip
        found["multiscale_entropy"][k] = np.mean(by_scale)
    return found


def pattern_measures(nn_ms: Floats, first: Indices, stop: Indices, preset: Preset) -> dict[str, Floats]:
    """Fragmentation and capacities, always of the raw intervals."""
    shares = fragmentation.windowed if preset.fragmentation == "intervals" else fragmentation.windowed_segment_shares
    capacities = phase_rectified.windowed(nn_ms, first, stop, limit=preset.anchor_limit, around=preset.anchor_around)
    return _named(shares(nn_ms, first, stop), fragmentation.MEASURES) | _named(capacities[:, :2], ("dc", "ac"))


def long_measures(
    series: IntervalSeries,
    first: Indices,
    stop: Indices,
    starts_ns: Indices,
    ends_ns: Indices,
    preset: Preset,
    used: tuple[Floats, Indices, Indices],
) -> dict[str, Floats]:
    """Measures that only a long window has; NaN in shorter ones. ``used``: the series of the geometric ones."""
    nn, length_s = series.nn_ms, (ends_ns - starts_ns) / NS_PER_S
    found = {name: np.full(len(first), np.nan) for name in ("triangular_index", "tinn", *LONG_S)}
    del found["multiscale_entropy"]
    enough = length_s >= preset.geometric_s
    if enough.any():
        shape = _named(geometric.windowed(used[0], used[1][enough], used[2][enough]), geometric.MEASURES)
        for name, values in shape.items():
            found[name][enough] = values
    for k in np.flatnonzero(length_s >= min(LONG_S.values())):
        part = slice(int(first[k]), int(stop[k]))
        at_s = (series.ends_ns[part] - starts_ns[k]) / NS_PER_S
        spread = segments.long_term(nn[part], at_s, start_s=0.0)
        found["sdann"][k], found["sdnn_index"][k] = spread.sdann, spread.sdnn_index
        for minutes in (1, 2):
            short = segments.long_term(nn[part], at_s, start_s=0.0, segment_s=60.0 * minutes)
            found[f"sdann_{minutes}min"][k], found[f"sdnn_index_{minutes}min"][k] = short.sdann, short.sdnn_index
        if length_s[k] >= LONG_S["turbulence_onset"]:
            lo, hi = np.searchsorted(series.recorded_ends_ns, (starts_ns[k], ends_ns[k]))
            after = turbulence.heart_rate_turbulence(series.recorded_ms[lo:hi], least=PREMATURE_BEATS)
            found["turbulence_onset"][k], found["turbulence_slope"][k] = after.onset, after.slope
    return found


def _named(rows: Floats, names: tuple[str, ...]) -> dict[str, Floats]:
    return {name: rows[:, k].copy() for k, name in enumerate(names)}


def _quotient(above: Floats, below: Floats) -> Floats:
    out = np.full(len(above), np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out
