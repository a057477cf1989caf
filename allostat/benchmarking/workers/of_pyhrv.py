"""pyHRV and BioSPPy, and the spectral estimation that pyHRV uses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PACKAGES = ("pyhrv", "biosppy", "spectrum")

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]


def _r_peaks(ecg: Any, rate_hz: float) -> Pair:
    from biosppy.signals import ecg as biosppy_ecg
    from biosppy.signals import tools

    signal = ecg.astype(float)

    def call() -> Any:
        order = int(1.5 * rate_hz)
        filtered, _, _ = tools.filter_signal(
            signal, ftype="FIR", band="bandpass", order=order, frequency=[0.67, 45], sampling_rate=rate_hz
        )
        (peaks,) = biosppy_ecg.hamilton_segmenter(filtered, sampling_rate=rate_hz)
        (peaks,) = biosppy_ecg.correct_rpeaks(filtered, peaks, sampling_rate=rate_hz, tol=0.05)
        return peaks

    return call, lambda peaks: np.asarray(peaks) / rate_hz


def _time_domain(nn_ms: Any) -> Pair:
    import pyhrv.time_domain as td

    def call() -> Any:
        return td.nni_parameters(nn_ms), td.sdnn(nn_ms), td.rmssd(nn_ms), td.nn50(nn_ms)

    def answer(found: Any) -> Any:
        general, sdnn, rmssd, nn50 = found
        return {
            "mean_nn": general["nni_mean"], "sdnn": sdnn["sdnn"], "rmssd": rmssd["rmssd"], "pnn50": nn50["pnn50"],
        }  # fmt: skip

    return call, answer


def _biosppy_time_domain(nn_ms: Any) -> Pair:
    from biosppy.signals import hrv

    names = {"mean_nn": "rr_mean", "sdnn": "sdnn", "rmssd": "rmssd", "pnn50": "pnn50"}
    return (
        lambda: hrv.hrv_timedomain(nn_ms, detrend_rri=False),
        lambda found: {name: found[key] for name, key in names.items()},
    )


def _poincare(nn_ms: Any) -> Pair:
    from pyhrv.nonlinear import poincare

    return (
        lambda: poincare(nn_ms, mode="dev"),
        lambda found: {"sd1": found["sd1"], "sd2": found["sd2"]},
    )


def _band_powers(times_s: Any, nn_ms: Any) -> Pair:
    from pyhrv.frequency_domain import welch_psd

    def answer(found: Any) -> Any:
        _, lf, hf = found[0]["fft_abs"]
        return {"lf": lf, "hf": hf}

    return (lambda: welch_psd(nn_ms, mode="dev")), answer


def _geometry(nn_ms: Any) -> Pair:
    import pyhrv.time_domain as td

    return (
        lambda: td.triangular_index(nn_ms, plot=False, show=False),
        lambda found: {"triangular_index": found["tri_index"]},
    )


def _sample_entropy(nn_ms: Any) -> Pair:
    from pyhrv.nonlinear import sample_entropy

    return (
        lambda: sample_entropy(nn_ms, tolerance=0.2 * nn_ms.std(ddof=1)),
        lambda found: {"sample": found["sampen"]},
    )


def _autoregressive(series: Any, rate_hz: float) -> Pair:
    import spectrum

    def call() -> Any:
        coefficients, variance = spectrum.modcovar(series - series.mean(), 16)
        response = np.fft.rfft(np.concatenate([[1.0], coefficients]), 1024)
        # It gives the sum of both squared prediction errors, not their mean.
        density = np.abs(variance) / (2 * (len(series) - 16)) / rate_hz / np.abs(response) ** 2
        density[1:-1] *= 2
        return density

    return call, lambda density: {"level": np.exp(np.mean(np.log(density)))}


def _biosppy_band_powers(times_s: Any, nn_ms: Any) -> Pair:
    from biosppy.signals import hrv

    return (
        lambda: hrv.hrv_frequencydomain(nn_ms, detrend_rri=False),
        lambda found: {"lf": found["lf_pwr"], "hf": found["hf_pwr"]},
    )


CONTENDERS = {
    **{(case, "biosppy hamilton"): _r_peaks for case in ("r_peaks", "r_peaks_24h", "r_peaks_live")},
    ("time_domain", "pyhrv"): _time_domain,
    ("time_domain", "biosppy"): _biosppy_time_domain,
    ("poincare", "pyhrv"): _poincare,
    ("band_powers", "pyhrv"): _band_powers,
    ("geometry", "pyhrv"): _geometry,
    ("entropy", "pyhrv (sample only)"): _sample_entropy,
    ("autoregressive", "spectrum modcovar"): _autoregressive,
    ("band_powers", "biosppy"): _biosppy_band_powers,
}

SHORTER = {("r_peaks_24h", "biosppy hamilton"): 900_000}
