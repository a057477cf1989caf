"""What is measured: one kernel on one input each. Another tool's function for a case is in ``workers/``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.benchmarking import inputs
from allostat.benchmarking.agreement import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

Inputs = Mapping[str, Any]


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
        How many items one call works through, and what an item is. Inputs of this length can be cut shorter for a
        tool that would take minutes.
    inputs
        Makes the arguments of the call, arrays and numbers by name.
    call
        The kernel, given those arguments.
    answer
        What of the result is compared with other tools' results: values by name, or the instants of beats in s.
    long
        Whether it is left out unless asked for, because other tools take minutes.
    """

    name: str
    about: str
    items: int
    item: str
    inputs: Callable[[], Inputs]
    call: Callable[..., Any]
    answer: Callable[[Any], Answer]
    long: bool = False

    def shorter(self, given: Inputs, items: int) -> Inputs:
        """The inputs with no more than the first so many items."""
        return {
            name: value[:items] if isinstance(value, np.ndarray) and len(value) == self.items else value
            for name, value in given.items()
        }


def chosen_cases(names: Iterable[str] | None, *, long: bool = False) -> list[Case]:
    """Cases by name; for None all, those that take long only when asked for.

    Raises
    ------
    ConfigError
        When a name is unknown.
    """
    from allostat.errors import ConfigError

    known = {case.name: case for case in CASES}
    if names is None:
        return [case for case in CASES if long or not case.long]
    wanted = list(names)
    for name in wanted:
        if name not in known:
            raise ConfigError("unknown benchmark case", found=name, valid=known)
    return [known[name] for name in wanted]


