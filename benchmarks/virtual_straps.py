"""CPU time of the virtual straps themselves, per notification, without anything that decodes.

    python -m benchmarks.virtual_straps

Twenty H10 with ECG and RR over bleak's own client, in process for ten simulated minutes and over bumble's stack on both
sides for one; the host does nothing but count. Beside it stands a yardstick of the machine: NumPy's sum of 1,000
numbers.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from bleak import BleakClient

from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.virtual.bumble_radio import BumbleRadio
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import polar_h10
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.strap import VirtualStrap

STRAPS = 20
IN_PROCESS_MINUTES, BUMBLE_MINUTES = 10, 1
REPEATS = 5
START_NS = 1_750_000_000_000_000_000
ECG = pmd.start_request(pmd.Stream.ECG, {pmd.Setting.SAMPLE_RATE_HZ: 130, pmd.Setting.RESOLUTION_BITS: 14})


def straps() -> list[VirtualStrap]:
    """Fresh straps that keep counts only."""
    return [polar_h10(number, advertising_interval_s=0.2, keep_truth=False) for number in range(1, STRAPS + 1)]


async def streamed(worn: list[VirtualStrap], backend: Any, minutes: float) -> tuple[int, float]:
    """Notifications that came, and the CPU seconds they took, connecting left out."""
    came = 0

    def count(_: object, data: bytearray) -> None:
        nonlocal came
        came += 1

    clients = [BleakClient(strap.address, timeout=60, backend=backend) for strap in worn]
    for client in clients:
        await client.connect()
        await client.start_notify(pmd.CONTROL_POINT, count)
        await client.start_notify(pmd.DATA, count)
        await client.start_notify(hrs.MEASUREMENT, count)
        await client.write_gatt_char(pmd.CONTROL_POINT, ECG, response=True)
    before, began = came, time.thread_time()
    await asyncio.sleep(minutes * 60)
    used, came_in = time.thread_time() - began, came - before
    for client in clients:
        await client.disconnect()
    return came_in, used


async def in_process() -> tuple[int, float]:
    """Over the radio of this process."""
    worn = straps()
    radio = VirtualRadio(worn, wall_ns=lambda: START_NS)
    return await streamed(worn, radio.client, IN_PROCESS_MINUTES)


async def over_bumble() -> tuple[int, float]:
    """Over real ATT and L2CAP, both sides in this process."""
    worn = straps()
    async with BumbleRadio.with_straps(worn, wall_ns=lambda: START_NS) as radio:
        return await streamed(worn, radio.client, BUMBLE_MINUTES)


def yardstick_us() -> float:
    """NumPy's sum of 1,000 numbers."""
    numbers = np.arange(1000.0)
    began = time.thread_time()
    for _ in range(2000):
        numbers.sum()
    return (time.thread_time() - began) / 2000 * 1e6


def main() -> int:
    """Print the figures."""
    ways: dict[str, tuple[Callable[[], Awaitable[tuple[int, float]]], float]] = {
        "in process": (in_process, IN_PROCESS_MINUTES),
        "over bumble, both sides": (over_bumble, BUMBLE_MINUTES),
    }
    costs: dict[str, list[float]] = {way: [] for way in ways}
    yardsticks, per_s = [], 0.0
    for _ in range(REPEATS):
        for way, (run, minutes) in ways.items():
            came, used = run_fast(run())  # type: ignore[arg-type]
            costs[way].append(used / came * 1e6)
            per_s = came / (minutes * 60)
        yardsticks.append(yardstick_us())
    print(f"{STRAPS} straps with ECG and RR: {per_s:.1f} notifications per second; us of CPU per notification")
    print(f"{'':28}{'least':>8}{'median':>8}{'share of a core in real time':>32}")
    for way, values in costs.items():
        print(f"{way:28}{min(values):8.1f}{statistics.median(values):8.1f}{min(values) * per_s / 1e4:30.2f} %")
    print(f"{'yardstick: sum of 1,000':28}{min(yardsticks):8.2f}{statistics.median(yardsticks):8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
