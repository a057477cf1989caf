"""``allostat edit``."""

from __future__ import annotations

from pathlib import Path

import click

from allostat.cli.output import message, output_options, print_json, print_table


@click.command(name="edit")
@click.argument("table", metavar="TABLE")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--participant", metavar="ID", help="Whose row.")
@click.option("--match", multiple=True, metavar="COLUMN=TEXT", help="A cell that the row has; may be repeated.")
@click.option("--row", "line", type=click.IntRange(min=2), metavar="LINE", help="Line of the row, as in messages.")
@click.option("--all", "every", is_flag=True, help="Change all rows that fit, not one.")
@click.option("--set", "values", multiple=True, metavar="COLUMN=TEXT", help="The new cell; may be repeated.")
@click.option("--adopt", is_flag=True, help="Enter the table as it stands, after a change with another program.")
@click.option("--why", required=True, help="The reason, for the audit log; without names or identifiers.")
@click.option("--by", help="Who does it; the login name by default.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")
@output_options
def command(
    table: str,
    study: Path,
    participant: str | None,
    match: tuple[str, ...],
    line: int | None,
    every: bool,
    values: tuple[str, ...],
    adopt: bool,
    why: str,
    by: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Correct a table of a study (labs, blood_pressure, diary, participants), with an entry in the audit log.

    \b
    Examples
      allostat edit labs my_study --participant sub-017 --match analyte=hs_crp --set value=1.4 --why "typing error"
      allostat edit labs my_study --participant sub-017 --row 52 --set value=1.4 --set unit=mg/L --why "new report"
      allostat edit labs my_study --participant sub-017 --match analyte=hs_crp --set value=NA --why "haemolytic"
      allostat edit labs my_study --adopt --why "units of batch 7 corrected in the laboratory's own program"

    The version before stays in versions/, beside the table; audit.jsonl says who, when and why. The next run takes the
    new version and names it, with its entry, in what it writes.
    """
    from allostat.cli.opening import opened
    from allostat.errors import ConfigError
    from allostat.study.table_edit import adopt_table, edit_table

    if adopt:
        if values or match or line or participant:
            raise ConfigError("--adopt enters the table as it stands: it takes no rows and no values")
        entry = adopt_table(opened(study), table, why=why, by=by)
        if as_json:
            print_json(entry.content)
        else:
            click.echo(f"entry {entry.sequence}: {entry.what['table']} as it stands")
        return 0
    if participant is None:
        raise ConfigError("whose row is meant?", expected="--participant")
    done = edit_table(
        opened(study),
        table,
        participant=participant,
        values=_pairs(values, "--set"),
        why=why,
        by=by,
        match=_pairs(match, "--match"),
        line=line,
        every=every,
        dry_run=dry_run,
    )
    rows = [(c.line, c.column, c.before, c.after) for c in done.changes]
    columns = ("line", "column", "before", "after")
    if as_json:
        print_json(
            {
                "table": done.table,
                "changes": [dict(zip(columns, row, strict=True)) for row in rows],
                "from": done.before,
                "to": done.after,
                "entry": None if done.entry is None else done.entry.content,
            }
        )
        return 0
    print_table(columns, rows)
    if not rows:
        message("nothing to change: the cells hold that already", quiet=quiet)
    elif done.entry is None:
        message("dry run: nothing was written", quiet=quiet)
    else:
        message(f"entry {done.entry.sequence} in audit.jsonl, by {done.entry.who}", quiet=quiet)
    return 0


def _pairs(texts: tuple[str, ...], option: str) -> dict[str, str]:
    from allostat.errors import ConfigError

    pairs = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise ConfigError(f"{option} needs a column and a text", found=text, expected=f"{option} value=1.4")
        if name.strip() in pairs:
            raise ConfigError(f"{option} names a column twice", found=name.strip())
        pairs[name.strip()] = value.strip()
    return pairs
