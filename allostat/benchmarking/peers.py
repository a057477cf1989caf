"""The other tools: groups that can be installed together, each in an environment of its own.

The groups stand in ``peers.toml``. An environment is made when it is first needed, below the user's cache folder, and
kept. A group that cannot be installed or started is skipped with its reason; that is never an error.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from allostat.benchmarking.worker import Worker, WorkerError
from allostat.kernels.compiled import user_cache_folder

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Group:
    """Tools that are measured in one environment."""

    name: str
    about: str
    script: str
    requirements: tuple[str, ...]
    """Empty for what allostat depends on: its own environment serves."""

    @property
    def folder_name(self) -> str:
        """Another one for other requirements, and for another Python."""
        text = "\n".join((sys.version, *self.requirements))
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True)
class Skipped:
    """A group that is left out."""

    group: str
    about: str
    reason: str


class _NotInstalledError(Exception):
    """An environment cannot be made; the text says why."""


def groups() -> list[Group]:
    """All groups of ``peers.toml``."""
    table = tomllib.loads(Path(__file__).with_name("peers.toml").read_text(encoding="utf-8"))
    return [
        Group(name, group["about"], group["script"], tuple(group["requirements"]))
        for name, group in table["groups"].items()
    ]


def environments_folder() -> Path:
    """Where the environments lie unless another folder is named.

    Raises
    ------
    RuntimeError
        When the user has no home folder.
    """
    return user_cache_folder() / "allostat" / "peers"


def interpreter(group: Group, below: Path) -> Path | None:
    """Python of a group's environment; None when there is no environment yet."""
    if not group.requirements:
        return Path(sys.executable)
    folder = below / group.folder_name
    return _python_in(folder) if folder.is_dir() else None


def install(group: Group, below: Path) -> Path:
    """Make the environment of a group.

    It is made in a folder beside and moved into place when it is complete, so that what is there is whole.

    Returns
    -------
    Path
        Its Python.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    below.mkdir(parents=True, exist_ok=True)
    folder = below / group.folder_name
    with tempfile.TemporaryDirectory(dir=below, prefix=".new-", ignore_cleanup_errors=True) as name:
        fresh = Path(name) / "environment"
        _run([sys.executable, "-m", "venv", str(fresh)])
        pip = [str(_python_in(fresh)), "-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]
        _run([*pip, *group.requirements])
        if folder.exists():
            shutil.rmtree(folder)
        fresh.rename(folder)
    return _python_in(folder)


@contextmanager
def started(chosen: list[Group], below: Path, say: Say) -> Iterator[tuple[list[Worker], list[Skipped]]]:
    """The workers of the groups that can be installed and started, and the groups that cannot.

    Parameters
    ----------
    chosen
        Groups.
    below
        Folder of the environments.
    say
        Is told what takes long, and what is skipped.
    """
    workers: list[Worker] = []
    skipped: list[Skipped] = []
    with ExitStack() as open_workers:
        for group in chosen:
            try:
                worker = Worker(_available(group, below, say), group.script)
            except (_NotInstalledError, WorkerError, OSError) as error:
                skipped.append(Skipped(group.name, group.about, str(error)))
                say(f"skipped: {group.name} ({', '.join(group.requirements) or group.about}): {error}")
            else:
                workers.append(open_workers.enter_context(worker))
        yield workers, skipped


def _available(group: Group, below: Path, say: Say) -> Path:
    python = interpreter(group, below)
    if python is None:
        say(f"installing {', '.join(group.requirements)} into an environment below {below}, once")
        python = install(group, below)
    return python


def _python_in(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def _run(command: list[str]) -> None:
    # The environment is another one: nothing of this one may reach it.
    foreign = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"}
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if ended.returncode:
        errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")] or ended.stderr.splitlines()
        raise _NotInstalledError(errors[-1] if errors else f"{command[1:3]} ended with code {ended.returncode}")
