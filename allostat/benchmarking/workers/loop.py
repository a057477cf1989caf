"""Runs in the environment of another tool and measures its functions on request: ``python loop.py SCRIPT``.

The script gives

- ``CONTENDERS``: (case, name) to a function that takes the inputs of the case by name and returns two functions: the
  call to be measured, and one that turns what the call returned into numbers that can be compared (a dictionary of
  values, or a list of instants in s). What only converts the inputs is done before, and does not count.
- ``PACKAGES``: the distributions that are compared, by name.
- ``SHORTER`` (optional): (case, name) to the number of items that the function is given when all would take minutes.

One request per line of standard input, one answer per line of standard output, both JSON.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import sys
import time
import warnings
from importlib import metadata
from typing import Any

import numpy as np

SHORTEST_RUN_S = 0.02
"""What is quicker is called several times per measurement, because the clock is no finer."""


class Worker:
    """Answers requests with the functions of one script."""

    def __init__(self, path: str) -> None:
        spec = importlib.util.spec_from_file_location("contenders", path)
        if spec is None or spec.loader is None:
            raise ImportError(path)
        self.script: Any = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.script)
        self.calls: dict[tuple[str, str], tuple[Any, int]] = {}

    def list(self) -> dict[str, Any]:
        """What can be measured here, and the versions of the tools."""
        shorter = getattr(self.script, "SHORTER", {})
        return {
            "versions": {name: metadata.version(name) for name in self.script.PACKAGES},
            "contenders": [
                {"case": case, "name": name, "items": shorter.get((case, name))}
                for case, name in self.script.CONTENDERS
            ],
        }

    def prepare(self, case: str, name: str, inputs: str) -> dict[str, Any]:
        """Load the inputs, call once to compile, and once more to see how long it takes and what it gives."""
        call, answer = self.script.CONTENDERS[case, name](**_stored(inputs))
        answered = _plain(answer(call()))
        once = _seconds(call, 1)
        self.calls[case, name] = call, max(1, int(SHORTEST_RUN_S / once)) if once > 1e-5 else 1000
        return {"answer": answered, "seconds": once}

    def answer(self, case: str, name: str, inputs: str) -> dict[str, Any]:
        """What one call gives."""
        call, answer = self.script.CONTENDERS[case, name](**_stored(inputs))
        return {"answer": _plain(answer(call()))}

    def measure(self, case: str, name: str) -> dict[str, Any]:
        """CPU time of one call in s."""
        return {"seconds": _seconds(*self.calls[case, name])}

    def forget(self) -> dict[str, Any]:
        """Let go of all inputs."""
        self.calls.clear()
        return {}


def _stored(inputs: str) -> dict[str, Any]:
    with np.load(inputs) as stored:
        return {key: value if value.ndim else value.item() for key, value in stored.items()}


def _seconds(call: Any, times: int) -> float:
    begin = time.process_time()
    for _ in range(times):
        call()
    return (time.process_time() - begin) / times


def _plain(answer: Any) -> Any:
    """Values as floats by name, or instants as a list."""
    if isinstance(answer, dict):
        return {str(name): float(value) for name, value in answer.items()}
    return np.asarray(answer, dtype=np.float64).tolist()


def main() -> None:
    """Answer requests until standard input ends."""
    # Tools print progress: whatever they write to standard output must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker: Worker | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                worker = worker or Worker(sys.argv[1])
                answer = getattr(worker, request.pop("do"))(**request)
        except Exception as error:  # noqa: BLE001  another tool may raise anything, and that is what is reported
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
