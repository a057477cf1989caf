"""A participant file from anywhere is recognised without being opened, and read by another process first."""

from __future__ import annotations

import sys
from pathlib import Path

import h5py
import pytest

from allostat.adapter import ReadOptions
from allostat.errors import StoreError
from allostat.source import Source
from allostat.store import CohortTable, guard, write_cohort, write_participant
from allostat.store.export import ADAPTER
from allostat.store.stored_file import StoredFile
from tests.store.results import full_result


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_participant(full_result(), tmp_path / "sub-001.h5")
    return tmp_path / "sub-001.h5"


def test_recognising_opens_nothing_in_this_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cohort(CohortTable(), path.with_name("cohort.h5"))
    with h5py.File(path.with_name("foreign.h5"), "w") as file:
        file["x"] = [1]

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("opened")

    monkeypatch.setattr(h5py, "File", opened)
    assert ADAPTER.sniff(Source(path)).confidence > 0.9
    for name, words in (("cohort.h5", "not of a participant"), ("foreign.h5", "no participant file")):
        said = ADAPTER.sniff(Source(path.with_name(name)))
        assert said.confidence < 0.5 and words in said.reason


def test_a_file_that_crashes_its_reader_crashes_another_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {r.id for r in ADAPTER.read(Source(path), ReadOptions())} == {"h10_2023-11-14", "empty"}
    guard.own_guard().close()
    with monkeypatch.context() as patch:
        patch.setattr(guard, "_COMMAND", (sys.executable, "-c", "import os; os.kill(os.getpid(), 11)"))
        with pytest.raises(StoreError, match="crashes or needs too much"):
            list(ADAPTER.read(Source(path), ReadOptions()))
        with pytest.raises(StoreError, match="crashes or needs too much"):
            ADAPTER.inspect(Source(path))
    assert ADAPTER.inspect(Source(path)).participant_hint == "sub-001"


def test_a_file_that_was_put_in_the_place_of_an_opened_one_is_not_read(path: Path) -> None:
    values = StoredFile(path).dataset("/hrv/5min")["rmssd"]
    with h5py.File(path, "r+") as file:
        file.move("/hrv", "/moved")
        file["/hrv"] = h5py.ExternalLink("/etc/other.h5", "/")
    with pytest.raises(StoreError, match="changed since it was opened"):
        values.load()
