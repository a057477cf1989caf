"""``allostat verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from allostat.cli import EXIT_SOME_FAILED
from allostat.cli.output import message, output_options, print_json


@click.command(name="verify")
@click.argument("out", type=click.Path(path_type=Path))
@output_options
def command(out: Path, **options: Any) -> int:
    """Recheck every hash of an output folder: each file, and every dataset inside the store files.

    \b
    Examples
      allostat verify my_study-out
      allostat verify my_study-out --json

    Exit code 0: all is as the run left it; 4: something changed, each with a line on stdout.
    """
    from allostat.study.verification import verify_output

    verbose = options["verbose"]
    found = verify_output(out, (lambda name: message(name)) if verbose else (lambda name: None))
    if options["as_json"]:
        print_json({"files": found.files, "problems": list(found.problems)})
    else:
        for problem in found.problems:
            click.echo(problem)
        message(f"{found.files} files, {len(found.problems)} problems", quiet=options["quiet"])
    return 0 if found.sound else EXIT_SOME_FAILED
