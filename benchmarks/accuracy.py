"""Accuracy of beat detection on real recordings (the folder that ALLOSTAT_RECORDINGS names).

R peaks: MIT-BIH records, first signal, whole records, beat annotations only, ventricular flutter left out, one-to-one
matching. Systolic peaks: BIDMC, against the R peaks of the ECG recorded beside it, after removal of the pulse arrival
time (the lag, one per recording, at which most pulses match).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels import RPeakDetector, r_peaks, systolic_peaks
from allostat.quality import signal_quality
from allostat.recording import Clock, Signal
from benchmarks.peers import Detector
from tests.reference import mitbih, waves

WITHIN_S = 0.150
CLOSELY_S = 0.050
BIDMC_RATE_HZ = 125.0
LAGS_S = np.arange(0.0, 0.8, 0.02)
LADDER_RATE_HZ = 360.0


def own_r_peaks(ecg: NDArray[Any], rate_hz: float) -> NDArray[np.float64]:
    """allostat's R peaks with their fractions."""
    peaks = RPeakDetector.over(ecg, rate_hz)[1]
    return peaks.sample + peaks.fraction


def r_peak_accuracy(folder: Path, name: str, detector: Detector = own_r_peaks) -> dict[str, Any]:
    """Gross sensitivity and precision (150 ms), F1 (50 ms), mean error and jitter over all records of ``folder``.

    Jitter is the median over the records of the mean absolute difference of an error from the record's median error.
    """
    beats = given = hits = close = 0
    errors = []
    per_record = {}
    for record_name in mitbih.records(folder):
        record = mitbih.read(folder, record_name)
        found = detector(record.signals[:, 0], record.rate)
        at = record.outside_flutter(found.astype(np.float64))
        truth = record.outside_flutter(record.beats).astype(np.float64)
        pairs = waves.matched(truth, at, WITHIN_S * record.rate)
        per_record[record_name] = {"missed": len(truth) - len(pairs), "extra": len(at) - len(pairs)}
        beats, given, hits = beats + len(truth), given + len(at), hits + len(pairs)
        close += len(waves.matched(truth, at, CLOSELY_S * record.rate))
        errors.append((at[pairs[:, 1]] - truth[pairs[:, 0]]) / record.rate * 1000)
    error_ms = np.concatenate(errors)
    return {
        "task": "r_peaks",
        "contender": name,
        "beats": beats,
        "sensitivity": hits / beats,
        "precision": hits / given if given else float("nan"),
        "f1_50ms": 2 * close / (beats + given),
        "bias_ms": float(error_ms.mean()),
        "median_error_ms": float(np.median(error_ms)),
        "jitter_ms": float(np.median([jitter_ms(e) for e in errors])),
        "records": per_record,
    }


def jitter_ms(error_ms: NDArray[np.float64]) -> float:
    """Mean absolute difference of the errors of one record from their median."""
    return float(np.mean(np.abs(error_ms - np.median(error_ms)))) if len(error_ms) else float("nan")


def noisy_r_peak_accuracy(
    root: Path, name: str, detector: Detector = own_r_peaks, only: str = ""
) -> Iterator[dict[str, Any]]:
    """Sensitivity and precision (150 ms) on records with electrode-motion noise added, one result per record.

    NSTDB: record 118 with noise at 24 dB, whole. HeartPy's ladder: two minutes of 118 with noise at 24, 12 and 0 dB.
    ``only``: how the names of the records begin that are wanted, "nstdb" or "ladder".
    """
    for noisy, ecg, rate_hz, truth in noisy_records(root):
        if not noisy.startswith(only):
            continue
        found = detector(ecg, rate_hz).astype(np.float64)
        hits = len(waves.matched(truth, found, WITHIN_S * rate_hz))
        yield {
            "task": f"r_peaks {noisy}",
            "contender": name,
            "beats": len(truth),
            "sensitivity": hits / len(truth),
            "precision": hits / len(found) if len(found) else float("nan"),
            "f1": 2 * hits / (len(truth) + len(found)),
        }


