"""What a run asks of one worker process. The work itself is in `worker`, which loads every library there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from allostat.study.config import StudyConfig
from allostat.study.inputs import ParticipantRows
from allostat.study.layout import OutputLayout
from allostat.study.plan import ParticipantPlan

if TYPE_CHECKING:
    from pathlib import Path

    from allostat.recording import Notice
    from allostat.study.inputs import StudyTables
    from allostat.study.outcome import RunResult


@dataclass(frozen=True)
class Task:
    """One participant's work.

    Parameters
    ----------
    definitions
        Content hashes of the definitions and references that the settings name.
    run
        Of which run the task is: its status says so, and no status of an earlier run is taken for it.
    since
        A stage that has to run again, with all after it, whatever its fingerprint.
    why
        For each stage that runs, as far as it is known beforehand, the reason: for the log.
    attempts
        How earlier attempts of this run ended.
    earlier
        Where results of earlier runs lie, when that is not ``layout``.
    """

    plan: ParticipantPlan
    rows: ParticipantRows
    config: StudyConfig
    layout: OutputLayout
    definitions: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    since: str | None = None
    why: Mapping[str, str] = field(default_factory=dict)
    attempts: tuple[str, ...] = ()
    earlier: OutputLayout | None = None


def tried_again(task: Task, crash: str) -> Task:
    """The task of the attempt after one that ended so."""
    return replace(task, attempts=(*task.attempts, crash))


def process(task: Task) -> None:
    """`worker.run_task`, loaded where it is called."""
    from allostat.study import worker

    worker.run_task(task)


def collated(place: Path, config: StudyConfig, result: RunResult, tables: StudyTables) -> tuple[Notice, ...]:
    """`collate.write_cohort_files`, loaded where it is called."""
    from allostat.study import collate

    return collate.write_cohort_files(place, config, result, tables)
