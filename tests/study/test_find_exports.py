"""Which files of a folder make up one export."""

from __future__ import annotations

from pathlib import Path

from allostat.study.plan import Export, Unread, find_exports


def test_a_list_of_buttons_that_nobody_pressed_belongs_to_its_session(tmp_path: Path) -> None:
    (tmp_path / "BVP.csv").write_text("1600000000.0\n64.0\n" + "1.5\n" * 200)
    (tmp_path / "EDA.csv").write_text("1600000000.0\n4.0\n" + "0.5\n" * 20)
    (tmp_path / "tags.csv").write_text("")
    ((_, found),) = find_exports(tmp_path, lambda _: "sub-001")
    assert isinstance(found, Export) and found.members == ("BVP.csv", "EDA.csv", "tags.csv")


def test_another_empty_file_is_told_beside_the_session(tmp_path: Path) -> None:
    (tmp_path / "BVP.csv").write_text("1600000000.0\n64.0\n" + "1.5\n" * 200)
    (tmp_path / "EDA.csv").write_text("1600000000.0\n4.0\n" + "0.5\n" * 20)
    (tmp_path / "notes.csv").write_text("")
    (_, session), (_, notes) = find_exports(tmp_path, lambda _: "sub-001")
    assert isinstance(session, Export) and session.members == ("BVP.csv", "EDA.csv")
    assert isinstance(notes, Unread) and notes.reason == "the file is empty"
