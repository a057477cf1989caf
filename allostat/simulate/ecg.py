"""ECG drawn from beat instants: P, Q, R, S and T waves as Gaussian bumps, with noise, as device integers in uV."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.kernels.render import add_bumps
from allostat.simulate.artefacts import (
    VENTRICULAR_LABEL,
    EcgNoise,
    SimulatedSignal,
    add_ectopic_beats,
    baseline_wander,
    draw_bursts,
    motion,
)
from allostat.simulate.measurement import Spread
from allostat.simulate.physiology import SimulatedParticipant, simulate_participant
from allostat.simulate.rr import simulate_rest
from allostat.simulate.seeds import random_stream

Floats = NDArray[np.float64]

LEAD_IN_S = 2.0
"""Beats are made from this long before the first sample, so that the first seconds look like the others."""
STEADY = Spread(ln_rmssd_rest=0.0, hr_rest=0.0)

# Offset from the R peak (s), width (s), height (uV), and the powers of the preceding interval (s) by which offset and
# width grow.
_SINUS_WAVES = np.array(
    [
        [-0.165, 0.022, 110.0, 0.25, 0.0],
        [-0.027, 0.0085, -90.0, 0.0, 0.0],
        [0.0, 0.0095, 1100.0, 0.0, 0.0],
        [0.027, 0.0095, -190.0, 0.0, 0.0],
        [0.290, 0.050, 260.0, 0.5, 0.5],
    ]
)
_VENTRICULAR_WAVES = np.array(
    [
        [-0.070, 0.024, -150.0, 0.0, 0.0],
        [0.0, 0.030, 1350.0, 0.0, 0.0],
        [0.085, 0.034, -420.0, 0.0, 0.0],
        [0.330, 0.065, -330.0, 0.5, 0.5],
        [0.0, 1.0, 0.0, 0.0, 0.0],
    ]
)


def simulate_ecg(
    duration_s: float,
    sampling_rate: float,
    seed: int = 0,
    *,
    noise: EcgNoise | None = None,
    ectopic_rate: float = 0.0,
    hr_bpm: float = 66.0,
    rmssd_ms: float = 35.0,
    participant: SimulatedParticipant | None = None,
) -> SimulatedSignal:
    """ECG of a person at rest.

    Parameters
    ----------
    duration_s, sampling_rate
        Length in s and rate in Hz.
    seed
        The same arguments give the same samples.
    noise
        `EcgNoise()` when left out; `CLEAN_ECG` for none.
    ectopic_rate
        Share of beats that are ventricular ectopic beats, 0 to 0.2.
    hr_bpm, rmssd_ms
        Heart rate and RMSSD of the person, unless ``participant`` is given.
    participant
        Whose resting heart rate, RMSSD and breathing rate to use.

    Returns
    -------
    SimulatedSignal
        int32 uV; R peaks and labels.
    """
    if not duration_s > 0 or not sampling_rate > 0:
        raise InputError("duration and sampling rate are positive", found=f"{duration_s} s, {sampling_rate} Hz")
    person = participant or replace(simulate_participant("ecg", seed), hr_rest=hr_bpm, rmssd_rest=rmssd_ms)
    train = simulate_rest(person, duration_s + 2 * LEAD_IN_S, seed=seed, spread=STEADY)
    rng = random_stream(seed, "ecg", person.id)
    times, labels = add_ectopic_beats(train.times_s - LEAD_IN_S, ectopic_rate, rng)
    return render_ecg(
        times, labels, duration_s, sampling_rate, rng, noise or EcgNoise(), breathing_hz=person.respiration_hz
    )


def render_ecg(
    beat_times_s: Floats,
    beat_labels: NDArray[np.str_],
    duration_s: float,
    sampling_rate: float,
    rng: np.random.Generator,
    noise: EcgNoise,
    *,
    breathing_hz: float = 0.25,
    bursts_s: tuple[tuple[float, float], ...] | None = None,
) -> SimulatedSignal:
    """ECG of given beats.

    Parameters
    ----------
    beat_times_s
        R peaks, ascending; those before 0 and after ``duration_s`` shape the ends and are left out of the truth.
    beat_labels
        ``N`` or ``V`` for each.
    breathing_hz
        Breathing moves the height of the R wave by 4 % and the baseline.
    bursts_s
        Windows of motion; drawn at random by ``noise.bursts_per_min`` when None.
    """
    n = int(duration_s * sampling_rate)
    preceding = np.diff(beat_times_s, prepend=beat_times_s[0] - 0.9 if len(beat_times_s) else 0.0)
    preceding = np.clip(preceding, 0.3, 1.5)
    samples = np.zeros(n)
    breath = 1.0 + 0.04 * np.sin(2 * np.pi * breathing_hz * beat_times_s)
    for waves, chosen in (
        (_SINUS_WAVES, beat_labels != VENTRICULAR_LABEL),
        (_VENTRICULAR_WAVES, beat_labels == VENTRICULAR_LABEL),
    ):
        at, rr, swell = beat_times_s[chosen], preceding[chosen], breath[chosen]
        for offset, width, height, offset_power, width_power in waves:
            add_bumps(samples, sampling_rate, at + offset * rr**offset_power, width * rr**width_power, height * swell)

    seconds = np.arange(n) / sampling_rate
    samples += noise.white_uv * rng.standard_normal(n)
    samples += noise.mains_uv * np.sin(2 * np.pi * noise.mains_hz * seconds + rng.uniform(0, 2 * np.pi))
    samples += noise.wander_uv * baseline_wander(n, sampling_rate, rng)
    samples += 0.3 * noise.wander_uv * np.sin(2 * np.pi * breathing_hz * seconds)
    muscle = rng.standard_normal(n)
    samples += noise.muscle_uv * np.diff(muscle, prepend=0.0) / np.sqrt(2)
    bursts = draw_bursts(duration_s, noise.bursts_per_min, noise.burst_s, rng) if bursts_s is None else bursts_s
    samples += noise.burst_uv * motion(n, sampling_rate, bursts, rng)

    inside = (beat_times_s >= 0) & (beat_times_s <= (n - 1) / sampling_rate)
    peaks = beat_times_s[inside]
    return SimulatedSignal(
        np.rint(samples).astype(np.int32), sampling_rate, peaks, beat_labels[inside], peaks, "uV", bursts
    )
