"""A study: opened from a folder or an export, planned, run participant by participant, collated."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from allostat import __version__
from allostat.errors import ConfigError, InputError
from allostat.store.durable import remove_files
from allostat.study.config import FILE_NAME, StudyConfig
from allostat.study.inputs import StudyTables, read_tables
from allostat.study.layout import OutputLayout, check_distinct_folders, locked, write_atomic
from allostat.study.outcome import Outcome, RunResult, State
from allostat.study.plan import ParticipantPlan, Plan, fingerprint, make_plan, with_shared_files_told

if TYPE_CHECKING:
    from distributed import Client

Progress = Callable[[str, Outcome | None], None]
"""Called with a participant as it starts (None) and as it ends."""


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

    def run(
        self,
        output: str | PathLike[str] | None = None,
        *,
        jobs: int | None = None,
        only: Sequence[str] = (),
        force: bool = False,
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
            Process participants again although nothing changed.
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
        from allostat.study.collate import load_libraries, write_cohort_files
        from allostat.study.distributed import check_cluster_settings, run_distributed
        from allostat.study.processes import run_isolated
        from allostat.study.unfinished import refuse_unfinished
        from allostat.study.worker import Task, run_task

        tables = self.tables()
        plan = plan or self.plan(tables)
        check_settings(self.config)
        if client is not None:
            check_cluster_settings(self.config)
        chosen = _chosen(plan, only)
        layout = OutputLayout(Path(output) if output is not None else self.default_output)
        self._check_output(layout.root)
        with locked(layout.root):
            refuse_unfinished(layout.root)
            refuse_to_replace_newer(layout.root / "cohort.h5")
            write_atomic(layout.root / "config.effective.toml", self.config.toml())
            outcomes: dict[str, Outcome] = {}
            tasks = []
            settings = {"toml": self.config.toml(), "content": _hashes(self.config)}
            for item in chosen:
                reason = exclusion(item, tables)
                if reason is not None:
                    outcomes[item.participant] = _excluded(item.participant, reason, layout)
                    progress(item.participant, outcomes[item.participant])
                    continue
                mark = fingerprint(item, settings, tables, __version__)
                earlier = None if force else _unchanged(layout, item.participant, mark)
                if earlier is not None:
                    outcomes[item.participant] = earlier
                    progress(item.participant, earlier)
                    continue
                tasks.append(Task(item, tables.rows_of(item.participant), self.config, layout, mark))
            if tasks:
                engine = (
                    partial(run_isolated, jobs=jobs or usable_cores())
                    if client is None
                    else partial(run_distributed, jobs=jobs, client=client)
                )
                ended = engine(
                    tasks,
                    run_task,
                    time_limit_s=self.config.run.time_limit_s,
                    on_start=lambda task: progress(task.plan.participant, None),
                    meanwhile=load_libraries,
                )
                with closing(ended):
                    for end in ended:
                        who = end.task.plan.participant
                        if end.refused is not None:
                            # The disk, or a newer version's file: what was there before stays there.
                            outcomes[who] = Outcome(who, "failed", end.refused, end.seconds)
                        else:
                            outcomes[who] = _outcome(layout, who, end.task.fingerprint, end.crash, end.seconds)
                        progress(who, outcomes[who])
            ordered = tuple(outcomes[p.participant] for p in plan.participants if p.participant in outcomes)
            result = RunResult(layout, plan, ordered)
            declared = write_cohort_files(self.path, self.config, result, tables)
        return replace(result, notices=declared)

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
    _hashes(config)


def _hashes(config: StudyConfig) -> list[str]:
    """Content of the definitions and references that the settings name."""
    from allostat.allostatic_load import load_definition, load_reference

    hashes = []
    for name in config.allostatic_load.definitions:
        definition = load_definition(name)
        reference = load_reference(config.allostatic_load.reference or definition.default_reference)
        hashes += [definition.sha256, reference.sha256]
    return hashes


def _chosen(plan: Plan, only: Sequence[str]) -> list[ParticipantPlan]:
    names = [p.participant for p in plan.participants]
    for name in only:
        if name not in names:
            raise InputError("no such participant", found=name, valid=names)
    return [p for p in plan.participants if not only or p.participant in only]


def _unchanged(layout: OutputLayout, participant: str, mark: str) -> Outcome | None:
    status = layout.read_status(participant)
    if status is None or status.get("status") != "done" or status.get("fingerprint") != mark:
        return None
    if not layout.store(participant).is_file() or not layout.page(participant).is_file():
        return None
    return Outcome(participant, "unchanged", None, 0.0, status.get("qc", {}))


def _excluded(participant: str, reason: str, layout: OutputLayout) -> Outcome:
    _remove_results(layout, participant)
    return Outcome(participant, "excluded", reason)


def _outcome(layout: OutputLayout, who: str, mark: str, crash: str | None, seconds: float) -> Outcome:
    status = layout.read_status(who)
    if crash is not None or status is None or status.get("fingerprint") != mark:
        _remove_results(layout, who)
        return Outcome(who, "failed", crash or "the process ended without a status", seconds)
    state: State = "done" if status["status"] == "done" else "failed"
    return Outcome(who, state, status.get("reason"), seconds, status.get("qc", {}))


def _remove_results(layout: OutputLayout, participant: str) -> None:
    """Results of an earlier run must not stand beside a failure of this one."""
    remove_files(layout.status(participant), layout.store(participant), layout.page(participant))
