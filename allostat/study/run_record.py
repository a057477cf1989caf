"""``run.json``: what a run found, so that its results can be collated again without the study's inputs.

Participants, how each ended, tables with their hashes, the head of the study's audit log, what matched nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allostat.biomarkers import Person
from allostat.recording import Notice
from allostat.study.audit import AuditLog, append_entry, read_audit
from allostat.study.layout import OutputLayout, write_atomic
from allostat.study.outcome import Outcome, RunResult
from allostat.study.plan import ParticipantPlan, Plan
from allostat.study.table_versions import leads

if TYPE_CHECKING:
    from allostat.study.inputs import StudyTables

FILE_NAME = "run.json"
CHANGED = "changed outside"


def run_record(place: Path, result: RunResult, tables: StudyTables, declared: Iterable[Notice] = ()) -> dict[str, Any]:
    """What a run found, as JSON holds it; the same for the same study and outcome.

    Parameters
    ----------
    declared
        Notices beside those of the tables.
    """
    plan = result.plan
    return {
        "study": str(place),
        "participants": [{**asdict(p.person), "id": p.participant, "timezone": p.timezone} for p in plan.participants],
        "ended": {o.participant: [o.state, o.reason] for o in result.outcomes if o.state in ("failed", "excluded")},
        "tables": dict(tables.hashes),
        "table_versions": {name: dict(version) for name, version in tables.versions.items()},
        "audit": read_audit(place).head,
        "unmatched_raw": list(plan.unmatched_raw),
        "without_raw": list(plan.without_raw),
        "unmatched_tables": {name: list(ids) for name, ids in plan.unmatched_tables.items()},
        "notices": [asdict(notice) for notice in (*tables.notices, *declared)],
    }


def write_record(root: Path, record: Mapping[str, Any]) -> None:
    """Write ``run.json``."""
    write_atomic(root / FILE_NAME, json.dumps(record, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def recorded(root: Path) -> dict[str, Any]:
    """What the last run of an output folder found; empty when there was none or the file is damaged (which `allostat
    verify` tells, and the next run mends)."""
    try:
        kept = json.loads((root / FILE_NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def restored(layout: OutputLayout, record: Mapping[str, Any]) -> RunResult:
    """The result of a run as its record tells it; exports are not part of it."""
    plans = []
    for told in record["participants"]:
        about = {k: v for k, v in told.items() if k not in ("id", "timezone")}
        person = Person(**{**about, "medications": tuple(about["medications"])})
        plans.append(ParticipantPlan(told["id"], person, told["timezone"]))
    plan = Plan(
        tuple(plans),
        tuple(record["unmatched_raw"]),
        tuple(record["without_raw"]),
        {name: tuple(ids) for name, ids in record["unmatched_tables"].items()},
    )
    ended = record["ended"]
    outcomes = tuple(Outcome(p.participant, *ended[p.participant]) for p in plan.participants if p.participant in ended)
    return RunResult(layout, plan, outcomes, restored_notices(record["notices"]))


def restored_notices(kept: Iterable[Mapping[str, Any]]) -> tuple[Notice, ...]:
    """The notices of a record."""
    return tuple(Notice(**notice) for notice in kept)


def changes_outside(kept: Mapping[str, Any], hashes: Mapping[str, str], log: AuditLog) -> list[tuple[str, str, str]]:
    """Tables that changed since a run without an entry of the study's log: name, version then, version now."""
    return [
        (table, before, hashes[table])
        for table, before in kept.get("tables", {}).items()
        if table in hashes and hashes[table] != before and not leads(log, table, before, hashes[table])
    ]


def log_notes(kept: Mapping[str, Any], log: AuditLog) -> list[str]:
    """What is wrong with a study's log by itself, and beside what a run knew of it."""
    notes = list(log.problems)
    if not notes and "audit" in kept and not log.begins_with(kept["audit"]):
        known = kept["audit"]["entries"]
        notes.append(f"audit.jsonl: is not the log that the last run knew: of its first {known} entries some are gone")
    return notes


def declared_changes(place: Path, root: Path, tables: StudyTables) -> tuple[Notice, ...]:
    """Say, and enter in the log of the output folder, which tables changed without an entry since the last run.

    The caller holds the lock of the output folder.
    """
    kept, log = recorded(root), read_audit(place)
    notices = [Notice("AUDIT_LOG_CHANGED", text, "warning") for text in log_notes(kept, log)]
    for table, before, now in changes_outside(kept, tables.hashes, log):
        what = {"table": table, "from": before, "to": now}
        entered = [dict(e.what) for e in read_audit(root).entries if e.kind == CHANGED and e.what.get("table") == table]
        # A run that was killed before it wrote its record has entered it already.
        if entered[-1:] != [what]:
            append_entry(root, CHANGED, what, who="", why="")
        message = f"{table} was changed outside of allostat edit since the last run; the results take it as it is"
        notices.append(Notice("TABLE_CHANGED_OUTSIDE", message, "warning", file=table))
    return tuple(notices)
