"""Notifications per second, share of a core and added latency of a session of 20 straps."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from allostat.live.analysis import LiveAnalysis
from allostat.live.session import SessionResult
from allostat.live.warm import warm_analysis
from benchmarks.live_setup import CountingLink, Face, make_session, run_at, strap_radio

LEAST_PER_S, MOST_SHARE, MOST_P50_MS, MOST_P99_MS = 500.0, 0.25, 2.0, 20.0
WARM_S = 120.0
"""Simulated seconds before the measurement: until then not every HRV window is full."""
MEASURED_S = 40.0
"""Real seconds, about."""


@dataclass(frozen=True)
class Load:
    """What the straps send, and how many times faster than real straps."""

    title: str
    pace: float
    streams: tuple[str, ...]
    mtu: int
    analysed: bool
    least_per_s: float = LEAST_PER_S


LOADS = (
    # 20 straps send 55 notifications of ECG and RR per second with a large MTU, 268 of ECG, RR and acceleration with
    # the least that an H10 takes for ECG, 70 bytes. Both are sped up to about 500: what is analysed is then that of so
    # many more straps. Time stands still while callbacks run, so the speed is a little more than their quotient.
    Load("ECG and RR, recorded only", 12.2, ("ecg",), 517, False),
    Load("ECG and RR, with live beats, quality and HRV", 1.0, ("ecg",), 517, True, 0.9 * 55),
    Load("ECG, RR, acceleration at MTU 70, live beats, quality, HRV", 2.7, ("ecg", "acc"), 70, True),
)


async def _run(folder: Path, count: int, link: CountingLink, load: Load) -> tuple[SessionResult, float, float, int]:
    radio = strap_radio(count, largest_mtu_bytes=load.mtu)
    analysis = LiveAnalysis() if load.analysed and not link.silent else None
    session = make_session(folder, radio, [Face()], streams=load.streams, link=link, analysis=analysis)
    running = asyncio.ensure_future(session.run())
    await asyncio.sleep(10.0 if link.silent else WARM_S)
    cpu, wall, before = time.process_time(), time.monotonic(), link.notifications
    await asyncio.sleep(MEASURED_S * load.pace)
    cpu, wall, got = time.process_time() - cpu, time.monotonic() - wall, link.notifications - before
    session.stop()
    return await running, cpu, wall, got


def main(chosen: argparse.Namespace) -> bool:
    """Measure and print; whether all bars are kept."""
    warm_analysis()
    kept = [_measured(chosen.straps or 20, load) for load in LOADS]
    return all(kept)


def _measured(count: int, load: Load) -> bool:
    from benchmarks.live import verdict

    print(f"throughput: {count} straps, {load.title}; {load.pace:g} times real time")
    costs = {}
    for silent in (True, False):
        link = CountingLink(silent=silent)
        with tempfile.TemporaryDirectory() as folder:
            result, cpu, wall, got = run_at(load.pace, _run(Path(folder), count, link, load))
        costs[silent] = cpu / wall
        what = "virtual straps and link alone" if silent else "with the session"
        print(f"  {what:<30} {got / wall:6.0f} notifications/s  {100 * cpu / wall:5.1f} % of a core")
    p50, p99 = result.latency_ms
    own = costs[False] - costs[True]
    print(f"  {'session alone':<30} {100 * own:36.1f} % of a core, {1e6 * own / (got / wall):.0f} us per notification")
    print(f"  latency p50 {p50:.2f} ms, p99 {p99:.2f} ms; {result.not_analysed} not analysed")
    return all(
        [
            verdict(f"at least {load.least_per_s:.0f} notifications/s", got / wall >= load.least_per_s),
            verdict(f"at most {100 * MOST_SHARE:.0f} % of a core, virtual straps included", costs[False] <= MOST_SHARE),
            verdict(f"latency p50 <= {MOST_P50_MS:g} ms", p50 <= MOST_P50_MS),
            verdict(f"latency p99 <= {MOST_P99_MS:g} ms", p99 <= MOST_P99_MS),
        ]
    )
