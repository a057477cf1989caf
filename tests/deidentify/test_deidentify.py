"""A de-identified study: no canary survives, clock times and gaps do, and the results are the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from allostat.biomarkers import Person
from allostat.cli import cli
from allostat.deidentify import deidentify, make_key, read_key
from allostat.deidentify.key import FIRST_WEEKS, LAST_WEEKS, StudyKey
from allostat.deidentify.strip import Identity, strip_person, strip_recording
from allostat.errors import ConfigError, InputError
from allostat.recording import Beats, Recording, TimeZone
from allostat.simulate import EXPORTS, simulate_participant, simulate_worn
from allostat.store import read_participant
from allostat.study import Study
from allostat.tables import read_diary, read_labs, read_participants

WHO = "CANARY7"
KEY = StudyKey(bytes(range(32)))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One participant whose identifying fields all hold the word CANARY, with nights, labs and a cuff."""
    folder = tmp_path_factory.mktemp("deid") / "study"
    own = folder / "raw" / WHO
    own.mkdir(parents=True)
    worn = simulate_worn(simulate_participant(WHO, 4), datetime(2024, 3, 4, 20, 0), 13, "Europe/Vienna")  # noqa: DTZ001
    for name in ("hrv-logger", "omron", "hl7"):
        EXPORTS[name](worn, own)
    short = simulate_worn(simulate_participant(WHO, 4), datetime(2024, 3, 5, 10, 0), 0.1, "Europe/Vienna")  # noqa: DTZ001
    sensor = EXPORTS["polar-sensor-logger"](short, own)
    (sensor / "CANARY_MARKER.txt").write_text(
        "Phone timestamp;Marker start/stop\n2024-03-05T10:01:00.000;MARKER_START \n"
    )
    (folder / "participants.tsv").write_text(
        f"participant_id\tsex\tage\ttimezone\tname\n{WHO}\tF\t93.7\tEurope/Vienna\tAnna CANARY\n"
    )
    (folder / "labs.tsv").write_text(
        "participant_id\tanalyte\tvalue\tunit\tspecimen\tcollected_at\tsample\tphysician\n"
        f"{WHO}\thba1c\t5.4\t%\tblood\t2024-03-05T08:00+01:00\tCANARY123456\tDr CANARY\n"
    )
    (folder / "diary.tsv").write_text(
        f"participant_id\tdate\twake_time\tbed_time\tnotes\n{WHO}\t2024-03-05\t06:45\t22:30\tCANARY slept badly\n"
    )
    (folder / "study.toml").write_text('[study]\nname = "CANARY study"\n[hrv]\nwindow = "5min"\n')
    return folder


