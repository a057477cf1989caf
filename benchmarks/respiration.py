"""Breathing rate from ECG and PPG of BIDMC against the breaths that two annotators marked (ALLOSTAT_RECORDINGS).

    python -m benchmarks respiration
    python -m benchmarks respiration --recordings 16-30 --only-own

Windows of a minute every 10 s. The reference of a window is the mean of the rates of both annotators; windows in which
they differ by more than 2 /min have none. Changes of the method are tried on recordings 1 to 15; 16 to 30 are reported.

NeuroKit2's contenders get the same beats and windows: the breathing signal that ``ecg_rsp`` makes of the heart rate by
each of its methods, and of it the highest peak of a spectrum of the window between 0.1 and 0.6 Hz, or the mean rate of
the breaths that ``rsp_process`` finds in it.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.beats import find_beats
from allostat.recording import NS_PER_S, Clock, Signal
from allostat.respiration import BAND_HZ, respiration_rate
from benchmarks.accuracy import BIDMC_RATE_HZ, bidmc

Floats = NDArray[np.float64]

AGREEMENT = 2.0
"""Annotators whose rates differ by more, in /min, give no truth."""

PEER_METHODS = ("vangent2019", "soni2019", "charlton2016", "sarkar2015")


class Windows(NamedTuple):
    """What a contender says of the windows of one recording, rates in /min, and which of them it accepts."""

    rate: Floats
    accepted: NDArray[np.bool_]


class Recording(NamedTuple):
    """One signal of one recording, its windows in s and the annotators' rates, NaN where they disagree."""

    number: int
    signal: Signal
    beats_s: Floats
    own: Any
    start_s: Floats
    stop_s: Floats
    truth: Floats


Contender = Callable[[Recording], Windows]


def annotated_breaths(folder: Path) -> Iterator[list[Floats]]:
    """Instants in s of both annotators' breaths, recording by recording."""
    for path in sorted(folder.glob("*_Breaths.csv.gz")):
        columns: list[list[float]] = [[], []]
        with gzip.open(path, "rt") as file:
            next(file)
            for line in file:
                for column, cell in zip(columns, line.split(","), strict=False):
                    if cell.strip() not in ("", "NaN"):
                        column.append(float(cell) / BIDMC_RATE_HZ)
        yield [np.sort(np.array(column)) for column in columns]


def annotated_rate(breaths: list[Floats], start_s: float, stop_s: float) -> float:
    """Breaths per minute in a window; NaN when the annotators disagree."""
    rates = []
    for times in breaths:
        inside = times[(times >= start_s) & (times < stop_s)]
        rates.append(60 * (len(inside) - 1) / (inside[-1] - inside[0]) if len(inside) > 2 else np.nan)
    return float(np.mean(rates)) if abs(rates[0] - rates[1]) <= AGREEMENT else float("nan")


def recordings(folder: Path, first: int, last: int) -> Iterator[Recording]:
    """ECG and PPG of the recordings from one number to another, counted from 1."""
    pairs = zip(bidmc(folder), annotated_breaths(folder), strict=True)
    for k, ((ppg, ecg), breaths) in enumerate(itertools.islice(pairs, first - 1, last), first):
        for kind, samples in (("ecg", ecg), ("ppg", ppg)):
            signal = Signal(kind, kind, samples, Clock.regular(len(samples), BIDMC_RATE_HZ), "1")  # type: ignore[arg-type]
            beats = find_beats(signal)
            own = respiration_rate(signal, beats)
            start, stop = own.time.values / NS_PER_S, own.end.values / NS_PER_S
            truth = np.array([annotated_rate(breaths, a, b) for a, b in zip(start, stop, strict=True)])
            yield Recording(k, signal, beats.times_ns / NS_PER_S, own, start, stop, truth)


def own_rates(recording: Recording) -> Windows:
    return Windows(recording.own.respiration_rate.values, recording.own.accepted.values == 1)


def of_modulation(k: int) -> Contender:
    """The rate of one modulation of allostat's by itself."""

    def rates(recording: Recording) -> Windows:
        rate = recording.own.rate_by_modulation.values[k]
        return Windows(rate, np.isfinite(rate))

    return rates


