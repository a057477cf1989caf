"""One run of the benchmark: the cases, the tools, the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from allostat import __version__
from allostat.benchmarking.cases import chosen_cases
from allostat.benchmarking.measuring import Result, measured
from allostat.benchmarking.memory import HOURS, MemoryUse, r_peak_memory
from allostat.benchmarking.peers import Skipped, environments_folder, groups, started


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a run found."""

    machine: str
    """Processor, cores, Python, NumPy, numba: nothing that names one machine."""
    versions: dict[str, str]
    """Of allostat and of the other tools."""
    results: list[Result]
    skipped: list[Skipped] = field(default_factory=list)
    memory: list[MemoryUse] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def _nothing(text: str) -> None:
    pass


def run(
    cases: Iterable[str] | None = None,
    repeats: int = 5,
    *,
    peers: bool = False,
    long: bool = False,
    memory: bool = False,
    environments: Path | None = None,
    say: Callable[[str], None] = _nothing,
) -> Comparison:
    """Measure the kernels, alone or in turn with other tools.

    Parameters
    ----------
    cases
        Names of `CASES`; None for all.
    repeats
        Number of runs of each case; calls of seconds run less often.
    peers
        Whether other tools run too, each group in its own environment, made when it is missing.
    long
        Whether the cases for which other tools take minutes are among all.
    memory
        Whether the memory of the R-peak detector is measured too, in processes of its own.
    environments
        Folder of the environments; the user's cache folder when None.
    say
        Is told what takes long, and what is skipped.

    Raises
    ------
    ConfigError
        When a case is unknown.
    """
    chosen = chosen_cases(cases, long=long)
    versions = {"allostat": __version__}
    below = environments or (environments_folder() if peers else Path())
    results: list[Result] = []
    with started(groups() if peers else [], below, say) as (workers, skipped):
        for worker in workers:
            versions |= worker.versions
        for case in chosen:
            if peers:
                say(f"{case.name}: {case.about}")
            results += measured(case, repeats, workers)
    used = [r_peak_memory(hours) for hours in HOURS] if memory else []
    return Comparison(machine_class(), versions, results, skipped, used)


def machine_class() -> str:
    """The kind of machine and of interpreter, in words that fit many machines."""
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("numpy", "numba"))
    cores = os.cpu_count() or 1
    return (
        f"{platform.machine()}, {cores} {'core' if cores == 1 else 'cores'}, {platform.system()}, "
        f"Python {platform.python_version()}, {libraries}"
    )


def grouped(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results by case, in order."""
    cases: dict[str, list[Result]] = {}
    for result in results:
        cases.setdefault(result.case, []).append(result)
    return cases
