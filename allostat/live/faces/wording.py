"""How faces put numbers and states into words: short, of fixed width, and never by colour alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from allostat.live.faces.board import Board, StrapPicture
from allostat.live.updates import StrapPhase
from allostat.sampling import NS_PER_S

PHASE_SIGNS: dict[StrapPhase, str] = {
    "searching": "…",
    "connecting": "…",
    "starting": "…",
    "streaming": "●",
    "silent": "▲",
    "lost": "▲",
    "stopped": "■",
}
NONE = "–"
LATE_S = 5.0
"""The journal is synced about every second; after this long without it, faces say so."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the table of straps; ``rank`` says which go first when there is no room (highest first)."""

    title: str
    width: int
    rank: int
    text: Callable[[StrapPicture], str]
    right: bool = True


def number(value: float, digits: int = 0) -> str:
    """A number with fixed decimals; an en dash when it is missing."""
    return f"{value:.{digits}f}" if math.isfinite(value) else NONE


def whole(value: int | None) -> str:
    """An integer; an en dash when it is not known."""
    return NONE if value is None else str(value)


def size(count: int) -> str:
    """Bytes as people read them."""
    if count < 10_000:
        return f"{count} B"
    return f"{count / 1e3:.0f} kB" if count < 10_000_000 else f"{count / 1e6:.1f} MB"


def duration(seconds: float) -> str:
    """``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def clock(time_ns: int) -> str:
    """Wall-clock time of this computer, to a tenth of a second."""
    moment = datetime.fromtimestamp(time_ns / NS_PER_S).astimezone()
    return f"{moment:%H:%M:%S}.{moment.microsecond // 100_000}"


def phase(picture: StrapPicture) -> str:
    """Sign and name of the phase."""
    if picture.state is None:
        return NONE
    return f"{PHASE_SIGNS[picture.state.phase]} {picture.state.phase}"


def contact(picture: StrapPicture) -> str:
    """Skin contact as the strap tells it."""
    told = None if picture.state is None else picture.state.contact
    return NONE if told is None else ("yes" if told else "OFF")


def missing(picture: StrapPicture) -> str:
    """Share that did not arrive; what is not 0 never reads as 0."""
    share = picture.missing_percent
    return "<0.01" if 0 < share < 0.005 else number(share, 2 if share < 9.995 else 1)


def latency(picture: StrapPicture) -> str:
    """Median and 99th percentile in ms."""
    if picture.state is None or not math.isfinite(picture.state.latency_ms[0]):
        return NONE
    middle, late = picture.state.latency_ms
    return f"{number(middle, 1)}/{number(late, 0 if late >= 10 else 1)}"


def quality(picture: StrapPicture) -> str:
    """Verdict of the last complete window."""
    return NONE if picture.quality is None else ("good" if picture.quality.accepted else "POOR")


def _heart_rate(picture: StrapPicture) -> str:
    return NONE if picture.state is None else number(picture.state.heart_rate_bpm)


COLUMNS = (
    Column("strap", 12, 0, lambda p: p.label, right=False),
    Column("phase", 12, 0, phase, right=False),
    Column("HR", 3, 0, _heart_rate),
    Column("RMSSD60", 7, 1, lambda p: number(p.measure("rmssd", 60.0), 1)),
    Column("120 s", 5, 2, lambda p: number(p.measure("rmssd", 120.0), 1)),
    Column("skin", 4, 3, contact),
    Column("signal", 6, 8, quality),
    Column("bat%", 4, 4, lambda p: whole(None if p.state is None else p.state.battery_percent)),
    Column("dBm", 4, 6, lambda p: whole(None if p.state is None else p.state.rssi_dbm)),
    Column("received", 8, 5, lambda p: str(p.received)),
    Column("miss%", 5, 1, missing),
    Column("gaps", 4, 9, lambda p: str(p.gaps)),
    Column("links", 5, 10, lambda p: whole(None if p.state is None else 1 + p.state.reconnects)),
    Column("ms p50/p99", 10, 7, latency),
    Column("SDNN60", 6, 11, lambda p: number(p.measure("sdnn", 60.0), 1)),
    Column("model", 14, 12, lambda p: (p.state.model if p.state is not None else None) or NONE, right=False),
)


@cache
def fitting(width: int) -> tuple[Column, ...]:
    """The columns that fit into ``width`` characters, in their order, with a space between them."""
    shown = list(COLUMNS)
    while len(shown) > 1 and sum(c.width + 1 for c in shown) - 1 > width:
        shown.remove(max(shown, key=lambda c: c.rank))
    return tuple(shown)


def cell(column: Column, picture: StrapPicture) -> str:
    """Text of a cell, exactly as wide as its column."""
    text = printable(column.text(picture))
    if len(text) > column.width:
        text = text[: column.width - 1] + "…"
    return text.rjust(column.width) if column.right else text.ljust(column.width)


def heading(column: Column) -> str:
    """Title of a column, as wide as it."""
    return column.title.rjust(column.width) if column.right else column.title.ljust(column.width)


def printable(text: str) -> str:
    """The text without control characters: a strap's name and a marker's label may hold anything."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def at_rest(board: Board) -> tuple[str, bool]:
    """What the journal holds, and whether that needs attention."""
    session = board.session
    if session is None:
        return "not recording yet", False
    risk = (
        f"{size(board.unsynced_bytes)} at risk for {board.unsynced_s:.1f} s" if board.unsynced_bytes else "all at rest"
    )
    words = f"journal {size(session.journal_bytes)}, {risk}"
    if session.journal_lost:
        return f"DISK: {session.journal_lost} records refused; {words}", True
    if board.unsynced_s > LATE_S:
        return f"DISK: nothing synced for {board.unsynced_s:.0f} s; {words}", True
    return words, False
