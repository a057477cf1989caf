"""What a face is told of one strap, about once a second."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from allostat.live.pipeline import NoteTaken
from allostat.live.session_straps import StrapInFile
from allostat.live.timeline import StrapTimeline
from allostat.live.updates import StrapPhase, StrapState

SILENT_NS = 5_000_000_000
"""A stream that has begun and then gives nothing for so long is silent."""
_LATENCY_NS = 60_000_000_000
_MOST_LATENCIES = 256
"""A strap with ECG and RR sends 170 notifications per minute."""


class StrapStatus:
    """Follows one strap's phase, last message and latency.

    Parameters
    ----------
    timeline
        What is known of its data.
    about
        Who wears it.
    rssi_dbm, battery_percent
        As the scan found them.
    """

    def __init__(
        self, timeline: StrapTimeline, about: StrapInFile, rssi_dbm: int | None, battery_percent: int | None
    ) -> None:
        self._timeline, self._about = timeline, about
        self._rssi_dbm, self._battery_percent = rssi_dbm, battery_percent
        self._message = ""
        self._connecting = False
        self._data_ns: int | None = None
        self._processed_ns = np.full(_MOST_LATENCIES, np.iinfo(np.int64).min)
        self._latencies_ns = np.zeros(_MOST_LATENCIES, dtype=np.int64)
        self._processed = 0
        self.ended: str | None = None
        self.not_analysed = 0

    def note(self, note: NoteTaken) -> None:
        """The link noted something."""
        self._message = note.message

    def data(self, host_ns: int) -> None:
        """A notification with data came."""
        self._data_ns = host_ns
        self._message = ""

    def processed(self, arrived_ns: int) -> None:
        """A record is through the pipeline and the faces.

        Parameters
        ----------
        arrived_ns
            `time.perf_counter_ns` when it arrived.
        """
        now, place = time.perf_counter_ns(), self._processed % _MOST_LATENCIES
        self._processed_ns[place], self._latencies_ns[place] = now, now - arrived_ns
        self._processed += 1

    @property
    def latencies_ms(self) -> NDArray[np.float64]:
        """From arrival to the end of processing, over the last minute; in no order."""
        recent = self._processed_ns >= time.perf_counter_ns() - _LATENCY_NS
        return self._latencies_ns[recent].astype(np.float64) * 1e-6

    def phase(self, now_ns: int) -> StrapPhase:
        """What the strap does now."""
        if self.ended is not None:
            return "stopped"
        if not self._timeline.connected:
            return "lost" if self._timeline.connections else "searching"
        if self._data_ns is None:
            return "starting"
        return "silent" if now_ns - self._data_ns > SILENT_NS else "streaming"

    def state(self, now_ns: int) -> StrapState:
        """As a face shows it."""
        timeline, battery = self._timeline, self._timeline.battery_percent
        malformed = dict(timeline.malformed)
        if self.not_analysed:
            malformed["not_analysed"] = self.not_analysed
        return StrapState(
            strap=timeline.strap,
            label=self._about.label,
            participant=self._about.participant,
            phase=self.phase(now_ns),
            message=self.ended or self._message,
            heart_rate_bpm=timeline.heart_rate_bpm,
            contact=timeline.contact,
            battery_percent=self._battery_percent if battery is None else battery,
            rssi_dbm=self._rssi_dbm,
            model=timeline.device.model,
            reconnects=max(0, timeline.connections - 1),
            received=timeline.received,
            declared_missing=timeline.declared_missing,
            malformed=malformed,
            latency_ms=percentiles_ms(self.latencies_ms),
        )


def percentiles_ms(latencies: NDArray[np.float64]) -> tuple[float, float]:
    """Median and 99th percentile; NaN without values."""
    if not len(latencies):
        return float("nan"), float("nan")
    values, last = np.sort(latencies), len(latencies) - 1
    return float(values[round(0.5 * last)]), float(values[round(0.99 * last)])
