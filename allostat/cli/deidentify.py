"""``allostat deidentify``."""

from __future__ import annotations

from pathlib import Path

import click

from allostat.cli import EXIT_SOME_FAILED
from allostat.cli.output import message, output_options, print_json


@click.command(name="deidentify")
@click.argument("study", type=click.Path(path_type=Path))
@click.argument("output", type=click.Path(path_type=Path, file_okay=False))
@click.option("--key", "key_file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Key file.")
@click.option("--new-key", is_flag=True, help="Make the key file; it must not exist.")
@output_options
def command(study: Path, output: Path, key_file: Path, new_key: bool, as_json: bool, quiet: bool, verbose: bool) -> int:
    """A copy of a study without names, dates and device numbers, laid out like a study.

    \b
    Examples
      allostat deidentify my_study/ shared/ --key ../secret/my_study.key --new-key
      allostat deidentify my_study/ shared/ --key ../secret/my_study.key

    Identifiers become pseudonyms (HMAC-SHA256 under the key), all dates of a participant move back by the same number
    of whole weeks, ages above 89 become 90; file names, free text and unknown columns are left behind. The key must
    lie outside of STUDY and OUTPUT: whoever holds it can undo the shift. A waveform is itself biometric: this supports
    de-identification and proves nothing.

    Exit code 4 when some participants could not be read; they are not copied.
    """
    from allostat.cli.opening import opened
    from allostat.deidentify import deidentify, make_key, read_key
    from allostat.errors import ConfigError

    place = key_file.resolve()
    for folder in (study, output):
        if place.is_relative_to(folder.resolve()):
            raise ConfigError("the key must not lie with the data", where=key_file.name, found=f"inside {folder.name}")
    source = opened(study)
    key = make_key(key_file) if new_key else read_key(key_file)
    done = deidentify(source, output, key)
    if as_json:
        print_json({"written": done.written, "failed": dict(done.failed), "not_copied": done.unread})
    else:
        for pseudonym in done.written:
            click.echo(pseudonym)
    for name in done.unread:
        message(f"not copied, because no format recognises it: {name}", quiet=quiet)
    for participant, reason in done.failed:
        message(f"problem: {participant}: {reason}")
    message(f"{len(done.written)} participants written, {len(done.failed)} failed", quiet=quiet)
    return EXIT_SOME_FAILED if done.failed else 0
