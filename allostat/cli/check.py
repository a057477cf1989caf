"""``allostat check``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allostat.cli import EXIT_INPUT
from allostat.cli.output import message, output_options, print_json, print_table

if TYPE_CHECKING:
    from allostat.adapter import Manifest
    from allostat.recording import Notice


@click.command(name="check")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--timezone", help="Time zone of participants who state none.")
@output_options
def command(path: Path, timezone: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Dry run: participants × files × format × time zone × hours, and everything that is wrong.

    \b
    Examples
      allostat check my_study/
      allostat check downloads/ --json

    Exit code 0 when a run would begin and every file is accounted for, 3 otherwise.
    """
    from allostat.cli.opening import opened

    return show_plan(opened(path, timezone=timezone), as_json=as_json, quiet=quiet)


def show_plan(study: Any, *, as_json: bool, quiet: bool) -> int:
    """Print the plan of a study; the exit code says whether anything is wrong with it."""
    from allostat.errors import AllostatError
    from allostat.reading import adapters
    from allostat.study.stages import laboratory_problem
    from allostat.study.study import check_settings, exclusion

    check_settings(study.config)
    tables = study.tables()
    plan = study.plan(tables)
    by_name = {a.name: a for a in adapters()}
    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    for person in plan.participants:
        for export in person.exports:
            row: dict[str, Any] = {
                "participant": person.participant,
                "file": export.name,
                "format": export.adapter,
            }
            try:
                manifest = by_name[export.adapter].inspect(export.source)
            except AllostatError as error:
                problems.append(f"{person.participant}: {error}")
                rows.append(row | {"streams": "", "hours": None, "timezone": "", "problem": str(error)})
                continue
            zone = person.timezone or manifest.timezone.name or "unknown"
            weak = ", weak" if manifest.timezone.weak else ""
            source = "profile" if person.timezone else f"{manifest.timezone.source}{weak}"
            notes = "; ".join(n.message for n in manifest.notices if n.severity != "info")
            streams = " ".join(s.name for s in manifest.streams)
            told = {"streams": streams, "hours": hours_of(manifest), "timezone": f"{zone} ({source})", "problem": notes}
            rows.append(row | told)
            wrong = [n.message for n in manifest.notices if n.severity == "error"]
            if not manifest.streams:
                wrong.append("holds nothing that is read here")
            problems += [f"{person.participant}: {export.name}: {text}" for text in wrong]
        for unread in person.unread:
            problems.append(f"{person.participant}: {unread.name} is not read ({unread.reason})")
        contradiction = None if person.problems else laboratory_problem(person, tables.rows_of(person.participant))
        found = (*person.problems, contradiction) if contradiction else person.problems
        problems += [f"{person.participant}: {problem}" for problem in found]
        reason = exclusion(person, tables)
        if reason is not None:
            problems.append(f"{person.participant} would be excluded: {reason}")
    problems += [f"belongs to no participant: {name}" for name in plan.unmatched_raw]
    problems += [
        f"{table} names participants unknown to participants.tsv: {', '.join(names)}"
        for table, names in plan.unmatched_tables.items()
    ]
    if as_json:
        print_json(
            {
                "participants": len(plan.participants),
                "exports": rows,
                "without_recordings": plan.without_raw,
                "problems": problems,
                "assumptions": plan.assumptions,
                "notices": [noted(n) for n in tables.notices],
            }
        )
    else:
        columns = ("participant", "file", "format", "streams", "hours", "timezone", "problem")
        print_table(columns, [[row[c] for c in columns] for row in rows])
        for text in plan.assumptions:
            message(f"assumed: {text}", quiet=quiet)
        for notice in tables.notices:
            message(f"note: {noted(notice)}", quiet=quiet)
        for text in problems:
            message(f"problem: {text}")
        without = ", ".join(plan.without_raw)
        if without:
            message(f"without recordings: {without}", quiet=quiet)
    return EXIT_INPUT if problems else 0


def hours_of(manifest: Manifest) -> float | None:
    """Length of the longest stream in h; None when only reading tells it.

    Streams may count from different epochs, so that the span from the first start to the last end means nothing.
    """
    longest = max((s.end_ns - s.start_ns for s in manifest.streams), default=0)
    return longest / 3.6e12 if longest > 0 else None


def noted(notice: Notice) -> str:
    """A notice with its place and the number of rows."""
    place = ", ".join(t for t in (notice.file, notice.first_line and f"line {notice.first_line}") if t)
    rows = f" ({notice.count} rows)" if notice.count > 1 else ""
    return f"{place}: {notice.message}{rows}" if place else f"{notice.message}{rows}"
