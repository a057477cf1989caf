"""Slow twin of the pulse rule: objects and lists instead of one array of numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

REMEMBERED = 32


@dataclass(frozen=True)
class Upstroke:
    time: float
    size: float
    crest: float
    rise: float
    known_at: int
    """Number of samples known when the upstroke was over."""


@dataclass
class Rule:
    """Decides on upstrokes in the order of their times; times in samples."""

    rate: float
    level: float = 0.0
    noise: float = 0.0
    interval: float = 0.0
    last_fit: float = 0.0
    trust: float = 1.0
    demand: float = 0.2
    lost: bool = False
    last: Upstroke | None = None
    pending: Upstroke | None = None
    rejected: list[Upstroke] = field(default_factory=list)
    pulses: list[tuple[Upstroke, int]] = field(default_factory=list)
    """With the number of samples known when the pulse was decided on."""
    offered: int = 0
    """Samples known when the latest upstroke was over."""

    def decide_on(self, upstrokes: list[Upstroke], group: int, n: int) -> list[tuple[Upstroke, int]]:
        self.interval = 0.8 * self.rate
        if not upstrokes:
            return []
        learn_at = upstrokes[0].time + 3.0 * self.rate
        first = [u for u in upstrokes if u.known_at < learn_at][:REMEMBERED] or upstrokes[:1]
        rest = upstrokes[len(first) :]
        learnt = max(first[-1].known_at, min(ticks_to(learn_at, group), n))
        now = first[-1].known_at if len(first) == REMEMBERED else learnt
        self.level = typical([u.size for u in first])
        for u in first:
            self.queue(u, now)
        self.offered = first[-1].known_at
        # Deadlines pass between upstrokes.
        for u in rest:
            self.pass_deadline(u.known_at, group)
            self.offered = u.known_at
            elapsed = u.time - self.last.time if self.last else float("inf")
            if not (u.size < 0.1 * self.level and elapsed < 1.4 * self.rate):
                self.queue(u, u.known_at)
        self.pass_deadline(n - n % group, group)
        if self.pending:
            self.decide(self.pending, n)
        return self.pulses

    def pass_deadline(self, latest: int, group: int) -> None:
        if self.pending is None:
            return
        due = max(ticks_to(self.pending.time + 0.7 * self.rate, group), self.offered)
        if due <= latest:
            pending, self.pending = self.pending, None
            self.decide(pending, due)

    def queue(self, new: Upstroke, now: int) -> None:
        if self.pending is not None and new.time - self.pending.time < 0.30 * self.rate:
            smaller = self.pending if new.size > self.pending.size else new
            self.reject(smaller)
            self.pending = new if smaller is self.pending else self.pending
            return
        if self.pending is not None:
            self.decide(self.pending, now)
        self.pending = new

    def reject(self, u: Upstroke) -> None:
        self.rejected = [*self.rejected, u][-REMEMBERED:]
        self.noise += 0.2 * (u.size - self.noise)

    def since_last(self, time: float) -> float:
        return time - self.last.time if self.last else float("inf")

    def decide(self, u: Upstroke, now: int) -> None:
        before = self.last
        elapsed = self.since_last(u.time)
        if self.lost or (before and elapsed > 2.0 * self.rate):
            self.find_again(u, now)
            before = self.last
            elapsed = self.since_last(u.time)
        if self.lost:
            self.reject(u)
            return
        fits = u.size > max(0.30 * self.level, min(1.25 * self.noise, 0.8 * self.level))
        if fits and before and elapsed < 0.55 * self.rate:
            fits = u.crest > before.crest - 0.3 * before.rise
        if before and u.time - self.last_fit < 4.0 * self.rate:
            self.look_back(u.time, 0.30 * self.rate if fits else 0.0, now)
        elapsed = self.since_last(u.time)
        if not fits or elapsed < 0.30 * self.rate:
            self.reject(u)
            return
        if before and elapsed < 2.0 * self.rate:
            even = abs(elapsed / self.interval - 1.0) < 0.3
            self.trust += 0.15 * (float(self.noise < (0.3 if even else 0.16) * self.level) - self.trust)
            self.demand += 0.02 * (0.2 - self.demand)
            self.interval += 0.125 * (min(max(elapsed, 0.6 * self.interval), 1.5 * self.interval) - self.interval)
        self.last_fit = u.time
        self.accept(u, 0.15, now)
        self.lost = self.trust < self.demand

    def find_again(self, u: Upstroke, now: int) -> None:
        """Make pulses of the last six large upstrokes when they are alike and even, with little between them."""
        large = sorted((o for o in self.rejected if o.size > u.size / 1.5 and o.time < u.time), key=lambda o: o.time)
        run = [*large[-5:], u]
        intervals = [b.time - a.time for a, b in pairwise(run)]
        if len(run) < 6 or max(o.size for o in run) > 1.5 * u.size:
            return
        longest, shortest = max(*intervals, 0.3 * self.rate), min(*intervals, 1.6 * self.rate)
        between = [o.size for o in self.rejected if o.time > run[0].time and o.size <= u.size / 1.5]
        rest = sum(between) / len(between) if between else 0.0
        level = sum(o.size for o in run) / 6
        uneven = longest / shortest
        if uneven > 2.0 or rest > (0.3 if uneven < 1.15 else 0.2 if uneven < 1.4 else 0.07) * level:
            return
        self.level, self.noise = level, min(self.noise, rest)
        self.interval = (u.time - run[0].time) / 5
        self.lost, self.trust, self.demand, self.last_fit = False, 0.6, 0.58, u.time
        start = self.last.time + 0.30 * self.rate if self.last else 0.0
        for o in run[:-1]:
            if o.time > start:
                self.accept(o, 0.0, now)

    def accept(self, u: Upstroke, adaptation: float, now: int) -> None:
        self.level += adaptation * (min(u.size, 1.6 * self.level) - self.level)
        self.noise *= 0.85
        self.last = u
        self.pulses.append((u, now))

    def look_back(self, time: float, reserve: float, now: int) -> None:
        floor = max(0.1 * self.level, min(1.25 * self.noise, 0.6 * self.level))
        while self.since_last(time) > 1.5 * self.interval:
            overdue = [
                o
                for o in self.rejected
                if self.last
                and o.size > floor
                and o.time - self.last.time > 0.35 * self.rate
                and reserve < time - o.time < 4.0 * self.rate
            ]
            if not overdue:
                return
            self.accept(max(overdue, key=lambda o: o.size), 0.075, now)


def ticks_to(time: float, group: int) -> int:
    """The first end of a group of samples that is not before ``time``."""
    return int(-(-time // group)) * group


def typical(sizes: list[float]) -> float:
    return float(median(size for size in sizes if size >= 0.4 * max(sizes)))
