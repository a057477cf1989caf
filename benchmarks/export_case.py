"""What is measured of reading one export: CPU time beside its bar and beside other readers, and peak memory."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

Reader = Callable[[Path], object]


@dataclass(frozen=True)
class Peer:
    """Another reader of the same format."""

    name: str
    read: Reader
    path: Path | None = None
    """A smaller file, for a reader that takes minutes; None for the file of the case."""


@dataclass(frozen=True)
class ExportCase:
    """One file and who reads it."""

    title: str
    path: Path
    small: Path
    """A file of the same kind that is read before memory is counted, so that modules and compiled code do not count."""
    own: str
    """Where allostat's reader stands, as ``module:function``: the process that counts memory has to find it."""
    bar_s: float | None = None
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True)
class Measured:
    """CPU seconds of one reader on one file, the median of its turns."""

    title: str
    reader: str
    file_mb: float
    cpu_s: float
    least_s: float
    bar_s: float | None = None
    ratio: float = 1.0
    """Seconds relative to allostat on the same file, in the same turns."""
    beyond_mb: float | None = None
    """Peak of resident memory above the start and above the result."""
    result_mb: float | None = None


def measured(case: ExportCase, repeats: int) -> list[Measured]:
    """allostat's reader first, then the others; all that read one file take turns."""
    own = found(case.own)
    own(case.small)
    rows: list[Measured] = []
    beyond, result = peak_mb(case)
    for path in dict.fromkeys([case.path, *(peer.path or case.path for peer in case.peers)]):
        readers = {"allostat": own} | {p.name: p.read for p in case.peers if (p.path or case.path) == path}
        seconds = in_turns(readers, path, repeats)
        for name, taken in seconds.items():
            at = Measured(case.title, name, path.stat().st_size / 1e6, median(taken), min(taken))
            if name == "allostat" and path == case.path:
                rows.append(Measured(**vars(at) | {"bar_s": case.bar_s, "beyond_mb": beyond, "result_mb": result}))
            elif name != "allostat":
                rows.append(Measured(**vars(at) | {"ratio": at.cpu_s / median(seconds["allostat"])}))
    return rows


def in_turns(readers: Mapping[str, Reader], path: Path, repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each reader, taking turns, so that a change of the machine's clock meets all of them."""
    taken: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(repeats):
        for name, read in readers.items():
            begin = time.process_time()
            read(path)
            taken[name].append(time.process_time() - begin)
    return taken


def found(reader: str) -> Reader:
    """The function of ``module:function``."""
    module, _, name = reader.partition(":")
    read: Reader = getattr(importlib.import_module(module), name)
    return read


def peak_mb(case: ExportCase) -> tuple[float, float]:
    """Peak above the start and the result, and size of the result, in a process that only reads. Needs Linux."""
    command = [sys.executable, "-m", "benchmarks.export_case", case.own, str(case.small), str(case.path)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return max(told["grown"] - told["held"], 0.0), told["held"]


def resident_mb(entry: str) -> float:
    """``VmRSS``, resident memory now, or ``VmHWM``, the most since that was last forgotten."""
    status = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in status if line.startswith(f"{entry}:")).split()[1]) * 1024 / 1e6


def held_bytes(result: object, seen: set[int] | None = None) -> int:
    """Bytes of all arrays in a result, each counted once."""
    seen = set() if seen is None else seen
    if id(result) in seen:
        return 0
    seen.add(id(result))
    if isinstance(result, np.ndarray):
        return held_bytes(result.base, seen) if isinstance(result.base, np.ndarray) else result.nbytes
    if isinstance(result, Mapping):
        return sum(held_bytes(value, seen) for value in result.values())
    if isinstance(result, list | tuple):
        return sum(held_bytes(value, seen) for value in result)
    if is_dataclass(result) and not isinstance(result, type):
        return sum(held_bytes(getattr(result, one.name), seen) for one in fields(result))
    return 0


def tell_peak(own: str, small: Path, path: Path) -> dict[str, float]:
    """Growth of resident memory while the file is read, and size of what was read, in MB."""
    read = found(own)
    read(small)
    before = resident_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    result: Any = read(path)
    return {"grown": resident_mb("VmHWM") - before, "held": held_bytes(result) / 1e6}


@dataclass(frozen=True)
class Table:
    """Measured rows as text."""

    rows: Sequence[Measured]
    head: tuple[str, ...] = field(default=("format", "MB", "reader", "CPU s", "least", "bar", "times", "peak MB"))

    def lines(self) -> list[str]:
        """Head and rows, columns aligned."""
        cells = [self.head, *map(self._cells, self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.head))]
        return ["  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells]

    @staticmethod
    def _cells(row: Measured) -> tuple[str, ...]:
        bar = "" if row.bar_s is None else f"{row.bar_s:g} {'met' if row.cpu_s <= row.bar_s else 'missed'}"
        peak = "" if row.beyond_mb is None else f"{row.beyond_mb:.0f} + {row.result_mb:.0f} result"
        return (
            row.title, f"{row.file_mb:.1f}", row.reader, f"{row.cpu_s:.3f}", f"{row.least_s:.3f}", bar,
            f"{row.ratio:.1f}", peak,
        )  # fmt: skip


if __name__ == "__main__":
    sys.stdout.write(json.dumps(tell_peak(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))))
