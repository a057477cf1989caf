"""``allostat migrate``."""

from __future__ import annotations

from pathlib import Path

import click

from allostat.cli.output import message, output_options, print_json, print_table


@click.command(name="migrate")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would be written anew, and write nothing.")
@click.option("--by", help="Who does it; the login name by default.")
@output_options
def command(out: Path, dry_run: bool, by: str | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Write the store files of an output folder in the layout of this allostat.

    \b
    Examples
      allostat migrate my_study-out --dry-run
      allostat migrate my_study-out

    Files of older versions are read without this; migrating them makes them readable for other programs as the
    documents of this version say. Each file is written beside the old one, read back, and put in its place; damaged and
    newer files are refused and nothing is written. Interrupted, the same command completes it.
    """
    from allostat.store import SCHEMA_VERSION
    from allostat.study.migration import migrate, plan_migration

    if dry_run:
        done = plan_migration(out)
    else:
        done = migrate(out, by=by, told=lambda name: message(name, quiet=not verbose))
    if as_json:
        print_json({"files": done.files, "older": done.older, "to": SCHEMA_VERSION, "dry_run": dry_run})
        return 0
    if done.older:
        print_table(("file", "from", "to"), [(name, version, SCHEMA_VERSION) for name, version in done.older.items()])
    verb = "would be written anew" if dry_run else "written anew"
    message(f"{len(done.older)} of {done.files} store files {verb}", quiet=quiet)
    return 0
