"""RR intervals of one strap's notifications, in the unit that the strap is found to send them in.

The unit test needs stretches without lost beats. A notification is given to it only after those behind it have come,
because a stall of the radio and lost beats look alike until then.
"""

from __future__ import annotations

import statistics
from collections import deque
from dataclasses import dataclass

import numpy as np

from allostat.strap import Decoded, IntervalBatch, Malformation, UnitVerdict
from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble.malformed import Malformed, faults_of
from allostat_devices.ble.polar_frames import PpiFrame
from allostat_devices.ble.rr_unit import RrUnit, RrUnitTest

SMALLEST_MTU = 23
_LOST_BEATS = 1.5
"""A deficit of so many median intervals is lost beats."""
_AHEAD, _BEHIND, _MEDIAN_OF = 4, 12, 31


@dataclass(frozen=True, slots=True)
class _Packet:
    arrival_s: float
    rr_raw: tuple[int, ...]
    behind_s: float
    """Host time minus the sum of the intervals, from an arbitrary start."""


class HeartRateRecords:
    """Decodes the notifications of the Heart Rate Service of one strap."""

    def __init__(self) -> None:
        self.mtu_bytes = SMALLEST_MTU
        self._test = RrUnitTest()
        self._unit = RrUnit.PROVISIONAL
        self._ms_per_unit = 1000 / hrs.RR_PER_S
        self._waiting: deque[_Packet] = deque()
        self._levels: deque[float] = deque(maxlen=_BEHIND)
        self._recent: deque[int] = deque(maxlen=_MEDIAN_OF)
        self._sum_s = 0.0

    def push(self, data: bytes, monotonic_ns: int) -> list[Decoded]:
        """Values of one notification."""
        read = hrs.decode_measurement(data)
        out: list[Decoded] = [Malformation(fault.value) for fault in faults_of(read)]
        if isinstance(read, Malformed):
            return out
        raw = np.array(read.rr_raw, dtype=np.int64)
        energy_bytes = 0 if read.energy_kj is None else 2
        capacity = hrs.rr_capacity(self.mtu_bytes, 1 + (data[0] & 1), energy_bytes)
        verdict = self._judged(monotonic_ns / 1e9, read.rr_raw, read.contact)
        if verdict is not None:
            out.append(verdict)
        out.append(
            IntervalBatch(
                stream="rr",
                raw=raw,
                intervals_ms=np.where(raw > 0, raw * self._ms_per_unit, np.nan),
                heart_rate_bpm=float("nan") if read.heart_rate_per_min is None else float(read.heart_rate_per_min),
                contact=read.contact,
                energy_kj=read.energy_kj,
                full=0 < capacity <= len(read.rr_raw),
            )
        )
        return out

    def interrupt(self) -> None:
        """End the stretch of the unit test: a connection ended, or beats are known to be lost."""
        while self._waiting:
            self._give()
        self._test.interrupt()
        self._levels.clear()

    def _judged(self, arrival_s: float, rr_raw: tuple[int, ...], contact: bool | None) -> UnitVerdict | None:
        if contact is False or 0 in rr_raw:
            self.interrupt()
            return None
        if not rr_raw:
            return None
        self._recent.extend(rr_raw)
        self._sum_s += sum(rr_raw) / hrs.RR_PER_S
        self._waiting.append(_Packet(arrival_s, rr_raw, arrival_s - self._sum_s))
        if len(self._waiting) <= _AHEAD:
            return None
        self._give()
        verdict = self._test.verdict()
        if verdict.unit is self._unit:
            return None
        self._unit, self._ms_per_unit = verdict.unit, verdict.ms_per_unit
        return UnitVerdict(
            self._ms_per_unit, decided=verdict.unit is not RrUnit.PROVISIONAL, message=_sentence(verdict.unit)
        )

    def _give(self) -> None:
        """Hand the oldest waiting packet to the test, in a new stretch when beats were lost before it."""
        ahead = min(packet.behind_s for packet in self._waiting)
        packet = self._waiting.popleft()
        if self._levels:
            median_s = statistics.median(self._recent) / hrs.RR_PER_S
            if ahead - min(self._levels) > _LOST_BEATS * median_s:
                self._test.interrupt()
                self._levels.clear()
        self._levels.append(packet.behind_s)
        self._test.push(packet.arrival_s, packet.rr_raw)


def _sentence(unit: RrUnit) -> str | None:
    if unit is RrUnit.MILLISECOND:
        return "This strap sends its RR intervals in milliseconds, not in 1/1024 s as the standard demands."
    return None


def pulse_intervals(frame: PpiFrame) -> IntervalBatch:
    """Intervals of one PPI frame. The strap's own heart rate is that of its last beat that has one."""
    rates = frame.heart_rate_per_min[np.isfinite(frame.heart_rate_per_min)]
    contact = int(frame.contact[-1])
    return IntervalBatch(
        stream="ppi",
        raw=frame.raw_ms.astype(np.int64),
        intervals_ms=frame.interval_ms,
        heart_rate_bpm=float(rates[-1]) if len(rates) else float("nan"),
        contact=None if contact < 0 else bool(contact),
        last_beat_ns=frame.last_sample_ns,
        error_ms=frame.error_ms.astype(np.float64),
    )
