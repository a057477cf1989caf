"""What is measured of one window of ECG or PPG to judge whether its beats are right.

Two measures decide about noise. The correlation of the beats with their template (Orphanidou et al. 2015,
10.1109/JBHI.2014.2338351) falls when beats look unlike each other. The margin, own choice, is the steepness of the
least steep beat over the steepest place where no beat was found: a beat that was missed, or noise that was taken for
one, brings it to 1 or below. It says in one number what the agreement of two detectors says in two (Li, Mark and
Clifford 2008, 10.1088/0967-3334/29/1/002). In a pulse that has a high second (dicrotic) wave, that wave is the
steepest place without a beat. What comes back at the same lag behind each beat is no missed beat: the margin apart
from it is given, too, for beats that come evenly.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

(AMPLITUDE, BASELINE_RANGE, STILL_S, PLATEAUS, HEART_RATE, BEAT_FREE_S, CORRELATION, LEAST_CORRELATION, MARGIN,
 SKEWNESS, N_BEATS, MARGIN_APART) = range(12)  # fmt: skip
MEASURES = 12

(RATE, HALF_BASELINE, STRETCH, SHORTEST, WIDTH, BEFORE, AFTER, CLEAR_BEFORE, CLEAR_AFTER, SECOND_BY, SECOND_JITTER,
 PULSE) = range(12)  # fmt: skip
"""Positions in the settings of a window; lengths in samples."""

BASELINE_S = 1.0
STRETCH_S = 2.0
PLATEAU_S = 0.02
MOST_MARGIN = 100.0
# Width of the two means whose difference is the steepness; how far before and after a peak it belongs to the beat; how
# far before and after a peak it may belong to it and says nothing. An R peak lies inside its complex, a systolic peak
# at the end of its upstroke.
ECG_STEEPNESS_S = (0.02, 0.08, 0.08, 0.12, 0.14)
PPG_STEEPNESS_S = (0.08, 0.25, 0.05, 0.35, 0.15)
# The second (dicrotic) wave of a pulse rises at most this long after the systolic peak, and from beat to beat by so
# much earlier or later; it is not looked for beyond this share of the usual interval, where a missed beat may stand.
SECOND_WAVE_S = (0.45, 0.03)
SECOND_WAVE_SHARE = 0.5
# Beats come evenly when no interval is outside these shares of the usual one.
EVEN = (0.6, 1.6)


def window_settings(rate_hz: float, pulse: bool) -> NDArray[np.float64]:
    """What `measure` needs to know, at a sampling rate in Hz, of ECG or (``pulse``) PPG."""
    width, *around = PPG_STEEPNESS_S if pulse else ECG_STEEPNESS_S
    lengths = [0.5 * BASELINE_S, STRETCH_S, PLATEAU_S, width, *around, *SECOND_WAVE_S]
    least = [1, 1, 3, 1, 0, 0, 0, 0, 0, 1]
    samples = [max(few, round(length * rate_hz)) for length, few in zip(lengths, least, strict=True)]
    return np.array([rate_hz, *samples, 1.0 if pulse else 0.0])


def measure(
    values: NDArray[np.float64], peaks: NDArray[np.int64], settings: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Measures of one window.

    Parameters
    ----------
    values
        (n,) samples without NaN, n at least 2.
    peaks
        (m,) ascending samples of the beats, counted from the window's first sample; those up to a second before and
        after the window, too.
    settings
        `window_settings`.

    Returns
    -------
    float64 (12,), at the positions that this module names: amplitude (median over stretches of 2 s of the range of the
    signal without baseline), range of the baseline, longest standstill (s), share of samples in plateaus at the
    extremes, heart rate (1/min), longest stretch without a beat (s), mean and least correlation of the beats with
    their template, margin, skewness, number of beats, margin apart from the second wave (PPG whose beats come evenly).
    NaN where a measure is undefined.
    """
    out = np.full(MEASURES, np.nan)
    wave = np.empty(len(values))
    _shape(values, settings, wave, out)
    _rhythm(peaks, len(values), settings, out)
    _likeness(wave, peaks, out)
    _margin(values, peaks, settings, out)
    return out


@kernel
def bridge(values: NDArray[np.float64]) -> int:
    """Replace missing samples by straight lines, in place, at the ends by the nearest one; returns how many."""
    n = len(values)
    missing = 0
    last = -1
    for i in range(n):
        if values[i] - values[i] == 0.0:
            if last < i - 1:
                for j in range(last + 1, i):
                    values[j] = (
                        values[i] if last < 0 else values[last] + (values[i] - values[last]) * (j - last) / (i - last)
                    )
            last = i
        else:
            missing += 1
    if last >= 0:
        for j in range(last + 1, n):
            values[j] = values[last]
    return missing


