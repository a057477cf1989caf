"""A study on a Dask cluster: the bytes of the local run; a worker that dies costs at most the participant it had."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from click.testing import CliRunner

from allostat.biomarkers import Person
from allostat.cli import cli
from allostat.errors import ConfigError, InputError, StoreError
from allostat.store import ParticipantResult, write_participant
from allostat.study import Study, distributed, worker
from allostat.study import task as task_module
from allostat.study.distributed import connected, run_distributed
from allostat.study.inputs import ParticipantRows
from allostat.study.layout import OutputLayout, write_atomic
from allostat.study.task import Task
from tests.store.test_bad_disks import newer

from .conftest import lab_row, make_study, rr_text

pytest.importorskip("distributed", reason="the extra cluster is not installed")

run_task = worker.run_task


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three participants."""
    folder = tmp_path / "study"
    make_study(folder)
    with (folder / "participants.tsv").open("a") as table:
        table.write("A3\tF\t61\n")
    with (folder / "labs.tsv").open("a") as table:
        table.write(lab_row("A3"))
    (folder / "raw" / "A3_rest.txt").write_text(rr_text(start=900))
    return folder


def states(result: Any) -> dict[str, str]:
    return {o.participant: o.state for o in result.outcomes}


def reasons(result: Any) -> dict[str, str]:
    return {o.participant: o.reason for o in result.outcomes if o.state == "failed"}


def _kill_before_page(page: Any) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError(page)


def run_killed_once(task: Task) -> None:
    """A1's first worker dies between the store file and the page."""
    sign = task.layout.root.parents[3] / "killed"
    if task.plan.participant == "A1" and not sign.exists():
        sign.touch()
        with mock.patch.object(worker, "participant_page", _kill_before_page):
            run_task(task)
    run_task(task)


def run_fatal(task: Task) -> None:
    """A1 kills every worker, A2 hangs, and A3 is fine."""
    match task.plan.participant:
        case "A1":
            os.kill(os.getpid(), signal.SIGKILL)
        case "A2":
            time.sleep(600)
    write_atomic(task.layout.status(task.plan.participant), "{}")


def run_unstoppable(task: Task) -> None:
    """A1 hangs where its worker process cannot be ended, as on a dead network disk."""
    if task.plan.participant == "A1":
        faulthandler.cancel_dump_traceback_later()
        time.sleep(5)
    write_atomic(task.layout.status(task.plan.participant), "{}")


def ready_at_once(folder: str, versions: dict[str, str]) -> None:
    """In place of loading everything, for work that needs nothing."""


def run_without_disk(task: Task) -> None:
    raise StoreError("cannot be written (No space left on device)", where="log.jsonl")


