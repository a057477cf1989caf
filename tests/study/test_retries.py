"""A worker that dies, hangs or takes too much memory costs its participant only; what may pass is tried again."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from allostat.errors import ConfigError, InputError
from allostat.store import ParticipantResult, verify
from allostat.study import Study, processes, worker
from allostat.study import task as task_module
from allostat.study.config import StudyConfig
from allostat.study.memory_limit import MemoryBudget, lacked_memory, parse_memory
from allostat.study.processes import run_isolated, tell_stage
from allostat.study.task import Task

run_task = worker.run_task


def _once(path: Path) -> bool:
    """Whether this is the first call with this path, in whichever process."""
    try:
        path.touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def die(task: tuple[str, Path, int]) -> None:
    """Work that ends its process in a way, or for the first times only."""
    kind, path, times = task
    number = next(n for n in range(1, 100) if _once(path.with_name(f"{path.name}.{n}")))
    if number <= times:
        tell_stage("beats")
        match kind:
            case "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "out of memory":
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                signal.pause()
            case "exit":
                os._exit(7)
            case "refused":
                raise InputError("is damaged")
    path.write_text("done")


def outcomes(
    kinds: list[tuple[str, int]], folder: Path, *, retries: int, limit: float = 60.0
) -> tuple[dict[str, str | None], dict[str, int]]:
    """How each task ended, and how often it was tried."""
    tasks = [(kind, folder / f"{i}", times) for i, (kind, times) in enumerate(kinds)]
    ended = run_isolated(tasks, die, jobs=2, time_limit_s=limit, on_start=lambda task: None, retries=retries)
    found = {end.task[1].name: end.crash or end.refused for end in ended}
    return found, {str(i): len(list(folder.glob(f"{i}.*"))) for i in range(len(kinds))}


def test_what_kills_a_process_once_is_tried_again(tmp_path: Path) -> None:
    ended, tries = outcomes([("segfault", 1), ("out of memory", 1), ("fine", 0)], tmp_path, retries=1)
    assert ended == {"0": None, "1": None, "2": None}
    assert tries == {"0": 2, "1": 2, "2": 1}


def test_what_kills_every_process_fails_with_the_stage(tmp_path: Path) -> None:
    ended, tries = outcomes([("segfault", 9), ("out of memory", 9), ("fine", 0)], tmp_path, retries=2)
    assert ended["0"] == "the process was ended by SIGSEGV (in stage beats)"
    assert ended["1"] == "the process was ended by SIGKILL (in stage beats)"
    assert ended["2"] is None
    assert tries == {"0": 3, "1": 3, "2": 1}


def test_errors_and_exits_are_not_tried_again(tmp_path: Path) -> None:
    ended, tries = outcomes([("refused", 9), ("exit", 9)], tmp_path, retries=3)
    assert ended["0"] == "is damaged"
    assert "code 7" in str(ended["1"])
    assert tries == {"0": 1, "1": 1}


def test_a_hang_is_tried_again_and_ends_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock passes the limit once the first attempt hangs, and again once the second does."""
    real = time.monotonic
    hangs = [tmp_path / "0.1", tmp_path / "0.2"]
    monkeypatch.setattr(time, "monotonic", lambda: real() + 3600.0 * sum(p.exists() for p in hangs))
    ended, tries = outcomes([("hang", 9)], tmp_path, retries=1, limit=3000.0)
    assert ended["0"] == "took longer than the time limit of 3000 s (in stage beats)"
    assert tries == {"0": 2}


def run_segfault(task: Task) -> None:
    """A1's processes die while beats are found, the others are fine."""
    if task.plan.participant == "A1":
        tell_stage("beats")
        os.kill(os.getpid(), signal.SIGSEGV)
    run_task(task)


def run_killed_once(task: Task) -> None:
    """A1's first process is killed when the file is there and the page is not."""

    def killed(result: object) -> str:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError(result)

    if task.plan.participant == "A1" and not task.attempts:
        with mock.patch.object(worker, "participant_page", killed):
            run_task(task)
    run_task(task)


