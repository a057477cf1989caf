"""What the verbs share: options for output, JSON without NaN, messages on stderr, tables for people."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def output_options(function: F) -> F:
    """Add ``--json``, ``-q`` and ``-v`` to a verb."""
    function = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")(function)
    function = click.option("-q", "--quiet", is_flag=True, help="No messages on stderr but errors.")(function)
    return click.option("-v", "--verbose", is_flag=True, help="More messages on stderr.")(function)


def plain(value: Any) -> Any:
    """A value as JSON knows it: NaN and infinities become null, arrays lists, numbers Python numbers."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return str(value)


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    click.echo(json.dumps(plain(value), indent=1, ensure_ascii=False))


def message(text: str, *, quiet: bool = False) -> None:
    """One line for the person at the terminal, on stderr."""
    if not quiet:
        click.echo(text, err=True)


def number(value: Any, digits: int = 4) -> str:
    """A number as people read it; ``–`` for a missing one."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return "–" if math.isnan(value) else f"{value:.{digits}g}"
    return str(value)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str | None = None) -> None:
    """A table on stdout: aligned columns at a terminal, tab-separated values in a pipe."""
    import sys

    texts = [[number(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in texts:
            click.echo("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in texts:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)
