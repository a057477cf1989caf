"""What looking into a finished study takes: the cohort's table, one participant, one of its groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import allostat
from benchmarks.index import cpu_seconds

TABLE_BAR_S, PARTICIPANT_BAR_S = 0.1, 0.005
_REPEATS = 15


def opening(root: Path, participant_of: Path) -> dict[str, Any]:
    """CPU s (medians) of opening the cohort of ``root`` and a participant of another study, whose files are whole."""
    study = allostat.open_study(participant_of)
    who = study.participants[0]
    return {
        "participants": len(allostat.open_study(root)),
        "columns": len(allostat.open_study(root).table.data_vars),
        "table_s": cpu_seconds(lambda: allostat.open_study(root).table, _REPEATS),
        "table_with_values_s": cpu_seconds(lambda: allostat.open_study(root).table.load(), _REPEATS),
        "participant_s": cpu_seconds(lambda: study[who].groups, _REPEATS),
        "group": study[who].groups[1],
        "group_s": cpu_seconds(lambda: study[who].dataset(study[who].groups[1]), _REPEATS),
    }


def opening_line(run: dict[str, Any]) -> str:
    """The figures as text."""
    return (
        f"open      cohort of {run['participants']:,}, {run['columns']} columns: {1e3 * run['table_s']:.1f} ms "
        f"(bar {1e3 * TABLE_BAR_S:.0f}), all its values {1e3 * run['table_with_values_s']:.0f} ms; a participant "
        f"{1e3 * run['participant_s']:.1f} ms (bar {1e3 * PARTICIPANT_BAR_S:.0f}), "
        f"its group {run['group']} {1e3 * run['group_s']:.1f} ms"
    )
