"""The audit log: every change, removal, move and cut is found; it names nobody who takes part."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest

from allostat.errors import ConfigError, InputError
from allostat.study.audit import FIRST, append_entry, author, read_audit, stated_reason


@pytest.fixture
def log(tmp_path: Path) -> Path:
    for number in range(4):
        append_entry(tmp_path, "edit", {"table": "labs.tsv", "lines": [number]}, who="ada", why=f"reason {number}")
    return tmp_path


def test_entries_are_numbered_timed_and_chained(log: Path) -> None:
    read = read_audit(log)
    assert read.problems == ()
    assert [e.sequence for e in read.entries] == [1, 2, 3, 4]
    assert [e.previous for e in read.entries] == [FIRST, *(e.sha256 for e in read.entries[:-1])]
    assert read.entries[0].time.endswith("Z") and read.entries[0].who == "ada"
    lines = [json.loads(line) for line in (log / "audit.jsonl").read_text().splitlines()]
    assert [line["sha256"] for line in lines] == [e.sha256 for e in read.entries]


def test_every_single_bit_flip_is_found(log: Path) -> None:
    path = log / "audit.jsonl"
    sound = path.read_bytes()
    head = read_audit(log).head
    for at in range(0, len(sound), 7):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1 << at % 8]) + sound[at + 1 :])
        read = read_audit(log)
        assert read.problems and not read.begins_with(head)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: lines[1:], "line 1: entry 2 does not follow entry 0"),
        (lambda lines: [lines[0], *lines[2:]], "line 2: entry 3 does not follow entry 1"),
        (lambda lines: [lines[1], lines[0], *lines[2:]], "line 1: entry 2 does not follow"),
        (lambda lines: [*lines[:2], lines[1], *lines[2:]], "line 3: entry 2 does not follow entry 2"),
        (lambda lines: [lines[0].replace(b"reason 0", b"reason 9"), *lines[1:]], "line 1: entry 1 was changed"),
        (lambda lines: [lines[0].replace(b'"who":"ada"', b'"who" :"ada"'), *lines[1:]], "entry 1 was changed"),
        (lambda lines: [b"{}\n", *lines], "line 1: is not an entry"),
        (lambda lines: [*lines[:3], lines[3][:-9]], "line 4: is cut off"),
    ],
)
def test_changed_removed_moved_repeated_and_cut_entries_are_found(log: Path, change: object, words: str) -> None:
    path = log / "audit.jsonl"
    path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))  # type: ignore[operator]
    assert words in read_audit(log).problems[0]
    with pytest.raises(InputError, match="nothing is entered"):
        append_entry(log, "edit", {}, who="ada", why="x")


def test_whole_entries_lacking_at_the_end_show_beside_the_head(log: Path) -> None:
    head = read_audit(log).head
    path = log / "audit.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    assert read_audit(log).problems == () and not read_audit(log).begins_with(head)
    path.unlink()
    assert not read_audit(log).begins_with(head)
    path.write_bytes(b"".join(lines))
    append_entry(log, "edit", {}, who="ada", why="later")
    assert read_audit(log).begins_with(head)


def test_who_is_given_or_the_login_name_and_never_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    assert author(" Ada L. ") == "Ada L."
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")
    assert author(None) == "ada"

    def unknown() -> str:
        raise KeyError("uid 4711")

    monkeypatch.setattr(getpass, "getuser", unknown)
    with pytest.raises(ConfigError, match="--by"):
        author("  ")


def test_reason_is_there_and_names_nobody() -> None:
    assert stated_reason(" typing error ") == "typing error"
    assert stated_reason("row 17 of the report", without=["sub-1"]) == "row 17 of the report"
    with pytest.raises(ConfigError, match="a reason is needed"):
        stated_reason("  ")
    with pytest.raises(ConfigError, match="names a participant"):
        stated_reason("report of SUB-1, page 3", without=["sub-1"])
