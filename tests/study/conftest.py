"""A small simulated study, made once, and a helper that makes tiny studies by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from allostat.simulate import write_demo_study


@pytest.fixture(scope="session")
def simulated_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "study"
    write_demo_study(folder, n=3, seed=5)
    return folder


LABS_HEADER = "participant_id\tanalyte\tvalue\tunit\tspecimen\tcollected_at\toperator\tassay\n"


def lab_row(participant: str, analyte: str = "hs_crp", value: str = "1.2", unit: str = "mg/L", **about: str) -> str:
    specimen = about.get("specimen", "serum" if analyte == "hs_crp" else "")
    when = about.get("collected_at", "2026-03-03T08:00+01:00")
    return f"{participant}\t{analyte}\t{value}\t{unit}\t{specimen}\t{when}\t{about.get('operator', '')}\t\n"


def rr_text(n: int = 400, start: int = 800) -> str:
    return "".join(f"{start + 25 * ((7 * i) % 5) + i % 3}\n" for i in range(n))


def make_study(study: Path) -> None:
    """Two good participants with five minutes of intervals and laboratory rows each."""
    (study / "raw").mkdir(parents=True)
    (study / "participants.tsv").write_text("participant_id\tsex\tage\nA1\tF\t40\nA2\tM\t50\n")
    labs = LABS_HEADER
    for who, start in (("A1", 800), ("A2", 850)):
        (study / "raw" / f"{who}_rest.txt").write_text(rr_text(start=start))
        labs += lab_row(who) + lab_row(who, "sbp", "128", "mmHg") + lab_row(who, "dbp", "81", "mmHg")
    (study / "labs.tsv").write_text(labs)


@pytest.fixture
def hand_made(tmp_path: Path) -> Path:
    make_study(tmp_path / "study")
    return tmp_path / "study"
