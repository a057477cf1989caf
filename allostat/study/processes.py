"""Local engine: participants in processes of their own; a crash, a hang or a kill loses one participant and no more."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

from allostat.errors import AllostatError, StoreError
from allostat.study.memory_limit import MemoryBudget

T = TypeVar("T")
R = TypeVar("R")

WARM_MODULE = "allostat.study.warm"


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """How one task ended.

    ``crash`` is a sentence when its process did not end by itself, ``refused`` one when the work raised an
    `AllostatError` that it could not deal with itself: a disk that takes nothing. ``transient``: the same task may go
    well another time.
    """

    task: T
    seconds: float
    crash: str | None = None
    refused: str | None = None
    transient: bool = False


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
    retries: int = 0,
    retried: Callable[[T, str], T] = lambda task, crash: task,
    memory_limit: int | None = None,
) -> Generator[Ended[T], None, None]:
    """Run ``work`` on each task in processes of their own, ``jobs`` at a time; yields each task as it ends.

    A process that has ended a task well takes the next one. A crash or a hang ends the process with its task, and a new
    process goes on.

    Parameters
    ----------
    time_limit_s
        A task that takes longer is ended with its process.
    on_start
        Called once a task, before its first attempt.
    retries
        How often a task is tried again whose process was ended by a signal (a crash, a kill for lack of memory) or
        hung. It waits until all others have begun: what killed it may be over then.
    retried
        Makes the task of the next attempt from the last one and what ended it.
    memory_limit
        Bytes that a task may take beyond what a worker has loaded (`memory_limit.MemoryBudget`).

    Notes
    -----
    Closing the iterator, or an exception in its consumer, ends the processes that it started.
    """
    start_server_early()
    waiting = deque((task, 0) for task in tasks)
    idle: list[_Worker[T]] = []
    busy: list[_Worker[T]] = []
    try:
        while waiting or busy:
            while waiting and len(busy) < jobs:
                task, attempts = waiting.popleft()
                worker = idle.pop() if idle else _Worker(work, memory_limit)
                busy.append(worker)
                if not attempts:
                    on_start(task)
                worker.take(task, attempts)
            left = min(worker.started for worker in busy) + time_limit_s - time.monotonic()
            connection.wait([o for w in busy for o in w.signs], timeout=min(max(0.0, left), LOOK_EVERY_S))
            now = time.monotonic()
            for worker in list(busy):
                ended = worker.ended(now, time_limit_s)
                if ended is not None:
                    busy.remove(worker)
                    if worker.usable:
                        idle.append(worker)
                    else:
                        worker.end()
                    if ended.transient and ended.crash is not None and worker.attempts < retries:
                        waiting.append((retried(ended.task, ended.crash), worker.attempts + 1))
                        continue
                    yield ended
    finally:
        for worker in [*busy, *idle]:
            worker.end()


LOOK_EVERY_S = 1.0
"""The clock is looked at this often when nothing ends."""
TASKS_PER_PROCESS = 128
"""A process is replaced after so many tasks, so that nothing that libraries keep grows without end."""


class _Worker(Generic[T]):
    """A process that runs one task after another."""

    def __init__(self, work: Callable[[T], None], memory_limit: int | None) -> None:
        context: Any = warm_context()
        self._pipe, theirs = context.Pipe()
        self._stage = context.RawArray("c", _STAGE_BYTES)
        arguments = (theirs, self._stage, work, memory_limit)
        self._process: BaseProcess = context.Process(target=_serve, args=arguments, daemon=True)
        _started(self._process)
        theirs.close()
        self._left = TASKS_PER_PROCESS
        self._task: T | None = None
        self.attempts = 0
        self.started = 0.0
        self.usable = True

    @property
    def signs(self) -> list[Any]:
        """What becomes ready when the task tells something or the process ends."""
        return [self._pipe, self._process.sentinel]

    def take(self, task: T, attempts: int) -> None:
        """Run a task that was tried ``attempts`` times before."""
        self._task, self._stage.value, self.attempts = task, b"", attempts
        self.started, self._left = time.monotonic(), self._left - 1
        with suppress(BrokenPipeError):  # the process has ended while it was idle: `ended` says how
            self._pipe.send(task)

    def ended(self, now: float, time_limit_s: float) -> Ended[T] | None:
        """How the task ended; None while it runs."""
        assert self._task is not None
        # Asked for before the pipe is read: what a process said before it ended is read then, too.
        alive = self._process.is_alive()
        end = self._end_told()
        seconds, crash, transient = now - self.started, None, False
        if end is None and not alive:
            crash = _crash(self._process.exitcode) or "the process ended before its work did"
            transient = (self._process.exitcode or 0) < 0
        elif end is None and seconds >= time_limit_s:
            crash, transient = f"took longer than the time limit of {time_limit_s:g} s", True
        elif end is None:
            return None
        refused, worn = (None, True) if end is None else end
        self.usable = not worn and refused is None and self._left > 0
        if crash is not None and self._stage.value:
            crash += f" (in stage {self._stage.value.decode()})"
        return Ended(self._task, seconds, crash, refused, transient)

    def _end_told(self) -> tuple[str | None, bool] | None:
        """What the process said at the end of the task: why it was refused, and whether it is worn out."""
        try:
            return self._pipe.recv() if self._pipe.poll() else None
        except (EOFError, OSError):
            return None

    def end(self) -> None:
        """End the process."""
        self._pipe.close()
        _end(self._process)


_STAGE_BYTES = 64
_seen_by_the_run: list[Any] = []
"""In a worker process: the memory that the run sees, too, and looks into when the process has crashed."""


def tell_stage(stage: str) -> None:
    """Tell the run which stage of a task begins, so that a crash can be placed; elsewhere nothing."""
    for memory in _seen_by_the_run:
        memory.value = stage.encode()[: _STAGE_BYTES - 1]


def _serve(pipe: Any, stage: Any, work: Callable[[T], None], memory_limit: int | None) -> None:
    """Life of a worker: tasks come through the pipe until it is closed."""
    _belong_to_the_run()
    _seen_by_the_run.append(stage)
    budget = MemoryBudget(memory_limit)
    while True:
        try:
            task = pipe.recv()
        except EOFError:
            return
        refused = None
        try:
            work(task)
        except AllostatError as error:
            refused = str(error)
        del task
        pipe.send((refused, budget.spent))


def call_warm(function: Callable[..., R], *arguments: object) -> R:
    """Call a function in a process forked from the warm server, so that this one need not load what it takes.

    Where there is no such server, it is called here.

    Parameters
    ----------
    function, arguments
        Something that can be pickled, as is what it returns.

    Raises
    ------
    StoreError
        The process ended before the function did. What the function itself raises is raised here, too.
    """
    if sys.platform == "win32":
        return function(*arguments)
    context: Any = warm_context()
    start_server_early()
    pipe, theirs = context.Pipe()
    process: BaseProcess = context.Process(target=_answer, args=(theirs, function, arguments), daemon=True)
    _started(process)
    theirs.close()
    try:
        answer, error, trace = pipe.recv()
    except EOFError:
        process.join()
        raise StoreError(
            f"{_crash(process.exitcode) or 'the process ended'} before its work was done",
            where=getattr(function, "__name__", None),
        ) from None
    finally:
        pipe.close()
        _end(process)
    if isinstance(error, AllostatError):
        raise error
    if error is not None:
        raise error from RuntimeError(trace)
    return cast(R, answer)


def _answer(pipe: Any, function: Callable[..., Any], arguments: tuple[object, ...]) -> None:
    """Life of a process that calls one function."""
    _belong_to_the_run()
    said: tuple[Any, Exception | None, str]
    try:
        said = (function(*arguments), None, "")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised where the function was called
        said = (None, error, traceback.format_exc())
    pipe.send(said)


def _belong_to_the_run() -> None:
    """Be interrupted by the run only, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_run, name="end-with-the-run", daemon=True).start()


def _end_with_the_run() -> None:
    """End when the run was killed: its lock is gone with it, and a resumed run writes the same files."""
    run = multiprocessing.parent_process()
    assert run is not None
    connection.wait([run.sentinel])
    os._exit(1)


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
