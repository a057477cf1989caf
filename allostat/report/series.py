"""Views of a participant's result that several figures share: the main series of beats, its clock, its signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.recording import NS_PER_S, UNKNOWN_ZONE, Beats, Recording, Signal, TimeZone
from allostat.report.local_time import LocalClock

if TYPE_CHECKING:
    import xarray as xr

    from allostat.store import ParticipantResult

_SOURCES = {"ecg": "ECG", "ppg": "PPG", "device": "device", "simulated": "simulation", "unknown": "file"}


@dataclass(frozen=True)
class Series:
    """One series of corrected beats with all that belongs to it.

    Attributes
    ----------
    id
        Key of ``beats``, ``hrv`` and ``quality`` in the result.
    windows
        HRV in windows; None when there was too little.
    signal
        The signal in which the beats were found; None for beats that the device gave, or when signals are not kept.
    """

    id: str
    beats: Beats
    recording: Recording | None
    windows: xr.Dataset | None
    quality: xr.Dataset | None
    signal: Signal | None
    clock: LocalClock

    @property
    def source_name(self) -> str:
        """What the beats come from, in words."""
        return _SOURCES[self.beats.source]

    @property
    def valid_hours(self) -> float:
        """Sum of the intervals that are known, in h."""
        return float(np.nansum(self.beats.intervals_ms)) / 3.6e6


def zone_of(result: ParticipantResult) -> TimeZone:
    """The participant's zone as the run settled it, else the one that the recordings agree on."""
    stated: Any = result.provenance.get("timezone") or {}
    if stated.get("name"):
        return TimeZone(str(stated["name"]), stated.get("source", "user"))
    zones = {r.timezone for r in result.recordings.values() if r.timezone.known}
    return zones.pop() if len(zones) == 1 else UNKNOWN_ZONE


def all_series(result: ParticipantResult) -> tuple[Series, ...]:
    """Every series of beats; the first carries most of the page: that of the circadian fit, else the longest."""
    zone = zone_of(result)
    found = []
    for key, beats in result.beats.items():
        recording, signal = _origin(result, key)
        windows = result.hrv.get(key)
        quality = result.quality.get(key)
        found.append(Series(key, beats, recording, windows, quality, signal, LocalClock(beats.epoch, zone)))
    chosen = "" if result.circadian is None else str(result.circadian.attrs.get("series", ""))
    return tuple(sorted(found, key=lambda s: (s.id != chosen, -s.valid_hours, s.id)))


def _origin(result: ParticipantResult, key: str) -> tuple[Recording | None, Signal | None]:
    """The recording, and the signal if there is one, whose identifiers make up the series' identifier."""
    fitting = [r for r in result.recordings if key == r or key.startswith(f"{r}_")]
    if not fitting:
        return None, None
    name = max(fitting, key=len)
    recording = result.recordings[name]
    return recording, recording.signals.get(key[len(name) + 1 :])


def values(dataset: xr.Dataset, name: str) -> NDArray[np.float64]:
    """A variable as float64; all NaN when the dataset does not hold it."""
    if name in dataset:
        return np.asarray(dataset[name].values, dtype=np.float64)
    return np.full(dataset.sizes.get("window", 0), np.nan)


def scalar(dataset: xr.Dataset | None, name: str) -> float:
    """A zero-dimensional variable; NaN when it is not there."""
    if dataset is None or name not in dataset or dataset[name].ndim:
        return float("nan")
    return float(dataset[name])


def mask_words(variable: xr.DataArray, mask: int) -> list[str]:
    """The meanings of the bits of a mask, by the CF attributes ``flag_masks`` and ``flag_meanings``."""
    flags = [int(m) for m in np.atleast_1d(variable.attrs.get("flag_masks", []))]
    meanings = str(variable.attrs.get("flag_meanings", "")).split()
    return [meaning for flag, meaning in zip(flags, meanings, strict=True) if mask & flag]


def flag_word(variable: xr.DataArray, value: int) -> str:
    """The meaning of a value by the CF attributes ``flag_values`` and ``flag_meanings``; empty when it has none."""
    flags = [int(v) for v in np.atleast_1d(variable.attrs.get("flag_values", []))]
    meanings = str(variable.attrs.get("flag_meanings", "")).split()
    return dict(zip(flags, meanings, strict=True)).get(value, "")


def sleep_spans(result: ParticipantResult) -> tuple[tuple[int, int], ...]:
    """Start and end in ns of each night from which the person's values were taken."""
    person = result.hrv.get("person")
    if person is None or "night" not in person.dims:
        return ()
    return tuple((int(a), int(b)) for a, b in zip(person["time"].values, person["end"].values, strict=True))


def window_text(windows: xr.Dataset) -> str:
    """Length of the windows in words: ``5 min``, ``30 s``."""
    if "end" not in windows.coords or not windows.sizes.get("window", 0):
        return "not recorded"
    seconds = float(np.median(np.asarray(windows["end"].values) - np.asarray(windows["time"].values))) / NS_PER_S
    return f"{seconds / 60:.4g} min" if seconds >= 60 else f"{seconds:.4g} s"
