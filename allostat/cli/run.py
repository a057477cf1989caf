"""``allostat run``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allostat.cli import EXIT_INPUT, EXIT_SOME_FAILED
from allostat.cli.output import message, output_options, print_json, print_table

if TYPE_CHECKING:
    from allostat.study.study import Verdict


@click.command(name="run")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the results; beside PATH by default.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Participants at a time; all usable cores by default.")
@click.option("--only", multiple=True, metavar="ID", help="Process this participant only; may be repeated.")
@click.option("--from", "from_stage", metavar="STAGE", help="Run this stage and all after it again.")
@click.option("--force", is_flag=True, help="Run every stage again although nothing changed.")
@click.option("--dry-run", is_flag=True, help="Show which stages would run for whom, and why, and stop.")
@click.option("--memory", metavar="SIZE", help="Memory one participant may take, such as 2GB; none by default.")
@click.option("--scheduler", metavar="ADDRESS", help="Run on the Dask cluster of this scheduler (tcp://HOST:PORT).")
@click.option("--preset", help="HRV preset, in place of the one in study.toml.")
@click.option("--timezone", help="Time zone of participants who state none, such as Europe/Vienna.")
@click.option("--reference", help="Frozen reference to score against: a name or a JSON file.")
@output_options
def command(path: Path, output: Path | None, jobs: int | None, only: tuple[str, ...], **options: Any) -> int:
    """Run a study: exports and tables in, index and pages out.

    \b
    Examples
      allostat run my_study/                        a study folder with study.toml
      allostat run my_study/ -o results -j 2        where to, and how many at a time
      allostat run my_study/ --only sub-007 --only sub-012      these participants, nobody else
      allostat run my_study/ --from hrv             HRV and all that follows, for everybody
      allostat run my_study/ --only sub-007 --from beats
      allostat run my_study/ --dry-run              what would run, and why
      allostat run my_study/ --memory 2GB           a participant that needs more fails, the others go on
      allostat run export.zip                       one export, no study.toml needed
      allostat run downloads/ --timezone Europe/Rome
      allostat run my_study/ --scheduler tcp://127.0.0.1:8786    on the workers of a Dask cluster

    A run that was killed is resumed by the same command. What a changed setting or input touches is computed again,
    stage by stage: ingest, beats, hrv, circadian, labs, biomarkers, load, report. Exit code 0: all good; 3: input or
    settings invalid, nothing run; 4: some participants failed or were excluded; 130: interrupted.
    """
    from allostat.cli.opening import opened

    scheduler = options["scheduler"]
    path = path.absolute() if scheduler else path  # workers have other current folders
    study = opened(
        path, preset=options["preset"], timezone=options["timezone"], reference=options["reference"],
        memory=options["memory"],
    )  # fmt: skip
    chosen = {"only": only, "force": options["force"], "from_stage": options["from_stage"]}
    if options["dry_run"]:
        return show_verdicts(study.verdicts(output, **chosen), as_json=options["as_json"], quiet=options["quiet"])
    if not study.has_settings:
        message("no study.toml: what was assumed is written to config.effective.toml", quiet=options["quiet"])
    settings = {"jobs": jobs, **chosen, **_shown(options)}
    if scheduler is None:
        return run_and_show(study, output, **settings)
    from allostat.study.distributed import connected

    with connected(scheduler) as client:
        return run_and_show(study, output, client=client, **settings)


def _shown(options: dict[str, Any]) -> dict[str, Any]:
    return {key: options[key] for key in ("as_json", "quiet", "verbose")}


def run_and_show(
    study: Any,
    output: Path | None,
    *,
    jobs: int | None = None,
    only: tuple[str, ...] = (),
    force: bool = False,
    from_stage: str | None = None,
    as_json: bool = False,
    quiet: bool = False,
    verbose: bool = False,
    client: Any = None,
) -> int:
    """Run a study with progress on stderr, print its outcome on stdout, give the exit code."""
    from allostat.cli.progress import progress_of

    plan = study.plan()
    for text in plan.assumptions:
        message(f"assumed: {text}", quiet=quiet)
    sizes = {p.participant: p.size_bytes for p in plan.participants if not only or p.participant in only}
    with progress_of(sizes, quiet=quiet) as progress:
        result = study.run(
            output, jobs=jobs, only=only, force=force, from_stage=from_stage, plan=plan, progress=progress,
            client=client,
        )  # fmt: skip
    show_result(result, as_json=as_json, quiet=quiet, verbose=verbose)
    return 0 if result.all_good else EXIT_SOME_FAILED


def show_verdicts(verdicts: Sequence[Verdict], *, as_json: bool, quiet: bool) -> int:
    """What a run would do: a line per participant with the stages and the reasons; 3 when something is wrong."""
    wrong = {v.participant: [*v.problems, *([v.excluded] if v.excluded else [])] for v in verdicts}
    if as_json:
        print_json(
            [
                {"participant": v.participant, "stages": v.stages, "excluded": v.excluded, "problems": v.problems}
                for v in verdicts
            ]
        )
    else:
        rows = [(v.participant, " ".join(v.stages) or "–", _why(v)) for v in verdicts]
        print_table(("participant", "stages", "why"), rows)
        tally = sum(bool(v.stages) for v in verdicts)
        message(f"{tally} of {len(verdicts)} participants would be computed; nothing was run", quiet=quiet)
    for who, problems in wrong.items():
        for text in problems:
            message(f"problem: {who}: {text}")
    return EXIT_INPUT if any(wrong.values()) else 0


def _why(verdict: Verdict) -> str:
    """The reasons of a participant's stages, each once; those that only follow from others are left out."""
    if verdict.excluded is not None:
        return f"would be excluded: {verdict.excluded}"
    if verdict.problems:
        return "would fail: see below"
    reasons = [why for why in verdict.stages.values() if not why.startswith("stands on")]
    return "; ".join(dict.fromkeys(part for why in reasons for part in why.split("; "))) or "everything stands"


def show_result(result: Any, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Outcome of a run: a line per participant, then where the pages are."""
    index = result.layout.root / "index.html"
    rows = [(o.participant, o.state, round(o.seconds, 2), o.reason or "") for o in result.outcomes]
    more = [{"stages": o.computed, "attempts": o.attempts} for o in result.outcomes]
    if as_json:
        print_json(
            {
                "output": str(result.layout.root),
                "page": str(index),
                "participants": [
                    dict(zip(("participant", "state", "seconds", "reason"), r, strict=True)) | about
                    for r, about in zip(rows, more, strict=True)
                ],
                "unmatched_raw": result.plan.unmatched_raw,
                "without_raw": result.plan.without_raw,
                "unmatched_tables": result.plan.unmatched_tables,
            }
        )
        return
    shown = rows if verbose else [r for r in rows if r[1] in ("failed", "excluded")]
    if shown:
        print_table(("participant", "state", "seconds", "reason"), shown)
    tally = {state: sum(r[1] == state for r in rows) for state in ("done", "unchanged", "failed", "excluded")}
    message(", ".join(f"{n} {state}" for state, n in tally.items() if n), quiet=quiet)
    for notice in result.notices:
        message(f"{notice.severity}: {notice.message}", quiet=quiet)
    for name in result.plan.unmatched_raw:
        message(f"belongs to no participant: {name}", quiet=quiet)
    for table, names in result.plan.unmatched_tables.items():
        message(f"{table} names participants unknown to participants.tsv: {', '.join(names)}", quiet=quiet)
    click.echo(f"index page: {index}")
