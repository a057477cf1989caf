"""Nothing on disk is ever half-written: failures and kills leave the old file or the new one."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from allostat.errors import StoreError
from allostat.store import durable, hdf5_write, read_participant, verify, write_participant
from tests.store.results import assert_same, full_result

OLD = replace(full_result(), notices=())
ROOT = Path(__file__).parents[2]


def fail(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def flip(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        raw[file["beats/h10/rr/times_ns"].id.get_chunk_info(0).byte_offset] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize("stage", ["create", "attribute", "fsync", "verify", "replace", "interrupt"])
def test_failure_at_any_stage_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    path = tmp_path / "sub-001.h5"
    write_participant(OLD, path)
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        if stage == "create":
            patch.setattr(h5py, "File", fail)
        elif stage == "attribute":
            patch.setattr(hdf5_write, "_attach", fail)
        elif stage == "fsync":
            patch.setattr(os, "fsync", fail)
        elif stage == "verify":
            patch.setattr(durable, "fsync_file", flip)
        elif stage == "replace":
            patch.setattr(os, "replace", fail)
        else:
            patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt if stage == "interrupt" else StoreError):
            write_participant(full_result(), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"sub-001\.h5: cannot be written"):
        write_participant(OLD, tmp_path / "absent" / "sub-001.h5")


KILL_POINTS = [
    *(f"h5d-{call}" for call in range(1, 100, 11)),
    *(f"h5a-{call}" for call in range(2, 600, 60)),
    "fsync-1",
    "fsync-2",
    "replace-1",
]
"""The n-th call of a function while a file is written; the second fsync is that of the folder, after the move."""

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.store.results import full_result
from allostat.store import hdf5_write, write_participant

class Deadly:
    def __init__(self, module, name, at):
        self.module, self.name, self.left = module, name, at
    def __getattr__(self, name):
        return self.call if name == self.name else getattr(self.module, name)
    def call(self, *args):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        return getattr(self.module, self.name)(*args)

result = full_result()
for folder in sorted(Path(sys.argv[1]).iterdir()):
    point, at = folder.name.split("-")
    child = os.fork()
    if not child:
        if point in ("h5a", "h5d"):
            setattr(hdf5_write, point, Deadly(getattr(hdf5_write, point), "create", int(at)))
        else:
            setattr(os, point, Deadly(sys.modules["posix"], point, int(at)).call)
        write_participant(result, folder / "sub-001.h5")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL, folder
"""


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL on Windows")
def test_sigkill_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    for point in KILL_POINTS:
        (tmp_path / point).mkdir()
        write_participant(OLD, tmp_path / point / "sub-001.h5")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path)], cwd=ROOT, env=environment, check=True)
    old = (tmp_path / KILL_POINTS[0] / "sub-001.h5").read_bytes()
    for point in KILL_POINTS:
        path = tmp_path / point / "sub-001.h5"
        if point == "fsync-2":
            assert verify(path) == []
            assert_same(full_result(), read_participant(path))
        else:
            assert path.read_bytes() == old, point
        assert list(path.parent.glob("*.h5")) == [path]
    write_participant(OLD, path)
    assert list(path.parent.iterdir()) == [path]
    assert path.read_bytes() == old
