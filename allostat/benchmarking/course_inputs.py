"""What slow courses are measured on: days of minutes, a return to baseline, beats modulated by breathing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.benchmarking.inputs import intervals_ms

Floats = NDArray[np.float64]


def days_of_minutes(days: int) -> dict[str, Any]:
    """Courses of a heart rate that is lower from 23 to 7 o'clock, from noon on."""
    rng = np.random.default_rng(4)
    hour = (12 + np.arange(days * 1440) / 60) % 24
    asleep = (hour >= 23) | (hour < 7)
    activity = np.convolve(rng.gamma(0.3, 0.12, len(hour)), np.ones(15) / 15, "same")
    ln_hr = np.log(np.where(asleep, 58.0, 72.0)) + np.where(asleep, 0.0, activity) + rng.normal(0, 0.02, len(hour))
    spread = np.log(np.where(asleep, 0.02, 0.06)) + rng.normal(0, 0.2, len(hour))
    rmssd = np.log(np.where(asleep, 45.0, 28.0)) + rng.normal(0, 0.2, len(hour))
    return {"ln_hr": ln_hr, "ln_spread": spread, "ln_rmssd": rmssd}


def a_return_to_baseline(n: int = 120) -> dict[str, Any]:
    """Heart rate every 5 s after exercise."""
    t_s = 5.0 * np.arange(n)
    return {"t_s": t_s, "values": 70 + 60 * np.exp(-t_s / 90) + np.random.default_rng(5).normal(0, 2, n)}


def breathing_beats(n: int = 700) -> dict[str, Any]:
    """Instants of beats, and amplitude, level and interval of each, modulated at 0.25 Hz."""
    rng = np.random.default_rng(6)
    interval = intervals_ms(n) / 1000
    at_s = np.cumsum(interval)
    breath = np.sin(2 * np.pi * 0.25 * at_s)
    return {
        "at_s": at_s, "amplitude": 1 + 0.1 * breath + rng.normal(0, 0.02, n),
        "baseline": 0.05 * breath + rng.normal(0, 0.02, n), "interval": interval + 0.02 * breath,
    }  # fmt: skip
