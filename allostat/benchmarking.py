"""How fast the kernels are on this machine.

Contenders of a case run in turn, again and again, so that a change of the machine's clock or load meets all of them;
what counts is the median of the CPU time. Every contender runs once before the measurement, so that compilation does
not count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import ConfigError

OWN = "allostat"
SHORTEST_RUN_S = 0.02
"""A contender that is quicker is called several times per run, because the clock is no finer."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kernel on one input.

    Parameters
    ----------
    name
        Name on the command line.
    about
        What is measured, on what.
    items, item
        How many items one call works through, and what an item is.
    inputs
        Makes the arguments of the call.
    call
        The kernel, given those arguments.
    """

    name: str
    about: str
    items: int
    item: str
    inputs: Callable[[], tuple[Any, ...]]
    call: Callable[..., object]


@dataclass(frozen=True, slots=True)
class Result:
    """CPU time of one contender on one case; times of one call in s."""

    case: str
    contender: str
    median_s: float
    least_s: float
    ns_per_item: float
    item: str
    repeats: int
    ratio: float
    """Median relative to allostat's own; 1 for allostat."""
    about: str


def run(cases: Iterable[str] | None = None, repeats: int = 5) -> list[dict[str, Any]]:
    """Measure the kernels.

    Parameters
    ----------
    cases
        Names of `CASES`; None for all.
    repeats
        Number of runs of each case.

    Returns
    -------
    results
        One dictionary per case, fields as in `Result`; ready for JSON.

    Raises
    ------
    ConfigError
        When a case is unknown.
    """
    chosen = chosen_cases(cases)
    timings = _interleaved([_timed(case.call, case.inputs()) for case in chosen], repeats)
    return [asdict(result(case, OWN, times, times)) for case, times in zip(chosen, timings, strict=True)]


def chosen_cases(names: Iterable[str] | None) -> list[Case]:
    """Cases by name, all for None; `ConfigError` for an unknown name."""
    known = {case.name: case for case in CASES}
    if names is None:
        return list(CASES)
    wanted = list(names)
    for name in wanted:
        if name not in known:
            raise ConfigError("unknown benchmark case", found=name, valid=known)
    return [known[name] for name in wanted]


def compare(case: Case, contenders: dict[str, Callable[..., object]], repeats: int = 5) -> list[dict[str, Any]]:
    """Measure allostat's kernel and other tools' on the same arguments, in turn; fields as in `Result`."""
    inputs = case.inputs()
    calls = {OWN: case.call, **contenders}
    timings = _interleaved([_timed(call, inputs) for call in calls.values()], repeats)
    return [asdict(result(case, name, times, timings[0])) for name, times in zip(calls, timings, strict=True)]


def result(case: Case, contender: str, times: Sequence[float], own: Sequence[float]) -> Result:
    """Medians and ratio of measured times."""
    median = statistics.median(times)
    reference = statistics.median(own)
    return Result(
        case=case.name,
        contender=contender,
        median_s=median,
        least_s=min(times),
        ns_per_item=median / case.items * 1e9,
        item=case.item,
        repeats=len(times),
        ratio=median / reference if reference > 0 else float("nan"),
        about=case.about,
    )


def _timed(call: Callable[..., object], inputs: tuple[Any, ...]) -> Callable[[], float]:
    """A function that gives the CPU time of one call; calls once to compile and to see how long it takes."""
    call(*inputs)
    start = time.process_time()
    call(*inputs)
    once = time.process_time() - start
    times = max(1, int(SHORTEST_RUN_S / once)) if once > 1e-5 else 1000

    def measured() -> float:
        begin = time.process_time()
        for _ in range(times):
            call(*inputs)
        return (time.process_time() - begin) / times

    return measured


def _interleaved(measurements: Sequence[Callable[[], float]], repeats: int) -> list[list[float]]:
    timings: list[list[float]] = [[] for _ in measurements]
    for _ in range(repeats):
        for times, measured in zip(timings, measurements, strict=True):
            times.append(measured())
    return timings


