"""Beat instants from the slow course of heart rate and its beat-to-beat variability.

The interval that begins at an instant is the mean interval plus respiratory, baroreflex, 1/f and white parts. Each
part is scaled so that the expected root mean square of successive differences equals the wanted RMSSD at that
instant.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel

Floats = NDArray[np.float64]

N_NORMALS = 6
"""Standard normal numbers that `beat_train` takes per beat."""

_SLOW_TAU_S = np.array([20.0, 120.0, 900.0])
"""Time constants of the Ornstein-Uhlenbeck processes whose sum falls off like 1/f below 0.04 Hz."""
_SLOW_SD = np.array([0.35, 0.5, 0.6])
"""Their standard deviations as multiples of the wanted RMSSD."""

SHORTEST_MS = 280.0
LONGEST_MS = 2200.0


@kernel
def ornstein_uhlenbeck(normals: Floats, step_s: float, tau_s: float) -> Floats:
    """Stationary Ornstein-Uhlenbeck process of unit variance on an even grid, one value per normal number."""
    keep = math.exp(-step_s / tau_s)
    kick = math.sqrt(1.0 - keep * keep)
    out = np.empty(len(normals))
    value = normals[0] if len(normals) else 0.0
    for i in range(len(normals)):
        if i:
            value = keep * value + kick * normals[i]
        out[i] = value
    return out


@kernel
def beat_train(
    duration_s: float,
    step_s: float,
    hr_bpm: Floats,
    rmssd_ms: Floats,
    respiration_hz: Floats,
    baroreflex_share: Floats,
    white_share: float,
    normals: Any,
) -> tuple[Floats, int]:
    """Beat instants in seconds from 0 to ``duration_s``.

    Parameters
    ----------
    duration_s
        Beats are made until this instant.
    step_s
        Spacing of the four courses; between their points they are interpolated.
    hr_bpm, rmssd_ms, respiration_hz, baroreflex_share
        Courses of the mean heart rate, of the wanted RMSSD, of the breathing rate, and of the share of RMSSD squared
        that the 0.1 Hz rhythm makes. Float64, one length, covering ``duration_s``.
    white_share
        Share of RMSSD squared made by independent beat-to-beat noise.
    normals
        Standard normal numbers, shape (most beats, `N_NORMALS`), float32 or float64.

    Returns
    -------
    times, used
        Instants, and how many rows of ``normals`` were used; when all were used, the train may end early.

    Notes
    -----
    A sinusoid of amplitude A and frequency f, sampled at intervals T, has successive differences with mean square
    A^2/2 (2 sin(pi f T))^2; an Ornstein-Uhlenbeck process of standard deviation s and time constant tau, 2 s^2 (1 -
    exp(-T/tau)).

    Short intervals fill less time than long ones, so the realised mean interval falls short by a second-order amount:
    below 1 % as long as the RMSSD is at most a tenth of the mean interval.
    """
    most = len(normals)
    times = np.empty(most)
    slow = np.zeros(3)
    phase_breath = math.pi * float(normals[0, 0]) if most else 0.0
    phase_baro = math.pi * float(normals[0, 1]) if most else 0.0
    for k in range(3):
        slow[k] = float(normals[0, 3 + k]) if most else 0.0
    last = len(hr_bpm) - 1
    t = 0.0
    n = 0
    while t < duration_s and n < most:
        times[n] = t
        place = t / step_s
        at = min(int(place), last)
        after = min(at + 1, last)
        w = place - at if at < last else 0.0
        mean_s = 60.0 / (hr_bpm[at] + w * (hr_bpm[after] - hr_bpm[at]))
        wanted = rmssd_ms[at] + w * (rmssd_ms[after] - rmssd_ms[at])
        breath_hz = respiration_hz[at] + w * (respiration_hz[after] - respiration_hz[at])
        baro = baroreflex_share[at] + w * (baroreflex_share[after] - baroreflex_share[at])

        slow_sum = 0.0
        slow_share = 0.0
        for k in range(3):
            keep = math.exp(-mean_s / _SLOW_TAU_S[k])
            slow[k] = keep * slow[k] + math.sqrt(1.0 - keep * keep) * float(normals[n, 3 + k])
            slow_sum += _SLOW_SD[k] * slow[k]
            slow_share += 2.0 * _SLOW_SD[k] ** 2 * (1.0 - keep)
        breath_share = max(1.0 - slow_share - baro - white_share, 0.0)

        breath_step = 2.0 * math.sin(math.pi * min(breath_hz * mean_s, 0.45))
        baro_step = 2.0 * math.sin(math.pi * 0.1 * mean_s)
        interval = 1000.0 * mean_s + wanted * (
            math.sqrt(2.0 * breath_share) / breath_step * math.sin(phase_breath)
            + math.sqrt(2.0 * baro) / baro_step * math.sin(phase_baro)
            + slow_sum
            + math.sqrt(0.5 * white_share) * float(normals[n, 2])
        )
        interval = min(max(interval, SHORTEST_MS), LONGEST_MS)
        passed = interval / 1000.0
        phase_breath += 2.0 * math.pi * breath_hz * passed + 0.05 * float(normals[n, 0])
        phase_baro += 2.0 * math.pi * 0.1 * passed + 0.1 * float(normals[n, 1])
        t += passed
        n += 1
    return times[:n].copy(), n
