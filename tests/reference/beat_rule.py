"""Slow twin of the beat rule: the whole list of candidates at hand, plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

REMEMBERED = 64


@dataclass
class Extremum:
    at: float
    size: float
    jitter: float


@dataclass
class Candidate:
    time: float
    size: float
    slope: float
    up: Extremum
    down: Extremum
    hump: float = 0.0
    """Size of the hump; ``size`` is 0 instead when no extremum could be placed."""
    sure_at: int = 0
    """Number of samples known when the hump was over."""
    status: str = "waiting"


@dataclass(frozen=True)
class Settings:
    """Times in s."""

    refractory: float
    twave_window: float
    noise_window: float
    adaptation: float
    overdue_distance: float
    learning: float
    polarity_weight: float
    patience: float
    twave_slope: float = 0.5
    threshold: float = 0.35
    noise_factor: float = 1.5
    growth: float = 1.6
    overdue: float = 1.66
    overdue_threshold: float = 0.2
    relearn: float = 3.0
    typical_interval: float = 0.8


@dataclass
class Rule:
    settings: Settings
    rate: float
    level: float = 0.0
    interval: float = 0.0
    polarity: float = 0.0
    last: Candidate | None = None
    last_at: float = -1e18
    seen: list[Candidate] = field(default_factory=list)
    found: list[Extremum] = field(default_factory=list)

    def beats(self, candidates: list[Candidate]) -> list[Extremum]:
        """Decide on all candidates, in the order of their times."""
        s, fs = self.settings, self.rate
        self.interval = s.typical_interval * fs
        if not candidates:
            return []
        # The level is learned from the candidates up to and with the first one after the learning time.
        head = [c for c in candidates if c.time < candidates[0].time + s.learning * fs][: REMEMBERED - 1]
        head = candidates[: len(head) + 1]
        self.level = typical_size(head)
        pending: Candidate | None = None
        for i, new in enumerate(candidates):
            # What the rule remembers when it looks at this candidate; all of the head while it learns.
            if pending is not None and i >= len(head) and new.sure_at >= self.deadline(pending):
                self.seen = candidates[max(0, i - REMEMBERED) : i]
                self.decide(pending)
                pending = None
            self.seen = candidates[max(0, max(i + 1, len(head)) - REMEMBERED) : i + 1]
            if i >= len(head) and new.hump < 0.1 * self.level and self.since_last(new.time) < 0.7 * s.relearn * fs:
                new.size, new.up.size, new.down.size, new.status = new.hump, 0.0, 0.0, "rejected"
                continue
            if pending is not None and new.time - pending.time < s.refractory * fs:
                loser = pending if new.size > pending.size else new
                pending = new if new.size > pending.size else pending
                loser.status = "rejected"
                continue
            if pending is not None:
                self.decide(pending)
            pending = new
        if pending is not None:
            self.decide(pending)
        return self.found

    def deadline(self, pending: Candidate) -> float:
        return pending.time + (self.settings.refractory + self.settings.patience) * self.rate

    def since_last(self, time: float) -> float:
        return time - self.last.time if self.last else float("inf")

    def decide(self, c: Candidate) -> None:
        s, fs = self.settings, self.rate
        earlier = [o for o in self.seen if o.time < c.time]
        if self.last and self.since_last(c.time) > s.relearn * fs:
            self.relearn([o for o in [*earlier, c] if c.time - o.time <= s.relearn * fs])
        rejected = [o for o in earlier if o.status == "rejected"]
        recent = [o.size for o in rejected if c.time - o.time < s.noise_window * fs]
        noise = sum(recent) / len(recent) if len(recent) >= 2 else 0.0
        fits = c.size > max(s.threshold * self.level, min(s.noise_factor * noise, 0.8 * self.level))
        if fits and self.last and self.since_last(c.time) < s.twave_window * fs:
            fits = c.slope >= s.twave_slope * self.last.slope

        floor = max(s.overdue_threshold * self.level, min(s.noise_factor * noise, 0.6 * self.level))
        while self.last and self.since_last(c.time) > s.overdue * self.interval:
            overdue = [
                o
                for o in rejected
                if o.status == "rejected"
                and o.size > floor
                and o.up.size + o.down.size > 0
                and self.since_last(o.time) > s.overdue_distance * fs
                and o.time - self.last.time > s.overdue_distance * fs
                and c.time - o.time > (s.refractory * fs if fits else 0.0)
            ]
            if not overdue:
                break
            self.accept(max(overdue, key=lambda o: o.size), 0.5)
        if fits and self.since_last(c.time) >= s.refractory * fs:
            if self.last and self.since_last(c.time) < 2.5 * s.typical_interval * fs:
                elapsed = min(max(self.since_last(c.time), 0.6 * self.interval), 1.5 * self.interval)
                self.interval += 0.125 * (elapsed - self.interval)
            self.accept(c, 1.0)
        else:
            c.status = "rejected"

    def relearn(self, recent: list[Candidate]) -> None:
        typical = typical_size(recent)
        rest = [c.size for c in recent if c.size < 0.4 * typical]
        if rest and typical < self.level and typical > 4.0 * sum(rest) / len(rest):
            self.level = typical

    def accept(self, c: Candidate, weight: float) -> None:
        total = c.up.size + c.down.size
        balance = (c.up.size - c.down.size) / total if total > 0 else 0.0
        if self.last is None:
            self.polarity = balance
        favour = self.settings.polarity_weight * (1 if self.polarity >= 0 else -1)
        chosen = c.up if c.up.size * (1 + favour) >= c.down.size * (1 - favour) else c.down
        self.polarity += 0.1 * (balance - self.polarity)
        self.level += weight * self.settings.adaptation * (min(c.size, self.settings.growth * self.level) - self.level)
        self.last = c
        c.status = "beat"
        if chosen.at - self.last_at >= 0.5 * self.settings.refractory * self.rate:
            self.last_at = chosen.at
            self.found.append(chosen)


def typical_size(candidates: list[Candidate]) -> float:
    largest = max(c.size for c in candidates)
    return float(median(c.size for c in candidates if c.size >= 0.4 * largest))
