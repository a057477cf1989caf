"""What the cohort needs of one participant: biomarkers, quality numbers, wear by day, devices, methods used.

It lies in ``status.json``, beside the hash of the store file from which it was made, so that collating thousands opens
no HDF5. What another version wrote, which may have meant something else by it, is read from the store file instead.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from allostat import __version__
from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.report import Used
from allostat.report.local_time import day_text
from allostat.report.methods import device_name
from allostat.report.rhythm_figures import hourly_cover
from allostat.report.series import all_series
from allostat.store import ParticipantResult, Share, qc_numbers, share_of
from allostat.store.participant import QC_NAMES
from allostat.study.cortisol_reliability import cortisol_day_values

DAY_NS = 86_400 * 10**9
_DEFAULTS = {f.name: f.default for f in fields(Biomarker) if f.default is not MISSING}
_PERSONS = {f.name: f.default for f in fields(Person) if f.default is not MISSING}
_LISTS = ("quality", "repeats", "medications")


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
        "biomarkers": {
            "rows": [_plain(row, _DEFAULTS) for row in result.biomarkers.rows],
            "persons": [
                _plain(p, _PERSONS) for p in {result.participant: result.person, **result.biomarkers.persons}.values()
            ],
            "rules": dict(result.biomarkers.rules),
            "qc": [None if math.isnan(value) else value for value in qc_numbers(result).values()],
        },
        "inputs": result.provenance.get("inputs", []),
        "used": {name: sorted(value) for name, value in asdict(Used.of(result)).items()},
    }


def used_of(summary: Mapping[str, Any]) -> Used:
    """What went into the results of a participant, from the summary."""
    stored = summary.get("used", {})
    parts: dict[str, Any] = {
        f.name: frozenset(tuple(v) if isinstance(v, list) else v for v in stored.get(f.name, ())) for f in fields(Used)
    }
    return Used(**parts)


def _plain(value: Biomarker | Person, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that differ from their defaults; a number that is missing is null."""
    found: dict[str, Any] = {}
    for f in fields(value):
        own = getattr(value, f.name)
        missing = isinstance(own, float) and math.isnan(own)
        if f.name not in defaults or (own != defaults[f.name] and not missing):
            found[f.name] = None if missing else own
    return found


def share(summary: Mapping[str, Any], store: Path) -> Share:
    """What a participant brings to the cohort, from its summary or, when another version wrote that, its store file.

    Raises
    ------
    StoreError
        The store file is damaged.
    """
    kept = summary.get("biomarkers")
    if kept is None or summary.get("version") != __version__:
        return share_of(store)
    persons = {p["participant"]: Person(**_typed(p)) for p in kept["persons"]}
    rows = tuple(Biomarker(**_typed(row)) for row in kept["rows"])
    qc = {n: math.nan if v is None else float(v) for n, v in zip(QC_NAMES, kept["qc"], strict=True)}
    return Share(str(summary["participant"]), BiomarkerTable(rows, persons, kept["rules"]), qc)


def _typed(entry: Mapping[str, Any]) -> dict[str, Any]:
    found = {k: tuple(v) if k in _LISTS else sys.intern(v) if isinstance(v, str) else v for k, v in entry.items()}
    return found | ({"value": math.nan} if found.get("value", 0.0) is None else {})
