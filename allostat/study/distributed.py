"""Engine on a Dask cluster: one task a participant, on workers that share the output folder and keep nothing else.

The client hands a worker one participant at a time. So a worker that dies takes the blame for that participant only
(the scheduler's own queue blames everything that waited on it), and the time limit counts from a real start.

A worker writes into a folder of its attempt below the output folder, and the client moves the files to their place.
A worker that the scheduler lost may be alive and go on: it never touches what a later attempt has written.
"""

from __future__ import annotations

import faulthandler
import pickle
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allostat import __version__
from allostat.errors import AllostatError, ConfigError, DiskError, InputError, NewerSchemaError, StoreError
from allostat.store.durable import fsync_folder, make_folder, remove_files
from allostat.store.safety import refuse_to_replace_newer
from allostat.study.layout import OutputLayout, write_atomic
from allostat.study.processes import Ended

if TYPE_CHECKING:
    from distributed import Client, Future

    from allostat.study.config import StudyConfig
    from allostat.study.task import Task

POLL_S = 1.0
"""How often the scheduler is asked who is there."""

GRACE_S = 30.0
"""A worker ends itself at the time limit; one that is still there so much later is left alone for good."""

WITHOUT_WORKERS_S = 3600.0
"""So long a run waits for a worker when none is there."""

UNREADY_DEATHS = 6
"""So many workers may end while they load before the first is ready; then the run stops."""

SEEN_WITHIN_S = 30.0
"""So long a network file system may take to show a worker what the client has written."""

ATTEMPTS = ".attempts"
_DECIDES_BYTES = ("numpy", "scipy", "numba", "h5py", "h5netcdf", "xarray", "pandas")


