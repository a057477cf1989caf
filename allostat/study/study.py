"""A study: opened from a folder or an export, planned, run participant by participant, collated."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allostat.errors import ConfigError, InputError
from allostat.study.config import FILE_NAME, StudyConfig
from allostat.study.decision import NEVER, stages_to_run
from allostat.study.ending import excluded, how_it_ended, unchanged
from allostat.study.fingerprints import STAGES, bases_of, stage_named
from allostat.study.inputs import StudyTables, read_tables
from allostat.study.layout import OutputLayout, check_distinct_folders, locked, write_atomic
from allostat.study.live_qc import LiveQc
from allostat.study.memory_limit import check_enforceable
from allostat.study.outcome import Outcome, RunResult
from allostat.study.plan import ParticipantPlan, Plan, make_plan, with_shared_files_told

if TYPE_CHECKING:
    from distributed import Client

    from allostat.study.task import Task

Progress = Callable[[str, Outcome | None], None]
"""Called with a participant as it starts (None) and as it ends."""


@dataclass(frozen=True)
class Verdict:
    """What a run would do with one participant.

    Parameters
    ----------
    stages
        The stages that would run, each with the reason; none when everything stands.
    excluded
        Why the participant cannot be processed at all; None when they can.
    problems
        Why processing would fail, as far as that is known beforehand.
    """

    participant: str
    stages: Mapping[str, str] = field(default_factory=dict)
    excluded: str | None = None
    problems: tuple[str, ...] = ()


class Study:
    """A study on disk.

    Parameters
    ----------
    path
        A study folder (with ``study.toml``, or laid out like one), a folder of exports, or one export.
    config
        Settings; those of ``study.toml`` when not given.
    """

    def __init__(self, path: str | PathLike[str], config: StudyConfig | None = None) -> None:
        place = Path(path)
        if not place.exists():
            siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() else []
            raise InputError("no such file or folder", where=str(path), found=place.name, valid=siblings)
        self.path = place
        self.config = config if config is not None else self._own_settings()

    def _own_settings(self) -> StudyConfig:
        return StudyConfig.load(self.path / FILE_NAME) if self.has_settings else StudyConfig()

    @property
    def has_settings(self) -> bool:
        """Whether the folder has a study.toml."""
        return self.path.is_dir() and (self.path / FILE_NAME).is_file()

    @property
    def raw(self) -> Path | None:
        """Where the exports lie: the ``raw`` folder of a study, or the folder or file itself."""
        if self.path.is_file():
            return self.path
        raw = self.path / self.config.input.raw
        if raw.is_dir():
            return raw
        if self.has_settings or any((self.path / name).is_file() for name in self._table_names):
            return None
        return self.path

    @property
    def _table_names(self) -> tuple[str, ...]:
        names = self.config.input
        return (names.participants, names.labs, names.blood_pressure, names.diary)

    @property
    def default_output(self) -> Path:
        """The folder beside the study that results go to."""
        stem = self.path.resolve().name if self.path.is_dir() else self.path.name.split(".")[0]
        return self.path.resolve().parent / f"{stem}-out"

    def tables(self) -> StudyTables:
        """The study's tables, read and checked."""
        folder = self.path if self.path.is_dir() else None
        return read_tables(folder, self.config.input)

    def plan(self, tables: StudyTables | None = None) -> Plan:
        """What a run would do: every export with its participant, and what matches nobody.

        Raises
        ------
        AllostatError
            When a table is broken.
        """
        tables = tables or self.tables()
        plan = make_plan(self.raw, tables, timezone=self.config.study.timezone, known=tables.has_participants)
        if self.raw is None:
            plan = replace(plan, assumptions=(*plan.assumptions, self._without_raw()))
        check_distinct_folders(p.participant for p in plan.participants)
        if not plan.participants:
            raise InputError(
                "nothing to run: no participants.tsv and no export that an adapter recognises",
                where=self.path.name,
                found="; ".join(plan.unmatched_raw[:3]) or "an empty folder",
            )
        return with_shared_files_told(plan)

    def _without_raw(self) -> str:
        """What a study without a folder of exports is taken for, with the folder that may have been meant."""
        folders = sorted(p.name for p in self.path.iterdir() if p.is_dir())
        there = f" (folders there: {', '.join(folders[:5])})" if folders else ""
        return f"{self.path.resolve().name} has no folder {self.config.input.raw!r}{there}: tables only, no recordings"

    def verdicts(
        self,
        output: str | PathLike[str] | None = None,
        *,
        only: Sequence[str] = (),
        force: bool = False,
        from_stage: str | None = None,
        plan: Plan | None = None,
    ) -> list[Verdict]:
        """What `run` with the same arguments would do, participant by participant; nothing is written.

        Raises
        ------
        AllostatError
            When inputs or settings are invalid.
        """
        tables = self.tables()
        plan = plan or self.plan(tables)
        check_settings(self.config)
        layout = OutputLayout(Path(output) if output is not None else self.default_output)
        self._check_output(layout.root)
        return self._considered(plan, tables, layout, only, _since(force, from_stage))

    def _considered(
        self, plan: Plan, tables: StudyTables, layout: OutputLayout, only: Sequence[str], since: str | None
    ) -> list[Verdict]:
        """The verdict on each chosen participant."""
        definitions = _definitions(self.config)

        def consider(item: ParticipantPlan) -> Verdict:
            who = item.participant
            reason = exclusion(item, tables)
            if reason is not None:
                return Verdict(who, excluded=reason)
            status = layout.read_status(who)
            if status is None:  # the worker will look at the files
                return Verdict(who, dict.fromkeys(STAGES, NEVER), problems=item.problems)
            bases = bases_of(item, tables.rows_of(who), self.config, definitions)
            return Verdict(who, stages_to_run(layout, who, status, bases, since=since), problems=item.problems)

        # Threads: hashing the files of those who ran before takes nearly all the time, and lets other threads run.
        with ThreadPoolExecutor(usable_cores()) as pool:
            return list(pool.map(consider, _chosen(plan, only)))

    def run(
        self,
        output: str | PathLike[str] | None = None,
        *,
        jobs: int | None = None,
        only: Sequence[str] = (),
        force: bool = False,
        from_stage: str | None = None,
        plan: Plan | None = None,
        progress: Progress = lambda participant, outcome: None,
        client: Client | None = None,
    ) -> RunResult:
        """Run the study and collate its results.

        Parameters
        ----------
        output
            Folder for the results; beside the study when not given.
        jobs
            Participants at a time; when not given the number of usable cores, or of the cluster's worker processes.
        only
            Identifiers to process; the cohort is still made of everybody who has results.
        force
            Run every stage again although nothing changed.
        from_stage
            Run this stage and all after it again (`fingerprints.STAGES`); what comes before runs only when it changed.
        plan
            What `plan` gave, when it was asked for before.
        progress
            Told of each participant's start and end.
        client
            A client of a Dask cluster whose workers share the study and the output folder under the same paths; this
            computer's own processes when not given.

        Raises
        ------
        AllostatError
            When inputs or settings are invalid; nothing was run then.
        """
        from allostat.store.safety import refuse_to_replace_newer
        from allostat.study import processes
        from allostat.study.distributed import check_cluster_settings
        from allostat.study.task import Task, collated
        from allostat.study.unfinished import refuse_unfinished

        tables = self.tables()
        plan = plan or self.plan(tables)
        since = _since(force, from_stage)
        check_settings(self.config)
        if client is not None:
            check_cluster_settings(self.config)
        _chosen(plan, only)
        layout = OutputLayout(Path(output) if output is not None else self.default_output)
        self._check_output(layout.root)
        with locked(layout.root):
            refuse_unfinished(layout.root)
            refuse_to_replace_newer(layout.root / "cohort.h5")
            write_atomic(layout.root / "config.effective.toml", self.config.toml())
            items = {item.participant: item for item in plan.participants}
            live = LiveQc(layout, items)
            outcomes: dict[str, Outcome] = {}
            tasks = []
            definitions, number = _definitions(self.config), uuid.uuid4().hex
            for verdict in self._considered(plan, tables, layout, only, since):
                who = verdict.participant
                if verdict.excluded is None and verdict.stages:
                    rows, why = tables.rows_of(who), verdict.stages
                    tasks.append(Task(items[who], rows, self.config, layout, definitions, number, since, why))
                    continue
                outcomes[who] = (
                    unchanged(layout, who) if verdict.excluded is None else excluded(layout, who, verdict.excluded)
                )
                live.stands(outcomes[who])
                progress(who, outcomes[who])
            for outcome in self._run_tasks(tasks, jobs, client, progress):
                outcomes[outcome.participant] = outcome
                live.ended(outcome)
                progress(outcome.participant, outcome)
            ordered = tuple(outcomes[p.participant] for p in plan.participants if p.participant in outcomes)
            result = RunResult(layout, plan, ordered)
            about = (self.path, self.config, result, tables)
            here = client is not None or not tasks
            declared = collated(*about) if here else processes.call_warm(collated, *about)
        return replace(result, notices=declared)

    def _run_tasks(
        self, tasks: Sequence[Task], jobs: int | None, client: Client | None, progress: Progress
    ) -> Iterator[Outcome]:
        """Run the tasks on this computer or on a cluster; yields how each ended."""
        from allostat.study.distributed import run_distributed
        from allostat.study.processes import run_isolated
        from allostat.study.task import process, tried_again

        if not tasks:
            return
        settings = self.config.run
        engine: Callable[..., Any] = (
            partial(run_isolated, jobs=jobs or usable_cores(), retried=tried_again,
                    memory_limit=settings.memory_limit_bytes)
            if client is None
            else partial(run_distributed, jobs=jobs, client=client)
        )  # fmt: skip
        ended = engine(
            tasks,
            process,
            time_limit_s=settings.time_limit_s,
            retries=settings.retries,
            on_start=lambda task: progress(task.plan.participant, None),
        )
        with closing(ended):
            for end in ended:
                yield how_it_ended(end)

    def _check_output(self, root: Path) -> None:
        raw = self.raw
        inside = raw is not None and raw.is_dir() and root.resolve().is_relative_to(raw.resolve())
        if inside:
            raise ConfigError("the output folder lies inside the exports", found=root.name, expected="a folder outside")
        foreign = root.is_dir() and any(root.iterdir()) and not (root / "config.effective.toml").exists()
        if root.is_file() or foreign:
            raise ConfigError("the output folder holds other things", where=root.name, expected="a new or empty folder")


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def exclusion(item: ParticipantPlan, tables: StudyTables) -> str | None:
    """Why a participant cannot be processed at all; None when they can."""
    if item.exports or tables.has_rows(item.participant):
        return None
    if item.unread:
        return "no file is readable: " + "; ".join(f"{u.name}: {u.reason}" for u in item.unread[:3])
    return "no recordings and no laboratory rows"


