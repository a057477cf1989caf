"""Full disks, clocks that jump back and files of newer versions during a run: told clearly, nothing lost."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest

from allostat.errors import DiskError, NewerSchemaError, StoreError
from allostat.store import durable, verify
from allostat.study import Study, worker
from allostat.study.opened import open_study
from allostat.study.verification import verify_output
from tests.store.test_bad_disks import newer
from tests.study.inline import stay_in_this_process
from tests.study.test_run import states, table

STORE_A1 = "sub-A1/sub-A1.h5"


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch) -> None:
    stay_in_this_process(monkeypatch)


@pytest.fixture
def finished(hand_made: Path, tmp_path: Path, inline: None) -> tuple[Study, Path]:
    study = Study(hand_made)
    assert study.run(tmp_path / "out").all_good
    return study, tmp_path / "out"


def full_for(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Let the disk be full for one file, at the moment that its bytes have to be on it."""
    real = durable.fsync_file

    def fsync(path: Path) -> None:
        if path.name.startswith(f".{Path(place).name}.") and str(Path(place).parent) in ("*", ".", path.parent.name):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path)

    monkeypatch.setattr(durable, "fsync_file", fsync)


def content(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def without_times(found: dict[str, bytes]) -> dict[str, bytes]:
    told = ("status.json", "log.jsonl", "ro-crate-metadata.json")
    kept = {name: data for name, data in found.items() if not name.endswith(told)}
    listed = kept["checksums.sha256"].splitlines()
    return kept | {"checksums.sha256": b"\n".join(line for line in listed if not line.decode().endswith(told))}


@pytest.mark.parametrize("name", [STORE_A1, "sub-A1/report.html", "sub-A1/log.jsonl", "sub-A1/status.json"])
def test_a_full_disk_costs_the_participant_whose_file_it_refuses(
    finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    study, out = finished
    before = content(out)
    with monkeypatch.context() as patch:
        full_for(patch, name)
        result = study.run(out, force=True)
    assert states(result.outcomes) == {"A1": "failed", "A2": "done"}
    assert f"{Path(name).name}: cannot be written" in str(result.outcomes[0].reason)
    assert "No space left" in str(result.outcomes[0].reason)
    after = content(out)
    assert after[name] == before[name] if name != "sub-A1/status.json" else name not in after
    assert verify(out / STORE_A1) == []
    if name == STORE_A1:
        assert after["sub-A1/status.json"] == before["sub-A1/status.json"]
    assert [n for n in after if ".partial" in n or ".aside" in n] == []
    assert {r["participant_id"] for r in table(out / "biomarkers_long.tsv")} == {"A2"}
    assert {r["participant_id"]: r["status"] for r in table(out / "qc.tsv")} == {"A1": "failed", "A2": "ok"}
    assert study.run(out).all_good
    assert without_times(content(out)) == without_times(before)
    assert verify_output(out).sound


@pytest.mark.parametrize(
    "name", ["cohort.h5", "methods.md", "qc.tsv", "index.html", "ro-crate-metadata.json", "config.effective.toml"]
)
def test_a_full_disk_while_collating_keeps_every_older_file(
    finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    study, out = finished
    before = content(out)
    with monkeypatch.context() as patch:
        full_for(patch, name)
        with pytest.raises(DiskError, match=rf"{name}: cannot be written \(.*No space left"):
            study.run(out)
    assert without_times(content(out)) == without_times(before)
    assert content(out)[name] == before[name]
    assert study.run(out).all_good
    assert verify_output(out).sound


def test_a_participant_whose_folder_cannot_be_made_costs_no_other(hand_made: Path, tmp_path: Path) -> None:
    """In processes of their own: the reason comes through from there."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "config.effective.toml").write_text("")
    (out / "sub-A1").write_text("a file where the folder should be")
    result = Study(hand_made).run(out)
    assert states(result.outcomes) == {"A1": "failed", "A2": "done"}
    assert "sub-A1: folder cannot be made" in str(result.outcomes[0].reason)
    assert (out / "sub-A1").is_file()
    assert table(out / "qc.tsv")[0]["reason"].startswith("sub-A1: folder cannot be made")


def test_an_output_folder_that_cannot_be_made_stops_the_run_with_a_sentence(hand_made: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="out: folder cannot be made"):
        Study(hand_made).run(tmp_path / "file" / "out")


def test_a_kill_between_store_and_status_is_not_taken_for_results_of_the_old_settings(
    finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, out = finished
    before = content(out)
    other = Study(study.path, study.config.replaced("hrv", window="2min", step="2min"))

    def killed(_: object) -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(worker, "participant_page", killed)
        with pytest.raises(KeyboardInterrupt):
            other.run(out)
    assert (out / STORE_A1).read_bytes() != before[STORE_A1]
    assert states(study.run(out).outcomes) == {"A1": "done", "A2": "unchanged"}
    assert without_times(content(out)) == without_times(before)


def test_what_a_killed_run_set_aside_is_not_brought_back(
    finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, out = finished
    status = out / "sub-A1" / "status.json"
    os.replace(status, status.with_name(".status.json.aside"))
    with monkeypatch.context() as patch:
        full_for(patch, STORE_A1)
        assert states(study.run(out).outcomes) == {"A1": "failed", "A2": "unchanged"}
    assert not status.exists()
    assert study.run(out).all_good
    assert sorted(p.name for p in status.parent.iterdir()) == ["log.jsonl", "report.html", "status.json", "sub-A1.h5"]


def test_a_clock_that_jumped_back_neither_recomputes_nor_changes_anything(
    finished: tuple[Study, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    study, out = finished
    before = content(out)
    now = time.time()
    for path in out.rglob("*"):
        os.utime(path, (now + 1e6, now + 1e6))
    steps = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: now - 3600.0 * next(steps))
    monkeypatch.setattr(time, "time_ns", lambda: int(1e9 * (now - 3600.0 * next(steps))))
    assert states(study.run(out).outcomes) == {"A1": "unchanged", "A2": "unchanged"}
    assert states(study.run(out, force=True).outcomes) == {"A1": "done", "A2": "done"}
    assert without_times(content(out)) == without_times(before)


def test_a_folder_of_a_newer_version_is_refused_before_anything_is_written(finished: tuple[Study, Path]) -> None:
    study, out = finished
    newer(out / "cohort.h5")
    before = content(out)
    with pytest.raises(NewerSchemaError, match=r"cohort\.h5: .*not replaced: update allostat"):
        study.run(out, force=True)
    with pytest.raises(StoreError, match="newer allostat"):
        _ = open_study(out).table
    assert content(out) == before


def test_one_participant_file_of_a_newer_version_is_kept_and_told(finished: tuple[Study, Path]) -> None:
    study, out = finished
    kept = newer(out / STORE_A1)
    with pytest.raises(NewerSchemaError, match=r"sub-A1\.h5"):
        open_study(out)["A1"].dataset("/biomarkers")
    assert open_study(out)["A2"].groups
    for force, other in ((False, "unchanged"), (True, "done")):
        result = study.run(out, force=force)
        assert states(result.outcomes) == {"A1": "failed", "A2": other}
        assert "sub-A1.h5: was written by a newer allostat and is not replaced" in str(result.outcomes[0].reason)
        assert (out / STORE_A1).read_bytes() == kept