def _r_peaks(ecg: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels import r_peaks

    return r_peaks(ecg, rate_hz) / rate_hz


def _r_peaks_in_packets(ecg: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels import RPeakDetector

    detector = RPeakDetector(rate_hz)
    batches = [detector.push(ecg[at : at + 73]) for at in range(0, len(ecg), 73)]
    batches.append(detector.flush())
    return np.concatenate([batch.sample for batch in batches]) / rate_hz


def _systolic_peaks(ppg: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels import systolic_peaks

    return systolic_peaks(ppg, rate_hz) / rate_hz


def _correction(times_ms: NDArray[Any]) -> Any:
    from allostat.kernels.artefacts import correct

    return correct(times_ms)


def _artefact_classes(times_ms: NDArray[Any]) -> Any:
    from allostat.kernels.artefacts import lipponen_tarvainen

    return lipponen_tarvainen(times_ms)


def _time_domain(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.time_domain import time_domain

    return time_domain(nn_ms)


def _time_domain_in_windows(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> Any:
    from allostat.kernels.time_domain import windowed

    return windowed(nn_ms, first, stop)


def _poincare(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.poincare import poincare

    return poincare(nn_ms)


def _welch(series: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels.spectrum import welch

    return welch(series, rate_hz)


def _band_powers(times_s: NDArray[Any], nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.spectrum import band_power, even_series, welch

    frequencies, density = welch(even_series(times_s, nn_ms, 4.0), 4.0)
    return band_power(frequencies, density, 0.04, 0.15), band_power(frequencies, density, 0.15, 0.4)


def _hrv_in_windows(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> Any:
    from allostat.hrv import hrv
    from allostat.recording import Beats

    return hrv(Beats.from_intervals(nn_ms[: stop[-1] + 1]), window="5min", step="1min")


def _cosinor(t_h: NDArray[Any], values: NDArray[Any]) -> Any:
    from allostat.kernels.cosinor import cosinor

    return cosinor(t_h, values)


def _rest_activity(values: NDArray[Any]) -> Any:
    from allostat.kernels.rest_activity import rest_activity

    return rest_activity(values, 0, 288)


def _log_linear(t_h: NDArray[Any], values: NDArray[Any]) -> Any:
    from allostat.kernels.regression import log_linear

    return log_linear(t_h, values)


def _at(instants: Any) -> Answer:
    return np.asarray(instants, dtype=np.float64)


def _named(*names: str) -> Callable[[Any], Answer]:
    """Fields of a named tuple, or values of a dictionary."""

    def answer(result: Any) -> Answer:
        return {name: float(result[name] if isinstance(result, dict) else getattr(result, name)) for name in names}

    return answer


def _corrected(result: Any) -> Answer:
    """How many beats there are after correction, and what HRV they have."""
    times = result[0]
    return {"beats": len(times), "sdnn": float(np.diff(times).std(ddof=1)), "end_ms": float(times[-1])}


def _class_counts(classes: Any) -> Answer:
    names = ("ectopic", "missed", "extra", "long_or_short")
    return {name: float((classes == code).sum()) for code, name in enumerate(names, 1)}


def _means_over_windows(table: Any) -> Answer:
    from allostat.kernels.time_domain import MEASURES

    return {name: float(table[:, MEASURES.index(name)].mean()) for name in ("mean_nn", "sdnn", "rmssd", "pnn50")}


def _means_of_variables(dataset: Any) -> Answer:
    names = ("sdnn", "rmssd", "sd1", "sd2", "lf", "hf")
    return {name: float(dataset[name].mean()) for name in names}


def _density(result: Any) -> Answer:
    frequencies, density = result
    return {"at_resonance": float(density.max()), "total": float(np.sum(density) * frequencies[1])}


def _powers(result: Any) -> Answer:
    return dict(zip(("lf", "hf"), result, strict=True))


_WINDOWS = 1_412
"""How many windows `inputs.a_day_in_windows` has."""

CASES: tuple[Case, ...] = (
    Case(
        "r_peaks", "R peaks, 30 min of ECG at 250 Hz", 450_000, "sample",
        lambda: {"ecg": inputs.synthetic_ecg(30, 250.0), "rate_hz": 250.0}, _r_peaks, _at,
    ),
    Case(
        "r_peaks_24h", "R peaks, 24 h of ECG at 250 Hz", 21_600_000, "sample",
        lambda: {"ecg": inputs.synthetic_ecg(1440, 250.0), "rate_hz": 250.0}, _r_peaks, _at, long=True,
    ),
    Case(
        "r_peaks_live", "R peaks, 10 min of ECG at 130 Hz, packets of 73", 78_000, "sample",
        lambda: {"ecg": inputs.synthetic_ecg(10, 130.0), "rate_hz": 130.0}, _r_peaks_in_packets, _at,
    ),
    Case(
        "systolic_peaks", "systolic peaks, 60 min of PPG at 64 Hz", 230_400, "sample",
        lambda: {"ppg": inputs.synthetic_ppg(60, 64.0), "rate_hz": 64.0}, _systolic_peaks, _at,
    ),
    Case(
        "correction", "artefact correction of 100,000 beats, repeated while it helps", 100_000, "beat",
        lambda: {"times_ms": inputs.beat_times_with_artefacts(100_000)}, _correction, _corrected,
    ),
    Case(
        "artefact_classes", "classes of artefacts of 100,000 beats, one pass", 100_000, "beat",
        lambda: {"times_ms": inputs.beat_times_with_artefacts(100_000)}, _artefact_classes, _class_counts,
    ),
    Case(
        "time_domain", "time-domain HRV of 353 intervals", 353, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(353)}, _time_domain, _named("mean_nn", "sdnn", "rmssd", "pnn50"),
    ),
    Case(
        "time_domain_24h", "time-domain HRV of a day, 5-min windows every minute", _WINDOWS, "window",
        inputs.a_day_in_windows, _time_domain_in_windows, _means_over_windows,
    ),
    Case(
        "poincare", "Poincaré axes of 353 intervals", 353, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(353)}, _poincare, _named("sd1", "sd2"),
    ),
    Case(
        "welch", "Welch spectrum of 5 min at 4 Hz", 1_200, "point",
        lambda: {"series": inputs.intervals_ms(1200), "rate_hz": 4.0}, _welch, _density,
    ),
    Case(
        "band_powers", "LF and HF of 353 intervals (resampled at 4 Hz, Welch)", 353, "interval",
        inputs.five_minutes, _band_powers, _powers,
    ),
    Case(
        "hrv_24h", "all windowed HRV of a day, 5-min windows every minute", _WINDOWS, "window",
        inputs.a_day_in_windows, _hrv_in_windows, _means_of_variables,
    ),
    Case(
        "cosinor", "cosinor of a week in steps of 5 min", 2_016, "value",
        inputs.a_week, _cosinor, _named("mesor", "amplitude", "acrophase_h"),
    ),
    Case(
        "rest_activity", "IS, IV, L5, M10 of a week in steps of 5 min", 2_016, "value",
        lambda: {"values": inputs.a_week()["values"]}, _rest_activity,
        _named("interdaily_stability", "intradaily_variability", "l5", "m10"),
    ),
    Case(
        "log_linear", "log-linear slope of four cortisol samples", 4, "value",
        inputs.a_day_of_cortisol, _log_linear, _named("slope"),
    ),
)  # fmt: skip
"""What is measured; tests, the command line and the comparison with other tools use the same table."""
