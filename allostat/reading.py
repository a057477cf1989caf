"""Reading exports: finds the adapter for a source through entry points and reads it.

This is the only way from allostat to the adapters; a third party's package adds a format by an entry point in
the group ``allostat.adapters``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from os import PathLike
from pathlib import Path

from allostat.adapter import Adapter, Manifest, ReadOptions, Sniff
from allostat.errors import InputError
from allostat.recording import Recording
from allostat.source import Source

GROUP = "allostat.adapters"
SURE_ENOUGH = 0.5


@cache
def adapters() -> tuple[Adapter, ...]:
    """All installed adapters, by name.

    Raises
    ------
    InputError
        When a registered adapter cannot be loaded or lacks a part of the `Adapter` contract.
    """
    found: dict[str, Adapter] = {}
    for point in entry_points(group=GROUP):
        try:
            adapter = point.load()
        except Exception as error:
            raise InputError(
                f"adapter cannot be loaded ({error})", where=f"entry point {point.name} = {point.value}"
            ) from error
        if not isinstance(adapter, Adapter):
            wanted = {*Adapter.__annotations__, "sniff", "inspect", "read"}
            lacking = ", ".join(sorted(name for name in wanted if not hasattr(adapter, name)))
            raise InputError(f"is not an adapter: it lacks {lacking}", where=f"entry point {point.value}")
        found[point.name] = adapter
    return tuple(found[name] for name in sorted(found))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one adapter said of a source."""

    adapter: Adapter
    sniff: Sniff


def verdicts(source: Source) -> list[Verdict]:
    """What every adapter says of a source, the surest first."""
    said = [Verdict(adapter, adapter.sniff(source)) for adapter in adapters()]
    return sorted(said, key=lambda v: (-v.sniff.confidence, v.adapter.name))


def adapter_for(source: Source) -> Verdict:
    """The surest adapter for a source.

    Raises
    ------
    InputError
        When no adapter recognises it; the message holds the reasons.
    """
    said = verdicts(source)
    if not said or said[0].sniff.confidence < SURE_ENOUGH:
        raise InputError(why_none(said), where=source.name)
    return said[0]


def why_none(said: Sequence[Verdict]) -> str:
    """Why no adapter takes a source: what those say that came nearest, or that none came near."""
    near = [v for v in said if v.sniff.confidence > 0][:3] or [v for v in said if v.adapter.name == "rr_text"]
    why = "; ".join(f"{v.adapter.name}: {v.sniff.reason}" for v in near)
    return f"no adapter recognises this ({why})" if why else "no adapter recognises this"


def inspect(path: str | PathLike[str]) -> Manifest:
    """What an export holds: device, streams, span, time zone, identifiers present, warnings.

    Parameters
    ----------
    path
        File, folder or zip archive.

    Raises
    ------
    InputError
        When the path does not exist, no adapter recognises it, or it is damaged.
    """
    source = Source(Path(path))
    verdict = adapter_for(source)
    return replace(verdict.adapter.inspect(source), confidence=verdict.sniff.confidence)


def read_all(
    path: str | PathLike[str],
    *,
    participant: str | None = None,
    timezone: str | None = None,
    unit: str | None = None,
    adapter: str | None = None,
    options: ReadOptions | None = None,
) -> Iterator[Recording]:
    """All recordings of an export, one at a time.

    Parameters
    ----------
    path
        File, folder or zip archive.
    participant
        Identifier to file the recordings under; always a string.
    timezone
        IANA zone of the participant, for files that do not tell it.
    unit
        ``ms`` or ``s`` for plain RR text whose unit cannot be told from its values.
    adapter
        Name of the adapter to use instead of the surest one.
    options
        All of the above as one object.
    """
    source = Source(Path(path))
    if adapter is None:
        chosen = adapter_for(source).adapter
    else:
        by_name = {a.name: a for a in adapters()}
        if adapter not in by_name:
            raise InputError("no such adapter", found=adapter, valid=by_name)
        chosen = by_name[adapter]
    wanted = options or ReadOptions(participant=participant, timezone=timezone, unit=unit)
    yield from chosen.read(source, wanted)


def read(
    path: str | PathLike[str],
    *,
    participant: str | None = None,
    timezone: str | None = None,
    unit: str | None = None,
    adapter: str | None = None,
) -> Recording:
    """The one recording of an export; parameters as `read_all`.

    Raises
    ------
    InputError
        When the export holds no recording, or more than one (use `read_all`).
    """
    found = list(read_all(path, participant=participant, timezone=timezone, unit=unit, adapter=adapter))
    if len(found) != 1:
        raise InputError(
            "holds no recording" if not found else "holds several recordings: use allostat.read_all",
            where=Path(path).name,
            found=[r.id for r in found],
        )
    return found[0]
