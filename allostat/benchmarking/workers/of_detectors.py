"""sleepecg and wfdb."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PACKAGES = ("sleepecg", "wfdb")

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]


def _sleepecg(ecg: Any, rate_hz: float) -> Pair:
    import sleepecg

    signal = ecg.astype(float)
    return (lambda: sleepecg.detect_heartbeats(signal, rate_hz)), lambda peaks: np.asarray(peaks) / rate_hz


def _xqrs(ecg: Any, rate_hz: float) -> Pair:
    from wfdb.processing import xqrs_detect

    signal = ecg.astype(float)
    return (
        lambda: xqrs_detect(sig=signal, fs=rate_hz, verbose=False),
        lambda peaks: np.asarray(peaks) / rate_hz,
    )


CONTENDERS = {
    (case, name): prepare
    for case in ("r_peaks", "r_peaks_24h", "r_peaks_live")
    for name, prepare in (("sleepecg", _sleepecg), ("wfdb xqrs", _xqrs))
}

SHORTER = {("r_peaks_24h", "wfdb xqrs"): 900_000}
