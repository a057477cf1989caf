"""The page of the documentation is written by the command, between two marks."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from allostat.benchmarking import Comparison, Result, markdown, write_page
from allostat.benchmarking.peers import Skipped
from allostat.benchmarking.tables import BEGIN, END
from allostat.errors import ConfigError


def result(contender: str, median_s: float, ratio: float, *, items: int = 1000, failed: str = "") -> Result:
    each = median_s / items * 1e9
    return Result(
        "c", contender, median_s, median_s, items, "beat", each, 3, ratio, 12.0, 0.0, "equal | so", "what it is", failed
    )


COMPARISON = Comparison(
    "x86_64, 2 cores",
    {"allostat": "1.0", "quick": "0.1"},
    [
        result("allostat", 1e-3, 1.0),
        result("quick", 4e-3, 4.0),
        result("slow", 9e-2, 900.0, items=100),
        result("broken", math.nan, math.nan, failed="ValueError: no"),
    ],
    [Skipped("grouped", "something", "no network")],
)


def test_the_tables_name_the_best_other_tool_and_every_failure() -> None:
    text = markdown(COMPARISON)
    assert "| what it is | 1 ms | 1 µs/beat | 12 | quick | 4 |" in text
    assert "| `c` | slow | 90 ms | 900 | equal \\| so [first 100 beats only] |" in text
    assert "| `c` | broken | – | – | failed: ValueError: no |" in text
    assert "Skipped: grouped (something): no network." in text
    assert "quick 0.1" in text


def test_only_what_stands_between_the_marks_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(page, COMPARISON)
    once = page.read_text()
    assert once.startswith(f"before\n{BEGIN}\n") and once.endswith(f"{END}\nafter\n")
    assert "old" not in once
    write_page(page, COMPARISON)
    assert page.read_text() == once
    assert [path.name for path in tmp_path.iterdir()] == ["page.md"]


@pytest.mark.parametrize("text", ["no marks", BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_a_page_without_its_marks_is_left_alone(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ConfigError, match="no place for the tables"):
        write_page(page, COMPARISON)
    assert page.read_text() == text


def test_a_page_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing"):
        write_page(tmp_path / "missing.md", COMPARISON)
