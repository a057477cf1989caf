"""Panels of studies, and what of them a table holds."""

from __future__ import annotations

import math
import runpy
from pathlib import Path

import pytest

from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.errors import ConfigError
from allostat.marker_coverage import marker_coverage
from allostat.marker_panels import marker_panel, marker_panel_names


@pytest.mark.parametrize("name", marker_panel_names())
def test_every_marker_of_a_panel_is_a_biomarker_and_occurs_once(name: str) -> None:
    panel = marker_panel(name)
    assert panel.unknown == ()
    assert len(set(panel.biomarkers)) == len(panel.biomarkers)


def test_midus_has_seven_systems_and_kwon_belsky_twelve_markers() -> None:
    assert len(marker_panel("midus").systems) == 7
    assert len(marker_panel("kwon_belsky_2021").biomarkers) == 12
    assert len(marker_panel("macarthur").biomarkers) == len(marker_panel("swan").biomarkers) == 10


def test_an_unknown_panel_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match="nearest valid: 'midus'"):
        marker_panel("midas")


def test_coverage_counts_persons_and_says_why_the_others_have_none() -> None:
    rows = (
        Biomarker("a", "hs_crp", 1.0, "mg/L"),
        Biomarker("b", "hs_crp", math.nan, "mg/L", quality=("CRP_ACUTE",)),
        Biomarker("b", "rmssd_rest", 30.0, "ms", context="rest_5min"),
    )
    table = BiomarkerTable(rows, {p: Person(p) for p in "abc"})
    systems = {"inflammation": {"hs_crp": ("hs_crp",)}, "autonomic": {"rmssd": ("rmssd_night", "rmssd_rest")}}
    crp, rmssd = marker_coverage(table, systems)
    assert (crp.measured, crp.wanted, crp.reasons) == (1, 3, {"CRP_ACUTE": 1, "NOT_MEASURED": 1})
    assert (rmssd.measured, rmssd.columns) == (1, ("rmssd_night[ms]", "rmssd_rest[ms]"))


def test_the_page_of_biomarkers_is_the_one_that_the_data_files_give() -> None:
    root = Path(__file__).parent.parent
    written = runpy.run_path(str(root / "tools" / "build_biomarker_page.py"))["page"]()
    assert (root / "docs" / "biomarkers.md").read_text(encoding="utf-8") == written
