"""A study from exports to pages: whole, resumable, and unharmed by what is wrong in it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from allostat.errors import AllostatError, ConfigError, InputError
from allostat.store import read_participant, verify
from allostat.study import Outcome, Study
from tests.study.conftest import lab_row, rr_text


def states(outcomes: tuple[Outcome, ...]) -> dict[str, str]:
    return {o.participant: o.state for o in outcomes}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@pytest.fixture(scope="module")
def finished(simulated_study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    result = Study(simulated_study).run(out, jobs=2)
    assert states(result.outcomes) == {"sub-001": "done", "sub-002": "done", "sub-003": "done"}, result.outcomes
    return out


def test_every_promised_file_is_there(finished: Path) -> None:
    promised = {
        "cohort.h5", "index.html", "participants.tsv", "qc.tsv", "biomarkers_long.tsv", "biomarkers_wide.tsv",
        "allostatic_load.tsv", "dictionary.tsv", "methods.md", "references.bib", "config.effective.toml",
        "dataset_description.json",
    }  # fmt: skip
    assert promised <= {p.name for p in finished.iterdir()}
    assert {p.name for p in (finished / "sub-001").iterdir()} == {
        "sub-001.h5",
        "report.html",
        "status.json",
        "log.jsonl",
    }


def test_every_participant_has_an_index_by_every_definition(finished: Path) -> None:
    rows = table(finished / "allostatic_load.tsv")
    assert {(r["participant_id"], r["definition"]) for r in rows} == {
        (f"sub-00{i}", d) for i in (1, 2, 3) for d in ("system", "count_sex")
    }
    assert all(np.isfinite(float(r["index"])) for r in rows)
    assert all(len(r["reference_sha256"]) == 64 for r in rows)


def test_store_files_open_everywhere_and_are_whole(finished: Path) -> None:
    path = finished / "sub-001" / "sub-001.h5"
    assert verify(path) == []
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        assert "allostatic_load" in tree
    with h5py.File(path) as file:
        assert file.attrs["schema_version"]
    with xr.open_datatree(finished / "cohort.h5", engine="h5netcdf") as tree:
        assert "biomarkers" in tree


def test_recomputing_a_participant_gives_the_same_bytes(finished: Path, simulated_study: Path, tmp_path: Path) -> None:
    again = Study(simulated_study).run(tmp_path / "out", only=["sub-001"])
    assert states(again.outcomes) == {"sub-001": "done"}
    for name in ("sub-001.h5", "report.html"):
        assert (tmp_path / "out/sub-001" / name).read_bytes() == (finished / "sub-001" / name).read_bytes()


def test_the_index_of_the_store_is_the_one_of_the_table(finished: Path) -> None:
    result = read_participant(finished / "sub-002" / "sub-002.h5")
    rows = {(r["participant_id"], r["definition"]): float(r["index"]) for r in table(finished / "allostatic_load.tsv")}
    assert float(result.allostatic_load["system"]["index"].squeeze()) == rows["sub-002", "system"]


def test_a_second_run_computes_nothing_and_a_changed_setting_everything(hand_made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    study = Study(hand_made)
    assert set(states(study.run(out).outcomes).values()) == {"done"}
    before = (out / "cohort.h5").read_bytes()
    assert set(states(study.run(out).outcomes).values()) == {"unchanged"}
    assert (out / "cohort.h5").read_bytes() == before
    changed = Study(hand_made, study.config.replaced("hrv", window="2min", step="2min"))
    assert set(states(changed.run(out).outcomes).values()) == {"done"}


def test_a_changed_input_recomputes_its_participant_only(hand_made: Path, tmp_path: Path) -> None:
    study, out = Study(hand_made), tmp_path / "out"
    study.run(out)
    with (hand_made / "labs.tsv").open("a") as file:
        file.write(lab_row("A2", value="2.5", collected_at="2026-03-20T08:00+01:00"))
    assert states(study.run(out).outcomes) == {"A1": "unchanged", "A2": "done"}


def test_a_killed_run_is_resumed(simulated_study: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "allostat", "run", str(simulated_study), "-o", str(out), "-j", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert run.stderr is not None
        assert "sub-001 done" in run.stderr.readline()
        os.killpg(run.pid, signal.SIGKILL)
    result = Study(simulated_study).run(out)
    assert states(result.outcomes)["sub-001"] == "unchanged"
    assert result.all_good
    for i in (1, 2, 3):
        name = f"sub-00{i}/sub-00{i}.h5"
        assert (out / name).read_bytes() == (finished / name).read_bytes()
    leftovers = [p for p in out.rglob("*") if p.name.endswith((".partial", ".tmp"))]
    assert leftovers == []


BAD_FILES = {
    "truncated zip": ("session.zip", b"PK\x03\x04" + b"\x00" * 50),
    "binary noise": ("noise.txt", bytes(range(256)) * 30),
    "empty": ("empty.txt", b""),
    "unit-less": ("rr.txt", b"190000\n191000\n192000\n" * 50),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_bad_file_is_named_with_its_reason_and_costs_nobody_else(hand_made: Path, tmp_path: Path, kind: str) -> None:
    name, content = BAD_FILES[kind]
    (hand_made / "raw" / f"A1_{name}").write_bytes(content)
    result = Study(hand_made).run(tmp_path / "out")
    assert states(result.outcomes)["A2"] == "done"
    first = result.outcomes[0]
    notices = (tmp_path / "out/sub-A1/log.jsonl").read_text()
    assert f"A1_{name}" in (first.reason or "") + notices
    files = [p for p in (tmp_path / "out/sub-A1").iterdir() if p.suffix == ".h5"]
    assert all(verify(p) == [] for p in files)


BAD_ROWS = {
    "unknown unit": (lab_row("A1", unit="mg/gallon"), "unit"),
    "missing unit": (lab_row("A1", unit=""), "unit"),
    "no number": (lab_row("A1", value="1,2,3"), "value"),
    "unknown sign": (lab_row("A1", operator="~"), "operator"),
    "half a blood pressure": (lab_row("A1", "sbp", "120", "mmHg", collected_at="2026-03-04T08:00+01:00"), "other half"),
    "kPa called mmHg": (
        lab_row("A1", "sbp", "17.3", "mmHg", collected_at="2026-03-04T08:00+01:00")
        + lab_row("A1", "dbp", "11", "mmHg", collected_at="2026-03-04T08:00+01:00"),
        "UNIT_SUSPECT",
    ),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_laboratory_row_fails_its_participant_with_file_and_line(
    hand_made: Path, tmp_path: Path, kind: str
) -> None:
    row, told = BAD_ROWS[kind]
    with (hand_made / "labs.tsv").open("a") as file:
        file.write(row)
    result = Study(hand_made).run(tmp_path / "out")
    assert states(result.outcomes) == {"A1": "failed", "A2": "done"}
    reason = str(result.outcomes[0].reason)
    assert "labs.tsv" in reason
    assert "line 8" in reason
    assert told in reason
    assert sorted(p.name for p in (tmp_path / "out/sub-A1").iterdir()) == ["log.jsonl", "status.json"]


def test_below_the_detection_limit_is_used_and_told(hand_made: Path, tmp_path: Path) -> None:
    text = (hand_made / "labs.tsv").read_text().replace("A1\ths_crp\t1.2", "A1\ths_crp\t<0.2")
    (hand_made / "labs.tsv").write_text(text)
    result = Study(hand_made).run(tmp_path / "out")
    assert result.all_good
    rows = {(r["participant_id"], r["biomarker"]): r for r in table(tmp_path / "out/biomarkers_long.tsv")}
    assert rows["A1", "hs_crp"]["quality"].startswith("BELOW_LOD")
    assert float(rows["A1", "hs_crp"]["value"]) == pytest.approx(0.2 / 2**0.5)


def test_cortisol_of_mixed_units_is_converted_row_by_row_and_told(hand_made: Path, tmp_path: Path) -> None:
    (hand_made / "diary.tsv").write_text("participant_id\tdate\twake_time\nA1\t2026-03-03\t2026-03-03T07:00+01:00\n")
    samples = [("07:00", "14.0", "nmol/L"), ("12:00", "0.2", "ug/dL"), ("22:00", "1.8", "nmol/L")]
    with (hand_made / "labs.tsv").open("a") as file:
        for clock, value, unit in samples:
            when = f"2026-03-03T{clock}+01:00"
            file.write(lab_row("A1", "cortisol", value, unit, specimen="saliva", collected_at=when))
    result = Study(hand_made).run(tmp_path / "out")
    assert result.all_good, result.outcomes
    assert "MIXED_UNITS" in (tmp_path / "out/sub-A1/log.jsonl").read_text()
    rows = {(r["participant_id"], r["biomarker"]): r for r in table(tmp_path / "out/biomarkers_long.tsv")}
    hours = np.array([0.0, 5.0, 15.0])
    expected = np.polyfit(hours, np.log([14.0, 0.2 * 27.5892514, 1.8]), 1)[0]
    assert float(rows["A1", "cortisol_slope"]["value"]) == pytest.approx(expected, rel=1e-9)


def test_a_follow_up_of_some_participants_only_does_not_stop_the_cohort(hand_made: Path, tmp_path: Path) -> None:
    lines = (hand_made / "labs.tsv").read_text().splitlines()
    rows = [f"{line}\t1" for line in lines[1:]]
    again = lab_row("A1", value="2.4", collected_at="2026-09-03T08:00+02:00").rstrip("\n")
    (hand_made / "labs.tsv").write_text("\n".join([f"{lines[0]}\toccasion", *rows, f"{again}\t2"]) + "\n")
    result = Study(hand_made).run(tmp_path / "out")
    assert result.all_good, result.outcomes
    found = {
        (r["participant_id"], r["occasion"]): r["index"]
        for r in table(tmp_path / "out/allostatic_load.tsv")
        if r["definition"] == "system"
    }
    assert set(found) == {("A1", "1"), ("A1", "2"), ("A2", "1"), ("A2", "2")}
    assert found["A2", "2"] == "n/a"
    crp = {
        (r["participant_id"], r["occasion"]): float(r["value"])
        for r in table(tmp_path / "out/biomarkers_long.tsv")
        if r["biomarker"] == "hs_crp"
    }
    assert crp == {("A1", "1"): 1.2, ("A2", "1"): 1.2, ("A1", "2"): 2.4}
    assert len((tmp_path / "out/index.html").read_text()) > 10_000


def test_participant_identifiers_are_matched_in_both_directions(hand_made: Path, tmp_path: Path) -> None:
    (hand_made / "raw" / "B9_rest.txt").write_text(rr_text(start=900))
    with (hand_made / "labs.tsv").open("a") as file:
        file.write(lab_row("C3"))
    with (hand_made / "participants.tsv").open("a") as file:
        file.write("A3\tF\t33\n")
    result = Study(hand_made).run(tmp_path / "out")
    assert any("B9_rest.txt" in name for name in result.plan.unmatched_raw)
    assert result.plan.unmatched_tables["labs"] == ("C3",)
    assert result.plan.without_raw == ("A3",)
    assert states(result.outcomes) == {"A1": "done", "A2": "done", "A3": "excluded"}
    assert not result.all_good


def test_a_duplicate_identifier_stops_the_run_before_anything_is_written(hand_made: Path, tmp_path: Path) -> None:
    with (hand_made / "participants.tsv").open("a") as file:
        file.write("A1\tF\t41\n")
    with pytest.raises(InputError, match=r"participants\.tsv, lines 2 and 4"):
        Study(hand_made).run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_file_under_two_participants_fails_both_and_nobody_else(hand_made: Path, tmp_path: Path) -> None:
    (hand_made / "participants.tsv").write_text("participant_id\tsex\tage\nA1\tF\t40\nA2\tM\t50\nA3\tM\t51\n")
    (hand_made / "raw" / "A3_copy.txt").write_text((hand_made / "raw" / "A1_rest.txt").read_text())
    result = Study(hand_made).run(tmp_path / "out")
    assert states(result.outcomes) == {"A1": "failed", "A2": "done", "A3": "failed"}
    assert "A1_rest.txt" in str(result.outcomes[2].reason)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("hrv", "preset", "kubos"),
        ("allostatic_load", "definitions", ("sytem",)),
        ("allostatic_load", "reference", "no"),
    ],
)
def test_a_wrong_name_in_the_settings_stops_the_run(
    hand_made: Path, tmp_path: Path, section: str, key: str, value: object
) -> None:
    study = Study(hand_made)
    with pytest.raises((ConfigError, InputError), match=r"nearest valid|valid:|no such"):
        Study(hand_made, study.config.replaced(section, **{key: value})).run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_results_of_an_earlier_run_do_not_outlive_a_failure(hand_made: Path, tmp_path: Path) -> None:
    study, out = Study(hand_made), tmp_path / "out"
    study.run(out)
    with (hand_made / "labs.tsv").open("a") as file:
        file.write(lab_row("A1", unit="mg/gallon"))
    result = study.run(out)
    assert states(result.outcomes) == {"A1": "failed", "A2": "unchanged"}
    assert {r["participant_id"] for r in table(out / "allostatic_load.tsv")} == {"A2"}
    assert not (out / "sub-A1" / "sub-A1.h5").exists()


def test_one_export_alone_is_a_study(tmp_path: Path) -> None:
    (tmp_path / "walk.txt").write_text(rr_text())
    result = Study(tmp_path / "walk.txt").run()
    assert states(result.outcomes) == {"walk": "done"}
    assert result.layout.root.name == "walk-out"


def test_output_inside_the_exports_or_among_other_things_is_refused(hand_made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="inside the exports"):
        Study(hand_made).run(hand_made / "raw" / "out")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds other things"):
        Study(hand_made).run(tmp_path / "thesis")


def test_spreadsheet_formulas_in_identifiers_are_defused(hand_made: Path, tmp_path: Path) -> None:
    (hand_made / "participants.tsv").write_text(
        "participant_id\tsex\tage\tgroup\nA1\tF\t40\t=cmd|' /C calc'!A0\nA2\tM\t50\tx\n"
    )
    Study(hand_made).run(tmp_path / "out")
    assert table(tmp_path / "out/participants.tsv")[0]["group"].startswith("'=cmd")


def test_exit_codes_of_the_command(hand_made: Path, tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "allostat", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    good = run("run", str(hand_made), "-o", str(tmp_path / "o1"), "--json")
    assert good.returncode == 0, good.stderr
    assert {p["state"] for p in json.loads(good.stdout)["participants"]} == {"done"}
    with (hand_made / "labs.tsv").open("a") as file:
        file.write(lab_row("A1", unit="mg/gallon"))
    some = run("run", str(hand_made), "-o", str(tmp_path / "o2"))
    assert some.returncode == 4
    assert "mg/gallon" in some.stdout + some.stderr
    assert run("check", str(hand_made)).returncode == 3
    (hand_made / "study.toml").write_text("[hrv]\npresett = 'x'\n")
    invalid = run("run", str(hand_made), "-o", str(tmp_path / "o3"))
    assert invalid.returncode == 3
    assert "'preset'" in invalid.stderr
    assert "Traceback" not in invalid.stderr


def test_an_unknown_time_zone_stops_a_run_before_anything_is_written(hand_made: Path, tmp_path: Path) -> None:
    (hand_made / "study.toml").write_text("[study]\ntimezone = 'Europe/Wien'\n")
    with pytest.raises(AllostatError, match="nearest valid: 'Europe/Vienna'"):
        Study(hand_made).run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_study_without_a_folder_of_exports_says_so(hand_made: Path) -> None:
    (hand_made / "raw").rename(hand_made / "Rohdaten")
    (assumed,) = Study(hand_made).plan().assumptions
    assert "has no folder 'raw' (folders there: Rohdaten)" in assumed


def test_loose_files_labelled_as_bids_has_it_belong_to_one_participant(tmp_path: Path) -> None:
    for name in ("sub-001_session_1_rr.txt", "sub-001_session_2_rr.txt", "sub-A2.rr.txt", "morning.txt"):
        (tmp_path / name).write_text(rr_text())
    plan = Study(tmp_path).plan()
    held = {p.participant: sorted(file.name for e in p.exports for file in e.files) for p in plan.participants}
    assert held["sub-001"] == ["sub-001_session_1_rr.txt", "sub-001_session_2_rr.txt"]
    assert held["sub-A2.rr"] == ["sub-A2.rr.txt"]
    assert held["morning"] == ["morning.txt"]
    assert any("sub-X" in text for text in plan.assumptions)
