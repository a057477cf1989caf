"""A live session: straps followed, every byte journalled first, then decoded, placed, analysed and shown."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from allostat.errors import AllostatError
from allostat.live.finalise import FinishedSession, finalise_session
from allostat.live.host_clock import HostClock, SystemClock
from allostat.live.live_view import DATA_KINDS, LiveView, now_ns
from allostat.live.pipeline import BEGUN, SESSION, STOPPED, STOPPING, SessionPipeline, marker_data, session_note
from allostat.live.recorder import SessionRecorder
from allostat.live.recovery import Recovery, recover_sessions
from allostat.live.session_straps import SessionHeader, SessionStrap, straps_in_file
from allostat.live.strap_status import StrapStatus
from allostat.live.updates import LiveAnalysis, LiveSink, MarkerSet, MarkerSource, SessionState
from allostat.recording import UNKNOWN_ZONE, TimeZone
from allostat.store.journal import Record
from allostat.strap import EventSink, FollowOptions, RecordKind, StrapLink

QUEUE_RECORDS = 8192
"""Records that may wait to be processed; 20 straps with ECG and RR send as many in two minutes."""
STATE_S = 1.0
_TURN_S = 0.005
"""Processing gives way to arrivals after so long."""


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """Stands in the queue where notifications of a strap were left out."""

    strap: int


@dataclass(frozen=True, slots=True)
class SessionResult:
    """What a session left.

    Attributes
    ----------
    finished
        Files of the participants; None when they could not be written: the journal is there, and the next session in
        the folder tries again.
    problem
        Why not.
    journal_lost, not_analysed
        Records that the disk refused, and those that only the live view left out.
    latency_ms
        Median and 99th percentile from arrival to the last face, over the session's last minute.
    """

    name: str
    finished: FinishedSession | None
    problem: str
    journal_lost: int
    not_analysed: int
    latency_ms: tuple[float, float]


class Session:
    """Records straps until it is stopped.

    Parameters
    ----------
    folder
        Where journals and participant files lie; what a crash left there is finalised first.
    name
        Of the session; part of file names.
    straps
        Straps and who wears them.
    link
        Reaches the straps and decodes what they send.
    sinks
        Faces.
    analysis
        Turns placed values into beats, quality and HRV.
    clock
        The host's clock; by default the computer's.
    options, backend
        For the link.
    timezone
        Of the participants.
    queue_records
        Notifications that may wait; further ones are journalled only.
    finalise
        Write the participants' files at the end; otherwise that is left to `finalise_session` or the next session.

    Raises
    ------
    ConfigError
        Straps without participant, or one strap twice.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        name: str,
        straps: Sequence[SessionStrap],
        link: StrapLink,
        sinks: Sequence[LiveSink] = (),
        analysis: LiveAnalysis | None = None,
        clock: HostClock | None = None,
        *,
        options: FollowOptions | None = None,
        backend: Any = None,
        timezone: TimeZone = UNKNOWN_ZONE,
        queue_records: int = QUEUE_RECORDS,
        finalise: bool = True,
    ) -> None:
        self.folder, self.name = Path(folder), name
        self._straps, self._link, self._backend = tuple(straps), link, backend
        self._clock = clock or SystemClock()
        self._options = options or FollowOptions()
        self._queue: deque[tuple[Record | _LeftOut, int]] = deque()
        self._queue_records, self._finalise = queue_records, finalise
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due = False
        self._stop = asyncio.Event()
        self._left_out: set[int] = set()
        self._message = ""
        about = straps_in_file(self._straps)
        settings: Mapping[str, Any] = asdict(self._options)
        self._header = SessionHeader(link.name, about, timezone, settings)
        pipeline = SessionPipeline(len(about), link.decoder)
        statuses = [
            StrapStatus(timeline, in_file, strap.strap.rssi_dbm, strap.strap.battery_percent)
            for timeline, in_file, strap in zip(pipeline.timelines, about, self._straps, strict=True)
        ]
        self._view = LiveView(pipeline, statuses, sinks, analysis)
        self._recorder: SessionRecorder | None = None
        self._started_ns = 0
        self.recovered: tuple[Recovery, ...] = ()

    # --- what faces ask

    def now_ns(self) -> int:
        """The session's time: ns Unix time on the host's monotonic clock."""
        axis = self._view.pipeline.axis
        return self._clock.wall_ns() if axis is None else axis.instant_ns(self._clock.monotonic_ns())

    def mark(self, label: str, source: MarkerSource = "program", time_ns: int | None = None) -> None:
        """Journal a marker, now or at an instant of the session's time; called on the session's event loop."""
        marker = MarkerSet(self.now_ns() if time_ns is None else time_ns, label, source)
        self._arrived(RecordKind.MARKER, SESSION, marker_data(marker))

    def stop(self) -> None:
        """End the session cleanly; harmless when called again."""
        self._stop.set()

    # --- the session's life

    async def run(self) -> SessionResult:
        """Record until `stop` is called or this is cancelled; both end cleanly, and a cancellation is raised then.

        Raises
        ------
        StoreError
            The journal cannot be begun.
        """
        self._loop = asyncio.get_running_loop()
        self.recovered = await asyncio.to_thread(recover_sessions, self.folder)
        failed = [r for r in self.recovered if r.problem]
        self._message = "; ".join(f"the earlier session {r.name} could not be finished: {r.problem}" for r in failed)
        self._recorder = SessionRecorder(self.folder, self.name, self._header.to_dict(), self._clock)
        self._arrived(RecordKind.NOTE, SESSION, session_note(BEGUN, ""))
        self._started_ns = self.now_ns()
        ticking = asyncio.create_task(self._tick(), name="states")
        following = [asyncio.create_task(self._follow(i), name=f"strap {i}") for i in range(len(self._straps))]
        cancelled: asyncio.CancelledError | None = None
        try:
            await self._stop.wait()
        except asyncio.CancelledError as cancellation:
            cancelled = cancellation
        ending = asyncio.create_task(self._end(following, ticking), name="end")
        while not ending.done():
            try:
                await asyncio.wait({ending})
            except asyncio.CancelledError as cancellation:
                # Streams that are not stopped drain the strap, and a session that is not closed is recovered later:
                # both take seconds at most, and are not given up half-way.
                cancelled = cancellation
        if cancelled is not None:
            ending.exception()
            raise cancelled
        return ending.result()

    async def _end(self, following: list[asyncio.Task[None]], ticking: asyncio.Task[None]) -> SessionResult:
        assert self._recorder is not None
        self._arrived(RecordKind.NOTE, SESSION, session_note(STOPPING, ""))
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        for status in self._view.statuses:
            status.ended = status.ended or ""
        self._arrived(RecordKind.NOTE, SESSION, session_note(STOPPED, ""))
        while self._queue:
            await asyncio.sleep(0)
            self._work()
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        self._view.close_books()
        latency = self._view.latency_ms
        self._recorder.close()
        finished, problem = await self._finalised() if self._finalise else (None, "")
        await self._view.close()
        return SessionResult(self.name, finished, problem, self._recorder.lost, self._view.not_analysed, latency)

    async def _finalised(self) -> tuple[FinishedSession | None, str]:
        self._message = "writing the participants' files"
        self._tell_states()
        finished, self._message = None, ""
        try:
            finished = await asyncio.to_thread(finalise_session, self.folder, self.name, self._link.decoder)
        except (AllostatError, OSError) as error:
            self._message = str(error)
        self._tell_states()
        return finished, self._message

    async def _follow(self, number: int) -> None:
        strap = self._straps[number].strap

        def arrived(kind: RecordKind, data: bytes) -> None:
            self._arrived(kind, number, data)

        sink: EventSink = arrived
        try:
            await self._link.follow(strap, sink, self._options, backend=self._backend)
        except AllostatError as error:
            # One strap that cannot be followed costs the others nothing.
            self._view.statuses[number].ended = str(error)

    # --- records

    def _arrived(self, kind: RecordKind, strap: int, data: bytes) -> None:
        """Journal a record before anything else, then queue it."""
        arrived_ns = now_ns()
        assert self._recorder is not None
        record = self._recorder.record(kind, strap, data)
        if len(self._queue) >= self._queue_records and kind in DATA_KINDS:
            self._view.not_analysed += 1
            self._view.statuses[strap].not_analysed += 1
            if strap not in self._left_out:
                self._left_out.add(strap)
                self._queue.append((_LeftOut(strap), arrived_ns))
            return
        self._queue.append((record, arrived_ns))
        self._work_soon()

    def _work_soon(self) -> None:
        """Let the loop come to `_work` once more, after whatever else is ready."""
        if not self._due:
            assert self._loop is not None
            self._due = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        """Process what waits, for a moment at most."""
        self._due = False
        until = time.perf_counter() + _TURN_S
        while self._queue:
            record, arrived_ns = self._queue.popleft()
            if isinstance(record, _LeftOut):
                self._left_out.discard(record.strap)
                self._view.left_out(record.strap)
            else:
                self._view.process(record, arrived_ns)
            if time.perf_counter() >= until:
                self._work_soon()
                return

    # --- states

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            self._tell_states()
            due = max(due + STATE_S, loop.time())
            await asyncio.sleep(due - loop.time())

    def _tell_states(self) -> None:
        recorder = self._recorder
        assert recorder is not None
        message = "; ".join(m for m in (self._message, recorder.message) if m)
        self._view.tell_states(
            SessionState(
                self.name, self._started_ns, self.now_ns(), recorder.bytes_written, recorder.bytes_synced,
                recorder.lost, message,
            )
        )  # fmt: skip
