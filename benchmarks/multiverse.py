"""Time of a multiverse of 10,000 participants under 500 specifications, with and without an outcome.

    python -m benchmarks multiverse
    python -m benchmarks.multiverse [participants] [specifications]

CPU time, median of repeats after a small one that is not counted, in a process of its own whose linear algebra has one
thread: threads that wait for each other count as CPU time. The grid is ``default``; 3 % of the values are missing, one
in five takes an antihypertensive. The frozen reference comes from another sample, so that every specification scores.
Memory is the growth of the largest resident set from one repeat to the next.
"""

from __future__ import annotations

import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pandas as pd

BAR_S = 10.0
"""10,000 participants x 500 specifications."""
REPEATS = 3

MARKERS: dict[str, tuple[float, float]] = {
    "cortisol_slope[ln(nmol/L)/h]": (-0.12, 0.04), "sbp[mm[Hg]]": (125, 13), "dbp[mm[Hg]]": (78, 9),
    "rmssd_night[ms]": (3.5, 0.4), "rmssd_rest[ms]": (3.4, 0.4), "hs_crp[mg/L]": (0.4, 0.9),
}  # fmt: skip
"""Mean and standard deviation, of the logarithm where the unit is ms or mg/L."""


def sample(participants: int, seed: int) -> pd.DataFrame:
    """A wide table with a load that all biomarkers and the outcome share."""
    rng = np.random.default_rng(seed)
    load = rng.normal(size=participants)
    columns: dict[str, Any] = {
        "participant": [f"p{i:06d}" for i in range(participants)],
        "sex": rng.choice(["F", "M"], participants),
        "age": rng.uniform(20, 70, participants),
        "medications": rng.choice(["", "ramipril"], participants, p=[0.8, 0.2]),
        "outcome": 0.1 * load + rng.normal(size=participants),
    }
    for name, (mean, sd) in MARKERS.items():
        risk = -1.0 if "rmssd" in name else 1.0
        f = mean + sd * risk * (0.5 * load + 0.87 * rng.normal(size=participants))
        value = np.exp(f) if name.endswith(("[ms]", "[mg/L]")) else f
        value[rng.random(participants) < 0.03] = math.nan
        columns[name] = np.clip(value, -0.5, 0.25) if name.startswith("cortisol") else value
    return pd.DataFrame(columns)


def measured(participants: int, specifications: int) -> dict[str, Any]:
    from allostat.allostatic_load import fit_reference, multiverse

    frame = sample(participants, 0)
    reference = fit_reference(sample(2000, 1).drop(columns="outcome"), name="others", age_bands=[(20, 44), (45, 70)])

    def run(outcome: str | None) -> tuple[float, int]:
        start = time.process_time()
        result = multiverse(
            frame, outcome, covariates=("age", "sex") if outcome else (), reference=reference, limit=specifications
        )
        return time.process_time() - start, int(result.sizes["specification"])

    multiverse(frame.head(300), "outcome", reference=reference, limit=40)
    resident: list[float] = []
    alone, with_outcome = [], []
    count = 0
    for _ in range(REPEATS):
        seconds, count = run(None)
        alone.append(seconds)
        with_outcome.append(run("outcome")[0])
        resident.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return {
        "participants": participants,
        "specifications": count,
        "cpu_s": statistics.median(alone),
        "cpu_s_with_outcome_and_500_permutations": statistics.median(with_outcome),
        "bar_s": BAR_S,
        "resident_mb": resident[0],
        "resident_growth_mb": resident[-1] - resident[0],
    }


def main(participants: int = 10_000, specifications: int = 500) -> dict[str, Any]:
    threads = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.multiverse", "--here", str(participants), str(specifications)],
        env={**os.environ, **threads}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    print(
        f"multiverse      {found['participants']} x {found['specifications']}  cpu {found['cpu_s']:.2f} s  "
        f"with outcome {found['cpu_s_with_outcome_and_500_permutations']:.2f} s  bar {BAR_S:g} s  "
        f"memory {found['resident_mb']:.0f} MB, growth {found['resident_growth_mb']:.0f} MB"
    )
    return found


if __name__ == "__main__":
    numbers = [int(argument) for argument in sys.argv[1:] if argument != "--here"]
    if "--here" in sys.argv:
        print(json.dumps(measured(*numbers)))
    else:
        main(*numbers)
