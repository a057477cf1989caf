"""Local engine: one process per participant, so that a crash, a hang or a kill loses one participant and no more."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Generic, TypeVar

T = TypeVar("T")

WARM_MODULE = "allostat.study.warm"


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """How the process of one task ended. ``crash`` is a sentence when it did not end by itself."""

    task: T
    seconds: float
    crash: str | None = None


def warm_context() -> BaseContext:
    """How processes are started: forked from a server that has loaded and warmed the kernels, where that exists."""
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([WARM_MODULE])
    return context


def start_server_early() -> None:
    """Let the fork server load and warm while the caller still does other things."""
    if sys.platform != "win32":
        from multiprocessing import forkserver

        warm_context()
        with _safe_path():
            forkserver.ensure_running()


@contextmanager
def _safe_path() -> Iterator[None]:
    """Start Python without the current folder among the places of modules: a study's folder may hold a numpy.py."""
    before = os.environ.get("PYTHONSAFEPATH")
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONSAFEPATH"]
        else:
            os.environ["PYTHONSAFEPATH"] = before


def _started(process: BaseProcess) -> None:
    """Start a process; the failure of the server that forks it is no end of input, as its broken pipe has it."""
    try:
        process.start()
    except EOFError as error:
        raise RuntimeError("the process that starts workers has ended; what it said is above") from error


def run_isolated(
    tasks: Sequence[T],
    work: Callable[[T], None],
    *,
    jobs: int,
    time_limit_s: float,
    on_start: Callable[[T], None],
    meanwhile: Callable[[], None] | None = None,
) -> Iterator[Ended[T]]:
    """Run ``work`` on each task in a process of its own, ``jobs`` at a time; yields each task as it ends.

    ``meanwhile`` is called once, when the first of them run and there is nothing to do but wait.

    Closing the iterator, or an exception in its consumer, ends the processes that it started.
    """
    start_server_early()
    context = warm_context()
    waiting = list(reversed(tasks))
    running: dict[int, tuple[T, BaseProcess, float]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                task = waiting.pop()
                on_start(task)
                process = context.Process(target=work, args=(task,), daemon=True)  # type: ignore[attr-defined]
                _started(process)
                running[process.sentinel] = (task, process, time.monotonic())
            if meanwhile is not None:
                meanwhile()
                meanwhile = None
            deadline = min(started for _, _, started in running.values()) + time_limit_s
            ready = connection.wait(list(running), timeout=max(0.0, deadline - time.monotonic()))
            now = time.monotonic()
            for sentinel in list(running):
                task, process, started = running[sentinel]
                if sentinel in ready:
                    process.join()
                    del running[sentinel]
                    yield Ended(task, now - started, _crash(process.exitcode))
                elif now - started >= time_limit_s:
                    _end(process)
                    del running[sentinel]
                    yield Ended(task, now - started, f"took longer than the time limit of {time_limit_s:g} s")
    finally:
        for _, process, _ in running.values():
            _end(process)


def _crash(code: int | None) -> str | None:
    if code == 0:
        return None
    if code is not None and code < 0:
        name = str(-code)
        with suppress(ValueError):
            name = signal.Signals(-code).name
        return f"the process was ended by {name}"
    return f"the process ended with code {code}"


def _end(process: BaseProcess) -> None:
    process.terminate()
    process.join(2.0)
    if process.is_alive():
        process.kill()
        process.join()
