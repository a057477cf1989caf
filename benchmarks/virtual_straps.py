"""CPU time of the virtual straps themselves, per notification, without anything that decodes.

    python -m benchmarks.virtual_straps

Twenty H10 with ECG and RR over bleak's own client for ten simulated minutes; the host does nothing but count. Beside it
stands a yardstick of the machine: NumPy's sum of 1,000 numbers.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

import numpy as np
from bleak import BleakClient

from allostat_devices.ble import heart_rate_service as hrs
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import polar_h10
from allostat_devices.virtual.radio import VirtualRadio

STRAPS = 20
MINUTES = 10
REPEATS = 5
START_NS = 1_750_000_000_000_000_000
ECG = pmd.start_request(pmd.Stream.ECG, {pmd.Setting.SAMPLE_RATE_HZ: 130, pmd.Setting.RESOLUTION_BITS: 14})


async def streamed(straps: int, minutes: float) -> tuple[int, float]:
    """Notifications that came, and the CPU seconds they took, connecting left out."""
    radio = VirtualRadio(
        [polar_h10(number, keep_truth=False) for number in range(1, straps + 1)], wall_ns=lambda: START_NS
    )
    came = 0

    def count(_: object, data: bytearray) -> None:
        nonlocal came
        came += 1

    clients = [BleakClient(strap.address, timeout=60, backend=radio.client) for strap in radio.straps]
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


def yardstick_us() -> float:
    """NumPy's sum of 1,000 numbers."""
    numbers = np.arange(1000.0)
    began = time.thread_time()
    for _ in range(2000):
        numbers.sum()
    return (time.thread_time() - began) / 2000 * 1e6


def main() -> int:
    """Print the figures."""
    costs, yardsticks, rate = [], [], 0.0
    for _ in range(REPEATS):
        came, used = run_fast(streamed(STRAPS, MINUTES))
        costs.append(used / came * 1e6)
        yardsticks.append(yardstick_us())
        rate = came / (MINUTES * 60)
    print(f"{STRAPS} straps with ECG and RR: {rate:.1f} notifications per second")
    print(f"{'per notification':28}{min(costs):8.2f}{statistics.median(costs):8.2f}  us (least, median)")
    print(f"{'yardstick: sum of 1,000':28}{min(yardsticks):8.2f}{statistics.median(yardsticks):8.2f}  us")
    print(f"share of a core in real time: {min(costs) * rate / 1e4:.2f} % (least)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
