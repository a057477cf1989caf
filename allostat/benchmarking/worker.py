"""Another tool's process, in its own environment, that measures functions on request (``workers/loop.py``)."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from allostat.benchmarking.agreement import Answer

SCRIPTS = Path(__file__).parent / "workers"
LONGEST_S = 1_800.0
"""A call that takes longer is given up, with its process."""

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class WorkerError(Exception):
    """The other tool failed; the text says how."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A function that a worker can measure on a case, with fewer items when ``items`` says so."""

    case: str
    name: str
    items: int | None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a function gave, and how long its call took in s."""

    answer: Answer
    seconds: float


class Worker:
    """The process of one script; starts anew after it died.

    Parameters
    ----------
    python
        Interpreter of the environment.
    script
        File in ``workers/``.

    Raises
    ------
    WorkerError
        When the script cannot be started there.
    """

    def __init__(self, python: Path, script: str) -> None:
        self._command = [str(python), "-I", str(SCRIPTS / "loop.py"), str(SCRIPTS / script)]
        self._inputs: dict[Offer, Path] = {}
        self._ready: set[Offer] = set()
        self._start()
        try:
            listed = self._ask("list")
        except WorkerError:
            self.close()
            raise
        self.versions: dict[str, str] = listed["versions"]
        self._offers = [Offer(o["case"], o["name"], o["items"]) for o in listed["contenders"]]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def offers(self, case: str) -> list[Offer]:
        """What it can measure on a case."""
        return [offer for offer in self._offers if offer.case == case]

    def prepare(self, offer: Offer, inputs: Path) -> Prepared:
        """Call a function on stored inputs, so that it is compiled, and take its answer."""
        self._inputs[offer] = inputs
        given = self._ask("prepare", case=offer.case, name=offer.name, inputs=str(inputs))
        self._ready.add(offer)
        return Prepared(_answer(given["answer"]), given["seconds"])

    def answer(self, offer: Offer, inputs: Path) -> Answer:
        """What a function gives on stored inputs, in one call."""
        return _answer(self._ask("answer", case=offer.case, name=offer.name, inputs=str(inputs))["answer"])

    def measure(self, offer: Offer) -> float:
        """CPU time of one call in s, of a function that was prepared."""
        if offer not in self._ready:
            self.prepare(offer, self._inputs[offer])
        return float(self._ask("measure", case=offer.case, name=offer.name)["seconds"])

    def forget(self) -> None:
        """Let go of the inputs of everything prepared."""
        self._ready.clear()
        self._ask("forget")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _start(self) -> None:
        self._ready.clear()
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, **_ONE_THREAD, "MPLBACKEND": "Agg"},
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=_read, args=(self._process, self._lines), daemon=True).start()

    def _ask(self, do: str, **request: object) -> dict[str, Any]:
        if self._process.poll() is not None:
            self.close()
            self._start()
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}) + "\n")
            self._process.stdin.flush()
            line = self._lines.get(timeout=LONGEST_S)
        except queue.Empty:
            self._process.kill()
            self._process.wait()
            self._ready.clear()
            raise WorkerError(f"gave no answer within {LONGEST_S / 60:.0f} min") from None
        except BrokenPipeError:
            line = ""
        if not line:
            self._ready.clear()
            raise WorkerError(f"its process ended with code {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer


def _answer(given: Any) -> Answer:
    return given if isinstance(given, dict) else np.asarray(given, dtype=np.float64)


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    """Hand on what a process writes, line by line, so that waiting for it can end; an empty line when it ends."""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            lines.put(line)
    except ValueError:  # closed from the other side
        pass
    lines.put("")
