"""A day of ten straps as fast as it goes: memory stays flat, also while the day is finalised."""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import tempfile
import time
from pathlib import Path

from allostat.live.finalise import finalise_session
from allostat_devices.ble.link import LINK
from benchmarks.live_setup import Face, make_session, rss_mb, run_at, strap_radio

MOST_MB = 150.0
MOST_GROWTH_MB = 10.0
"""From the second simulated hour to the last."""


def _soak(folder: str, straps: int, hours: float, told: multiprocessing.Queue[tuple[float, float, float]]) -> None:
    async def run() -> None:
        radio = strap_radio(straps)
        # Finalising is measured in a process of its own.
        session = make_session(Path(folder), radio, [Face()], finalise=False)
        running = asyncio.ensure_future(session.run())
        for hour in range(math.ceil(hours)):
            await asyncio.sleep(3600 * min(1.0, hours - hour))
            told.put((min(hour + 1.0, hours), rss_mb(), time.process_time()))
        session.stop()
        await running

    run_at(math.inf, run())


def _finalise(folder: str, told: multiprocessing.Queue[tuple[float, float, float]]) -> None:
    import resource

    finalise_session(Path(folder), "bench", LINK.decoder)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told.put((0.0, most, time.process_time()))


def main(chosen: argparse.Namespace) -> bool:
    """Measure and print; whether all bars are kept."""
    from benchmarks.live import verdict

    straps, hours = chosen.straps or 10, chosen.hours or 24.0
    context = multiprocessing.get_context("spawn")
    told: multiprocessing.Queue[tuple[float, float, float]] = context.Queue()
    print(f"soak: {hours:g} h of {straps} straps with ECG and RR", flush=True)
    memory = []
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=_soak, args=(folder, straps, hours, told))
        process.start()
        for _ in range(math.ceil(hours)):
            hour, mb, cpu = told.get()
            memory.append(mb)
            print(f"  hour {hour:4g}: {mb:6.1f} MB, {cpu:6.0f} s of CPU", flush=True)
        process.join()
        size = sum(p.stat().st_size for p in Path(folder).glob("*.journal")) / 2**20
        process = context.Process(target=_finalise, args=(folder, told))
        process.start()
        _, most, cpu = told.get()
        process.join()
        files = sum(p.stat().st_size for p in Path(folder).glob("*.h5")) / 2**20
    print(
        f"  journal {size:.0f} MB; finalised into {files:.0f} MB in {cpu:.0f} s of CPU, at most {most:.0f} MB of memory"
    )
    growth = memory[-1] - memory[min(1, len(memory) - 1)]
    return all(
        [
            verdict(f"at most {MOST_MB:g} MB while recording ({max(memory):.1f})", max(memory) <= MOST_MB),
            verdict(f"flat: {growth:+.1f} MB from the second hour to the last", growth <= MOST_GROWTH_MB),
        ]
    )
