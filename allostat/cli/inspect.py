"""``allostat inspect``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from allostat.cli.output import message, output_options, print_json, print_table

if TYPE_CHECKING:
    from allostat.adapter import StreamSummary


@click.command(name="inspect")
@click.argument("path", type=click.Path(path_type=Path))
@output_options
def command(path: Path, as_json: bool, quiet: bool, verbose: bool) -> int:
    """What an export holds: device, streams, rates, span, gaps, time zone and its source, identifiers.

    \b
    Examples
      allostat inspect 2024-05-06_ECG.txt
      allostat inspect A00204.zip --json
      allostat inspect mitdb/101.hea

    Identifiers are named by kind; their values are never printed.
    """
    from dataclasses import asdict

    from allostat.reading import inspect

    manifest = inspect(path)
    if as_json:
        print_json(asdict(manifest))
        return 0
    device = manifest.device
    weak = ", weak" if manifest.timezone.weak else ""
    verified = "" if manifest.verified else ", not verified on a real export"
    facts = [
        ("file", manifest.source),
        ("format", f"{manifest.adapter} (confidence {manifest.confidence:.2f}{verified})"),
        ("device", " ".join(t for t in (device.manufacturer, device.model, device.firmware) if t) or "not stated"),
        ("time zone", f"{manifest.timezone.name or 'unknown'} ({manifest.timezone.source}{weak})"),
        ("identifiers", ", ".join(manifest.identifiers) or "none found"),
        ("participant", manifest.participant_hint or "not told by the file"),
    ]
    for label, text in facts:
        click.echo(f"{label:<12} {text}")
    columns = ("stream", "kind", "n", "rate Hz", "unit", "start", "end", "gaps")
    rows: list[list[Any]] = [
        [
            s.name,
            s.kind,
            s.n,
            s.rate_hz,
            s.unit,
            *_span(s, manifest.epoch),
            s.gaps,
        ]
        for s in manifest.streams
    ]
    print_table(columns, rows)
    for notice in manifest.notices:
        message(f"{notice.severity}: {notice.message}", quiet=quiet)
    return 0


def _span(stream: StreamSummary, epoch: str) -> tuple[str, str]:
    """Start and end of a stream; dashes when only reading tells them."""
    if stream.end_ns <= stream.start_ns == 0:
        return "–", "–"
    return _when(stream.start_ns, epoch), _when(stream.end_ns, epoch)


def _when(ns: int, epoch: str) -> str:
    if epoch == "relative":
        return f"{ns / 1e9:.3f} s"
    text = datetime.fromtimestamp(ns // 10**9, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{text} UTC" if epoch == "utc" else f"{text} local"
