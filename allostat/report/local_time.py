"""Clock times of a recording: local where the zone is known, else time since the start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from allostat.recording import NS_PER_S, Epoch, TimeZone
from allostat.zones import local_times

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class LocalClock:
    """Turns instants into wall-clock nanoseconds, where that is possible.

    Parameters
    ----------
    epoch
        What the instants count from (`allostat.recording.Epoch`).
    zone
        The participant's time zone.
    """

    epoch: Epoch
    zone: TimeZone

    @property
    def known(self) -> bool:
        """Whether hours of day mean anything."""
        return self.epoch == "local" or (self.epoch == "utc" and self.zone.known)

    @property
    def axis_label(self) -> str:
        """What a time axis shows."""
        if self.epoch == "relative":
            return "time since the start"
        if self.epoch == "local":
            return "clock time as recorded (zone not known)"
        return f"local time, {self.zone.name}" if self.zone.known else "UTC (local zone not known)"

    def wall_ns(self, times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Wall-clock nanoseconds where there is a wall clock, else the instants as they count."""
        times = np.asarray(times_ns, dtype=np.int64)
        if self.epoch != "utc" or not self.zone.known:
            return times
        return local_times(times, self.zone, self.epoch)

    def text(self, time_ns: int, *, seconds: bool = False) -> str:
        """An instant as people write it: ``2026-01-31 22:15``, or hours since the start."""
        wall = int(self.wall_ns(np.array([time_ns], dtype=np.int64))[0])
        if self.epoch == "relative":
            hours, rest = divmod(wall // 1_000_000_000, 3600)
            return f"{hours:d} h {rest // 60:02d} min" + (f" {rest % 60:02d} s" if seconds else "")
        moment = _EPOCH + timedelta(microseconds=wall // 1000)
        return moment.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def day_text(wall_ns: int) -> str:
    """ISO date of a wall-clock instant."""
    return (_EPOCH + timedelta(microseconds=wall_ns // 1000)).date().isoformat()


def time_unit(span_ns: int) -> tuple[str, float]:
    """Unit of a time axis of this length, and the ns in it."""
    if span_ns > 3 * HOUR_NS:
        return "h", float(HOUR_NS)
    return ("min", 60.0 * NS_PER_S) if span_ns > 5 * 60 * NS_PER_S else ("s", float(NS_PER_S))


def clock_ticks(clock: LocalClock, start_ns: int, stop_ns: int) -> tuple[str, list[tuple[float, str]] | None]:
    """Label and ticks of a time axis that counts `time_unit` from ``start_ns``.

    Wall-clock hours where there is a clock and the span is hours; else round numbers (None) since the start.
    """
    unit, divisor = time_unit(stop_ns - start_ns)
    if clock.epoch == "relative":
        return f"time since the start ({unit})", None
    if unit != "h":
        return f"time since {clock.text(start_ns)} ({unit})", None
    hours = (stop_ns - start_ns) / HOUR_NS
    step = next((s for s in (1, 2, 3, 6, 12, 24, 48) if hours / s <= 14), 168)
    wall = int(clock.wall_ns(np.array([start_ns], dtype=np.int64))[0])
    first = -(-wall // (step * HOUR_NS)) * step * HOUR_NS
    ticks: list[tuple[float, str]] = []
    day = ""
    for tick in range(first, wall + (stop_ns - start_ns), step * HOUR_NS):
        label = f"{tick // HOUR_NS % 24:02d}:00"
        ticks.append(((tick - wall) / divisor, label if day_text(tick) == day else f"{label}\n{day_text(tick)}"))
        day = day_text(tick)
    return "", ticks
