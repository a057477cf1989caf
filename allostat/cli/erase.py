"""``allostat erase``."""

from __future__ import annotations

from pathlib import Path

import click

from allostat.cli.output import message, output_options, print_json


@click.command(name="erase")
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("participant")
@click.option("--why", required=True, help="The reason, for the audit log; without the identifier.")
@click.option("--by", help="Who does it; the login name by default.")
@click.option("--study", "place", type=click.Path(path_type=Path), help="Its study: tell which inputs are theirs.")
@click.option("--key", "key_file", type=click.Path(path_type=Path, dir_okay=False),
              help="Key of de-identified copies: tell the pseudonym there.")  # fmt: skip
@output_options
def command(
    out: Path,
    participant: str,
    why: str,
    by: str | None,
    place: Path | None,
    key_file: Path | None,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Remove one participant from an output folder: files, rows, hashes; nothing that names them is left.

    \b
    Examples
      allostat erase my_study-out sub-017 --why "consent withdrawn"
      allostat erase my_study-out sub-017 --why "consent withdrawn" --study my_study --by "A. Researcher"

    The cohort's tables and pages are made again without them. The audit log says when, by whom and why, and names
    nobody. Interrupted, the same command completes it; until then `allostat verify` and `allostat run` refuse.

    Inputs are left alone: with --study their files and rows are listed, and as long as they are there the next run
    brings the participant back. Backups and exports written elsewhere are out of reach.
    """
    from allostat.cli.opening import opened
    from allostat.study.erasure import erase
    from allostat.study.inputs_left import inputs_of

    # Everything that may be refused comes before the first step.
    study = None if place is None else opened(place)
    left = None if study is None else inputs_of(study, participant)
    pseudonym = None if key_file is None else _pseudonym(key_file, participant)
    done = erase(out, participant, why=why, by=by, told=lambda text: message(text, quiet=quiet))
    if as_json:
        print_json(
            {
                "entry": done.entry.content,
                "files_removed": done.files,
                "exports_removed": done.exports_removed,
                "inputs_left": None
                if left is None
                else {"files": left.files, "rows": left.rows, "versions": left.versions},
                "pseudonym": pseudonym,
            }
        )
        return 0
    message(f"erased: {done.files} files removed, entry {done.entry.sequence} in audit.jsonl", quiet=quiet)
    if done.exports_removed:
        message("export/ was removed with it: allostat export makes it again", quiet=quiet)
    if left is None:
        message("inputs were not looked at: --study tells which files and rows are theirs", quiet=quiet)
    elif left:
        message("still among the inputs; the next run brings the participant back while they are there:", quiet=quiet)
        for name in left.files:
            click.echo(name)
        for table, lines in left.rows.items():
            click.echo(f"{table}\t" + (f"line {_ranges(lines)}" if lines else "messages"))
        for name in left.versions:
            click.echo(name)
    if pseudonym is not None:
        message("in copies de-identified under this key the participant is", quiet=quiet)
        click.echo(pseudonym)
    return 0


def _ranges(lines: list[int]) -> str:
    """Ascending numbers, runs of them as ``3-7``."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and runs[-1][-1] == line - 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _pseudonym(key_file: Path, participant: str) -> str:
    from allostat.deidentify import read_key

    return read_key(key_file).pseudonym(participant)
