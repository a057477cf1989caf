"""What is measured on: synthetic signals and series, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_ECG_BELLS = ((0.12, -0.16, 0.022), (1.2, 0.0, 0.011), (-0.2, 0.03, 0.009), (0.28, 0.26, 0.045))
_PPG_BELLS = ((1.0, 0.0, 0.075), (0.35, 0.30, 0.10))
"""Height, time after the beat in s, width in s."""


def intervals_ms(n: int, seed: int = 1) -> Floats:
    """Synthetic NN intervals: 850 ms with a respiratory rhythm, a slow wave and noise."""
    rng = np.random.default_rng(seed)
    beat = np.arange(n)
    slow = 60.0 * np.sin(2 * np.pi * beat / 400.0)
    nn: Floats = 850.0 + slow + 30.0 * np.sin(2 * np.pi * 0.22 * beat) + rng.normal(0, 12, n)
    return nn


def quantised_ms(n: int, seed: int = 1) -> Floats:
    """`intervals_ms` in whole ms, as devices give them."""
    return np.round(intervals_ms(n, seed))


def even_intervals_ms(n: int) -> Floats:
    """Intervals resampled at 4 Hz."""
    from allostat.kernels.even_series import even_series

    nn = intervals_ms(n // 3)
    return even_series(np.cumsum(nn) / 1000.0, nn, 4.0)[:n]


def with_premature_beats(n: int) -> Floats:
    """Intervals with a premature beat and a pause in every 500, and a turbulence after it."""
    nn = intervals_ms(n)
    for at in range(300, n - 40, 500):
        nn[at], nn[at + 1] = 0.6 * nn[at], 1.4 * nn[at + 1]
        nn[at + 2 : at + 4] -= 25.0
        nn[at + 4 : at + 12] += np.linspace(0.0, 40.0, 8)
    return nn


def synthetic_ecg(minutes: float, rate_hz: float) -> NDArray[np.int16]:
    """ECG of P, QRS and T bells with noise, in µV."""
    return np.round(1000 * _wave(minutes, rate_hz, _ECG_BELLS, 0.02)).astype(np.int16)


def synthetic_ppg(minutes: float, rate_hz: float) -> Floats:
    """PPG of systolic and dicrotic bells with noise."""
    return _wave(minutes, rate_hz, _PPG_BELLS, 0.01)


def beat_instants_s(minutes: float) -> Floats:
    """When the beats of `synthetic_ecg` and `synthetic_ppg` fall, up to 0.5 s before the end."""
    beats = 0.5 + np.cumsum(intervals_ms(int(minutes * 60 / 0.75))) / 1000.0
    inside: Floats = beats[beats < minutes * 60 - 0.5]
    return inside


def _wave(minutes: float, rate_hz: float, bells: Sequence[tuple[float, float, float]], noise: float) -> Floats:
    from allostat.kernels.render import add_bumps

    n = int(minutes * 60 * rate_hz)
    beats = beat_instants_s(minutes)
    samples = np.random.default_rng(2).normal(0, noise, n)
    for height, after_s, width_s in bells:
        add_bumps(samples, rate_hz, beats + after_s, np.full(len(beats), width_s), np.full(len(beats), height))
    return samples


def beat_times_with_artefacts(n: int) -> Floats:
    """Beat times in ms with an early beat in every 250 and a missed one in every 500."""
    nn = intervals_ms(n)
    nn[100::250] *= 0.6
    nn[101::250] *= 1.4
    nn[200::500] *= 2.0
    return np.cumsum(nn)


def beat_times_with_many_artefacts(n: int) -> Floats:
    """Beat times in ms with three early beats in a hundred: six of a hundred intervals are wrong."""
    nn = intervals_ms(n)
    early = np.flatnonzero(np.random.default_rng(5).random(n) < 0.03)
    early = early[(early > 3) & (early < n - 3)]
    nn[early] *= 0.6
    nn[early + 1] *= 1.4
    return np.cumsum(nn)


def five_minutes() -> dict[str, Any]:
    """Intervals of 5 min and the times in s at which they end."""
    nn = intervals_ms(353)
    return {"times_s": np.cumsum(nn) / 1000.0, "nn_ms": nn}


def a_day_in_windows(n: int = 100_000) -> dict[str, Any]:
    """Intervals of a day, and which of them lie in each window of 5 min, a window every minute."""
    nn = intervals_ms(n)
    end_s = np.cumsum(nn) / 1000.0
    starts_s = np.arange(0.0, end_s[-1] - 300.0, 60.0)
    first, stop = np.searchsorted(end_s, starts_s), np.searchsorted(end_s, starts_s + 300.0)
    return {"nn_ms": nn, "first": first.astype(np.int64), "stop": stop.astype(np.int64)}


def a_week() -> dict[str, Any]:
    """Values with a daily rhythm, every 5 min."""
    t_h = np.arange(0, 168, 5 / 60)
    values = 40 + 10 * np.cos(2 * np.pi * (t_h - 3) / 24) + np.random.default_rng(3).normal(0, 5, len(t_h))
    return {"t_h": t_h, "values": values}


def a_day_of_cortisol() -> dict[str, Any]:
    """Four samples of a declining curve."""
    t_h = np.array([0.0, 4.0, 9.0, 15.0])
    return {"t_h": t_h, "values": 15.0 * np.exp(-0.12 * t_h)}
