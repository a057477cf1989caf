"""Band powers of windows by Welch's periodogram, an autoregressive model or the Lomb-Scargle periodogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allostat.hrv_presets import Band, Preset
from allostat.hrv_series import EvenWindows, Floats, Indices, IntervalSeries, even_windows
from allostat.kernels import autoregressive, lomb_scargle, spectrum
from allostat.recording import NS_PER_S

_THREE = ("vlf", "lf", "hf")


@dataclass(frozen=True, slots=True)
class Spectra:
    """Spectra of some windows.

    Parameters
    ----------
    frequencies_hz
        (f,) evenly spaced.
    density
        (w, f) one-sided, in ms^2/Hz; NaN where a window has no spectrum.
    longest_s
        (w,) the longest gap-free stretch of the window; for Lomb-Scargle, which needs none, from its first NN interval
        to its last.
    used_s
        (w,) time that takes part.
    """

    frequencies_hz: Floats
    density: Floats
    longest_s: Floats
    used_s: Floats


def band_values(
    series: IntervalSeries, first: Indices, stop: Indices, windows: EvenWindows, preset: Preset
) -> dict[str, Floats]:
    """Powers in ms^2 by band, their sum and shares, peak frequencies, and the time that they rest on, by window.

    Parameters as in `hrv_series.even_windows`, whose result is ``windows``.
    """
    match preset.spectrum:
        case "welch":
            return _values(_welch(windows, len(first), preset), preset)
        case "autoregressive":
            return _values(_autoregressive(windows, len(first), preset), preset)
        case "lomb_scargle":
            return _values(_lomb_scargle(series, first, stop, preset), preset)
        case "welch_halves":
            # Frequencies depend on the length of the stretch, so each window has its own.
            each = [_values(one, preset) for one in _welch_halves(windows, len(first), preset)]
            return {name: np.concatenate([one[name] for one in each]) for name in each[0]} if each else {}


def window_spectrum(series: IntervalSeries, first: int, stop: int, preset: Preset) -> tuple[Floats, Floats]:
    """Frequencies in Hz and density in ms^2/Hz of one window; NaN when it has no spectrum."""
    lo, hi = np.array([first]), np.array([stop])
    windows = even_windows(series, lo, hi, preset, detrended=preset.spectrum_detrend == "smoothness_priors")
    match preset.spectrum:
        case "welch":
            found = _welch(windows, 1, preset)
        case "autoregressive":
            found = _autoregressive(windows, 1, preset)
        case "lomb_scargle":
            found = _lomb_scargle(series, lo, hi, preset)
        case "welch_halves":
            found = _welch_halves(windows, 1, preset)[0]
    return found.frequencies_hz, found.density[0]


def _values(spectra: Spectra, preset: Preset) -> dict[str, Floats]:
    if preset.band_edges == "interpolated":
        step = float(spectra.frequencies_hz[1] - spectra.frequencies_hz[0])
        edges = np.array([(band.low_hz, band.high_hz) for band in preset.bands])
        # The kernel counts frequencies from 0 on; a Lomb-Scargle spectrum begins one step later.
        offset = spectra.frequencies_hz[0]
        low = np.maximum(edges[:, :1], offset) - offset
        powers = spectrum.band_powers(spectra.density, step, np.hstack([low, edges[:, 1:] - offset]))
    else:
        powers = np.column_stack([_sampled_power(spectra, band) for band in preset.bands])
    found = {}
    for k, band in enumerate(preset.bands):
        found[band.name] = np.where(spectra.longest_s >= band.shortest_s, powers[:, k], np.nan)
    values = dict(found)
    values["spectrum_s"] = np.where(spectra.used_s > 0, spectra.used_s, np.nan)
    total: Floats = np.zeros(len(spectra.density))
    for name, power in found.items():
        # Bands beyond the three of the Task Force are missing from short windows without spoiling the sum.
        total = total + (power if name in _THREE else np.nan_to_num(power))
    values["total_power"] = total
    values |= _shares(values, preset)
    for band in preset.bands:
        if band.name in _THREE:
            values[f"{band.name}_peak"] = _peak(spectra, band, found[band.name])
    return values


def _shares(values: dict[str, Floats], preset: Preset) -> dict[str, Floats]:
    if not {"lf", "hf"} <= set(values):
        return {}
    lf, hf = values["lf"], values["hf"]
    whole = lf + hf if preset.normal_units == "lf_and_hf" else values["total_power"]
    ratio = np.full(len(lf), np.nan)
    np.divide(lf, hf, out=ratio, where=hf > 0)
    shares = {"lf_hf": ratio}
    for name in (band for band in _THREE if band in values):
        power, total = values[name], values["total_power"]
        shares[f"ln_{name}"], shares[f"relative_{name}"] = np.full(len(lf), np.nan), np.full(len(lf), np.nan)
        np.log(power, out=shares[f"ln_{name}"], where=power > 0)
        np.divide(100 * power, total, out=shares[f"relative_{name}"], where=total > 0)
    for name, power in (("lf_nu", lf), ("hf_nu", hf)):
        shares[name] = np.full(len(lf), np.nan)
        np.divide(100 * power, whole, out=shares[name], where=whole > 0)
    return shares


def _peak(spectra: Spectra, band: Band, power: Floats) -> Floats:
    inside = (spectra.frequencies_hz >= band.low_hz) & (spectra.frequencies_hz < band.high_hz)
    known = np.isfinite(power) & (power > 0)
    out = np.full(len(power), np.nan)
    if inside.any() and known.any():
        out[known] = spectra.frequencies_hz[inside][np.argmax(spectra.density[known][:, inside], axis=1)]
    return out


def _sampled_power(spectra: Spectra, band: Band) -> Floats:
    """Trapezoids between the frequencies inside the band only: what lies between them and its edges is lost."""
    inside = (spectra.frequencies_hz >= band.low_hz) & (spectra.frequencies_hz < band.high_hz)
    power: Floats = np.asarray(np.trapezoid(spectra.density[:, inside], spectra.frequencies_hz[inside], axis=1))
    return np.where(power > 0, power, np.nan)


def _welch(windows: EvenWindows, count: int, preset: Preset) -> Spectra:
    rate = preset.resampling_hz
    whole = round(preset.window_s * rate)
    linear = preset.spectrum_detrend == "linear"
    found = spectrum.welch_windows(windows.even, windows.window, count, rate, whole, linear=linear)
    frequencies = np.arange(whole // 2 + 1, dtype=np.float64) * (rate / whole)
    return Spectra(frequencies, found.density, found.longest / rate, found.used / rate)


def _autoregressive(windows: EvenWindows, count: int, preset: Preset) -> Spectra:
    rate = preset.resampling_hz
    whole = round(preset.window_s * rate)
    models = autoregressive.windowed(windows.even, windows.window, count, preset.ar_order)
    density = autoregressive.densities(models, rate, whole)
    lengths = np.diff(windows.even.edges)
    longest, used = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.maximum.at(longest, windows.window, lengths)
    np.add.at(used, windows.window, np.where(lengths > preset.ar_order, lengths, 0))
    return Spectra(np.arange(whole // 2 + 1, dtype=np.float64) * (rate / whole), density, longest / rate, used / rate)


def _lomb_scargle(series: IntervalSeries, first: Indices, stop: Indices, preset: Preset) -> Spectra:
    step = preset.lomb_step_hz
    count = int(np.ceil(max(band.high_hz for band in preset.bands) / step)) + 1
    zero = series.ends_ns[0] if len(series.ends_ns) else 0
    at_s = (series.ends_ns - zero) / NS_PER_S
    density = lomb_scargle.windowed(at_s, series.nn_ms, first, np.maximum(first, stop), step, count)
    spans = np.zeros(len(first))
    known = np.flatnonzero(np.isfinite(series.nn_ms))
    lo, hi = np.searchsorted(known, first), np.searchsorted(known, stop)
    some = hi - lo > 1
    spans[some] = at_s[known[hi[some] - 1]] - at_s[known[lo[some]]]
    return Spectra(np.arange(1, count + 1, dtype=np.float64) * step, density, spans, spans)


def _welch_halves(windows: EvenWindows, count: int, preset: Preset) -> list[Spectra]:
    """Of each window's longest stretch: Hann windows of half of it, not detrended one by one, transformed at twice
    their length; frequencies below four periods per stretch are left out."""
    rate = preset.resampling_hz
    lengths = np.diff(windows.even.edges)
    found = []
    for window in range(count):
        mine = np.flatnonzero(windows.window == window)
        if not len(mine) or lengths[mine].max() < 8:
            nothing = np.full((1, 2), np.nan)
            found.append(Spectra(np.array([0.0, 1.0]), nothing, np.zeros(1), np.zeros(1)))
            continue
        best = int(mine[np.argmax(lengths[mine])])
        even = windows.even.values[windows.even.edges[best] : windows.even.edges[best + 1]]
        n = len(even)
        lowest = 2 * rate / (n / 2)
        half = min(int(2 / lowest * rate), n // 2)
        segments = spectrum.welch_segments(even - even.mean(), half, detrend="none")
        density = spectrum.welch_density(segments, rate, 2 * half)[1]
        # The fourth frequency is the lowest one but for rounding: rounded as numpy's rfftfreq does it, which decides.
        frequencies: Floats = np.fft.rfftfreq(2 * half, 1 / rate).astype(np.float64)
        kept = frequencies >= lowest
        length = np.full(1, n / rate)
        found.append(Spectra(frequencies[kept], density[None, kept], length, length))
    return found
