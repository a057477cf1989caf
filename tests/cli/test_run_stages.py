"""allostat run on the command line: what would run and why, one stage on, a limit of memory, and how long it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from allostat.cli import cli
from allostat.cli.progress import progress_of
from allostat.cli.remaining import LEAST_BYTES, Remaining, in_words
from allostat.study import Outcome
from allostat.study.fingerprints import STAGES
from tests.study.conftest import lab_row, make_study
from tests.study.inline import stay_in_this_process


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stay_in_this_process(monkeypatch)
    make_study(tmp_path / "study")
    return tmp_path / "study"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["run", *map(str, arguments)], standalone_mode=False)


def told(done: Result) -> Any:
    return json.loads(done.stdout)


def test_a_dry_run_lists_stages_and_reasons_and_writes_nothing(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = run(study, "-o", out, "--dry-run", "--json", "-q")
    assert first.return_value == 0
    assert told(first)[0] == {
        "participant": "A1", "stages": dict.fromkeys(STAGES, "never run"), "excluded": None, "problems": [],
    }  # fmt: skip
    assert not out.exists()
    assert run(study, "-o", out, "-q").return_value == 0
    (study / "study.toml").write_text('[hrv]\npreset = "kubios"\n')
    with (study / "labs.tsv").open("a") as file:
        file.write(lab_row("A2", value="2.5", collected_at="2026-03-20T08:00+01:00"))
    second = run(study, "-o", out, "--dry-run")
    assert "A1\thrv circadian biomarkers load report\tsettings changed: hrv.preset" in second.stdout
    assert "A2\thrv circadian labs biomarkers load report\tsettings changed: hrv.preset; input changed: labs.tsv" in (
        second.stdout
    )
    assert "2 of 2 participants would be computed; nothing was run" in second.stderr
    done = run(study, "-o", out, "--json", "-q")
    assert told(done)["participants"][0]["stages"] == ["hrv", "circadian", "biomarkers", "load", "report"]
    third = run(study, "-o", out, "--dry-run", "--only", "A2")
    assert third.stdout.splitlines()[1:] == ["A2\t–\teverything stands"]


def test_a_dry_run_tells_who_would_fail_or_be_excluded(study: Path, tmp_path: Path) -> None:
    with (study / "labs.tsv").open("a") as file:
        file.write(lab_row("A1", unit="mg/gallon"))
    with (study / "participants.tsv").open("a") as file:
        file.write("A3\tF\t33\n")
    done = run(study, "-o", tmp_path / "out", "--dry-run")
    assert done.return_value == 3
    assert "would fail" in done.stdout
    assert "would be excluded: no recordings and no laboratory rows" in done.stdout
    assert "mg/gallon" in done.stderr


def test_from_a_stage_on(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(study, "-o", out, "-q")
    done = run(study, "-o", out, "--from", "load", "--only", "A2", "--json", "-q")
    (one,) = told(done)["participants"]
    assert (one["participant"], one["state"], one["stages"]) == ("A2", "done", ["load", "report"])
    wrong = run(study, "-o", out, "--from", "hvr")
    assert "no such stage" in str(wrong.exception)
    assert "nearest valid: 'hrv'" in str(wrong.exception)


def test_a_wrong_amount_of_memory_is_refused(study: Path, tmp_path: Path) -> None:
    done = run(study, "-o", tmp_path / "out", "--memory", "plenty")
    assert "16MB or more, such as 400MB" in str(done.exception)
    assert not (tmp_path / "out").exists()
    assert run(study, "-o", tmp_path / "out", "--memory", "2GB", "-q").return_value == 0
    assert 'memory_limit = "2GB"' in (tmp_path / "out" / "config.effective.toml").read_text()


def test_help_shows_each_of_them(study: Path) -> None:
    text = CliRunner().invoke(cli, ["run", "--help"]).output
    for part in ("--only sub-007 --only sub-012", "--from hrv", "--dry-run", "--memory 2GB", "--force"):
        assert part in text


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_the_time_that_remains_goes_by_bytes() -> None:
    clock = Clock()
    mb = 1_000_000
    remaining = Remaining({"a": 10 * mb, "b": 30 * mb, "c": 20 * mb}, clock)
    assert remaining.seconds is None
    remaining.started("a")
    clock.now += 10.0
    remaining.ended("a")  # a second per MB
    assert remaining.seconds == pytest.approx(50.0)
    remaining.started("b")
    clock.now += 5.0
    assert remaining.seconds == pytest.approx(45.0)
    clock.now += 100.0
    assert remaining.seconds == pytest.approx(20.0)  # b takes longer than was thought
    remaining.ended("b")
    assert remaining.seconds == pytest.approx(20.0 * 115 / 40)
    remaining.started("c")
    remaining.ended("c")
    assert remaining.seconds is None


def test_two_at_a_time_take_half_and_those_who_stand_nothing() -> None:
    clock = Clock()
    remaining = Remaining(dict.fromkeys("abcdefgh", 0), clock)
    for who in "abcd":
        remaining.ended(who)  # unchanged
    assert remaining.seconds is None
    remaining.started("e")
    remaining.started("f")
    clock.now += 4.0
    remaining.ended("e")
    remaining.ended("f")
    assert LEAST_BYTES > 0
    assert remaining.seconds == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (89.0, "89 s"), (91.0, "2 min"), (5390.0, "1 h 30 min"), (7500.0, "2 h 05 min")],
)
def test_time_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_without_a_terminal_there_is_one_plain_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_of({"A1": 1, "A2": 1}) as progress:
        progress("A1", None)
        progress("A1", Outcome("A1", "done", None, 1.0))
        progress("A2", Outcome("A2", "failed", "is damaged", 2.0))
    found = capsys.readouterr()
    assert found.out == ""
    first, second = found.err.splitlines()
    assert first.startswith("[1/2] A1 done 1.0 s, about ")
    assert first.endswith(" left")
    assert second == "[2/2] A2 failed 2.0 s: is damaged"
    assert "\x1b" not in found.err
