"""``checksums.sha256``: the hash of every file of an output folder, in the form that ``sha256sum -c`` reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from allostat.errors import InputError
from allostat.store.durable import file_sha256
from allostat.study.layout import write_atomic

FILE_NAME = "checksums.sha256"
_LINE = re.compile(r"([0-9a-f]{64})  ([^\r\n]+)\n")


def output_files(root: Path) -> Iterator[Path]:
    """Files of an output folder that a run makes: in the folder itself and in those of participants, without hidden
    ones and the list itself."""
    for pattern in ("*", "sub-*/*"):
        for path in sorted(root.glob(pattern)):
            if path.is_file() and not path.name.startswith(".") and path.name != FILE_NAME and "\n" not in path.name:
                yield path


def write_checksums(root: Path, known: Mapping[str, str]) -> None:
    """Write the list.

    Parameters
    ----------
    known
        Hashes that were taken already, by name relative to ``root``. Store files that it does not name are left out:
        no run made them.
    """
    lines = []
    for path in output_files(root):
        name = path.relative_to(root).as_posix()
        if path.suffix != ".h5" or name in known:
            lines.append(f"{known.get(name) or file_sha256(path)}  {name}\n")
    write_atomic(root / FILE_NAME, "".join(lines))


def read_checksums(root: Path) -> dict[str, str]:
    """The hashes of the list by name; empty when there is none.

    Raises
    ------
    InputError
        A line is not one of such a list.
    """
    try:
        text = (root / FILE_NAME).read_bytes().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    at = 0
    while at < len(text):
        line = _LINE.match(text, at)
        if line is None or line[2] in found:
            raise InputError("is damaged", where=f"{FILE_NAME}, line {len(found) + 1}")
        found[line[2]] = line[1]
        at = line.end()
    return found
