"""What the cohort needs of one participant besides the store: quality numbers, wear by day, devices, methods used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any

from allostat.report import Used
from allostat.report.local_time import day_text
from allostat.report.methods import device_name
from allostat.report.rhythm_figures import hourly_cover
from allostat.report.series import all_series
from allostat.store import ParticipantResult, qc_numbers
from allostat.study.cortisol_reliability import cortisol_day_values

DAY_NS = 86_400 * 10**9


def summary_of(result: ParticipantResult) -> dict[str, Any]:
    """JSON-able summary of a participant, kept in ``status.json``."""
    numbers: dict[str, float] = dict(qc_numbers(result))
    for key, quality in result.quality.items():
        if quality.sizes.get("window", 0):
            numbers[f"accepted_share_{key}"] = float(quality["accepted"].mean())
    series = all_series(result)
    dated = [s for s in series if s.beats.epoch != "relative" and len(s.beats)]
    cover = hourly_cover(dated)
    devices = sorted({name for r in result.recordings.values() if (name := device_name(r))})
    return {
        "qc": {name: value for name, value in numbers.items() if value == value},  # NaN is no JSON
        "adherence": [[day_text(day * DAY_NS), round(float(hours.sum()), 3)] for day, hours in sorted(cover.items())],
        "device": ", ".join(devices),
        "cortisol_days": cortisol_day_values(result),
        "inputs": result.provenance.get("inputs", []),
        "used": {name: sorted(value) for name, value in asdict(Used.of(result)).items()},
    }


def used_by_all(summaries: Iterable[Mapping[str, Any]]) -> Used:
    """What went into the results of a cohort, from the summaries of its participants."""
    together = Used()
    for summary in summaries:
        stored = summary.get("used", {})
        parts: dict[str, Any] = {
            f.name: frozenset(tuple(v) if isinstance(v, list) else v for v in stored.get(f.name, ()))
            for f in fields(Used)
        }
        together = together.merged(Used(**parts))
    return together
