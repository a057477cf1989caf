"""A lock file held by one process: released by the system itself when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from allostat.errors import StoreError

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> bool:
        # Far beyond the text, so that others can read who holds it.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class FileLock:
    """An exclusive lock on a file beside what it protects.

    Parameters
    ----------
    path
        The lock file; it stays when the lock is released (removing it would let two processes hold two files).
    """

    def __init__(self, path: Path) -> None:
        self._path, self._descriptor = path, -1

    def acquire(self) -> bool:
        """Take the lock; False when another process (or another lock object) holds it.

        Raises
        ------
        StoreError
            The lock file cannot be made or written.
        """
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            if not _try_lock(descriptor):
                os.close(descriptor)
                return False
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, str(os.getpid()).encode())
        except OSError as error:
            raise StoreError(f"lock file cannot be written ({error})", where=self._path.name) from error
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    @property
    def holder(self) -> str:
        """Who holds the lock, as far as the file tells."""
        try:
            number = self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            number = ""
        return f"process {number or 'unknown'}"

    def held_elsewhere(self) -> bool:
        """Whether somebody else holds the lock now."""
        if self._descriptor >= 0 or not self._path.exists():
            return False
        descriptor = os.open(self._path, os.O_RDWR)
        try:
            return not _try_lock(descriptor)
        finally:
            os.close(descriptor)
