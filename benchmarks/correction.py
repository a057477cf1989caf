"""Sensitivity, specificity and HRV error of artefact correction on simulated beats with planted artefacts.

Published for the method (Lipponen and Tarvainen 2019, 10.1080/03091902.2019.1640306): every missed and extra beat and
96.96 % of ectopic beats found, specificity 99.94 %, HRV after correction within 2 %.
"""

from __future__ import annotations

import time
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.artefacts import correct, lipponen_tarvainen
from allostat.recording import BeatFlag
from allostat.simulate import add_beat_artefacts, simulate_participant, simulate_rest, simulate_rr, sleep_schedule

_FIRST_EVENING = date(2024, 3, 4)
KINDS = {"missed": BeatFlag.MISSED, "extra": BeatFlag.EXTRA, "ectopic": BeatFlag.ECTOPIC}


def correction_accuracy(
    people: int = 20, minutes: float = 60.0, *, rate: float = 0.02, seed: int = 1
) -> dict[str, float]:
    """Artefacts of one kind at a time, ``rate`` of the beats, in seated rests of simulated participants.

    A planted artefact counts as found when its beat, or the one before or after it, has a class; every beat further
    than two beats from a planted one that has a class counts against specificity. The method gives the last two beats
    of a series no class, so they are left out. The HRV errors are the medians over participants of the relative error
    of the corrected series (``spaced``) against the beats before planting, all three kinds together.
    """
    found = dict.fromkeys(KINDS, 0)
    planted = dict.fromkeys(KINDS, 0)
    right = dict.fromkeys(KINDS, 0)
    clean = flagged = 0
    errors: dict[str, list[float]] = {"rmssd": [], "sdnn": [], "mean_nn": []}
    for person in range(people):
        participant = simulate_participant(f"sub-{person:03d}", seed, sex="F" if person % 2 else "M")
        beats_s = simulate_rest(participant, minutes * 60.0, seed=seed).times_s
        for kind, flag in KINDS.items():
            made = add_beat_artefacts(beats_s, seed + person, **{f"{kind}_rate": rate})
            classes = lipponen_tarvainen(made.times_s * 1000)
            at = np.flatnonzero(made.flags[:-2] == flag)
            near = classes[np.clip(at[:, None] + [-1, 0, 1], 0, len(classes) - 1)]
            found[kind] += int((near != 0).any(axis=1).sum())
            right[kind] += int((near == int(flag)).any(axis=1).sum())
            planted[kind] += len(at)
            far = np.ones(len(classes), dtype=bool)
            far[np.clip(at[:, None] + np.arange(-2, 3), 0, len(classes) - 1)] = False
            clean += int(far.sum())
            flagged += int((classes[far] != 0).sum())
        made = add_beat_artefacts(
            beats_s, seed + person, missed_rate=rate / 4, extra_rate=rate / 4, ectopic_rate=rate / 4
        )
        truth, now = measures(beats_s * 1000), measures(correct(made.times_s * 1000, spaced=True)[0])
        for name, values in errors.items():
            values.append(abs(now[name] / truth[name] - 1))
    return {
        **{f"sensitivity_{kind}": found[kind] / planted[kind] for kind in KINDS},
        **{f"right_class_{kind}": right[kind] / planted[kind] for kind in KINDS},
        "specificity": 1 - flagged / clean,
        **{f"error_{name}": float(np.median(values)) for name, values in errors.items()},
        "beats": float(clean),
    }


def measures(times_ms: NDArray[np.float64]) -> dict[str, float]:
    """Mean NN, SDNN and RMSSD."""
    nn = np.diff(times_ms)
    return {
        "mean_nn": float(nn.mean()),
        "sdnn": float(nn.std(ddof=1)),
        "rmssd": float(np.sqrt(np.mean(np.diff(nn) ** 2))),
    }


def correction_speed(beats: int = 100_000, repeats: int = 5) -> dict[str, float]:
    """CPU time in s of the complete correction and of one pass, on a simulated day and night with 2 % artefacts."""
    participant = simulate_participant("sub-001", 1)
    nights = sleep_schedule(participant, _FIRST_EVENING, 2, "UTC", 1)
    times_s = simulate_rr(participant, nights[0].bed_ns - 36_000_000_000_000, 129_600.0, "UTC", nights, seed=1).times_s
    made = add_beat_artefacts(times_s[:beats], 1, missed_rate=0.005, extra_rate=0.005, ectopic_rate=0.01)
    times_ms = made.times_s[:beats] * 1000
    result: dict[str, float] = {"beats": float(len(times_ms))}
    calls: dict[str, Any] = {"complete": lambda: correct(times_ms), "one_pass": lambda: correct(times_ms, 1)}
    for name, call in calls.items():
        call()
        spent = []
        for _ in range(repeats):
            start = time.process_time()
            call()
            spent.append(time.process_time() - start)
        result[f"{name}_s"] = float(np.median(spent))
    return result


if __name__ == "__main__":
    for name, value in {**correction_accuracy(), **correction_speed()}.items():
        print(f"{name:22} {value:.6g}")
