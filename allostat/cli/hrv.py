"""``allostat hrv``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from allostat.cli.output import message, output_options, print_json, print_table


@click.command(name="hrv")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--window", help="Window length such as 5min; the whole recording by default.")
@click.option("--step", help="Distance between window starts; the window length by default.")
@click.option("--preset", default="taskforce1996", show_default=True, help="Named set of all settings.")
@click.option("--stream", help="Stream to use when there are several, such as ecg, ecg_mlii or rr.")
@click.option("--unit", type=click.Choice(["ms", "s"]), help="Unit of a plain RR text that does not tell it.")
@output_options
def command(path: Path, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """Heart rate variability of one file: beats found, corrected, measured.

    \b
    Examples
      allostat hrv rr.txt
      allostat hrv polar_h10.csv --window 5min --step 1min
      allostat hrv 101.hea --stream ecg_mlii --json

    One row per recording, stream and window; with --json also unit, method and source of every value.
    """
    from allostat.beats import correct_beats
    from allostat.cli.beat_streams import beat_streams
    from allostat.hrv import hrv
    from allostat.hrv_reasons import why_without_values

    found: list[dict[str, Any]] = []
    for stream in beat_streams(path, stream=options["stream"], unit=options["unit"], quiet=quiet):
        corrected = correct_beats(stream.beats)
        result = hrv(corrected, window=options["window"], step=options["step"], preset=options["preset"])
        found.append({"recording": stream.recording, "stream": stream.name, "hrv": result})
    for item in found:
        why = why_without_values(item["hrv"])
        if why:
            message(f"{item['recording']}, {item['stream']}: no values: {', '.join(why)}", quiet=quiet)
    if as_json:
        print_json([{**item, "hrv": item["hrv"].to_dict()} for item in found])
        return 0
    rows: list[list[Any]] = []
    columns = [str(name) for name, variable in found[0]["hrv"].data_vars.items() if variable.ndim == 1]
    for item in found:
        data = item["hrv"]
        for i in range(data.sizes["window"]):
            rows.append([item["recording"], item["stream"], i, *(_cell(data[c], i) for c in columns)])
    if len(rows) == 1:
        units = found[0]["hrv"]
        pairs = zip(["recording", "stream", "window", *columns], rows[0], strict=True)
        print_table(
            ("measure", "value", "unit"),
            [(n, v, units[n].attrs.get("units", "") if n in units else "") for n, v in pairs],
        )
    else:
        print_table(["recording", "stream", "window", *columns], rows)
    return 0


def _cell(variable: Any, window: int) -> Any:
    """A value of one window; a bit mask as the names of its bits."""
    value = variable.values[window].item()
    if "flag_masks" not in variable.attrs:
        return value
    bits = zip(variable.attrs["flag_masks"], variable.attrs["flag_meanings"].split(), strict=True)
    return " ".join(name for bit, name in bits if value & int(bit))