def check_settings(config: StudyConfig) -> None:
    """Load what the settings name, so that a wrong name stops the run before anything is written.

    Raises
    ------
    AllostatError
        An unknown preset, time zone, definition or reference; the nearest valid one is named.
    """
    from allostat.hrv import measure_set
    from allostat.hrv_presets import preset_of
    from allostat.zones import zone_info

    preset_of(config.hrv.preset)
    measure_set(config.hrv.measures)
    if config.study.timezone is not None:
        zone_info(config.study.timezone, where="setting timezone")
    if config.run.memory_limit is not None:
        check_enforceable()
    _definitions(config)


def _definitions(config: StudyConfig) -> dict[str, str]:
    """Content hashes of the definitions and references that the settings name."""
    from allostat.allostatic_load import load_definition, load_reference

    found = {}
    for name in config.allostatic_load.definitions:
        definition = load_definition(name)
        reference = config.allostatic_load.reference or definition.default_reference
        found[f"definition {name}"] = definition.sha256
        found[f"reference {reference}"] = load_reference(reference).sha256
    return found


def _since(force: bool, from_stage: str | None) -> str | None:
    """The stage from which on everything runs again."""
    if force:
        return STAGES[0]
    return None if from_stage is None else stage_named(from_stage)


def _chosen(plan: Plan, only: Iterable[str]) -> list[ParticipantPlan]:
    wanted = set(only)
    names = [p.participant for p in plan.participants]
    for name in only:
        if name not in names:
            raise InputError("no such participant", found=name, valid=names)
    return [p for p in plan.participants if not wanted or p.participant in wanted]