def noisy_records(root: Path) -> Iterator[tuple[str, NDArray[Any], float, NDArray[np.float64]]]:
    """Name, samples, rate and beats of the noisy records that are there."""
    if (root / "nstdb").is_dir():
        for name in mitbih.records(root / "nstdb"):
            record = mitbih.read(root / "nstdb", name)
            yield f"nstdb {name}", record.signals[:, 0], record.rate, record.beats.astype(np.float64)
    for name in ("118e24", "118e12", "118e00"):
        path = root / "heartpy_examples" / f"{name}.csv"
        if path.is_file():
            truth = np.loadtxt(path.with_name(f"{name}_ann.csv"))
            yield f"ladder {name}", np.loadtxt(path), LADDER_RATE_HZ, truth


def systolic_peak_accuracy(folder: Path, name: str, detector: Detector = systolic_peaks) -> dict[str, Any]:
    """Sensitivity, precision and F1 of pulses against R peaks, pooled over the recordings of ``folder``.

    Also F1 and coverage in the windows of 10 s that the signal quality index accepts.
    """
    beats = given = hits = 0
    windows = accepted = 0
    inside = np.zeros(3, dtype=np.int64)
    lags = []
    for ppg, ecg in bidmc(folder):
        truth = r_peaks(ecg, BIDMC_RATE_HZ).astype(np.float64)
        found = detector(ppg, BIDMC_RATE_HZ).astype(np.float64)
        lag, matched = best_lag(truth, found)
        hits, beats, given = hits + matched, beats + len(truth), given + len(found)
        lags.append(lag)
        good, events = accepted_windows(ppg, truth + lag * BIDMC_RATE_HZ, found)
        windows, accepted = windows + len(good), accepted + int(good.sum())
        inside += events[:, good].sum(axis=1)
    return {
        "task": "systolic_peaks",
        "contender": name,
        "beats": beats,
        "sensitivity": hits / beats,
        "precision": hits / given if given else float("nan"),
        "f1": 2 * hits / (beats + given),
        "f1_accepted": 2 * int(inside[0]) / int(2 * inside[0] + inside[1] + inside[2]),
        "coverage": accepted / windows,
        "median_arrival_s": float(np.median(lags)),
    }


def accepted_windows(
    ppg: NDArray[Any], truth: NDArray[np.float64], found: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which windows of 10 s are accepted, and beats found, missed and extra in each: (3, windows)."""
    quality = signal_quality(Signal("ppg", "ppg", ppg, Clock.regular(len(ppg), BIDMC_RATE_HZ), "1"))
    good = quality["accepted"].values == 1
    edges = np.append(np.arange(len(good)) * 10.0 * BIDMC_RATE_HZ, len(ppg))
    pairs = waves.matched(truth, found, WITHIN_S * BIDMC_RATE_HZ)
    missed, extra = np.delete(truth, pairs[:, 0]), np.delete(found, pairs[:, 1])
    return good, np.array([np.histogram(at, edges)[0] for at in (found[pairs[:, 1]], missed, extra)])


def best_lag(truth: NDArray[np.float64], found: NDArray[np.float64]) -> tuple[float, int]:
    """Lag in s at which most R peaks have a pulse within 150 ms, and how many match there one to one."""
    if not len(found):
        return 0.0, 0
    near = [_near(truth + lag_s * BIDMC_RATE_HZ, found) for lag_s in LAGS_S]
    lag = float(LAGS_S[int(np.argmax(near))])
    return lag, len(waves.matched(truth + lag * BIDMC_RATE_HZ, found, WITHIN_S * BIDMC_RATE_HZ))


def _near(truth: NDArray[np.float64], found: NDArray[np.float64]) -> int:
    after = np.searchsorted(found, truth)
    ahead = np.abs(truth - found[np.maximum(after - 1, 0)])
    behind = np.abs(truth - found[np.minimum(after, len(found) - 1)])
    return int(np.sum(np.minimum(ahead, behind) <= WITHIN_S * BIDMC_RATE_HZ))


def bidmc(folder: Path) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """PPG and the ECG beside it (lead II, else V) of each recording."""
    for path in sorted(folder.glob("*_Signals.csv.gz")):
        with gzip.open(path, "rt") as file:
            names = [name.strip() for name in file.readline().split(",")]
            data = np.loadtxt(file, delimiter=",")
        yield data[:, names.index("PLETH")], data[:, names.index("II" if "II" in names else "V")]
