"""Placed values as a session would make them, and the comparison of what is measured live with what comes after."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.beats import find_beats
from allostat.correction import correct_beats
from allostat.hrv import hrv
from allostat.hrv_windows import Reason
from allostat.live.analysis import LiveAnalysis
from allostat.live.live_hrv import GRID, NAMES, WindowGrid
from allostat.live.live_quality import NAMES as QUALITY
from allostat.live.recorded import recording_of
from allostat.live.updates import BeatsFound, HrvWindow, Placed, PlacedIntervals, PlacedSamples, QualityWindow, Update
from allostat.quality import signal_quality
from allostat.recording import Beats, ClockBlock, Recording
from allostat.sampling import NS_PER_S

T0 = 1_750_000_000_000_000_000


@dataclass(frozen=True)
class Piece:
    """Notifications of one block: how many samples each has, how far the block begins behind the last, and its rate."""

    sizes: tuple[int, ...]
    gap_s: float
    rate_hz: float


def placed_signal(
    raw: NDArray[np.int32], pieces: Sequence[Piece], *, kind: str = "ecg", strap: int = 0, scale: float = 1.0
) -> list[Placed]:
    """Samples in notifications; those behind the pieces are left out."""
    found: list[Placed] = []
    at, end_ns, segment = 0, T0, 0
    for piece in pieces:
        block = ClockBlock(at, end_ns + round(piece.gap_s * NS_PER_S), piece.rate_hz, 130.0)
        segment += piece.gap_s > 1
        for size in piece.sizes:
            values = raw[at : at + size, None]
            if not len(values):
                return found
            found.append(
                PlacedSamples(strap, kind, kind, (kind,), "uV", scale, segment, at, values, block)  # type: ignore[arg-type]
            )
            at += len(values)
        end_ns = block.end_ns(at)
    return found


def regular(n: int, rate_hz: float, size: int = 73) -> list[Piece]:
    """One block for all."""
    return [Piece((size,) * math.ceil(n / size), 0.0, rate_hz)]


def placed_intervals(
    intervals_ms: NDArray[np.float64], sizes: Iterable[int], *, strap: int = 0, stream: str = "rr"
) -> list[Placed]:
    """Intervals in batches; NaN stands for a pause of 1.3 s."""
    steps = np.rint(np.where(np.isnan(intervals_ms), 1300.0, intervals_ms) * 1e6).astype(np.int64)
    times = T0 + np.cumsum(steps)
    found: list[Placed] = []
    at = 0
    for size in sizes:
        part = slice(at, at + size)
        if at < len(times):
            about = (math.nan, None)
            found.append(PlacedIntervals(strap, stream, 0, times[part], intervals_ms[part].copy(), *about))  # type: ignore[arg-type]
        at += size
    return found


def analysed(placed: Iterable[Placed], grid: WindowGrid = GRID) -> list[Update]:
    """All that a live analysis gives."""
    analysis = LiveAnalysis(grid)
    updates = [update for value in placed for update in analysis.push(value)]
    return updates + analysis.finish()


def assert_equals_batch(placed: Sequence[Placed], strap: int = 0, grid: WindowGrid = GRID) -> list[Update]:
    """What is final equals, to the last bit, what is measured on the recording; gives the updates of one strap."""
    updates = [u for u in analysed(placed, grid) if getattr(u, "strap", None) == strap]
    assert_equals_recording(recording_of(placed, strap), updates, grid)
    return updates


def assert_equals_recording(recording: Recording, updates: Sequence[Update], grid: WindowGrid = GRID) -> None:
    """The final updates of one strap equal, to the last bit, what is measured on its recording."""
    for name in recording.signals:
        _assert_signal(recording, name, [u for u in updates if getattr(u, "stream", None) == name], grid)
    for name, beats in recording.beats.items():
        _assert_hrv(beats, [u for u in updates if isinstance(u, HrvWindow) and u.stream == name], grid)


def _assert_signal(recording: Recording, name: str, updates: list[Update], grid: WindowGrid) -> None:
    signal = recording.signals[name]
    beats = find_beats(signal)
    found = [u for u in updates if isinstance(u, BeatsFound)]
    _same(np.concatenate([np.empty(0, np.int64), *(u.times_ns for u in found)]), beats.times_ns)
    _same(np.concatenate([np.empty(0), *(u.intervals_ms for u in found)]), beats.intervals_ms)
    _same(np.concatenate([np.empty(0, np.float32), *(u.uncertainty_ms for u in found)]), beats.uncertainty_ms)
    quality = signal_quality(signal)
    windows = [u for u in updates if isinstance(u, QualityWindow)]
    assert len(windows) == quality.sizes["window"]
    _same([u.start_ns for u in windows], quality["start_ns"].values)
    _same([u.end_ns for u in windows], quality["end_ns"].values)
    _same([u.accepted for u in windows], quality["accepted"].values.astype(bool))
    meanings = quality["reasons"].attrs["flag_meanings"].split()
    masks = quality["reasons"].attrs["flag_masks"].tolist()
    for window, bits in zip(windows, quality["reasons"].values.tolist(), strict=True):
        assert window.reasons == tuple(m for m, mask in zip(meanings, masks, strict=True) if bits & mask)
    for variable in QUALITY:
        _same([u.values[variable] for u in windows], quality[variable].values)
    _assert_hrv(beats, [u for u in updates if isinstance(u, HrvWindow)], grid)


def _assert_hrv(beats: Beats, updates: list[HrvWindow], grid: WindowGrid) -> None:
    corrected = correct_beats(beats)
    for length in grid.lengths_s:
        windows = [u for u in updates if u.window_s == length and not u.provisional]
        if not len(corrected):
            assert not windows
            continue
        batch = hrv(corrected, length, grid.step_s, measures="brief")
        inside = np.searchsorted(corrected.times_ns, batch["end"].values) > np.searchsorted(
            corrected.times_ns, batch["time"].values
        )
        batch = batch.isel(window=inside)
        _same([u.start_ns for u in windows], batch["time"].values)
        _same([u.end_ns for u in windows], batch["end"].values)
        for variable in (*NAMES, "valid_share", "irregular_share"):
            _same([u.values[variable] for u in windows], batch[variable].values.astype(float))
        _same([u.artefact_percent for u in windows], 100.0 * batch["corrected_share"].values)
        names = [tuple(str(r.name) for r in Reason if bits & r) for bits in batch["reasons"].values.tolist()]
        assert [u.reasons for u in windows] == names


def _same(found: Any, wanted: Any) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    np.testing.assert_array_equal(found, wanted)
    assert found.shape == wanted.shape
