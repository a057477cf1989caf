"""One participant per process: a crash, a hang or an error in one loses no other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from allostat.errors import InputError, StoreError
from allostat.study import processes
from allostat.study.processes import call_warm, run_isolated


def _work(task: tuple[str, Path]) -> None:
    kind, path = task
    match kind:
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "out of memory":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(7)
        case "hang":
            signal.pause()
    path.write_text(f"{os.getpid()}")


def _run(kinds: list[str], folder: Path, *, jobs: int = 2, limit: float = 60.0) -> dict[str, str | None]:
    tasks = [(kind, folder / f"{i}") for i, kind in enumerate(kinds)]
    ended = run_isolated(tasks, _work, jobs=jobs, time_limit_s=limit, on_start=lambda task: None)
    return {end.task[1].name: end.crash for end in ended}


def test_a_crash_costs_its_own_task_only(tmp_path: Path) -> None:
    crashes = _run(["fine", "segfault", "fine", "out of memory", "exit", "fine"], tmp_path)
    assert [name for name, crash in sorted(crashes.items()) if crash is None] == ["0", "2", "5"]
    assert "SIGSEGV" in str(crashes["1"])
    assert "SIGKILL" in str(crashes["3"])
    assert "code 7" in str(crashes["4"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "2", "5"]


def test_a_hang_ends_at_the_time_limit(tmp_path: Path) -> None:
    assert _run(["hang"], tmp_path, limit=0.2) == {"0": "took longer than the time limit of 0.2 s"}


def test_a_hang_costs_its_own_task_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock passes the limit as soon as the other task is done: no machine is too slow for it."""
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + 3600.0 * (tmp_path / "1").exists())
    crashes = _run(["hang", "fine", "fine"], tmp_path, limit=3000.0)
    assert crashes == {"0": "took longer than the time limit of 3000 s", "1": None, "2": None}


def test_workers_end_with_a_run_that_is_killed(tmp_path: Path) -> None:
    """They hold the output of the run open as long as they live, so reading it to its end waits for them."""
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal\n"
        "from allostat.study.processes import run_isolated\n"
        "def work(task):\n"
        "    print('working', flush=True)\n"
        "    signal.pause()\n"
        "if __name__ == '__main__':\n"
        "    list(run_isolated([1, 2], work, jobs=2, time_limit_s=600.0, on_start=lambda task: None))\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert [run.stdout.readline() for _ in range(2)] == ["working\n"] * 2
        run.kill()
        assert run.communicate(timeout=60.0)[0] == ""


def test_a_process_takes_task_after_task_until_it_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "TASKS_PER_PROCESS", 3)
    assert set(_run(["fine"] * 5 + ["segfault", "fine"], tmp_path, jobs=1)) == set("0123456")
    pids = [(tmp_path / f"{i}").read_text() for i in (0, 1, 2, 3, 4, 6)]
    assert len(set(pids[:3])) == 1 == len(set(pids[3:5]))
    assert len(set(pids)) == 3


def test_closing_the_run_ends_the_processes_it_started(tmp_path: Path) -> None:
    started: list[str] = []
    ended = run_isolated(
        [("fine", tmp_path / "a"), ("hang", tmp_path / "b"), ("fine", tmp_path / "c")],
        _work,
        jobs=1,
        time_limit_s=60.0,
        on_start=lambda task: started.append(task[1].name),
    )
    next(ended)
    ended.close()
    assert started == ["a"]
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_every_task_ends_once_whatever_the_number_of_jobs(tmp_path: Path, jobs: int) -> None:
    assert len(_run(["fine"] * 5, tmp_path, jobs=jobs)) == 5


def test_a_file_of_the_current_folder_is_not_taken_for_a_library(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise RuntimeError('the study folder was searched for modules')\n")
    script = tmp_path / "elsewhere" / "script.py"
    script.parent.mkdir()
    script.write_text(
        "import time\n"
        "from allostat.study.processes import run_isolated\n"
        "if __name__ == '__main__':\n"
        "    ended = run_isolated([0.0], time.sleep, jobs=1, time_limit_s=60.0, on_start=lambda task: None)\n"
        "    print([end.crash for end in ended])\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout == "[None]\n", done.stderr


def _answer(question: object) -> tuple[int, object]:
    match question:
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "refuse":
            raise InputError("is damaged", where="a file", found="x", valid=["y"])
        case "break":
            raise ZeroDivisionError("by zero")
    return os.getpid(), question


def test_a_function_called_in_a_warm_process_gives_back_what_it_returns() -> None:
    pid, question = call_warm(_answer, {"a": 1.5})
    assert pid != os.getpid()
    assert question == {"a": 1.5}


def test_what_a_function_in_a_warm_process_raises_is_raised_here() -> None:
    with pytest.raises(InputError) as refused:
        call_warm(_answer, "refuse")
    assert str(refused.value) == str(InputError("is damaged", where="a file", found="x", valid=["y"]))
    with pytest.raises(ZeroDivisionError, match="by zero") as broken:
        call_warm(_answer, "break")
    assert "_answer" in str(broken.value.__cause__)


def test_a_warm_process_that_is_killed_is_told() -> None:
    with pytest.raises(StoreError, match=r"_answer: the process was ended by SIGKILL before its work was done"):
        call_warm(_answer, "die")
