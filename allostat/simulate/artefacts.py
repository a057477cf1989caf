"""What goes wrong in recordings, with labels: ectopic beats, missed and extra beats, noise and motion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.kernels.beat_train import ornstein_uhlenbeck
from allostat.recording import BeatFlag
from allostat.simulate.seeds import random_stream

Floats = NDArray[np.float64]

NORMAL_LABEL = "N"
VENTRICULAR_LABEL = "V"


@dataclass(frozen=True)
class SimulatedSignal:
    """Samples with the truth about them.

    Parameters
    ----------
    samples
        int32 (n,), device integers in ``unit``; sample i was taken at ``i / sampling_rate`` s.
    sampling_rate
        Hz.
    beat_times_s
        float64 (m,): for ECG the R peaks, for PPG the systolic peaks of the noise-free wave, in s; ascending, inside
        the signal.
    beat_labels
        str (m,): ``N`` normal, ``V`` ventricular ectopic.
    heart_beats_s
        float64 (m,): the R peak behind each beat; for ECG the same as ``beat_times_s``.
    bursts_s
        Start and end of each burst of motion.
    """

    samples: NDArray[np.int32]
    sampling_rate: float
    beat_times_s: Floats
    beat_labels: NDArray[np.str_]
    heart_beats_s: Floats
    unit: str
    bursts_s: tuple[tuple[float, float], ...] = ()

    @property
    def beat_samples(self) -> Floats:
        """Beat instants in samples, fractional."""
        return self.beat_times_s * self.sampling_rate


@dataclass(frozen=True, slots=True)
class ArtefactBeats:
    """A beat train with artefacts.

    Parameters
    ----------
    times_s
        The train as a device would report it.
    flags
        int8, values of `BeatFlag`: ``ECTOPIC`` at an early beat, ``EXTRA`` at a beat that is none, ``MISSED`` at the
        beat after one that was lost.
    true_times_s
        The heart's beats, ectopic ones among them.
    """

    times_s: Floats
    flags: NDArray[np.int8]
    true_times_s: Floats


def add_ectopic_beats(times_s: Floats, rate: float, rng: np.random.Generator) -> tuple[Floats, NDArray[np.str_]]:
    """Turn a share of beats into ventricular ectopic beats: early, with a full compensatory pause.

    Parameters
    ----------
    times_s
        Sinus beats.
    rate
        Share of beats to turn, 0 to 0.2. At least three sinus beats lie between two ectopic ones.

    Returns
    -------
    times, labels
        Ascending instants and ``N`` or ``V`` for each.
    """
    if not 0.0 <= rate <= 0.2:
        raise InputError("the rate of ectopic beats is a share", found=rate, expected="0 to 0.2")
    times = np.array(times_s, dtype=np.float64)
    labels = np.full(len(times), NORMAL_LABEL, dtype="<U1")
    for i in spaced_indices(len(times), round(rate * len(times)), 4, rng):
        coupling = rng.uniform(0.55, 0.72)
        times[i] = times[i - 1] + coupling * (times[i] - times[i - 1])
        labels[i] = VENTRICULAR_LABEL
    return times, labels


def add_beat_artefacts(
    times_s: Floats, seed: int = 0, *, missed_rate: float = 0.0, extra_rate: float = 0.0, ectopic_rate: float = 0.0
) -> ArtefactBeats:
    """Artefacts of a beat detector and ectopic beats, at least 12 beats apart, with ground truth.

    Parameters
    ----------
    times_s
        True sinus beats.
    missed_rate, extra_rate, ectopic_rate
        Shares of beats, together at most 0.06.

    Raises
    ------
    InputError
        When a rate is negative or they are too many together.
    """
    rates = (missed_rate, extra_rate, ectopic_rate)
    if min(rates) < 0 or sum(rates) > 0.06:
        raise InputError("rates of artefacts are shares", found=rates, expected="0 or more, together at most 0.06")
    rng = random_stream(seed, "beat artefacts")
    times = np.array(times_s, dtype=np.float64)
    wanted = [round(rate * len(times)) for rate in rates]
    chosen = rng.permutation(spaced_indices(len(times), sum(wanted), 12, rng))
    missed, extra, ectopic = np.split(chosen, np.cumsum(wanted)[:2])
    flags = np.zeros(len(times), dtype=np.int8)
    for i in ectopic:
        times[i] = times[i - 1] + rng.uniform(0.55, 0.72) * (times[i] - times[i - 1])
    flags[ectopic] = BeatFlag.ECTOPIC
    flags[missed + 1] = BeatFlag.MISSED
    kept = np.delete(times, missed)
    kept_flags = np.delete(flags, missed)
    false_beats = times[extra - 1] + rng.uniform(0.35, 0.65, len(extra)) * (times[extra] - times[extra - 1])
    order = np.argsort(np.concatenate([kept, false_beats]), kind="stable")
    all_flags = np.concatenate([kept_flags, np.full(len(extra), BeatFlag.EXTRA, dtype=np.int8)])
    return ArtefactBeats(np.concatenate([kept, false_beats])[order], all_flags[order], times)


def spaced_indices(n: int, count: int, apart: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """``count`` ascending indices of 2 .. n-3 with at least ``apart`` between neighbours, or as many as fit."""
    room = n - 4 - (count - 1) * (apart - 1)
    while count > 0 and room < count:
        count -= 1
        room = n - 4 - (count - 1) * (apart - 1)
    if count <= 0:
        return np.empty(0, dtype=np.int64)
    picked = np.sort(rng.choice(room, size=count, replace=False))
    spread: NDArray[np.int64] = picked.astype(np.int64) + 2 + np.arange(count) * (apart - 1)
    return spread


@dataclass(frozen=True, slots=True)
class EcgNoise:
    """Noise on an ECG in uV: standard deviations, and for the mains its amplitude.

    ``bursts_per_min`` bursts of motion, each ``burst_s`` long on average and with standard deviation ``burst_uv``.
    """

    white_uv: float = 6.0
    wander_uv: float = 60.0
    mains_uv: float = 4.0
    mains_hz: float = 50.0
    muscle_uv: float = 8.0
    bursts_per_min: float = 0.0
    burst_uv: float = 600.0
    burst_s: float = 4.0


@dataclass(frozen=True, slots=True)
class PpgNoise:
    """Noise on a PPG in units of the pulse's height; fields as `EcgNoise`. ``breathing`` modulates the baseline."""

    white: float = 0.01
    wander: float = 0.4
    breathing: float = 0.15
    bursts_per_min: float = 0.0
    burst: float = 3.0
    burst_s: float = 5.0


