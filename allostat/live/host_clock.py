"""The host's clocks, and the one axis of instants that a session derives from them.

A session stamps each arrival with both clocks. Instants follow the monotonic one, anchored once at the session's first
record, so that a step of the wall clock (NTP, an operator) moves no sample; the wall clock's stamps stay beside it.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol


class HostClock(Protocol):
    """Where a session reads the time."""

    def monotonic_ns(self) -> int:
        """Never runs back, never steps."""
        ...

    def wall_ns(self) -> int:
        """ns Unix time, as the computer believes it to be."""
        ...


class SystemClock:
    """The computer's own clocks."""

    def monotonic_ns(self) -> int:
        """Of `time.monotonic_ns`."""
        return time.monotonic_ns()

    def wall_ns(self) -> int:
        """Of `time.time_ns`."""
        return time.time_ns()


class LoopClock:
    """Both clocks follow an event loop's time, which may run faster than the world's.

    Parameters
    ----------
    loop
        The loop on which session and straps run.
    wall_start_ns
        Unix time at the loop's present time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, wall_start_ns: int) -> None:
        self._loop = loop
        self._wall_offset_ns = wall_start_ns - self.monotonic_ns()

    def monotonic_ns(self) -> int:
        """The loop's time."""
        return round(self._loop.time() * 1e9)

    def wall_ns(self) -> int:
        """The loop's time on the wall clock's axis."""
        return self.monotonic_ns() + self._wall_offset_ns


@dataclass(frozen=True, slots=True)
class HostAxis:
    """Instants of a session: the monotonic clock, moved so that the first record lies at its wall-clock time."""

    monotonic_start_ns: int
    wall_start_ns: int

    def instant_ns(self, monotonic_ns: int) -> int:
        """ns Unix time of a moment on the monotonic clock."""
        return self.wall_start_ns + monotonic_ns - self.monotonic_start_ns

    def wall_step_ns(self, monotonic_ns: int, wall_ns: int) -> int:
        """By how much the wall clock has been stepped since the session began."""
        return wall_ns - self.instant_ns(monotonic_ns)
