"""What live beats, quality and HRV cost, and how late they come.

    python -m benchmarks.live_analysis

CPU time per notification: least and median of interleaved repeats over simulated straps, beside a yardstick of the
machine, NumPy's sum of 100,000 numbers. Delays: data time from what is measured (a beat, the end of a window) to the
sample that let it out, in notifications of 50 ms; with ALLOSTAT_RECORDINGS set over MIT-BIH records and BIDMC pulses,
otherwise over the simulated ones. What a notification waits in the strap comes on top.
"""

from __future__ import annotations

import csv
import gzip
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from allostat.live.analysis import LiveAnalysis
from allostat.live.live_hrv import WindowGrid
from allostat.live.updates import BeatsFound, HrvWindow, Placed, PlacedSamples, QualityWindow, Update
from tests.live.streams import placed_intervals, placed_signal, regular
from tests.reference import mitbih, waves

STRAPS = 20
BAR_SHARE = 0.25
"""Of one core, for everything that a session does for `STRAPS` straps."""
REPEATS = 7
NO_HRV = WindowGrid((1e6,), 1e6)
RECORDS = ("101", "106", "112", "115", "119", "122", "208", "223", "230")


def simulated() -> tuple[NDArray[np.float64], dict[str, list[Placed]]]:
    """Beat times of 10 minutes, and what an ECG, a PPG and the intervals of a strap make of them."""
    rng = np.random.default_rng(1)
    beats = waves.beat_times(750, 0.85, 0.05, rng)
    ecg, ppg = 1000 * waves.ecg(beats, 130.0), -5000 * waves.ppg(beats, 55.0)
    ecg_raw, ppg_raw = (np.round(x + rng.normal(0, 20, len(x))).astype(np.int32) for x in (ecg, ppg))
    rr = np.concatenate([[np.nan], 1000 * np.diff(beats)])
    return beats, {
        "ECG, 73 samples": placed_signal(ecg_raw, regular(len(ecg_raw), 130.0)),
        "PPG, 36 samples": placed_signal(ppg_raw, regular(len(ppg_raw), 55.0, 36), kind="ppg"),
        "RR, 1 interval": placed_intervals(rr, [1] * len(rr)),
    }


def pushed(placed: list[Placed], analysis: LiveAnalysis) -> int:
    """Number of updates."""
    return sum(len(analysis.push(value)) for value in placed)


def costs() -> tuple[dict[str, list[float]], dict[str, float]]:
    """Microseconds per notification and repeat, and notifications per second, by kind."""
    beats, placed = simulated()
    numbers = np.arange(100_000.0)
    todo: dict[str, tuple[Callable[[], object], int]] = {
        "yardstick": (lambda: [numbers.sum() for _ in range(100)], 100)
    }
    for name, values in placed.items():
        todo[name] = (lambda values=values: pushed(values, LiveAnalysis()), len(values))  # type: ignore[misc]
        todo[f"{name}, without HRV"] = (
            lambda values=values: pushed(values, LiveAnalysis(NO_HRV)),  # type: ignore[misc]
            len(values),
        )
    times: dict[str, list[float]] = {name: [] for name in todo}
    for repeat in range(REPEATS + 1):
        for name, (call, count) in todo.items():
            started = time.thread_time()
            call()
            if repeat:
                times[name].append((time.thread_time() - started) / count * 1e6)
    return times, {name: len(values) / float(beats[-1]) for name, values in placed.items()}


def recorded() -> Iterator[tuple[str, list[Placed]]]:
    """Signals for the delays, in notifications of 50 ms."""
    folder = Path(os.environ.get("ALLOSTAT_RECORDINGS", ""))
    if not (folder / "mitdb").is_dir():
        for name, values in simulated()[1].items():
            yield name[:3].lower(), values
        return
    for record in RECORDS:
        raw = mitbih.read(folder / "mitdb", record).signals[:, 0].astype(np.int32)
        yield "ecg", placed_signal(raw, regular(len(raw), 360.0, 18))
    for number in range(1, 31, 3):
        with gzip.open(folder / "bidmc" / f"bidmc_{number:02d}_Signals.csv.gz", "rt") as file:
            rows = csv.reader(file)
            column = [title.strip() for title in next(rows)].index("PLETH")
            pulse = np.array([round(10_000 * float(row[column])) for row in rows], dtype=np.int32)
        yield "ppg", placed_signal(pulse, regular(len(pulse), 125.0, 6), kind="ppg")


def delays() -> dict[str, list[float]]:
    """Seconds by kind of signal and of update."""
    found: dict[str, list[float]] = {}
    for kind, placed in recorded():
        analysis = LiveAnalysis()
        for value in placed:
            if not isinstance(value, PlacedSamples):
                continue
            now_ns = value.block.end_ns(value.first_index + len(value.raw))
            for update in analysis.push(value):
                for what, instants_ns in _instants(update):
                    found.setdefault(f"{kind} {what}", []).extend(1e-9 * (now_ns - ns) for ns in instants_ns)
    return found


def _instants(update: Update) -> list[tuple[str, list[int]]]:
    match update:
        case BeatsFound():
            return [("beats", update.times_ns.tolist())]
        case QualityWindow():
            return [("quality", [update.end_ns])]
        case HrvWindow():
            return [("HRV, provisional" if update.provisional else "HRV, final", [update.end_ns])]
    return []


def main() -> int:
    """Print both tables; 1 when the straps together take more than the bar."""
    times, per_second = costs()
    print(f"{'notification':32}{'least':>8}{'median':>8}  us")
    for name, values in times.items():
        print(f"{name:32}{min(values):8.1f}{statistics.median(values):8.1f}")
    share = (
        STRAPS * sum(statistics.median(times[n]) * per_second[n] for n in per_second if not n.startswith("PPG")) / 1e6
    )
    print(f"{STRAPS} straps with ECG and RR: {share:.1%} of one core (bar for everything {BAR_SHARE:.0%})\n")
    print(f"{'delay':24}{'n':>8}{'p50':>8}{'p99':>8}{'max':>8}  s")
    for name, late in sorted(delays().items()):
        print(f"{name:24}{len(late):8}" + "".join(f"{q:8.2f}" for q in np.quantile(late, [0.5, 0.99, 1.0])))
    return 0 if share <= BAR_SHARE else 1


if __name__ == "__main__":
    sys.exit(main())