def table(results: Sequence[dict[str, Any]]) -> str:
    """Results as text, one line each."""
    head = ("case", "contender", "median", "per item", "ratio", "what")
    rows = [head]
    for r in results:
        each = f"{r['ns_per_item']:.3g} ns/{r['item']}"
        rows.append((r["case"], r["contender"], _duration(r["median_s"]), each, f"{r['ratio']:.3g}", r["about"]))
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _duration(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1.0:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def intervals_ms(n: int, seed: int = 1) -> NDArray[np.float64]:
    """Synthetic NN intervals: 850 ms with a respiratory rhythm, a slow wave and noise."""
    rng = np.random.default_rng(seed)
    beat = np.arange(n)
    slow = 60.0 * np.sin(2 * np.pi * beat / 400.0)
    nn: NDArray[np.float64] = 850.0 + slow + 30.0 * np.sin(2 * np.pi * 0.22 * beat) + rng.normal(0, 12, n)
    return nn


def _wave(
    minutes: float, rate_hz: float, bells: Sequence[tuple[float, float, float]], noise: float
) -> NDArray[np.float64]:
    from allostat.kernels.render import add_bumps

    nn = intervals_ms(int(minutes * 60 / 0.95))
    beats = 0.5 + np.cumsum(nn) / 1000.0
    n = int(minutes * 60 * rate_hz)
    samples = np.random.default_rng(2).normal(0, noise, n)
    for height, after_s, width_s in bells:
        add_bumps(samples, rate_hz, beats + after_s, np.full(len(beats), width_s), np.full(len(beats), height))
    return samples


_ECG_BELLS = ((0.12, -0.16, 0.022), (1.2, 0.0, 0.011), (-0.2, 0.03, 0.009), (0.28, 0.26, 0.045))
_PPG_BELLS = ((1.0, 0.0, 0.075), (0.35, 0.30, 0.10))


def synthetic_ecg(minutes: float, rate_hz: float) -> NDArray[np.int16]:
    """ECG of P, QRS and T bells with noise, in µV."""
    return np.round(1000 * _wave(minutes, rate_hz, _ECG_BELLS, 0.02)).astype(np.int16)


def synthetic_ppg(minutes: float, rate_hz: float) -> NDArray[np.float64]:
    """PPG of systolic and dicrotic bells with noise."""
    return _wave(minutes, rate_hz, _PPG_BELLS, 0.01)


def _r_peaks(ecg: NDArray[Any], rate_hz: float) -> object:
    from allostat.kernels import r_peaks

    return r_peaks(ecg, rate_hz)


def _r_peaks_in_packets(ecg: NDArray[Any], rate_hz: float) -> object:
    from allostat.kernels import RPeakDetector

    detector = RPeakDetector(rate_hz)
    return [detector.push(ecg[at : at + 73]) for at in range(0, len(ecg), 73)]


def _systolic_peaks(ppg: NDArray[Any], rate_hz: float) -> object:
    from allostat.kernels import systolic_peaks

    return systolic_peaks(ppg, rate_hz)


def _correction(times_ms: NDArray[np.float64]) -> object:
    from allostat.kernels.artefacts import correct

    return correct(times_ms)


def _time_domain(nn_ms: NDArray[np.float64]) -> object:
    from allostat.kernels.time_domain import time_domain

    return time_domain(nn_ms)


def _poincare(nn_ms: NDArray[np.float64]) -> object:
    from allostat.kernels.poincare import poincare

    return poincare(nn_ms)


def _welch(series: NDArray[np.float64]) -> object:
    from allostat.kernels.spectrum import welch

    return welch(series, 4.0)


def _cosinor(t_h: NDArray[np.float64], values: NDArray[np.float64]) -> object:
    from allostat.kernels.cosinor import cosinor

    return cosinor(t_h, values)


def _log_linear(t_h: NDArray[np.float64], values: NDArray[np.float64]) -> object:
    from allostat.kernels.regression import log_linear

    return log_linear(t_h, values)


def _beat_times_with_artefacts() -> NDArray[np.float64]:
    nn = intervals_ms(5000)
    nn[100::250] *= 0.6
    nn[101::250] *= 1.4
    nn[200::500] *= 2.0
    return np.cumsum(nn)


def _week() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    t_h = np.arange(0, 168, 5 / 60)
    return t_h, 40 + 10 * np.cos(2 * np.pi * (t_h - 3) / 24) + np.random.default_rng(3).normal(0, 5, len(t_h))


def _day_of_cortisol() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    t_h = np.array([0.0, 4.0, 9.0, 15.0])
    return t_h, 15.0 * np.exp(-0.12 * t_h)


CASES: tuple[Case, ...] = (
    Case(
        "r_peaks", "R peaks, 30 min of ECG at 250 Hz, whole", 450_000, "sample",
        lambda: (synthetic_ecg(30, 250.0), 250.0), _r_peaks,
    ),
    Case(
        "r_peaks_360", "R peaks, 30 min of ECG at 360 Hz, whole", 648_000, "sample",
        lambda: (synthetic_ecg(30, 360.0), 360.0), _r_peaks,
    ),
    Case(
        "r_peaks_live", "R peaks, 10 min of ECG at 130 Hz, packets of 73", 78_000, "sample",
        lambda: (synthetic_ecg(10, 130.0), 130.0), _r_peaks_in_packets,
    ),
    Case(
        "systolic_peaks", "systolic peaks, 60 min of PPG at 64 Hz, whole", 230_400, "sample",
        lambda: (synthetic_ppg(60, 64.0), 64.0), _systolic_peaks,
    ),
    Case(
        "correction", "artefact correction of 5,000 beats", 5_000, "beat",
        lambda: (_beat_times_with_artefacts(),), _correction,
    ),
    Case(
        "time_domain", "time-domain HRV of 350 intervals", 350, "interval",
        lambda: (intervals_ms(350),), _time_domain,
    ),
    Case("poincare", "Poincaré axes of 350 intervals", 350, "interval", lambda: (intervals_ms(350),), _poincare),
    Case("welch", "Welch spectrum of 5 min at 4 Hz", 1_200, "point", lambda: (intervals_ms(1200),), _welch),
    Case("cosinor", "cosinor of a week in steps of 5 min", 2_016, "value", _week, _cosinor),
    Case("log_linear", "log-linear slope of four cortisol samples", 4, "value", _day_of_cortisol, _log_linear),
)  # fmt: skip
"""What is measured; the tests and the comparison with other tools use the same table."""
