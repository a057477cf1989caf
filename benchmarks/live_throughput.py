"""Notifications per second, share of a core and added latency of a session of 20 straps with ECG and RR."""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from allostat.live.analysis import LiveAnalysis
from allostat.live.session import SessionResult
from benchmarks.live_setup import CountingLink, Face, make_session, run_at, strap_radio

LEAST_PER_S, MOST_SHARE, MOST_P50_MS, MOST_P99_MS = 500.0, 0.25, 2.0, 20.0
PACE = 14.0
"""Times real time: 20 straps with ECG and RR send 55 notifications per second."""
WARM_S, MEASURED_S = 60.0, 280.0
"""Simulated seconds."""


async def _run(
    folder: Path, count: int, link: CountingLink, analysis: LiveAnalysis | None
) -> tuple[SessionResult, float, float, int]:
    radio = strap_radio(count)
    session = make_session(folder, radio, [Face()], link=link, analysis=analysis)
    running = asyncio.ensure_future(session.run())
    await asyncio.sleep(WARM_S)
    cpu, wall, before = time.process_time(), time.monotonic(), link.notifications
    await asyncio.sleep(MEASURED_S)
    cpu, wall, got = time.process_time() - cpu, time.monotonic() - wall, link.notifications - before
    session.stop()
    return await running, cpu, wall, got


def main(chosen: argparse.Namespace) -> bool:
    """Measure and print; whether all bars are kept."""
    from benchmarks.live import verdict

    count = chosen.straps or 20
    print(f"throughput: {count} straps, ECG and RR, {PACE:g} times real time for {MEASURED_S / PACE:.0f} s")
    costs = {}
    for silent in (True, False):
        link = CountingLink(silent=silent)
        with tempfile.TemporaryDirectory() as folder:
            analysis = LiveAnalysis() if chosen.analysis and not silent else None
            result, cpu, wall, got = run_at(PACE, _run(Path(folder), count, link, analysis))
        costs[silent] = cpu / wall
        what = "virtual straps and link alone" if silent else "with the session"
        print(f"  {what:<30} {got / wall:6.0f} notifications/s  {100 * cpu / wall:5.1f} % of a core")
    p50, p99 = result.latency_ms
    own = costs[False] - costs[True]
    print(f"  {'session alone':<30} {100 * own:36.1f} % of a core, {1e6 * own / (got / wall):.0f} us per notification")
    print(f"  latency p50 {p50:.2f} ms, p99 {p99:.2f} ms; {result.not_analysed} not analysed")
    return all(
        [
            verdict(f"at least {LEAST_PER_S:.0f} notifications/s", got / wall >= LEAST_PER_S),
            verdict(f"at most {100 * MOST_SHARE:.0f} % of a core, virtual straps included", costs[False] <= MOST_SHARE),
            verdict(f"latency p50 <= {MOST_P50_MS:g} ms", p50 <= MOST_P50_MS),
            verdict(f"latency p99 <= {MOST_P99_MS:g} ms", p99 <= MOST_P99_MS),
        ]
    )
