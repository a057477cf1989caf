"""One stream of evenly sampled notifications placed in time, with every sample that did not come declared.

A notification's device time belongs to its last sample. Missing samples follow from the difference of two such times
at a rate that is tracked on notifications without a gap between them. Samples lie on blocks: a new one begins at a gap,
at a new segment, and where the tracked place has left the running block's line.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Literal

from allostat.live.updates import GapDeclared, Placed, PlacedSamples
from allostat.sampling import NS_PER_S, ClockBlock
from allostat.strap import SampleBlock

RATE_GAIN = 0.02
"""Weight of one notification in the tracked rate, once as many as its inverse have come; a plain mean before that."""
PLACE_GAIN = 0.25
"""Weight of one notification's time in the tracked place."""
LEAST_JOINT_NS = 100_000.0
"""A block goes on as long as the tracked place is nearer to its line; more where the device's times are coarse."""
MOST_JOINT_NS = 500_000.0
LEAST_HZ, MOST_HZ = 0.01, 1e6
_NOISE_GAIN = 0.05
_BELIEVABLE_RATE = 0.05
"""Nominal rates are wrong by up to 5 % at the edges of the temperature range."""
_REMEMBERED = 64
_EVEN_ENOUGH = 3
"""So many notifications of equal length make a shorter one suspicious."""
_LATE_NS = 10 * NS_PER_S
"""A notification that is older than the last one is late up to this age; the clock was set back beyond it."""

Verdict = Literal["follows", "repeated", "late", "step"]


