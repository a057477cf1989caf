"""antropy and nolds, and a mix of them with SciPy and NumPy as one would put together by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PACKAGES = ("antropy", "nolds", "scipy")

Pair = tuple[Callable[[], Any], Callable[[Any], Any]]


def _antropy_entropies(nn_ms: Any) -> Pair:
    import antropy

    def call() -> Any:
        r = 0.2 * nn_ms.std(ddof=1)
        return antropy.sample_entropy(nn_ms, 2, r), antropy.app_entropy(nn_ms, 2, r)

    return call, lambda found: {"sample": found[0], "approximate": found[1]}


def _nolds_entropy(nn_ms: Any) -> Pair:
    import nolds

    return (
        lambda: nolds.sampen(nn_ms, emb_dim=2, tolerance=0.2 * nn_ms.std(ddof=1)),
        lambda found: {"sample": found},
    )


def _nolds_dfa(nn_ms: Any) -> Pair:
    import nolds

    boxes = list(range(4, 17))
    return (
        lambda: nolds.dfa(nn_ms, nvals=boxes, overlap=False, order=1, fit_exp="poly"),
        lambda found: {"alpha1": found},
    )


def _antropy_dfa(nn_ms: Any) -> Pair:
    import antropy

    # It chooses its own boxes, so that the value is another one.
    return (lambda: antropy.detrended_fluctuation(nn_ms)), lambda found: {"alpha1": found}


def _mix(nn_ms: Any, first: Any, stop: Any) -> Pair:
    import antropy
    import nolds
    from scipy import interpolate, signal

    welch: Any = signal.welch
    windows = [nn_ms[a:b] for a, b in zip(first, stop, strict=True)]
    boxes, far_boxes = list(range(4, 17)), list(range(16, 65))

    def call() -> Any:
        rows = []
        for nn in windows:
            change = np.diff(nn)
            ends = np.cumsum(nn) / 1000
            even = interpolate.CubicSpline(ends, nn)(np.arange(ends[0], ends[-1], 0.25))
            frequencies, density = welch(even, 4.0, "hann", 1024, 512, detrend="linear")
            lf = (frequencies >= 0.04) & (frequencies < 0.15)
            hf = (frequencies >= 0.15) & (frequencies < 0.4)
            r = 0.2 * nn.std(ddof=1)
            rows.append(
                {
                    "sdnn": nn.std(ddof=1),
                    "rmssd": np.sqrt(np.mean(change**2)),
                    "pnn50": np.mean(np.abs(change) > 50),
                    "sd1": np.std(change / np.sqrt(2), ddof=1),
                    "sd2": np.std((nn[1:] + nn[:-1]) / np.sqrt(2), ddof=1),
                    "lf": np.trapezoid(density[lf], frequencies[lf]),
                    "hf": np.trapezoid(density[hf], frequencies[hf]),
                    "sample_entropy": antropy.sample_entropy(nn, 2, r),
                    "approximate_entropy": antropy.app_entropy(nn, 2, r),
                    "dfa_alpha1": nolds.dfa(nn, nvals=boxes, overlap=False, fit_exp="poly"),
                    "dfa_alpha2": nolds.dfa(nn, nvals=far_boxes, overlap=False, fit_exp="poly"),
                }
            )
        return rows

    return call, lambda rows: {name: np.mean([row[name] for row in rows]) for name in rows[0]}


CONTENDERS: dict[tuple[str, str], Callable[..., Pair]] = {
    ("entropy", "antropy"): _antropy_entropies,
    ("entropy_5000", "antropy"): _antropy_entropies,
    ("entropy", "nolds (sample only)"): _nolds_entropy,
    ("entropy_5000", "nolds (sample only)"): _nolds_entropy,
    ("dfa", "nolds"): _nolds_dfa,
    ("dfa", "antropy"): _antropy_dfa,
    ("hrv_24h", "NumPy, SciPy, antropy, nolds (11 measures)"): _mix,
}

SHORTER = {("hrv_24h", "NumPy, SciPy, antropy, nolds (11 measures)"): 100}
