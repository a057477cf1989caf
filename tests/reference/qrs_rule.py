"""Slow twin of the rule for QRS candidates: the whole list of candidates at hand, plain Python."""

from __future__ import annotations

import itertools
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
    horizon: float = 5.0
    small: float = 0.1
    sloped: float = 0.15
    watched: float = 8.0
    cluttered: float = 1.4
    restless: float = 0.15
    returned: float = 0.8
    look_back_clutter: float = 1.8
    silent_clutter: float = 1.0
    few: int = 3
    window: float = 5.0
    alike: float = 0.6
    clear: float = 0.7
    regular: float = 1.25
    regular_clutter: float = 1.3
    regular_beats: int = 4
    even: float = 1.12
    even_clutter: float = 2.0


@dataclass
class Rule:
    rate: float
    settings: Settings = field(default_factory=Settings)
    level: float = 0.0
    interval: float = 0.0
    last: Candidate | None = None
    last_time: float = -1e18
    lost_at: float | None = None
    clutter: float = 0.0
    unrest: float = 0.0
    last_interval: float = 0.0
    pending: Candidate | None = None
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
        self.learn(head)
        for i, new in enumerate(candidates[len(head) :], len(head)):
            self.seen = candidates[max(0, i - REMEMBERED) : i]
            if self.pending is not None and new.sure_at >= self.deadline(self.pending):
                pending, self.pending = self.pending, None
                self.decide(pending)
            if new.size <= s.sloped * self.level:
                new.slope = 0.0
            self.seen = candidates[max(0, i + 1 - REMEMBERED) : i + 1]
            if self.lost_at is not None:
                new.status = "rejected"
                if new.time - self.lost_at >= s.relearn * fs:
                    self.find_again(new)
            elif new.size < s.small * self.level and new.time - self.last_time < 0.7 * s.relearn * fs:
                new.status = "rejected"
            else:
                self.queue(new)
        if self.pending is not None:
            self.decide(self.pending)
        return self.found

    def learn(self, head: list[Candidate]) -> None:
        s = self.settings
        self.seen = head
        span = head[-1].time - head[0].time + s.patience * self.rate if head else 0.0
        self.level = self.size_of_clear_beats(head, span, 1)
        if len(head) <= s.few:
            self.level = typical_size(head)
        if self.level == 0.0 and head:
            self.lose(head[0].time)
        self.queue_all(head)

    def queue_all(self, candidates: list[Candidate]) -> None:
        for c in candidates:
            c.status = "waiting"
        for c in candidates:
            self.queue(c)

    def queue(self, new: Candidate) -> None:
        s, fs = self.settings, self.rate
        if self.lost_at is None and self.pending is not None and new.time - self.pending.time < s.refractory * fs:
            loser = self.pending if new.size > self.pending.size else new
            self.pending = new if new.size > self.pending.size else self.pending
            loser.status = "rejected"
            return
        if self.lost_at is None and self.pending is not None:
            self.decide(self.pending)
        if self.lost_at is None:
            self.pending = new
        else:
            new.status = "rejected"

    def deadline(self, pending: Candidate) -> float:
        return pending.time + (self.settings.refractory + self.settings.patience) * self.rate

    def since_last(self, time: float) -> float:
        return time - self.last_time

    def lose(self, time: float) -> None:
        """From now on nothing is a beat until beats stand out."""
        self.lost_at, self.pending, self.level = time, None, 0.0

    def find_again(self, new: Candidate) -> None:
        s, fs = self.settings, self.rate
        assert self.lost_at is not None
        span = min(s.window * fs, new.time - self.lost_at)
        recent = [c for c in self.seen if new.time - c.time <= span]
        if new.size < 0.4 * max(c.size for c in recent):
            return
        level = self.size_of_clear_beats(recent, span, 3)
        if level > 0:
            self.lost_at, self.level, self.clutter = None, level, s.returned
            self.interval = s.typical_interval * fs
            self.last_time = max(self.last_time, recent[0].time - self.interval)
            self.queue_all(recent)

    def decide(self, c: Candidate) -> None:
        s, fs = self.settings, self.rate
        earlier = [o for o in self.seen if o.time < c.time]
        if self.last and self.since_last(c.time) > s.relearn * fs:
            start = max(self.last_time, c.time - s.window * fs)
            self.relearn([o for o in [*earlier, c] if o.time > start], c.time, start)
        if self.lost_at is not None:
            c.status = "rejected"
            return
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
                and self.since_last(o.time) > s.overdue_distance * fs
                and (s.refractory * fs if fits else 0.0) < c.time - o.time < s.horizon * fs
            ]
            if not overdue:
                break
            best = max(overdue, key=lambda o: o.size)
            others = [o for o in earlier if o is not best]
            if self.clutter_among(others, self.last_time, c.time, best.size) > s.look_back_clutter:
                break
            self.accept(best, 0.5)
        if fits and self.since_last(c.time) >= s.refractory * fs:
            if self.last and self.since_last(c.time) < 2.5 * s.typical_interval * fs:
                elapsed = min(max(self.since_last(c.time), 0.6 * self.interval), 1.5 * self.interval)
                self.interval += 0.125 * (elapsed - self.interval)
            self.accept(c, 1.0)
            if self.clutter > s.cluttered and self.unrest > s.restless:
                self.lose(c.time)
        else:
            c.status = "rejected"

    def noise(self, c: Candidate, earlier: list[Candidate]) -> float:
        recent = [
            o.size
            for o in earlier
            if o.status == "rejected" and c.time - o.time < self.settings.noise_window * self.rate
        ]
        return sum(recent) / len(recent) if len(recent) >= 2 else 0.0

    def relearn(self, silent: list[Candidate], now: float, start: float) -> None:
        level = self.size_of_clear_beats(silent, now - start, 2)
        if 0 < level < self.level:
            self.level = level
        elif self.clutter_among(silent, start, now, self.level) > self.settings.silent_clutter:
            self.lose(now)

    def clutter_among(self, candidates: list[Candidate], after: float, before: float, size: float) -> float:
        between = sum(c.size for c in candidates if after < c.time < before)
        return between / size / ((before - after) / self.rate)

    def size_of_clear_beats(self, candidates: list[Candidate], span: float, least: int) -> float:
        s = self.settings
        level = typical_size(candidates)
        complexes: list[list[Candidate]] = []
        for c in candidates:
            if c.size >= s.alike * level:
                if complexes and c.time - complexes[-1][0].time < s.refractory * self.rate:
                    complexes[-1].append(c)
                else:
                    complexes.append([c])
        beats = [max(humps, key=lambda c: c.size) for humps in complexes]
        rest = sum(c.size for c in candidates if c not in beats)
        intervals = [b[0].time - a[0].time for a, b in itertools.pairwise(complexes)]
        unevenness = max(intervals) / min(intervals) if len(beats) >= s.regular_beats else float("inf")
        allowed = s.clear
        if unevenness < s.regular:
            even = len(beats) > s.regular_beats and unevenness < s.even
            allowed = s.even_clutter if even else s.regular_clutter
        return level if len(beats) >= least and rest * self.rate < allowed * level * span else 0.0

    def accept(self, c: Candidate, weight: float) -> None:
        s = self.settings
        elapsed = self.since_last(c.time)
        if self.last and elapsed < s.horizon * self.rate:
            around = self.clutter_among(self.seen, self.last_time, c.time, c.size)
            self.clutter += (min(around, 5.0) - self.clutter) / s.watched
            change = abs(elapsed - self.last_interval) / elapsed
            self.unrest += (min(change, 1.0) - self.unrest) / s.watched
            self.last_interval = elapsed
        self.level += weight * s.adaptation * (min(c.size, s.growth * self.level) - self.level)
        self.last, self.last_time = c, c.time
        c.status = "beat"
        self.found.append(c)


def typical_size(candidates: list[Candidate]) -> float:
    largest = max((c.size for c in candidates), default=0.0)
    return float(median([c.size for c in candidates if c.size >= 0.4 * largest])) if candidates else 0.0
