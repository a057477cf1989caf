"""``allostat demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from allostat.cli import EXIT_SOME_FAILED
from allostat.cli.output import message, output_options, print_json, print_table

NIGHTS = 2
"""Nights that a participant of the demo wears a strap; a third changes the ranking little and the time much."""


@click.command(name="demo")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("allostat-demo"))
@click.option("-n", "--participants", type=click.IntRange(min=3), default=12, show_default=True)
@click.option("--seed", type=int, default=2026, show_default=True, help="Another seed simulates another study.")
@click.option("-j", "--jobs", type=click.IntRange(min=1), help="Participants at a time; all usable cores by default.")
@output_options
def command(
    folder: Path, participants: int, seed: int, jobs: int | None, as_json: bool, quiet: bool, verbose: bool
) -> int:
    """A simulated study with known truth, run from raw exports to pages.

    \b
    Examples
      allostat demo
      allostat demo /tmp/demo -n 30 --seed 7

    Writes FOLDER/study (exports in real file formats, tables, truth) and FOLDER/out (results), prints where the pages
    are, and how well the computed index ranks the participants by their known allostatic load.
    """
    from allostat.errors import ConfigError
    from allostat.study.processes import start_server_early

    place, output = folder / "study", folder / "out"
    if folder.exists() and any(folder.iterdir()) and not (place / "truth.tsv").exists():
        raise ConfigError(
            "the folder holds other things than a demo", where=str(folder), expected="a new or empty folder"
        )
    message("simulating the study ...", quiet=quiet)
    start_server_early()
    from allostat.simulate import write_demo_study

    write_demo_study(place, n=participants, seed=seed, days=NIGHTS)
    from allostat.cli.progress import progress_of
    from allostat.study import Study

    study = Study(place)
    plan = study.plan()
    with progress_of({p.participant: p.size_bytes for p in plan.participants}, quiet=quiet) as progress:
        result = study.run(output, jobs=jobs, plan=plan, progress=progress)
    ranking = compare_with_truth(place / "truth.tsv", output / "allostatic_load.tsv")
    pages = [str(result.layout.page(o.participant)) for o in result.outcomes if o.state in ("done", "unchanged")]
    index = output / "index.html"
    if as_json:
        print_json(
            {
                "page": str(index),
                "participant_pages": pages,
                "spearman": ranking["spearman"],
                "ranking": ranking["rows"],
            }
        )
    else:
        print_table(("participant", "known load", "index"), ranking["rows"])
        click.echo(
            f"Spearman correlation of index and known load: {ranking['spearman']:.3f} (n = {len(ranking['rows'])})"
        )
        click.echo(f"index page: {index}")
        click.echo(f"first participant: {pages[0] if pages else 'none'}")
        click.echo(f"store: {result.layout.root / 'cohort.h5'}")
    return 0 if result.all_good else EXIT_SOME_FAILED


def compare_with_truth(truth: Path, scores: Path) -> dict[str, Any]:
    """Known load against the index by definition ``system``: rows by known load, and Spearman's rank correlation."""
    import csv
    import math

    import numpy as np

    with truth.open(encoding="utf-8", newline="") as file:
        known = {row["participant_id"]: float(row["known_load"]) for row in csv.DictReader(file, delimiter="\t")}
    with scores.open(encoding="utf-8", newline="") as file:
        found = {
            row["participant_id"]: float(row["index"]) if row["index"] not in ("", "n/a") else math.nan
            for row in csv.DictReader(file, delimiter="\t")
            if row["definition"] == "system"
        }
    rows = sorted(((p, load, found.get(p, math.nan)) for p, load in known.items()), key=lambda r: r[1])
    pairs = np.array([(load, index) for _, load, index in rows if not math.isnan(index)])
    if len(pairs) < 3:
        return {"rows": rows, "spearman": math.nan}
    ranks = np.argsort(np.argsort(pairs, axis=0), axis=0).astype(float)
    return {"rows": rows, "spearman": float(np.corrcoef(ranks.T)[0, 1])}
