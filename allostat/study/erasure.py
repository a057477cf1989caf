"""Erasing one participant from an output folder: files, rows, hashes; checked afterwards, completed after a kill."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from allostat.errors import ConfigError, DiskError, InputError, StoreError
from allostat.store import read_cohort
from allostat.store.content import stored_hashes
from allostat.store.durable import file_sha256, fsync_folder, remove_files
from allostat.study.audit import Entry, append_entry, author, read_audit, refuse_broken, stated_reason
from allostat.study.collate import collate_again
from allostat.study.config import StudyConfig
from allostat.study.layout import OutputLayout, folder_name, locked, write_atomic
from allostat.study.run_record import recorded, restored
from allostat.study.traces import Words, files_below, mentions, searchable, traces, written_forms
from allostat.study.unfinished import ERASURE, MIGRATION, begin, begun, complete, refuse_unfinished

EXPORTS = "export"
"""Where `allostat export` puts files unless told otherwise."""

KIND = "erasure"
ERASED = "(erased)"
"""Stands where a text about somebody else named the participant."""

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Erasure:
    """What was erased, and what was found afterwards.

    Parameters
    ----------
    entry
        The entry of the audit log; it names nobody.
    files
        Files that were removed.
    exports_removed
        Whether a folder of exports lay in the output folder; it is removed whole, and can be made again.
    """

    entry: Entry
    files: int
    exports_removed: bool


@dataclass(frozen=True, slots=True)
class _Work:
    """What an erasure that was begun has to do; kept on disk until it is done."""

    participant: str
    who: str
    why: str
    before: int
    files: int
    sequence: int
    """Number of the entry in the log: a kill after it was written must not give a second one."""
    exports: bool
    file_hashes: list[str]
    """Of the participant's files and inputs: nothing of the kind may be left anywhere."""
    content_hashes: list[str]
    """Of what was in the store file. Other store files may rightly hold the same: an empty stream, a list of names."""


