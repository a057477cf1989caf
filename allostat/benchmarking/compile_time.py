"""How long the kernels take to compile, and to load from the cache.

Measured in processes of their own, on the first calls of `allostat.kernels.exercise`. Several of them share the calls:
each goes through the same list of families of calls and claims those that no other has claimed. That numba itself is
imported is not counted: it takes as long without any kernel.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

COLD_LIMIT_S, WARM_LIMIT_S = 45.0, 1.0
"""Time on the clock that all kernels together may take to compile, and CPU time to load from the cache."""


@dataclass(frozen=True, slots=True)
class CompileTime:
    """What the first calls of all kernels took."""

    cpu_s: float
    """Import of the kernel modules and first calls, less what the calls take when everything is compiled."""
    wall_s: float
    """The same on the clock, in the process that took longest."""
    kernels: int
    compiled: int
    """How many compilations it took: 0 when everything was in the cache. Kernels that several processes need may be
    compiled by more than one."""
    dearest: dict[str, float]
    """CPU time by kernel module in s, the most expensive first; what numba compiles for itself stands under numba."""


def measured(cache: str | None = None, processes: int = 1) -> CompileTime:
    """Measure in new processes, with the user's cache of compiled kernels or with another one.

    Parameters
    ----------
    cache
        Folder of the other cache.
    processes
        How many share the calls. CPU time is the sum of theirs.

    Raises
    ------
    RuntimeError
        When a process fails.
    """
    environment = os.environ if cache is None else {**os.environ, "NUMBA_CACHE_DIR": cache}
    with tempfile.TemporaryDirectory() as claims, ThreadPoolExecutor(processes) as waiting:
        command = [sys.executable, "-m", "allostat.benchmarking.compile_time", claims]
        found = list(waiting.map(lambda _: _ended(command, environment), range(processes)))
    seconds: Counter[str] = Counter()
    for one in found:
        seconds.update(one.dearest)
    return CompileTime(
        cpu_s=sum(one.cpu_s for one in found),
        wall_s=max(one.wall_s for one in found),
        kernels=found[0].kernels,
        compiled=sum(one.compiled for one in found),
        dearest=dict(seconds.most_common()),
    )


def _ended(command: list[str], environment: Mapping[str, str]) -> CompileTime:
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        last = ended.stderr.strip().splitlines()[-1:]
        raise RuntimeError("the kernels cannot be called: " + "".join(last))
    return CompileTime(**json.loads(ended.stdout))


def filled() -> CompileTime:
    """Measure with the user's cache on all cores: what is not in it is compiled."""
    return measured(None, os.cpu_count() or 1)


def cold() -> CompileTime:
    """Measure with an empty cache on all cores."""
    with tempfile.TemporaryDirectory() as folder:
        return measured(folder, os.cpu_count() or 1)


def _unclaimed(names: list[tuple[str, ...]], claims: Path) -> Iterator[tuple[str, ...]]:
    """What no other process has taken from a list that all go through."""
    for number, family in enumerate(names):
        try:
            (claims / str(number)).touch(exist_ok=False)
        except FileExistsError:
            continue
        yield family


def _measure(claims: Path) -> CompileTime:
    """Measure in this process, in which no kernel has been imported yet, the calls that no other one claims."""
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
        from allostat.kernels.exercise import exercise, families

        called: list[str] = []
        for family in _unclaimed(families(), claims):
            exercise(family)
            called += family
    cpu_first, wall_first = time.process_time() - cpu, time.perf_counter() - wall
    cpu, wall = time.process_time(), time.perf_counter()
    exercise(called)
    return CompileTime(
        cpu_s=cpu_first - (time.process_time() - cpu),
        wall_s=wall_first - (time.perf_counter() - wall),
        kernels=len(compiled.KERNELS),
        compiled=found.count,
        dearest=dict(sorted(found.seconds.items(), key=lambda item: -item[1])),
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_measure(Path(sys.argv[1])))))
