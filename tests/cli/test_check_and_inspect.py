"""What a newcomer meets first: check, inspect and hrv on inputs that are not quite right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from allostat.adapter import Manifest, StreamSummary
from allostat.cli import EXIT_INPUT, cli
from allostat.cli.check import hours_of, noted
from allostat.errors import AllostatError
from allostat.recording import Notice


def problems_of(study: Path) -> list[str]:
    result = CliRunner().invoke(cli, ["check", str(study), "--json", "-q"], standalone_mode=False)
    assert result.return_value == EXIT_INPUT
    return list(json.loads(result.stdout)["problems"])


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    (folder / "raw").mkdir(parents=True)
    (folder / "participants.tsv").write_text("participant_id\tsex\tage\nA1\tF\t40\n")
    (folder / "raw" / "A1_rest.txt").write_text("".join(f"{800 + 20 * (i % 3)}\n" for i in range(400)))
    return folder


def test_hours_of_streams_with_different_epochs_are_those_of_the_longest_stream() -> None:
    hour = 3_600_000_000_000
    streams = (
        StreamSummary("ecg", "ecg", 10, 130.0, "uV", 1_772_000_000 * 10**9, 1_772_000_000 * 10**9 + hour),
        StreamSummary("rr", "beats", 10, float("nan"), "ms", 0, 2 * hour),
    )
    assert hours_of(Manifest("x", "a", 0.9, True, streams)) == 2.0


def test_hours_of_intervals_are_their_sum(study: Path) -> None:
    result = CliRunner().invoke(cli, ["check", str(study), "--json", "-q"], standalone_mode=False)
    assert result.return_value == 0
    assert json.loads(result.stdout)["exports"][0]["hours"] == pytest.approx(0.0911, abs=1e-4)


def test_start_that_cannot_be_told_is_a_dash_and_not_1970(tmp_path: Path) -> None:
    path = tmp_path / "2017-06-29 13-11-53.txt"
    path.write_text("".join(f"{190 + 1 * (i % 3)}\n" for i in range(400)))
    shown = CliRunner().invoke(cli, ["inspect", str(path)]).stdout
    assert "1970" not in shown
    assert shown.splitlines()[-1].split("\t")[5:7] == ["–", "–"]


def test_note_of_a_table_names_file_line_and_number_of_rows() -> None:
    notice = Notice("BELOW_LOD", "values below the limit of detection", "info", 3, "labs.tsv", 7)
    assert noted(notice) == "labs.tsv, line 7: values below the limit of detection (3 rows)"


def test_check_finds_laboratory_rows_that_contradict_each_other(study: Path) -> None:
    head = "participant_id\tanalyte\tvalue\tunit\tspecimen\tcollected_at\n"
    (study / "labs.tsv").write_text(head + "A1\tsbp\t128\tmmHg\t\t2026-03-03T08:00+01:00\n")
    (found,) = problems_of(study)
    assert "A1: labs.tsv, line 2" in found and "without its other half" in found


def test_check_names_the_file_of_a_folder_that_is_read(study: Path) -> None:
    (study / "raw" / "A1_rest.txt").rename(study / "raw" / "A1_one.txt")
    (study / "raw" / "A1_photo.jpg").write_bytes(b"\xff\xd8" + bytes(100))
    result = CliRunner().invoke(cli, ["check", str(study), "--json", "-q"])
    assert json.loads(result.stdout)["exports"][0]["file"] == "raw/A1_one.txt"


def test_check_finds_a_signal_file_that_is_cut(study: Path) -> None:
    (study / "raw" / "A1.hea").write_text("A1 1 250 5000\nA1.dat 16 200 16 0 0 0 0 II\n")
    (study / "raw" / "A1.dat").write_bytes(bytes(1000))
    (found,) = problems_of(study)
    assert "A1.dat holds 1000 of the 10000 bytes" in found


@pytest.mark.parametrize(
    ("settings", "nearest"),
    [
        ("[study]\ntimezone = 'Europe/Wien'", "Europe/Vienna"),
        ("[hrv]\npreset = 'taskforce1997'", "taskforce1996"),
        ("[allostatic_load]\ndefinitions = ['sistem']", "system"),
        ("[allostatic_load]\nreference = 'published'", "published-2026.1"),
    ],
)
def test_check_finds_a_wrong_name_in_the_settings(study: Path, settings: str, nearest: str) -> None:
    (study / "study.toml").write_text(settings)
    result = CliRunner().invoke(cli, ["check", str(study)])
    assert isinstance(result.exception, AllostatError)
    assert f"nearest valid: '{nearest}'" in str(result.exception)


def test_window_without_values_says_why(tmp_path: Path) -> None:
    (tmp_path / "rr.txt").write_text("".join(f"{800 + 20 * (i % 3)}\n" for i in range(9)))
    rows = CliRunner().invoke(cli, ["hrv", str(tmp_path / "rr.txt"), "-q"]).stdout.splitlines()
    assert next(row for row in rows if row.startswith("reasons")).split("\t")[1].split()[0] == "TOO_SHORT"
    told = CliRunner().invoke(cli, ["hrv", str(tmp_path / "rr.txt")]).stderr
    assert "rr: no values: TOO_SHORT" in told and "from the first beat to the last; needed are 30 s" in told


def test_hrv_of_an_unknown_stream_offers_the_ones_there_are(tmp_path: Path) -> None:
    (tmp_path / "rr.txt").write_text("".join(f"{800 + 20 * (i % 3)}\n" for i in range(400)))
    result = CliRunner().invoke(cli, ["hrv", str(tmp_path / "rr.txt"), "--stream", "ecg"])
    assert "no such stream; found 'ecg'; valid: rr" in str(result.exception)