@pytest.fixture(scope="module")
def shared(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("shared") / "copy"
    done = deidentify(Study(study), output, KEY)
    assert done.failed == () and len(done.written) == 1
    return output


def every_text(folder: Path) -> str:
    """All names and bytes of a folder, and all that the participant files hold once unpacked."""
    parts = [str(p.relative_to(folder)) for p in folder.rglob("*")]
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        parts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".h5":
            with np.printoptions(threshold=np.inf):
                parts.append(repr(read_participant(path)))
    return "\n".join(parts)


def test_no_canary_survives_anywhere(shared: Path) -> None:
    text = every_text(shared)
    assert "canary" not in text.casefold()
    assert "2024" not in (shared / "labs.tsv").read_text() + (shared / "diary.tsv").read_text()


def test_all_dates_move_by_the_same_whole_weeks(study: Path, shared: Path) -> None:
    weeks = KEY.shift_weeks(WHO)
    assert -LAST_WEEKS <= weeks <= -FIRST_WEEKS
    days = weeks * 7
    (lab,) = read_labs(shared / "labs.tsv").rows
    (was,) = read_labs(study / "labs.tsv").rows
    assert lab.collected_at is not None and was.collected_at is not None
    assert lab.collected_at.time_ns - was.collected_at.time_ns == days * 86_400 * 10**9
    assert lab.collected_at.wall_hour == was.collected_at.wall_hour
    (day,) = read_diary(shared / "diary.tsv").days
    assert (day.date - read_diary(study / "diary.tsv").days[0].date).days == days
    assert day.date.weekday() == 1
    (person,) = read_participants(shared / "participants.tsv").participants
    assert person.age_years == 90.0 and person.timezone == "UTC+01:00" and person.participant_id == KEY.pseudonym(WHO)


def test_the_copy_is_a_study_with_the_same_results(study: Path, shared: Path, tmp_path: Path) -> None:
    before = Study(study).run(tmp_path / "before", jobs=1).layout
    after = Study(shared).run(tmp_path / "after", jobs=1).layout
    was = read_participant(before.store(WHO), groups=("biomarkers",)).biomarkers.rows
    now = read_participant(after.store(KEY.pseudonym(WHO)), groups=("biomarkers",)).biomarkers.rows
    assert [(r.biomarker, repr(r.value), r.n) for r in was] == [(r.biomarker, repr(r.value), r.n) for r in now]
    assert {"rmssd_night", "sbp", "hs_crp", "cortisol_slope"} <= {r.biomarker for r in now}


def test_the_same_key_gives_the_same_bytes_and_another_key_other_names(
    study: Path, shared: Path, tmp_path: Path
) -> None:
    deidentify(Study(study), tmp_path / "again", KEY)
    files = sorted(p.relative_to(shared) for p in shared.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    assert all((shared / f).read_bytes() == (tmp_path / "again" / f).read_bytes() for f in files)
    other = StudyKey(bytes(32))
    assert other.pseudonym(WHO) != KEY.pseudonym(WHO)


def test_a_clock_change_inside_a_recording_is_told() -> None:
    start = int(datetime(2024, 3, 30, 22, tzinfo=UTC).timestamp()) * 10**9
    beats = Beats.from_intervals([1000.0] * 20_000, start_ns=start, epoch="utc")
    recording = Recording("night", beats={"rr": beats}, timezone=TimeZone("Europe/Vienna", "file"))
    stripped = strip_recording(recording, Identity.of("x", KEY), 1)
    assert stripped.timezone.name == "UTC+01:00" and "CLOCK_CHANGE_INSIDE" in {n.code for n in stripped.notices}
    assert np.array_equal(np.diff(stripped.beats["rr"].times_ns), np.diff(beats.times_ns))


@pytest.mark.parametrize(("age", "shown"), [(None, None), (45.9, 45.0), (89.0, 89.0), (89.4, 90.0), (101.0, 90.0)])
def test_ages_are_whole_years_and_90_above_89(age: float | None, shown: float | None) -> None:
    assert strip_person(Person("a", "F", age), Identity.of("a", KEY)).age_years == shown


def test_a_key_is_made_once_and_read_only_when_nobody_else_can(tmp_path: Path) -> None:
    path = tmp_path / "study.key"
    key = make_key(path)
    assert path.stat().st_mode & 0o777 == 0o600 and read_key(path) == key and key.secret.hex() not in repr(key)
    with pytest.raises(InputError, match="exists already"):
        make_key(path)
    path.chmod(0o644)
    with pytest.raises(InputError, match="others may read"):
        read_key(path)
    path.chmod(0o600)
    path.write_text("allostat-key-1:12\n")
    with pytest.raises(InputError, match="holds no key"):
        read_key(path)


def test_the_command_keeps_the_key_away_from_the_data(study: Path, tmp_path: Path) -> None:
    run = CliRunner()
    with pytest.raises(ConfigError, match="must not lie with the data"):
        args = ["deidentify", str(study), str(tmp_path / "o"), "--key", str(tmp_path / "o" / "k"), "--new-key"]
        run.invoke(cli, args, catch_exceptions=False)
    args = ["deidentify", str(study), str(tmp_path / "out"), "--key", str(tmp_path / "k"), "--new-key", "--json"]
    done = run.invoke(cli, args, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["written"]) == 1
    with pytest.raises(ConfigError, match="not empty"):
        run.invoke(cli, args[:-2], catch_exceptions=False)


def test_a_participant_that_cannot_be_read_is_named_and_not_copied(study: Path, tmp_path: Path) -> None:
    (tmp_path / "s" / "raw" / "B").mkdir(parents=True)
    (tmp_path / "s" / "participants.tsv").write_text("participant_id\nB\n")
    (tmp_path / "s" / "raw" / "B" / "cuff.csv").write_text(
        "datetime,dia,sys,bpm,mov,ihb\n2025-01-12 08:15:00,128,82,7,0,1\n"
    )
    done = deidentify(Study(tmp_path / "s"), tmp_path / "o", KEY)
    assert not done.written and done.failed[0][0] == "B" and not list((tmp_path / "o").rglob("*.h5"))
