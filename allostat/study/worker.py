"""What one worker process does: one participant, from inputs to files, every file whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from allostat import __version__
from allostat.errors import AllostatError, DiskError, NewerSchemaError, StoreError
from allostat.memory import collect_rarely
from allostat.report import participant_page
from allostat.store import write_participant
from allostat.store.durable import make_folder, remove_files
from allostat.store.safety import refuse_to_replace_newer
from allostat.study.fingerprints import STAGES, Basis, bases_of
from allostat.study.layout import write_atomic
from allostat.study.memory_limit import lacked_memory
from allostat.study.processes import tell_stage
from allostat.study.reuse import NOTHING, Standing, what_stands
from allostat.study.stages import process_participant
from allostat.study.summary import summary_of
from allostat.study.task import Task


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
    refuse_to_replace_newer(task.layout.store(who))
    log = _Log(task.why)
    for number, crash in enumerate(task.attempts, start=1):
        log.add("attempt", number=number, ended=crash)
    status: dict[str, Any]
    bases: dict[str, Basis] = {}
    try:
        # Of the files as they are here and now, from which the recordings are read.
        bases = bases_of(task.plan, task.rows, task.config, task.definitions)
        standing = _standing(task, bases, log)
        for stage in STAGES:
            if stage in standing.stages:
                log.add("reused", stage=stage)
        result = process_participant(task.plan, task.rows, task.config, log.stage, bases=bases, standing=standing)
        log.stage("report")
        with _status_aside(task.layout.status(who)):
            digest = write_participant(result, task.layout.store(who), signals=task.config.run.keep_signals)
        page = participant_page(result)
        write_atomic(task.layout.page(who), page)
        status = {
            "status": "done",
            "reason": None,
            "store_sha256": digest,
            "page_sha256": hashlib.sha256(page.encode()).hexdigest(),
            "fingerprint": bases["report"].fingerprint,
            "signals": result.provenance["signals"],
            **summary_of(result),
        }
        log.end()
        for notice in result.notices:
            log.add("notice", **asdict(notice))
    except AllostatError as error:
        if log.current == "report" and isinstance(error, (DiskError, NewerSchemaError)) and not lacked_memory(error):
            raise
        status = _failed(task, log, error)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong inside costs this participant only, and is told
        status = _failed(task, log, error)
    if status["status"] == "failed":
        remove_files(task.layout.store(who), task.layout.page(who))
    status |= {
        "participant": who,
        "run": task.run,
        "version": __version__,
        "seconds": log.seconds,
        "stage": log.current,
        "stages": log.stages(bases),
        "rests_on": {stage: basis.as_json() for stage, basis in bases.items()},
        "attempts": list(task.attempts),
    }
    write_atomic(task.layout.log(who), log.text())
    write_atomic(task.layout.status(who), json.dumps(status, indent=1, sort_keys=True) + "\n")


def _standing(task: Task, bases: Mapping[str, Basis], log: _Log) -> Standing:
    """What stands of an earlier run; nothing of a damaged file, which the log tells."""
    who, layout = task.plan.participant, task.earlier or task.layout
    status = layout.read_status(who) or {}
    try:
        return what_stands(layout.store(who), bases, since=task.since, sha256=status.get("store_sha256"))
    except StoreError as error:
        log.add("damaged", error=str(error), consequence="every stage runs again")
        return NOTHING


def _failed(task: Task, log: _Log, error: Exception) -> dict[str, Any]:
    """The status of a participant that an exception fails, which the log tells."""
    if lacked_memory(error):
        limit = task.config.run.memory_limit
        reason = f"needs more memory than its limit of {limit} (memory_limit)" if limit else "memory ran out"
        log.add("failed", error=reason, cause=repr(error), stage=log.current)
        return {"status": "failed", "reason": f"{reason}, in stage {log.current}"}
    if isinstance(error, AllostatError):
        log.add("failed", error=str(error), kind=type(error).__name__, stage=log.current)
        return {"status": "failed", "reason": str(error)}
    log.add("failed", error=repr(error), traceback=traceback.format_exc(), stage=log.current)
    return {"status": "failed", "reason": f"internal error in stage {log.current}: {error!r}", "internal": True}


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


class _Log:
    """Lines of log.jsonl, each with the seconds since the start and those of computing."""

    def __init__(self, why: Mapping[str, str]) -> None:
        self._start, self._cpu_start = time.perf_counter(), time.process_time()
        self._why = why
        self._lines: list[str] = []
        self._seconds: dict[str, float] = {}
        self._since = self._start
        self.current = "start"

    def stage(self, name: str) -> None:
        """A stage begins."""
        tell_stage(name)
        self._close_stage()
        self.current = name
        reason = {"why": self._why[name]} if name in self._why else {}
        self.add("stage", stage=name, **reason)

    def end(self) -> None:
        """The last stage has ended."""
        self._close_stage()
        self.current = "end"
        self.add("stage", stage="end")

    def _close_stage(self) -> None:
        now = time.perf_counter()
        if self.current in STAGES:
            self._seconds[self.current] = round(now - self._since, 4)
        self._since = now

    @property
    def seconds(self) -> float:
        """Since the start."""
        return round(time.perf_counter() - self._start, 3)

    def stages(self, bases: Mapping[str, Basis]) -> dict[str, dict[str, Any]]:
        """For each stage that ended its fingerprint, whether it was computed or reused, and its seconds."""
        return {
            stage: {
                "fingerprint": bases[stage].fingerprint,
                "state": "computed" if stage in self._seconds else "reused",
                "seconds": self._seconds.get(stage, 0.0),
            }
            for stage in STAGES
            if stage in self._seconds or self.current == "end"
        }

    def add(self, event: str, **about: Any) -> None:
        """A line."""
        seconds = {"seconds": time.perf_counter() - self._start, "cpu_seconds": time.process_time() - self._cpu_start}
        record = {**{k: round(v, 4) for k, v in seconds.items()}, "event": event, **about}
        self._lines.append(json.dumps(record, default=str))

    def text(self) -> str:
        """All lines."""
        return "".join(line + "\n" for line in self._lines)
