"""A strap's own clock: runs at its own speed, and falls back to 2019 when it was taken off for too long."""

from __future__ import annotations

from allostat.errors import ConfigError

POLAR_EPOCH_UNIX_NS = 946_684_800_000_000_000
"""2000-01-01 UTC."""
RESET_UNIX_NS = 1_546_300_800_000_000_000
"""2019-01-01 UTC, where an H10 begins again."""


def _sayable(unix_ns: int) -> int:
    if unix_ns < POLAR_EPOCH_UNIX_NS:
        raise ConfigError("a strap's clock begins in 2000", found=unix_ns, expected=f"{POLAR_EPOCH_UNIX_NS} ns or more")
    return unix_ns


class DeviceClock:
    """Unix time in ns as the strap believes it.

    Parameters
    ----------
    drift_ppm
        How much faster than true time it runs.
    offset_s
        How far ahead of true time it is at first.
    """

    def __init__(self, drift_ppm: float = 0.0, offset_s: float = 0.0) -> None:
        self.drift_ppm = drift_ppm
        self._offset_s = offset_s
        self._set_at_s = 0.0
        self._set_to_ns = 0

    def start(self, now_s: float, wall_ns: int) -> None:
        """Set to the true time plus the offset; `ConfigError` before 2000, which no frame can say."""
        self._set_at_s, self._set_to_ns = now_s, _sayable(wall_ns + round(self._offset_s * 1e9))

    def unix_ns(self, at_s: float) -> int:
        """What the clock shows at an instant of the loop's clock."""
        return self._set_to_ns + round((at_s - self._set_at_s) * (1e9 + self.drift_ppm * 1e3))

    def reset(self, now_s: float) -> None:
        """Fall back to `RESET_UNIX_NS`."""
        self._set_at_s, self._set_to_ns = now_s, RESET_UNIX_NS

    def step(self, seconds: float) -> None:
        """Move forward, or back when negative."""
        self._set_to_ns = _sayable(self._set_to_ns + round(seconds * 1e9))

    def drift(self, now_s: float, ppm: float) -> None:
        """Run at another speed from now on."""
        self._set_to_ns = self.unix_ns(now_s)
        self._set_at_s, self.drift_ppm = now_s, ppm
