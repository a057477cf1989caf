"""Binary members: how many bytes they hold before they are read, and reads that fill a buffer."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import IO

from allostat.errors import InputError
from allostat.source import Source

_BLOCK = 1 << 20
LARGEST_RESULT = 4 << 30
"""Bytes of samples above which a file is refused instead of filling the memory."""


def byte_count(source: Source, member: str) -> int:
    """Bytes of a member once it is unpacked; gzip tells no reliable size, so there they are counted."""
    if source.is_zip:
        return source.size(member)
    path = source.path / PurePosixPath(member) if source.path.is_dir() else source.path
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if packed:
        count = 0
        with source.open(member) as stream:
            while block := stream.read(_BLOCK):
                count += len(block)
        return count
    return path.stat().st_size


def fill(stream: IO[bytes], view: memoryview) -> int:
    """Read into ``view`` until it is full or the stream ends; the number of bytes read."""
    done = 0
    while done < len(view):
        count = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not count:
            break
        done += count
    return done


def refuse_too_large(result_bytes: int, where: str) -> None:
    """InputError when the samples of a file would take more than `LARGEST_RESULT`."""
    if result_bytes > LARGEST_RESULT:
        raise InputError(
            "refused: holds more samples than fit into memory",
            where=where,
            found=f"{result_bytes} bytes",
            expected=f"at most {LARGEST_RESULT >> 30} GiB",
        )
