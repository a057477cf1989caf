"""Slow twin of the R-peak detector: whole arrays, filters designed by SciPy, plain Python decisions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from tests.reference.qrs_rule import Candidate, Rule

Floats = NDArray[np.float64]


def r_peaks(ecg: NDArray[Any], rate: float) -> Floats:
    """(n, 2): position and standard error of each R peak."""
    group = max(1, int(rate / 125.0 + 0.5))
    step = 2 if rate / group >= 100.0 else 1
    placing = Placing(ecg[: len(ecg) // (group * step) * group * step], rate, group)
    placed = [placing.position(c.time) for c in Rule(rate).beats(candidates(placing.level, rate, group, step))]
    kept: list[tuple[float, float]] = []
    for at, error in placed:
        if error > 0 and (not kept or at - kept[-1][0] >= 0.125 * rate):
            kept.append((at, error))
    return np.array(kept).reshape(-1, 2)


def without_gaps(values: Floats) -> Floats:
    """Missing samples hold the last value, and what follows them goes on from there; the first sample is 0."""
    held = np.zeros(len(values))
    level, offset, missing = 0.0, 0.0, True
    for i, value in enumerate(values):
        if np.isfinite(value):
            if missing:
                offset = value - level
            level = value - offset
        missing = not np.isfinite(value)
        held[i] = level
    return held


def averaged(values: Floats, group: int) -> Floats:
    whole = len(values) // group * group
    return values[:whole].reshape(-1, group).sum(axis=1) / group


def halved(level: Floats) -> Floats:
    """Half-band filtered, every second value."""
    return signal.lfilter(np.array([-1.0, 0.0, 9.0, 16.0, 9.0, 0.0, -1.0]) / 32.0, 1.0, level)[::2]


def envelope(level: Floats, working: float, low: float) -> Floats:
    banded = level
    for kind, corner in (("high", 6.0), ("low", low)):
        banded = signal.lfilter(*signal.butter(2, corner, kind, fs=working), banded)
    slope = np.diff(banded, prepend=0.0) * working / (2 * np.pi * np.sqrt(6.0 * 18.0))
    energy = banded**2 + slope**2
    # Critically damped: the same first-order section twice, less one of the two zeros.
    b, a = signal.butter(1, 8.0, fs=working)
    return signal.lfilter(b, a, signal.lfilter(2 * b[:1], a, energy))


def humps(envelope: Floats, prominence: float) -> list[tuple[int, float, int]]:
    """Place and height of each hump, and the place at which it had fallen far enough to be sure of it."""
    found = []
    rising, extreme, at = False, 0.0, 0
    for n, v in enumerate(envelope):
        if not rising:
            if v > prominence * extreme:
                rising, extreme, at = True, v, n
            else:
                extreme = min(extreme, v)
        elif v > extreme:
            extreme, at = v, n
        elif v * prominence < extreme:
            found.append((at, float(extreme), n))
            rising, extreme = False, v
    return found


def candidates(level: Floats, rate: float, group: int, step: int) -> list[Candidate]:
    reach = round(0.15 * rate / group)
    wave, low, delay = (halved(level), 20.0, 0.095) if step == 2 else (level, 18.0, 0.065)
    found = []
    for top, height, n in humps(envelope(wave, rate / group / step, low), 1.4):
        time = top * group * step - delay * rate
        known = (n + 1) * step
        slope = steepest(level[:known], time, group, reach)
        found.append(Candidate(time, float(np.sqrt(height)), slope, known * group))
    return found


def steepest(level: Floats, time: float, group: int, reach: int) -> float:
    centre = int(np.floor(np.trunc(time) / group))
    k = np.arange(centre - reach, min(centre + reach, len(level) - 2) + 1)
    before = np.where(k >= 1, level[np.maximum(k - 1, 0)], 0.0)
    after = np.where(k >= -1, level[np.maximum(k + 1, 0)], 0.0)
    return float(np.max(np.abs(after - before) * (1 - ((k - centre) / (reach + 1)) ** 2), initial=0.0))


@dataclass
class Placing:
    """Where beats lie, one after the other."""

    ecg: NDArray[Any]
    rate: float
    group: int
    polarity: float | None = None
    noise: float = float("nan")

    def __post_init__(self) -> None:
        values = np.asarray(self.ecg, dtype=float)
        whole = len(values) // self.group * self.group
        self.values = np.where(np.abs(values[:whole]) < 1e100, values[:whole], np.nan)
        self.level = averaged(without_gaps(self.values), self.group)

    def position(self, time: float) -> tuple[float, float]:
        reach = round(0.15 * self.rate / self.group)
        centre = int(np.floor(np.trunc(time) / self.group))
        k = np.arange(max(centre - reach, -3), min(centre + reach, len(self.level) - 2) + 1)
        level = np.where(k >= 0, self.level[np.maximum(k, 0)], 0.0)
        weight = 1 - ((k - centre) / (reach + 1)) ** 2
        deflection = weight * (level - np.sum(weight * level) / np.sum(weight))
        up, down = max(deflection.max(), 0.0), max(-deflection.min(), 0.0)
        if up + down == 0:
            return time, 0.0
        balance = (up - down) / (up + down)
        if self.polarity is None:
            self.polarity = balance
        favour = 0.1 if self.polarity >= 0 else -0.1
        self.polarity += 0.1 * (balance - self.polarity)
        sign = 1 if balance + favour >= 0 else -1
        self.update_noise(int(k[0]) * self.group)
        return self.refined(int(k[np.argmax(sign * deflection)]), max(up, down), sign)

    def update_noise(self, first: int, length: int = 24) -> None:
        variances = []
        for i in range(3):
            start = first - i * round(0.09 * self.rate) - length
            if start <= 0:
                break
            bends = np.diff(self.values[start - 1 : start + length + 1], 2)
            variances.append(float(np.mean(bends**2)) / 6)
        known = [v for v in variances if np.isfinite(v)]
        if known:
            self.noise = float(np.sqrt(np.median(known)))

    def refined(self, near: int, size: float, sign: int) -> tuple[float, float]:
        """Vertex of the parabola fitted by least squares, and its standard error."""
        x, span = self.values, max(1, round(0.0065 * self.rate))
        j = np.arange(max((near - 1) * self.group, span), min((near + 2) * self.group, len(x) - span))
        smooth = sign * (x[j - 1] + 2 * x[j] + x[j + 1])
        if not np.isfinite(smooth).any():
            return 0.0, 0.0
        at = int(j[np.nanargmax(smooth)])
        if at == span:
            return 0.0, 0.0
        k = np.arange(-span, span + 1)
        design = np.vander(k, 3, increasing=True).astype(float)
        around = sign * (x[at + k] - x[at])
        if not np.isfinite(around).all():
            return 0.0, 0.0
        _, slope, bend = np.linalg.lstsq(design, around, rcond=None)[0]
        after = ahead = 0
        furthest = round(0.09 * self.rate)
        while at + after + 1 < len(x) and after < furthest and x[at + after + 1] == x[at]:
            after += 1
        while at - ahead > 0 and ahead < furthest and x[at - ahead - 1] == x[at]:
            ahead += 1
        width = ahead + after + 1
        if bend < -1e-12 * max(np.abs(around).max(), 1e-300) and width < max(4, span):
            covariance = np.linalg.inv(design.T @ design)
            shift = float(np.clip(-slope / (2 * bend), -span, span))
            by_slope = self.noise * np.sqrt(covariance[1, 1]) / (2 * abs(bend))
            by_bend = abs(shift) * self.noise * np.sqrt(covariance[2, 2]) / abs(bend)
            misfit = 0.06 * span**3 * abs(bend) / size
            error = float(np.sqrt(by_slope**2 + by_bend**2 + misfit**2))
            return at + shift, max(error if error < span else float(span), 0.01)
        return at + 0.5 * (after - ahead), max(width / np.sqrt(12), 0.01)
