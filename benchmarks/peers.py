"""Other tools that do the same work. Each is optional: what is not installed is skipped with a notice."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

Detector = Callable[[NDArray[Any], float], NDArray[np.int64]]

NEUROKIT_ECG = ("neurokit", "pantompkins1985", "hamilton2002", "elgendi2010", "rodrigues2021")
NEUROKIT_PPG = ("elgendi", "charlton")
# Not bishop: its matrix of all scales by all samples takes 25 GiB for an hour at 64 Hz.


def r_peak_detectors() -> dict[str, Detector]:
    """R-peak detectors of the installed peers, by ``package:method``."""
    found: dict[str, Detector] = {}
    if _installed("neurokit2"):
        found |= {f"neurokit2:{name}": _neurokit_ecg(name) for name in NEUROKIT_ECG}
    if _installed("sleepecg"):
        found["sleepecg"] = _sleepecg
    if _installed("wfdb"):
        found["wfdb:xqrs"] = _xqrs
    if _installed("ecgdetectors"):
        found |= {f"py-ecg-detectors:{name}": _ecgdetectors(name) for name in ("hamilton", "two_average")}
    if _installed("systole.detection"):
        found |= {f"systole:{name}": _systole(name) for name in ("pan-tompkins", "hamilton")}
    return {name: quiet(detector) for name, detector in found.items()}


def systolic_peak_detectors() -> dict[str, Detector]:
    """Systolic-peak detectors of the installed peers, by ``package:method``."""
    found: dict[str, Detector] = {}
    if _installed("neurokit2"):
        found |= {f"neurokit2:{name}": _neurokit_ppg(name) for name in NEUROKIT_PPG}
    return {name: quiet(detector) for name, detector in found.items()}


def missing() -> list[str]:
    """Peers that are not installed."""
    return [
        name for name in ("neurokit2", "sleepecg", "wfdb", "ecgdetectors", "systole.detection") if not _installed(name)
    ]


@cache
def _installed(module: str) -> bool:
    """Whether the module can be imported; one whose own dependencies are missing cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import_module(module)
    except ImportError:
        return False
    return True


def quiet(detector: Detector) -> Detector:
    """The detector without its progress texts and warnings, its answer as ascending int64."""

    def silent(samples: NDArray[Any], rate_hz: float) -> NDArray[np.int64]:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            return np.unique(np.asarray(detector(samples, rate_hz), dtype=np.int64))

    return silent


def _neurokit_ecg(name: str) -> Detector:
    def detect(ecg: NDArray[Any], rate_hz: float) -> Any:
        import neurokit2

        rate = round(rate_hz)
        cleaning = name if name in ("pantompkins1985", "hamilton2002", "elgendi2010") else "neurokit"
        clean = neurokit2.ecg_clean(ecg.astype(float), sampling_rate=rate, method=cleaning)
        return neurokit2.ecg_findpeaks(clean, sampling_rate=rate, method=name)["ECG_R_Peaks"]

    return detect


def _neurokit_ppg(name: str) -> Detector:
    def detect(ppg: NDArray[Any], rate_hz: float) -> Any:
        import neurokit2

        rate = round(rate_hz)
        clean = neurokit2.ppg_clean(ppg.astype(float), sampling_rate=rate, method="elgendi")
        return neurokit2.ppg_findpeaks(clean, sampling_rate=rate, method=name)["PPG_Peaks"]

    return detect


def _sleepecg(ecg: NDArray[Any], rate_hz: float) -> Any:
    import sleepecg

    return sleepecg.detect_heartbeats(ecg.astype(float), rate_hz)


def _xqrs(ecg: NDArray[Any], rate_hz: float) -> Any:
    from wfdb.processing import xqrs_detect

    return xqrs_detect(sig=ecg.astype(float), fs=rate_hz, verbose=False)


def _ecgdetectors(name: str) -> Detector:
    def detect(ecg: NDArray[Any], rate_hz: float) -> Any:
        from ecgdetectors import Detectors

        return getattr(Detectors(round(rate_hz)), f"{name}_detector")(ecg.astype(float))

    return detect


def _systole(name: str) -> Detector:
    def detect(ecg: NDArray[Any], rate_hz: float) -> Any:
        from systole.detection import ecg_peaks

        _, peaks = ecg_peaks(ecg.astype(float), sfreq=round(rate_hz), new_sfreq=round(rate_hz), method=name)
        return np.flatnonzero(peaks)

    return detect


def working(
    detectors: dict[str, Detector], samples: NDArray[Any], rate_hz: float
) -> tuple[dict[str, Detector], list[str]]:
    """The detectors that answer on this signal, and a notice for each that fails on it."""
    kept, failed = {}, []
    for name, detector in detectors.items():
        try:
            detector(samples, rate_hz)
        except Exception as error:  # noqa: BLE001  another tool may raise anything, and that is what is reported
            failed.append(f"skipped: {name} fails with {type(error).__name__}: {error}")
        else:
            kept[name] = detector
    return kept, failed


def notices() -> Iterator[str]:
    """One line per peer that is skipped."""
    for name in missing():
        yield f"skipped: {name} is not installed or lacks a dependency (dependency group `peers`)"
