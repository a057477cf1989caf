"""One small call of each public kernel function, with the kinds of arguments that the rest of allostat gives it.

The table serves three ends: `allostat doctor` measures how long the kernels take to compile and to load; the tests
compare every kernel with and without compilation; and a kernel that no entry reaches, or that entries compile a second
time for another signature, is found. A new kernel gets an entry.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels import r_peaks, systolic_peaks
from allostat.kernels.artefact_stream import ArtefactCorrector
from allostat.kernels.artefacts import correct, lipponen_tarvainen
from allostat.kernels.autoregressive import autoregressive, densities
from allostat.kernels.autoregressive import windowed as autoregressive_windowed
from allostat.kernels.beat_train import N_NORMALS, beat_train, ornstein_uhlenbeck
from allostat.kernels.cosinor import cosinor
from allostat.kernels.dfa import dfa, fluctuations
from allostat.kernels.dfa import windowed as dfa_windowed
from allostat.kernels.entropy import entropies, multiscale_entropy
from allostat.kernels.entropy import windowed as entropy_windowed
from allostat.kernels.even_series import (
    Stretches,
    at_beats,
    cubic_spline,
    even_series,
    even_stretches,
    smoothness_priors_trend,
    without_trend,
)
from allostat.kernels.exponential import exponential_return
from allostat.kernels.fragmentation import fragmentation, segment_shares
from allostat.kernels.geometric import geometry
from allostat.kernels.lomb_scargle import lomb_scargle
from allostat.kernels.main_sleep import best_from_each_start, ramps
from allostat.kernels.phase_rectified import acceleration_capacity, deceleration_capacity
from allostat.kernels.poincare import asymmetry_windowed, poincare
from allostat.kernels.poincare import windowed as poincare_windowed
from allostat.kernels.r_peak import RPeakDetector
from allostat.kernels.regression import log_linear
from allostat.kernels.render import add_bumps, bump_maxima
from allostat.kernels.respiration import modulations
from allostat.kernels.respiration import windowed as breathing_windowed
from allostat.kernels.rest_activity import rest_activity
from allostat.kernels.segments import long_term
from allostat.kernels.signal_quality import bridge, measure, window_settings
from allostat.kernels.spectrum import band_powers, welch, welch_windows
from allostat.kernels.systolic_peak import SystolicPeakDetector, pulse_polarity
from allostat.kernels.text_columns import INTEGER_BY_POWER, NUMBER, NUMBER_OR_MISSING, STAMP_NS, read_columns
from allostat.kernels.text_rows import read_rows
from allostat.kernels.text_spans import clock_times, entries, numbers, stamps
from allostat.kernels.text_table import DECIMAL, format_rows
from allostat.kernels.time_domain import distribution_windowed, pnn, time_domain
from allostat.kernels.time_domain import windowed as time_domain_windowed
from allostat.kernels.turbulence import heart_rate_turbulence
from allostat.kernels.xml_attributes import (
    CHILD,
    HOLDER,
    LAST_KEY,
    N_KEYS,
    N_STATE,
    OPEN_HOLDER,
    ROOT,
    SPANS,
    enter,
    scan,
)

Floats = NDArray[np.float64]


def exercise(names: Iterable[str] | None = None) -> dict[str, object]:
    """Call everything once, or what is named; results by name."""
    return {name: CALLS[name]() for name in (CALLS if names is None else names)}


def families() -> list[tuple[str, ...]]:
    """Names of all calls, those together that need the same kernels, the dearest to compile first.

    Processes that share the work take a family each.
    """
    alone = set(CALLS) - {name for family in FAMILIES for name in family}
    return [*FAMILIES, *((name,) for name in sorted(alone))]


@functools.cache
def _noise(n: int) -> Floats:
    """Even noise of zero mean that needs no generator: the same on every machine and with every NumPy."""
    x: Floats = np.sin(np.arange(1, n + 1) * 12.9898) * 43758.5453
    noise: Floats = x - np.floor(x) - 0.5
    return noise


def _nn() -> Floats:
    """Two minutes of intervals in ms with a gap."""
    beat = np.arange(150)
    nn: Floats = (
        850.0 + 40.0 * np.sin(2 * np.pi * 0.22 * beat) + 25.0 * np.sin(2 * np.pi * beat / 40) + 40.0 * _noise(150)
    )
    nn[60] = np.nan
    return nn


def _whole() -> Floats:
    """The intervals without the gap."""
    nn = _nn()
    whole: Floats = nn[np.isfinite(nn)]
    return whole


def _windows() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([0, 30, 70]), np.array([80, 110, 150])


def _times_with_artefacts() -> Floats:
    """Beat times in ms with an early, a missed and an extra beat."""
    nn = _whole()
    nn[30] *= 0.6
    nn[31] *= 1.4
    nn[60] *= 2.0
    nn[90] *= 0.5
    nn[91] *= 0.5
    return np.cumsum(nn)


def _beats_s() -> Floats:
    return 0.5 + np.cumsum(_whole()[:14]) / 1000.0


def _wave(rate_hz: float, bells: tuple[tuple[float, float, float], ...], noise: float) -> Floats:
    """12 s of a signal made of bells per beat: height, place and width in s."""
    samples = noise * _noise(int(12 * rate_hz))
    for height, after_s, width_s in bells:
        centre = _beats_s() + after_s
        add_bumps(samples, rate_hz, centre, np.full(len(centre), width_s), np.full(len(centre), height))
    return samples


def _ecg() -> Floats:
    return _wave(130.0, ((0.12, -0.16, 0.022), (1.2, 0.0, 0.011), (-0.2, 0.03, 0.009), (0.28, 0.26, 0.045)), 0.05)


def _ppg() -> Floats:
    return _wave(64.0, ((1.0, 0.0, 0.075), (0.35, 0.30, 0.10)), 0.02)


def _pulse_maxima() -> Floats:
    beats = _beats_s()
    shape = (len(beats), 2)
    places = np.stack([beats, beats + 0.3], axis=1)
    maxima: Floats = bump_maxima(beats, 0.06, places, np.full(shape, 0.08), np.full(shape, (1.0, 0.35)))
    return maxima


def _train() -> object:
    course = np.ones(12)
    normals = _noise(64 * N_NORMALS).reshape(64, N_NORMALS).astype(np.float32)
    return beat_train(10.0, 1.0, 70 * course, 40 * course, 0.25 * course, 0.3 * course, 0.2, normals)


def _rows() -> object:
    data = np.frombuffer(b"2026-03-02 12:00:00 +0000,812.5\n2026-03-02 12:00:01 +0000,798\n", np.uint8)
    values, stamps = np.empty(2), np.empty(2, np.int64)
    count = read_rows(data, ord(","), 2, 1, 0, np.frombuffer(b" +0000", np.uint8), values, stamps)
    return count, values, stamps


def _columns() -> object:
    data = np.frombuffer(b"2026-03-02T12:00:00.25,1.5e+18,0.5,\n", np.uint8)
    kinds = np.array([STAMP_NS, INTEGER_BY_POWER, NUMBER, NUMBER_OR_MISSING])
    numbers, integers, states = np.zeros((4, 9)), np.zeros((4, 9), np.int64), np.zeros(1, np.int8)
    count = read_columns(data, ord(","), kinds, numbers, integers, states)
    return count, numbers, integers, states


def _quality() -> object:
    wave, settings = _ecg(), window_settings(130.0, False)
    wave[40:50] = np.nan
    return bridge(wave), measure(wave, r_peaks(wave, 130.0), settings)


def _stream() -> object:
    corrector = ArtefactCorrector(2)
    return corrector.push(_times_with_artefacts()), corrector.flush()


def _text() -> object:
    return format_rows([(np.array([812_500, 798_000]), DECIMAL, 3, b",")])


def _turbulence() -> object:
    intervals = _whole()
    intervals[50:70] += 12.0 * np.sin(np.arange(20) / 3)
    intervals[48], intervals[49] = 520.0, 1250.0
    return heart_rate_turbulence(intervals)


def _stretches() -> Stretches:
    """Even series of the two stretches beside the gap."""
    ends = np.round(np.nancumsum(_nn()) * 1e6).astype(np.int64)
    return even_stretches(ends, _nn(), np.array([0, 61]), np.array([60, 150]), 4.0)


def _at_beats() -> Floats:
    ends = np.round(np.nancumsum(_nn()) * 1e6).astype(np.int64)
    out = np.full(150, np.nan)
    first, stop = np.array([0, 61]), np.array([60, 150])
    at_beats(without_trend(_stretches(), 500.0), ends, first, stop, 4.0, first, out)
    return out


def _spectra() -> object:
    spectra = welch_windows(_stretches(), np.array([0, 0]), 1, 4.0, 128, linear=True)
    return spectra, band_powers(spectra.density, 4.0 / 128, np.array([[0.04, 0.15], [0.15, 0.4]]))


def _models() -> object:
    models = autoregressive_windowed(_stretches(), np.array([0, 0]), 1, 8)
    return models, densities(models, 4.0, 64)


def _day() -> tuple[Floats, Floats]:
    t_h = np.arange(0.0, 48.0, 0.5)
    return t_h, 50 + 10 * np.cos(2 * np.pi * (t_h - 15) / 24) + _noise(len(t_h))


def _breathing() -> object:
    """Three windows in two minutes of beats, one of whose series misses most of the first."""
    at = np.cumsum(_whole()) / 1000
    breath = np.sin(2 * np.pi * 0.25 * at) + 0.3 * _noise(len(at))
    late = np.where(at > 40.0, breath, np.nan)
    rates = breathing_windowed(at, (breath, late, _whole()), np.array([0.0, 20.0, 55.0]), 60.0, (0.1, 0.6))
    return modulations(_ecg(), 130.0 * _beats_s()[:12]), rates


def _main_sleep() -> object:
    steps = np.arange(120)
    sums = np.where((steps > 50) & (steps < 95), -5.0, 5.0) + _noise(120)
    at, off = np.arange(60.0) + 0.5, _noise(60)
    return best_from_each_start(np.full(120, 5), sums, 5, (36, 60), 30, 0.8, 60), ramps(at, off, at[:9], at[9:18])


def _markup() -> object:
    """Two records, one of them wanted, with a child; then the values of their attributes."""
    text = b"<a><r k='x' t='2024-03-04 05:06:07 +0100' v='1.5'><c v='9:05:06.25 PM'/></r><r k='y' v='2'/></a>"
    data = np.frombuffer(text + bytes(104 - len(text)), np.uint8)
    words = data.view(np.uint64)
    names, attributes = (np.frombuffer(b, np.uint8).copy() for b in (b"arc", b"ktv"))
    pool, ends = np.zeros(64, np.uint64), np.zeros((8, 2), np.int64)
    enter(np.frombuffer(b"x", np.uint8), 0, 1, pool, ends, 0)
    state, counts, seen = np.zeros(N_STATE, np.int64), np.zeros(9, np.int64), np.zeros(3, np.int64)
    state[OPEN_HOLDER], state[LAST_KEY], state[N_KEYS] = -1, -1, 1
    plan, each = np.array([[ROOT, -1], [HOLDER, 0], [CHILD, -1]]), np.arange(1, 4)
    rows = np.zeros((4, SPANS + 6), np.int32)
    n = scan(
        data, words, 0, len(text), names, each, plan, attributes, each, 1, pool, ends, counts, seen, state, rows
    )  # fmt: skip
    which = np.arange(n)
    seconds, offsets, clock, found = (np.empty(n, np.int64) for _ in range(4))
    values = np.empty(n)
    stamps(data, rows, which, SPANS + 2, seconds, offsets)
    numbers(data, rows, which, SPANS + 4, values)
    clock_times(data, rows, which, SPANS + 4, clock)
    entries(data, words, rows, which, SPANS + 4, ord(":"), pool, ends, 1, found)
    return rows[:n], counts, seen, state, seconds, offsets, values, clock, found


CALLS: dict[str, Callable[[], Any]] = {
    "acceleration_capacity": lambda: acceleration_capacity(_nn()),
    "asymmetry_windowed": lambda: asymmetry_windowed(_nn(), *_windows()),
    "at_beats": _at_beats,
    "autoregressive": lambda: autoregressive(_stretches().values[:200], 8),
    "autoregressive windowed": _models,
    "beat_train": _train,
    "breathing windowed": _breathing,
    "bump_maxima": _pulse_maxima,
    "artefact corrector": _stream,
    "correct": lambda: correct(_times_with_artefacts()),
    "correct, whole samples": lambda: correct(np.round(_times_with_artefacts()).astype(np.int64)),
    "cosinor": lambda: cosinor(*_day()),
    "cubic_spline": lambda: cubic_spline(_beats_s(), _whole()[:14], np.linspace(1.0, 10.0, 40)),
    "deceleration_capacity": lambda: deceleration_capacity(_nn()),
    "dfa": lambda: dfa(_nn()),
    "dfa windowed": lambda: dfa_windowed(_nn(), *_windows()),
    "distribution_windowed": lambda: distribution_windowed(_nn(), *_windows()),
    "entropies": lambda: entropies(_nn()),
    "entropy windowed": lambda: entropy_windowed(_nn(), *_windows()),
    "even_series": lambda: even_series(np.cumsum(_whole()) / 1000, _whole(), 4.0),
    "exponential_return": lambda: exponential_return(np.arange(9.0), np.exp(-np.arange(9.0) / 3), 0.5, 30.0),
    "fluctuations": lambda: fluctuations(_nn(), range(4, 17)),
    "format_rows": _text,
    "fragmentation": lambda: fragmentation(_nn()),
    "geometry": lambda: geometry(_nn()),
    "heart_rate_turbulence": _turbulence,
    "markup": _markup,
    "lipponen_tarvainen": lambda: lipponen_tarvainen(_times_with_artefacts()),
    "log_linear": lambda: log_linear(np.array([0.0, 4.0, 9.0, 15.0]), np.array([15.0, 9.0, 5.0, 2.5])),
    "lomb_scargle": lambda: lomb_scargle(np.cumsum(_whole()) / 1000, _whole(), 0.01, 40),
    "main sleep": _main_sleep,
    "long_term": lambda: long_term(_nn(), np.nancumsum(_nn()) / 1000, segment_s=30.0),
    "multiscale_entropy": lambda: multiscale_entropy(_nn(), scales=range(1, 4)),
    "ornstein_uhlenbeck": lambda: ornstein_uhlenbeck(_noise(50), 1.0, 8.0),
    "pnn": lambda: pnn(_nn(), 20.0),
    "poincare": lambda: poincare(_nn()),
    "poincare windowed": lambda: poincare_windowed(_nn(), *_windows()),
    "pulse_polarity": lambda: pulse_polarity(_ppg(), 64.0),
    "r_peaks": lambda: r_peaks(_ecg(), 130.0),
    "r_peaks with fractions": lambda: RPeakDetector.over(_ecg(), 130.0)[1],
    "read_columns": _columns,
    "read_rows": _rows,
    "rest_activity": lambda: rest_activity(_day()[1], 0, 48),
    "quality of a window": _quality,
    "segment_shares": lambda: segment_shares(_nn()),
    "smoothness_priors_trend": lambda: smoothness_priors_trend(_whole(), 500.0),
    "systolic_peaks": lambda: systolic_peaks(_ppg(), 64.0),
    "systolic_peaks with fractions": lambda: SystolicPeakDetector.over(_ppg(), 64.0)[1],
    "time_domain": lambda: time_domain(_nn()),
    "time_domain windowed": lambda: time_domain_windowed(_nn(), *_windows()),
    "welch windows": _spectra,
    "welch": lambda: welch(_whole(), 4.0, window_s=20.0),
}
"""Public kernel functions by name, each on a small input."""

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("r_peaks", "r_peaks with fractions", "quality of a window"),
    (
        "at_beats",
        "autoregressive",
        "autoregressive windowed",
        "cubic_spline",
        "even_series",
        "smoothness_priors_trend",
        "welch",
        "welch windows",
    ),
    ("artefact corrector", "correct", "correct, whole samples", "lipponen_tarvainen"),
    ("distribution_windowed", "long_term", "pnn", "time_domain", "time_domain windowed"),
    ("systolic_peaks", "systolic_peaks with fractions", "pulse_polarity"),
    ("entropies", "entropy windowed", "multiscale_entropy"),
    ("dfa", "dfa windowed", "fluctuations"),
    ("read_columns", "read_rows"),
    ("asymmetry_windowed", "poincare", "poincare windowed"),
    ("acceleration_capacity", "deceleration_capacity"),
    ("fragmentation", "segment_shares"),
    ("beat_train", "ornstein_uhlenbeck"),
)
"""Calls that need the same kernels; the others stand alone."""
