"""How much memory one participant may take: written as text, enforced by the operating system."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from allostat.errors import ConfigError

_UNITS = {"kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kKmMgG]i?[bB])\s*")
LEAST_BYTES = 16_000_000
"""Less than this holds no recording."""


def parse_memory(text: str, where: str = "memory_limit") -> int:
    """Bytes of a size such as ``400MB`` or ``1.5 GiB``.

    Raises
    ------
    ConfigError
        No such size, or one in which no participant fits.
    """
    found = _SIZE.fullmatch(text)
    size = float(found[1]) * _UNITS[found[2].lower()] if found else 0.0
    if size < LEAST_BYTES:
        raise ConfigError(
            "is no amount of memory", where=where, found=text, expected="16MB or more, such as 400MB or 1.5GiB"
        )
    return int(size)


def check_enforceable() -> None:
    """Refuse a memory limit where the system has no way to enforce it.

    Raises
    ------
    ConfigError
        Only Linux counts a process's own memory (``RLIMIT_DATA`` with anonymous mappings).
    """
    if sys.platform != "linux":
        raise ConfigError("a memory limit is enforced on Linux only", where="memory_limit", found=sys.platform)


class MemoryBudget:
    """What the tasks of this process may take beyond what is loaded now.

    ``RLIMIT_DATA`` counts private writable memory, so that mapped files and shared libraries are free; beyond it the
    system refuses memory and Python raises `MemoryError`, at once and where it was asked for. The limit of the address
    space counts mapped files and reservations, too, and watching the resident size notices only afterwards.

    Parameters
    ----------
    limit_bytes
        None: no limit, and nothing is measured.
    """

    def __init__(self, limit_bytes: int | None) -> None:
        self._limit = limit_bytes
        self._loaded = 0
        if limit_bytes is not None:
            import resource

            self._loaded = _own_bytes()
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            wanted = self._loaded + limit_bytes
            resource.setrlimit(
                resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
            )

    @property
    def spent(self) -> bool:
        """Whether so much stays taken between tasks that the next one would lack it."""
        return self._limit is not None and _own_bytes() - self._loaded > self._limit // 4


def _own_bytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise ConfigError("this system does not tell how much memory a process has", where="memory_limit")


def lacked_memory(error: BaseException) -> bool:
    """Whether an exception, or one that led to it, says that there was no memory."""
    return any(isinstance(e, MemoryError) or getattr(e, "errno", None) == errno.ENOMEM for e in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
