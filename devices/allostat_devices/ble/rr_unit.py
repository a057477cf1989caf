"""Which unit a strap's RR intervals have: the standard's 1/1024 s, or milliseconds as some straps send them.

The two differ by 2.4 %, enough to shift every heart rate variability value. The sum of the raw intervals grows by 1,024
per second of host time in the one unit and by 1,000 in the other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

STANDARD_PER_S = 1024.0
MILLISECOND_PER_S = 1000.0
ENOUGH_S = 60.0
"""Host time after which a verdict is given."""
_BETWEEN = (STANDARD_PER_S + MILLISECOND_PER_S) / 2
_BELIEVABLE = 0.02


class RrUnit(StrEnum):
    """Unit of raw RR intervals; `PROVISIONAL` = not decided, read as the standard's."""

    STANDARD = "1/1024 s"
    MILLISECOND = "ms"
    PROVISIONAL = "provisional"


@dataclass(frozen=True, slots=True)
class RrUnitVerdict:
    """What the self-test says so far.

    Attributes
    ----------
    unit
        Decided, or `RrUnit.PROVISIONAL`.
    per_s
        Raw units per second of host time; NaN before two packets of one stretch.
    used_s
        Host time that counted: the stretches without gap and with contact, added up.
    """

    unit: RrUnit
    per_s: float
    used_s: float

    @property
    def ms_per_unit(self) -> float:
        """What a raw interval is multiplied with to be in ms; the standard's while nothing is decided."""
        return 1.0 if self.unit is RrUnit.MILLISECOND else 1000 / STANDARD_PER_S


class RrUnitTest:
    """Slope of the summed raw intervals against host arrival, least squares over all stretches with one common slope.

    Only stretches without a declared gap and with contact count, because 2.4 % lost beats look like the other unit. A
    slope more than 2 % outside both units belongs to neither (beats are lost that nobody declared): no verdict then.
    """

    def __init__(self) -> None:
        self._count = 0
        self._first_s = self._last_s = 0.0
        self._sum = 0
        self._mean_s = self._mean_sum = 0.0
        self._stretch_ss = self._stretch_sp = 0.0
        self._ss = self._sp = self._used_s = 0.0

    def push(self, arrival_s: float, rr_raw: Sequence[int], contact: bool | None = None) -> None:
        """One packet, in order of arrival.

        Parameters
        ----------
        arrival_s
            Host time by the monotonic clock, in seconds.
        rr_raw
            Intervals of the packet as sent. None of them: the packet is passed over. A zero is a missing interval and
            ends the stretch.
        contact
            Skin contact; False ends the stretch.
        """
        if contact is False or not math.isfinite(arrival_s) or any(value <= 0 for value in rr_raw):
            self.interrupt()
            return
        if not rr_raw:
            return
        if self._count and arrival_s < self._last_s:
            self.interrupt()
        if self._count == 0:
            # the intervals of the first packet lie in front of the stretch
            self._first_s, self._sum = arrival_s, 0
        else:
            self._sum += sum(rr_raw)
        self._last_s = arrival_s
        self._count += 1
        # running means and products about them (Welford)
        at, total = arrival_s - self._first_s, float(self._sum)
        before_s = at - self._mean_s
        self._mean_s += before_s / self._count
        self._mean_sum += (total - self._mean_sum) / self._count
        self._stretch_ss += before_s * (at - self._mean_s)
        self._stretch_sp += before_s * (total - self._mean_sum)

    def interrupt(self) -> None:
        """End the stretch: a gap, a reconnect, loss of contact."""
        if self._count:
            self._ss += self._stretch_ss
            self._sp += self._stretch_sp
            self._used_s += self._last_s - self._first_s
        self._count = 0
        self._mean_s = self._mean_sum = self._stretch_ss = self._stretch_sp = 0.0

    def verdict(self) -> RrUnitVerdict:
        """What the packets so far say; later packets may change it until the caller finalises the segment."""
        used_s = self._used_s + (self._last_s - self._first_s if self._count else 0.0)
        spread = self._ss + self._stretch_ss
        if spread <= 0:
            return RrUnitVerdict(RrUnit.PROVISIONAL, math.nan, used_s)
        per_s = (self._sp + self._stretch_sp) / spread
        low, high = MILLISECOND_PER_S * (1 - _BELIEVABLE), STANDARD_PER_S * (1 + _BELIEVABLE)
        if used_s < ENOUGH_S or not low <= per_s <= high:
            return RrUnitVerdict(RrUnit.PROVISIONAL, per_s, used_s)
        unit = RrUnit.STANDARD if per_s > _BETWEEN else RrUnit.MILLISECOND
        return RrUnitVerdict(unit, per_s, used_s)
