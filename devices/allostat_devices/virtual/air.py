"""The way from a strap to the host: latency, order, and what goes wrong on it."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from allostat_devices.virtual.truth import BeatTruth, StreamRun, Truth


@dataclass(slots=True)
class Parcel:
    """A notification on its way.

    Attributes
    ----------
    due_s
        When it reaches the host.
    uuid, value
        What the host gets.
    run, count
        The stream (or the RR intervals) that ``count`` of the contents are credited to when it arrives.
    """

    due_s: float
    uuid: str
    value: bytes
    run: StreamRun | BeatTruth | None
    count: int


class Air:
    """Carries notifications in order, each after the link's latency.

    Parameters
    ----------
    rng
        Source of the jitter.
    truth
        Where arrivals are counted.
    latency_s, jitter_s
        Least latency, and the mean of the exponential part on top of it.
    """

    def __init__(self, rng: random.Random, truth: Truth, latency_s: float = 0.03, jitter_s: float = 0.004) -> None:
        self.latency_s = latency_s
        self.jitter_s = jitter_s
        self._random = rng
        self._truth = truth
        self._queue: deque[Parcel] = deque()
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
        self._timer, self._deliver = None, None
        self._queue.clear()

    def stall(self, until_s: float) -> None:
        """Deliver nothing before an instant; then all at once."""
        self._stalled_until_s = max(self._stalled_until_s, until_s)
        for parcel in self._queue:
            parcel.due_s = max(parcel.due_s, until_s)
        self._wind_up()

    def send(self, uuid: str, value: bytes, run: StreamRun | BeatTruth | None, count: int) -> None:
        """Send a value; ``count`` samples of ``run`` are in it."""
        if self._loop is None or self._deliver is None:
            return
        self._truth.notifications += 1
        due = self._loop.time() + self.latency_s + self._random.expovariate(1.0) * self.jitter_s
        queue = self._queue
        # the link layer keeps the order
        due = max(due, self._stalled_until_s, queue[-1].due_s if queue else 0.0)
        queue.append(Parcel(due, uuid, value, run, count))
        if len(queue) == 1:
            self._timer = self._loop.call_at(due, self._arrive)

    def _wind_up(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._queue and self._loop is not None:
            self._timer = self._loop.call_at(self._queue[0].due_s, self._arrive)

    def _arrive(self) -> None:
        self._timer = None
        assert self._loop is not None
        now, queue = self._loop.time(), self._queue
        while queue and queue[0].due_s <= now + 1e-9 and self._deliver is not None:
            parcel = queue.popleft()
            self._truth.delivered += 1
            _credit(parcel)
            # the callback may end the connection, which empties the queue
            self._deliver(parcel.uuid, parcel.value)
        if queue and self._timer is None:
            self._timer = self._loop.call_at(queue[0].due_s, self._arrive)


def _credit(parcel: Parcel) -> None:
    run, parcel.run = parcel.run, None
    if run is None:
        return
    run.delivered += parcel.count
    if isinstance(run, StreamRun):
        run.frames_delivered += 1
