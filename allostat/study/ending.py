"""How participants ended, as the run sees it, and what is left of one whose process could not say so itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from allostat import __version__
from allostat.errors import DiskError
from allostat.store.durable import remove_files
from allostat.study.fingerprints import STAGES
from allostat.study.layout import OutputLayout, write_atomic
from allostat.study.outcome import Outcome, State

if TYPE_CHECKING:
    from allostat.study.processes import Ended
    from allostat.study.task import Task


def unchanged(layout: OutputLayout, participant: str) -> Outcome:
    """The outcome of a participant of whom everything stands."""
    status = layout.read_status(participant) or {}
    return Outcome(participant, "unchanged", None, 0.0, status.get("qc", {}))


def excluded(layout: OutputLayout, participant: str, reason: str) -> Outcome:
    """The outcome of a participant who cannot be processed; results of an earlier run are removed."""
    _remove_results(layout, participant)
    return Outcome(participant, "excluded", reason)


def how_it_ended(end: Ended[Task]) -> Outcome:
    """The outcome of a task that has ended.

    When its process crashed or hung, what an earlier run left is removed, and status and log say what happened.
    """
    task = end.task
    who, layout, attempts = task.plan.participant, task.layout, task.attempts
    if end.refused is not None:
        # The disk, or a newer version's file: what was there before stays there.
        return Outcome(who, "failed", end.refused, end.seconds, attempts=attempts)
    status = layout.read_status(who)
    if end.crash is not None or status is None or status.get("run") != task.run:
        reason = end.crash or "the process ended without a status"
        if attempts:
            reason += f"; tried {len(attempts) + 1} times"
        return Outcome(who, "failed", _told(task, reason, end), end.seconds, attempts=attempts)
    computed = tuple(s for s in STAGES if status["stages"].get(s, {}).get("state") == "computed")
    state: State = "done" if status["status"] == "done" else "failed"
    return Outcome(who, state, status.get("reason"), end.seconds, status.get("qc", {}), computed, attempts)


def _told(task: Task, reason: str, end: Ended[Task]) -> str:
    """Leave status and log of a participant whose process could not; the reason, with what the disk has to say."""
    who, layout = task.plan.participant, task.layout
    ended = [*task.attempts, *([end.crash] if end.crash is not None else [])]
    events: list[dict[str, Any]] = [
        {"event": "attempt", "number": number, "ended": crash} for number, crash in enumerate(ended, start=1)
    ]
    events.append({"event": "failed", "error": reason})
    status = {
        "participant": who,
        "status": "failed",
        "reason": reason,
        "run": task.run,
        "version": __version__,
        "seconds": round(end.seconds, 3),
        "attempts": ended,
    }
    try:
        _remove_results(layout, who)
        write_atomic(layout.log(who), "".join(json.dumps(event) + "\n" for event in events))
        write_atomic(layout.status(who), json.dumps(status, indent=1, sort_keys=True) + "\n")
    except DiskError as error:
        return f"{reason}; {error}"
    return reason


def _remove_results(layout: OutputLayout, participant: str) -> None:
    """Results of an earlier run must not stand beside a failure of this one."""
    remove_files(layout.status(participant), layout.store(participant), layout.page(participant))
