"""Replacing a file so that at every instant, also through a kill or a power cut, the old or the new one is there."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from allostat.errors import DiskError

_BLOCK = 1 << 20


def replace_file(path: Path, write: Callable[[Path], None], verify: Callable[[Path], None]) -> str:
    """Write a temporary file in the same folder, fsync, verify, move it over ``path``, fsync the folder.

    Parameters
    ----------
    write
        Makes the temporary file.
    verify
        Reads it back and raises when it is not what was meant.

    Returns
    -------
    str
        sha256 of the file, in hexadecimal.

    Raises
    ------
    DiskError
        The disk refuses; the temporary file is gone then and an older ``path`` is as it was, as with every other
        exception.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        remove_leftovers(path)
        write(temporary)
        fsync_file(temporary)
        verify(temporary)
        digest = file_sha256(temporary)
        os.replace(temporary, path)
        fsync_folder(path.parent)
    except OSError as error:
        _discard(temporary)
        raise DiskError(f"cannot be written ({error})", where=path.name) from error
    except BaseException:
        _discard(temporary)
        raise
    return digest


def _discard(temporary: Path) -> None:
    # A disk that is read-only, or became so after an error, refuses this as well: the first error is the one to tell,
    # and the next writer removes what lies there.
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make a folder and those above it; harmless when it is there.

    Raises
    ------
    DiskError
        It cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError(f"folder cannot be made ({error})", where=path.name) from error


def remove_files(*paths: Path) -> None:
    """Remove files that may be there.

    Raises
    ------
    DiskError
        One is there and cannot be removed.
    """
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(f"cannot be removed ({error})", where=path.name) from error


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that a killed writer of ``path`` left; two writers of one file do not exist."""
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        leftover.unlink(missing_ok=True)


def fsync_file(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_folder(folder: Path) -> None:
    """Wait until a folder's entries are on the disk; folders of Windows have no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
