"""How fast a device's clock runs against the host's, from arrivals that are only ever late.

``host - device = offset + drift * t + latency`` and latency is never negative: the least difference of each minute
lies close to the line, whatever stalls the other arrivals had. A line through those minima gives the drift.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW_NS = 60 * 1_000_000_000
FEWEST_WINDOWS = 3
"""Fewer give no line."""
_RECENT_WINDOWS = 5
_MOST_WINDOWS = 512


@dataclass(frozen=True, slots=True)
class DriftFit:
    """A line through the least differences between host and device clock.

    Attributes
    ----------
    origin_ns
        Host instant at which ``offset_ns`` holds.
    offset_ns
        Host minus device time there. It contains the least latency of the link, which nothing here can tell.
    drift_ppm
        Growth of that difference in 1e-6; positive: the device is slow.
    spread_ms
        Root mean square distance of the minima from the line; NaN with fewer than three windows.
    windows
        Minima that the line goes through.
    """

    origin_ns: int
    offset_ns: int
    drift_ppm: float
    spread_ms: float
    windows: int

    def offset_at(self, host_ns: int) -> int:
        """Host minus device time at a host instant, in ns."""
        return self.offset_ns + round((host_ns - self.origin_ns) * self.drift_ppm * 1e-6)


class MinimumEnvelope:
    """Gathers differences between host and device clock, and fits their lower edge.

    Neighbouring windows are joined in pairs when there are many, so that memory stays bounded over any duration.
    """

    def __init__(self) -> None:
        self._minima: list[tuple[int, int]] = []
        self._width_ns = WINDOW_NS
        self._recent: deque[tuple[int, int]] = deque(maxlen=_RECENT_WINDOWS)
        self._window = -1
        self._least: tuple[int, int] | None = None
        self._first: tuple[int, int] | None = None

    def push(self, host_ns: int, device_ns: int) -> None:
        """One arrival: the host's instant, and the device time of the newest thing in it."""
        if self._first is None:
            self._first = (host_ns, host_ns - device_ns)
        window = (host_ns - self._first[0]) // WINDOW_NS
        if window != self._window:
            self._close_window()
            self._window = window
        difference = host_ns - device_ns
        if self._least is None or difference < self._least[1]:
            self._least = (host_ns, difference)

    def _close_window(self) -> None:
        if self._least is None or self._first is None:
            return
        self._recent.append(self._least)
        at = (self._least[0] - self._first[0]) // self._width_ns
        if self._minima and (self._minima[-1][0] - self._first[0]) // self._width_ns == at:
            self._minima[-1] = min(self._minima[-1], self._least, key=lambda m: m[1])
        else:
            self._minima.append(self._least)
        self._least = None
        if len(self._minima) > _MOST_WINDOWS:
            self._width_ns *= 2
            self._minima = _joined(self._minima, self._first[0], self._width_ns)

    @property
    def floor_ns(self) -> int | None:
        """Least difference of the last few minutes; None before the first arrival."""
        recent = [m[1] for m in self._recent]
        if self._least is not None:
            recent.append(self._least[1])
        return min(recent) if recent else None

    def fit(self) -> DriftFit | None:
        """The line so far; with fewer than three windows the least difference and no drift; None without arrivals."""
        minima = self._minima
        if len(minima) < FEWEST_WINDOWS and self._least is not None:
            # A window that is not over counts only while there is little else: its least may be a stall.
            minima = [*minima, self._least]
        if not minima or self._first is None:
            return None
        if len(minima) < FEWEST_WINDOWS:
            at, least = min(minima, key=lambda m: m[1])
            return DriftFit(at, least, 0.0, math.nan, len(minima))
        # exact sums: the same arrivals give the same bits everywhere
        origin_ns, base = self._first
        x = [(m[0] - origin_ns) * 1e-9 for m in minima]
        y = [float(m[1] - base) for m in minima]
        n = len(minima)
        mean_x, mean_y = math.fsum(x) / n, math.fsum(y) / n
        sxx = math.fsum((a - mean_x) ** 2 for a in x)
        slope = math.fsum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sxx
        at_origin = mean_y - slope * mean_x
        rest = math.fsum((b - at_origin - slope * a) ** 2 for a, b in zip(x, y, strict=True))
        return DriftFit(origin_ns, base + round(at_origin), slope * 1e-3, math.sqrt(rest / n) * 1e-6, n)


def _joined(minima: list[tuple[int, int]], origin_ns: int, width_ns: int) -> list[tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    for minimum in minima:
        key = (minimum[0] - origin_ns) // width_ns
        found[key] = min(found.get(key, minimum), minimum, key=lambda m: m[1])
    return list(found.values())