def erase(
    path: str | PathLike[str],
    participant: str,
    *,
    why: str,
    by: str | None = None,
    told: Told = lambda text: None,
) -> Erasure:
    """Remove one participant from an output folder.

    Parameters
    ----------
    path
        Output folder of `allostat run`.
    participant
        The identifier, as in ``participants.tsv``.
    why, by
        For the log; neither may hold the identifier.
    told
        Called with each step.

    Raises
    ------
    InputError
        Nobody of that name in the folder, or no record of the run (``run.json``): run the study once more.
    ConfigError
        No reason or one that names the participant; the last participant; another run or erasure holds the folder.
    StoreError
        After all was done something of the participant was still found; the folder counts as not erased.

    Notes
    -----
    What stays on disk until it is written over, in snapshots and backups is out of reach of any program on top of a
    file system. The inputs of the study are left alone; `inputs_left.inputs_of` tells which they are.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError("no such folder", where=str(path))
    layout = OutputLayout(root)
    with locked(root):
        left = begun(root, ERASURE)
        if left is not None and left["participant"] != participant:
            told("completing an earlier erasure first")
            _carry_out(layout, _Work(**left), told)
            left = None
        if left is not None:
            told("an earlier attempt was interrupted: completing it")
            work = _Work(**left)
        else:
            if begun(root, MIGRATION) is not None:
                refuse_unfinished(root)
            work = _planned(layout, participant, who=author(by), why=why)
            begin(root, ERASURE, asdict(work))
        return _carry_out(layout, work, told)


def _planned(layout: OutputLayout, participant: str, *, who: str, why: str) -> _Work:
    root = layout.root
    record = recorded(root)
    if not record:
        raise InputError("no record of the run", where=root.name, expected="run.json: run the study once more")
    people = [told["id"] for told in record["participants"]]
    if participant not in people:
        raise InputError("no such participant", where=root.name, found=participant, valid=people)
    if len(people) == 1:
        raise ConfigError("this is the last participant", where=root.name, expected="remove the folder itself")
    reason = stated_reason(why, without=[participant])
    if mentions(who, participant):
        raise ConfigError("the log would name the participant as the one who erases", found=who, expected="--by")
    log = read_audit(root)
    refuse_broken(log, root.name)
    folder = layout.folder(participant)
    files = list(files_below(folder)) if folder.is_dir() else []
    status = layout.read_status(participant) or {}
    inputs = [str(one["sha256"]) for one in status.get("inputs", ())]
    return _Work(
        participant, who, reason, len(people), len(files), len(log.entries) + 1, (root / EXPORTS).is_dir(),
        sorted({*(file_sha256(p) for p in files if p.stat().st_size), *inputs}),
        sorted(_contents(layout.store(participant))),
    )  # fmt: skip


def _contents(store: Path) -> set[str]:
    try:
        return stored_hashes(store)
    except StoreError:
        # Not there, or damaged: it goes all the same, and the hash of the file itself is looked for.
        return set()


def _carry_out(layout: OutputLayout, work: _Work, told: Told) -> Erasure:
    """Every step may have been done before."""
    root = layout.root
    log = read_audit(root)
    if len(log.entries) >= work.sequence:
        entry = log.entries[work.sequence - 1]
    else:
        what = {"participants_before": work.before, "participants_after": work.before - 1, "files_removed": work.files}
        entry = append_entry(root, KIND, what, who=work.who, why=work.why)
    told(f"removing {work.files} files")
    _removed(layout.folder(work.participant))
    _removed(root / EXPORTS)
    # What killed writers left may hold rows of the participant; the lock says that nobody is writing.
    remove_files(*(p for p in files_below(root) if p.name.startswith(".") and p.name.endswith(".partial")))
    told("making the cohort files again")
    record = _without(recorded(root), work.participant)
    _redact_others(layout, work.participant, [told["id"] for told in record["participants"]])
    collate_again(StudyConfig.load(root / "config.effective.toml"), restored(layout, record), record)
    told("looking for what is left")
    remains = _remains(layout, work, record)
    if remains:
        places = "; ".join(f"{name} ({what})" for name, what in remains[:5])
        raise StoreError(
            f"the participant is still found in {len({n for n, _ in remains})} places", where=root.name, found=places,
            expected="remove these by hand, then run allostat erase again",
        )  # fmt: skip
    complete(root, ERASURE)
    return Erasure(entry, work.files, work.exports)


def _removed(folder: Path) -> None:
    if not folder.exists():
        return
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise DiskError(f"cannot be removed ({error})", where=folder.name) from error
    fsync_folder(folder.parent)


def _without(record: Mapping[str, Any], participant: str) -> dict[str, Any]:
    """The record of a run without one participant and without every text that names them."""
    people = [told for told in record["participants"] if told["id"] != participant]
    words = _words(participant, (told["id"] for told in people))
    ended = {
        who: [state, words.replaced(reason or "", ERASED)]
        for who, (state, reason) in record["ended"].items()
        if who != participant
    }

    def theirs(text: str) -> bool:
        return participant in re.split(r"[/: ]", text) or bool(words.found_in(text.encode()))

    lists = {name: [t for t in record[name] if not theirs(t)] for name in ("unmatched_raw", "without_raw")}
    tables = {name: [t for t in ids if not theirs(t)] for name, ids in record["unmatched_tables"].items()}
    notices = [n for n in record["notices"] if not words.found_in(f"{n['message']} {n['file']}".encode())]
    return {
        **record, **lists, "participants": people, "ended": ended, "notices": notices,
        "unmatched_tables": {name: ids for name, ids in tables.items() if ids},
    }  # fmt: skip


def _redact_others(layout: OutputLayout, participant: str, others: list[str]) -> None:
    """Take the identifier out of what is told of others: that both hold the same file, for example."""
    words = _words(participant, others)
    for who in others:
        for path in (layout.status(who), layout.log(who)):
            text = path.read_text(encoding="utf-8") if path.is_file() else ""
            if words.found_in(text.encode()):
                write_atomic(path, words.replaced(text, ERASED))


def _words(participant: str, others: Iterable[str], *further: str) -> Words:
    forms = written_forms(participant) if searchable(participant) else set()
    beside = [form for other in others for form in (*written_forms(other), folder_name(other))]
    return Words({*forms, folder_name(participant), *further}, beside)


def _remains(layout: OutputLayout, work: _Work, record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where something of the participant is left; the mark of the erasure itself, which goes last, is no such place."""
    root = layout.root
    others = [told["id"] for told in record["participants"]]
    mark = root / ERASURE
    found = traces(root, _words(work.participant, others, *work.file_hashes), skip=lambda p: p == mark)
    # What is left of store files was made of others: a hash that is the same there is of theirs.
    found += traces(root, Words(work.content_hashes), skip=lambda p: p == mark or p.suffix == ".h5")
    cohort = read_cohort(root / "cohort.h5")
    if work.participant in cohort.biomarkers.persons or any(
        row.participant == work.participant for row in cohort.biomarkers.rows
    ):
        found.append(("cohort.h5", "a row"))
    return found
