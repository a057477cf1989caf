"""Corrections of tables: one cell changes, the version before stays, the log says who and why, the run names both."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from allostat.errors import AllostatError, ConfigError, InputError
from allostat.study import Study
from allostat.study.audit import read_audit
from allostat.study.table_edit import adopt_table, edit_table
from allostat.study.table_versions import stated_versions, version_problems
from allostat.study.verification import verify_output

CRP = {"analyte": "hs_crp"}


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def test_one_cell_changes_and_the_version_before_stays(hand_made: Path) -> None:
    labs = hand_made / "labs.tsv"
    before = labs.read_bytes()
    done = edit_table(
        Study(hand_made), "labs", participant="A1", match=CRP, values={"value": "1.4"}, why="typing error", by="ada"
    )
    assert labs.read_bytes() == before.replace(b"A1\ths_crp\t1.2", b"A1\ths_crp\t1.4")
    assert [(c.line, c.column, c.before, c.after) for c in done.changes] == [(2, "value", "1.2", "1.4")]
    kept = {p.name: p.read_bytes() for p in (hand_made / "versions").iterdir()}
    assert kept[f"labs.{sha256(before).hexdigest()}.tsv"] == before
    (entry,) = read_audit(hand_made).entries
    assert (entry.who, entry.why, entry.kind) == ("ada", "typing error", "edit")
    assert entry.what == {
        "table": "labs.tsv", "from": sha256(before).hexdigest(), "to": digest(labs), "lines": [2], "columns": ["value"],
    }  # fmt: skip
    assert "A1" not in (hand_made / "audit.jsonl").read_text() and "1.4" not in (hand_made / "audit.jsonl").read_text()
    versions = stated_versions(hand_made, {"labs.tsv": digest(labs)})
    assert versions == {"labs.tsv": {"version": digest(labs), "entry": 1, "entry_sha256": entry.sha256}}
    assert version_problems(hand_made, read_audit(hand_made), ["labs.tsv"]) == ([], [])


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ('\ufeffparticipant,analyte,value,unit,note\r\nA1,hs_crp,"1,2",mg/L,"a ""b"", c"\r\nA1,ldl,3,mmol/L,\r\n',
         '\ufeffparticipant,analyte,value,unit,note\r\nA1,hs_crp,1.2,mg/L,"a ""b"", c"\r\nA1,ldl,3,mmol/L,\r\n'),
        ("participant_id;analyte;value;unit\nA1 ;hs_crp; 9 ;mg/L",
         "participant_id;analyte;value;unit\nA1 ;hs_crp;1.2;mg/L"),
    ],
)  # fmt: skip
def test_every_other_byte_stays(hand_made: Path, text: str, after: str) -> None:
    (hand_made / "labs.tsv").write_bytes(text.encode())
    edit_table(Study(hand_made), "labs", participant="A1", match=CRP, values={"value": "1.2"}, why="x", by="ada")
    assert (hand_made / "labs.tsv").read_bytes() == after.encode()


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"participant": "A11"}, "no row of this participant.*A1"),
        ({"match": {}}, "3 rows fit.*lines 2, 3, 4"),
        ({"match": {"analyt": "hs_crp"}}, "no such column.*'analyte'"),
        ({"values": {"valu": "1"}}, "no such column.*'value'"),
        ({"values": {"unit": "furlong"}}, "unit"),
        ({"values": {"value": "1,4"}}, "decimal point"),
        ({"values": {"value": "1\n2"}}, "line break"),
        ({"values": {}}, "nothing to change"),
        ({"why": " "}, "a reason is needed"),
        ({"why": "A1 called"}, "names a participant"),
        ({"table": "lab"}, "no such table.*'labs'"),
        ({"table": "diary"}, "the study has no such table"),
        ({"line": 9}, "no such row"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(hand_made: Path, about: dict[str, object], words: str) -> None:
    before = (hand_made / "labs.tsv").read_bytes()
    given = {"table": "labs", "participant": "A1", "match": CRP, "values": {"value": "1.4"}, "why": "x", "by": "ada"}
    table = str((given | about).pop("table"))
    rest = {k: v for k, v in (given | about).items() if k != "table"}
    with pytest.raises(AllostatError, match=words):
        edit_table(Study(hand_made), table, **rest)  # type: ignore[arg-type]
    assert (hand_made / "labs.tsv").read_bytes() == before
    assert not (hand_made / "audit.jsonl").exists() and not (hand_made / "versions").exists()


def test_dry_run_and_no_change_write_nothing(hand_made: Path) -> None:
    study = Study(hand_made)
    shown = edit_table(study, "labs", participant="A1", match=CRP, values={"value": "2"}, why="x", dry_run=True)
    assert len(shown.changes) == 1 and shown.entry is None
    same = edit_table(study, "labs", participant="A1", match=CRP, values={"value": "1.2"}, why="x")
    assert same.changes == () and same.entry is None
    assert not (hand_made / "audit.jsonl").exists()


def test_all_rows_that_fit(hand_made: Path) -> None:
    done = edit_table(
        Study(hand_made), "labs", participant="A2", values={"collected_at": "2026-03-04T08:00+01:00"}, why="x",
        by="ada", every=True,
    )  # fmt: skip
    assert [c.line for c in done.changes] == [5, 6, 7]


def test_broken_table_can_be_mended(hand_made: Path) -> None:
    people = hand_made / "participants.tsv"
    people.write_text(people.read_text().replace("\tF\t", "\tX\t"))
    edit_table(Study(hand_made), "participants", participant="A1", values={"sex": "F"}, why="x", by="ada")
    assert Study(hand_made).tables().persons["A1"].sex == "F"


@pytest.mark.parametrize("kill_at", [0, 1, 2, 3])
def test_killed_edit_is_completed_by_the_same_command(
    hand_made: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    from allostat.store import durable

    left = [kill_at]
    really = durable.os.replace

    def replace(a: Path, b: Path) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        really(a, b)

    def edit() -> None:
        edit_table(Study(hand_made), "labs", participant="A1", match=CRP, values={"value": "1.4"}, why="x", by="ada")

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            edit()
    edit()
    log = read_audit(hand_made)
    assert len(log.entries) == 1 and log.entries[0].what["to"] == digest(hand_made / "labs.tsv")
    assert version_problems(hand_made, log, ["labs.tsv"]) == ([], [])


def test_change_with_another_program_is_noticed_and_can_be_entered(hand_made: Path) -> None:
    study, labs = Study(hand_made), hand_made / "labs.tsv"
    edit_table(study, "labs", participant="A1", match=CRP, values={"value": "1.4"}, why="x", by="ada")
    labs.write_text(labs.read_text().replace("1.4", "1.5"))
    problems, notes = version_problems(hand_made, read_audit(hand_made), ["labs.tsv"])
    assert problems == [] and notes == ["labs.tsv: changed outside since entry 1"]
    assert stated_versions(hand_made, {"labs.tsv": digest(labs)}) == {"labs.tsv": {"version": digest(labs)}}
    with pytest.raises(ConfigError, match="names a participant"):
        adopt_table(study, "labs", why="A2 wrote", by="ada")
    entry = adopt_table(study, "labs", why="corrected in a spreadsheet", by="ada")
    assert (entry.kind, entry.what["to"]) == ("adopted", digest(labs))
    assert version_problems(hand_made, read_audit(hand_made), ["labs.tsv"]) == ([], [])
    with pytest.raises(InputError, match="nothing to enter"):
        adopt_table(study, "labs", why="again", by="ada")


def test_lacking_entries_show_by_the_versions_that_nobody_names(hand_made: Path) -> None:
    study = Study(hand_made)
    for value in ("1.3", "1.4"):
        edit_table(study, "labs", participant="A1", match=CRP, values={"value": value}, why="x", by="ada")
    lines = (hand_made / "audit.jsonl").read_bytes().splitlines(keepends=True)
    (hand_made / "audit.jsonl").write_bytes(lines[0])
    problems, notes = version_problems(hand_made, read_audit(hand_made), ["labs.tsv"])
    assert len(problems) == 1 and "no entry of the log names" in problems[0]
    assert notes == ["labs.tsv: changed outside since entry 1"]


def test_the_run_names_version_and_entry_and_declares_changes_outside(hand_made: Path, tmp_path: Path) -> None:
    from allostat.store import read_cohort

    study, out, labs = Study(hand_made), tmp_path / "out", hand_made / "labs.tsv"
    first = study.run(out, jobs=1)
    assert first.notices == () and read_cohort(out / "cohort.h5").provenance["table_versions"] == {}

    edit_table(study, "labs", participant="A1", match=CRP, values={"value": "1.4"}, why="typing error", by="ada")
    (entry,) = read_audit(hand_made).entries
    assert verify_output(out, study=study).notes == ("labs.tsv: newer than the run, by entries of the log",)
    second = study.run(out, jobs=1)
    assert second.notices == () and [o.state for o in second.outcomes] == ["done", "unchanged"]
    named = {"labs.tsv": {"version": digest(labs), "entry": 1, "entry_sha256": entry.sha256}}
    cohort = read_cohort(out / "cohort.h5").provenance
    assert cohort["table_versions"] == named and cohort["audit"] == {"entries": 1, "sha256": entry.sha256}
    found = verify_output(out, study=study)
    assert (found.problems, found.notes) == ((), ())

    before = digest(labs)
    labs.write_text(labs.read_text().replace("1.4", "1.5"))
    found = verify_output(out, study=study)
    assert found.sound and "labs.tsv: changed outside since the run" in found.notes
    third = study.run(out, jobs=1)
    assert [n.code for n in third.notices] == ["TABLE_CHANGED_OUTSIDE"]
    assert "changed outside of allostat edit" in (out / "index.html").read_text()
    (told,) = read_audit(out).entries
    assert (told.kind, told.who, told.why) == ("changed outside", "", "")
    assert told.what == {"table": "labs.tsv", "from": before, "to": digest(labs)}
    assert read_cohort(out / "cohort.h5").provenance["table_versions"]["labs.tsv"] == {"version": digest(labs)}
    assert study.run(out, jobs=1).notices == () and len(read_audit(out).entries) == 1

    (hand_made / "audit.jsonl").unlink()
    found = verify_output(out, study=study)
    assert any("entries some are gone" in p for p in found.problems)
    assert [n.code for n in study.run(out, jobs=1).notices] == ["AUDIT_LOG_CHANGED"]
