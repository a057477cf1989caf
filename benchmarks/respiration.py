"""Breathing rate from ECG and PPG of BIDMC against the breaths that two annotators marked (ALLOSTAT_RECORDINGS).

The reference of a window is the mean of the two annotators' rates; windows in which they differ by more than 2 /min
have none. NeuroKit2's contender: the breathing signal that its ``ecg_rsp`` derives from the heart rate by its default
method (van Gent 2019), and the highest peak of that signal's spectrum in the same windows and band.
"""

from __future__ import annotations

import gzip
import itertools
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.beats import find_beats
from allostat.recording import NS_PER_S, Clock, Signal
from allostat.respiration import respiration_rate
from benchmarks.accuracy import BIDMC_RATE_HZ, bidmc

AGREEMENT = 2.0


def annotated_breaths(folder: Path) -> list[list[NDArray[np.float64]]]:
    """Instants in s of both annotators' breaths, recording by recording."""
    found = []
    for path in sorted(folder.glob("*_Breaths.csv.gz")):
        columns: list[list[float]] = [[], []]
        with gzip.open(path, "rt") as file:
            next(file)
            for line in file:
                for column, cell in zip(columns, line.split(","), strict=False):
                    if cell.strip() not in ("", "NaN"):
                        column.append(float(cell) / BIDMC_RATE_HZ)
        found.append([np.sort(np.array(column)) for column in columns])
    return found


def annotated_rate(breaths: list[NDArray[np.float64]], start_s: float, stop_s: float) -> float:
    """Breaths per minute in a window; NaN when the annotators disagree."""
    rates = []
    for times in breaths:
        inside = times[(times >= start_s) & (times < stop_s)]
        rates.append(60 * (len(inside) - 1) / (inside[-1] - inside[0]) if len(inside) > 2 else np.nan)
    return float(np.mean(rates)) if abs(rates[0] - rates[1]) <= AGREEMENT else float("nan")


def respiration_accuracy(folder: Path, kind: str, *, neurokit: bool = False, limit: int = 30) -> dict[str, Any]:
    """Errors in breaths per minute over all windows, over accepted ones, and the share accepted."""
    errors, accepted, doubt = [], [], []
    pairs = zip(bidmc(folder), annotated_breaths(folder), strict=False)
    for (ppg, ecg), breaths in itertools.islice(pairs, limit):
        samples = ecg if kind == "ecg" else ppg
        signal = Signal(kind, kind, samples, Clock.regular(len(samples), BIDMC_RATE_HZ), "1")  # type: ignore[arg-type]
        beats = find_beats(signal)
        found = respiration_rate(signal, beats)
        rate = _neurokit_rate(beats.times_ns / NS_PER_S, found) if neurokit else found.respiration_rate.values
        start, stop = found.time.values / NS_PER_S, found.end.values / NS_PER_S
        truth = np.array([annotated_rate(breaths, a, b) for a, b in zip(start, stop, strict=True)])
        known = np.isfinite(truth)
        errors.append((rate - truth)[known])
        accepted.append(found.accepted.values[known] == 1)
        doubt.append(found.uncertainty.values[known])
    error, kept, said = np.abs(np.concatenate(errors)), np.concatenate(accepted), np.concatenate(doubt)
    has = np.isfinite(error)
    return {
        "contender": "neurokit2" if neurokit else "allostat",
        "signal": kind,
        "windows": len(error),
        "mae_all": float(error[has].mean()),
        "median_all": float(np.median(error[has])),
        "coverage_all": float(has.mean()),
        "mae_accepted": float(error[has & kept].mean()),
        "p95_accepted": float(np.percentile(error[has & kept], 95)),
        "coverage_accepted": float((has & kept).mean()),
        "within_2_uncertainties": float(np.mean(error[has & kept] <= 2 * np.maximum(said[has & kept], 0.15))),
    }


def _neurokit_rate(beats_s: NDArray[np.float64], windows: Any) -> NDArray[np.float64]:
    import neurokit2

    samples = np.rint(beats_s * BIDMC_RATE_HZ).astype(int)
    length = int(windows.end.values[-1] / NS_PER_S * BIDMC_RATE_HZ)
    rate = neurokit2.signal_rate(samples, sampling_rate=int(BIDMC_RATE_HZ), desired_length=length)
    edr = neurokit2.ecg_rsp(rate, sampling_rate=int(BIDMC_RATE_HZ), method="vangent2019")
    out = []
    for start, stop in zip(windows.time.values, windows.end.values, strict=True):
        part = edr[int(start / NS_PER_S * BIDMC_RATE_HZ) : int(stop / NS_PER_S * BIDMC_RATE_HZ)]
        power = np.abs(np.fft.rfft((part - part.mean()) * np.hanning(len(part)), 16 * len(part))) ** 2
        frequency = np.fft.rfftfreq(16 * len(part), 1 / BIDMC_RATE_HZ)
        band = (frequency >= 0.1) & (frequency <= 0.6)
        out.append(60 * frequency[band][power[band].argmax()])
    return np.array(out)


if __name__ == "__main__":
    if len(sys.argv) < 2 and "ALLOSTAT_RECORDINGS" not in os.environ:
        sys.exit("name the folder of BIDMC, or the folder of recordings in ALLOSTAT_RECORDINGS")
    bidmc = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(os.environ["ALLOSTAT_RECORDINGS"]) / "bidmc"
    for one in (
        respiration_accuracy(bidmc, "ecg"),
        respiration_accuracy(bidmc, "ppg"),
        respiration_accuracy(bidmc, "ecg", neurokit=True),
    ):
        print(one)
