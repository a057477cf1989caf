"""The way from a strap to the host: latency, order, and what goes wrong on it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from allostat.errors import ConfigError
from allostat_devices.virtual.truth import BeatTruth, StreamRun, Truth

Mishap = Literal["drop", "duplicate", "reorder", "truncate", "flip"]
"""What happens to one notification: lost; delivered twice; overtaken by later ones; its end cut off; one bit wrong."""


@dataclass(frozen=True, slots=True)
class LossRates:
    """How often something happens to a notification by chance, each between 0 and 1, together at most 1.

    Indications are not subject to it: the host confirms them.

    Attributes
    ----------
    stall
        A pause in which nothing arrives; then all at once.
    stall_s
        Longest pause.
    """

    drop: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    truncate: float = 0.0
    flip: float = 0.0
    stall: float = 0.0
    stall_s: float = 0.8

    def __post_init__(self) -> None:
        rates = (self.drop, self.duplicate, self.reorder, self.truncate, self.flip, self.stall)
        if not (min(rates) >= 0 and sum(rates) <= 1 and self.stall_s >= 0):
            raise ConfigError(
                "no probabilities", where="loss rates", found=rates, expected="0 to 1, together at most 1"
            )


@dataclass(slots=True)
class _Parcel:
    due_s: float
    uuid: str
    value: bytes
    # what the contents are credited to on arrival
    run: StreamRun | BeatTruth | None
    count: int


class Air:
    """Carries notifications in order, each after the link's latency.

    Parameters
    ----------
    rng
        Source of all chance.
    truth
        Where arrivals are counted.
    latency_s, jitter_s
        Least latency, and the mean of the exponential part on top of it.
    straggle_s
        How late a notification comes that is overtaken.
    """

    def __init__(
        self,
        rng: random.Random,
        truth: Truth,
        latency_s: float = 0.03,
        jitter_s: float = 0.004,
        straggle_s: float = 1.5,
    ) -> None:
        self.latency_s = latency_s
        self.jitter_s = jitter_s
        self.straggle_s = straggle_s
        self._random = rng
        self._truth = truth
        self._rates: LossRates | None = None
        self._mishaps: deque[tuple[Mishap, str | None]] = deque()
        self._queue: deque[_Parcel] = deque()
        self._stragglers: set[asyncio.TimerHandle] = set()
        self._deliver: Callable[[str, bytes], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._stalled_until_s = 0.0

    def open(self, loop: asyncio.AbstractEventLoop, deliver: Callable[[str, bytes], None]) -> None:
        """A connection begins."""
        self._loop, self._deliver = loop, deliver
        self._stalled_until_s = 0.0

    def close(self) -> None:
        """The connection is over; what is still on its way is lost."""
        if self._timer is not None:
            self._timer.cancel()
        for straggler in self._stragglers:
            straggler.cancel()
        self._timer, self._deliver = None, None
        self._stragglers.clear()
        self._queue.clear()

    # --- what goes wrong

    def lose(self, rates: LossRates | None) -> None:
        """From now on things happen by chance; None ends it."""
        self._rates = rates

    def befall(self, mishap: Mishap, count: int, uuid: str | None = None) -> None:
        """Let something happen to the next ``count`` notifications, of one characteristic or of any."""
        self._mishaps.extend([(mishap, uuid)] * count)

    def stall(self, until_s: float) -> None:
        """Deliver nothing before an instant; then all at once."""
        self._stalled_until_s = max(self._stalled_until_s, until_s)
        for parcel in self._queue:
            parcel.due_s = max(parcel.due_s, until_s)
        if self._timer is not None and self._loop is not None:
            self._timer.cancel()
            self._timer = self._loop.call_at(self._queue[0].due_s, self._arrive)

    # --- the way

    def send(self, uuid: str, value: bytes, run: StreamRun | BeatTruth | None, count: int, confirmed: bool) -> None:
        """Send a value; ``count`` samples of ``run`` are in it. A ``confirmed`` one (an indication) is never lost."""
        if self._deliver is None:
            return
        self._truth.notifications += 1
        if not confirmed and (self._mishaps or self._rates):
            mishap = self._mishap(uuid)
            if mishap == "drop":
                return
            if mishap == "reorder":
                self._straggle(_Parcel(0.0, uuid, value, run, count))
                return
            if mishap in ("truncate", "flip"):
                # spoilt contents are credited to nobody
                value, run = self._spoilt(value, mishap), None
            self._enqueue(uuid, value, run, count)
            if mishap == "duplicate":
                self._enqueue(uuid, value, None, 0)
            return
        self._enqueue(uuid, value, run, count)

    def _mishap(self, uuid: str) -> Mishap | None:
        for at, (mishap, only) in enumerate(self._mishaps):
            if only is None or only == uuid:
                del self._mishaps[at]
                return mishap
        rates = self._rates
        if rates is None:
            return None
        drawn = self._random.random()
        for mishap, rate in (
            ("drop", rates.drop),
            ("duplicate", rates.duplicate),
            ("reorder", rates.reorder),
            ("truncate", rates.truncate),
            ("flip", rates.flip),
        ):
            if drawn < rate:
                return mishap
            drawn -= rate
        if drawn < rates.stall and self._loop is not None:
            self.stall(self._loop.time() + self._random.random() * rates.stall_s)
        return None

    def _spoilt(self, value: bytes, mishap: Mishap | None) -> bytes:
        if not value:
            return value
        at = self._random.randrange(len(value))
        if mishap == "truncate":
            return value[:at]
        return value[:at] + bytes([value[at] ^ 1 << self._random.randrange(8)]) + value[at + 1 :]

    def _enqueue(self, uuid: str, value: bytes, run: StreamRun | BeatTruth | None, count: int) -> None:
        assert self._loop is not None
        queue = self._queue
        due = self._loop.time() + self.latency_s + self._random.expovariate(1.0) * self.jitter_s
        # the link layer keeps the order
        due = max(due, self._stalled_until_s, queue[-1].due_s if queue else 0.0)
        queue.append(_Parcel(due, uuid, value, run, count))
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._arrive)

    def _straggle(self, parcel: _Parcel) -> None:
        assert self._loop is not None
        handle: asyncio.TimerHandle

        def arrive() -> None:
            self._stragglers.discard(handle)
            self._hand_over(parcel)

        handle = self._loop.call_later(self.latency_s + self.straggle_s, arrive)
        self._stragglers.add(handle)

    def _arrive(self) -> None:
        assert self._loop is not None
        self._timer = None
        now, queue = self._loop.time(), self._queue
        while queue and queue[0].due_s <= now + 1e-9:
            # what the host does with it may end the connection, which empties the queue
            self._hand_over(queue.popleft())
        if queue and self._timer is None:
            self._timer = self._loop.call_at(queue[0].due_s, self._arrive)

    def _hand_over(self, parcel: _Parcel) -> None:
        if self._deliver is None:
            return
        self._truth.delivered += 1
        run = parcel.run
        if run is not None:
            run.delivered += parcel.count
            if isinstance(run, StreamRun):
                run.frames_delivered += 1
        self._deliver(parcel.uuid, parcel.value)
