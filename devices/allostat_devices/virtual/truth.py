"""What a strap really did: samples taken, sent and delivered, with the instant of each, and every RR interval.

All instants are seconds of the event loop's clock (`loop.time`).
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(slots=True)
class StreamRun:
    """A stream from its start to its end.

    Attributes
    ----------
    stream
        Number of the measurement (ECG 0, PPG 1, ACC 2, PPI 3), or -1 for a stream without one.
    connection
        Number of the connection, from 1.
    started_s, ended_s
        When the strap began to sample and when it ended; ``ended_s`` None while it runs.
    rate_hz
        True samples per second of the loop's clock, which differs from the nominal rate.
    taken
        Samples that the sensor has taken until the end, whether or not their frame was ever full.
    framed
        Samples in frames that were handed to the radio.
    delivered
        Samples in frames that reached the host, each frame counted once.
    frames, frames_delivered
        The same in frames.
    device_ns
        Device time of the last sample of each frame handed to the radio (when the truth is kept).
    """

    stream: int
    connection: int
    started_s: float
    rate_hz: float
    ended_s: float | None = None
    taken: int = 0
    framed: int = 0
    delivered: int = 0
    frames: int = 0
    frames_delivered: int = 0
    device_ns: array[int] = field(default_factory=lambda: array("q"), repr=False)

    def sample_times(self) -> NDArray[np.float64]:
        """Instants of the samples that were handed to the radio."""
        times: NDArray[np.float64] = self.started_s + np.arange(1, self.framed + 1) / self.rate_hz
        return times

    @property
    def lost(self) -> int:
        """Samples taken that the host did not get."""
        return self.taken - self.delivered


@dataclass(slots=True)
class BeatTruth:
    """RR intervals of the heart rate service.

    Attributes
    ----------
    raw, ended_s
        Every interval that the strap formed, in sent units, and the instant of the beat that ends it (when the truth
        is kept).
    formed
        How many there are.
    overflowed
        Dropped because the strap's buffer was full.
    discarded
        Formed and not sent because the connection ended or the RR flag was off.
    sent, delivered
        In notifications handed to the radio, and those that reached the host.
    """

    raw: array[int] = field(default_factory=lambda: array("H"), repr=False)
    ended_s: array[float] = field(default_factory=lambda: array("d"), repr=False)
    formed: int = 0
    overflowed: int = 0
    discarded: int = 0
    sent: int = 0
    delivered: int = 0


@dataclass(slots=True)
class Truth:
    """All that a strap knows of itself.

    Attributes
    ----------
    keep
        Keep single instants and values. Without it only counts are kept and memory stays flat, however long it runs.
    runs
        Every stream, in the order of their starts.
    beats
        RR intervals.
    connections
        How many connections there have been.
    notifications, delivered
        Handed to the radio, and delivered (duplicates and garbage included).
    """

    keep: bool = True
    runs: list[StreamRun] = field(default_factory=list)
    beats: BeatTruth = field(default_factory=BeatTruth)
    connections: int = 0
    notifications: int = 0
    delivered: int = 0

    def of(self, stream: int) -> list[StreamRun]:
        """Runs of one stream."""
        return [run for run in self.runs if run.stream == stream]
