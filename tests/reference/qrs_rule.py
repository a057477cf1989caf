"""Slow twin of the rule for QRS candidates: the whole list of candidates at hand, plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median

REMEMBERED = 64


@dataclass(eq=False)
class Candidate:
    time: float
    size: float
    slope: float
    """Steepest rise or fall near it; 0 where the candidate is too small to be asked for it."""
    sure_at: int
    """Number of samples known when the hump was over."""
    status: str = "waiting"


@dataclass(frozen=True)
class Settings:
    """Times in s."""

    refractory: float = 0.25
    twave_window: float = 0.36
    twave_slope: float = 0.5
    late_window: float = 0.5
    late_slope: float = 0.3
    late_size: float = 0.7
    threshold: float = 0.35
    noise_factor: float = 1.5
    noise_window: float = 2.0
    adaptation: float = 0.2
    growth: float = 1.6
    overdue: float = 1.66
    overdue_threshold: float = 0.2
    overdue_distance: float = 0.36
    learning: float = 2.5
    relearn: float = 3.0
    typical_interval: float = 0.8
    patience: float = 0.30
    horizon: float = 4.0
    small: float = 0.1
    sloped: float = 0.15


@dataclass
class Rule:
    rate: float
    settings: Settings = field(default_factory=Settings)
    level: float = 0.0
    interval: float = 0.0
    last: Candidate | None = None
    seen: list[Candidate] = field(default_factory=list)
    found: list[Candidate] = field(default_factory=list)

    def beats(self, candidates: list[Candidate]) -> list[Candidate]:
        """Decide on all candidates, in the order of their times."""
        s, fs = self.settings, self.rate
        self.interval = s.typical_interval * fs
        if not candidates:
            return []
        learned_at = candidates[0].time + s.learning * fs
        head = [c for c in candidates[:REMEMBERED] if c.sure_at < learned_at]
        self.level = typical_size(head)
        pending: Candidate | None = None
        for i, new in enumerate(candidates):
            learning = i < len(head)
            self.seen = head if learning else candidates[max(0, i - REMEMBERED) : i]
            if pending is not None and not learning and new.sure_at >= self.deadline(pending):
                self.decide(pending)
                pending = None
            if new.size <= s.sloped * self.level and not learning:
                new.slope = 0.0
            if not learning:
                self.seen = candidates[max(0, i + 1 - REMEMBERED) : i + 1]
                if new.size < s.small * self.level and self.since_last(new.time) < 0.7 * s.relearn * fs:
                    new.status = "rejected"
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
        noise = self.noise(c, earlier)
        fits = c.size > max(s.threshold * self.level, min(s.noise_factor * noise, 0.8 * self.level))
        if fits and self.last and self.last.slope > 0:
            steepness = c.slope / self.last.slope
            if self.since_last(c.time) < s.twave_window * fs:
                fits = steepness >= s.twave_slope
            elif self.since_last(c.time) < s.late_window * fs and c.size < s.late_size * self.level:
                fits = steepness >= s.late_slope

        floor = max(s.overdue_threshold * self.level, min(s.noise_factor * noise, 0.6 * self.level))
        while self.last and self.since_last(c.time) > s.overdue * self.interval:
            overdue = [
                o
                for o in earlier
                if o.status == "rejected"
                and o.size > floor
                and o.time - self.last.time > s.overdue_distance * fs
                and (s.refractory * fs if fits else 0.0) < c.time - o.time < s.horizon * fs
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

    def noise(self, c: Candidate, earlier: list[Candidate]) -> float:
        recent = [
            o.size
            for o in earlier
            if o.status == "rejected" and c.time - o.time < self.settings.noise_window * self.rate
        ]
        return sum(recent) / len(recent) if len(recent) >= 2 else 0.0

    def relearn(self, recent: list[Candidate]) -> None:
        typical = typical_size(recent)
        rest = [c.size for c in recent if c.size < 0.4 * typical]
        if rest and typical < self.level and typical > 4.0 * sum(rest) / len(rest):
            self.level = typical

    def accept(self, c: Candidate, weight: float) -> None:
        self.level += weight * self.settings.adaptation * (min(c.size, self.settings.growth * self.level) - self.level)
        self.last = c
        c.status = "beat"
        self.found.append(c)


def typical_size(candidates: list[Candidate]) -> float:
    largest = max((c.size for c in candidates), default=0.0)
    return float(median([c.size for c in candidates if c.size >= 0.4 * largest])) if candidates else 0.0
