"""What one worker process does: one participant, from inputs to files, every file whole or absent."""

from __future__ import annotations

import json
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from allostat import __version__
from allostat.errors import AllostatError, DiskError, NewerSchemaError
from allostat.memory import collect_rarely
from allostat.report import participant_page
from allostat.store import write_participant
from allostat.store.durable import make_folder, remove_files
from allostat.study.config import StudyConfig
from allostat.study.inputs import ParticipantRows
from allostat.study.layout import OutputLayout, write_atomic
from allostat.study.plan import ParticipantPlan
from allostat.study.stages import process_participant
from allostat.study.summary import summary_of


@dataclass(frozen=True)
class Task:
    """One participant's work."""

    plan: ParticipantPlan
    rows: ParticipantRows
    config: StudyConfig
    layout: OutputLayout
    fingerprint: str


def run_task(task: Task) -> None:
    """Process one participant and leave the store file, the page, ``status.json`` and ``log.jsonl`` behind.

    An `AllostatError` fails the participant with its sentence, any other exception with its traceback in the log.
    The results of an earlier run are removed when this one fails, so that no stale number stays.

    Raises
    ------
    DiskError, NewerSchemaError
        The disk takes nothing, or a newer version's file is in the way. An older store file that was not replaced is
        as it was, and so is its status.
    """
    who = task.plan.participant
    collect_rarely()
    make_folder(task.layout.folder(who))
    log = _Log()
    started = time.perf_counter()
    try:
        result = process_participant(task.plan, task.rows, task.config, log.stage)
        log.stage("store")
        with _status_aside(task.layout.status(who)):
            digest = write_participant(result, task.layout.store(who), signals=task.config.run.keep_signals)
        log.stage("report")
        write_atomic(task.layout.page(who), participant_page(result))
        status = _status(task, "done", None, started) | {
            "store_sha256": digest,
            "stage": log.current,
            **summary_of(result),
        }
        log.stage("end")
        for notice in result.notices:
            log.add("notice", **asdict(notice))
    except AllostatError as error:
        if log.current in ("store", "report") and isinstance(error, (DiskError, NewerSchemaError)):
            raise
        log.add("failed", error=str(error), kind=type(error).__name__, stage=log.current)
        status = _status(task, "failed", str(error), started) | {"stage": log.current}
    except Exception as error:  # noqa: BLE001 - whatever goes wrong inside costs this participant only, and is told
        log.add("failed", error=repr(error), traceback=traceback.format_exc(), stage=log.current)
        status = _status(task, "failed", f"internal error in stage {log.current}: {error!r}", started)
        status |= {"stage": log.current, "internal": True}
    if status["status"] == "failed":
        remove_files(task.layout.store(who), task.layout.page(who))
    write_atomic(task.layout.log(who), log.text())
    write_atomic(task.layout.status(who), json.dumps(status, indent=1, sort_keys=True) + "\n")


@contextmanager
def _status_aside(status: Path) -> Iterator[None]:
    """No status while the store file is replaced; the old one is back when it was not.

    A kill between the two would leave an old status beside a new store file: with the old settings again, the next run
    would take the file of the new ones for theirs. Renaming needs no room on a full disk.
    """
    aside = status.with_name(f".{status.name}.aside")
    try:
        # What a killed run left aside belongs to a store file that may be gone.
        aside.unlink(missing_ok=True)
        if status.exists():
            os.replace(status, aside)
        try:
            yield
        except BaseException:
            if aside.exists():
                os.replace(aside, status)
            raise
    except OSError as error:
        raise DiskError(f"cannot be moved ({error})", where=status.name) from error
    remove_files(aside)


def _status(task: Task, status: str, reason: str | None, started: float) -> dict[str, Any]:
    return {
        "participant": task.plan.participant,
        "status": status,
        "reason": reason,
        "fingerprint": task.fingerprint,
        "version": __version__,
        "seconds": round(time.perf_counter() - started, 3),
    }


class _Log:
    """Lines of log.jsonl, each with the seconds since the start and those of computing."""

    def __init__(self) -> None:
        self._start, self._cpu_start = time.perf_counter(), time.process_time()
        self._lines: list[str] = []
        self.current = "start"

    def stage(self, name: str) -> None:
        self.current = name
        self.add("stage", stage=name)

    def add(self, event: str, **about: Any) -> None:
        seconds = {"seconds": time.perf_counter() - self._start, "cpu_seconds": time.process_time() - self._cpu_start}
        record = {**{k: round(v, 4) for k, v in seconds.items()}, "event": event, **about}
        self._lines.append(json.dumps(record, default=str))

    def text(self) -> str:
        return "".join(line + "\n" for line in self._lines)
