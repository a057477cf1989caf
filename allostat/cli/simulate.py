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
@click.option(
    "--strap", "straps", multiple=True, help="Serve a virtual strap (h10, verity …); several times for several."
)
@click.option("--tcp", default="127.0.0.1:0", show_default=True, help="Where straps are served; port 0 = a free one.")
@click.option("--seconds", type=click.FloatRange(min=0.1), help="Serve straps so long; else until Ctrl-C.")
@click.option("--faults", type=click.FloatRange(min=0.1), metavar="SECONDS", help="A fault of a strap about so often.")
@output_options
def command(
    folder: Path | None, formats: tuple[str, ...], participant: str, hours: float, start: str, timezone: str,
    seed: int, show_list: bool, straps: tuple[str, ...], tcp: str, seconds: float | None, faults: float | None,
    as_json: bool, quiet: bool, verbose: bool,
) -> int:  # fmt: skip
    """An export of a simulated person in the format of a device or app, and the truth behind it; or virtual straps.

    \b
    Examples
      allostat simulate twins/ --as polar-sensor-logger --hours 8
      allostat simulate twins/ --as elite-hrv --as selfloops
      allostat simulate --list
      allostat simulate --strap h10 --strap verity --tcp 127.0.0.1:6402

    Writes the exports and FOLDER/truth_PARTICIPANT.tsv with the instant of every heart beat (UTC, ns). The same
    options write the same bytes.

    With --strap nothing is written: virtual straps are served to any Bluetooth host of this computer, as a controller
    over TCP (needs the extra sim; docs: virtual straps).
    """
    if straps:
        from allostat.cli.simulate_straps import serve_straps

        if folder is not None or formats:
            raise click.UsageError("a strap writes no files: leave out FOLDER and --as")
        return serve_straps(
            straps, tcp, seed=seed, seconds=seconds, faults_every_s=faults, as_json=as_json, quiet=quiet
        )
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
