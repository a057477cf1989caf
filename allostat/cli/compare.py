"""``allostat compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allostat.cli.output import output_options, print_json, print_table

if TYPE_CHECKING:
    import xarray as xr


@click.command(name="compare")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--presets", default="taskforce1996,kubios,neurokit", show_default=True, help="Names, comma-separated.")
@click.option("--neurokit", is_flag=True, help="Let NeuroKit2 itself measure the same intervals beside them.")
@click.option("--stream", help="Stream to use when there are several, such as ecg, ecg_mlii or rr.")
@click.option("--unit", type=click.Choice(["ms", "s"]), help="Unit of a plain RR text that does not tell it.")
@click.option("--as-recorded", is_flag=True, help="Measure the beats as they are, without correcting artefacts.")
@output_options
def command(path: Path, as_json: bool, quiet: bool, verbose: bool, **options: Any) -> int:
    """Every measure of one file under several presets, with the settings that differ.

    \b
    Examples
      allostat compare rr.txt
      allostat compare rr.txt --presets taskforce1996,kubios --as-recorded
      allostat compare polar_h10.csv --neurokit --json

    Two tables per stream: measure by preset, and the settings in which the presets differ.
    """
    from allostat.beats import correct_beats
    from allostat.cli.beat_streams import beat_streams
    from allostat.hrv_compare import compare_hrv

    presets = [name.strip() for name in str(options["presets"]).split(",") if name.strip()]
    found: list[tuple[str, str, xr.Dataset]] = []
    for one in beat_streams(path, stream=options["stream"], unit=options["unit"], quiet=quiet):
        used = one.beats if options["as_recorded"] else correct_beats(one.beats)
        found.append((one.recording, one.name, compare_hrv(used, presets, neurokit=options["neurokit"])))
    if as_json:
        print_json([_plain(*item) for item in found])
        return 0
    for recording_id, stream, table in found:
        _print(f"{recording_id}, {stream}", table)
    return 0


def _print(title: str, table: xr.Dataset) -> None:
    presets = [str(name) for name in table["preset"].values]
    rows = [
        [name, str(variable.attrs.get("units", "")), *(float(value) for value in variable.values)]
        for name, variable in table.data_vars.items()
    ]
    print_table(["measure", "unit", *presets], rows, title=title)
    settings = json.loads(table.attrs["differing_settings"])
    own = [name for name in presets if any(name in values for values in settings.values())]
    print_table(
        ["setting", *own],
        [[key, *(_setting(values[name]) for name in own)] for key, values in settings.items()],
        title="Settings that differ",
    )


def _setting(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return ", ".join(f"{band['name']} {band['low_hz']:g}-{band['high_hz']:g} Hz" for band in value)
    if isinstance(value, list):
        return " to ".join("a tenth of the beats" if part is None else str(part) for part in value)
    return str(value)


def _plain(recording: str, stream: str, table: xr.Dataset) -> dict[str, Any]:
    presets = [str(name) for name in table["preset"].values]
    measures = {
        str(name): {
            "units": variable.attrs.get("units"),
            "long_name": variable.attrs.get("long_name"),
            "values": dict(zip(presets, variable.values.tolist(), strict=True)),
            "methods": json.loads(variable.attrs.get("methods", "{}")),
        }
        for name, variable in table.data_vars.items()
    }
    settings = json.loads(table.attrs["differing_settings"])
    return {"recording": recording, "stream": stream, "measures": measures, "differing_settings": settings}
