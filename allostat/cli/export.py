"""``allostat export``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from allostat.cli.output import message, output_options, print_json


@click.command(name="export")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--to", "formats", required=True, metavar="FORMATS", help="One or several, separated by commas.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the exports; OUT/export by default.")
@click.option("--only", multiple=True, metavar="ID", help="These participants only; may be repeated.")
@output_options
def command(out: Path, formats: str, output: Path | None, only: tuple[str, ...], **options: Any) -> int:
    """Results of a study in the formats of other tools, each in a folder of its own.

    \b
    Examples
      allostat export my_study-out --to csv
      allostat export my_study-out --to parquet,bids -o shared/
      allostat export my_study-out --to kubios --only sub-007

    \b
    Formats
      csv      tables of the cohort, with a dictionary
      parquet  the same tables in columns with their types
      bids     signals and beats as BIDS physiological recordings
      edf      signals as EDF+ with their beats as annotations
      kubios   beat intervals as text, in ms
      mat      MATLAB files, one per participant
      nwb      Neurodata Without Borders, one file per participant
    """
    from allostat.export import export_study

    wanted = [name.strip() for name in formats.split(",") if name.strip()]
    target = output if output is not None else (out if out.is_dir() else out.parent) / "export"
    written = export_study(out, target, wanted, participants=only or None)
    if options["as_json"]:
        print_json({"output": str(target), "files": [str(p.relative_to(target)) for p in written]})
        return 0
    for name in wanted:
        here = [p for p in written if p.relative_to(target).parts[0] == name]
        click.echo(f"{target / name}\t{len(here)} files")
    message("the files hold personal health data", quiet=options["quiet"])
    return 0
