"""Slow twin of the systolic-peak detector: whole arrays, filters designed by SciPy, plain Python decisions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from tests.reference.pulse_rule import Rule, Upstroke

Floats = NDArray[np.float64]


def systolic_peaks(ppg: NDArray[Any], rate: float) -> Floats:
    """(n, 2): position and standard error of each systolic peak."""
    samples = np.asarray(ppg, dtype=float)
    held = continued(samples)
    kept = np.where(np.isfinite(samples), held, np.nan)
    group = max(1, int(rate / 30.0))
    working = rate / group
    whole = len(held) // group * group
    means = held[:whole].reshape(-1, group).mean(axis=1)
    smooth = signal.lfilter(*bessel(working, 7.0), means)
    delay = 0.5 + group + rate / (2 * np.pi * 7.0 / np.sqrt(3.0))
    rule = Rule(rate)
    peaks: list[tuple[float, float]] = []
    for pulse, now in rule.decide_on(upstrokes(smooth, group, working, delay), group, len(held)):
        late = now - pulse.time > 18.0 * rate
        found = None if late else placed(kept[:now], pulse.time, rate)
        if found and (not peaks or found[0] - peaks[-1][0] >= 0.15 * rate):
            peaks.append(found)
    return np.array(peaks).reshape(-1, 2)


def continued(samples: Floats) -> Floats:
    """The samples from 0 on, the last level held where they are missing, without a step after it."""
    held = np.zeros(len(samples))
    level, offset, missing = 0.0, 0.0, True
    for i, value in enumerate(samples):
        if np.isfinite(value):
            offset = value - level if missing else offset
            level = value - offset
        missing = not np.isfinite(value)
        held[i] = level
    return held


def bessel(rate: float, corner_hz: float) -> tuple[Floats, Floats]:
    """Second-order low-pass of quality 1/sqrt(3), by the bilinear transform with the corner kept."""
    w = 2 * rate * np.tan(np.pi * corner_hz / rate)
    return signal.bilinear([w * w], [1.0, w * np.sqrt(3.0), w * w], fs=rate)


def upstrokes(smooth: Floats, group: int, working: float, delay: float) -> list[Upstroke]:
    """Stretches over which the signal rises, each over once it has fallen by 8 % of its rise."""
    found = []
    slope = np.diff(smooth, prepend=0.0)
    base, high, steepest, steepest_at, rising = 0.0, 0.0, 0.0, 0, False
    for i, z in enumerate(smooth):
        if not rising and z > base:
            rising, high, steepest, steepest_at = True, z, slope[i], i
        elif not rising:
            base = z
        else:
            if slope[i] > steepest:
                steepest, steepest_at = slope[i], i
            if z > high:
                high = z
            elif high - z > 0.08 * (high - base):
                size = float(np.sqrt((high - base) * steepest * 0.15 * working))
                time = (steepest_at + 1) * group - delay
                found.append(Upstroke(time, size, high, high - base, (i + 1) * group))
                rising, base = False, z
    return found


def placed(known: Floats, time: float, rate: float) -> tuple[float, float] | None:
    """Top near ``time`` in the samples known so far, and its standard error."""
    span = max(1, round(0.03 * rate))
    oldest, newest = span, len(known) - 1 - span
    top = max(int(time), oldest)
    last = min(top + round(0.30 * rate), newest)
    rises = [0.0]
    while top < last and known[top + span] - known[top - span] > 0.3 * max(rises):
        rises.append(known[top + span] - known[top - span])
        top += 1
    if not oldest <= top <= newest:
        return None
    k = np.arange(-span, span + 1)
    shift = bend = rest = 0.0
    for _ in range(2):
        around = known[top - span : top + span + 1]
        if np.isnan(around).any():
            return None
        bend, slope, _ = np.polyfit(k, around - known[top], 2)
        if bend >= 0:
            break
        shift = float(np.clip(-slope / (2 * bend), -span, span))
        rest = shift
        step = int(np.floor(shift + 0.5))
        if step == 0 or not oldest <= top + step <= newest:
            break
        top, rest = top + step, shift - step
    if bend < 0:
        design = np.linalg.inv(np.vander(k, 3).T @ np.vander(k, 3))
        jitter = noise(known, top, oldest) * np.sqrt(design[1, 1] / 4 + shift**2 * design[0, 0]) / -bend
    else:
        rest, jitter = 0.0, float(span)
    most = max(4, round(0.25 * rate))
    run = [j for j in range(max(top - most, oldest), min(top + most, len(known) - 1) + 1) if known[j] == known[top]]
    after = next((i for i in range(1, most + 1) if top + i not in run), most + 1) - 1
    before = next((i for i in range(1, most + 1) if top - i not in run), most + 1) - 1
    if before + after + 1 >= max(4, span) and before + after > 0:
        rest, jitter = 0.5 * (after - before), (before + after + 1) / np.sqrt(12.0)
    return top + rest, max(float(jitter), 0.01)


def noise(known: Floats, top: int, oldest: int) -> float:
    """Standard deviation of the noise of one sample, from third differences."""
    third = np.diff(known[max(top - 20, oldest + 2) - 2 : top + 1], 3)
    third = third[np.isfinite(third)]
    return float(np.sqrt(np.mean(third**2) / 20.0)) if len(third) else 0.0