def test_the_same_bytes_as_the_local_run(
    study: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # workers have another current folder
    told: list[tuple[str, str | None]] = []
    local = Study("study").run("local", jobs=1)
    result = Study("study").run(
        "cluster", client=client, progress=lambda who, o: told.append((who, o.state if o else None))
    )
    assert states(result) == states(local) == {"A1": "done", "A2": "done", "A3": "done"}
    assert sorted(told, key=str) == sorted([(w, s) for w in ("A1", "A2", "A3") for s in (None, "done")], key=str)
    for item in result.plan.participants:
        stored = result.layout.store(item.participant).read_bytes()
        assert stored == local.layout.store(item.participant).read_bytes()
        assert result.layout.page(item.participant).read_bytes() == local.layout.page(item.participant).read_bytes()
    assert _names(tmp_path / "cluster") == _names(tmp_path / "local")
    for name in ("biomarkers_long.tsv", "biomarkers_wide.tsv", "allostatic_load.tsv", "cohort.h5", "methods.md"):
        assert (tmp_path / "cluster" / name).read_bytes() == (tmp_path / "local" / name).read_bytes(), name
    again = Study("study").run("cluster")
    assert set(states(again).values()) == {"unchanged"}


def _names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*")}


def test_a_participant_whose_worker_is_killed_is_given_to_another(
    study: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = Study(study).run(tmp_path / "local", jobs=2)
    monkeypatch.setattr(task_module, "process", run_killed_once)
    result = Study(study).run(tmp_path / "out", client=client)
    assert (tmp_path / "killed").exists()
    assert states(result) == {"A1": "done", "A2": "done", "A3": "done"}
    assert result.layout.store("A1").read_bytes() == local.layout.store("A1").read_bytes()
    assert _names(tmp_path / "out") == _names(tmp_path / "local")


def test_an_error_outside_of_the_participant_is_told_and_not_repeated(
    study: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task_module, "process", run_without_disk)
    result = Study(study).run(tmp_path / "out", client=client, only=["A2"])
    assert "No space left" in reasons(result)["A2"]


def test_an_interrupted_run_leaves_no_task_and_is_resumed(study: Path, client: Any, tmp_path: Path) -> None:
    def interrupt(who: str, outcome: Any) -> None:
        if outcome is not None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Study(study).run(tmp_path / "out", client=client, jobs=1, progress=interrupt)
    assert not any(key.startswith("allostat") for keys in client.processing().values() for key in keys)
    result = Study(study).run(tmp_path / "out", client=client)
    assert sorted(states(result).values()) == ["done", "done", "unchanged"]
    assert not (tmp_path / "out" / ".attempts").exists()


def test_the_command_line_runs_on_a_scheduler(study: Path, client: Any, tmp_path: Path) -> None:
    address = client.scheduler.address
    done = CliRunner().invoke(cli, ["run", str(study), "-o", str(tmp_path / "out"), "--scheduler", address])
    assert done.exception is None, done.output
    assert "3 done" in done.output


def test_workers_of_another_version_are_not_used(
    study: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {**distributed._versions(), "scipy": "0.0"}
    monkeypatch.setattr(distributed, "_versions", lambda: versions)
    with pytest.raises(InputError, match=r"scipy: a worker has another version.*expected 0\.0"):
        Study(study).run(tmp_path / "out", client=client)


def test_a_worker_that_does_not_see_the_output_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "SEEN_WITHIN_S", 0.0)
    with pytest.raises(InputError, match="does not see the output folder"):
        distributed._get_ready(str(tmp_path / "out" / ".attempts" / "run"), distributed._versions())


def test_a_second_run_of_one_attempt_is_refused(tmp_path: Path) -> None:
    with pytest.raises(distributed._BegunBefore):
        distributed._attempt(b"", str(tmp_path), 1.0)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"allostat-load\[cluster\]"), connected("tcp://127.0.0.1:8786"):
        pass


@pytest.mark.parametrize("address", ["nowhere://x", "tcp://127.0.0.1:notaport"])
def test_an_address_without_a_scheduler_is_told(address: str) -> None:
    with pytest.raises(InputError, match="no Dask scheduler answers"), connected(address):
        pass


def test_a_relative_definition_file_is_refused(study: Path) -> None:
    config = Study(study).config.replaced("allostatic_load", reference="frozen.json")
    with pytest.raises(ConfigError, match="absolute path"):
        distributed.check_cluster_settings(config)


def engine(study: Path, out: Path, work: Callable[[Task], None], **settings: Any) -> dict[str, str | None]:
    """How each participant ended, for work that needs nothing loaded."""
    plan, layout = Study(study).plan(), OutputLayout(out)
    tasks = [Task(item, ParticipantRows(), Study(study).config, layout) for item in plan.participants]
    ended = run_distributed(tasks, work, on_start=lambda task: None, **settings)
    return {end.task.plan.participant: end.crash for end in ended}


def test_a_worker_that_cannot_be_ended_is_left_alone(
    study: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "_get_ready", ready_at_once)
    monkeypatch.setattr(distributed, "GRACE_S", 0.5)
    crashes = engine(study, tmp_path / "out", run_unstoppable, client=client, time_limit_s=1.5)
    assert crashes == {"A1": "took longer than the time limit of 1.5 s", "A2": None, "A3": None}


def test_what_kills_two_workers_or_hangs_fails_alone(
    study: Path, client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "_get_ready", ready_at_once)
    crashes = engine(study, tmp_path / "out", run_fatal, client=client, time_limit_s=2.0)
    assert "the worker process died" in str(crashes["A1"])
    assert crashes["A2"] == "took longer than the time limit of 2 s"
    assert crashes["A3"] is None
    assert _names(tmp_path / "out") == {"sub-A3", "sub-A3/status.json"}


def test_a_lost_scheduler_stops_the_run_with_a_sentence(tmp_path: Path) -> None:
    gone = mock.Mock(**{"nthreads.side_effect": ConnectionResetError()})
    with pytest.raises(StoreError, match=r"scheduler does not answer any more.*it resumes"):
        distributed._Run(gone, tmp_path / ".attempts" / "run").look_around()


def test_a_file_of_a_newer_version_is_kept_and_told(tmp_path: Path) -> None:
    """What an attempt left is not moved over it; older results of others give way without a status in between."""
    staged, final = OutputLayout(tmp_path / "staged"), OutputLayout(tmp_path / "out")
    for layout in (staged, final):
        layout.folder("A1").mkdir(parents=True)
    write_participant(ParticipantResult("A1", Person("A1")), staged.store("A1"))
    write_participant(ParticipantResult("A1", Person("A1", "F")), final.store("A1"))
    staged.status("A1").write_text("{}")
    kept = newer(final.store("A1"))
    told = distributed._put_in_place(staged, final, "A1")
    assert isinstance(told, distributed._Refusal)
    assert "newer allostat" in told
    assert final.store("A1").read_bytes() == kept
    assert staged.status("A1").is_file()
