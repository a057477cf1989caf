"""``allostat verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from allostat.cli import EXIT_SOME_FAILED
from allostat.cli.output import message, output_options, print_json


@click.command(name="verify")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--study", "place", type=click.Path(path_type=Path), help="Its study: recheck tables and audit log too.")
@output_options
def command(out: Path, place: Path | None, **options: Any) -> int:
    """Recheck every hash of an output folder: each file, every dataset inside the store files, the audit log.

    \b
    Examples
      allostat verify my_study-out
      allostat verify my_study-out --study my_study
      allostat verify my_study-out --json

    Exit code 0: all is as the run left it; 4: something changed, each with a line on stdout. Tables of the study that
    changed since the run are told and are no error. Without allostat: sha256sum -c checksums.sha256
    """
    from allostat.cli.opening import opened
    from allostat.study.verification import verify_output

    verbose = options["verbose"]
    study = None if place is None else opened(place)
    found = verify_output(out, (lambda name: message(name)) if verbose else (lambda name: None), study=study)
    if options["as_json"]:
        print_json({"files": found.files, "problems": list(found.problems), "notes": list(found.notes)})
    else:
        for problem in found.problems:
            click.echo(problem)
        for note in found.notes:
            message(f"note: {note}", quiet=options["quiet"])
        message(f"{found.files} files, {len(found.problems)} problems", quiet=options["quiet"])
    return 0 if found.sound else EXIT_SOME_FAILED
