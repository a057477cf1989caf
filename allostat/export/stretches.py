"""Signals and beats cut at their gaps: what formats need that cannot say where samples are missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.recording import Beats, Signal

if TYPE_CHECKING:
    from allostat.store import ParticipantResult


@dataclass(frozen=True)
class Stretch:
    """Samples without a gap: raw numbers ``first`` to ``stop`` of a signal, their first instant and mean rate."""

    first: int
    stop: int
    t0_ns: int
    rate_hz: float


def signal_stretches(signal: Signal) -> Iterator[Stretch]:
    """The stretches of a signal between its gaps."""
    blocks = {start: (stop, block) for start, stop, block in signal.clock.spans()}
    for stretch in signal.clock.stretches():
        stop, block = blocks[stretch.start]
        rate_hz = block.rate_hz if stop == stretch.stop else stretch.mean_hz
        yield Stretch(stretch.start, stretch.stop, stretch.t0_ns, rate_hz)


def beat_stretches(beats: Beats) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """First instant in ns, and intervals in ms, of each run of beats without a gap."""
    known = ~np.isnan(beats.intervals_ms)
    starts = np.flatnonzero(known & ~np.concatenate([[False], known[:-1]]))
    for start in starts.tolist():
        stop = start
        while stop < len(known) and known[stop]:
            stop += 1
        before = int(beats.times_ns[start - 1]) if start else int(beats.times_ns[0])
        yield before, beats.intervals_ms[start:stop]


def first_instant(result: ParticipantResult) -> int:
    """The participant's first sample or beat, in ns; 0 when there is neither."""
    starts = [s.t0_ns for r in result.recordings.values() for g in r.signals.values() for s in signal_stretches(g)]
    starts += [int(b.times_ns[0]) for b in result.beats.values() if len(b)]
    return min(starts, default=0)
