"""A recorded session once more, through the same pipeline, in real time or faster."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from allostat.errors import ConfigError, InputError
from allostat.live.capture_text import capture_records
from allostat.live.finalise import session_header
from allostat.live.links import link_named
from allostat.live.live_view import LiveView, now_ns
from allostat.live.pipeline import SessionPipeline
from allostat.live.session_straps import SessionHeader, StrapInFile
from allostat.live.strap_status import StrapStatus
from allostat.live.updates import LiveAnalysis, LiveSink, SessionState
from allostat.recording import UNKNOWN_ZONE
from allostat.store.journal import Record, read_session, session_of, session_parts, sessions
from allostat.strap import StrapDecoder

_STATE_NS = 1_000_000_000
_TURN_S = 0.02


@dataclass(frozen=True)
class ReplaySource:
    """Records to replay.

    Attributes
    ----------
    records
        Gives them anew at each call.
    """

    name: str
    header: SessionHeader
    records: Callable[[], Iterator[Record]]


def replay_source(path: str | PathLike[str], decoder: Callable[[], StrapDecoder] | None = None) -> ReplaySource:
    """What a path holds: a part of a journal, a folder with one session, ``folder/session``, or a captured text.

    Parameters
    ----------
    decoder
        For a captured text; by default that of the link ``ble``.

    Raises
    ------
    InputError
        There is nothing to replay, or a folder holds several sessions.
    StoreError, ConfigError
        The journal is damaged from its first byte, or no session's.
    """
    place = Path(path)
    if place.is_file() and place.suffix != ".journal":
        made = decoder or link_named("ble").decoder
        header = SessionHeader("ble", (StrapInFile("captured", "captured", "captured"),), UNKNOWN_ZONE, {})
        return ReplaySource(place.stem, header, lambda: capture_records(place, made))
    folder, name = _session_at(place)
    return ReplaySource(name, session_header(folder, name), lambda: read_session(folder, name)[0])


def _session_at(place: Path) -> tuple[Path, str]:
    if place.is_dir():
        names = sessions(place)
        if len(names) != 1:
            raise InputError(
                "a folder is replayed when it holds one session", where=place.name, found=len(names), valid=names
            )
        return place, names[0]
    name = session_of(place) or place.name
    if not session_parts(place.parent, name):
        raise InputError("nothing to replay there", where=place.name, valid=sessions(place.parent))
    return place.parent, name


class Replay:
    """Feeds recorded records to analysis and faces.

    Parameters
    ----------
    source
        A `ReplaySource`, or a path for `replay_source`.
    sinks, analysis
        As of a `Session`: they get the same updates.
    speed
        1 is real time; infinite waits for nothing.
    decoder
        Makes a decoder for one strap; by default that of the link that the journal names.
    """

    def __init__(
        self,
        source: ReplaySource | str | PathLike[str],
        sinks: Sequence[LiveSink] = (),
        analysis: LiveAnalysis | None = None,
        *,
        speed: float = 1.0,
        decoder: Callable[[], StrapDecoder] | None = None,
    ) -> None:
        if not speed > 0:
            raise ConfigError("the speed of a replay is a number above 0", found=speed)
        self._source = source if isinstance(source, ReplaySource) else replay_source(source, decoder)
        self.name, self._speed = self._source.name, speed
        header = self._source.header
        known = decoder or link_named(header.link).decoder
        pipeline = SessionPipeline(len(header.straps), known)
        pairs = zip(pipeline.timelines, header.straps, strict=True)
        self._view = LiveView(pipeline, [StrapStatus(t, s, None, None) for t, s in pairs], sinks, analysis)
        self._stop = asyncio.Event()
        self._bytes = 0

    def now_ns(self) -> int:
        """The time that is being replayed: ns Unix time."""
        return self._view.pipeline.now_ns

    def stop(self) -> None:
        """End the replay early; harmless when called again."""
        self._stop.set()

    async def run(self) -> None:
        """Replay to the end, or until `stop` is called."""
        loop = asyncio.get_running_loop()
        began, turn = loop.time(), time.perf_counter()
        first_ns = told_ns = 0
        started_ns = 0
        for record in self._source.records():
            if self._view.pipeline.axis is None:
                first_ns, told_ns, started_ns = record.monotonic_ns, record.monotonic_ns, record.wall_ns
            while record.monotonic_ns - told_ns >= _STATE_NS:
                told_ns += _STATE_NS
                self._tell(started_ns, told_ns - first_ns + started_ns)
            due = began + (record.monotonic_ns - first_ns) * 1e-9 / self._speed
            if not math.isinf(self._speed) and due > loop.time():
                if await self._stopped_before(due - loop.time()):
                    break
            elif time.perf_counter() - turn > _TURN_S:
                await asyncio.sleep(0)
                turn = time.perf_counter()
            if self._stop.is_set():
                break
            self._view.process(record, now_ns())
            self._bytes += len(record.data)
        self._view.close_books()
        self._tell(started_ns, self.now_ns())
        await self._view.close()

    async def _stopped_before(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def _tell(self, started_ns: int, at_ns: int) -> None:
        self._view.tell_states(SessionState(self.name, started_ns, at_ns, self._bytes, self._bytes, 0, "replay"))
