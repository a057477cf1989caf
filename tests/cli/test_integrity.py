"""`allostat edit`, `verify`, `migrate` and `erase` as they are typed: what is printed, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from allostat.cli import VERBS, cli
from allostat.errors import AllostatError
from tests.study.conftest import make_study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    make_study(tmp_path / "study")
    return tmp_path / "study"


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(w) for w in words], standalone_mode=False)


def test_edit_shows_the_change_and_the_entry(study: Path) -> None:
    words = ("edit", "labs", study, "--participant", "A1", "--match", "analyte=hs_crp", "--set", "value=1.4")
    done = run(*words, "--why", "typing error", "--by", "ada", "--dry-run")
    assert "2\tvalue\t1.2\t1.4" in done.output and "nothing was written" in done.output
    done = run(*words, "--why", "typing error", "--by", "ada", "--json")
    said = json.loads(done.output)
    assert said["changes"] == [{"line": 2, "column": "value", "before": "1.2", "after": "1.4"}]
    assert said["entry"]["who"] == "ada"
    assert "hold that already" in run(*words, "--why", "again").output
    (study / "labs.tsv").write_text((study / "labs.tsv").read_text().replace("1.4", "1.6"))
    done = run("edit", "labs", study, "--adopt", "--why", "corrected in a spreadsheet", "--by", "ada")
    assert "entry 2: labs.tsv as it stands" in done.output


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--set", "value=1"), "whose row is meant"),
        (("--participant", "A1", "--set", "value"), "--set needs a column and a text"),
        (("--participant", "A1", "--set", "value=1", "--set", "value=2"), "names a column twice"),
        (("--adopt", "--set", "value=1"), "takes no rows"),
        (("--participant", "A1", "--set", "value=1"), "3 rows fit"),
    ],
)
def test_edit_says_what_is_lacking(study: Path, words: tuple[str, ...], text: str) -> None:
    done = run("edit", "labs", study, *words, "--why", "x", "--by", "ada")
    assert isinstance(done.exception, AllostatError) and text in str(done.exception)
    assert run("edit", "labs", study).exception is not None  # --why is needed


def test_results_are_verified_migrated_and_a_participant_erased(study: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run("run", study, "-o", out, "-j", "1", "-q").return_value == 0
    done = run("verify", out, "--study", study)
    assert done.return_value == 0 and "0 problems" in done.output
    assert "0 of 3 store files written anew" in run("migrate", out).output
    assert json.loads(run("migrate", out, "--dry-run", "--json").output)["older"] == {}
    done = run("erase", out, "A1", "--why", "consent withdrawn", "--by", "ada", "--study", study)
    assert done.return_value == 0
    for text in ("erased: 4 files removed", "raw/A1_rest.txt", "labs.tsv\tline 2-4", "participants.tsv\tline 2"):
        assert text in done.output
    assert run("verify", out).return_value == 0
    (out / "qc.tsv").write_text("")
    done = run("verify", out, "--json")
    assert done.return_value == 4 and json.loads(done.output)["problems"] == ["qc.tsv: changed since the run"]
    done = run("erase", out, "A3", "--why", "consent withdrawn", "--by", "ada")
    assert isinstance(done.exception, AllostatError) and "no such participant" in str(done.exception)


@pytest.mark.parametrize("verb", ["edit", "erase", "migrate", "verify"])
def test_help_begins_with_examples(verb: str) -> None:
    assert verb in VERBS
    text = CliRunner().invoke(cli, [verb, "--help"]).output
    assert text.index("Examples") < text.index("Options")
