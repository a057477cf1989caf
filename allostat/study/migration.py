"""An output folder of an older allostat, brought to this schema version: store files, and the hashes stated of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from allostat.errors import InputError, StoreError
from allostat.store import SCHEMA_VERSION
from allostat.store.durable import file_sha256
from allostat.store.migration import migrate_file, schema_of, whole_tree
from allostat.store.schema_steps import brought_up
from allostat.study.audit import append_entry, author, read_audit, refuse_broken
from allostat.study.crate import FILE_NAME as CRATE
from allostat.study.crate import restated, stated_hashes
from allostat.study.layout import locked, write_atomic
from allostat.study.unfinished import ERASURE, MIGRATION, begin, begun, complete, refuse_unfinished

Told = Callable[[str], None]
WHY = "files of an older schema version"


@dataclass(frozen=True, slots=True)
class Migration:
    """What was, or would be, written anew: schema version by file relative to the folder; how many were looked at."""

    older: dict[str, int]
    files: int


def store_files(root: Path) -> list[Path]:
    """Store files of an output folder: the cohort's and those of participants."""
    return [p for p in (root / "cohort.h5", *sorted(root.glob("sub-*/sub-*.h5"))) if p.is_file()]


def plan_migration(path: str | PathLike[str], *, try_steps: bool = True) -> Migration:
    """What `migrate` would do. Nothing is written.

    Parameters
    ----------
    try_steps
        Also read the files in full and take the steps in memory, so that what would be refused is refused now.

    Raises
    ------
    InputError
        No such folder, or no store files in it.
    StoreError
        A file is damaged, or newer than this version (`NewerSchemaError`); it is named.
    """
    root = Path(path)
    files = store_files(root) if root.is_dir() else []
    if not files:
        raise InputError("no store files", where=str(path), expected="an output folder of allostat run")
    older = {}
    for file in files:
        version = schema_of(file)
        if version < SCHEMA_VERSION:
            older[file.relative_to(root).as_posix()] = version
            if try_steps:
                brought_up(whole_tree(file), file.name)
    return Migration(older, len(files))


def migrate(path: str | PathLike[str], *, by: str | None = None, told: Told = lambda text: None) -> Migration:
    """Write the older store files of an output folder anew, each whole or not at all, and state their new hashes.

    Raises
    ------
    InputError, StoreError
        As `plan_migration`; nothing was written then. Also when a file is not what the run stated of it: what is wrong
        must not become what is stated.
    ConfigError
        A run, an erasure or another migration holds the folder or was interrupted.

    Notes
    -----
    Killed at any moment, the files are the old or the new ones, each readable; the same command completes it.
    """
    root = Path(path)
    planned = plan_migration(root)
    with locked(root):
        if begun(root, ERASURE) is not None:
            refuse_unfinished(root)
        left = begun(root, MIGRATION)
        if not planned.older and left is None:
            return planned
        refuse_broken(read_audit(root), root.name)
        work: dict[str, Any] = left or {
            "older": planned.older,
            "who": author(by),
            "stated": _stated(root, planned.older),
        }
        if left is None:
            _refuse_changed(root, work["stated"])
            begin(root, MIGRATION, work)
        for name in work["older"]:
            told(name)
            migrate_file(root / name)
        _state_anew(root, work)
        complete(root, MIGRATION)
    return Migration(work["older"], planned.files)


def _stated(root: Path, older: dict[str, int]) -> dict[str, str]:
    stated = stated_hashes(root)
    return {name: stated[name] for name in older if name in stated}


def _refuse_changed(root: Path, stated: dict[str, str]) -> None:
    for name, sha256 in stated.items():
        if file_sha256(root / name) != sha256:
            raise StoreError("changed since the run: it is not migrated", where=name, expected="allostat verify, first")


def _state_anew(root: Path, work: dict[str, Any]) -> None:
    """Say the new hashes where a run says them, and what was done in the log; each once, whenever a kill came."""
    for name in work["older"]:
        status = root / Path(name).parent / "status.json"
        if name != "cohort.h5" and status.is_file():
            said = json.loads(status.read_text(encoding="utf-8"))
            said["store_sha256"] = file_sha256(root / name)
            write_atomic(status, json.dumps(said, indent=1, sort_keys=True) + "\n")
    versions = sorted({*work["older"].values()})
    what = {
        "files": len(work["older"]),
        "from": versions,
        "to": SCHEMA_VERSION,
        "before": work["stated"].get("cohort.h5"),
    }
    entered = [dict(e.what) for e in read_audit(root).entries if e.kind == "migration"]
    if entered[-1:] != [what]:
        append_entry(root, "migration", what, who=work["who"], why=WHY)
    if (root / CRATE).is_file():
        restated(root)