@kernel
def _shape(
    values: NDArray[np.float64], settings: NDArray[np.float64], wave: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Signal without baseline, and what is measured without beats."""
    n = len(values)
    half, stretch, shortest = int(settings[HALF_BASELINE]), int(settings[STRETCH]), int(settings[SHORTEST])
    first = values[0]
    low_base, high_base = np.inf, -np.inf
    total = 0.0
    lo = hi = 0
    ranges = np.empty(n // stretch + 1)
    n_ranges = 0
    low, high = np.inf, -np.inf
    least, most = np.inf, -np.inf
    still = longest = 0
    count = 0
    share = 0.0
    left = stretch
    before = np.nan
    for i in range(n):
        while hi < n and hi <= i + half:
            total += values[hi] - first
            hi += 1
        if i > half:
            total -= values[lo] - first
            lo += 1
        if hi - lo != count:
            count = hi - lo
            share = 1.0 / count
        base = total * share
        low_base, high_base = min(low_base, base), max(high_base, base)
        value = values[i]
        without = value - first - base
        wave[i] = without
        low, high = min(low, without), max(high, without)
        left -= 1
        if left == 0 or (i == n - 1 and n_ranges == 0):
            ranges[n_ranges] = high - low
            n_ranges += 1
            left = stretch
            low, high = np.inf, -np.inf
        least, most = min(least, value), max(most, value)
        if value == before:
            still += 1
            longest = max(longest, still)
        else:
            still = 0
        before = value
    ordered = np.sort(ranges[:n_ranges])
    out[AMPLITUDE] = 0.5 * (ordered[(n_ranges - 1) // 2] + ordered[n_ranges // 2])
    out[BASELINE_RANGE] = high_base - low_base
    out[STILL_S] = longest / settings[RATE]
    out[PLATEAUS] = _plateaus(values, least, most, shortest) / n if most > least else 0.0
    if settings[PULSE] > 0.0:
        out[SKEWNESS] = _skewness(wave)


@inner_kernel
def _plateaus(values: NDArray[np.float64], least: float, most: float, shortest: int) -> int:
    """Number of samples in runs of at least ``shortest`` samples on one of the two extremes."""
    found = 0
    run = 0
    before = np.nan
    for i in range(len(values)):
        value = values[i]
        if value in (least, most):
            run = run + 1 if value == before else 1
            if run == shortest:
                found += shortest
            elif run > shortest:
                found += 1
        before = value
    return found


@kernel
def _skewness(wave: NDArray[np.float64]) -> float:
    n = len(wave)
    mean = 0.0
    for i in range(n):
        mean += wave[i]
    mean /= n
    second = third = 0.0
    for i in range(n):
        d = wave[i] - mean
        second += d * d
        third += d * d * d
    return third / n / (second / n) ** 1.5 if second > 0.0 else np.nan


@kernel
def _rhythm(peaks: NDArray[np.int64], n: int, settings: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Heart rate from the mean interval, and the longest stretch without a beat, both inside the window."""
    rate = settings[RATE]
    longest = before = 0
    first = -1
    beats = 0
    for k in range(len(peaks)):
        at = peaks[k]
        if 0 <= at < n:
            longest = max(longest, at - before)
            before = at
            first = at if beats == 0 else first
            beats += 1
    out[BEAT_FREE_S] = max(longest, n - before) / rate
    out[N_BEATS] = beats
    if beats > 1:
        out[HEART_RATE] = 60.0 * rate * (beats - 1) / (before - first)


@kernel
def _likeness(wave: NDArray[np.float64], peaks: NDArray[np.int64], out: NDArray[np.float64]) -> None:
    """Mean and least correlation of the beats, each one median interval long, with their mean; NaN below 3 beats."""
    n = len(wave)
    inside = peaks[(peaks >= 0) & (peaks < n)]
    if len(inside) < 3:
        return
    gaps = np.sort(inside[1:] - inside[:-1])
    half = max(2, int(0.5 * (gaps[(len(gaps) - 1) // 2] + gaps[len(gaps) // 2])) // 2)
    length = 2 * half + 1
    template = np.zeros(length)
    whole = 0
    for k in range(len(inside)):
        if inside[k] >= half and inside[k] + half < n:
            whole += 1
            start = inside[k] - half
            mean = 0.0
            for j in range(length):
                mean += wave[start + j]
            mean /= length
            for j in range(length):
                template[j] += wave[start + j] - mean
    if whole < 3:
        return
    size = 0.0
    for j in range(length):
        size += template[j] * template[j]
    total = 0.0
    least = 1.0
    for k in range(len(inside)):
        if inside[k] >= half and inside[k] + half < n:
            start = inside[k] - half
            plain = squares = product = 0.0
            for j in range(length):
                value = wave[start + j]
                plain += value
                squares += value * value
                product += value * template[j]
            squares -= plain * plain / length
            if not (squares > 0.0 and size > 0.0):
                return
            correlation = product / math.sqrt(squares * size)
            total += correlation
            least = min(least, correlation)
    out[CORRELATION] = total / whole
    out[LEAST_CORRELATION] = least


@kernel
def _margin(
    values: NDArray[np.float64], peaks: NDArray[np.int64], settings: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Steepness of the least steep beat over the steepest place that is no beat; NaN below 2 beats."""
    n = len(values)
    width, before, after = int(settings[WIDTH]), int(settings[BEFORE]), int(settings[AFTER])
    clear_before, clear_after = int(settings[CLEAR_BEFORE]), int(settings[CLEAR_AFTER])
    if n < 2 * width + 2:
        return
    steep = np.zeros(n)
    behind = ahead = 0.0
    for j in range(width):
        behind += values[j] - values[0]
        ahead += values[width + j] - values[0]
    for i in range(width, n - width):
        # ``behind`` sums the samples before i, ``ahead`` those from i on.
        steep[i] = ahead - behind if settings[PULSE] > 0.0 else abs(ahead - behind)
        behind += values[i] - values[i - width]
        ahead += values[i + width] - values[i]
    even = settings[PULSE] > 0.0 and _evenly(peaks)
    second = _second_wave(steep, peaks, settings) if even else np.empty(0)
    least = np.inf
    outside = apart = 0.0
    beats = 0
    start = 0
    for k in range(len(peaks) + 1):
        stop = n if k == len(peaks) else min(peaks[k] - clear_before, n)
        for i in range(max(start, 0), stop):
            outside = max(outside, steep[i])
            lag = i - start
            usual = second[lag] if k > 0 and lag < len(second) else 0.0
            apart = max(apart, steep[i] - usual)
        if k == len(peaks):
            break
        start = peaks[k] + clear_after + 1
        if peaks[k] - before >= width and peaks[k] + after < n - width:
            size = 0.0
            for i in range(peaks[k] - before, peaks[k] + after + 1):
                size = max(size, steep[i])
            least = min(least, size)
            beats += 1
    if beats >= 2:
        out[MARGIN] = min(least / outside, MOST_MARGIN) if outside > 0.0 else MOST_MARGIN
        if even:
            out[MARGIN_APART] = min(least / apart, MOST_MARGIN) if apart > 0.0 else MOST_MARGIN


@inner_kernel
def _evenly(peaks: NDArray[np.int64]) -> bool:
    """Whether no interval is far from the usual one; where one is, a second wave may stand among the beats."""
    if len(peaks) < 3:
        return False
    gaps, usual = _gaps(peaks)
    return bool(gaps[0] >= EVEN[0] * usual and gaps[-1] <= EVEN[1] * usual)


@inner_kernel
def _gaps(peaks: NDArray[np.int64]) -> tuple[NDArray[np.float64], float]:
    """Distances of at least two beats in ascending order, and their median."""
    gaps = np.empty(len(peaks) - 1)
    for k in range(len(gaps)):
        gaps[k] = peaks[k + 1] - peaks[k]
    return gaps, _middle(gaps)


@inner_kernel
def _middle(values: NDArray[np.float64]) -> float:
    """Median of a few values, which are sorted in place: NumPy's sorting takes a second to compile."""
    n = len(values)
    for k in range(1, n):
        value, at = values[k], k
        while at > 0 and values[at - 1] > value:
            values[at] = values[at - 1]
            at -= 1
        values[at] = value
    return float(0.5 * (values[(n - 1) // 2] + values[n // 2]))


@inner_kernel
def _second_wave(
    steep: NDArray[np.float64], peaks: NDArray[np.int64], settings: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Steepness usual at each lag behind a beat, from where it is clear of it on; empty below 3 beats."""
    first, jitter = int(settings[CLEAR_AFTER]) + 1, int(settings[SECOND_JITTER])
    _, usual = _gaps(peaks)
    last = min(int(settings[SECOND_BY]), int(SECOND_WAVE_SHARE * usual))
    begin, stop = 0, len(peaks)
    while begin < stop and peaks[begin] < 0:
        begin += 1
    while stop > begin and peaks[stop - 1] + last >= len(steep):
        stop -= 1
    if stop - begin < 3 or last < first:
        return np.empty(0)
    at = np.empty(stop - begin)
    middle = np.empty(last - first + 1)
    for lag in range(first, last + 1):
        for k in range(begin, stop):
            at[k - begin] = steep[peaks[k] + lag]
        middle[lag - first] = _middle(at)
    wave = np.zeros(len(middle))
    for j in range(len(middle)):
        for i in range(max(j - jitter, 0), min(j + jitter + 1, len(middle))):
            wave[j] = max(wave[j], middle[i])
    return wave
