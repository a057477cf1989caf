"""The recording that a session's placed values make: what the file holds, and what a live analysis must equal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from allostat.live.updates import Placed, PlacedIntervals, PlacedSamples
from allostat.live.usable_intervals import usable_intervals
from allostat.recording import Beats, Clock, ClockBlock, Recording, Signal


def recording_of(placed: Iterable[Placed], strap: int, name: str = "live") -> Recording:
    """Streams of one strap: a signal for each channel, and the intervals that the strap found itself.

    Parameters
    ----------
    placed
        In the order in which they were placed, of any straps.
    name
        Identifier of the recording.
    """
    samples: dict[str, list[PlacedSamples]] = {}
    intervals: dict[str, list[PlacedIntervals]] = {}
    for value in placed:
        match value:
            case PlacedSamples() if value.strap == strap and len(value.raw):
                samples.setdefault(value.stream, []).append(value)
            case PlacedIntervals() if value.strap == strap:
                intervals.setdefault(value.stream, []).append(value)
    signals = {signal.name: signal for parts in samples.values() for signal in _signals(parts)}
    return Recording(name, signals, {stream: _beats(parts) for stream, parts in intervals.items()})


def _signals(parts: list[PlacedSamples]) -> list[Signal]:
    raw = np.concatenate([part.raw for part in parts])
    clock = Clock(_blocks(parts), len(raw))
    first = parts[0]
    return [
        Signal(label, first.kind, np.ascontiguousarray(raw[:, k]), clock, first.unit, first.scale)
        for k, label in enumerate(first.labels)
    ]


def _blocks(parts: list[PlacedSamples]) -> tuple[ClockBlock, ...]:
    blocks: list[ClockBlock] = []
    for part in parts:
        if not blocks or part.block.start_index > blocks[-1].start_index:
            blocks.append(part.block)
    return tuple(blocks)


def _beats(parts: list[PlacedIntervals]) -> Beats:
    times = np.concatenate([part.times_ns for part in parts])
    intervals, flags = usable_intervals(np.concatenate([part.intervals_ms for part in parts]), True)
    return Beats(times, intervals, flags, "device", method="as the strap sent them")
