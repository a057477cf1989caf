"""Archives inside an export, one at a time and under limits of their own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from allostat.errors import InputError
from allostat.source import Source

MAX_ARCHIVES = 500
MAX_ARCHIVE_BYTES = 4 << 30
_MAGIC = b"PK\x03\x04"
_BLOCK = 1 << 20


def is_archive(source: Source, member: str) -> bool:
    """Whether a member is itself a zip archive, by its name and its first bytes."""
    return member.casefold().endswith(".zip") and source.head(member, len(_MAGIC)) == _MAGIC


@contextmanager
def opened_archive(source: Source, member: str) -> Iterator[Source]:
    """An archive inside an archive or folder as a source; what is packed again inside it stays packed.

    In a folder it is opened where it lies. Inside an archive it is copied into a temporary folder for as long as it is
    open, because an archive is read from its end, and memory is too small for one.

    Raises
    ------
    InputError
        When it is larger than `MAX_ARCHIVE_BYTES`; its own members have the limits of any source.
    """
    name = PurePosixPath(member).name
    if source.path.is_dir():
        yield Source(source.path / PurePosixPath(member))
        return
    with tempfile.TemporaryDirectory(prefix="allostat_") as folder:
        copy = Path(folder) / name
        count = 0
        with source.open(member) as packed, copy.open("wb") as file:
            while block := packed.read(_BLOCK):
                count += len(block)
                if count > MAX_ARCHIVE_BYTES:
                    raise InputError(
                        "holds an archive that is too large",
                        where=f"{source.name}, {name}",
                        expected=f"at most {MAX_ARCHIVE_BYTES} bytes",
                    )
                file.write(block)
        yield Source(copy)
