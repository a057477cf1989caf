"""The cost of a participant and of each day, fitted to what was measured, and what a larger study would take."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Line:
    """``a + b * days`` with the standard errors of both and of their sum for a given number of days."""

    per_participant: float
    per_day: float
    covariance: tuple[tuple[float, float], tuple[float, float]]
    spread: float
    """Standard deviation of participants around the line, as a share of it."""
    n: int

    def of(self, days: float) -> tuple[float, float]:
        """Expected cost of one participant of so many days, and its standard error."""
        at = np.array([1.0, days])
        return float(at @ [self.per_participant, self.per_day]), math.sqrt(max(0.0, float(at @ self.covariance @ at)))


def line(days: Sequence[float], cost: Sequence[float]) -> Line | None:
    """Least squares with weights by the square of the cost (its spread is a share of it); None below two lengths.

    The standard errors are heteroscedasticity-consistent (HC1).
    """
    x, y = np.asarray(days, np.float64), np.asarray(cost, np.float64)
    if len(np.unique(x)) < 2 or len(x) < 3:
        return None
    design = np.column_stack([np.ones_like(x), x])
    weights: NDArray[np.float64] = np.ones_like(x)
    for _ in range(3):  # weights by the fitted cost, not by the noisy one
        root = np.sqrt(weights)[:, None]
        coefficients = np.linalg.lstsq(design * root, y * root[:, 0], rcond=None)[0]
        fitted = design @ coefficients
        weights = 1.0 / np.maximum(fitted, 1e-3 * float(y.max())) ** 2
    residual = y - fitted
    bread = np.linalg.inv(design.T @ (design * weights[:, None]))
    meat = (design * (weights * residual)[:, None]).T @ (design * (weights * residual)[:, None])
    covariance = bread @ meat @ bread * (len(x) / (len(x) - 2))
    spread = float(np.std(residual / fitted, ddof=2)) if len(x) > 2 else float("nan")
    rows = ((float(covariance[0, 0]), float(covariance[0, 1])), (float(covariance[1, 0]), float(covariance[1, 1])))
    return Line(float(coefficients[0]), float(coefficients[1]), rows, spread, len(x))


def model(results: Mapping[str, Any], participants: int = 10_000, days: float = 14.0) -> dict[str, Any]:
    """What was fitted, and the projection to a larger study.

    Parameters
    ----------
    results
        Phases as the benchmark stores them.
    """
    found: dict[str, Any] = {}
    beyond = overhead(results)
    gain = scaling(results)
    collate = collate_line(results)
    for kind in ("rr", "ecg"):
        points = points_of(results, kind)
        cpu = line([p["days"] for p in points], [p["cpu_s"] for p in points])
        size = line([p["days"] for p in points], [p["bytes"] for p in points])
        if cpu is None or size is None:
            continue
        seconds, error = cpu.of(days)
        volume, volume_error = size.of(days)
        share = beyond.get(kind, beyond.get("rr", 0.0))
        workers = {}
        for n in (1, 2, 8, 32):
            # Beyond two workers no scaling was measured: the efficiency of two is taken for each further one.
            efficiency = 1.0 if n == 1 else gain.get(kind, {}).get("efficiency", 1.0)
            hours = participants * seconds * (1 + share) / (n * efficiency) / 3600
            workers[str(n)] = {"hours": hours + collate(participants) / 3600, "error": 1.96 * hours * error / seconds}
        found[kind] = {
            "cpu_s": asdict(cpu), "bytes": asdict(size), "days": sorted({p["days"] for p in points}),
            "participants": participants, "projected_days": days, "participant_cpu_s": seconds,
            "participant_cpu_s_error": 1.96 * error, "hours_on_workers": workers,
            "total_gb": participants * volume / 1e9, "total_gb_error": 1.96 * participants * volume_error / 1e9,
        }  # fmt: skip
    return {"scaling": gain, "overhead_cpu": beyond, "kinds": found, "collate_s": collate(participants)}


def points_of(results: Mapping[str, Any], kind: str) -> list[dict[str, float]]:
    """Each participant that one worker processed: days, CPU seconds, bytes."""
    points = []
    for phase in (kind, f"days_{kind}"):
        lengths = results.get(f"{phase}_days", {})
        for run in results.get(phase, []):
            if run["jobs"] == 1:
                points += [{"days": lengths[who], **task} for who, task in run["tasks"].items()]
    return points


def scaling(results: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """What a second worker brings: by the wall clock, and by CPU seconds, which neighbours disturb less.

    By CPU seconds two workers can at most do twice the work of one, less by what each task takes longer beside
    another (``cpu_ratio``) and by the time between tasks (``overhead_wall`` of the run with two).
    """
    found = {}
    for kind in ("rr", "ecg"):
        runs = results.get(kind, [])
        one, two = ([r for r in runs if r["jobs"] == n] for n in (1, 2))
        if not one or not two:
            continue
        wall = [min(r["engine_s"] for r in group) for group in (one, two)]
        cpu = [min(r["work_cpu_s"] for r in group) for group in (one, two)]
        ratio = cpu[1] / cpu[0]
        gap = 1 + min(r["overhead_wall"] for r in two)
        by_cpu = 2.0 / ratio / gap
        found[kind] = {
            "wall": wall[0] / wall[1], "cpu_ratio": ratio, "by_cpu": by_cpu, "efficiency": min(1.0, by_cpu / 2),
            "other_cores": max(r["other_cores"] for r in one + two),
        }  # fmt: skip
    return found


def overhead(results: Mapping[str, Any]) -> dict[str, float]:
    """CPU seconds beyond the work, as a share of it, the least of the runs: by kind."""
    return {
        kind: min(r["overhead_cpu_before_collating"] for r in results[kind])
        for kind in ("rr", "ecg")
        if results.get(kind)
    }


def collate_line(results: Mapping[str, Any]) -> Callable[[int], float]:
    """CPU seconds of collating a cohort, by a line through what was measured; 0 when nothing was."""
    runs = results.get("collate", [])
    if len(runs) < 2:
        return lambda participants: 0.0
    fit = np.polyfit([r["participants"] for r in runs], [r["cpu_s"] for r in runs], 1)
    return lambda participants: float(np.polyval(fit, participants))
