"""hrv-analysis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PACKAGES = ("hrv-analysis",)

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]

_TIME = {"mean_nn": "mean_nni", "sdnn": "sdnn", "rmssd": "rmssd", "pnn50": "pnni_50"}


def _time_domain(nn_ms: Any) -> Pair:
    from hrvanalysis import get_time_domain_features

    given = nn_ms.tolist()
    return (lambda: get_time_domain_features(given)), lambda found: {name: found[key] for name, key in _TIME.items()}


def _time_domain_in_windows(nn_ms: Any, first: Any, stop: Any) -> Pair:
    from hrvanalysis import get_time_domain_features

    windows = [nn_ms[a:b].tolist() for a, b in zip(first, stop, strict=True)]
    return (
        lambda: [get_time_domain_features(window) for window in windows],
        lambda found: {name: np.mean([one[key] for one in found]) for name, key in _TIME.items()},
    )


def _poincare(nn_ms: Any) -> Pair:
    from hrvanalysis import get_poincare_plot_features

    given = nn_ms.tolist()
    return (lambda: get_poincare_plot_features(given)), lambda found: {name: found[name] for name in ("sd1", "sd2")}


def _band_powers(times_s: Any, nn_ms: Any) -> Pair:
    from hrvanalysis import get_frequency_domain_features

    given = nn_ms.tolist()
    return (lambda: get_frequency_domain_features(given)), lambda found: {name: found[name] for name in ("lf", "hf")}


def _geometry(nn_ms: Any) -> Pair:
    from hrvanalysis import get_geometrical_features

    given = nn_ms.tolist()
    return (
        lambda: get_geometrical_features(given),
        lambda found: {"triangular_index": found["triangular_index"]},
    )


CONTENDERS = {
    ("geometry", "hrv-analysis"): _geometry,
    ("time_domain", "hrv-analysis"): _time_domain,
    ("time_domain_24h", "hrv-analysis"): _time_domain_in_windows,
    ("poincare", "hrv-analysis"): _poincare,
    ("band_powers", "hrv-analysis"): _band_powers,
}
