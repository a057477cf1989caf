"""The tutorial runs as it stands, and what it says of its own results is true."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parent.parent / "docs"
_PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(page: str) -> dict[str, Any]:
    """Execute the Python blocks of a page in order, in one namespace."""
    text = (DOCS / page).read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "tutorial"}
    for block in _PYTHON.finditer(text):
        # lines of the page stand in tracebacks
        code = "\n" * text.count("\n", 0, block.start(1)) + block.group(1)
        exec(compile(code, page, "exec"), names)
    return names


def test_the_tutorial_runs_and_keeps_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = run("tutorial.md")
    assert abs(len(names["found"]) - len(names["truth"].beat_times_s)) <= 1
    assert "REST_ASSUMED" in names["at_rest"]["rmssd_rest"].attrs["quality"]
    assert "SPAN_BELOW_48_H" in names["course"].attrs["quality"]
    assert math.isnan(float(names["course"]["interdaily_stability"]))
    assert "NIGHT_FROM_HEART_RATE" in names["person_hrv"]["rmssd_night"].attrs["quality"]
    assert "MIXED_UNITS" in {notice.code for notice in names["notices"]}
    slope = next(row for row in names["table"].rows if row.biomarker == "cortisol_slope")
    assert "FEW_DAYS" in slope.quality
    assert math.isnan(slope.standard_error)
    assert int(names["load"]["n_inputs"][0]) == 5
    assert math.isfinite(float(names["load"]["index"][0]))
    assert math.isnan(float(names["load"]["index_se"][0]))
    assert capsys.readouterr().out.startswith("polar_ecg_logger ecg ecg")
    assert {p.name for p in tmp_path.iterdir()} == {
        "polar_h10.csv", "2026-03-02_RR.csv", "labs.tsv", "diary.tsv",
    }  # fmt: skip


def test_the_multiverse_page_runs_and_keeps_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from allostat.allostatic_load import grid_names, load_grid

    monkeypatch.chdir(tmp_path)
    result = run("multiverse.md")["result"]
    text = (DOCS / "multiverse.md").read_text(encoding="utf-8")
    assert f"Effect of {result.sizes['specification']} specifications" in text
    assert result.attrs["default_specification"] == 1
    assert capsys.readouterr().out.startswith(f"{result.sizes['specification']} specifications of ")
    assert (tmp_path / "multiverse.svg").read_text(encoding="utf-8").startswith("<?xml")
    assert [name for name in grid_names() if f"`{name}`" not in text] == []
    for block in _TOML.findall(text):
        (tmp_path / "mine.toml").write_text(block, encoding="utf-8")
        assert load_grid(tmp_path / "mine.toml").n_combinations == 18


def test_the_definition_that_the_guide_shows_is_valid(tmp_path: Path) -> None:
    from allostat.allostatic_load import load_definition

    blocks = _TOML.findall((DOCS / "index_choice.md").read_text(encoding="utf-8"))
    assert blocks
    for block in blocks:
        (tmp_path / "own.toml").write_text(block, encoding="utf-8")
        assert load_definition(tmp_path / "own.toml").markers


def test_the_guide_names_every_shipped_definition_reference_and_adapter() -> None:
    from allostat.allostatic_load import definition_names, reference_names
    from allostat.reading import adapters

    guide = (DOCS / "index_choice.md").read_text(encoding="utf-8")
    assert [name for name in (*definition_names(), *reference_names()) if f"`{name}`" not in guide] == []
    formats = (DOCS / "formats.md").read_text(encoding="utf-8")
    assert [a.name for a in adapters() if f"`{a.name}`" not in formats] == []


def test_links_between_pages_lead_somewhere() -> None:
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        for target in re.findall(r"\{doc\}`([\w/]+)`", text):
            assert (page.parent / f"{target}.md").is_file(), f"{page.name}: {target}"
