"""A made-up session as faces see it: straps with ECG at 130 Hz, intervals, beats, HRV, gaps, battery, link losses.

Everything follows from the arguments: the same ones give the same updates, in the order in which they would arrive.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from allostat.live.updates import (
    BeatsFound,
    GapDeclared,
    HrvWindow,
    MarkerSet,
    PlacedIntervals,
    PlacedSamples,
    QualityWindow,
    SegmentBegun,
    SessionState,
    StrapState,
    Update,
)
from allostat.sampling import NS_PER_S, ClockBlock

START_NS = 1_760_000_000 * NS_PER_S
ECG_HZ = 130.0
PACKET = 73


def ecg_shape(phase: np.ndarray) -> np.ndarray:
    """µV of a beat at a phase of 0 to 1: P, Q, R, S and T as Gaussian bumps."""
    waves = (
        (0.18, 0.025, 90.0),
        (0.265, 0.008, -120.0),
        (0.28, 0.010, 1100.0),
        (0.297, 0.009, -220.0),
        (0.50, 0.05, 230.0),
    )
    return sum(height * np.exp(-((phase - at) ** 2) / (2 * width**2)) for at, width, height in waves)  # type: ignore[return-value]


@dataclass
class MadeUpStrap:
    """One strap; ``lost`` are stretches (s, s) without a link, ``gaps`` instants (s) of one lost packet."""

    number: int
    label: str
    bpm: float
    lost: tuple[tuple[float, float], ...] = ()
    gaps: tuple[float, ...] = ()
    received: dict[str, int] = field(default_factory=lambda: {"ecg": 0, "rr": 0})
    missing: dict[str, int] = field(default_factory=dict)
    segment: int = 0
    reconnects: int = 0
    block: ClockBlock | None = None
    index: int = 0

    def down(self, second: float) -> bool:
        return any(a <= second < b for a, b in self.lost)


@cache
def updates_of(
    straps: int = 3, seconds: float = 60.0, *, seed: int = 1, losses: bool = True, markers: bool = True
) -> tuple[tuple[float, Update], ...]:
    """Pairs of second and update; made once for the same arguments."""
    return tuple(_merged(straps, seconds, seed, losses, markers))


def _merged(straps: int, seconds: float, seed: int, losses: bool, markers: bool) -> Iterator[tuple[float, Update]]:
    made = [
        MadeUpStrap(
            number,
            f"sub-{number + 1:03d}",
            58.0 + 7.0 * ((number * 5) % 7),
            ((seconds * 0.4, seconds * 0.4 + 4.0),) if losses and number % 3 == 1 else (),
            (seconds * 0.3 + number,) if losses and number % 2 == 0 else (),
        )
        for number in range(straps)
    ]
    streams = [_of_strap(strap, seconds, np.random.default_rng((seed, strap.number))) for strap in made]
    streams.append(_of_session(seconds, markers))
    order = itertools.count()
    tagged = (((second, next(order), update) for second, update in stream) for stream in streams)
    for second, _, update in heapq.merge(*tagged, key=lambda item: item[0]):
        yield second, update


def ns(second: float) -> int:
    return START_NS + round(second * NS_PER_S)


def _of_session(seconds: float, markers: bool) -> Iterator[tuple[float, Update]]:
    for second in range(int(seconds) + 1):
        written = 4096 + 2600 * second
        yield (
            float(second),
            SessionState("made-up", START_NS, ns(second), written, max(0, written - (900 if second % 2 else 0))),
        )
        if markers and second and second % 20 == 0:
            yield second + 0.5, MarkerSet(ns(second + 0.5), f"task {second // 20}", "program")


def _of_strap(strap: MadeUpStrap, seconds: float, rng: np.random.Generator) -> Iterator[tuple[float, Update]]:
    period = PACKET / ECG_HZ
    yield 0.0, _state(strap, "connecting")
    down = False
    next_beat, last_beat = 0.4, math.nan
    phase_start, phase_length = 0.0, 60.0 / strap.bpm
    for packet in range(int(seconds / period)):
        begin, arrival = packet * period, (packet + 1) * period
        t = begin + np.arange(PACKET) / ECG_HZ
        wave = np.empty(PACKET)
        for i, at in enumerate(t):
            while at >= phase_start + phase_length:
                phase_start += phase_length
                phase_length = 60.0 / strap.bpm * (1 + 0.04 * math.sin(2 * math.pi * 0.1 * phase_start)) + rng.normal(
                    0, 0.012
                )
            wave[i] = (at - phase_start) / phase_length
        raw = np.rint(ecg_shape(wave) + 40 * np.sin(2 * np.pi * 0.25 * t) + rng.normal(0, 8, PACKET)).astype(np.int32)
        if strap.down(arrival):
            if not down:
                down = True
                yield arrival, _state(strap, "lost", message="out of reach")
            continue
        if down or strap.block is None:
            reason = "link restored" if down else "connected"
            if down:
                strap.reconnects += 1
                strap.segment += 1
                held = round((begin - next(a for a, b in strap.lost if a <= begin and b <= arrival)) * ECG_HZ)
                strap.missing["ecg"] = strap.missing.get("ecg", 0) + held
                yield arrival, GapDeclared(strap.number, "ecg", ns(begin - held / ECG_HZ), ns(begin), held, "link lost")
            down = False
            strap.block = ClockBlock(strap.index, ns(begin), ECG_HZ, ECG_HZ)
            yield arrival, SegmentBegun(strap.number, strap.segment, ns(begin), reason)
            last_beat, next_beat = math.nan, max(next_beat, begin)
        elif any(begin <= gap < arrival for gap in strap.gaps):
            strap.missing["ecg"] = strap.missing.get("ecg", 0) + PACKET
            yield arrival, GapDeclared(strap.number, "ecg", ns(begin), ns(arrival), PACKET, "notification lost")
            strap.block = ClockBlock(strap.index, ns(arrival), ECG_HZ, ECG_HZ)
            continue
        yield (
            arrival,
            PlacedSamples(
                strap.number, "ecg", "ecg", ("ecg",), "uV", 1.0, strap.segment, strap.index, raw[:, None], strap.block
            ),
        )
        strap.index += PACKET
        strap.received["ecg"] += PACKET
        times: list[int] = []
        intervals: list[float] = []
        while next_beat < arrival:
            times.append(ns(next_beat))
            intervals.append((next_beat - last_beat) * 1000)
            last_beat = next_beat
            next_beat += 60.0 / strap.bpm * (1 + 0.04 * math.sin(2 * math.pi * 0.1 * next_beat)) + rng.normal(0, 0.012)
        if times:
            strap.received["rr"] += len(times)
            found = np.array(times, np.int64), np.array(intervals)
            yield arrival, PlacedIntervals(strap.number, "rr", strap.segment, *found, strap.bpm, True)
            yield arrival, BeatsFound(strap.number, "ecg", *found, np.full(len(times), 0.5, np.float32))
        if packet % 2 == 0:
            yield arrival, _state(strap, "streaming", rssi=-58 - strap.number - packet % 3, battery=90 - strap.number)
        if int(arrival / 10) > int(begin / 10):
            yield arrival, QualityWindow(strap.number, "ecg", ns(arrival - 10), ns(arrival), packet % 5 > 0, ())
        for window in (60.0, 120.0):
            if arrival >= window and int(arrival / 5) > int(begin / 5):
                values = {
                    "rmssd": 30.0 + 3 * strap.number + math.sin(arrival),
                    "sdnn": 44.0,
                    "mean_nn": 60000 / strap.bpm,
                }
                yield arrival, HrvWindow(strap.number, "ecg", ns(arrival - window), ns(arrival), window, values, 0.4)
    yield seconds, _state(strap, "stopped")


def _state(
    strap: MadeUpStrap, phase: str, *, message: str = "", rssi: int | None = None, battery: int | None = None
) -> StrapState:
    return StrapState(
        strap.number,
        strap.label,
        strap.label,
        phase,  # type: ignore[arg-type]
        message,
        strap.bpm if phase == "streaming" else math.nan,
        True if phase == "streaming" else None,
        battery,
        rssi,
        "Polar H10",
        strap.reconnects,
        dict(strap.received),
        dict(strap.missing),
        {"too_short": 1} if strap.number == 2 else {},
        (0.6 + 0.1 * strap.number, 1.4),
    )
