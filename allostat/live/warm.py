"""Everything that a live session computes, computed once before it begins.

The first call of a kernel loads it from the cache of compiled kernels, or compiles it, which takes a minute where
there is none yet. In a session that would hold the event loop, and arrivals would get the time at which it went on.
"""

from __future__ import annotations

import numpy as np

from allostat.live.analysis import LiveAnalysis
from allostat.live.updates import PlacedIntervals, PlacedSamples
from allostat.recording import SampleKind
from allostat.sampling import NS_PER_S, ClockBlock

_SECONDS = 200
"""Longer than the longest window of HRV."""
_BEAT_S = 0.8


def warm_analysis() -> int:
    """Analyse some minutes of a made-up ECG, pulse and series of intervals; gives how many updates that made."""
    analysis = LiveAnalysis()
    given = 0
    shapes: tuple[tuple[SampleKind, float, float, float], ...] = (
        ("ecg", 130.0, 0.012, 900.0),
        ("ppg", 55.0, 0.09, 3e4),
    )
    for strap, (kind, rate_hz, width_s, height) in enumerate(shapes):
        block = ClockBlock(0, NS_PER_S, rate_hz, rate_hz)
        size = int(rate_hz)
        for first in range(0, _SECONDS * size, size):
            phase_s = np.mod(np.arange(first, first + size) / rate_hz, _BEAT_S) - _BEAT_S / 2
            raw = np.rint(height * np.exp(-(phase_s**2) / (2 * width_s**2))).astype(np.int32)[:, None]
            given += len(analysis.push(PlacedSamples(strap, kind, kind, (kind,), "uV", 1.0, 0, first, raw, block)))
    beats = int(_SECONDS / _BEAT_S)
    intervals = 1000 * _BEAT_S + 30.0 * np.sin(np.arange(beats))
    intervals[beats // 2] *= 0.6
    times = NS_PER_S + np.rint(np.cumsum(intervals) * 1e6).astype(np.int64)
    for at in range(beats):
        one = slice(at, at + 1)
        given += len(analysis.push(PlacedIntervals(2, "rr", 0, times[one], intervals[one], 75.0, True)))
    return given + len(analysis.finish())
