"""How soon straps stream again after they come back: ``python -m tests.devices.ble.resuming --hours 1 --straps 8``."""

from __future__ import annotations

import argparse
import asyncio
import random
import time

import numpy as np
from numpy.typing import NDArray

from allostat.strap import RecordKind
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import polar_h10
from allostat_devices.virtual.radio_faults import OutOfRange
from tests.devices.ble.following import Followed, followed, radio_with


def resume_times(straps: int, seconds: float, seed: int, advertising_interval_s: float) -> NDArray[np.float64]:
    """Seconds from the end of each lost link's cause to the first frame of ECG, sorted.

    Straps go out of range for random times (0.1 s to minutes), independently, with a mean of 135 s between.
    """
    models = [
        polar_h10(number + 1, advertising_interval_s=advertising_interval_s, keep_truth=False)
        for number in range(straps)
    ]
    radio = radio_with(*models)
    lost_for_s = models[0].supervision_timeout_s

    async def losses(one: Followed, rng: random.Random, returns: list[float]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(15 + rng.expovariate(1 / 120))
            away_s = rng.choice([rng.uniform(0.1, 6), rng.expovariate(1 / 20), rng.uniform(6, 120)])
            one.strap.inflict(OutOfRange(away_s))
            await asyncio.sleep(away_s)
            if away_s > lost_for_s:
                returns.append(loop.time())

    async def main() -> list[float]:
        took: list[float] = []
        async with followed(radio) as all_of_them:
            returns: list[list[float]] = [[] for _ in all_of_them]
            tasks = [
                asyncio.create_task(losses(one, random.Random(f"{seed} {number}"), returns[number]))
                for number, one in enumerate(all_of_them)
            ]
            await asyncio.sleep(seconds)
            for task in tasks:
                task.cancel()
            # the last to come back gets its time
            await asyncio.sleep(150)
        for one, of_one in zip(all_of_them, returns, strict=True):
            frames = np.array(one.times(RecordKind.PMD_DATA))
            took += [float(frames[frames > at][0] - at) for at in of_one]
        return sorted(took)

    return np.array(run_fast(main()))


def report() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--straps", type=int, default=8)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    for interval_s in (1.0, 0.1, 0.02):
        began = time.process_time()
        took = np.concatenate(
            [resume_times(asked.straps, asked.hours * 3600, seed, interval_s) for seed in range(asked.seeds)]
        )
        p50, p99 = np.percentile(took, [50, 99])
        print(
            f"advertising every {interval_s:g} s: {len(took)} losses, p50 {p50:.2f} s, p99 {p99:.2f} s, "
            f"max {took.max():.2f} s, above 3 s: {int((took > 3).sum())} "
            f"({time.process_time() - began:.0f} s of CPU)"
        )


if __name__ == "__main__":
    report()