def neurokit_spectrum(method: str) -> Contender:
    """Highest peak of the spectrum of NeuroKit2's breathing signal."""

    def rates(recording: Recording) -> Windows:
        edr = _neurokit_signal(recording, method)
        out = []
        for start, stop in zip(recording.start_s, recording.stop_s, strict=True):
            part = edr[int(start * BIDMC_RATE_HZ) : int(stop * BIDMC_RATE_HZ)]
            power = np.abs(np.fft.rfft((part - part.mean()) * np.hanning(len(part)), 16 * len(part))) ** 2
            frequency = np.fft.rfftfreq(16 * len(part), 1 / BIDMC_RATE_HZ)
            band = (frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1])
            out.append(60 * frequency[band][power[band].argmax()])
        return Windows(np.array(out), np.ones(len(out), bool))

    return rates


def neurokit_breaths(method: str) -> Contender:
    """Mean rate of the breaths that NeuroKit2 finds in its breathing signal."""

    def rates(recording: Recording) -> Windows:
        import neurokit2

        edr = _neurokit_signal(recording, method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            signals, _ = neurokit2.rsp_process(edr, sampling_rate=int(BIDMC_RATE_HZ))
        rate = signals["RSP_Rate"].to_numpy()
        ends = zip(recording.start_s, recording.stop_s, strict=True)
        means = np.array([np.nanmean(rate[int(a * BIDMC_RATE_HZ) : int(b * BIDMC_RATE_HZ)]) for a, b in ends])
        return Windows(means, np.isfinite(means))

    return rates


def _neurokit_signal(recording: Recording, method: str) -> Floats:
    import neurokit2

    samples = np.rint(recording.beats_s * BIDMC_RATE_HZ).astype(int)
    length = len(recording.signal)
    rate = neurokit2.signal_rate(samples, sampling_rate=int(BIDMC_RATE_HZ), desired_length=length)
    return np.asarray(neurokit2.ecg_rsp(rate, sampling_rate=int(BIDMC_RATE_HZ), method=method))


def contenders(*, only_own: bool = False) -> dict[str, Contender]:
    found: dict[str, Contender] = {"allostat": own_rates}
    for k, name in enumerate(("amplitude", "baseline", "interval")):
        found[f"allostat, {name} alone"] = of_modulation(k)
    if not only_own:
        found |= {f"neurokit2 {name}, spectrum": neurokit_spectrum(name) for name in PEER_METHODS}
        found |= {f"neurokit2 {name}, breaths": neurokit_breaths(name) for name in PEER_METHODS}
    return found


def respiration_accuracy(
    folder: Path, first: int = 1, last: int = 30, *, only_own: bool = False
) -> list[dict[str, Any]]:
    """Errors in /min over the windows with a truth, of each contender and signal: all windows, and accepted ones."""
    chosen = contenders(only_own=only_own)
    errors: dict[tuple[str, str], list[tuple[Floats, NDArray[np.bool_]]]] = {}
    for recording in recordings(folder, first, last):
        known = np.isfinite(recording.truth)
        for name, contender in chosen.items():
            found = contender(recording)
            off = np.abs(found.rate - recording.truth)[known]
            errors.setdefault((recording.signal.kind, name), []).append((off, found.accepted[known]))
    return [_summary(kind, name, parts) for (kind, name), parts in sorted(errors.items())]


def _summary(kind: str, name: str, parts: list[tuple[Floats, NDArray[np.bool_]]]) -> dict[str, Any]:
    off, accepted = np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])
    has = np.isfinite(off)
    kept = has & accepted
    return {
        "task": "breathing rate",
        "signal": kind,
        "contender": name,
        "windows": len(off),
        "mae": float(off[has].mean()),
        "median": float(np.median(off[has])),
        "within_2": float(np.mean(off <= 2)),
        "coverage": float(kept.mean()),
        "mae_accepted": float(off[kept].mean()),
        "p95_accepted": float(np.percentile(off[kept], 95)),
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks respiration",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--recordings", default="16-30", metavar="FIRST-LAST", help="numbers of recordings, from 1 to 53"
    )
    parser.add_argument("--only-own", action="store_true", help="leave NeuroKit2 out")
    chosen = parser.parse_args(arguments)
    if not os.environ.get("ALLOSTAT_RECORDINGS"):
        parser.error("ALLOSTAT_RECORDINGS names no folder of recordings")
    first, last = (int(part) for part in chosen.recordings.split("-"))
    folder = Path(os.environ["ALLOSTAT_RECORDINGS"]) / "bidmc"
    for found in respiration_accuracy(folder, first, last, only_own=chosen.only_own):
        numbers = "  ".join(
            f"{key} {100 * value:.1f} %" if key in ("within_2", "coverage") else f"{key} {value:.4g}"
            for key, value in found.items()
            if isinstance(value, int | float)
        )
        print(f"{found['signal']}  {found['contender']:<34} {numbers}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
