"""What is measured: one kernel on one input each. Another tool's function for a case is in ``workers/``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.benchmarking import answers, calls, course_inputs, inputs
from allostat.benchmarking.agreement import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

Inputs = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One kernel on one input.

    Parameters
    ----------
    name
        Name on the command line.
    about
        What is measured, on what.
    items, item
        How many items one call works through, and what an item is. Inputs of this length can be cut shorter for a
        tool that would take minutes.
    inputs
        Makes the arguments of the call, arrays and numbers by name.
    call
        The kernel, given those arguments.
    answer
        What of the result is compared with other tools' results: values by name, or the instants of beats in s.
    long
        Whether it is left out unless asked for, because other tools take minutes.
    """

    name: str
    about: str
    items: int
    item: str
    inputs: Callable[[], Inputs]
    call: Callable[..., Any]
    answer: Callable[[Any], Answer]
    long: bool = False
    most_biquads: float | None = None
    """Bar of a case of samples at ``rate_hz``: times the time of two serial biquads over them (`yardstick`)."""

    def shorter(self, given: Inputs, items: int) -> Inputs:
        """The inputs with no more than the first so many items."""
        return {
            name: value[:items] if isinstance(value, np.ndarray) and len(value) == self.items else value
            for name, value in given.items()
        }


def chosen_cases(names: Iterable[str] | None, *, long: bool = False) -> list[Case]:
    """Cases by name; for None all, those that take long only when asked for.

    Raises
    ------
    ConfigError
        When a name is unknown.
    """
    from allostat.errors import ConfigError

    known = {case.name: case for case in CASES}
    if names is None:
        return [case for case in CASES if long or not case.long]
    wanted = list(names)
    for name in wanted:
        if name not in known:
            raise ConfigError("unknown benchmark case", found=name, valid=known)
    return [known[name] for name in wanted]


MOST_BIQUADS_ECG, MOST_BIQUADS_PPG = 10.0 / 6.6, 8.0 / 6.6
"""10 and 8 ns per sample on a machine on which two serial biquads cost 6.6 ns."""

_WINDOWS = 1_412
"""How many windows `inputs.a_day_in_windows` has."""

