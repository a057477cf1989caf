"""Time of the index of 100,000 participants x 12 markers, default definition, with intervals; of fitting a reference.

    python -m benchmarks index
    python -m benchmarks.index [participants]

CPU time, median of repeats after one that is not counted. Values are drawn from normal and log-normal distributions;
every marker has a standard error. Beside it stands a yardstick of the machine: NumPy's sort of a million numbers.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from allostat.allostatic_load import (
    Definition,
    Marker,
    System,
    allostatic_load,
    bootstrap_reference,
    fit_imputation,
    fit_reference,
    impute,
    imputed_allostatic_load,
    load_definition,
)
from allostat.biomarkers import biomarker_kind
from allostat.panel import Panel

BAR_S = 2.0
"""100,000 x 12 with intervals."""
BAR_FIT_S = 0.05
"""A reference of 10,000 x 12 in three strata."""

MARKERS: dict[str, tuple[float, float]] = {
    "cortisol_slope": (-0.12, 0.04), "sbp": (125, 15), "dbp": (77, 9), "rmssd_night": (3.6, 0.4), "hs_crp": (0.4, 0.9),
    "hba1c": (5.5, 0.3), "hdl": (50, 8), "bmi": (27, 3), "chol_total": (200, 20), "trig": (0.3, 0.3), "waist": (90, 8),
    "albumin": (4.2, 0.2),
}  # fmt: skip
"""Mean and standard deviation on the scale of each biomarker's transform."""


def wide_frame(participants: int, seed: int = 0) -> pd.DataFrame:
    """Participants with sex, age, every marker and its standard error, a third of its standard deviation."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "participant": [f"p{i:06d}" for i in range(participants)],
        "sex": rng.choice(["F", "M"], participants),
        "age": rng.uniform(20, 80, participants),
    }
    for name, (mean, sd) in MARKERS.items():
        kind = biomarker_kind(name)
        f = rng.normal(mean, sd, participants)
        x = np.exp(f) if kind.transform == "ln" else f
        columns[f"{name}[{kind.unit}]"] = np.clip(x, kind.plausible_low, kind.plausible_high)
        columns[f"standard_error[{name}]"] = np.full(participants, sd / 3)
    return pd.DataFrame(columns)


def wide_definition() -> Definition:
    """The default definition's algorithm and rules over the twelve markers in their systems."""
    systems: dict[str, list[Marker]] = {}
    for name in MARKERS:
        systems.setdefault(biomarker_kind(name).system, []).append(Marker(name, (name,)))
    return replace(
        load_definition("system"),
        systems=tuple(System(name, tuple(markers)) for name, markers in systems.items()),
        require_one_of=(),
    )


def cpu_seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Median CPU time."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def index_times(participants: int = 100_000, repeats: int = 5) -> dict[str, float]:
    """Seconds of each task."""
    frame, definition = wide_frame(participants), wide_definition()
    panel = Panel.from_frame(frame)
    some = panel.rows(np.arange(min(participants, 10_000)))
    few = panel.rows(np.arange(min(participants, 1_000)))
    reference = fit_reference(some, name="benchmark")
    numbers = np.random.default_rng(1).normal(size=1_000_000)
    holes = np.random.default_rng(2).uniform(size=few.value.shape) < 0.1
    lacking = replace(few, value=np.where(holes, np.nan, few.value), present=~holes)
    model = fit_imputation(lacking, fitted_on="study", imputations=20)
    return {
        "yardstick: sort 1e6": cpu_seconds(lambda: np.sort(numbers), repeats),
        "index from a data frame": cpu_seconds(lambda: allostatic_load(frame, definition, reference), repeats),
        "index from a panel": cpu_seconds(lambda: allostatic_load(panel, definition, reference), repeats),
        "fit a reference, 10,000 persons": cpu_seconds(lambda: fit_reference(some, name="benchmark"), repeats),
        "fit with survey weights": cpu_seconds(
            lambda: fit_reference(some, name="benchmark", weights=np.linspace(0.5, 2, len(some.participants))), repeats
        ),
        "drawn intervals, 1,000 x 1,000 draws": cpu_seconds(
            lambda: allostatic_load(few, definition, reference, uncertainty="bootstrap"), 1
        ),
        "500 resamples of a reference": cpu_seconds(lambda: bootstrap_reference(some, reference), 1),
        "fit 20 imputations, 1,000 persons": cpu_seconds(
            lambda: fit_imputation(lacking, fitted_on="study", imputations=20), 1
        ),
        "impute and score 20 data sets": cpu_seconds(
            lambda: imputed_allostatic_load(impute(lacking, model), definition, reference), 1
        ),
    }


def main(participants: int = 100_000) -> dict[str, float]:
    """Print the times beside their bars."""
    bars = {"index from a data frame": BAR_S, "index from a panel": BAR_S, "fit a reference, 10,000 persons": BAR_FIT_S}
    found = index_times(participants)
    for task, seconds in found.items():
        bar = f"  bar {bars[task]:g} s: {'held' if seconds <= bars[task] else 'missed'}" if task in bars else ""
        print(f"{task:<40} {seconds:8.3f} s CPU{bar}")
    return found


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
