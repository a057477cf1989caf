"""Lab streaming layer: an outlet for each stream of each strap, with the session's own instants as time stamps.

Time stamps are explicit and in LSL's clock; nothing is pushed for what is missing, so that a gap stays a gap. What a
stream is stands in its ``desc``: unit, channels, participant, model, whose beats and which windows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat import __version__
from allostat.errors import ConfigError
from allostat.live.faces.lsl_clock import LslClock
from allostat.live.updates import (
    BeatsFound,
    HrvWindow,
    MarkerSet,
    PlacedIntervals,
    PlacedSamples,
    StrapState,
    Update,
)

if TYPE_CHECKING:
    import pylsl

SOURCE = "allostat"
"""Beginning of the source id of every outlet; streams that have it are not taken for somebody else's markers."""
BUFFERED_S = 60
LSL_UNITS = {"uV": "microvolts", "mV": "millivolts", "ms": "milliseconds", "m/s2": "m/s^2", "mG": "milli-g", "g": "g"}
TYPES = {"ecg": "ECG", "ppg": "PPG", "acc": "Accelerometer", "gyr": "Gyroscope", "mag": "Magnetometer"}


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel of an outlet."""

    label: str
    unit: str


def needed() -> Any:
    """The module pylsl.

    Raises
    ------
    ConfigError
        It, or the library of the lab streaming layer, is not installed.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError, OSError) as error:
        raise ConfigError(
            f"LSL outlets need pylsl and its library ({error})", expected="pip install 'allostat-load[lsl]'"
        ) from error
    return pylsl


class LslOutlets:
    """A face that pushes every stream to the lab streaming layer.

    Parameters
    ----------
    session
        Name of the session, part of every outlet's identity.
    now_ns
        The session's clock.
    """

    def __init__(self, session: str, now_ns: Callable[[], int]) -> None:
        self._pylsl = needed()
        self._session = session
        self.clock = LslClock.measured(now_ns, self._pylsl.local_clock)
        self._states: dict[int, StrapState] = {}
        self._outlets: dict[tuple[int, str], pylsl.StreamOutlet] = {}
        self._measures: dict[tuple[int, str], tuple[str, ...]] = {}
        self._markers = self._outlet(-1, "markers", "Markers", (Channel("label", ""),), 0.0, {}, text=True)

    def offer(self, update: Update) -> None:
        """Push what belongs to a stream."""
        match update:
            case PlacedSamples():
                self._samples(update)
            case PlacedIntervals():
                self._intervals(update, "strap")
            case BeatsFound():
                self._intervals(update, "allostat")
            case HrvWindow():
                self._hrv(update)
            case StrapState():
                self._states[update.strap] = update
            case MarkerSet() if update.source != "lsl":
                self._markers.push_sample([update.label], self.clock.seconds(update.time_ns))
            case _:
                return

    async def close(self) -> None:
        """Take the outlets off the network."""
        self._outlets.clear()
        del self._markers

    @property
    def names(self) -> tuple[str, ...]:
        """Streams that are out, apart from the markers."""
        return tuple(f"{self._label(strap)} {stream}" for strap, stream in self._outlets)

    def _samples(self, update: PlacedSamples) -> None:
        key = update.strap, update.stream
        if key not in self._outlets:
            channels = [Channel(label, update.unit) for label in update.labels]
            nominal = update.block.nominal_hz
            rate = nominal if np.isfinite(nominal) else update.block.rate_hz
            kind = TYPES.get(update.kind, TYPES.get(update.stream, update.kind.upper()))
            self._outlets[key] = self._outlet(*key, kind, channels, rate, {})
        block = update.block
        samples = np.arange(len(update.raw)) + (update.first_index - block.start_index)
        stamps = self.clock.seconds(block.t0_ns) + samples / block.rate_hz
        values = (update.raw * update.scale).astype(np.float32)
        if len(values):
            self._outlets[key].push_chunk(values, stamps.tolist())

    def _intervals(self, update: PlacedIntervals | BeatsFound, found_by: str) -> None:
        """One sample per beat: the interval that ends there, NaN where there is none."""
        stream = update.stream if found_by == "strap" else f"{update.stream}_beats"
        key = update.strap, stream
        if key not in self._outlets:
            about = {"beats_found_by": found_by, "missing": "NaN: first beat, or across a gap"}
            self._outlets[key] = self._outlet(*key, "RR", (Channel("interval", "ms"),), 0.0, about)
        stamps = [self.clock.seconds(t) for t in update.times_ns.tolist()]
        if stamps:
            self._outlets[key].push_chunk(update.intervals_ms.astype(np.float32)[:, None], stamps)

    def _hrv(self, update: HrvWindow) -> None:
        """One sample per window, at its end; the channels are the measures of the first one.

        Provisional windows come at once, final ones minutes later: two streams, each ascending in time.
        """
        stream = f"hrv_{update.stream}_{update.window_s:g}s" + ("_provisional" if update.provisional else "")
        key = update.strap, stream
        if key not in self._outlets:
            self._measures[key] = tuple(update.values)
            channels = [Channel(name, "") for name in update.values] + [Channel("artefact_percent", "%")]
            about = {"window_s": f"{update.window_s:g}", "stamp": "end of the window", "beats_of": update.stream}
            self._outlets[key] = self._outlet(*key, "HRV", channels, 0.0, about)
        values = [float(update.values.get(name, np.nan)) for name in self._measures[key]]
        self._outlets[key].push_sample([*values, update.artefact_percent], self.clock.seconds(update.end_ns))

    def _label(self, strap: int) -> str:
        state = self._states.get(strap)
        if state is None:
            return f"strap{strap + 1}"
        several = sum(other.participant == state.participant for other in self._states.values()) > 1
        return " ".join(filter(None, (state.participant, state.label if several or not state.participant else "")))

    def _outlet(
        self,
        strap: int,
        stream: str,
        kind: str,
        channels: Sequence[Channel],
        rate_hz: float,
        about: Mapping[str, str],
        *,
        text: bool = False,
    ) -> pylsl.StreamOutlet:
        lsl = self._pylsl
        name = f"{SOURCE} {stream}" if strap < 0 else f"{SOURCE} {self._label(strap)} {stream}"
        source = f"{SOURCE}:{self._session}:{strap}:{stream}"
        form = lsl.cf_string if text else lsl.cf_float32
        info = lsl.StreamInfo(name, kind, len(channels), rate_hz or lsl.IRREGULAR_RATE, form, source)
        described = info.desc()
        state = self._states.get(strap)
        facts = {
            "session": self._session,
            "software": f"allostat {__version__}",
            "stream": stream,
            "participant": "" if state is None else state.participant,
            "strap": "" if state is None else state.label,
            "model": (state.model if state is not None else None) or "",
            "clock_offset_ns": str(self.clock.offset_ns),
            "clock_offset_known_to_ns": str(self.clock.spread_ns // 2),
            **about,
        }
        for field, value in facts.items():
            if value:
                described.append_child_value(field, value)
        listed = described.append_child("channels")
        for channel in channels:
            entry = listed.append_child("channel")
            entry.append_child_value("label", channel.label)
            if channel.unit:
                entry.append_child_value("unit", LSL_UNITS.get(channel.unit, channel.unit))
            entry.append_child_value("type", kind)
        return lsl.StreamOutlet(info, 0, BUFFERED_S)