@contextmanager
def connected(address: str) -> Iterator[Client]:
    """A client of the scheduler at an address such as ``tcp://127.0.0.1:8786``, closed at the end.

    Raises
    ------
    InputError
        The extra ``cluster`` is not installed, the address is none, or no scheduler answers there.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            "runs on a cluster need dask and distributed",
            found=str(error),
            expected="the extra cluster: pip install 'allostat-load[cluster]'",
        ) from error
    try:
        client = Client(address, timeout="10s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            "no Dask scheduler answers", found=address, expected="its address, such as tcp://127.0.0.1:8786"
        ) from error
    try:
        yield client
    finally:
        client.close()


def check_cluster_settings(config: StudyConfig) -> None:
    """Refuse settings that name files by relative paths: workers have other current folders.

    Raises
    ------
    ConfigError
    """
    named = [*config.allostatic_load.definitions, config.allostatic_load.reference or ""]
    for name in named:
        if Path(name).suffix in (".toml", ".json") and not Path(name).is_absolute():
            raise ConfigError("workers cannot find a file by a relative path", found=name, expected="an absolute path")


def run_distributed(
    tasks: Sequence[Task],
    work: Callable[[Task], None],
    *,
    client: Client,
    time_limit_s: float,
    on_start: Callable[[Task], None],
    jobs: int | None = None,
    retries: int = 1,
) -> Generator[Ended[Task], None, None]:
    """Run ``work`` on each task on the workers of a cluster; yields each task as it ends, its files in place.

    Parameters
    ----------
    tasks
        Participants; all have the same output folder, which every worker sees under the same path.
    work
        What a worker does; importable there. It leaves ``status.json`` last.
    client
        A client of the cluster, in its synchronous form.
    time_limit_s
        In s, from the moment a worker is given a participant. The worker process ends itself then, whatever it is in,
        and is started again by its nanny.
    on_start
        Called once a task, when its first attempt begins.
    jobs
        Participants at a time; as many as there are worker processes when None.
    retries
        How often a participant whose worker died is given to another one: what kills two would kill the third.

    Raises
    ------
    InputError
        No worker can be used: each has another version of what decides bytes, or does not see the output folder.
    StoreError
        The scheduler does not answer any more; participants that have ended are kept.

    Notes
    -----
    Closing the iterator, or an exception in its consumer, cancels what waits. A participant that a worker computes at
    that moment cannot be interrupted; what it writes is thrown away.
    """
    if client.asynchronous:
        raise InputError("the client is asynchronous", expected="a client made without asynchronous=True")
    root = tasks[0].layout.root.absolute()
    run = _Run(client, root / ATTEMPTS / uuid.uuid4().hex)
    waiting = [(task, 1) for task in reversed(tasks)]
    try:
        run.open()
        while waiting or run.running:
            run.look_around()
            while waiting and run.idle and (jobs is None or len(run.running) < jobs):
                task, number = waiting.pop()
                run.start(task, number, work, time_limit_s)
                if number == 1:
                    on_start(task)
            for attempt in list(run.running):
                if not run.is_over(attempt, time_limit_s):
                    continue
                run.running.remove(attempt)
                crash = run.collected(attempt, time_limit_s)
                if crash is _WORKER_DIED and attempt.number <= retries:
                    again = replace(attempt.task, attempts=(*attempt.task.attempts, crash))
                    waiting.append((again, attempt.number + 1))
                    continue
                refused = isinstance(crash, _Refusal)
                seconds = time.monotonic() - attempt.started
                yield Ended(attempt.task, seconds, None if refused else crash, str(crash) if refused else None)
            if waiting or run.running:
                run.wait()
    finally:
        run.close()


_WORKER_DIED = "the worker process died: out of memory, a crash, or its node was lost"


@dataclass(frozen=True, eq=False)
class _Attempt:
    """One participant on one worker."""

    task: Task
    number: int
    address: str
    folder: Path
    future: Future
    started: float


class _Run:
    """What a run knows of its workers and attempts."""

    def __init__(self, client: Client, folder: Path) -> None:
        self._client, self._folder = client, folder
        self._changed = threading.Event()
        self._loading: dict[str, Future] = {}
        self._ready: set[str] = set()
        self._unfit: dict[str, BaseException] = {}
        self._stuck: set[str] = set()
        self._live: set[str] = set()
        self._looked = self._seen = time.monotonic()
        self._unready_deaths = self._attempts = 0
        self._any_ready = False
        self.running: list[_Attempt] = []

    def open(self) -> None:
        # Only a run that was killed, or a worker that a stopped run could not interrupt, leaves something here.
        shutil.rmtree(self._folder.parent, ignore_errors=True)
        self._folder.mkdir(parents=True)
        write_atomic(self._folder / "token", self._folder.name)

    def close(self) -> None:
        futures = [*self._loading.values(), *(a.future for a in self.running)]
        if futures and self._client.status == "running":
            self._client.cancel(futures)
        # A worker that goes on may write meanwhile: then the next run removes the rest.
        shutil.rmtree(self._folder, ignore_errors=True)
        if self._folder.parent.is_dir() and not any(self._folder.parent.iterdir()):
            self._folder.parent.rmdir()

    @property
    def idle(self) -> list[str]:
        """Workers that are ready and have nothing to do."""
        busy = {attempt.address for attempt in self.running}
        return sorted(self._ready - busy - self._stuck)

    def look_around(self) -> None:
        """Take note of workers that came, went, or are ready."""
        try:
            self._live = set(self._client.nthreads())
        except OSError as error:
            raise StoreError(
                "the scheduler does not answer any more",
                expected="one that lives, and the same command again: it resumes",
            ) from error
        self._looked = time.monotonic()
        for known in (self._ready, self._stuck):
            known &= self._live
        for address in self._live - self._ready - self._stuck - set(self._loading) - set(self._unfit):
            made_by = (str(self._folder), _versions())
            self._loading[address] = self._submit(_get_ready, *made_by, address=address)
        for address, future in list(self._loading.items()):
            self._note_loading(address, future)
        self._check_any_left()

    def _note_loading(self, address: str, future: Future) -> None:
        if future.status == "pending" and address in self._live:
            return
        del self._loading[address]
        if future.status == "finished":
            self._ready.add(address)
            self._any_ready = True
        elif future.status == "error" and address in self._live:
            self._unfit[address] = future.exception()
        else:
            self._unready_deaths += 1

    def _check_any_left(self) -> None:
        if self._ready or self._loading:
            self._seen = self._looked
        refused = [self._unfit[address] for address in sorted(self._live & set(self._unfit))]
        if refused and not self._ready and not self._loading and not self.running:
            reason = refused[0]
            raise (
                reason if isinstance(reason, AllostatError) else InputError("no worker can be used", found=repr(reason))
            )
        if self._unready_deaths >= UNREADY_DEATHS and not self._any_ready:
            raise InputError("workers end while they load allostat", expected="workers that live: see their logs")
        if self._looked - self._seen > WITHOUT_WORKERS_S:
            raise StoreError(
                f"no worker was there for {WITHOUT_WORKERS_S:g} s", expected="workers, and the same command again"
            )

    def start(self, task: Task, number: int, work: Callable[[Task], None], time_limit_s: float) -> None:
        """Give a task to an idle worker."""
        address = self.idle[0]
        self._attempts += 1
        folder = self._folder / str(self._attempts)
        # Pickled here, so that Dask does not look into it for tasks of its own.
        payload = pickle.dumps((work, _moved(task, folder)))
        future = self._submit(_attempt, payload, str(folder), time_limit_s, address=address)
        self.running.append(_Attempt(task, number, address, folder, future, time.monotonic()))

    def _submit(self, function: Callable[..., None], *args: object, address: str) -> Future:
        key = f"allostat-{function.__name__.strip('_')}-{uuid.uuid4().hex}"
        future = self._client.submit(
            function, *args, key=key, workers=[address], allow_other_workers=False, pure=False, retries=0
        )
        future.add_done_callback(lambda _: self._changed.set())
        return future

    def wait(self) -> None:
        """Until something ends, or it is time to look around."""
        self._changed.wait(POLL_S)
        self._changed.clear()

    def is_over(self, attempt: _Attempt, time_limit_s: float) -> bool:
        """Whether it ended, its worker is gone, or it cannot be waited for any longer."""
        late = time.monotonic() - attempt.started >= time_limit_s + GRACE_S
        return attempt.future.status != "pending" or attempt.address not in self._live or late

    def collected(self, attempt: _Attempt, time_limit_s: float) -> str | None:
        """Put the files of an attempt that is over in place; `_WORKER_DIED` or another sentence when there are none."""
        status, gone = attempt.future.status, attempt.address not in self._live
        if status == "pending":
            self._client.cancel([attempt.future])
            if not gone:
                self._stuck.add(attempt.address)
        staged = OutputLayout(attempt.folder)
        who = attempt.task.plan.participant
        if staged.status(who).is_file():  # it is written last
            return _put_in_place(staged, attempt.task.layout, who)
        if gone or status != "finished":
            if time.monotonic() - attempt.started >= time_limit_s:
                return f"took longer than the time limit of {time_limit_s:g} s"
            return self._failure(attempt) if status == "error" else _WORKER_DIED
        return "the worker wrote nothing that is seen here: is the output folder the same for all?"

    def _failure(self, attempt: _Attempt) -> str:
        from distributed import KilledWorker

        error = attempt.future.exception()
        if isinstance(error, (_BegunBefore, KilledWorker)):
            return _WORKER_DIED
        if isinstance(error, (DiskError, NewerSchemaError)):
            return _Refusal(str(error))
        return f"the worker could not run it: {error if isinstance(error, AllostatError) else repr(error)}"


class _Refusal(str):
    """Why nothing was put in place although the work could be done: what was there before stays there."""

    __slots__ = ()


class _BegunBefore(Exception):
    """The scheduler runs an attempt anew, on a worker that came back under the same address."""


def _moved(task: Task, folder: Path) -> Task:
    """The task with absolute paths, writing into the folder of its attempt."""
    exports = tuple(e if e.path.is_absolute() else replace(e, path=e.path.absolute()) for e in task.plan.exports)
    plan, earlier = replace(task.plan, exports=exports), OutputLayout(task.layout.root.absolute())
    return replace(task, plan=plan, layout=OutputLayout(folder), earlier=earlier)


def _put_in_place(staged: OutputLayout, final: OutputLayout, who: str) -> str | None:
    """Move what an attempt left over what was there, the status last; what it did not leave is removed."""
    try:
        refuse_to_replace_newer(final.store(who))
        make_folder(final.folder(who))
        # No status while the store file is replaced: an old one must never stand beside a new file.
        remove_files(final.status(who))
        for part in (OutputLayout.store, OutputLayout.page, OutputLayout.log, OutputLayout.status):
            if part(staged, who).is_file():
                part(staged, who).replace(part(final, who))
            else:
                part(final, who).unlink(missing_ok=True)
        fsync_folder(final.folder(who))
    except NewerSchemaError as error:
        return _Refusal(str(error))
    except (OSError, DiskError) as error:
        return f"its files could not be moved to their place ({error})"
    shutil.rmtree(staged.root, ignore_errors=True)
    return None


def _versions() -> dict[str, str]:
    """What decides the bytes of a result."""
    python = ".".join(map(str, sys.version_info[:2]))
    return {"allostat": __version__, "python": python} | {name: version(name) for name in _DECIDES_BYTES}


def _get_ready(folder: str, versions: dict[str, str]) -> None:
    """On a worker: is it like the client, does it see the output folder? Then load and compile everything.

    Raises
    ------
    InputError
    """
    here = _versions()
    for name, wanted in versions.items():
        if here[name] != wanted:
            raise InputError("a worker has another version", where=name, found=here[name], expected=wanted)
    token, started = Path(folder) / "token", time.monotonic()
    while not token.is_file():
        if time.monotonic() - started >= SEEN_WITHIN_S:
            raise InputError(
                "a worker does not see the output folder",
                where=str(token.parents[2]),
                expected="a folder that all workers share under this path",
            )
        time.sleep(POLL_S)
    import allostat.study.warm  # noqa: F401 - importing it warms this process, once


def _attempt(payload: bytes, folder: str, time_limit_s: float) -> None:
    """On a worker: one participant into the folder of this attempt; the process ends at the time limit.

    The watch is a thread in C: it also ends a process that holds the interpreter lock.
    """
    try:
        Path(folder).mkdir()
    except FileExistsError as error:
        raise _BegunBefore(folder) from error
    work, task = pickle.loads(payload)
    faulthandler.dump_traceback_later(time_limit_s, exit=True, file=_real(sys.__stderr__))
    try:
        work(task)
    finally:
        faulthandler.cancel_dump_traceback_later()


def _real(stream: Any) -> Any:
    """The stream itself: a process without one cannot say where it was, and is refused by faulthandler."""
    if stream is None:
        raise StoreError("the worker has no standard error, which the time limit reports to")
    return stream