CLEAN_ECG = EcgNoise(white_uv=0.0, wander_uv=0.0, mains_uv=0.0, muscle_uv=0.0)
CLEAN_PPG = PpgNoise(white=0.0, wander=0.0, breathing=0.0)


def draw_bursts(
    duration_s: float, per_min: float, length_s: float, rng: np.random.Generator
) -> tuple[tuple[float, float], ...]:
    """Windows of motion: a Poisson number, lengths 0.5 to 1.5 times ``length_s``, merged where they overlap."""
    starts = np.sort(rng.uniform(0, duration_s, rng.poisson(per_min * duration_s / 60.0)))
    merged: list[tuple[float, float]] = []
    for start, length in zip(starts, rng.uniform(0.5, 1.5, len(starts)) * length_s, strict=True):
        begin, end = float(start), min(float(start + length), duration_s)
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((begin, end))
    return tuple(merged)


def baseline_wander(n: int, sampling_rate: float, rng: np.random.Generator) -> Floats:
    """Slow drift of unit variance: an Ornstein-Uhlenbeck process of 8 s, made at 4 Hz and interpolated."""
    coarse_hz = 4.0
    points = math.ceil(n / sampling_rate * coarse_hz) + 8
    coarse = ornstein_uhlenbeck(rng.standard_normal(points), 1 / coarse_hz, 8.0)
    smooth = np.convolve(coarse, np.hanning(7) / np.hanning(7).sum(), mode="same")
    drift: Floats = np.interp(np.arange(n) / sampling_rate, np.arange(points) / coarse_hz, smooth)
    return drift


def motion(n: int, sampling_rate: float, bursts: tuple[tuple[float, float], ...], rng: np.random.Generator) -> Floats:
    """Noise below about 8 Hz, unit variance, inside the bursts, fading in and out over 0.2 s; 0 elsewhere."""
    out = np.zeros(n)
    for start_s, end_s in bursts:
        lo, hi = int(start_s * sampling_rate), min(int(end_s * sampling_rate), n)
        if hi - lo < 3:
            continue
        fast = ornstein_uhlenbeck(rng.standard_normal(hi - lo), 1 / sampling_rate, 0.03)
        slow = ornstein_uhlenbeck(rng.standard_normal(hi - lo), 1 / sampling_rate, 0.3)
        seconds = np.arange(hi - lo) / sampling_rate
        fade = np.clip(np.minimum(seconds, seconds[::-1]) / 0.2, 0.0, 1.0)
        out[lo:hi] = (0.6 * fast + 0.8 * slow) * fade
    return out
