"""What changed on the board since a reader last looked, as JSON for the web page.

Every reader has a `Cursor`. One that falls behind gets the changes of a longer time in one frame, and is told how many
pieces of signal, intervals and events had already been pushed out of the board: it loses its own data, no one else's.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from allostat.live.faces.board import Board, LogLine, StrapPicture, TracePiece
from allostat.live.faces.wording import LATE_S, PHASE_SIGNS
from allostat.sampling import NS_PER_S

FIRST_TRACE_S = 8.0
"""Signal that a page gets when it opens."""
FIRST_LOG = 100
MS = 1e6


@dataclass(frozen=True, slots=True)
class StrapCursor:
    """How far a reader has read one strap."""

    version: int = -1
    trace: int = 0
    intervals: int = 0


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a reader has read."""

    session: int = -1
    log: int = 0
    straps: dict[int, StrapCursor] = field(default_factory=dict)


class Frames:
    """Frames of one board; readers that keep pace share the work of encoding."""

    def __init__(self, board: Board, labels: Sequence[str] = ()) -> None:
        self._board = board
        self._labels = list(labels[:9])
        self._last: tuple[Cursor, int, bytes, Cursor, int] | None = None

    def first(self) -> tuple[bytes, Cursor]:
        """Everything that a page needs to begin with."""
        board = self._board
        now = board.now_ns
        straps = {}
        for picture in board.ordered():
            entry = _strap(picture)
            entry["trace"] = [_piece(p) for p in picture.trace.items if p.end_ns > now - FIRST_TRACE_S * NS_PER_S]
            entry["intervals"] = [_interval(i) for i in picture.intervals.items]
            straps[str(picture.strap)] = entry
        log = [_line(line) for line in list(board.log.items)[-FIRST_LOG:]]
        frame = {
            "full": True,
            "labels": self._labels,
            "signs": PHASE_SIGNS,
            "now": now / MS,
            "session": self._session(),
            "straps": straps,
            "log": log,
        }
        return _encoded(frame), self._cursor()

    def next(self, cursor: Cursor, tick: int) -> tuple[bytes, Cursor, int]:
        """Changes since ``cursor``, the cursor after them, and how many items were lost in between.

        ``tick`` is the number of the moment: readers with the same cursor at the same moment get the same bytes.
        """
        if self._last is not None and self._last[1] == tick and self._last[0] == cursor:
            return self._last[2], self._last[3], self._last[4]
        board = self._board
        frame: dict[str, Any] = {"now": board.now_ns / MS}
        lost = 0
        straps: dict[str, Any] = {}
        for picture in board.ordered():
            seen = cursor.straps.get(picture.strap, StrapCursor())
            entry = _strap(picture) if picture.version != seen.version else {}
            pieces, gone = picture.trace.since(seen.trace)
            intervals, gone_too = picture.intervals.since(seen.intervals)
            lost += gone + gone_too
            if pieces:
                entry["trace"] = [_piece(p) for p in pieces]
            if intervals:
                entry["intervals"] = [_interval(i) for i in intervals]
            if entry:
                straps[str(picture.strap)] = entry
        log, gone = board.log.since(cursor.log)
        lost += gone
        if straps:
            frame["straps"] = straps
        if log:
            frame["log"] = [_line(line) for line in log]
        if board.session_version != cursor.session:
            frame["session"] = self._session()
        if lost:
            frame["lost"] = lost
        self._last = (cursor, tick, _encoded(frame), self._cursor(), lost)
        return self._last[2], self._last[3], lost

    def _cursor(self) -> Cursor:
        board = self._board
        straps = {p.strap: StrapCursor(p.version, p.trace.total, p.intervals.total) for p in board.ordered()}
        return Cursor(board.session_version, board.log.total, straps)

    def _session(self) -> dict[str, Any] | None:
        board, session = self._board, self._board.session
        if session is None:
            return None
        return {
            "name": session.name,
            "started": session.started_ns / MS,
            "journal": session.journal_bytes,
            "risk": board.unsynced_bytes,
            "risk_s": round(board.unsynced_s, 1),
            "refused": session.journal_lost,
            "attention": bool(session.journal_lost) or board.unsynced_s > LATE_S,
            "message": session.message,
            "markers": board.markers,
            "ended": board.ended,
        }


def _strap(picture: StrapPicture) -> dict[str, Any]:
    state, quality = picture.state, picture.quality
    shown: dict[str, Any] = {
        "label": picture.label,
        "stream": picture.trace_stream,
        "gaps": picture.gaps,
        "missing": _number(picture.missing_percent, 3),
        "received": picture.received,
        "quality": None if quality is None else quality.accepted,
        "reasons": [] if quality is None else list(quality.reasons),
        "hrv": {},
    }
    for length in sorted({length for _, length in picture.hrv}):
        window = picture.latest_hrv(length)
        if window is not None:
            values = {name: _number(value, 2) for name, value in window.values.items()}
            shown["hrv"][f"{length:g}"] = {
                "stream": window.stream,
                "artefacts": _number(window.artefact_percent, 1),
                **values,
            }
    if state is not None:
        shown |= {
            "phase": state.phase,
            "message": state.message,
            "hr": _number(state.heart_rate_bpm, 0),
            "contact": state.contact,
            "battery": state.battery_percent,
            "rssi": state.rssi_dbm,
            "model": state.model,
            "reconnects": state.reconnects,
            "malformed": sum(state.malformed.values()),
            "latency": [_number(v, 1) for v in state.latency_ms],
        }
    return shown


def _piece(piece: TracePiece) -> list[Any]:
    return [piece.t0_ns / MS, 1000.0 / piece.rate_hz, piece.scale, piece.unit, piece.raw.tolist()]


def _interval(item: tuple[int, float]) -> list[float]:
    return [item[0] / MS, round(item[1], 1)]


def _line(line: LogLine) -> list[Any]:
    return [line.time_ns / MS, line.label, line.kind, line.text]


def _number(value: float, digits: int) -> float | None:
    return round(value, digits) if math.isfinite(value) else None


def _encoded(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
