"""``allostat load``: plain tables, rules, what is missing, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

LABS = (
    "participant_id\tsex\tanalyte\tvalue\tunit\tspecimen\n"
    "a\tF\ths_crp\t1.0\tmg/L\tserum\na\tF\thdl\t50\tmg/dL\tserum\nb\tM\thdl\t1.2\tmg/dL\tserum\n"
)
WIDE = "participant_id\tsex\tmedications\tsbp[mmHg]\tdbp[mmHg]\ths_crp[mg/L]\na\tF\tramipril\t125\t78\t14\n"


def load(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "allostat", "load", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "labs.tsv").write_text(LABS)
    (tmp_path / "wide.tsv").write_text(WIDE)
    return tmp_path


def test_laboratory_rows_are_scored_and_what_is_missing_is_listed_on_stderr(folder: Path) -> None:
    ended = load("labs.tsv", "-d", "system", cwd=folder)
    assert ended.returncode == 4
    assert "not scored: b:" in ended.stderr
    assert "UNIT_SUSPECT" in ended.stderr
    lines = [line.split() for line in ended.stderr.splitlines() if line.startswith("  system")]
    assert ["system", "autonomic", "rmssd", "0", "of", "1"] in [line[:6] for line in lines]
    assert "hs_crp" not in {line[2] for line in lines}
    assert ended.stdout.splitlines()[0].startswith("participant_id\toccasion\tdefinition\tindex")
    assert "INSUFFICIENT_INPUTS" in ended.stdout


def test_rules_and_missing_markers_in_json(folder: Path) -> None:
    ended = load("wide.tsv", "-d", "system", "--json", "--rule", "antihypertensive=none", cwd=folder)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)["system"]
    assert found["rules"]["antihypertensive"] == "none"
    assert found["rules"]["acute_crp"] == "exclude"
    missing = {one["marker"]: one for one in found["missing"]}
    assert missing["hs_crp"]["reasons"] == {"CRP_ACUTE": 1}
    assert missing["rmssd"]["biomarkers"] == ["rmssd_night", "rmssd_rest"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["wide.tsv", "--rule", "antihypertensives=none"], 3, "nearest valid: 'antihypertensive'"),
        (["wide.tsv", "--rule", "acute_crp=drop"], 3, "unknown option of the acute rule"),
        (["wide.tsv", "--rule", "statin"], 2, "NAME=OPTION"),
        (["wide.tsv", "-d", "sytem"], 3, "nearest valid: 'system'"),
        (["none.tsv"], 3, "no such file"),
    ],
)
def test_exit_codes(folder: Path, arguments: list[str], code: int, says: str) -> None:
    ended = load(*arguments, cwd=folder)
    assert ended.returncode == code
    assert says in ended.stderr
    assert ended.stdout == ""


def test_a_table_that_serves_no_asked_definition_is_told_which_it_serves(tmp_path: Path) -> None:
    from allostat.allostatic_load.served import definitions_served
    from allostat.tables import read_biomarker_table

    path = tmp_path / "labs.tsv"
    path.write_text("participant_id\tsex\tage\tsbp[mmHg]\tdbp[mmHg]\nA\tF\t40\t120\t80\nB\tM\t50\t130\t85\n")
    assert definitions_served(read_biomarker_table(path)) == ()
    path.write_text(
        "participant_id\tsex\tage\tsbp[mmHg]\tdbp[mmHg]\ths_crp[mg/L]\trmssd_rest[ms]\n"
        "A\tF\t40\t120\t80\t1.2\t30\nB\tM\t50\t130\t85\t2.2\t\n"
    )
    served = dict(definitions_served(read_biomarker_table(path)))
    assert served["system"] == 1
    assert served["seeman1997"] == 1
    assert "dm" not in served
