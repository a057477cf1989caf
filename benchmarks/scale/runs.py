"""One ``allostat run`` watched from outside: wall and CPU seconds of all its processes, their memory, what it left."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

EVERY_S = 0.1
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True)
class Watched:
    """What a command took, with all the processes that it started."""

    wall_s: float
    began: float
    """Seconds since 1970."""
    cpu_s: float
    other_cores: float
    """Cores that the rest of the machine kept busy meanwhile."""
    first_mb: float
    """Most resident memory of the first process,"""
    others_mb: float
    """and of any other one, exactly, as the system counts it (``ru_maxrss``)."""
    samples: tuple[tuple[float, int, int, float, float], ...] = field(repr=False, default=())
    """Seconds since the start, process, its parent, resident MB, CPU s: several times a second."""
    first: int = 0
    launcher: int = 0
    """What started it: no sample is of that."""
    returncode: int = 0


def watched(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Watched:
    """Run a command to its end and watch it; it starts from a small process (`launcher`). Needs Linux."""
    own_before, busy_before = os.times(), _busy_s()
    began, start = time.time(), time.perf_counter()
    launcher = subprocess.Popen(
        [sys.executable, "-I", "-S", str(LAUNCHER), *command],
        start_new_session=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})},
    )  # fmt: skip
    assert launcher.stdout is not None
    first = json.loads(launcher.stdout.readline())["pid"]
    samples: list[tuple[float, int, int, float, float]] = []
    done = threading.Event()
    sampler = threading.Thread(target=_sample, args=(launcher.pid, start, samples, done))
    sampler.start()
    try:
        # The command, and what it leaves: the fork server with its workers, the tracker of resources.
        ended = {e["pid"]: e for e in json.loads(launcher.communicate()[0])}
    finally:
        done.set()
        sampler.join()
    elapsed = time.perf_counter() - start
    cpu = sum(e["cpu_s"] for e in ended.values())
    own = os.times()
    own_s = own.user + own.system - own_before.user - own_before.system
    return Watched(
        wall_s=ended[first]["ended"] - began,
        began=began,
        cpu_s=cpu,
        other_cores=max(0.0, (_busy_s() - busy_before - cpu - own_s) / elapsed),
        first_mb=ended[first]["peak_mb"],
        others_mb=max((e["peak_mb"] for pid, e in ended.items() if pid != first), default=0.0),
        samples=tuple(samples),
        first=first,
        launcher=launcher.pid,
        returncode=ended[first]["code"],
    )


def _sample(
    session: int, start: float, into: list[tuple[float, int, int, float, float]], done: threading.Event
) -> None:
    while not done.wait(EVERY_S):
        now = time.perf_counter() - start
        into += [(now, pid, parent, mb, cpu) for pid, parent, mb, cpu in _processes(session) if pid != session]


def _processes(session: int) -> list[tuple[int, int, float, float]]:
    """Number, parent, resident MB and CPU s of each process of a session."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended since
            continue
        if int(fields[3]) == session:
            cpu = (int(fields[11]) + int(fields[12])) / _TICK
            found.append((int(entry), int(fields[1]), int(fields[21]) * _PAGE_MB, cpu))
    return found


