"""How long the kernels take to compile, and to load from the cache: ``python -m allostat.benchmarking.compile_time``.

Measured in a process of its own, on the first calls of `allostat.kernels.exercise`. That numba itself is imported is
not counted: it takes as long without any kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import Any

COLD_LIMIT_S, WARM_LIMIT_S = 45.0, 1.0
"""CPU time that all kernels together may take to compile, and to load from the cache."""


@dataclass(frozen=True, slots=True)
class CompileTime:
    """What the first calls of all kernels took in one process."""

    cpu_s: float
    """Import of the kernel modules and first calls, less what the calls take when everything is compiled."""
    wall_s: float
    kernels: int
    compiled: int
    """How many compilations it took: 0 when everything was in the cache."""
    dearest: dict[str, float]
    """CPU time by kernel module in s, the most expensive first; what numba compiles for itself stands under numba."""


def measured(cache: str | None = None) -> CompileTime:
    """Measure in a new process, with the user's cache of compiled kernels or with another one.

    Raises
    ------
    RuntimeError
        When the process fails.
    """
    environment = os.environ if cache is None else {**os.environ, "NUMBA_CACHE_DIR": cache}
    ended = subprocess.run(
        [sys.executable, "-m", "allostat.benchmarking.compile_time"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        last = ended.stderr.strip().splitlines()[-1:]
        raise RuntimeError("the kernels cannot be called: " + "".join(last))
    return CompileTime(**json.loads(ended.stdout))


def cold() -> CompileTime:
    """Measure with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        return measured(folder)


def _measure() -> CompileTime:
    """Measure in this process, in which no kernel has been imported yet."""
    from numba.core import event

    class Compilations(event.Listener):
        """CPU time of each compilation without those inside it."""

        def __init__(self) -> None:
            self.open: list[list[float]] = []
            self.seconds: dict[str, float] = {}
            self.count = 0

        def on_start(self, found: Any) -> None:
            self.open.append([time.process_time(), 0.0])

        def on_end(self, found: Any) -> None:
            begun, inside = self.open.pop()
            whole = time.process_time() - begun
            module = found.data["dispatcher"].py_func.__module__
            ours = module.startswith("allostat.kernels.")
            name = module.rpartition(".")[2] if ours else "numba"
            self.count += ours
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - inside
            if self.open:
                self.open[-1][1] += whole

    found = Compilations()
    cpu, wall = time.process_time(), time.perf_counter()
    with event.install_listener("numba:compile", found):
        from allostat.kernels import compiled
        from allostat.kernels.exercise import exercise

        exercise()
    cpu_first, wall_first = time.process_time() - cpu, time.perf_counter() - wall
    cpu, wall = time.process_time(), time.perf_counter()
    exercise()
    return CompileTime(
        cpu_s=cpu_first - (time.process_time() - cpu),
        wall_s=wall_first - (time.perf_counter() - wall),
        kernels=len(compiled.KERNELS),
        compiled=found.count,
        dearest=dict(sorted(found.seconds.items(), key=lambda item: -item[1])),
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure())))
