"""Noise as electrodes and optical sensors pick it up, for ladders of signal-to-noise ratio."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ECG_KINDS = ("baseline", "muscle", "motion", "mains")
PPG_KINDS = ("baseline", "motion", "white")
RUNGS_DB = (24.0, 18.0, 12.0, 6.0, 0.0, -6.0)


def coloured(n: int, rate: float, low_hz: float, high_hz: float, power: float, rng: np.random.Generator) -> Floats:
    """Gaussian noise of one band whose power falls with frequency to ``power``; variance 1."""
    hz = np.fft.rfftfreq(n, 1.0 / rate)
    inside = (hz >= low_hz) & (hz <= min(high_hz, 0.49 * rate))
    shape = np.zeros(len(hz))
    shape[inside] = hz[inside] ** (-0.5 * power)
    noise = np.fft.irfft(shape * np.exp(2j * np.pi * rng.uniform(size=len(hz))), n)
    return noise / noise.std()


def waxing(n: int, rate: float, seconds: float, rng: np.random.Generator) -> Floats:
    """A positive envelope that waxes and wanes over ``seconds``, log-normal."""
    points = int(n / rate / seconds) + 3
    at = np.arange(n) / (rate * seconds)
    return np.exp(np.interp(at, np.arange(points), rng.normal(0.0, 0.7, points)))


def drawn(kind: str, n: int, rate: float, rng: np.random.Generator) -> Floats:
    """Noise of one kind; variance 1.

    ``baseline``: below 0.7 Hz, breathing and drift. ``muscle``: 15 to 120 Hz in contractions that wax and wane.
    ``motion``: steps of the electrode potential that fade within a second and unrest of 0.7 to 12 Hz, together the
    kind that looks like beats. ``mains``: 50 Hz with its third harmonic, swelling. ``white``.
    """
    match kind:
        case "baseline":
            noise = coloured(n, rate, 0.03, 0.7, 1.0, rng)
        case "muscle":
            noise = coloured(n, rate, 15.0, 120.0, 0.5, rng) * waxing(n, rate, 1.5, rng)
        case "motion":
            steps = np.zeros(n)
            at = rng.uniform(0, n, rng.poisson(0.7 * n / rate)).astype(int)
            np.add.at(steps, at, rng.normal(0.0, 1.0, len(at)))
            fade = np.exp(-np.arange(int(3 * rate)) / (0.4 * rate)) * (
                1 - np.exp(-np.arange(int(3 * rate)) / (0.02 * rate))
            )
            size = n + len(fade)
            steps = np.fft.irfft(np.fft.rfft(steps, size) * np.fft.rfft(fade, size), size)[:n]
            unrest = coloured(n, rate, 0.7, 12.0, 1.5, rng) * waxing(n, rate, 3.0, rng)
            noise = steps / steps.std() + unrest / unrest.std()
        case "mains":
            t = np.arange(n) / rate
            noise = (np.sin(2 * np.pi * 50.0 * t) + 0.3 * np.sin(2 * np.pi * 150.0 * t + 1.0)) * waxing(
                n, rate, 10.0, rng
            )
        case _:
            noise = rng.normal(0.0, 1.0, n)
    return noise / noise.std()


def at_ratio(clean: Floats, height: float, kind: str, db: float, rate: float, rng: np.random.Generator) -> Floats:
    """``clean`` with noise of one kind; the ratio is that of the noise stress test of Moody, Muldrow and Mark (1984).

    The power of the signal is that of a sine as high as its beats: ``height`` squared over 8.
    """
    power = height**2 / 8.0 / 10.0 ** (db / 10.0)
    return clean + np.sqrt(power) * drawn(kind, len(clean), rate, rng)