def run_greedy(task: Task) -> None:
    """A1 asks for 3 GB."""

    def greedy(*about: Any, **named: Any) -> ParticipantResult:
        about[3]("ingest")
        taken = np.ones(3_000_000_000 // 8)
        raise AssertionError(taken.sum())

    with (
        mock.patch.object(worker, "process_participant", greedy) if task.plan.participant == "A1" else mock.MagicMock()
    ):
        run_task(task)


def run_with(study: Path, out: Path, work: Callable[[Task], None], monkeypatch: pytest.MonkeyPatch, **run: Any) -> Any:
    settings = replace(StudyConfig(), run=replace(StudyConfig().run, **run))
    monkeypatch.setattr(task_module, "process", work)
    return {o.participant: o for o in Study(study, settings).run(out, jobs=2).outcomes}


def status(out: Path, who: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / f"sub-{who}" / "status.json").read_text())
    return found


def events(out: Path, who: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / f"sub-{who}" / "log.jsonl").read_text().splitlines()]


def test_a_participant_who_kills_workers_fails_alone_and_leaves_a_status(
    hand_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ended = run_with(hand_made, out, run_segfault, monkeypatch)
    assert {who: o.state for who, o in ended.items()} == {"A1": "failed", "A2": "done"}
    crash = "the process was ended by SIGSEGV (in stage beats)"
    assert ended["A1"].reason == f"{crash}; tried 2 times"
    assert status(out, "A1")["attempts"] == [crash, crash]
    assert [e["event"] for e in events(out, "A1")] == ["attempt", "attempt", "failed"]
    assert not (out / "sub-A1" / "sub-A1.h5").exists()
    monkeypatch.undo()
    again = Study(hand_made).run(out)
    assert {o.participant: o.state for o in again.outcomes} == {"A1": "done", "A2": "unchanged"}


def test_a_participant_killed_once_has_the_bytes_of_an_undisturbed_run(
    hand_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ended = run_with(hand_made, out, run_killed_once, monkeypatch)
    assert {who: o.state for who, o in ended.items()} == {"A1": "done", "A2": "done"}
    assert status(out, "A1")["attempts"] == ["the process was ended by SIGKILL (in stage report)"]
    assert events(out, "A1")[0]["event"] == "attempt"
    monkeypatch.undo()
    Study(hand_made).run(tmp_path / "other")
    for name in ("sub-A1.h5", "report.html"):
        assert (out / "sub-A1" / name).read_bytes() == (tmp_path / "other" / "sub-A1" / name).read_bytes()


def test_a_participant_over_the_memory_limit_fails_with_the_limit_and_the_others_go_on(
    hand_made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    ended = run_with(hand_made, out, run_greedy, monkeypatch, memory_limit="600MB")
    assert {who: o.state for who, o in ended.items()} == {"A1": "failed", "A2": "done"}
    assert ended["A1"].reason == "needs more memory than its limit of 600MB (memory_limit), in stage ingest"
    assert ended["A1"].attempts == ()
    assert verify(out / "sub-A2" / "sub-A2.h5") == []


@pytest.mark.parametrize(("text", "size"), [("400MB", 400_000_000), ("1.5 GiB", 1_610_612_736), ("64mib", 2**26)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["400", "2 TB", "lots", "1MB", "-1GB", ""])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no amount of memory"):
        StudyConfig.from_mapping({"run": {"memory_limit": text}})


@pytest.mark.parametrize(("key", "value"), [("retries", -1), ("retries", 1.5), ("time_limit_s", 0), ("retries", True)])
def test_other_settings_of_a_run_are_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        StudyConfig.from_mapping({"run": {key: value}})


def test_lack_of_memory_is_seen_through_other_errors() -> None:
    try:
        try:
            raise MemoryError
        except MemoryError as error:
            raise InputError("file is damaged") from error
    except InputError as error:
        assert lacked_memory(error)
    assert lacked_memory(OSError(12, "Cannot allocate memory"))
    assert not lacked_memory(InputError("file is damaged"))


def test_without_a_limit_nothing_is_spent() -> None:
    assert not MemoryBudget(None).spent
    assert processes._seen_by_the_run == []
