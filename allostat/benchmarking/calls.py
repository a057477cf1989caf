"""allostat's side of each case: the kernel or public function on the case's inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# ruff: noqa: D103  the names of the functions are those of the cases, which say what they are


def r_peaks(ecg: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels import r_peaks

    return r_peaks(ecg, rate_hz) / rate_hz


def r_peaks_in_packets(ecg: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels import RPeakDetector

    detector = RPeakDetector(rate_hz)
    batches = [detector.push(ecg[at : at + 73]) for at in range(0, len(ecg), 73)]
    batches.append(detector.flush())
    return np.concatenate([batch.sample for batch in batches]) / rate_hz


def systolic_peaks(ppg: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels import systolic_peaks

    return systolic_peaks(ppg, rate_hz) / rate_hz


def correction(times_ms: NDArray[Any]) -> Any:
    from allostat.kernels.artefacts import correct

    return correct(times_ms)


def correction_in_three_passes(times_ms: NDArray[Any]) -> Any:
    from allostat.kernels.artefacts import correct

    return correct(times_ms, 3)


def artefact_classes(times_ms: NDArray[Any]) -> Any:
    from allostat.kernels.artefacts import lipponen_tarvainen

    return lipponen_tarvainen(times_ms)


def time_domain(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.time_domain import time_domain

    return time_domain(nn_ms)


def time_domain_in_windows(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> Any:
    from allostat.kernels.time_domain import windowed

    return windowed(nn_ms, first, stop)


def poincare(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.poincare import poincare

    return poincare(nn_ms)


def welch(series: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels.spectrum import welch

    return welch(series, rate_hz)


def band_powers(times_s: NDArray[Any], nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.even_series import even_series
    from allostat.kernels.spectrum import band_power, welch

    frequencies, density = welch(even_series(times_s, nn_ms, 4.0), 4.0)
    return band_power(frequencies, density, 0.04, 0.15), band_power(frequencies, density, 0.15, 0.4)


def lomb_scargle(times_s: NDArray[Any], nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.lomb_scargle import lomb_scargle

    return lomb_scargle(times_s, nn_ms, 1 / 1200, 480)


def autoregressive(series: NDArray[Any], rate_hz: float) -> Any:
    from allostat.kernels.autoregressive import Models, autoregressive, densities

    model = autoregressive(series, 16)
    return densities(Models(model.coefficients[None], np.array([model.variance])), rate_hz, 1024)[0]


def smoothness_priors(series: NDArray[Any], smoothing: float) -> Any:
    from allostat.kernels.even_series import smoothness_priors_trend

    return smoothness_priors_trend(series, smoothing)


def entropies(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.entropy import entropies

    return entropies(nn_ms)


def multiscale_entropy(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.entropy import multiscale_entropy

    return multiscale_entropy(nn_ms, r_ms=10.0, scales=range(1, 6))


def dfa(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.dfa import dfa

    return dfa(nn_ms)


def fragmentation(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.fragmentation import fragmentation

    return fragmentation(nn_ms)


def capacities(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.phase_rectified import acceleration_capacity, deceleration_capacity

    return {"dc": deceleration_capacity(nn_ms)[0], "ac": acceleration_capacity(nn_ms)[0]}


def geometry(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.geometric import geometry

    return geometry(nn_ms)


def turbulence(nn_ms: NDArray[Any]) -> Any:
    from allostat.kernels.turbulence import heart_rate_turbulence

    return heart_rate_turbulence(nn_ms)


def hrv_in_windows(nn_ms: NDArray[Any], first: NDArray[Any], stop: NDArray[Any]) -> Any:
    from allostat.hrv import hrv
    from allostat.recording import Beats

    return hrv(Beats.from_intervals(nn_ms[: stop[-1] + 1]), window="5min", step="1min")


def cosinor(t_h: NDArray[Any], values: NDArray[Any]) -> Any:
    from allostat.kernels.cosinor import cosinor

    return cosinor(t_h, values)


def rest_activity(values: NDArray[Any]) -> Any:
    from allostat.kernels.rest_activity import rest_activity

    return rest_activity(values, 0, 288)


def log_linear(t_h: NDArray[Any], values: NDArray[Any]) -> Any:
    from allostat.kernels.regression import log_linear

    return log_linear(t_h, values)


def irregularity(rr_ms: NDArray[Any]) -> Any:
    from allostat.kernels.irregularity import alternating_share

    return alternating_share(rr_ms)


def main_sleeps(ln_hr: NDArray[Any], ln_spread: NDArray[Any], ln_rmssd: NDArray[Any]) -> Any:
    from allostat.sleep_course import Minutes, main_sleeps

    return main_sleeps(Minutes(ln_hr, ln_spread, ln_rmssd))


def exponential_return(t_s: NDArray[Any], values: NDArray[Any]) -> Any:
    from allostat.kernels.exponential import exponential_return

    return exponential_return(t_s, values, 2.5, 1800.0)


def breathing(at_s: NDArray[Any], amplitude: NDArray[Any], baseline: NDArray[Any], interval: NDArray[Any]) -> Any:
    from allostat.kernels.respiration import windowed

    starts = np.arange(0, at_s[-1] - 60, 10.0)
    return windowed(at_s, (amplitude, baseline, interval), starts, 60.0, (0.1, 0.6))
