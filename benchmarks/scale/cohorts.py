"""Cohorts of any size: what participants leave behind, made without computing it, and the collating of it alone."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

from allostat import __version__
from allostat.biomarkers import BiomarkerTable, Person
from allostat.simulate import simulate_biomarker_table
from allostat.store import ParticipantResult, write_participant
from allostat.study.collate import write_cohort_files
from allostat.study.config import StudyConfig
from allostat.study.inputs import StudyTables
from allostat.study.layout import OutputLayout
from allostat.study.outcome import Outcome, RunResult
from allostat.study.plan import ParticipantPlan, Plan
from allostat.study.stages import score
from allostat.study.summary import summary_of
from benchmarks.scale.runs import watched
from benchmarks.scale.studies import ZONE


def make_outputs(root: Path, n: int) -> Path:
    """An output folder in which ``n`` participants have their files; one that is there already is left alone.

    Their store files are copies of the first one's: collating opens none of those that this version wrote.
    """
    mark = root.with_name(f"{root.name}.made")
    if mark.is_file() and mark.read_text() == str(n):
        return root
    shutil.rmtree(root, ignore_errors=True)
    layout = OutputLayout(root)
    table = simulate_biomarker_table(n)
    rows: dict[str, list[Any]] = {}
    for row in table.rows:
        rows.setdefault(row.participant, []).append(row)
    first = next(iter(table.persons))
    # Of one the index is computed; collating scores all anew.
    load = score(BiomarkerTable(tuple(rows[first]), {first: table.persons[first]}), StudyConfig())
    for number, (who, person) in enumerate(table.persons.items()):
        own = BiomarkerTable(tuple(rows[who]), {who: person})
        result = ParticipantResult(who, person, biomarkers=own, allostatic_load=load, provenance={"inputs": []})
        layout.folder(who).mkdir(parents=True)
        if who == first:
            digest = write_participant(result, layout.store(who))
        else:
            shutil.copyfile(layout.store(first), layout.store(who))
        layout.page(who).write_text(f"<!doctype html><title>{who}</title>\n")
        layout.log(who).write_text("")
        layout.status(who).write_text(json.dumps(_status(result, digest, number), indent=1) + "\n")
    mark.write_text(str(n))
    return root


def _status(result: ParticipantResult, digest: str, number: int) -> dict[str, Any]:
    who = result.participant
    return summary_of(result) | {
        "participant": who, "status": "done", "reason": None, "fingerprint": "", "seconds": 1.0,
        "store_sha256": digest, "version": __version__, "device": "simulated",
        "adherence": [[f"2026-03-{d + 2:02d}", 20.0 + (number + d) % 5] for d in range(14)],
        "inputs": [{"name": f"{who}.csv", "sha256": f"{number:064x}", "bytes": 1_000_000, "adapter": "rr_text"}],
        "qc": {"recordings": 1.0, "recorded_h": 336.0, "beats": 1e6 + number, "corrected_share": 0.01, "warnings": 0.0,
               "errors": 0.0, "biomarkers": 14.0, "accepted_share": 0.9},
    }  # fmt: skip


def collate_all(root: Path, parts: int | None = None) -> None:
    """Rebuild the cohort files of an output folder from what its participants left."""
    layout = OutputLayout(root)
    names = sorted(p.parent.name for p in root.glob("*/status.json"))[:parts]
    people = [ParticipantPlan(n, Person(n, "F", 40.0), ZONE) for n in names]
    plan = Plan(tuple(people))
    outcomes = tuple(Outcome(n, "unchanged") for n in names)
    write_cohort_files(root, StudyConfig(), RunResult(layout, plan, outcomes), StudyTables())


def collating(root: Path, n: int) -> dict[str, Any]:
    """What collating the first ``n`` participants takes, in a process of its own."""
    seen = watched([sys.executable, "-m", "benchmarks.scale.cohorts", str(root), str(n)])
    if seen.returncode:
        raise RuntimeError(f"collating ended with code {seen.returncode}")
    sizes = {p.name: p.stat().st_size for p in root.iterdir() if p.is_file()}
    return {
        "participants": n, "wall_s": seen.wall_s, "cpu_s": seen.cpu_s, "other_cores": seen.other_cores,
        "peak_mb": seen.first_mb, "bytes": sizes,
    }  # fmt: skip


if __name__ == "__main__":
    collate_all(Path(sys.argv[1]), int(sys.argv[2]))
