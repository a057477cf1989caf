"""Reading HDF5 files that are not trusted in a child process with limits: what crashes the library takes the child
with it and not the study."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import cache
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

from allostat.errors import StoreError

MEMORY_BYTES = 4 * 2**30
CPU_S = 20
"""CPU time for one file without what its bytes take to read."""
BYTES_PER_CPU_S = 20 * 2**20
"""Deflated samples unpack several times faster."""
WAIT_FACTOR = 10

Task = Literal["values", "verify"]

_COMMAND = (sys.executable, "-P", "-c", "from allostat.store.guard import serve; serve()")


class Guard:
    """A child process that reads files; it is started when first asked, and anew after a crash.

    Use as a context, or `close` it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child; harmless when there is none."""
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                _closed(pipe)
            process.wait()

    def problems(self, path: str | PathLike[str], task: Task = "verify") -> list[str]:
        """What is wrong with a file.

        Parameters
        ----------
        task
            ``values``: something in it is refused or cannot be read; ``verify``: also every hash of a store file.
        """
        place = Path(path)
        limit = CPU_S + (place.stat().st_size if place.is_file() else 0) / BYTES_PER_CPU_S
        with self._lock:
            process = self._started()
            assert process.stdin is not None and process.stdout is not None
            timer = threading.Timer(WAIT_FACTOR * limit, process.kill)
            timer.start()
            try:
                process.stdin.write(json.dumps([str(place.resolve()), task, limit]) + "\n")
                process.stdin.flush()
                answer = process.stdout.readline()
            except BrokenPipeError:
                answer = ""
            finally:
                timer.cancel()
            if not answer.endswith("\n"):
                self.close()
                ended = f"child ended with {process.returncode}"
                what = "refused: reading it crashes or needs too much"
                return [str(StoreError(what, where=place.name, found=ended))]
        return [str(text) for text in json.loads(answer)]

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                _COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
        return self._process


def _closed(pipe: IO[str] | None) -> None:
    if pipe is not None:
        try:
            pipe.close()
        except BrokenPipeError:
            # What was not read by a child that crashed.
            return


def probe(path: str | PathLike[str]) -> None:
    """Look at a file that is not trusted in a child process with limits on memory and CPU time.

    `open_hdf5` runs in the child and every value is read once. The child stays for the next file.

    Raises
    ------
    StoreError
        With the child's own reason, or saying that reading it crashed or took too long.
    """
    for problem in own_guard().problems(path, "values"):
        raise StoreError(problem)


def own_guard() -> Guard:
    """The guard of this process; its child lives as long as the process does."""
    return _guard_of(os.getpid())


@cache
def _guard_of(process: int) -> Guard:
    """The child of this process; a forked process has a child of its own."""
    guard = Guard()
    atexit.register(guard.close)
    return guard


def serve() -> None:
    """The child: read a request a line, answer with what is wrong."""
    from allostat.store.content import verify
    from allostat.store.safety import read_every_value

    _limit_memory()
    for line in sys.stdin:
        path, task, cpu_s = json.loads(line)
        _limit_cpu(cpu_s)
        print(json.dumps(_answer(verify if task == "verify" else read_every_value, path)), flush=True)  # noqa: T201


def _answer(task: Callable[[str], list[str] | None], path: str) -> list[str]:
    try:
        return task(path) or []
    except StoreError as error:
        return [str(error)]


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_cpu(seconds: float) -> None:
    """Let the child live for so much more CPU time: the limit itself counts from its start."""
    if sys.platform != "win32":
        import resource
        import time

        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, hard))
