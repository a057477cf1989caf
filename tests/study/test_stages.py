"""A change runs the stages it touches and no others, and what comes out has the bytes of a run from scratch."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from allostat.errors import ConfigError
from allostat.store import read_participant
from allostat.study import Study, collate, stages, worker
from allostat.study.config import StudyConfig
from allostat.study.fingerprints import RULES, STAGES
from allostat.study.warm import _ecg, _intervals
from tests.study.conftest import LABS_HEADER, lab_row, rr_text
from tests.study.inline import stay_in_this_process

FILES = ("sub-A1/sub-A1.h5", "sub-A1/report.html")
AFTER_HRV = ("circadian", "biomarkers", "load", "report")


@pytest.fixture(autouse=True)
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_in_this_process(monkeypatch)
    monkeypatch.setattr(collate, "write_cohort_files", lambda *about: None)


@pytest.fixture
def plain_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that cost nothing, for tests of many changes; the real ones are compared in those with a long recording."""
    monkeypatch.setattr(worker, "participant_page", lambda result: f"page of {result.participant}")


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the stages whose functions were called, in order, by the functions themselves."""
    called: list[str] = []

    def watched(stage: str, run: Callable[..., Any], *given: Any) -> Any:
        called.append(stage)
        return run(*given)

    monkeypatch.setattr(stages, "_RUN", {s: partial(watched, s, run) for s, run in stages._RUN.items()})
    return called


def write_inputs(study: Path, *, long: bool) -> None:
    """One participant with everything that stages read: a short ECG, a rest, treatment, high CRP, values below the
    limit of detection, a diary; ``long``: a day of intervals, too."""
    (study / "raw" / "A1").mkdir(parents=True)
    (study / "raw" / "A1" / "ecg.csv").write_text(_ecg(seconds=150))
    (study / "raw" / "A1" / "rest.txt").write_text(rr_text())
    if long:
        (study / "raw" / "A1" / "day_rr.csv").write_text(_intervals(hours=25))
    (study / "participants.tsv").write_text(
        "participant_id\tsex\tage\tmedications\tsmoker\toral_contraceptive\n"
        "A1\tF\t40\tramipril;simvastatin;metoprolol;prednisolone\tyes\tyes\n"
    )
    labs = LABS_HEADER
    for analyte, value, unit in (("sbp", "128", "mmHg"), ("dbp", "81", "mmHg"), ("total_cholesterol", "5.1", "mmol/L")):
        labs += lab_row("A1", analyte, value, unit, specimen="serum" if "chol" in analyte else "")
    labs += lab_row("A1", value="14.0") + lab_row("A1", value="2.0", collected_at="2026-03-20T08:00+01:00")
    for clock, value in (("07:00", "14.0"), ("12:00", "<1.5"), ("22:00", "1.8")):
        labs += lab_row("A1", "cortisol", value, "nmol/L", specimen="saliva", collected_at=f"2026-03-03T{clock}+01:00")
    (study / "labs.tsv").write_text(labs)
    (study / "diary.tsv").write_text(
        "participant_id\tdate\twake_time\tbed_time\nA1\t2026-03-03\t2026-03-03T07:00+01:00\t\n"
        "A1\t2026-03-02\t2026-03-02T07:00+01:00\t2026-03-02T23:30+01:00\n"
    )
    (study / "blood_pressure.tsv").write_text(
        "participant_id\tsbp\tdbp\tunit\tmeasured_at\toccasion\nA1\t131\t84\tmmHg\t2026-03-04T08:00+01:00\t2\n"
    )


BASE = StudyConfig().replaced("study", timezone="Europe/Vienna")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study and its results by the settings `BASE`, without a long recording."""
    yield from _with_results(tmp_path_factory.mktemp("small"), long=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same with a day of intervals: nights and the course of the day."""
    yield from _with_results(tmp_path_factory.mktemp("whole"), long=True)


def _with_results(place: Path, *, long: bool) -> Iterator[Path]:
    write_inputs(place / "study", long=long)
    with pytest.MonkeyPatch.context() as patch:
        stay_in_this_process(patch)
        patch.setattr(collate, "write_cohort_files", lambda *about: None)
        assert Study(place / "study", BASE).run(place / "out").all_good
    yield place


def copied(place: Path, to: Path) -> Path:
    shutil.copytree(place, to)
    return to


def content(out: Path, files: tuple[str, ...] = FILES) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in files}


def status(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "sub-A1" / "status.json").read_text())
    return found


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "sub-A1" / "log.jsonl").read_text().splitlines()]


def rerun(place: Path, config: StudyConfig, ran: list[str], **how: Any) -> tuple[str, ...]:
    """The stages that a second run takes, all ways of telling them compared, and its bytes with those from scratch."""
    study, out = Study(place / "study", config), place / "out"
    (verdict,) = study.verdicts(out, **how)
    ran.clear()
    (outcome,) = study.run(out, **how).outcomes
    computed = outcome.computed
    assert outcome.state == ("done" if computed else "unchanged"), outcome
    assert tuple(verdict.stages) == computed
    assert tuple(ran) == computed[:-1]
    told = status(out)["stages"]
    if computed:
        assert tuple(s for s in STAGES if told[s]["state"] == "computed") == computed
        assert tuple(e["stage"] for e in log(out) if e["event"] == "stage") == (*computed, "end")
    study.run(place / "scratch")
    files = FILES if computed else FILES[:1]  # pages that stand are real ones
    assert content(out, files) == content(place / "scratch", files)
    assert {s: about["fingerprint"] for s, about in told.items()} == {
        s: about["fingerprint"] for s, about in status(place / "scratch")["stages"].items()
    }
    return computed


EVERYTHING_BUT_LABS = ("hrv", *AFTER_HRV)
NIGHTS = ("hrv", "circadian", "labs", "biomarkers", "load", "report")
RULES_ON = ("biomarkers", "load", "report")
LABS_ON = ("labs", *RULES_ON)

OTHER: dict[str, tuple[Any, tuple[str, ...]]] = {
    "study.name": ("other", ()),
    "study.timezone": ("Europe/Rome", STAGES),
    "input.raw": ("raw2", ()),
    "input.participants": ("people.tsv", ()),
    "input.labs": ("labs2.tsv", LABS_ON),
    "input.blood_pressure": ("pressure2.tsv", LABS_ON),
    "input.diary": ("diary2.tsv", NIGHTS),
    "hrv.preset": ("kubios", EVERYTHING_BUT_LABS),
    "hrv.measures": ("full", EVERYTHING_BUT_LABS),
    "hrv.window": ("2min", EVERYTHING_BUT_LABS),
    "hrv.step": ("1min", EVERYTHING_BUT_LABS),
    "hrv.rest_min_s": (200.0, EVERYTHING_BUT_LABS),
    "hrv.rest_max_s": (200.0, EVERYTHING_BUT_LABS),
    "hrv.long_min_s": (100.0, NIGHTS),
    "overlap.prefer": (("device", "unknown", "ecg"), NIGHTS),
    "overlap.usable": (0.5, NIGHTS),
    "rules.antihypertensive": ("exclude", RULES_ON),
    "rules.statin": ("none", RULES_ON),
    "rules.beta_blocker": ("exclude", RULES_ON),
    "rules.corticosteroid": ("flag", RULES_ON),
    "rules.pregnancy": ("flag", RULES_ON),
    "rules.oral_contraceptive": ("exclude", RULES_ON),
    "rules.smoking": ("exclude", RULES_ON),
    "rules.acute_crp": ("winsorise", RULES_ON),
    "rules.below_lod": ("half", LABS_ON),
    "allostatic_load.definitions": (("count_sex",), ("load", "report")),
    "allostatic_load.reference": ("nhanes3-2026.1", ("load", "report")),
    "run.time_limit_s": (1800.0, ()),
    "run.retries": (3, ()),
    "run.memory_limit": ("2GB", ()),
    "run.keep_signals": (False, ("report",)),
}
"""For every setting another value, and the stages that the change runs."""


def test_every_setting_is_tried() -> None:
    assert set(OTHER) == set(StudyConfig.keys())


@pytest.mark.usefixtures("plain_pages")
@pytest.mark.parametrize("key", OTHER)
def test_a_changed_setting_runs_what_it_touches_and_gives_the_bytes_of_a_run_from_scratch(
    small: Path, tmp_path: Path, ran: list[str], key: str
) -> None:
    place = copied(small, tmp_path / "place")
    section, _, name = key.partition(".")
    value, expected = OTHER[key]
    if section == "input":
        given = place / "study" / getattr(BASE.input, name)
        assert given.exists()
        given.rename(given.with_name(value))
    before = content(place / "out")
    computed = rerun(place, BASE.replaced(section, **{name: value}), ran)
    assert computed == expected
    if not computed:
        assert content(place / "out") == before


def test_no_setting_decides_a_result_unless_a_rule_names_it(small: Path, tmp_path: Path, whole: Path) -> None:
    """All settings that no rule names, changed at once: the same bytes."""
    named = {key for rule in RULES.values() for key in rule.settings}
    unnamed = {key for key, (_, stages) in OTHER.items() if not stages and not key.startswith("input.")}
    assert {k for k in set(OTHER) - named if k.partition(".")[0] not in ("study", "input")} == unnamed - {"study.name"}
    config = BASE
    for key in unnamed:
        section, _, name = key.partition(".")
        config = config.replaced(section, **{name: OTHER[key][0]})
    Study(small / "study", config).run(tmp_path / "out")
    assert content(tmp_path / "out") == content(small / "out")


class _Watched:
    """Settings that note what is read of them."""

    def __init__(self, part: Any, prefix: str, read: set[str]) -> None:
        self.__dict__.update(_part=part, _prefix=prefix, _read=read)

    def __getattr__(self, name: str) -> Any:
        part, read = self.__dict__["_part"], self.__dict__["_read"]
        if name not in {f.name for f in dataclasses.fields(part)}:
            return getattr(type(part), name).fget(self)
        value = getattr(part, name)
        if dataclasses.is_dataclass(value):
            return _Watched(value, f"{name}.", read)
        read.add(f"{self.__dict__['_prefix']}{name}")
        return value


def test_a_stage_reads_exactly_the_settings_that_its_rule_names(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: dict[tuple[str, ...], set[str]] = {}
    real = StudyConfig.only

    def only(self: StudyConfig, keys: tuple[str, ...]) -> Any:
        return _Watched(real(self, keys), "", read.setdefault(keys, set()))

    study = copied(whole / "study", tmp_path / "study")
    day = (study / "raw/A1/day_rr.csv").read_text()
    (study / "raw/A1/again_rr.csv").write_text(day.removesuffix("\n").rpartition("\n")[0] + "\n")  # two that overlap
    monkeypatch.setattr(StudyConfig, "only", only)
    assert Study(study, BASE).run(tmp_path / "out").all_good
    monkeypatch.undo()
    assert read == {rule.settings: set(rule.settings) for stage, rule in RULES.items() if stage != "report"}


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _add_row(study: Path) -> None:
    with (study / "labs.tsv").open("a") as file:
        file.write(lab_row("A1", "hdl_cholesterol", "1.4", "mmol/L", specimen="serum"))


CHANGED_INPUTS: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "another unit": (lambda s: _edit(s / "labs.tsv", "5.1\tmmol/L", "197\tmg/dL"), LABS_ON),
    "another row": (_add_row, LABS_ON),
    "a row of somebody else": (
        lambda s: (s / "labs.tsv").write_text((s / "labs.tsv").read_text() + lab_row("B2")), (),
    ),
    "another cuff reading": (lambda s: _edit(s / "blood_pressure.tsv", "131", "133"), LABS_ON),
    "another night": (lambda s: _edit(s / "diary.tsv", "T23:30", "T22:30"), NIGHTS),
    "no diary": (lambda s: (s / "diary.tsv").unlink(), NIGHTS),
    "another age": (lambda s: _edit(s / "participants.tsv", "\t40\t", "\t44\t"), LABS_ON),
    "an export changed": (lambda s: _edit(s / "raw/A1/rest.txt", "801", "803"), STAGES),
    "an export gone": (lambda s: (s / "raw/A1/rest.txt").unlink(), STAGES),
    "a file that nobody reads": (lambda s: (s / "raw/A1/empty.txt").write_bytes(b""), ("report",)),
}  # fmt: skip


@pytest.mark.usefixtures("plain_pages")
@pytest.mark.parametrize("change", CHANGED_INPUTS)
def test_a_changed_input_runs_what_it_touches(small: Path, tmp_path: Path, ran: list[str], change: str) -> None:
    place = copied(small, tmp_path / "place")
    edit, expected = CHANGED_INPUTS[change]
    edit(place / "study")
    assert rerun(place, BASE, ran) == expected


@pytest.mark.parametrize("key", ["hrv.preset", "overlap.prefer", "allostatic_load.definitions", "run.keep_signals"])
def test_settings_with_nights_and_a_day(whole: Path, tmp_path: Path, ran: list[str], key: str) -> None:
    value, expected = OTHER[key]
    section, _, name = key.partition(".")
    assert rerun(copied(whole, tmp_path / "place"), BASE.replaced(section, **{name: value}), ran) == expected


def test_changes_one_after_another_end_where_a_run_from_scratch_does(
    small: Path, tmp_path: Path, ran: list[str]
) -> None:
    """Reuse of what was reused before; the last step goes back to the first settings."""
    place = copied(small, tmp_path / "place")
    config = BASE
    for key in ("rules.acute_crp", "hrv.window", "allostatic_load.definitions", "run.keep_signals", "rules.below_lod"):
        section, _, name = key.partition(".")
        config = config.replaced(section, **{name: OTHER[key][0]})
        Study(place / "study", config).run(place / "out")
    rerun(place, config, ran)
    Study(place / "study", BASE).run(place / "out")
    assert content(place / "out") == content(small / "out")


def test_signals_that_the_store_leaves_out_are_read_again(small: Path, tmp_path: Path, ran: list[str]) -> None:
    place = copied(small, tmp_path / "place")
    lean = BASE.replaced("run", keep_signals=False)
    assert rerun(place, lean, ran) == ("report",)
    assert rerun(place, lean, ran) == ()
    shutil.rmtree(place / "scratch")
    computed = rerun(place, lean.replaced("allostatic_load", definitions=("system",)), ran)
    assert computed == ("ingest", "load", "report")


def test_another_night_with_a_day(whole: Path, tmp_path: Path, ran: list[str]) -> None:
    place = copied(whole, tmp_path / "place")
    _edit(place / "study" / "diary.tsv", "T23:30", "T22:30")
    assert rerun(place, BASE, ran) == NIGHTS


@pytest.mark.usefixtures("plain_pages")
@pytest.mark.parametrize("stage", STAGES)
def test_from_a_stage_on_everything_runs_again(small: Path, tmp_path: Path, ran: list[str], stage: str) -> None:
    place = copied(small, tmp_path / "place")
    assert rerun(place, BASE, ran, from_stage=stage) == STAGES[STAGES.index(stage) :]


def test_force_runs_everything_again(small: Path, tmp_path: Path, ran: list[str]) -> None:
    assert rerun(copied(small, tmp_path / "place"), BASE, ran, force=True) == STAGES


def test_an_unknown_stage_names_the_nearest(small: Path) -> None:
    with pytest.raises(ConfigError, match=r"no such stage; found 'beat'.*nearest valid: 'beats'"):
        Study(small / "study").run(small / "out", from_stage="beat")


def test_a_dry_run_says_why_and_writes_nothing(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = copied(small, tmp_path / "place")
    study = Study(place / "study", BASE)
    (first,) = study.verdicts(tmp_path / "nothing")
    assert first.stages == dict.fromkeys(STAGES, "never run")
    assert not (tmp_path / "nothing").exists()
    before = {p: p.stat().st_mtime_ns for p in (place / "out").rglob("*")}
    (stands,) = study.verdicts(place / "out")
    assert stands.stages == {}
    (preset,) = Study(place / "study", BASE.replaced("hrv", preset="kubios")).verdicts(place / "out")
    assert preset.stages["hrv"] == "settings changed: hrv.preset"
    assert preset.stages["circadian"] == "stands on hrv"
    (nights,) = Study(place / "study", BASE.replaced("hrv", long_min_s=100.0)).verdicts(place / "out")
    assert nights.stages["labs"] == "settings changed: hrv.long_min_s"
    _add_row(place / "study")
    (labs,) = study.verdicts(place / "out")
    assert labs.stages["labs"] == "input changed: labs.tsv"
    (place / "study/raw/A1/more.txt").write_text(rr_text(start=900))
    (more,) = study.verdicts(place / "out")
    assert "input new: more.txt" in more.stages["ingest"]
    monkeypatch.setattr("allostat.study.fingerprints.__version__", "99.0")
    (version,) = study.verdicts(place / "out")
    assert "version changed: allostat 0.1.0 → 99.0" in version.stages["beats"]
    assert {p: p.stat().st_mtime_ns for p in (place / "out").rglob("*")} == before


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("where", [0.3, 0.6, 0.95])
def test_a_damaged_file_is_never_reused(small: Path, tmp_path: Path, ran: list[str], where: float) -> None:
    place = copied(small, tmp_path / "place")
    store = place / "out" / FILES[0]
    _flip(store, int(where * store.stat().st_size))
    config = BASE.replaced("allostatic_load", definitions=("system",))
    assert rerun(place, config, ran) == STAGES
    (told,) = [e for e in log(place / "out") if e["event"] == "damaged"]
    assert "sub-A1.h5" in told["error"]


def test_a_damaged_file_is_computed_anew_although_nothing_changed(small: Path, tmp_path: Path, ran: list[str]) -> None:
    place = copied(small, tmp_path / "place")
    store = place / "out" / FILES[0]
    _flip(store, store.stat().st_size // 2)
    assert rerun(place, BASE, ran) == STAGES
    assert content(place / "out") == content(small / "out")


def test_values_that_do_not_fit_their_hash_are_found_without_the_status(
    small: Path, tmp_path: Path, ran: list[str]
) -> None:
    """A file whose own hash was stated after the damage: what is inside tells."""
    import h5py

    place = copied(small, tmp_path / "place")
    store = place / "out" / FILES[0]
    with h5py.File(store, "r+") as file:
        beats = next(iter(file["beats"].values()))
        beats["flags"][3] = 1
    (place / "out/sub-A1/status.json").unlink()
    Study(place / "study", BASE).run(place / "out")
    assert tuple(ran) == STAGES[:-1]
    assert [e for e in log(place / "out") if e["event"] == "damaged"]
    assert content(place / "out") == content(small / "out")


def test_what_stands_in_the_file_is_used_without_a_status(small: Path, tmp_path: Path, ran: list[str]) -> None:
    """A kill between the file and its status loses nothing."""
    place = copied(small, tmp_path / "place")
    (place / "out/sub-A1/status.json").unlink()
    (outcome,) = Study(place / "study", BASE).run(place / "out").outcomes
    assert (outcome.computed, ran) == (("report",), [])
    assert content(place / "out") == content(small / "out")


def test_a_changed_page_is_written_again(small: Path, tmp_path: Path, ran: list[str]) -> None:
    place = copied(small, tmp_path / "place")
    _flip(place / "out" / FILES[1], 5000)
    assert rerun(place, BASE, ran) == ("report",)


def test_what_is_read_back_is_what_was_computed(whole: Path) -> None:
    stored = read_participant(whole / "out" / FILES[0])
    assert stored.measured.rows
    assert not stored.measured.rules
    assert any(row.adjustment for row in stored.biomarkers.rows)
    assert stored.circadian is not None
    assert set(stored.provenance["stages"]) == set(STAGES)
