"""``allostat scan``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from allostat.cli.output import message, number, output_options, plain, print_json, print_table

if TYPE_CHECKING:
    from rich.table import Table

    from allostat.strap import FoundStrap

COLUMNS = ("strap", "model", "gives", "signal dBm", "battery %", "id")
_WORDS = {
    "heart_rate": "heart rate",
    "polar_pmd": "sensor data (Polar)",
    "movesense": "sensor data (Movesense)",
    "advertised_heart_rate": "advertised heart rate",
}
_NONE = (
    "no strap in reach: wear it with wet electrodes, and end other applications and devices that are connected to it "
    "(a strap that a phone holds does not show up)"
)


@click.command(name="scan")
@click.option("--seconds", type=click.FloatRange(0.5, 600), default=3.0, show_default=True, help="How long to listen.")
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C; signal strength shows which strap is which.")
@click.option("--simulate", type=click.IntRange(1, 100), metavar="N", help="N virtual straps instead of the radio.")
@output_options
def command(seconds: float, watch: bool, simulate: int | None, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Straps in reach: model, what they give, signal strength, charge where they advertise it.

    \b
    Examples
      allostat scan
      allostat scan --watch                 which strap is which: hold one to the computer
      allostat scan --json --seconds 10
      allostat scan --simulate 4            without a radio

    Needs a Bluetooth adapter and the extra live (pip install 'allostat-load[live]'). The id is the strap's address
    (on macOS one that the system made up): personal, and never written to a result. Exit code 3 when there is no
    Bluetooth; the message says what to do.
    """
    backends = _simulated(simulate) if simulate else {}
    if watch:
        return _watch(seconds, backends, as_json)
    straps = asyncio.run(_scan(seconds, backends))
    if as_json:
        print_json([_facts(strap) for strap in straps])
    elif straps:
        print_table(COLUMNS, [_row(strap) for strap in straps])
    if not straps:
        message(_NONE, quiet=quiet)
    return 0


def _simulated(count: int) -> dict[str, Any]:
    """A backend with virtual straps for each link that has one."""
    from importlib.metadata import entry_points

    from allostat.strap import SIMULATED_GROUP

    return {point.name: point.load()(count) for point in entry_points(group=SIMULATED_GROUP)}


async def _scan(seconds: float, backends: dict[str, Any]) -> list[FoundStrap]:
    """Straps that any link finds, strongest first; with backends only the links that have one are asked."""
    from allostat.live.links import links

    asked = {name: link for name, link in links().items() if not backends or name in backends}
    found = await asyncio.gather(*(link.scan(seconds, backend=backends.get(name)) for name, link in asked.items()))
    return sorted((strap for straps in found for strap in straps), key=lambda strap: -(strap.rssi_dbm or -128))


def _watch(seconds: float, backends: dict[str, Any], as_json: bool) -> int:
    """Scan again and again; at a terminal in one table, elsewhere each scan is printed (JSON: one line)."""
    import sys

    at_terminal = sys.stdout.isatty() and not as_json

    async def again_and_again() -> None:
        while True:
            straps = await _scan(seconds, backends)
            if as_json:
                click.echo(json.dumps(plain([_facts(strap) for strap in straps]), ensure_ascii=False))
            else:
                print_table(COLUMNS, [_row(strap) for strap in straps])

    async def in_place() -> None:
        from rich.live import Live

        with Live(_table([]), auto_refresh=False) as screen:
            while True:
                screen.update(_table(await _scan(seconds, backends)), refresh=True)

    try:
        asyncio.run(in_place() if at_terminal else again_and_again())
    except KeyboardInterrupt:
        return 0
    return 0


def _table(straps: Sequence[FoundStrap]) -> Table:
    from rich.table import Table
    from rich.text import Text

    title = f"{len(straps)} in reach, Ctrl-C ends" if straps else "listening, Ctrl-C ends"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        table.add_column(column, overflow="fold")
    for strap in straps:
        table.add_row(*(Text(number(cell)) for cell in _row(strap)))
    return table


def _row(strap: FoundStrap) -> tuple[Any, ...]:
    gives = ", ".join(word for service, word in _WORDS.items() if service in strap.services)
    if not strap.connectable:
        gives += " (takes no connection)"
    device = " ".join(text for text in (strap.device.manufacturer, strap.device.model) if text)
    return (strap.name, device or None, gives, strap.rssi_dbm, strap.battery_percent, strap.identity)


def _facts(strap: FoundStrap) -> dict[str, Any]:
    return {
        "id": strap.identity,
        "name": strap.name,
        "manufacturer": strap.device.manufacturer,
        "model": strap.device.model,
        "kind": strap.device.kind,
        "services": sorted(strap.services),
        "rssi_dbm": strap.rssi_dbm,
        "battery_percent": strap.battery_percent,
        "connectable": strap.connectable,
    }
