"""Breathing rate from what breathing does to the heart beats of an ECG or PPG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import ConfigError, InputError
from allostat.kernels.respiration import MODULATIONS, BreathingRates, Modulations, modulations, windowed
from allostat.recording import NS_PER_S, BeatFlag, Beats, Signal

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

CHARLTON = "10.1088/0967-3334/37/4/610"
KARLEN = "10.1109/TBME.2013.2246160"
BAND_HZ = (0.1, 0.6)
LARGEST = 1e100
"""Samples beyond this are no measurements, and their squares no numbers: they count as missing."""

BLOCK = 1 << 20
"""Samples that are looked at together."""

ACCEPTED_SHARE = 0.45
"""Windows with less of the fused power near the peak are not accepted."""


def respiration_rate(
    signal: Signal,
    beats: Beats,
    window_s: float = 60.0,
    step_s: float = 10.0,
    *,
    band_hz: tuple[float, float] = BAND_HZ,
    accepted_share: float = ACCEPTED_SHARE,
) -> xr.Dataset:
    """Breathing rate in windows, from amplitude, level and interval of the beats, fused.

    Parameters
    ----------
    signal
        ECG or PPG.
    beats
        Its beats as found (`allostat.find_beats`), not corrected: each must be a peak of the signal.
    window_s, step_s
        Length of the windows and distance of their starts. Spectra of a minute tell rates apart by 1 /min; shorter
        windows (32 s in Karlen) follow changes and err more.
    band_hz
        Lowest and highest rate looked for.
    accepted_share
        Share of the fused power that must lie near the peak for a window to be accepted.

    Returns
    -------
    Dataset(window)
        ``respiration_rate`` (/min), ``uncertainty`` (/min: how far the modulations' own rates lie from it, weighted by
        how clear they are; an indication, no standard error of repeated measurement), ``power_share``,
        ``rate_by_modulation`` (modulation, window) and ``reasons`` (bit mask: ``FEW_BEATS``, ``NO_PEAK``, ``UNCLEAR``).
        Rates of windows that are ``UNCLEAR`` are given; the others are NaN. ``accepted`` is 1 where there is no reason.
        Coordinates ``time`` and ``end``: int64 ns.

    Raises
    ------
    InputError
        When the signal is neither ECG nor PPG, or beats and signal count time from different epochs.
    ConfigError
        When window, step, band or share make no sense.

    Notes
    -----
    A breath is seen once per beat: rates above half the heart rate cannot be seen. In atrial fibrillation and with
    frequent ectopic beats the interval says nothing of breathing.

    References
    ----------
    Charlton et al. 2016, 10.1088/0967-3334/37/4/610; Karlen et al. 2013, 10.1109/TBME.2013.2246160.
    """
    import xarray as xr

    if signal.kind not in ("ecg", "ppg"):
        raise InputError("breathing is measured in ECG or PPG", where=signal.name, found=signal.kind)
    if len(beats) and len(signal) and beats.epoch != signal.clock.epoch:
        raise InputError(
            "beats and signal count time from different epochs", found=f"{beats.epoch}, {signal.clock.epoch}"
        )
    _refuse(window_s, step_s, band_hz, accepted_share)
    start, end = signal.clock.start_ns, signal.clock.end_ns
    width, hop = round(window_s * NS_PER_S), round(step_s * NS_PER_S)
    count = max((end - start - width) // hop + 1, 0)
    starts = start + hop * np.arange(count, dtype=np.int64)
    at_s, series = _series(signal, beats)
    found = windowed(at_s, series, (starts - start) / NS_PER_S, width / NS_PER_S, band_hz)
    reasons = _reasons(found, accepted_share)
    about = {
        "method": "spectra of amplitude, level and interval of the beats, fused",
        "references": f"{CHARLTON} {KARLEN}",
    }
    data: dict[str, tuple[str | tuple[str, str], NDArray[np.generic], dict[str, object]]] = {
        "respiration_rate": ("window", found.rate_hz * 60, {
            "units": "/min", "long_name": "breathing rate", **about}),
        "uncertainty": ("window", found.se_hz * 60, {
            "units": "/min", "long_name": "disagreement of the modulations", **about}),
        "power_share": ("window", found.power_share, {
            "units": "1", "long_name": "share of power near the peak", **about}),
        "rate_by_modulation": (("modulation", "window"), found.rates_hz.T * 60, {
            "units": "/min", "long_name": "rate of each modulation", "modulations": " ".join(MODULATIONS), **about}),
        "accepted": ("window", (reasons == 0).astype(np.int8), {"long_name": "nothing speaks against the rate"}),
        "reasons": ("window", reasons, {
            "long_name": "what speaks against the rate", "flag_masks": np.array([1, 2, 4], dtype=np.int8),
            "flag_meanings": "FEW_BEATS NO_PEAK UNCLEAR"}),
    }  # fmt: skip
    coords = {
        "time": ("window", starts, {"units": "ns", "long_name": "start of the window", "epoch": signal.clock.epoch}),
        "end": (
            "window",
            starts + width,
            {"units": "ns", "long_name": "end of the window", "epoch": signal.clock.epoch},
        ),
        "modulation": ("modulation", np.arange(len(MODULATIONS)), {"long_name": "modulation"}),
    }
    attrs = {"sensor": signal.kind, "beats": beats.method, "band_hz": list(band_hz), "accepted_share": accepted_share}
    return xr.Dataset(data, coords, attrs)


def _refuse(window_s: float, step_s: float, band_hz: tuple[float, float], share: float) -> None:
    if not 20.0 <= window_s <= 3600.0 or not 0.1 <= step_s <= 3600.0:
        raise ConfigError("windows last 20 s to an hour", found=f"window {window_s}, step {step_s}")
    if not 0.03 <= band_hz[0] < band_hz[1] <= 2.0:
        raise ConfigError("the band lies between 0.03 and 2 Hz, low before high", found=band_hz)
    if not 0 <= share <= 1:
        raise ConfigError("a share lies between 0 and 1", found=share)


def _reasons(found: BreathingRates, accepted_share: float) -> NDArray[np.int8]:
    nothing = ~np.isfinite(found.rates_hz).any(axis=1) & ~np.isfinite(found.power_share)
    no_peak = ~np.isfinite(found.rate_hz)
    unclear = ~(found.power_share >= accepted_share)
    return np.select([nothing, no_peak, unclear], [np.int8(1), np.int8(2), np.int8(4)], np.int8(0))


def _series(signal: Signal, beats: Beats) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...]]:
    """Instants of the beats in s since the signal's start, and the three series, stretch by stretch of the clock."""
    at_s: list[NDArray[np.float64]] = [np.empty(0)]
    parts: list[list[NDArray[np.float64]]] = [[np.empty(0)] for _ in MODULATIONS]
    unusable = np.isin(beats.flags, (BeatFlag.UNUSABLE, BeatFlag.OUT_OF_RANGE))
    place = signal.clock.samples_at(beats.times_ns)
    for stretch in signal.clock.stretches():
        inside = (place >= stretch.start) & (place < stretch.stop) & ~unusable
        series = _modulations(signal, place[inside], stretch.stop)
        seconds = series.interval / stretch.mean_hz
        seconds[~np.isfinite(beats.intervals_ms[inside])] = np.nan
        at_s.append((beats.times_ns[inside] - signal.clock.start_ns) / NS_PER_S)
        for part, values in zip(parts, (series.amplitude, series.baseline, seconds), strict=True):
            part.append(values)
    joined = np.concatenate(at_s)
    ascending = np.concatenate([[True], np.diff(np.maximum.accumulate(joined)) > 0])[: len(joined)]
    return joined[ascending], tuple(np.concatenate(part)[ascending] for part in parts)


def _modulations(signal: Signal, place: NDArray[np.float64], end: int) -> Modulations:
    """Modulations of the beats at these places of a stretch, block by block, lest a day of samples stand as floats."""
    found = Modulations(*(np.full(len(place), np.nan) for _ in MODULATIONS))
    before = 0
    while before < len(place) - 1:
        stop = max(int(np.searchsorted(place, place[before] + BLOCK)), before + 2)
        # From an even sample on, so that halves are rounded to the same ones as in the whole stretch.
        first, last = int(place[before]) // 2 * 2, min(int(np.ceil(place[stop - 1])) + 1, end)
        samples = signal.physical(first, last)
        samples[~(np.abs(samples) < LARGEST)] = np.nan
        block = modulations(samples, place[before:stop] - first)
        for whole, part in zip(found, block, strict=True):
            whole[before + 1 : stop] = part[1:]
        before = stop - 1
    return found
