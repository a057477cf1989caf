"""Marks of work on an output folder that a kill interrupted: an erasure, a migration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from allostat.errors import ConfigError, StoreError
from allostat.store.durable import fsync_folder, remove_files
from allostat.study.layout import write_atomic

ERASURE, MIGRATION = ".erasure.json", ".migration.json"
_WHAT = {
    ERASURE: ("an erasure was begun and not completed", "allostat erase"),
    MIGRATION: ("a migration was begun and not completed", "allostat migrate"),
}


def begin(root: Path, mark: str, content: dict[str, Any]) -> None:
    """Say on disk what is going to be done."""
    write_atomic(root / mark, json.dumps(content))


def begun(root: Path, mark: str) -> dict[str, Any] | None:
    """What was going to be done; None when nothing was."""
    try:
        content = json.loads((root / mark).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise StoreError(f"cannot be read ({error})", where=mark) from error
    if not isinstance(content, dict):
        raise StoreError("cannot be read", where=mark)
    return content


def complete(root: Path, mark: str) -> None:
    """Say on disk that it is done."""
    remove_files(root / mark)
    fsync_folder(root)


def unfinished_work(root: Path) -> list[str]:
    """What was begun and not completed, as sentences."""
    return [f"{what}: run `{verb}` again" for mark, (what, verb) in _WHAT.items() if (root / mark).exists()]


def refuse_unfinished(root: Path) -> None:
    """Raise `ConfigError` when work on the folder was interrupted: a run could bring back what was to be erased."""
    for mark, (what, verb) in _WHAT.items():
        if (root / mark).exists():
            raise ConfigError(what, where=root.name, expected=f"{verb} {root.name} once more, before anything else")
