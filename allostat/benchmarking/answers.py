"""What of a result is compared with another tool's: values by name, or the instants of beats in s."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from allostat.benchmarking.agreement import Answer

# ruff: noqa: D103  each takes the result of a call of the same subject


def at(instants: Any) -> Answer:
    return np.asarray(instants, dtype=np.float64)


def named(*names: str) -> Callable[[Any], Answer]:
    """Fields of a named tuple, or values of a dictionary."""

    def answer(result: Any) -> Answer:
        return {name: float(result[name] if isinstance(result, dict) else getattr(result, name)) for name in names}

    return answer


def corrected(result: Any) -> Answer:
    """How many beats there are after correction, and what HRV they have."""
    times = result[0]
    return {"beats": len(times), "sdnn": float(np.diff(times).std(ddof=1)), "end_ms": float(times[-1])}


def class_counts(classes: Any) -> Answer:
    names = ("ectopic", "missed", "extra", "long_or_short")
    return {name: float((classes == code).sum()) for code, name in enumerate(names, 1)}


def means_over_windows(table: Any) -> Answer:
    from allostat.kernels.time_domain import MEASURES

    return {name: float(table[:, MEASURES.index(name)].mean()) for name in ("mean_nn", "sdnn", "rmssd", "pnn50")}


def means_of_variables(dataset: Any) -> Answer:
    names = ("sdnn", "rmssd", "sd1", "sd2", "lf", "hf", "sample_entropy", "dfa_alpha1")
    return {name: float(dataset[name].mean()) for name in names}


def density(result: Any) -> Answer:
    frequencies, density = result
    return {"at_resonance": float(density.max()), "total": float(np.sum(density) * frequencies[1])}


def power(density: Any) -> Answer:
    return {"mean_density": float(np.mean(density)), "peak": float(np.max(density))}


def level(density: Any) -> Answer:
    """Geometric mean: of a model's density it is the prediction error, which sharp peaks do not upset."""
    return {"level": float(np.exp(np.mean(np.log(density))))}


def of_scales(values: Any) -> Answer:
    return {"mean": float(np.mean(np.asarray(values, dtype=np.float64)))}


def alpha(value: Any) -> Answer:
    return {"alpha1": float(value)}


def trend(values: Any) -> Answer:
    return {"start": float(values[0]), "middle": float(values[len(values) // 2]), "end": float(values[-1])}


def powers(result: Any) -> Answer:
    return dict(zip(("lf", "hf"), result, strict=True))


def mean_share(values: Any) -> Answer:
    return {"mean": float(np.nanmean(values))}


def first_sleep(sleeps: Any) -> Answer:
    return {"start_min": sleeps[0].start, "end_min": sleeps[0].end}


def median_rate(found: Any) -> Answer:
    return {"rate_hz": float(np.nanmedian(found.rate_hz))}
