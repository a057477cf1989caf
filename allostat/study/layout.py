"""Where things lie in an output folder, and the lock that keeps two runs apart."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allostat.errors import ConfigError, InputError, StoreError
from allostat.store.durable import make_folder, replace_file
from allostat.store.locks import FileLock

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")


def folder_name(participant: str) -> str:
    """Folder of a participant: ``sub-`` and the identifier, bytes that are unsafe in file names as ``_xx`` in hex."""
    if _SAFE.match(participant):
        safe = participant
    else:
        safe = "".join(
            c if c.isascii() and (c.isalnum() or c == "-") else "".join(f"_{b:02x}" for b in c.encode())
            for c in participant
        )
    return safe if safe.startswith("sub-") else f"sub-{safe}"


@dataclass(frozen=True, slots=True)
class OutputLayout:
    """Paths inside an output folder."""

    root: Path

    def folder(self, participant: str) -> Path:
        """Folder of a participant."""
        return self.root / folder_name(participant)

    def store(self, participant: str) -> Path:
        """The participant's HDF5 file."""
        return self.folder(participant) / f"{folder_name(participant)}.h5"

    def page(self, participant: str) -> Path:
        """The participant's page."""
        return self.folder(participant) / "report.html"

    def status(self, participant: str) -> Path:
        """How the participant's last run ended."""
        return self.folder(participant) / "status.json"

    def log(self, participant: str) -> Path:
        """What happened, one JSON object a line."""
        return self.folder(participant) / "log.jsonl"

    def read_status(self, participant: str) -> dict[str, Any] | None:
        """The status of an earlier run; None when there is none, or it is unreadable and the run has to be redone."""
        try:
            found = json.loads(self.status(participant).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return found if isinstance(found, dict) else None


def check_distinct_folders(participants: Iterable[str]) -> None:
    """Refuse identifiers that would share a folder, also on file systems that ignore case."""
    seen: dict[str, str] = {}
    for participant in participants:
        folder = folder_name(participant).casefold()
        if folder in seen:
            raise InputError(
                "two participant identifiers would share one output folder",
                found=f"{seen[folder]!r} and {participant!r}",
                expected="identifiers that differ in more than case",
            )
        seen[folder] = participant


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, and see that it is what was meant.

    Raises
    ------
    DiskError
        When it cannot be written; an older file is as it was.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content

    def verify(written: Path) -> None:
        if written.read_bytes() != data:
            raise StoreError("a file was written and does not read back", where=path.name)

    make_folder(path.parent)
    replace_file(path, lambda temporary: _write(temporary, data), verify)


def _write(path: Path, data: bytes) -> None:
    path.write_bytes(data)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the output folder for one run; a second run is refused with the holder's process number.

    The lock is the operating system's and ends with the process, however that ends.
    """
    make_folder(root)
    lock = FileLock(root / ".lock")
    if not lock.acquire():
        raise ConfigError(
            "another run is writing to this output folder",
            where=root.name,
            found=lock.holder,
            expected="one run at a time: wait for it to end, or choose another folder with -o",
        )
    try:
        yield
    finally:
        lock.release()