class SampleTracker:
    """Places the notifications of one stream of one strap.

    Parameters
    ----------
    strap, stream
        Which; they are given on.
    """

    def __init__(self, strap: int, stream: str) -> None:
        self.strap, self.stream = strap, stream
        self.received = 0
        self.declared = 0
        self._period_ns = math.nan
        self._observed = 0
        self._nominal_hz = math.nan
        self._segment = -1
        self._block: ClockBlock | None = None
        self._step_ns = math.nan
        self._error_ns = 0.0
        self._noise_ns = 0.0
        self._last_device_ns: int | None = None
        self._last_count = 0
        self._even = 0
        self._end_ns: int | None = None
        self._index = 0
        self._shift_ns = 0
        self._held: tuple[SampleBlock, int, int] | None = None
        self._seen: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def end_ns(self) -> int | None:
        """Instant at which the last sample's period ends."""
        return self._end_ns

    @property
    def segment(self) -> int:
        """Segment of the last samples; -1 before the first."""
        return self._segment

    def judge(self, block: SampleBlock) -> Verdict:
        """What a notification's device time says, before it is placed."""
        device_ns, last_ns = block.last_sample_ns, self._last_device_ns
        if device_ns is None or last_ns is None or device_ns > last_ns:
            return "follows"
        if device_ns in self._seen:
            return "repeated"
        return "late" if last_ns - device_ns < _LATE_NS and self._lies_in_a_hole(device_ns) else "step"

    def _lies_in_a_hole(self, device_ns: int) -> bool:
        # Behind a gap lies at least one remembered notification before this one, and one after it.
        return bool(self._seen) and self._seen[0] < device_ns

    def push(
        self, block: SampleBlock, segment: int, offset_ns: int, host_ns: int, *, reason: str, runs_on: bool
    ) -> list[Placed]:
        """Place one notification that `judge` let pass.

        Parameters
        ----------
        segment, offset_ns
            The strap's present segment, and instant minus device time in it.
        host_ns
            Instant of the arrival: places a notification without device time.
        reason
            What a gap before it is called: ``lost`` within a segment, else why the segment began.
        runs_on
            Whether the device clock runs on from before the segment, so that it tells how much is missing.
        """
        if not is_rate(block.nominal_hz) or not len(block.raw):
            return []
        placed: list[Placed] = []
        if block.nominal_hz != self._nominal_hz:
            placed += self.flush()
            self._nominal_hz = block.nominal_hz
            self._period_ns, self._observed, self._even = NS_PER_S / block.nominal_hz, 0, 0
            self._block = None
        device_ns = block.last_sample_ns
        if device_ns is None:
            device_ns = self._guessed_device_ns(block, segment, host_ns - offset_ns)
        if segment == self._segment:
            block = self._whole(block, device_ns)
        if segment != self._segment:
            placed += self.flush()
            placed += self._enter(block, segment, device_ns, offset_ns, reason, runs_on)
        elif self._held is not None:
            self._learn_from_first_pair(block, device_ns)
            placed += self.flush()
            placed += self._follow(block, device_ns, offset_ns, reason)
        else:
            placed += self._follow(block, device_ns, offset_ns, reason)
        self._seen.append(device_ns)
        self._even = self._even + 1 if _promised(block) == self._last_count else 0
        self._last_device_ns, self._last_count = device_ns, _promised(block)
        self.received += len(block.raw)
        return placed

    def flush(self) -> list[Placed]:
        """Place the first notification of a stream whose rate is not known yet, with the nominal one."""
        if self._held is None:
            return []
        block, device_ns, offset_ns = self._held
        self._held = None
        return self._begin_block(block, device_ns + offset_ns + self._shift_ns)

    def _guessed_device_ns(self, block: SampleBlock, segment: int, arrival_ns: int) -> int:
        """Device time of a notification without one: right behind the last, unless the host saw a long silence."""
        if self._last_device_ns is None or segment != self._segment:
            return arrival_ns
        next_ns = self._last_device_ns + round(_promised(block) * self._period_ns)
        silence = max(2.0 * NS_PER_S, 2.0 * _promised(block) * self._period_ns)
        return arrival_ns if arrival_ns - next_ns > silence else next_ns

    def _enter(
        self, block: SampleBlock, segment: int, device_ns: int, offset_ns: int, reason: str, runs_on: bool
    ) -> list[Placed]:
        """The first notification of a segment."""
        placed: list[Placed] = []
        self._segment, self._shift_ns = segment, 0
        count = _promised(block)
        start_ns = device_ns + offset_ns - round((count - 1) * self._period_ns)
        if self._end_ns is not None and self._last_device_ns is not None:
            # The joint of two segments is a gap, however short: no interval crosses it, neither live nor in the file.
            earliest = self._end_ns + math.ceil(self._period_ns)
            self._shift_ns = max(0, earliest - start_ns)
            start_ns += self._shift_ns
            silent_ns = start_ns - self._end_ns
            missing = (
                (device_ns - self._last_device_ns) / self._period_ns - count
                if runs_on
                else (silent_ns / self._period_ns)
            )
            placed.append(self._gap(self._end_ns, start_ns, max(0, round(missing)), reason))
        if self._observed:
            return placed + self._begin_block(block, device_ns + offset_ns + self._shift_ns)
        self._held = (block, device_ns, offset_ns)
        return placed

    def _learn_from_first_pair(self, block: SampleBlock, device_ns: int) -> None:
        assert self._held is not None
        count = _promised(block)
        elapsed = device_ns - self._held[1]
        # Equal notifications that were lost between the two leave a whole number of their length.
        frames = max(1, round(elapsed / self._period_ns / count)) if count == self._last_count else 1
        seen = elapsed / (frames * count)
        if abs(seen / self._period_ns - 1.0) <= min(_BELIEVABLE_RATE, 0.3 / frames):
            self._period_ns, self._observed = seen, 1

    def _whole(self, block: SampleBlock, device_ns: int) -> SampleBlock:
        """A notification with what was cut off its end: times say that it was as long as all before it."""
        count, usual = _promised(block), self._last_count
        if self._last_device_ns is None or self._even < _EVEN_ENOUGH or count >= usual:
            return block
        elapsed = (device_ns - self._last_device_ns) / self._period_ns
        frames = round(elapsed / usual)
        if abs(elapsed - count) < 0.5 or frames < 1 or abs(elapsed - frames * usual) >= 0.5:
            return block
        return replace(block, missing=usual - len(block.raw))

    def _follow(self, block: SampleBlock, device_ns: int, offset_ns: int, reason: str) -> list[Placed]:
        assert self._last_device_ns is not None
        count = _promised(block)
        elapsed = device_ns - self._last_device_ns
        missing = self._missing(elapsed / self._period_ns - count, count)
        last_ns = device_ns + offset_ns + self._shift_ns
        if missing or self._block is None:
            return self._behind_gap(block, last_ns, missing, reason)
        self._track(elapsed / count)
        predicted = self._block.t0_ns + (self._index + count - 1 - self._block.start_index) * self._step_ns
        error = last_ns - predicted
        if abs(error) > self._step_ns / 2:
            # The device's times jumped by less than half a notification: a joint that the file shows as a gap.
            return self._behind_gap(block, last_ns, max(0, round(error / self._step_ns)), "jump")
        self._noise_ns += _NOISE_GAIN * (abs(error - self._error_ns) - self._noise_ns)
        self._error_ns += PLACE_GAIN * (error - self._error_ns)
        joint = min(max(LEAST_JOINT_NS, 1.5 * self._noise_ns), MOST_JOINT_NS)
        if abs(self._error_ns) <= joint:
            return self._place(block)
        return self._begin_block(block, round(predicted + self._error_ns))

    def _behind_gap(self, block: SampleBlock, last_ns: int, missing: int, reason: str) -> list[Placed]:
        start_ns = last_ns - round((_promised(block) - 1) * self._period_ns)
        end_ns = start_ns if self._end_ns is None else self._end_ns
        placed: list[Placed] = [self._gap(end_ns, start_ns, missing, reason)] if missing else []
        return placed + self._begin_block(block, last_ns)

    def _missing(self, excess: float, count: int) -> int:
        """Samples missing in front of a notification, from the excess of device time over its own samples."""
        if excess <= count / 2:
            return 0
        lost = round(excess)
        if self._even:
            whole = round(excess / count) * count
            doubt = 1.0 + excess * (0.0005 if self._observed else _BELIEVABLE_RATE)
            if whole and abs(lost - whole) <= min(doubt, count / 2):
                return whole
        return lost

    def _track(self, period_ns: float) -> None:
        if abs(period_ns * self._nominal_hz / NS_PER_S - 1.0) > _BELIEVABLE_RATE:
            return
        self._observed += 1
        self._period_ns += max(1.0 / self._observed, RATE_GAIN) * (period_ns - self._period_ns)

    def _begin_block(self, block: SampleBlock, last_ns: int) -> list[Placed]:
        """Place a notification at the start of a new block, its last sample at ``last_ns``."""
        rate_hz = NS_PER_S / self._period_ns
        # The step as whoever reads the block will have it.
        self._step_ns = NS_PER_S / rate_hz
        start_ns = last_ns - round((_promised(block) - 1) * self._step_ns)
        if self._end_ns is not None and start_ns < self._end_ns - self._step_ns / 2:
            # Times of a stream do not run back. What moves it here stays for the rest of the segment.
            self._shift_ns += self._end_ns - start_ns
            start_ns = self._end_ns
        self._block = ClockBlock(self._index, start_ns, rate_hz, block.nominal_hz)
        self._error_ns = 0.0
        return self._place(block)

    def _place(self, block: SampleBlock) -> list[Placed]:
        running = self._block
        assert running is not None
        placed: list[Placed] = [
            PlacedSamples(
                self.strap, self.stream, block.kind, block.labels, block.unit, block.scale, self._segment, self._index,
                block.raw, running,
            )
        ]  # fmt: skip
        self._index += len(block.raw)
        self._end_ns = self._instant(self._index)
        if block.missing:
            end_ns = self._instant(self._index + block.missing)
            placed.append(self._gap(self._end_ns, end_ns, block.missing, "truncated"))
            self._end_ns, self._block = end_ns, None
        return placed

    def _instant(self, index: int) -> int:
        assert self._block is not None
        return self._block.t0_ns + round((index - self._block.start_index) * self._step_ns)

    def close(self, latest_ns: int | None, now_ns: int, reason: str) -> list[Placed]:
        """Declare what should have come after the last notification.

        Parameters
        ----------
        latest_ns
            Instant of the newest sample that could have arrived; None when the link is down: then all samples up to
            ``now_ns`` are missing, else whole notifications.
        """
        placed = self.flush()
        if self._end_ns is None:
            return placed
        if latest_ns is None:
            missing = math.floor((now_ns - self._end_ns) / self._period_ns)
        else:
            length = self._last_count * self._period_ns
            missing = math.floor((latest_ns + self._shift_ns - self._end_ns + self._period_ns) / length + 1e-6)
            missing *= self._last_count
        if missing > 0:
            end_ns = self._end_ns + round(missing * self._period_ns)
            placed.append(self._gap(self._end_ns, end_ns, missing, reason))
            self._end_ns, self._block = end_ns, None
        return placed

    def _gap(self, start_ns: int, end_ns: int, missing: int, reason: str) -> GapDeclared:
        self.declared += missing
        return GapDeclared(self.strap, self.stream, start_ns, max(start_ns, end_ns), missing, reason)


def is_rate(nominal_hz: float) -> bool:
    """Whether a sensor could have this rate; anything else is no rate to place samples by."""
    return LEAST_HZ <= nominal_hz <= MOST_HZ


def _promised(block: SampleBlock) -> int:
    """Samples that the strap put into the notification, those that could not be read included."""
    return len(block.raw) + block.missing
