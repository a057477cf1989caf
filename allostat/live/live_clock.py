"""The clock of a stream while it grows: which samples follow without a gap, and when each was taken."""

from __future__ import annotations

import bisect

from allostat.recording import NS_PER_S
from allostat.sampling import ClockBlock

KEPT_S = 600.0
"""Blocks are remembered so long: longer than any detector waits with a peak."""


class LiveClock:
    """Blocks of a stream as they come; instants as `allostat.sampling.Clock` gives them for the recorded file."""

    def __init__(self) -> None:
        self._blocks: list[ClockBlock] = []
        self._starts: list[int] = []
        self.stop = 0
        """The sample after the last one known."""

    def extend(self, block: ClockBlock, stop: int) -> bool:
        """Take note of samples up to ``stop`` that lie in a block; says whether they begin a stretch."""
        last = self._blocks[-1] if self._blocks else None
        begins = last is None
        if last is None or block.start_index > last.start_index:
            begins = last is None or not last.joins(block)
            self._blocks.append(block)
            self._starts.append(block.start_index)
            self._forget()
        self.stop = stop
        return begins

    @property
    def last(self) -> ClockBlock:
        """The block of the last samples."""
        return self._blocks[-1]

    def block_at(self, position: float) -> ClockBlock:
        """The block in which a sample lies."""
        return self._blocks[max(bisect.bisect_right(self._starts, position) - 1, 0)]

    def time_ns(self, position: float) -> int:
        """Instant of a sample position, which may be fractional."""
        block = self.block_at(position)
        return block.t0_ns + round((position - block.start_index) * (NS_PER_S / block.rate_hz))

    def _forget(self) -> None:
        oldest = self._starts[-1] - KEPT_S * self._blocks[-1].rate_hz
        # At once, not one by one: a list moves all that is left.
        if len(self._starts) > 64 and self._starts[len(self._starts) // 2] < oldest:
            first = bisect.bisect_right(self._starts, oldest) - 1
            del self._starts[:first], self._blocks[:first]
