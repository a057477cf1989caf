"""Signals as EDF+ files, one per stretch without gaps, with the beats found in them as annotations."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError
from allostat.export.naming import file_label
from allostat.export.stretches import Stretch, signal_stretches
from allostat.study.layout import folder_name, write_atomic

if TYPE_CHECKING:
    from allostat.recording import Beats, Signal
    from allostat.study.opened import StudyResults

_UNITS = {"uV": "uV", "mV": "mV", "1": ""}
DIGITAL = (-32768, 32767)


def write(results: StudyResults, participants: Sequence[str], folder: Path) -> list[Path]:
    """Write the signals of each participant. EDF holds 16 bits: wider samples are scaled to the range that occurs, and
    the header states the step. Missing samples, which EDF cannot say, are written as the lowest value and annotated.

    Raises
    ------
    InputError
        edfio is not installed.
    """
    try:
        import edfio  # noqa: F401  (asked for once, before anything is written)
    except ImportError as error:
        raise InputError("EDF needs edfio", expected="pip install 'allostat-load[edf]'") from error
    written = []
    for who in participants:
        result = results.result(who)
        for key, recording in result.recordings.items():
            for name, signal in recording.signals.items():
                beats = result.beats.get(f"{key}_{name}")
                for n, stretch in enumerate(signal_stretches(signal), 1):
                    path = folder / f"{folder_name(who)}_{file_label(key)}_{file_label(name)}_{n:03d}.edf"
                    write_atomic(path, _file(who, signal, stretch, beats))
                    written.append(path)
    return written


def _file(who: str, signal: Signal, stretch: Stretch, beats: Beats | None) -> bytes:
    from edfio import Edf, EdfAnnotation, EdfSignal, Patient, Recording

    values = signal.physical(stretch.first, stretch.stop)
    per_record = max(1, round(stretch.rate_hz))
    # A record lasts a whole number of samples: the effective rate, 130.16 Hz say, comes back from its duration.
    duration = float(f"{per_record / stretch.rate_hz:.7g}"[:8])
    padding = -len(values) % per_record
    missing = np.isnan(values)
    known = values[~missing]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    low, high = _limit(low, -1), _limit(high if high > low else low + 1.0, 1)
    step = (high - low) / (DIGITAL[1] - DIGITAL[0])
    digital = np.where(missing, DIGITAL[0], np.rint((np.where(missing, low, values) - low) / step) + DIGITAL[0])
    filled = np.concatenate([digital, np.full(padding, DIGITAL[0])]).astype(np.int16)
    one = EdfSignal.from_digital(
        filled,
        per_record / duration,
        label=f"{signal.kind.upper()} {signal.name}"[:16].encode("ascii", "replace").decode(),
        physical_dimension=_UNITS.get(signal.unit, signal.unit)[:8],
        physical_range=(low, high),
        digital_range=DIGITAL,
    )
    notes: list[Any] = [EdfAnnotation(0.0, None, f"step {step:.6g} {signal.unit}")]
    if padding:
        at = len(values) / stretch.rate_hz
        notes.append(EdfAnnotation(round(at, 6), round(padding / stretch.rate_hz, 6), f"{padding} samples of padding"))
    notes += [EdfAnnotation(round(a, 6), round(b - a, 6), "missing samples") for a, b in _runs(missing, stretch)]
    notes += [EdfAnnotation(onset, None, "beat") for onset in _onsets(beats, stretch)]
    start = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=stretch.t0_ns // 1000)  # noqa: DTZ001 - EDF has no zone
    edf = Edf(
        [one],
        patient=Patient(code=file_label(who)),
        recording=Recording(startdate=start.date() if 1985 <= start.year <= 2084 else None),
        starttime=start.time(),
        data_record_duration=duration,
        annotations=notes,
    )
    return bytes(edf.to_bytes())


def _limit(value: float, side: int) -> float:
    """A limit of the physical range that fits into the eight characters of the header, not inside ``value``."""
    for digits in range(7, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 8 and "e" not in text and side * (float(text) - value) >= 0:
            return float(text)
    return float(np.ceil(value) if side > 0 else np.floor(value))


def _runs(missing: np.ndarray[Any, np.dtype[np.bool_]], stretch: Stretch) -> list[tuple[float, float]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(np.int8)))
    return [(a / stretch.rate_hz, b / stretch.rate_hz) for a, b in edges.reshape(-1, 2).tolist()]


def _onsets(beats: Beats | None, stretch: Stretch) -> list[float]:
    if beats is None:
        return []
    end = stretch.t0_ns + round((stretch.stop - stretch.first) * 1e9 / stretch.rate_hz)
    inside = beats.times_ns[(beats.times_ns >= stretch.t0_ns) & (beats.times_ns < end)]
    return [round(t, 6) for t in ((inside - stretch.t0_ns) / 1e9).tolist()]
