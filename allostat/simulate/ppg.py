"""PPG drawn from beat instants: each sends a pulse that arrives 240 ms later, with systolic and diastolic wave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.kernels.beat_train import ornstein_uhlenbeck
from allostat.kernels.render import add_bumps, bump_maxima
from allostat.simulate.artefacts import (
    VENTRICULAR_LABEL,
    PpgNoise,
    SimulatedSignal,
    add_ectopic_beats,
    baseline_wander,
    draw_bursts,
    motion,
)
from allostat.simulate.ecg import LEAD_IN_S, STEADY
from allostat.simulate.physiology import SimulatedParticipant, simulate_participant
from allostat.simulate.rr import simulate_rest
from allostat.simulate.seeds import random_stream

Floats = NDArray[np.float64]

ARRIVAL_S = 0.24
"""Pulse arrival time, R peak to pulse foot."""
ARRIVAL_WANDER_S = 0.004
ARRIVAL_JITTER_S = 0.0015
PULSE_HEIGHT = 1000
"""Height of a pulse in device integers."""

# Offset from the pulse foot (s), width (s), height; all offsets and widths but the systolic ones grow with the
# interval's root.
_SYSTOLIC = (0.125, 0.055, 0.85)
_SHOULDER = (0.235, 0.075, 0.38)
_DIASTOLIC = (0.42, 0.105, 0.33)


def simulate_ppg(
    duration_s: float,
    sampling_rate: float,
    seed: int = 0,
    *,
    noise: PpgNoise | None = None,
    ectopic_rate: float = 0.0,
    hr_bpm: float = 66.0,
    rmssd_ms: float = 35.0,
    participant: SimulatedParticipant | None = None,
) -> SimulatedSignal:
    """PPG of a person at rest, systolic peaks upwards; the pulse is about 1000 integers high.

    Parameters
    ----------
    duration_s, sampling_rate
        Length in s and rate in Hz.
    seed
        The same arguments give the same samples. The beats are those of `simulate_ecg` with the same seed and person
        as long as there are no ectopic beats.
    noise
        `PpgNoise()` when left out; `CLEAN_PPG` for none.
    ectopic_rate
        Share of beats that are ventricular ectopic beats; their pulse is weak and the next one strong.
    hr_bpm, rmssd_ms, participant
        As `simulate_ecg`.

    Returns
    -------
    SimulatedSignal
        Systolic peaks of the noise-free wave in ``beat_times_s``, the R peaks behind them in ``heart_beats_s``.
    """
    if not duration_s > 0 or not sampling_rate > 0:
        raise InputError("duration and sampling rate are positive", found=f"{duration_s} s, {sampling_rate} Hz")
    person = participant or replace(simulate_participant("ecg", seed), hr_rest=hr_bpm, rmssd_rest=rmssd_ms)
    train = simulate_rest(person, duration_s + 2 * LEAD_IN_S, seed=seed, spread=STEADY)
    rng = random_stream(seed, "ppg", person.id)
    times, labels = add_ectopic_beats(train.times_s - LEAD_IN_S, ectopic_rate, rng)
    return render_ppg(
        times, labels, duration_s, sampling_rate, rng, noise or PpgNoise(), breathing_hz=person.respiration_hz
    )


def render_ppg(
    beat_times_s: Floats,
    beat_labels: NDArray[np.str_],
    duration_s: float,
    sampling_rate: float,
    rng: np.random.Generator,
    noise: PpgNoise,
    *,
    breathing_hz: float = 0.25,
    bursts_s: tuple[tuple[float, float], ...] | None = None,
) -> SimulatedSignal:
    """PPG of given heart beats; parameters as `allostat.simulate.ecg.render_ecg`."""
    n = int(duration_s * sampling_rate)
    beats = len(beat_times_s)
    preceding = np.clip(np.diff(beat_times_s, prepend=beat_times_s[0] - 0.9 if beats else 0.0), 0.3, 1.5)
    slow = ornstein_uhlenbeck(rng.standard_normal(beats), 1.0, 12.0)
    foot = beat_times_s + ARRIVAL_S + ARRIVAL_WANDER_S * slow + ARRIVAL_JITTER_S * rng.standard_normal(beats)
    early = beat_labels == VENTRICULAR_LABEL
    filling = np.where(early, 0.45, 1.0) * (1.0 + 0.25 * np.clip(preceding - np.median(preceding), -0.4, 0.4))
    filling = filling * (1.0 + 0.05 * np.sin(2 * np.pi * breathing_hz * beat_times_s)) * PULSE_HEIGHT

    stretch = np.sqrt(preceding)
    ones = np.ones(beats)
    centre = np.column_stack(
        [foot + _SYSTOLIC[0], foot + _SHOULDER[0] * stretch, foot + _DIASTOLIC[0] * stretch],
    )
    width = np.column_stack([_SYSTOLIC[1] * ones, _SHOULDER[1] * stretch, _DIASTOLIC[1] * stretch])
    height = np.column_stack([filling * w[2] for w in (_SYSTOLIC, _SHOULDER, _DIASTOLIC)])
    samples = np.zeros(n)
    for k in range(3):
        add_bumps(samples, sampling_rate, centre[:, k].copy(), width[:, k].copy(), height[:, k].copy())
    peaks = bump_maxima(foot + _SYSTOLIC[0] + 0.02, 0.06, centre, width, height)

    seconds = np.arange(n) / sampling_rate
    samples += PULSE_HEIGHT * noise.white * rng.standard_normal(n)
    samples += PULSE_HEIGHT * noise.wander * baseline_wander(n, sampling_rate, rng)
    samples += PULSE_HEIGHT * noise.breathing * np.sin(2 * np.pi * breathing_hz * seconds)
    bursts = draw_bursts(duration_s, noise.bursts_per_min, noise.burst_s, rng) if bursts_s is None else bursts_s
    samples += PULSE_HEIGHT * noise.burst * motion(n, sampling_rate, bursts, rng)

    inside = (peaks >= 0) & (peaks <= (n - 1) / sampling_rate)
    return SimulatedSignal(
        np.rint(samples).astype(np.int32),
        sampling_rate,
        peaks[inside],
        beat_labels[inside],
        beat_times_s[inside],
        "1",
        bursts,
    )
