"""The page on norms: its code runs, and its tables are those of the data."""

from __future__ import annotations

import re

import pytest

from allostat.biomarkers import biomarker_kinds
from allostat.norms import clinical_cuts, norm_names
from allostat.norms.shelf import COLUMNS
from tests.test_docs import DOCS, run


def test_the_code_of_the_guide_runs(capsys):
    names = run("norms.md")
    assert names["fifth"] == pytest.approx(14.9, abs=0.05)
    assert "men, 25 to 34 years" in capsys.readouterr().out


def test_the_guide_names_every_norm_column_cut_off_and_autonomic_biomarker():
    guide = (DOCS / "norms.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([^`\s]+)`", guide))
    kinds = [k.name for k in biomarker_kinds().values() if re.match(r"(rmssd|sdnn|hf|hr)_", k.name)]
    cuts = [c.biomarker for c in clinical_cuts()]
    assert set(kinds) | set(norm_names()) | {c.name for c in COLUMNS} | set(cuts) <= named
