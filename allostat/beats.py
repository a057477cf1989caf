"""From a signal to beats, and from beats as recorded to beats corrected."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.correction import correct_beats as correct_beats
from allostat.errors import ConfigError, InputError
from allostat.kernels.peaks import BLOCK_SAMPLES, PeakBatch, joined
from allostat.kernels.r_peak import RPeakDetector
from allostat.kernels.systolic_peak import SystolicPeakDetector
from allostat.polarity import UPRIGHT, signal_polarity
from allostat.recording import NS_PER_S, Beats, BeatSource, Signal
from allostat.sampling import Stretch

if TYPE_CHECKING:
    from numpy.typing import NDArray

ECG_METHODS = (
    "neurokit", "pantompkins1985", "hamilton2002", "zong2003", "martinez2004", "christov2004", "gamboa2008",
    "elgendi2010", "engzeemod2012", "manikandan2012", "khamis2016", "kalidas2017", "nabian2018", "rodrigues2021",
    "promac", "emrich2023",
)  # fmt: skip
"""R-peak methods of NeuroKit2, offered as ``neurokit:<name>``."""

PPG_METHODS = ("elgendi", "bishop", "charlton")
"""Systolic-peak methods of NeuroKit2, offered as ``neurokit:<name>``."""

CARRY_ON_S = 10.0
"""A detector keeps what it learned over gaps up to this long, and learns anew after longer ones."""

SHORTEST_STRETCH_S = 5.0
"""NeuroKit2's methods are not run on stretches shorter than this: their filters need more."""


def find_beats(signal: Signal, method: str = "allostat") -> Beats:
    """Find the heart beats in an electrocardiogram or a photoplethysmogram.

    Parameters
    ----------
    signal
        Stream of kind ``ecg`` or ``ppg``, any unit and either polarity.
    method
        ``allostat``: the project's own detectors (`allostat.kernels.r_peak`, `allostat.kernels.systolic_peak`).
        ``neurokit:<name>``: a method of NeuroKit2, named in `ECG_METHODS` and `PPG_METHODS`.

    Returns
    -------
    beats
        Instants on the signal's own clock, refined below one sample, with their standard error in ms. The interval that
        ends at a beat is NaN when a gap of the clock or a missing sample lies inside it.

    Raises
    ------
    ConfigError
        When the method is unknown for this kind of signal.
    InputError
        When the signal is neither ECG nor PPG, or sampled too slowly or too fast.

    References
    ----------
    For NeuroKit2: Makowski et al. 2021, 10.3758/s13428-020-01516-y. Standard error: of the vertex of the parabola
    through the peak, given the noise of the samples before it; NeuroKit2's peaks carry that of rounding to a
    sample.
    """
    source = _source(signal)
    valid = ["allostat", *(f"neurokit:{name}" for name in (ECG_METHODS if source == "ecg" else PPG_METHODS))]
    if method not in valid:
        raise ConfigError(
            f"unknown method for finding beats in {source.upper()}", where=signal.name, found=method, valid=valid
        )
    peaks = _own_peaks(signal, source) if method == "allostat" else _neurokit_peaks(signal, source, method[9:])
    return _as_beats(signal, peaks, source, method)


def _source(signal: Signal) -> BeatSource:
    match signal.kind:
        case "ecg":
            return "ecg"
        case "ppg":
            return "ppg"
        case _:
            raise InputError("beats are found in ECG or PPG", where=signal.name, found=signal.kind)


@dataclass(frozen=True, slots=True)
class _Peaks:
    """Peaks on the samples of a signal, and the first sample of the stretch in which each lies."""

    position: NDArray[np.float64]
    jitter: NDArray[np.float64]
    stretch: NDArray[np.int64]


_NO_PEAKS = _Peaks(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64))


def _own_peaks(signal: Signal, source: BeatSource) -> _Peaks:
    polarity = signal_polarity(signal) if source == "ppg" else UPRIGHT
    position, jitter, number = [], [], []
    for run in _runs(signal):
        detector = new_detector(source, run[0].rate_hz, signal.name)
        found: list[PeakBatch] = []
        shifts: list[int] = []
        fed = 0
        for k, stretch in enumerate(run):
            if k:
                lost = missing_between(run[k - 1].end_ns, stretch)
                found.append(detector.push(np.full(lost, np.nan)))
                fed += lost
            shifts.append(fed - stretch.start)
            for at in range(stretch.start, stretch.stop, BLOCK_SAMPLES):
                found.append(detector.push(polarity.upright(signal, at, min(at + BLOCK_SAMPLES, stretch.stop))))
            fed += len(stretch)
        found.append(detector.flush())
        peaks = joined(found)
        found.clear()  # a fortnight of them is large
        for stretch, shift in zip(run, shifts, strict=True):
            at_sample = peaks.sample - shift
            inside = (at_sample >= stretch.start) & (at_sample < stretch.stop)
            position.append(np.maximum(at_sample[inside] + peaks.fraction[inside], stretch.start))
            jitter.append(peaks.jitter[inside])
            number.append(np.full(int(inside.sum()), stretch.start, dtype=np.int64))
    if not position:
        return _NO_PEAKS
    return _Peaks(np.concatenate(position), np.concatenate(jitter), np.concatenate(number))


