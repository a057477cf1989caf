"""``allostat simulate``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from allostat.cli.output import message, output_options, print_json, print_table


@click.command(name="simulate")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--as", "formats", multiple=True, help="Format to write; several times for several.")
@click.option("--participant", default="sub-001", show_default=True)
@click.option("--hours", type=click.FloatRange(min=0.02), default=1.0, show_default=True)
@click.option("--start", default="2024-03-04T20:00", show_default=True, help="Local date and time of the start.")
@click.option("--timezone", default="Europe/Vienna", show_default=True, help="Zone of the person.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--list", "show_list", is_flag=True, help="The formats that can be written.")
@output_options
def command(
    folder: Path | None, formats: tuple[str, ...], participant: str, hours: float, start: str, timezone: str,
    seed: int, show_list: bool, as_json: bool, quiet: bool, verbose: bool,
) -> int:  # fmt: skip
    """An export of a simulated person in the format of a device or app, and the truth behind it.

    \b
    Examples
      allostat simulate twins/ --as polar-sensor-logger --hours 8
      allostat simulate twins/ --as elite-hrv --as selfloops
      allostat simulate --list

    Writes the exports and FOLDER/truth_PARTICIPANT.tsv with the instant of every heart beat (UTC, ns). The same
    options write the same bytes.
    """
    from allostat.errors import InputError
    from allostat.simulate import EXPORTS, simulate_participant, simulate_worn

    if show_list:
        names = sorted(EXPORTS)
        print_json(names) if as_json else print_table(("format",), [[name] for name in names])
        return 0
    if folder is None or not formats:
        raise click.UsageError("name a folder and a format: allostat simulate FOLDER --as FORMAT (see --list)")
    for name in formats:
        if name not in EXPORTS:
            raise InputError("no such format to write", found=name, valid=EXPORTS)
    try:
        begin = datetime.fromisoformat(start)
    except ValueError as error:
        raise InputError("not a date and time", where="--start", found=start, expected="2024-03-04T20:00") from error
    worn = simulate_worn(simulate_participant(participant, seed), begin, hours, timezone, seed=seed)
    folder.mkdir(parents=True, exist_ok=True)
    written = [str(EXPORTS[name](worn, folder)) for name in formats]
    truth = folder / f"truth_{participant}.tsv"
    truth.write_text("beat_ns\n" + "".join(f"{t}\n" for t in worn.beats_ns.tolist()), encoding="utf-8")
    if as_json:
        print_json({"written": written, "truth": str(truth), "beats": len(worn.beats_ns)})
        return 0
    for path in written:
        click.echo(path)
    message(f"truth: {truth} ({len(worn.beats_ns)} beats)", quiet=quiet)
    return 0