def _busy_s() -> float:
    """CPU s that all processes of the machine have taken."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / _TICK


def run_measured(study: Path, out: Path, jobs: int) -> dict[str, Any]:
    """A whole ``allostat run`` into an empty folder, as numbers.

    Raises
    ------
    RuntimeError
        When a participant failed: such a run says nothing of the cost.
    """
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "allostat", "run", str(study), "-o", str(out), "-j", str(jobs), "--quiet"]
    # As installed: modules are compiled once, whatever the shell of a developer says.
    seen = watched(command, {"PYTHONDONTWRITEBYTECODE": ""})
    if seen.returncode:
        raise RuntimeError(f"allostat run ended with code {seen.returncode}: see {out}")
    tasks = [task_of(path.parent) for path in sorted(out.glob("*/status.json"))]
    begun = min(t["ended"] - t["wall_s"] for t in tasks)
    ended = max(t["ended"] for t in tasks)
    work_cpu, work_wall = sum(t["cpu_s"] for t in tasks), sum(t["wall_s"] for t in tasks)
    engine = ended - begun
    workers = _memory_of_workers(seen)
    collate_cpu = _cpu_after(seen, ended - seen.began)
    return {
        "jobs": jobs,
        "participants": len(tasks),
        "wall_s": seen.wall_s,
        "cpu_s": seen.cpu_s,
        "other_cores": seen.other_cores,
        "start_s": begun - seen.began,
        "engine_s": engine,
        "collate_s": seen.began + seen.wall_s - ended,
        "collate_cpu_s": collate_cpu,
        "work_cpu_s": work_cpu,
        "work_wall_s": work_wall,
        "overhead_cpu": (seen.cpu_s - work_cpu) / work_cpu,
        "overhead_cpu_before_collating": (seen.cpu_s - collate_cpu - work_cpu) / work_cpu,
        "overhead_wall": (engine * jobs - work_wall) / work_wall,
        "parent_peak_mb": seen.first_mb,
        "worker_peak_mb": seen.others_mb,
        **workers,
        **_parent_slope(seen, begun - seen.began, ended - seen.began, len(tasks)),
        "bytes_out": sum(p.stat().st_size for p in out.rglob("*") if p.is_file()),
        "bytes_store": sum(p.stat().st_size for p in out.glob("*/*.h5")),
        "stages_cpu_s": {
            name: sum(t["stages"].get(name, 0.0) for t in tasks)
            for name in dict.fromkeys(s for t in tasks for s in t["stages"])
        },
        "tasks": {t["participant"]: {"cpu_s": t["cpu_s"], "bytes": t["bytes"]} for t in tasks},
    }


def task_of(folder: Path) -> dict[str, Any]:
    """What one participant took, from what the worker left behind."""
    status = json.loads((folder / "status.json").read_text())
    stages: dict[str, float] = {}
    last: tuple[str, float] | None = None
    cpu = 0.0
    for line in (folder / "log.jsonl").read_text().splitlines():
        entry = json.loads(line)
        if entry["event"] == "stage":
            if last is not None:
                stages[last[0]] = entry["cpu_seconds"] - last[1]
            last, cpu = (entry["stage"], entry["cpu_seconds"]), entry["cpu_seconds"]
    return {
        "participant": status["participant"],
        "cpu_s": cpu,
        "wall_s": status["seconds"],
        "ended": (folder / "status.json").stat().st_mtime,
        "stages": stages,
        "bytes": sum(p.stat().st_size for p in folder.iterdir()),
    }


def _memory_of_workers(seen: Watched) -> dict[str, float]:
    """Most memory of each worker process, in the order of their start: a slope above 0 would be memory that grows."""
    servers = {parent for _, _, parent, _, _ in seen.samples} - {seen.first, seen.launcher}
    peaks: dict[int, float] = {}
    for _, pid, parent, mb, _ in seen.samples:
        if parent in servers:
            peaks[pid] = max(peaks.get(pid, 0.0), mb)
    inside = [_slope([(t, mb) for t, p, _, mb, _ in seen.samples if p == pid]) for pid in peaks]
    return {
        "worker_processes": float(len(peaks)),
        "worker_slope_mb_per_process": _slope(list(enumerate(peaks.values()))),
        "worker_slope_mb_per_minute": 60.0 * float(np.median(inside)) if inside else float("nan"),
    }


def _parent_slope(seen: Watched, begun_s: float, ended_s: float, n: int) -> dict[str, float]:
    """Growth of the parent while participants are processed (before it collates), for a thousand of them."""
    # What it loads while the first ones run is no growth.
    settled = begun_s + 0.3 * (ended_s - begun_s)
    inside = [(t, mb) for t, pid, _, mb, _ in seen.samples if pid == seen.first and settled <= t <= ended_s]
    done = 1000.0 / n * (ended_s - begun_s)
    return {
        "parent_running_mb": max((mb for _, mb in inside), default=float("nan")),
        "parent_slope_mb_per_1000": _slope(inside) * done,
    }


def _cpu_after(seen: Watched, moment_s: float) -> float:
    """CPU s of the first process and of those that began later, from a moment to the end, as far as samples tell."""
    before = {pid: cpu for t, pid, _, _, cpu in seen.samples if t <= moment_s}
    last = {pid: cpu for _, pid, _, _, cpu in seen.samples if pid == seen.first or pid not in before}
    return sum(cpu - before.get(pid, 0.0) for pid, cpu in last.items()) if last else float("nan")


def _slope(points: Sequence[tuple[float, float]]) -> float:
    if len(points) < 3:
        return float("nan")
    x, y = np.array(points, dtype=np.float64).T
    return float(np.polyfit(x - x.mean(), y, 1)[0]) if np.ptp(x) > 0 else float("nan")
