"""systole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PACKAGES = ("systole",)

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]


def _r_peaks(method: str) -> Callable[..., Pair]:
    def prepare(ecg: Any, rate_hz: float) -> Pair:
        from systole.detection import ecg_peaks

        rate, signal = round(rate_hz), ecg.astype(float)
        return (
            lambda: ecg_peaks(signal, sfreq=rate, new_sfreq=rate, method=method)[1],
            lambda peaks: np.flatnonzero(peaks) / rate_hz,
        )

    return prepare


def _systolic_peaks(ppg: Any, rate_hz: float) -> Pair:
    from systole.detection import ppg_peaks

    rate = round(rate_hz)
    return (
        lambda: ppg_peaks(ppg, sfreq=rate, new_sfreq=rate, clipping=False)[1],
        lambda peaks: np.flatnonzero(peaks) / rate_hz,
    )


def _artefact_classes(times_ms: Any) -> Pair:
    from systole.detection import rr_artefacts

    rr_ms = np.diff(times_ms)

    def answer(found: Any) -> Any:
        return {
            "ectopic": np.sum(found["ectopic"]),
            "missed": np.sum(found["missed"]),
            "extra": np.sum(found["extra"]),
            "long_or_short": np.sum(found["long"]) + np.sum(found["short"]),
        }

    return (lambda: rr_artefacts(rr_ms, input_type="rr_ms")), answer


def _values(table: Any) -> dict[str, Any]:
    return dict(zip(table["Metric"], table["Values"], strict=True))


def _time_domain(nn_ms: Any) -> Pair:
    from systole.hrv import time_domain

    names = {"mean_nn": "MeanRR", "sdnn": "SDNN", "rmssd": "RMSSD", "pnn50": "pnn50"}

    def answer(table: Any) -> Any:
        values = _values(table)
        return {name: values[key] for name, key in names.items()}

    return (lambda: time_domain(nn_ms, input_type="rr_ms")), answer


def _band_powers(times_s: Any, nn_ms: Any) -> Pair:
    from systole.hrv import frequency_domain

    def answer(table: Any) -> Any:
        values = _values(table)
        return {"lf": values["lf_power"], "hf": values["hf_power"]}

    return (lambda: frequency_domain(nn_ms, input_type="rr_ms")), answer


CONTENDERS = {
    **{
        (case, f"systole {method}"): _r_peaks(method)
        for case in ("r_peaks", "r_peaks_24h", "r_peaks_live")
        for method in ("pan-tompkins", "hamilton", "moving-average")
    },
    ("systolic_peaks", "systole rolling average"): _systolic_peaks,
    ("artefact_classes", "systole"): _artefact_classes,
    ("time_domain", "systole"): _time_domain,
    ("band_powers", "systole"): _band_powers,
}
