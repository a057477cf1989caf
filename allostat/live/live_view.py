"""Records through pipeline, analysis and faces: the same for a live session and for its replay."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np

from allostat.live.pipeline import NoteTaken, SessionPipeline
from allostat.live.strap_status import StrapStatus, percentiles_ms
from allostat.live.updates import LiveAnalysis, LiveSink, MarkerSet, Placed, SessionState, Update
from allostat.store.journal import Record
from allostat.strap import RecordKind

DATA_KINDS = frozenset({RecordKind.HEART_RATE, RecordKind.PMD_DATA, RecordKind.SENSOR_DATA, RecordKind.ADVERTISEMENT})
"""Notifications of sensors."""


class LiveView:
    """Processes records and tells faces; whatever fails here is told, and ends nothing.

    Parameters
    ----------
    pipeline, statuses
        Of the session.
    sinks, analysis
        Faces, and what turns placed values into beats, quality and HRV.
    """

    def __init__(
        self,
        pipeline: SessionPipeline,
        statuses: Sequence[StrapStatus],
        sinks: Sequence[LiveSink],
        analysis: LiveAnalysis | None,
    ) -> None:
        self.pipeline, self.statuses = pipeline, tuple(statuses)
        self.not_analysed = 0
        self._sinks, self._open = tuple(sinks), list(sinks)
        self._analysis = analysis
        self._problems: dict[str, str] = {}

    def process(self, record: Record, arrived_ns: int) -> None:
        """Take one record.

        Parameters
        ----------
        arrived_ns
            `time.perf_counter_ns` when it arrived.
        """
        try:
            found = self.pipeline.push(record)
        except Exception as error:  # noqa: BLE001 - the journal has the record; nothing may end the recording
            self._problem("placing", error)
            return
        status = self.statuses[record.strap] if record.strap < len(self.statuses) else None
        if status is not None and record.kind in DATA_KINDS:
            status.data(self.pipeline.now_ns)
        self._take(found)
        if status is not None:
            status.processed(arrived_ns)

    def _take(self, found: Iterable[Placed | MarkerSet | NoteTaken]) -> None:
        for value in found:
            if isinstance(value, NoteTaken):
                if value.strap < len(self.statuses):
                    self.statuses[value.strap].note(value)
                continue
            self.give([value])
            if self._analysis is not None and not isinstance(value, MarkerSet):
                self.give(self._analysed(partial(self._analysis.push, value)))

    def left_out(self, strap: int) -> None:
        """From here on notifications of a strap were not processed."""
        self.pipeline.timelines[strap].skipped()

    def close_books(self) -> None:
        """The last record was processed: tell what is still owed, and what only waited for more."""
        self._take(self.pipeline.close())
        if self._analysis is not None:
            self.give(self._analysed(self._analysis.close))

    async def close(self) -> None:
        """Close the faces, those that failed as well."""
        for sink in self._sinks:
            try:
                await sink.close()
            except Exception as error:  # noqa: BLE001 - the session is over and its files are there
                self._problem(type(sink).__name__, error)

    def _analysed(self, work: Callable[[], Iterable[Update]]) -> Iterable[Update]:
        try:
            return list(work())
        except Exception as error:  # noqa: BLE001 - an analysis that fails is told; nothing may end the recording
            self._problem("analysis", error)
            return ()

    def give(self, updates: Iterable[Update]) -> None:
        """Offer updates to all faces; one that fails is left out from then on."""
        for update in updates:
            for sink in tuple(self._open):
                try:
                    sink.offer(update)
                except Exception as error:  # noqa: BLE001 - a face that fails is left out; the recording goes on
                    self._open.remove(sink)
                    self._problem(type(sink).__name__, error)

    def _problem(self, what: str, error: Exception) -> None:
        self._problems[what] = f"{what} failed ({type(error).__name__}: {error}); the recording goes on"

    def tell_states(self, state: SessionState) -> None:
        """Tell how every strap and the session are."""
        self.give(status.state(state.now_ns) for status in self.statuses)
        parts = [state.message, *self._problems.values()]
        if self.not_analysed:
            parts.append(f"{self.not_analysed} notifications are recorded but were not analysed live")
        message = "; ".join(part for part in parts if part)
        self.give(
            [
                SessionState(
                    state.name, state.started_ns, state.now_ns, state.journal_bytes, state.journal_synced_bytes,
                    state.journal_lost, message,
                )
            ]
        )  # fmt: skip

    @property
    def latency_ms(self) -> tuple[float, float]:
        """Median and 99th percentile from arrival to the last face, over the last minute and all straps."""
        return percentiles_ms(np.concatenate([np.empty(0), *(status.latencies_ms for status in self.statuses)]))


def now_ns() -> int:
    """The clock of latencies: that of the computer, also where the session's time is another."""
    return time.perf_counter_ns()
