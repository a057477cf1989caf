"""Progress of a run: a live line at a terminal, one plain line per participant elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from allostat.cli.remaining import Remaining, in_words

if TYPE_CHECKING:
    from allostat.study import Outcome

Progress = Callable[[str, "Outcome | None"], None]


@contextmanager
def progress_of(sizes: Mapping[str, int], *, quiet: bool = False) -> Iterator[Progress]:
    """A progress callback for participants with exports of these sizes (bytes), on stderr."""
    if quiet:
        yield lambda participant, outcome: None
    elif sys.stderr.isatty():
        with _live(sizes) as progress:
            yield progress
    else:
        yield _plain(sizes)


def _plain(sizes: Mapping[str, int]) -> Progress:
    ended = [0]
    remaining = Remaining(sizes, time.monotonic)

    def progress(participant: str, outcome: Outcome | None) -> None:
        if outcome is None:
            remaining.started(participant)
            return
        remaining.ended(participant)
        ended[0] += 1
        left = remaining.seconds
        about = f", about {in_words(left)} left" if left is not None else ""
        reason = f": {outcome.reason}" if outcome.reason else ""
        line = f"[{ended[0]}/{len(sizes)}] {participant} {outcome.state} {outcome.seconds:.1f} s{about}{reason}"
        click.echo(line, err=True)

    return progress


@contextmanager
def _live(sizes: Mapping[str, int]) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars
    from rich.text import Text

    console = Console(stderr=True)
    tally = {"done": 0, "unchanged": 0, "failed": 0, "excluded": 0}
    remaining = Remaining(sizes, time.monotonic)
    text = TextColumn("{task.description}", markup=False)
    columns: list[Any] = [BarColumn(bar_width=24), MofNCompleteColumn(), TimeElapsedColumn(), text]
    with Bars(*columns, console=console, transient=True) as bars:
        task = bars.add_task("starting", total=len(sizes))
        running: list[str] = []

        def progress(participant: str, outcome: Outcome | None) -> None:
            if outcome is None:
                running.append(participant)
                remaining.started(participant)
            else:
                if participant in running:
                    running.remove(participant)
                remaining.ended(participant)
                tally[outcome.state] += 1
                bars.advance(task)
                if outcome.state in ("failed", "excluded"):
                    console.print(Text(f"{participant} {outcome.state}: {outcome.reason}"))
            left = remaining.seconds
            about = f", about {in_words(left)} left" if left is not None else ""
            counts = ", ".join(f"{n} {state}" for state, n in tally.items() if n)
            bars.update(task, description=f"{counts or 'none yet'}{about}; now {', '.join(running[:4]) or '–'}")

        yield progress
