"""``allostat live``."""

from __future__ import annotations

import asyncio
import math
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allostat.cli import EXIT_SOME_FAILED
from allostat.cli.output import message, output_options, print_json

if TYPE_CHECKING:
    from allostat.live.faces.opened import FaceChoice
    from allostat.recording import TimeZone

FOLDER, SIMULATED_FOLDER = Path("allostat-live"), Path("allostat-live-simulated")


@click.command(name="live")
@click.option("--straps", multiple=True, metavar="NAME", help="Strap to follow (name, end of name or id), or all.")
@click.option("--participant", "participants", multiple=True, metavar="ID=NAME", help="Who wears which strap.")
@click.option("--record", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER", help="Where to record.")
@click.option("--simulate", type=click.IntRange(1, 100), metavar="N", help="N virtual straps instead of the radio.")
@click.option("--replay", type=click.Path(path_type=Path, exists=True), metavar="FILE", help="Show a recording again.")
@click.option("--speed", type=click.FloatRange(0, min_open=True), default=1.0, help="Of a replay; inf: at once.")
@click.option("--recover", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER",
              help="Only finish what a crash left in a folder.")  # fmt: skip
@click.option("--web", is_flag=False, flag_value=0, type=click.IntRange(0, 65535), metavar="[PORT]",
              help="Also a page on this computer; without PORT a free one is taken.")  # fmt: skip
@click.option("--lsl", is_flag=True, help="Also outlets of the lab streaming layer, and markers from it.")
@click.option("--mark", "labels", multiple=True, metavar="LABEL", help="Label of the next of the keys 1 to 9.")
@click.option("--plain", "--no-dashboard", "plain_lines", is_flag=True, help="Lines on stderr, no dashboard.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), help="Stop after so long.")
@click.option("--timezone", metavar="ZONE", help="Of the participants; by default this computer's.")
@click.option(
    "--streams", default="ecg,ppg,ppi", show_default=True, help="Streams to start besides RR; acc is another."
)
@output_options
def command(
    straps: tuple[str, ...],
    participants: tuple[str, ...],
    record: Path | None,
    simulate: int | None,
    replay: Path | None,
    speed: float,
    recover: Path | None,
    web: int | None,
    lsl: bool,
    labels: tuple[str, ...],
    plain_lines: bool,
    minutes: float | None,
    timezone: str | None,
    streams: str,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> int:
    """Record chest straps live: every byte kept, every missing sample declared, beats and HRV as they come.

    \b
    Examples
      allostat live --simulate 3                        see it run, without a strap
      allostat live                                     the one strap in reach
      allostat live --participant sub-001=12AB34CD --participant sub-002=56EF78AB
      allostat live --straps all --web --lsl --mark baseline --mark stress
      allostat live --replay allostat-live --speed 20   a recorded session again

    Writes a journal while it runs, then a file and a page per session into FOLDER (allostat-live). A session that was
    killed is finished at the next start in the same folder. q or Ctrl-C ends it. Exit code 3: no Bluetooth, no strap;
    4: recorded, but the files could not be written yet.
    """
    if sum(option is not None for option in (simulate, replay, recover)) > 1:
        raise click.UsageError("one of --simulate, --replay and --recover")
    if len(labels) > 9:
        raise click.UsageError("--mark: there are 9 keys")

    def say(line: str) -> None:
        message(line, quiet=quiet)

    if recover is not None:
        return _recover(recover, as_json)
    from allostat.live import conduct

    choice = _faces(web, lsl, labels, plain_lines, quiet)
    if replay is not None:
        asyncio.run(conduct.replay(replay, speed, choice, say))
        return 0
    from allostat.live.chosen_straps import EVERY, StrapChoice, participant_options

    if simulate is not None and not straps and not participants:
        straps = (EVERY,)
    plan = conduct.SessionPlan(
        record or (FOLDER if simulate is None else SIMULATED_FOLDER),
        StrapChoice(straps, participant_options(participants)),
        simulate,
        minutes,
        _zone(timezone),
        tuple(name.strip() for name in streams.split(",") if name.strip()),
    )
    name = conduct.session_name(datetime.now().astimezone())
    return _tell(asyncio.run(conduct.conduct(plan, choice, say, name)), as_json, quiet)


def _faces(web: int | None, lsl: bool, labels: tuple[str, ...], plain_lines: bool, quiet: bool) -> FaceChoice:
    """The dashboard where there is a terminal for it and its package; otherwise plain lines."""
    from allostat.errors import ConfigError
    from allostat.live.faces.opened import FaceChoice, demand_textual

    dashboard = not plain_lines and sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()
    if dashboard:
        try:
            demand_textual()
        except ConfigError as problem:
            message(f"{problem}; plain lines instead", quiet=quiet)
            dashboard = False
    return FaceChoice(dashboard, web, lsl, labels)


def _zone(name: str | None) -> TimeZone:
    from allostat.live.conduct import computer_zone
    from allostat.recording import TimeZone
    from allostat.zones import zone_info

    if name is None:
        return computer_zone()
    zone_info(name, where="--timezone")
    return TimeZone(name, "user")


def _tell(left: object, as_json: bool, quiet: bool) -> int:
    from allostat.live.conduct import Conducted

    assert isinstance(left, Conducted)
    result = left.result
    files = {} if result.finished is None else {p: str(f) for p, f in result.finished.files.items()}
    middle, late = result.latency_ms
    if as_json:
        print_json(
            {
                "session": result.name,
                "files": files,
                "page": None if left.page is None else str(left.page),
                "problem": result.problem or None,
                "records_refused_by_disk": result.journal_lost,
                "records_not_analysed_live": result.not_analysed,
                "latency_ms": {"p50": middle, "p99": late},
            }
        )
    else:
        for path in [*files.values(), *([] if left.page is None else [str(left.page)])]:
            click.echo(path)
    if math.isfinite(middle):
        message(f"latency of the last minute: median {middle:.1f} ms, 99 % below {late:.1f} ms", quiet=quiet)
    if result.journal_lost:
        message(f"the disk refused {result.journal_lost} records: they are declared as gaps", quiet=quiet)
    if result.finished is None:
        message(f"allostat: recorded, but not yet finished: {result.problem}; run allostat live --recover later")
        return EXIT_SOME_FAILED
    return 0 if not result.journal_lost else EXIT_SOME_FAILED


def _recover(folder: Path, as_json: bool) -> int:
    from allostat.live.conduct import write_page
    from allostat.live.recovery import recover_sessions

    found = recover_sessions(folder)
    rows = []
    for recovery in found:
        page = None if recovery.finished is None else write_page(folder, recovery.name, recovery.finished.files)
        files = [] if recovery.finished is None else [str(f) for f in recovery.finished.files.values()]
        rows.append(
            {"session": recovery.name, "files": files, "page": page and str(page), "problem": recovery.problem or None}
        )
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            click.echo("\t".join([str(row["session"]), str(row["page"] or row["problem"])]))
        if not rows:
            message("nothing was left unfinished")
    return EXIT_SOME_FAILED if any(row["problem"] for row in rows) else 0
