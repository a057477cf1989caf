"""Reuse on simulated and on real recordings: what stands in the file gives the bytes of a run from scratch."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from allostat.study import Study, collate
from allostat.study.config import StudyConfig
from allostat.study.fingerprints import STAGES
from tests.study.conftest import LABS_HEADER, lab_row
from tests.study.inline import stay_in_this_process

Find = Callable[[str], Path]
FINE = ("hrv", "circadian", "biomarkers", "load", "report")


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_in_this_process(monkeypatch)
    monkeypatch.setattr(collate, "write_cohort_files", lambda *about: None)


def made(out: Path) -> dict[str, bytes]:
    found = [*out.rglob("sub-*.h5"), *out.rglob("report.html")]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in found}


def changed_step_by_step(study: Path, out: Path, only: tuple[str, ...]) -> None:
    """One change after another, each compared with a run from scratch."""
    base = StudyConfig()
    first = Study(study, base).run(out, only=only)
    assert first.all_good, first.outcomes
    preset = base.replaced("hrv", preset="kubios", window="2min", step="2min")
    steps = [
        (preset, FINE),
        (preset.replaced("allostatic_load", definitions=("count_sex",)), ("load", "report")),
    ]
    for number, (config, expected) in enumerate(steps):
        outcomes = Study(study, config).run(out, only=only).outcomes
        assert {o.computed for o in outcomes} == {expected}, number
        Study(study, config).run(out.parent / f"scratch{number}", only=only)
        assert made(out) == made(out.parent / f"scratch{number}"), number
        assert len(made(out)) == 2 * len(outcomes)
        shutil.rmtree(out.parent / f"scratch{number}")


def test_simulated_recordings(simulated_study: Path, tmp_path: Path) -> None:
    changed_step_by_step(simulated_study, tmp_path / "out", ("sub-001",))


def test_real_recordings(recordings: Find, tmp_path: Path) -> None:
    study = tmp_path / "study"
    inputs = {
        "h10": recordings("polar_h10_ecglogger") / "polar_h10.csv.gz",
        "e4": recordings("empatica_e4") / "1635148245_A00204.zip",
    }
    people, labs = "participant_id\tsex\tage\ttimezone\n", LABS_HEADER
    for who, file in inputs.items():
        (study / "raw" / who).mkdir(parents=True)
        shutil.copy(file, study / "raw" / who / file.name)
        people += f"{who}\tF\t40\tEurope/Vienna\n"
        labs += lab_row(who) + lab_row(who, "sbp", "128", "mmHg") + lab_row(who, "dbp", "81", "mmHg")
    (study / "participants.tsv").write_text(people)
    (study / "labs.tsv").write_text(labs)
    changed_step_by_step(study, tmp_path / "out", ())
    (outcome, *_) = Study(study, StudyConfig()).run(tmp_path / "out", only=["e4"], from_stage="beats").outcomes
    assert outcome.computed == STAGES[1:]
