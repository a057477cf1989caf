"""Progress of a run: a live line at a terminal, one plain line per participant elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from allostat.study import Outcome

Progress = Callable[[str, "Outcome | None"], None]


@contextmanager
def progress_of(total: int, *, quiet: bool = False) -> Iterator[Progress]:
    """A progress callback for ``total`` participants, on stderr."""
    if quiet:
        yield lambda participant, outcome: None
    elif sys.stderr.isatty():
        with _live(total) as progress:
            yield progress
    else:
        yield _plain(total)


def _plain(total: int) -> Progress:
    ended = [0]

    def progress(participant: str, outcome: Outcome | None) -> None:
        if outcome is None:
            return
        ended[0] += 1
        reason = f": {outcome.reason}" if outcome.reason else ""
        click.echo(f"[{ended[0]}/{total}] {participant} {outcome.state} {outcome.seconds:.1f} s{reason}", err=True)

    return progress


@contextmanager
def _live(total: int) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    console = Console(stderr=True)
    tally = {"done": 0, "unchanged": 0, "failed": 0, "excluded": 0}
    began = time.monotonic()
    text = TextColumn("{task.description}", markup=False)
    columns: list[Any] = [BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), text]
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("starting", total=total)
        running: list[str] = []

        def progress(participant: str, outcome: Outcome | None) -> None:
            if outcome is None:
                running.append(participant)
            else:
                if participant in running:
                    running.remove(participant)
                tally[outcome.state] += 1
                bars.advance(task)
                if outcome.state in ("failed", "excluded"):
                    console.print(Text(f"{participant} {outcome.state}: {outcome.reason}"))
            ended = sum(tally.values())
            computed = ended - tally["unchanged"]
            left = (total - ended) * (time.monotonic() - began) / computed if computed else None
            remaining = f", about {left:.0f} s left" if left is not None and ended < total else ""
            counts = ", ".join(f"{n} {state}" for state, n in tally.items() if n)
            bars.update(task, description=f"{counts or 'none yet'}{remaining}; now {', '.join(running[:4]) or '–'}")

        yield progress
