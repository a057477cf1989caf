"""Reliability of a study's cortisol features: a table beside the biomarkers, from what participants left behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from allostat.labs.cortisol_reliability import RELIABLE_FEATURES, cortisol_reliability, reliability_table
from allostat.store import ParticipantResult

FILE = "cortisol_reliability.tsv"


def cortisol_day_values(result: ParticipantResult) -> dict[str, list[float | None]]:
    """Features of each day of cortisol as JSON can hold them; empty without cortisol."""
    labs = result.labs
    if labs is None or "day" not in labs.dims:
        return {}
    return {
        name: [None if math.isnan(value) else float(value) for value in labs[name].to_numpy()]
        for name in RELIABLE_FEATURES
        if name in labs
    }


def reliability_rows(summaries: Mapping[str, Mapping[str, Any]]) -> tuple[list[str], list[list[Any]]] | None:
    """Columns and rows of cortisol_reliability.tsv; None unless two persons have two days or more.

    Parameters
    ----------
    summaries
        Of each participant, with ``cortisol_days`` as `cortisol_day_values` gives.
    """
    import pandas as pd

    days = {who: summary["cortisol_days"] for who, summary in summaries.items() if summary.get("cortisol_days")}
    if sum(len(next(iter(columns.values()))) >= 2 for columns in days.values()) < 2:
        return None
    parts = [
        pd.DataFrame({"participant_id": who, **columns}).astype(dict.fromkeys(columns, "float64"))
        for who, columns in days.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    found = reliability_table(cortisol_reliability(table, features=[n for n in RELIABLE_FEATURES if n in table]))
    return [str(c) for c in found.columns], found.to_numpy(dtype=object).tolist()