CASES: tuple[Case, ...] = (
    Case(
        "r_peaks", "R peaks, 30 min of ECG at 250 Hz", 450_000, "sample",
        lambda: {"ecg": inputs.synthetic_ecg(30, 250.0), "rate_hz": 250.0}, calls.r_peaks, answers.at,
        most_biquads=MOST_BIQUADS_ECG,
    ),
    Case(
        "r_peaks_24h", "R peaks, 24 h of ECG at 250 Hz", 21_600_000, "sample",
        lambda: {"ecg": inputs.synthetic_ecg(1440, 250.0), "rate_hz": 250.0}, calls.r_peaks, answers.at, long=True,
        most_biquads=MOST_BIQUADS_ECG,
    ),
    Case(
        "r_peaks_live", "R peaks, 10 min of ECG at 130 Hz, packets of 73", 78_000, "sample",
        lambda: {"ecg": inputs.synthetic_ecg(10, 130.0), "rate_hz": 130.0}, calls.r_peaks_in_packets, answers.at,
    ),
    Case(
        "systolic_peaks", "systolic peaks, 60 min of PPG at 64 Hz", 230_400, "sample",
        lambda: {"ppg": inputs.synthetic_ppg(60, 64.0), "rate_hz": 64.0}, calls.systolic_peaks, answers.at,
        most_biquads=MOST_BIQUADS_PPG,
    ),
    Case(
        "systolic_peaks_24h", "systolic peaks, 24 h of PPG at 64 Hz", 5_529_600, "sample",
        lambda: {"ppg": inputs.synthetic_ppg(1440, 64.0), "rate_hz": 64.0}, calls.systolic_peaks, answers.at, long=True,
        most_biquads=MOST_BIQUADS_PPG,
    ),
    Case(
        "correction", "artefact correction of 100,000 beats, repeated while it helps", 100_000, "beat",
        lambda: {"times_ms": inputs.beat_times_with_artefacts(100_000)}, calls.correction, answers.corrected,
    ),
    Case(
        "correction_6_percent", "artefact correction of 100,000 beats, 6 % wrong intervals, repeated while it helps",
        100_000, "beat",
        lambda: {"times_ms": inputs.beat_times_with_many_artefacts(100_000)}, calls.correction, answers.corrected,
    ),
    Case(
        "correction_3_passes", "artefact correction of 100,000 beats, 6 % wrong intervals, three passes",
        100_000, "beat",
        lambda: {"times_ms": inputs.beat_times_with_many_artefacts(100_000)}, calls.correction_in_three_passes,
        answers.corrected,
    ),
    Case(
        "artefact_classes", "classes of artefacts of 100,000 beats, one pass", 100_000, "beat",
        lambda: {"times_ms": inputs.beat_times_with_artefacts(100_000)}, calls.artefact_classes, answers.class_counts,
    ),
    Case(
        "time_domain", "time-domain HRV of 353 intervals", 353, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(353)}, calls.time_domain,
        answers.named("mean_nn", "sdnn", "rmssd", "pnn50"),
    ),
    Case(
        "time_domain_24h", "time-domain HRV of a day, 5-min windows every minute", _WINDOWS, "window",
        inputs.a_day_in_windows, calls.time_domain_in_windows, answers.means_over_windows,
    ),
    Case(
        "poincare", "Poincaré axes of 353 intervals", 353, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(353)}, calls.poincare, answers.named("sd1", "sd2"),
    ),
    Case(
        "welch", "Welch spectrum of 5 min at 4 Hz", 1_200, "point",
        lambda: {"series": inputs.intervals_ms(1200), "rate_hz": 4.0}, calls.welch, answers.density,
    ),
    Case(
        "band_powers", "LF and HF of 353 intervals (resampled at 4 Hz, Welch)", 353, "interval",
        inputs.five_minutes, calls.band_powers, answers.powers,
    ),
    Case(
        "lomb_scargle", "Lomb-Scargle spectrum of 353 intervals at 480 frequencies", 353, "interval",
        inputs.five_minutes, calls.lomb_scargle, answers.power,
    ),
    Case(
        "autoregressive", "autoregressive spectrum (order 16) of 5 min at 4 Hz", 1_200, "point",
        lambda: {"series": inputs.even_intervals_ms(1200), "rate_hz": 4.0}, calls.autoregressive, answers.level,
    ),
    Case(
        "smoothness_priors", "smoothness-priors trend of 5 min at 4 Hz", 1_200, "point",
        lambda: {"series": inputs.even_intervals_ms(1200), "smoothing": 500.0}, calls.smoothness_priors, answers.trend,
    ),
    Case(
        "entropy", "sample and approximate entropy of 353 intervals", 353, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(353)}, calls.entropies, answers.named("sample", "approximate"),
    ),
    Case(
        "entropy_5000", "sample and approximate entropy of 5,000 intervals", 5_000, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(5_000)}, calls.entropies, answers.named("sample", "approximate"),
    ),
    Case(
        "multiscale_entropy", "multiscale entropy (5 scales) of 1,000 intervals", 1_000, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(1_000)}, calls.multiscale_entropy, answers.of_scales,
    ),
    Case(
        "dfa", "DFA alpha 1 (boxes of 4 to 16) of 353 intervals", 353, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(353)}, calls.dfa, answers.alpha,
    ),
    Case(
        "fragmentation", "fragmentation of 353 intervals", 353, "interval",
        lambda: {"nn_ms": inputs.quantised_ms(353)}, calls.fragmentation, answers.named("pip", "ials"),
    ),
    Case(
        "capacities", "deceleration and acceleration capacity of 100,000 intervals", 100_000, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(100_000)}, calls.capacities, answers.named("dc", "ac"),
    ),
    Case(
        "geometry", "triangular index and TINN of 353 intervals", 353, "interval",
        lambda: {"nn_ms": inputs.intervals_ms(353)}, calls.geometry, answers.named("triangular_index"),
    ),
    Case(
        "turbulence", "heart-rate turbulence of 100,000 intervals", 100_000, "interval",
        lambda: {"nn_ms": inputs.with_premature_beats(100_000)}, calls.turbulence, answers.named("onset", "slope"),
    ),
    Case(
        "hrv_24h", "the full set of HRV of a day, 5-min windows every minute", _WINDOWS, "window",
        inputs.a_day_in_windows, calls.hrv_in_windows, answers.means_of_variables,
    ),
    Case(
        "cosinor", "cosinor of a week in steps of 5 min", 2_016, "value",
        inputs.a_week, calls.cosinor, answers.named("mesor", "amplitude", "acrophase_h"),
    ),
    Case(
        "rest_activity", "IS, IV, L5, M10 of a week in steps of 5 min", 2_016, "value",
        lambda: {"values": inputs.a_week()["values"]}, calls.rest_activity,
        answers.named("interdaily_stability", "intradaily_variability", "l5", "m10"),
    ),
    Case(
        "irregularity", "share of alternating intervals around each of 100,000", 100_000, "interval",
        lambda: {"rr_ms": inputs.with_premature_beats(100_000)}, calls.irregularity, answers.mean_share,
    ),
    Case(
        "sleep", "main sleeps of three days of minutes", 4_320, "minute",
        lambda: course_inputs.days_of_minutes(3), calls.main_sleeps, answers.first_sleep,
    ),
    Case(
        "recovery", "exponential return to baseline of 120 values", 120, "value",
        course_inputs.a_return_to_baseline, calls.exponential_return, answers.named("level", "excess", "tau"),
    ),
    Case(
        "respiration", "breathing rate of 700 beats, 60-s windows every 10 s", 700, "beat",
        course_inputs.breathing_beats, calls.breathing, answers.median_rate,
    ),
    Case(
        "log_linear", "log-linear slope of four cortisol samples", 4, "value",
        inputs.a_day_of_cortisol, calls.log_linear, answers.named("slope"),
    ),
)  # fmt: skip
"""What is measured; tests, the command line and the comparison with other tools use the same table."""