def new_detector(source: BeatSource, rate_hz: float, where: str) -> RPeakDetector | SystolicPeakDetector:
    """A detector of beats in ECG or PPG that has seen no sample.

    Raises
    ------
    InputError
        When the signal ``where`` is sampled too slowly or too fast.
    """
    try:
        return RPeakDetector(rate_hz) if source == "ecg" else SystolicPeakDetector(rate_hz)
    except ValueError as error:
        raise InputError(str(error), where=where) from error


def missing_between(end_ns: int, after: Stretch) -> int:
    """How many samples a detector is told are missing between the end of one stretch and the next."""
    return max(1, round((after.t0_ns - end_ns) * after.rate_hz / NS_PER_S))


def carries_on(end_ns: int, first_rate_hz: float, after: Stretch) -> bool:
    """Whether a detector follows from a stretch that ended into the next: a short gap, and a rate that agrees to 1 %
    with the one that the detector was made for."""
    same_rate = abs(after.rate_hz / first_rate_hz - 1.0) < 0.01
    return same_rate and (after.t0_ns - end_ns) / NS_PER_S <= CARRY_ON_S


def _runs(signal: Signal) -> Iterator[list[Stretch]]:
    """Stretches that one detector can follow."""
    run: list[Stretch] = []
    for stretch in signal.clock.stretches():
        if run and not carries_on(run[-1].end_ns, run[0].rate_hz, stretch):
            yield run
            run = []
        run.append(stretch)
    if run:
        yield run


def _neurokit_peaks(signal: Signal, source: BeatSource, name: str) -> _Peaks:
    position, number = [], []
    for stretch in signal.clock.stretches():
        values = signal.physical(stretch.start, stretch.stop)
        for first, last in _finite_stretches(values):
            if last - first >= SHORTEST_STRETCH_S * stretch.rate_hz:
                found = _neurokit(values[first:last], stretch.rate_hz, source, name, signal.name)
                position.append(found + float(stretch.start + first))
                number.append(np.full(len(found), stretch.start, dtype=np.int64))
    if not position:
        return _NO_PEAKS
    at = np.concatenate(position)
    return _Peaks(at, np.full(len(at), 1.0 / np.sqrt(12.0)), np.concatenate(number))


def _finite_stretches(values: NDArray[np.float64]) -> list[tuple[int, int]]:
    finite = np.concatenate([[False], np.isfinite(values), [False]])
    edges = np.flatnonzero(finite[1:] != finite[:-1])
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


def _neurokit(
    values: NDArray[np.float64], rate_hz: float, source: BeatSource, name: str, where: str
) -> NDArray[np.float64]:
    import neurokit2

    rate = round(rate_hz)  # its filters and windows ask for whole numbers; the clock keeps the effective rate
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if source == "ecg":
                cleaning = name if name in _OWN_CLEANING else "neurokit"
                clean = neurokit2.ecg_clean(values, sampling_rate=rate, method=cleaning)
                found = neurokit2.ecg_findpeaks(clean, sampling_rate=rate, method=name)["ECG_R_Peaks"]
            else:
                clean = neurokit2.ppg_clean(values, sampling_rate=rate, method="elgendi")
                found = neurokit2.ppg_findpeaks(clean, sampling_rate=rate, method=name)["PPG_Peaks"]
        except (ImportError, ValueError, IndexError, KeyError, TypeError, ZeroDivisionError) as error:
            raise InputError(f"NeuroKit2's method {name!r} failed on this signal: {error}", where=where) from error
    return np.unique(np.asarray(found, dtype=np.float64))


_OWN_CLEANING = frozenset(
    {
        "pantompkins1985", "hamilton2002", "zong2003", "christov2004", "gamboa2008", "elgendi2010", "engzeemod2012",
        "kalidas2017", "emrich2023",
    }
)  # fmt: skip
"""Methods that NeuroKit2 pairs with cleaning of their own; the others follow its general one."""


def _as_beats(signal: Signal, peaks: _Peaks, source: BeatSource, method: str) -> Beats:
    times = signal.clock.times_ns(peaks.position)
    # Blocks of a corrected clock may overlap by milliseconds: a beat inside the overlap is seen twice, and kept once.
    ahead = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(times)[:-1]]) if len(times) else times
    kept = times > ahead
    del ahead
    position, stretch = peaks.position[kept], peaks.stretch[kept]
    breaks = np.zeros(len(position), dtype=bool)
    breaks[1:] = (stretch[1:] != stretch[:-1]) | (np.diff(_missing_before(signal, position)) > 0)
    uncertainty_ms = 1000.0 * peaks.jitter[kept]
    if len(position):
        uncertainty_ms /= np.array([b.rate_hz for b in signal.clock.blocks])[signal.clock.block_of(position)]
    return Beats.from_times(
        times[kept],
        breaks=breaks,
        source=source,
        epoch=signal.clock.epoch,
        method=method,
        uncertainty_ms=uncertainty_ms.astype(np.float32),
    )


def _missing_before(signal: Signal, position: NDArray[np.float64]) -> NDArray[np.int64]:
    """How many samples before each position are missing."""
    lost: list[NDArray[np.int64]] = [np.empty(0, dtype=np.int64)]
    if signal.missing is not None or signal.samples.dtype.kind == "f":
        for at in range(0, len(signal), BLOCK_SAMPLES):
            lost.append(np.flatnonzero(~np.isfinite(signal.physical(at, at + BLOCK_SAMPLES))) + at)
    return np.searchsorted(np.concatenate(lost), position).astype(np.int64)
