"""How long a run will still take, from what finished participants took and how large the others are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

LEAST_BYTES = 200_000
"""Every participant counts at least that much: pages, tables and the file are written for the smallest, too."""


class Remaining:
    """An estimate that follows the run.

    Parameters
    ----------
    sizes
        Bytes of each participant's exports. What took a third as long for a third of the bytes is what the estimate
        rests on: seconds of work per byte of all who were computed so far.
    clock
        Seconds of a clock that never jumps.
    """

    def __init__(self, sizes: Mapping[str, int], clock: Callable[[], float]) -> None:
        self._left = {who: max(size, LEAST_BYTES) for who, size in sizes.items()}
        self._clock = clock
        self._running: dict[str, float] = {}
        self._seconds = self._bytes = 0.0
        self._most_at_once = 0

    def started(self, participant: str) -> None:
        """A participant begins to be computed."""
        self._running[participant] = self._clock()
        self._most_at_once = max(self._most_at_once, len(self._running))

    def ended(self, participant: str) -> None:
        """A participant has ended; one who never started needed no computing and says nothing of the others."""
        size = self._left.pop(participant, 0)
        began = self._running.pop(participant, None)
        if began is not None:
            self._seconds += self._clock() - began
            self._bytes += size

    @property
    def seconds(self) -> float | None:
        """Seconds that are left; None before the first participant was computed, and when nobody is left."""
        if not self._bytes or not self._left:
            return None
        rate, now = self._seconds / self._bytes, self._clock()
        work = 0.0
        for who, size in self._left.items():
            spent = now - self._running[who] if who in self._running else 0.0
            work += max(size * rate - spent, 0.0)
        return work / self._most_at_once


def in_words(seconds: float) -> str:
    """``40 s``, ``3 min``, ``2 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
