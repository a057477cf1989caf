"""The scale benchmark: its model, and a tiny study through all that it measures."""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.scale.command import collate_line, main, run_line
from benchmarks.scale.model import line, model, scaling
from benchmarks.scale.runs import Watched, _cpu_after, run_measured
from benchmarks.scale.studies import Member, made

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="watches processes through /proc")


def test_the_line_is_found_with_its_uncertainty() -> None:
    rng = np.random.default_rng(2)
    days = np.repeat([1.0, 3.0, 7.0, 14.0], 50)
    cost = (0.3 + 0.2 * days) * rng.normal(1.0, 0.05, len(days))
    found = line(days, cost)
    assert found is not None and found.n == 200
    assert found.per_day == pytest.approx(0.2, rel=0.02) and found.per_participant == pytest.approx(0.3, rel=0.1)
    assert found.spread == pytest.approx(0.05, rel=0.2)
    expected, error = found.of(14.0)
    assert abs(expected - 3.1) < 4 * error < 0.2
    assert line([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) is None


def fake_run(jobs: int, engine_s: float, cpu_s: float) -> dict[str, object]:
    tasks = {f"p{d}{i}": {"cpu_s": 0.3 + 0.2 * d + 0.01 * i, "bytes": 1e6 + 2e6 * d} for d in (1, 7) for i in range(3)}
    return {"jobs": jobs, "engine_s": engine_s, "work_cpu_s": cpu_s, "overhead_wall": 0.01, "other_cores": 0.1,
            "overhead_cpu_before_collating": 0.03, "tasks": tasks}  # fmt: skip


def test_the_projection_adds_what_was_measured() -> None:
    results = {
        "rr": [fake_run(1, 100.0, 90.0), fake_run(2, 55.0, 95.0)],
        "rr_days": {f"p{d}{i}": float(d) for d in (1, 7) for i in range(3)},
        "collate": [{"participants": n, "cpu_s": 2.0 + 0.002 * n} for n in (1000, 2000)],
    }
    gain = scaling(results)["rr"]
    assert gain["wall"] == pytest.approx(100 / 55) and gain["by_cpu"] == pytest.approx(2 / (95 / 90) / 1.01)
    found = model(results, 10_000, 14.0)
    rr = found["kinds"]["rr"]
    assert rr["participant_cpu_s"] == pytest.approx(3.11, rel=1e-3)
    assert found["collate_s"] == pytest.approx(22.0)
    assert rr["hours_on_workers"]["1"]["hours"] == pytest.approx((10_000 * 3.11 * 1.03 + 22.0) / 3600, rel=1e-3)
    assert rr["total_gb"] == pytest.approx(290.0, rel=1e-6)


def test_a_tiny_study_is_measured(tmp_path: Path) -> None:
    members = [Member("a", 0.02), Member("b", 0.02, 130), Member("c", 0.02, 130, "wfdb")]
    study = made(tmp_path / "study", members)
    before = (study / "participants.tsv").stat().st_mtime_ns
    assert made(study, members) == study and (study / "participants.tsv").stat().st_mtime_ns == before
    run = run_measured(study, tmp_path / "out", 2)
    assert set(run["tasks"]) == {"a", "b", "c"} and run["cpu_s"] > run["work_cpu_s"] > 0
    assert run["worker_peak_mb"] > 50 and run["parent_peak_mb"] > 50
    assert set(run["stages_cpu_s"]) >= {"ingest", "beats", "hrv", "report"}
    assert "2 workers" in run_line("rr", run, 0.06)


def test_phases_are_kept_and_not_measured_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--folder", str(tmp_path), "--phase", "collate", "--cohort", "8"]
    assert main(arguments) == 0
    first = capsys.readouterr().out
    assert first.count("collate ") == 3 and main(arguments) == 0
    assert capsys.readouterr().out == "" and (tmp_path / "results.json").is_file()
    run = {"participants": 2, "cpu_s": 1.0, "wall_s": 1.0, "peak_mb": 9.0, "bytes": {"cohort.h5": 1, "index.html": 2}}
    assert "500.00 ms each" in collate_line(run)


def test_collating_counts_the_run_and_what_it_starts_for_that() -> None:
    run, worker, collating = 2, 3, 4
    samples = (
        (1.0, run, 1, 100.0, 2.0), (1.0, worker, 1, 300.0, 5.0),
        (2.0, run, 1, 100.0, 2.5), (2.0, worker, 1, 300.0, 6.0), (2.0, collating, 1, 200.0, 0.25),
        (3.0, run, 1, 100.0, 3.0), (3.0, collating, 1, 200.0, 0.75),
    )  # fmt: skip
    seen = Watched(3.0, 0.0, 9.75, 0.0, 100.0, 300.0, samples, run)
    assert _cpu_after(seen, 1.5) == 1.0 + 0.75
    assert math.isnan(_cpu_after(replace(seen, samples=()), 1.5))
