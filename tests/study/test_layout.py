"""Folder names are safe, files whole, and two runs kept apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allostat.errors import ConfigError, InputError, StoreError
from allostat.study.layout import check_distinct_folders, folder_name, locked, write_atomic


@given(st.text(min_size=1, max_size=20))
def test_a_participant_folder_is_one_safe_path_component(participant: str) -> None:
    name = folder_name(participant)
    assert name.startswith("sub-")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


def test_plain_identifiers_keep_their_name() -> None:
    assert folder_name("sub-007") == "sub-007"
    assert folder_name("P12") == "sub-P12"
    assert "/" not in folder_name("../../etc")


def test_identifiers_that_share_a_folder_are_refused() -> None:
    with pytest.raises(InputError, match="share one output folder"):
        check_distinct_folders(["P1", "sub-p1"])


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "status.json"
    write_atomic(path, "old")

    def broken(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(StoreError, match="no space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["status.json"]


def test_a_second_run_on_one_folder_is_refused_and_the_lock_ends_with_its_holder(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom allostat.study.layout import locked\n"
        f"with locked(Path({str(tmp_path)!r})):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"process {holder.pid}"), locked(tmp_path):
            pass
        holder.kill()
        holder.wait()
        with locked(tmp_path):
            assert (tmp_path / ".lock").exists()
