"""``allostat devices``."""

from __future__ import annotations

import click

from allostat.cli.output import output_options, print_json, print_table


@click.command(name="devices")
@output_options
def command(as_json: bool, quiet: bool, verbose: bool) -> int:
    """The formats that can be read, and whether each was verified on a real recording.

    \b
    Examples
      allostat devices
      allostat devices --json

    Other packages add formats through the entry-point group allostat.adapters.
    """
    from allostat.reading import adapters

    rows = [
        (a.name, a.title, " ".join(a.streams), "verified" if a.verified else "not verified on a real export", a.version)
        for a in adapters()
    ]
    columns = ("name", "format", "streams", "evidence", "version")
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        print_table(columns, rows)
    return 0
