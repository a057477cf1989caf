"""The most memory of one participant: a fourteen-day ECG at 250 Hz, 605 MB of samples, read, stored and run."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from benchmarks.scale.runs import task_of, watched

BAR_MB = 400.0


def run_long(study: Path, out: Path) -> dict[str, Any]:
    """``allostat run`` with one worker: most memory of the worker, as the system counted it."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "allostat", "run", str(study), "-o", str(out), "-j", "1", "--quiet"]
    seen = watched(command)
    if seen.returncode:
        raise RuntimeError(f"allostat run ended with code {seen.returncode}: see {out}")
    task = task_of(next(out.glob("*/status.json")).parent)
    raw = sum(p.stat().st_size for p in (study / "raw").rglob("*") if p.is_file())
    servers = {parent for _, _, parent, _, _ in seen.samples} - {seen.first, seen.launcher}
    own = [mb for _, _, parent, mb, _ in seen.samples if parent in servers and parent != 0]
    return {
        "way": "run", "worker_peak_mb": seen.others_mb, "parent_peak_mb": seen.first_mb, "wall_s": seen.wall_s,
        "work_cpu_s": task["cpu_s"], "stages_cpu_s": task["stages"], "raw_bytes": raw, "bytes": task["bytes"],
        "worker_start_mb": own[0] if own else float("nan"), "other_cores": seen.other_cores, "bar_mb": BAR_MB,
    }  # fmt: skip


def read_long(study: Path, file: Path) -> dict[str, Any]:
    """Reading the same export and storing it, in a process that does nothing else."""
    seen = watched([sys.executable, "-m", "benchmarks.scale.long", str(study), str(file)])
    if seen.returncode:
        raise RuntimeError(f"reading ended with code {seen.returncode}")
    return {
        "way": "read and store", "peak_mb": seen.first_mb, "cpu_s": seen.cpu_s, "wall_s": seen.wall_s,
        "bytes": file.stat().st_size, "other_cores": seen.other_cores, "bar_mb": BAR_MB,
    }  # fmt: skip


def read_and_store(study: Path, file: Path) -> None:
    """All recordings of the study's first participant into a participant file, without anything computed of them."""
    from allostat.store import ParticipantResult, write_participant
    from allostat.study import Study
    from allostat.study.stages import ingest

    plan = Study(study).plan().participants[0]
    recordings, _ = ingest(plan)
    write_participant(ParticipantResult(plan.participant, plan.person, recordings), file)


if __name__ == "__main__":
    read_and_store(Path(sys.argv[1]), Path(sys.argv[2]))
