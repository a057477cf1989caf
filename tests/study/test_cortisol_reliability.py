"""A study's table of the reliability of cortisol features."""

from __future__ import annotations

import math

import numpy as np
import pytest

from allostat.biomarkers import Person
from allostat.labs import lab_biomarkers
from allostat.store import ParticipantResult
from allostat.study.cortisol_reliability import cortisol_day_values, reliability_rows
from allostat.tables import LabRow, parse_instant

WAKES = [parse_instant(f"2024-03-0{d}T07:00:00+01:00") for d in (1, 2)]


def summary(who: str, level: float, days: int = 2) -> dict[str, object]:
    rng = np.random.default_rng(round(level * 100))
    rows = [
        LabRow(
            who, "cortisol", level * math.exp(-0.12 * h + rng.normal(0, 0.1)), "nmol/L", "saliva",
            parse_instant(f"2024-03-0{d + 1}T{7 + h:02d}:00:00+01:00"), line=1,
        )
        for d in range(days)
        for h in (0, 5, 14)
    ]  # fmt: skip
    table, dataset, _ = lab_biomarkers(rows, Person(who), wake=WAKES)
    result = ParticipantResult(who, Person(who), labs=dataset, biomarkers=table)
    return {"cortisol_days": cortisol_day_values(result)}


def test_two_persons_with_two_days_have_a_table() -> None:
    found = reliability_rows({f"s{i}": summary(f"s{i}", 8.0 + 4 * i) for i in range(4)})
    assert found is not None
    columns, rows = found
    by_feature = {row[0]: dict(zip(columns, row, strict=True)) for row in rows}
    assert by_feature["aucg"]["icc"] > 0.5
    assert by_feature["aucg"]["days_for_0.8"] >= 1
    assert by_feature["car_peak_inc"]["reason"] == "FEW_GROUPS"


def test_missing_days_are_no_numbers_in_json() -> None:
    values = summary("s1", 10.0)["cortisol_days"]
    assert values["car_peak_inc"] == [None, None]  # type: ignore[index]
    assert values["aucg"][0] == pytest.approx(4000, rel=0.3)  # type: ignore[index]


@pytest.mark.parametrize("days", [0, 1])
def test_fewer_have_none(days: int) -> None:
    few = {"s1": summary("s1", 10.0), "s2": summary("s2", 14.0, days) if days else {"cortisol_days": {}}, "s3": {}}
    assert reliability_rows(few) is None
