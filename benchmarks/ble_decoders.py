"""CPU time of decoding one notification of a strap.

    python -m benchmarks.ble_decoders

Least and median of interleaved repeats, in microseconds. Beside it stands a yardstick of the machine: NumPy's sum of
1,000 numbers.
"""

from __future__ import annotations

import statistics
import struct
import sys
import time
from collections.abc import Callable

import numpy as np

from allostat_devices.ble.heart_rate_service import decode_measurement
from allostat_devices.ble.polar_frames import decode_frame

BAR_ECG_US = 15.0
"""Of an ECG frame of 73 samples."""
REPEATS = 40
CALLS = 500


def notifications() -> dict[str, tuple[Callable[[bytes], object], bytes]]:
    """Decoder and bytes per kind: frames as long as an H10 and a Verity Sense send them."""
    rng = np.random.default_rng(1)

    def head(stream: int, kind: int) -> bytes:
        return struct.pack("<BQB", stream, 800_000_000_000_000_000, kind)

    # one whole sample, then 42 of 4 channels with differences of 10 bit
    ppg = head(1, 0x80) + rng.bytes(12) + bytes([10, 42]) + rng.bytes(210)
    return {
        "ECG, 73 samples": (decode_frame, head(0, 0) + rng.bytes(219)),
        "ACC, 36 x 3": (decode_frame, head(2, 1) + rng.bytes(216)),
        "PPG compressed, 43 x 4": (decode_frame, ppg),
        "PPI, 4 intervals": (decode_frame, head(3, 0) + rng.bytes(24)),
        "heart rate, 2 RR": (decode_measurement, bytes([0x16, 61]) + struct.pack("<2H", 1000, 1010)),
    }


def measured() -> dict[str, list[float]]:
    """Microseconds per call, one value per repeat; the kinds take turns."""
    numbers = np.arange(1000.0)
    todo: dict[str, Callable[[], object]] = {"yardstick: sum of 1,000": numbers.sum}
    for name, (decode, data) in notifications().items():
        todo[name] = lambda decode=decode, data=data: decode(data)  # type: ignore[misc]
    times: dict[str, list[float]] = {name: [] for name in todo}
    for repeat in range(REPEATS + 1):
        for name, call in todo.items():
            started = time.thread_time()
            for _ in range(CALLS):
                call()
            if repeat:
                times[name].append((time.thread_time() - started) / CALLS * 1e6)
    return times


def main() -> int:
    """Print the table; 1 when the least time of an ECG frame is above its bar (other work on the machine only adds)."""
    times = measured()
    print(f"{'notification':28}{'least':>8}{'median':>8}  us")
    for name, values in times.items():
        print(f"{name:28}{min(values):8.2f}{statistics.median(values):8.2f}")
    kept = min(times["ECG, 73 samples"]) <= BAR_ECG_US
    print(f"bar for ECG: {BAR_ECG_US:.0f} us, {'kept' if kept else 'missed'}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
