"""Sleep estimated from the heart rate against the sleep of simulated participants; no recording with both is known.

    python -m benchmarks.sleep [participants]

Each participant is simulated for three days and nights (72 h from noon). Beside the estimate stand the five hours of
lowest mean heart rate of each day from noon to noon.
"""

from __future__ import annotations

import sys
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.recording import TimeZone
from allostat.simulate.physiology import SimulatedParticipant, simulate_population
from allostat.simulate.rr import SimulatedRR, instant_ns, simulate_rr, sleep_schedule
from allostat.sleep import sleep_windows
from allostat.sleep_heart_rate import MINUTE_NS
from allostat.zones import zone_info

ZONE = "Europe/Vienna"
FIRST_DAY = date(2026, 3, 2)
NIGHTS = 3
SEED = 99
"""Another one than those that the method was developed with."""


def simulated(person: SimulatedParticipant, seed: int = SEED) -> SimulatedRR:
    """Three days and nights of a participant."""
    nights = sleep_schedule(person, FIRST_DAY, NIGHTS, ZONE, seed)
    noon = datetime.combine(FIRST_DAY, datetime.min.time().replace(hour=12), zone_info(ZONE))
    return simulate_rr(person, instant_ns(noon), NIGHTS * 86400.0, ZONE, nights, seed=seed)


def sleep_errors(participants: int, seed: int = SEED) -> dict[str, Any]:
    """Errors of both ends in minutes, how often 1.96 standard errors reach the truth, and nights missed or invented."""
    errors: list[list[float]] = []
    reached: list[list[bool]] = []
    lowest: list[list[float]] = []
    invented = 0
    for person in simulate_population(participants, seed):
        truth = simulated(person, seed)
        found = sleep_windows(truth.beats(), TimeZone(ZONE, "user"))
        invented += len(found)
        for k, night in enumerate(truth.sleep):
            overlap = [min(w.end_ns, night.wake_ns) - max(w.start_ns, night.bed_ns) for w in found]
            if not overlap or max(overlap) < (night.wake_ns - night.bed_ns) / 2:
                continue
            window = found[int(np.argmax(overlap))]
            invented -= 1
            both = [(window.start_ns - night.bed_ns) / MINUTE_NS, (window.end_ns - night.wake_ns) / MINUTE_NS]
            errors.append(both)
            reached.append([abs(both[0]) <= 1.96 * window.start_se_min, abs(both[1]) <= 1.96 * window.end_se_min])
            first, last = lowest_five_hours(truth, k)
            lowest.append([(first - night.bed_ns) / MINUTE_NS, (last - night.wake_ns) / MINUTE_NS])
    off, low = np.array(errors), np.abs(lowest)
    return {
        "nights": participants * NIGHTS,
        "missed": participants * NIGHTS - len(errors),
        "invented": invented,
        "onset": of_errors(off[:, 0]) | {"reached": float(np.mean([r[0] for r in reached]))},
        "offset": of_errors(off[:, 1]) | {"reached": float(np.mean([r[1] for r in reached]))},
        "lowest five hours": {"onset": float(low[:, 0].mean()), "offset": float(low[:, 1].mean())},
    }


def of_errors(off: NDArray[np.float64]) -> dict[str, float]:
    """Median, mean distance and its median and 90th percentile, in minutes."""
    far = np.abs(off)
    return {
        "median": float(np.median(off)), "mean distance": float(far.mean()), "median distance": float(np.median(far)),
        "p90": float(np.quantile(far, 0.9)),
    }  # fmt: skip


def lowest_five_hours(truth: SimulatedRR, day: int) -> tuple[float, float]:
    """Ends (ns) of the five hours of lowest mean heart rate of a day from noon on."""
    at_min = truth.times_s / 60 - 1440 * day
    count = np.bincount(at_min[(at_min >= 0) & (at_min < 1440)].astype(np.int64), minlength=1440)
    beats = np.concatenate([[0], np.cumsum(count)])
    first = int(np.argmin(beats[300:] - beats[:-300])) + 1440 * day
    return truth.start_ns + first * MINUTE_NS, truth.start_ns + (first + 300) * MINUTE_NS


if __name__ == "__main__":
    for name, value in sleep_errors(int(sys.argv[1]) if len(sys.argv) > 1 else 40).items():
        numbers = ", ".join(f"{k} {v:.3g}" for k, v in value.items()) if isinstance(value, dict) else value
        print(f"{name}: {numbers}")
