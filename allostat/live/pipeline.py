"""Journalled records turned into placed values: the one way for a live session, its replay and its finished file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from allostat.live.host_clock import HostAxis
from allostat.live.timeline import StrapTimeline
from allostat.live.updates import MarkerSet, MarkerSource, Placed
from allostat.store.journal import Record
from allostat.strap import RecordKind, StrapDecoder

SESSION = 0xFFFF
"""Strap number of records that belong to the session as a whole."""
BEGUN, STOPPING, STOPPED = "session_begun", "session_stopping", "session_stopped"
"""Codes of the session's own notes."""


@dataclass(frozen=True, slots=True)
class NoteTaken:
    """Something that a link or the session noted.

    Attributes
    ----------
    strap
        `SESSION` when it concerns all.
    """

    strap: int
    time_ns: int
    code: str
    message: str


class SessionPipeline:
    """Decodes and places the records of one session, in their order.

    Parameters
    ----------
    straps
        How many there are.
    decoder
        Makes a decoder for one strap.
    rr_ms_per_unit
        By strap: what its RR intervals are known to count in.
    """

    def __init__(
        self, straps: int, decoder: Callable[[], StrapDecoder], *, rr_ms_per_unit: Mapping[int, float] | None = None
    ) -> None:
        known = rr_ms_per_unit or {}
        self.timelines = [StrapTimeline(i, rr_ms_per_unit=known.get(i)) for i in range(straps)]
        self.axis: HostAxis | None = None
        self.last_monotonic_ns = 0
        self.disk_lost = 0
        self.stopped_by_note = False
        self._closed = False
        self._stopping_ns: int | None = None
        self._decoders = [decoder() for _ in range(straps)]

    @property
    def now_ns(self) -> int:
        """Instant of the last record."""
        return 0 if self.axis is None else self.axis.instant_ns(self.last_monotonic_ns)

    def push(self, record: Record) -> list[Placed | MarkerSet | NoteTaken]:
        """What one record holds."""
        if self.axis is None:
            self.axis = HostAxis(record.monotonic_ns, record.wall_ns)
        self.last_monotonic_ns = max(self.last_monotonic_ns, record.monotonic_ns)
        host_ns = self.axis.instant_ns(record.monotonic_ns)
        if record.strap >= len(self.timelines):
            return self._push_session(record, host_ns)
        found: list[Placed | MarkerSet | NoteTaken] = []
        if record.kind == RecordKind.NOTE:
            found += _note(record, host_ns)
        timeline = self.timelines[record.strap]
        wall_step_ns = self.axis.wall_step_ns(record.monotonic_ns, record.wall_ns)
        try:
            decoded = self._decoders[record.strap].push(record.kind, record.data, record.monotonic_ns)
            if decoded:
                found += timeline.push(decoded, host_ns, wall_step_ns)
        except Exception:  # noqa: BLE001 - one record costs itself alone, counted; live and in the file alike
            timeline.malformed["not_placed"] += 1
        if record.kind == RecordKind.GAP:
            self.disk_lost += int(_facts(record.data).get("records", 0))
        return found

    def _push_session(self, record: Record, host_ns: int) -> list[Placed | MarkerSet | NoteTaken]:
        if record.kind == RecordKind.MARKER:
            facts = _facts(record.data)
            time_ns = facts.get("time_ns")
            known = {s: s for s in get_args(MarkerSource)}.get(facts.get("source"), "program")
            return [MarkerSet(time_ns if isinstance(time_ns, int) else host_ns, str(facts.get("label", "")), known)]
        if record.kind != RecordKind.NOTE:
            return []
        notes = _note(record, host_ns)
        if any(n.code == STOPPING for n in notes):
            self._stopping_ns = host_ns
        if any(n.code == STOPPED for n in notes):
            self.stopped_by_note = True
            return [*self.close(), *notes]
        return [*notes]

    def close(self) -> list[Placed | MarkerSet | NoteTaken]:
        """Close the books of all straps at the last record; nothing happens a second time.

        After the session was told to stop, nothing is owed any more: straps are disconnected one by one.
        """
        if self._closed:
            return []
        self._closed = True
        end_ns = self.now_ns if self._stopping_ns is None else min(self.now_ns, self._stopping_ns)
        return [placed for timeline in self.timelines for placed in timeline.close(end_ns)]


def session_note(code: str, message: str) -> bytes:
    """Data of a record that notes something."""
    return json.dumps({"code": code, "message": message}, ensure_ascii=False, separators=(",", ":")).encode()


def marker_data(marker: MarkerSet) -> bytes:
    """Data of a marker's record."""
    facts = {"label": marker.label, "source": marker.source, "time_ns": marker.time_ns}
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":")).encode()


def _note(record: Record, host_ns: int) -> list[NoteTaken]:
    facts = _facts(record.data)
    return [NoteTaken(record.strap, host_ns, str(facts.get("code", "")), str(facts.get("message", "")))]


def _facts(data: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}
