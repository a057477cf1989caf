"""One participant is erased: nothing that names them is left, the others stay as they were, a kill changes nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from allostat.cli.erase import command
from allostat.deidentify import make_key
from allostat.errors import ConfigError, InputError, StoreError
from allostat.store import read_cohort
from allostat.store.content import stored_hashes
from allostat.store.durable import file_sha256
from allostat.study import Study, erasure
from allostat.study.audit import read_audit
from allostat.study.erasure import erase
from allostat.study.inputs_left import inputs_of
from allostat.study.table_edit import edit_table
from allostat.study.traces import Words, traces
from allostat.study.verification import verify_output
from tests.study.conftest import lab_row, make_study, rr_text

GONE = "ward-3-017"
"""A participant whose identifier begins another one's (ward-3-017-b), and of whom another one's log speaks."""
COHORT_TABLES = ("participants.tsv", "qc.tsv", "biomarkers_long.tsv", "biomarkers_wide.tsv", "allostatic_load.tsv",
                 "dictionary.tsv", "methods.md", "references.bib")  # fmt: skip


def made(study: Path, *, with_gone: bool) -> None:
    make_study(study)
    people = {"ward-3-017-b": (870, "F\t33")} | ({GONE: (910, "F\t61")} if with_gone else {})
    for who, (start, about) in people.items():
        (study / "raw" / who).mkdir()
        (study / "raw" / who / "rest.txt").write_text(rr_text(start=start))
        with (study / "participants.tsv").open("a") as file:
            file.write(f"{who}\t{about}\n")
        with (study / "labs.tsv").open("a") as file:
            file.write(lab_row(who) + lab_row(who, "sbp", "131", "mmHg") + lab_row(who, "dbp", "84", "mmHg"))


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("erasure")
    for name, with_gone in (("with", True), ("without", False)):
        made(root / name / "study", with_gone=with_gone)
        Study(root / name / "study").run(root / name / "out", jobs=1)
    # What was told of somebody else at the time.
    status = root / "with" / "out" / "sub-A1" / "status.json"
    told = json.loads(status.read_text()) | {"reason": f"the same file belongs to several ({GONE}: a.txt, A1: b.txt)"}
    status.write_text(json.dumps(told))
    return root


@pytest.fixture
def out(places: Path, tmp_path: Path) -> Path:
    shutil.copytree(places / "with" / "out", tmp_path / "out")
    return tmp_path / "out"


def personal(out: Path) -> Words:
    """Identifier and hashes of everything that is theirs."""
    folder = out / f"sub-{GONE}"
    inputs = [one["sha256"] for one in json.loads((folder / "status.json").read_text())["inputs"]]
    hashes = {file_sha256(p) for p in folder.iterdir()} | stored_hashes(folder / f"sub-{GONE}.h5")
    others = {h for p in out.glob("sub-*/*.h5") if p.parent != folder for h in stored_hashes(p)}
    return Words({GONE, *inputs, *hashes} - others - stored_hashes(out / "cohort.h5"), ["ward-3-017-b"])


def test_nothing_that_names_the_participant_is_left_and_the_rest_is_as_if_they_never_took_part(
    out: Path, places: Path
) -> None:
    words = personal(out)
    assert len(traces(out, words)) > 20
    (out / "export" / "csv").mkdir(parents=True)
    (out / "export" / "csv" / "all.csv").write_text(GONE)
    (out / ".qc.tsv.99.partial").write_text(GONE)
    done = erase(out, GONE, why="consent withdrawn", by="ada")
    assert traces(out, words) == []
    assert b"017-b" in (out / "qc.tsv").read_bytes()
    found = verify_output(out)
    assert found.problems == ()
    for name in COHORT_TABLES:
        assert (out / name).read_bytes() == (places / "without" / "out" / name).read_bytes(), name
    there, before = read_cohort(out / "cohort.h5"), read_cohort(places / "without" / "out" / "cohort.h5")
    assert repr(there.biomarkers) == repr(before.biomarkers)
    for name, load in there.allostatic_load.items():
        assert load.identical(before.allostatic_load[name])
    assert done.exports_removed and done.files == 4
    assert "(erased)" in (out / "sub-A1" / "status.json").read_text()


def test_the_tombstone_says_when_by_whom_and_why_and_names_nobody(out: Path) -> None:
    erase(out, GONE, why="consent withdrawn", by="ada")
    (entry,) = read_audit(out).entries
    assert (entry.kind, entry.who, entry.why) == ("erasure", "ada", "consent withdrawn")
    assert entry.what == {"participants_before": 4, "participants_after": 3, "files_removed": 4}


def test_a_folder_with_other_data_of_the_person_fails_the_check_and_stays_marked(out: Path) -> None:
    (out / "notes.txt").write_text(f"called {GONE} twice")
    with pytest.raises(StoreError, match=r"still found in 1 places.*notes\.txt"):
        erase(out, GONE, why="consent withdrawn", by="ada")
    assert any("erasure was begun" in p for p in verify_output(out).problems)
    (out / "notes.txt").unlink()
    erase(out, GONE, why="consent withdrawn", by="ada")
    assert verify_output(out).problems == ()
    assert len(read_audit(out).entries) == 1


@pytest.mark.parametrize("kill_at", [0, 2, 9])
def test_killed_at_any_moment_it_never_passes_for_done_and_is_completed(
    out: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    from allostat.store import durable

    words = personal(out)
    left = [kill_at]
    really = durable.os.replace

    def replace(a: Path, b: Path) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        really(a, b)

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            erase(out, GONE, why="consent withdrawn", by="ada")
    begun = (out / ".erasure.json").exists()
    assert begun is (kill_at > 0)
    if begun:
        assert not verify_output(out).sound
        with pytest.raises(ConfigError, match="erasure was begun"):
            Study(out.parent / "study", None).run(out) if made(out.parent / "study", with_gone=True) is None else None
    erase(out, GONE, why="consent withdrawn", by="ada")
    assert traces(out, words) == [] and verify_output(out).problems == ()
    assert len(read_audit(out).entries) == 1


def test_killed_before_the_mark_goes(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(root: Path, mark: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(erasure, "complete", killed)
        with pytest.raises(KeyboardInterrupt):
            erase(out, GONE, why="consent withdrawn", by="ada")
    # Another erasure completes this one first.
    erase(out, "A2", why="consent withdrawn", by="ada")
    assert [e.what["participants_after"] for e in read_audit(out).entries] == [3, 2]
    assert traces(out, Words([GONE], ["ward-3-017-b"])) == [] and verify_output(out).problems == ()
    erase(out, "A1", why="consent withdrawn", by="ada")
    with pytest.raises(ConfigError, match="last participant"):
        erase(out, "ward-3-017-b", why="consent withdrawn", by="ada")


@pytest.mark.parametrize(
    ("about", "kind", "words"),
    [
        ({"participant": "ward-3-018"}, InputError, "no such participant.*ward-3-017"),
        ({"why": ""}, ConfigError, "a reason is needed"),
        ({"why": f"letter of {GONE}"}, ConfigError, "names a participant"),
        ({"by": GONE}, ConfigError, "would name the participant"),
    ],
)
def test_what_is_refused_changes_nothing(out: Path, about: dict[str, str], kind: type[Exception], words: str) -> None:
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != ".lock"}
    given = {"participant": GONE, "why": "consent withdrawn", "by": "ada"} | about
    with pytest.raises(kind, match=words):
        erase(out, given["participant"], why=given["why"], by=given["by"])
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file() and p.name != ".lock"} == before


def test_inputs_are_told_and_left_alone(out: Path, places: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    shutil.copytree(places / "with" / "study", study)
    edit_table(Study(study), "labs", participant=GONE, match={"analyte": "hs_crp"}, values={"value": "9"}, why="x",
               by="ada")  # fmt: skip
    (study / "calls.txt").write_text(f"{GONE}: called twice")
    (study / "other.txt").write_text("ward-3-0177")
    left = inputs_of(Study(study), GONE)
    assert left.files == (f"raw/{GONE}/rest.txt", "calls.txt")
    assert left.rows == {"labs.tsv": [11, 12, 13], "participants.tsv": [5]}
    assert len(left.versions) == 2
    key = make_key(tmp_path / "key")
    before = {p: p.read_bytes() for p in study.rglob("*") if p.is_file()}
    done = CliRunner().invoke(
        command,
        [
            str(out),
            GONE,
            "--why",
            "consent withdrawn",
            "--by",
            "ada",
            "--study",
            str(study),
            "--key",
            str(tmp_path / "key"),
        ],
        standalone_mode=False,
    )
    assert done.return_value == 0, done
    for text in (f"raw/{GONE}/rest.txt", "labs.tsv\tline 11-13", "versions/labs.", key.pseudonym(GONE)):
        assert text in done.output
    assert {p: p.read_bytes() for p in study.rglob("*") if p.is_file()} == before


def test_identifier_that_is_a_number_is_looked_for_where_that_means_something(tmp_path: Path) -> None:
    make_study(tmp_path / "study")
    for name in ("participants.tsv", "labs.tsv"):
        path = tmp_path / "study" / name
        path.write_text(path.read_text().replace("A1", "7"))
    (tmp_path / "study/raw/A1_rest.txt").rename(tmp_path / "study/raw/7_rest.txt")
    Study(tmp_path / "study").run(tmp_path / "out", jobs=1)
    erase(tmp_path / "out", "7", why="consent withdrawn", by="ada")
    assert traces(tmp_path / "out", Words(["sub-7"])) == []
    assert [line.split("\t")[0] for line in (tmp_path / "out/qc.tsv").read_text().splitlines()[1:]] == ["A2"]
    assert list(read_cohort(tmp_path / "out/cohort.h5").biomarkers.persons) == ["A2"]
