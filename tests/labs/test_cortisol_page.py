"""The page on cortisol runs as it stands, and what it says of its own results is true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from allostat.biomarkers import biomarker_kinds
from allostat.labs.cortisol_day import FEATURES

PAGE = Path(__file__).parents[2] / "docs" / "cortisol.md"


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    text = PAGE.read_text(encoding="utf-8")
    found: dict[str, Any] = {"__name__": "cortisol"}
    for block in re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        code = "\n" * text.count("\n", 0, block.start(1)) + block.group(1)
        exec(compile(code, PAGE.name, "exec"), found)
    return found


def test_the_missing_sample_is_told(names: dict[str, Any]) -> None:
    why, days = names["why"], names["days"]
    assert why(days, "aucg", 1) == ("VALUE_MISSING",)
    assert why(days, "car_peak_inc", 1) == ("CAR_VALUE_MISSING",)
    assert why(days, "slope_ln", 1) == ()


def test_the_wearable_finds_the_late_first_sample(names: dict[str, Any]) -> None:
    assert names["by_person"]["response_valid"].tolist() == ["yes"]
    assert names["by_wearable"]["response_valid"].tolist() == ["no"]
    assert names["by_wearable"]["awakening_source"].tolist() == ["heart_rate"]
    assert names["by_wearable"]["first_sample_delay"].tolist() == pytest.approx([20.8])


def test_the_model_converges_and_shrinks(names: dict[str, Any]) -> None:
    fit = names["fit"]
    assert {"CONVERGED", "CONFIRMED"} <= set(fit.attrs["status"].split())
    assert float(fit["slope"].std()) < float(fit["slope_unshrunk"].std())
    assert len(names["shrunk"]) == 60


def test_the_reliability_has_days_for_every_feature(names: dict[str, Any]) -> None:
    assert bool((names["reliability"]["days_needed"] >= 1).all())


def test_every_feature_and_level_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    unnamed = {"slope_se", "intercept_ln", "car_aucg_per_min"}
    assert [name for name in FEATURES if f"`{name}`" not in text and name not in unnamed] == []
    levels = ["cortisol_aucg_day", "cortisol_waking", "cortisol_evening"]
    assert [name for name in levels if f"`{name}`" not in text or name not in biomarker_kinds()] == []


def test_the_index_of_pages_leads_here() -> None:
    assert "\ncortisol\n" in (PAGE.parent / "index.md").read_text(encoding="utf-8")
