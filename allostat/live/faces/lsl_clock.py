"""The session's clock and the clock of the lab streaming layer, each in the other's terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_READINGS = 21


@dataclass(frozen=True, slots=True)
class LslClock:
    """Both clocks are monotonic on one computer, so that one offset holds for a whole session.

    Attributes
    ----------
    offset_ns
        Session's ns Unix time at which LSL's clock reads 0.
    spread_ns
        Time between the two readings from which the offset was taken: it is known to half of this.
    """

    offset_ns: int
    spread_ns: int

    @classmethod
    def measured(cls, now_ns: Callable[[], int], local_clock: Callable[[], float]) -> LslClock:
        """Read the session's clock between two readings of LSL's, and keep the tightest of some."""
        best: tuple[int, int] | None = None
        for _ in range(_READINGS):
            before = local_clock()
            now = now_ns()
            after = local_clock()
            spread = round((after - before) * 1e9)
            if best is None or spread < best[0]:
                best = spread, now - round((before + after) / 2 * 1e9)
        assert best is not None
        return cls(best[1], best[0])

    def seconds(self, time_ns: int) -> float:
        """LSL time of an instant."""
        return (time_ns - self.offset_ns) / 1e9

    def ns(self, seconds: float) -> int:
        """Instant of an LSL time."""
        return self.offset_ns + round(seconds * 1e9)
