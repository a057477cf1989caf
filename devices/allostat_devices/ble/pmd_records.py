"""Streams of one strap's Polar Measurement Data: from control-point traffic and frames to values.

What a stream counts in stands in the conversation at its control point: the request says the settings, the answer the
factor. A frame that comes before its answer is read by the request; one without either is read as the device's
documentation has it where it names one rate only, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from allostat.recording import SampleKind
from allostat.strap import Decoded, Malformation, SampleBlock, StreamStarted, StreamStopped
from allostat_devices.ble.interval_records import pulse_intervals
from allostat_devices.ble.malformed import LONGEST_VALUE_BYTES, Malformed, faults_of
from allostat_devices.ble.polar_frames import PpiFrame, RawFrame, SampleFrame, decode_frame
from allostat_devices.ble.polar_pmd import (
    ControlPoint,
    ControlReply,
    Operation,
    Setting,
    Settings,
    Stream,
    StreamsStopped,
    parse_settings,
)

UNCONFIRMED = "stream_unconfirmed"
"""Frames of a stream whose start nobody confirmed."""
UNKNOWN_RATE = "rate_unknown"
"""Frames of a stream of which no sampling rate is known: kept in the journal only."""

_ONLY_RATE_HZ: Mapping[int, float] = {Stream.ECG: 130.0}
_KINDS: Mapping[Stream, SampleKind] = {Stream.ECG: "ecg", Stream.PPG: "ppg", Stream.ACC: "acc"}
_LABELS: Mapping[tuple[Stream, int], tuple[str, ...]] = {
    (Stream.ECG, 1): ("ecg",),
    (Stream.ACC, 3): ("acc_x", "acc_y", "acc_z"),
    (Stream.PPG, 4): ("ppg_0", "ppg_1", "ppg_2", "ambient"),
    (Stream.PPG, 17): (*(f"ppg_{number}" for number in range(16)), "status"),
}


def stream_name(number: int) -> str:
    """Name of a measurement as sessions and files know it, by its number."""
    known = number in Stream._value2member_map_
    return Stream(number).name.lower() if known else f"measurement_{number}"


@dataclass(frozen=True, slots=True)
class _Taken:
    """Settings that a stream has, as far as they are known."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    factor: float = 1.0
    confirmed: bool = False

    def nominal_hz(self, stream: int) -> float | None:
        """Rate that was confirmed or asked for, else the only one that the documentation names; None when unknown."""
        rate = self.settings.get("sample_rate_hz")
        return float(rate) if rate else _ONLY_RATE_HZ.get(stream)


def _taken(asked: Settings, answered: Settings | None) -> _Taken:
    """Settings of the request, overruled by those of the answer."""
    offered = {**asked.offered, **(answered.offered if answered else {})}
    settings: dict[str, float] = {Setting(code).name.lower(): values[0] for code, values in offered.items()}
    factor = None if answered is None else answered.factor
    if factor is not None:
        settings["factor"] = factor
    return _Taken(settings, factor if factor is not None else 1.0, confirmed=answered is not None)


class PmdRecords:
    """State of the streams of one connection."""

    def __init__(self) -> None:
        self._point = ControlPoint()
        self._asked: dict[int, Settings] = {}
        self._taken: dict[int, _Taken] = {}
        self._running: set[int] = set()

    def forget(self) -> None:
        """A connection begins or ends: nothing of the one before holds."""
        self._point.forget()
        self._asked.clear()
        self._taken.clear()
        self._running.clear()

    def sent(self, request: bytes) -> list[Decoded]:
        """Learn from a request."""
        self._point.forget()
        if len(request) >= 2 and request[0] == Operation.START and len(request) <= LONGEST_VALUE_BYTES:
            self._asked[request[1] & 0x3F] = parse_settings(request[2:])
        return []

    def received(self, data: bytes) -> list[Decoded]:
        """Values of an indication."""
        message = self._point.push(data)
        if message is None:
            return []
        out: list[Decoded] = [Malformation(fault.value) for fault in faults_of(message)]
        match message:
            case StreamsStopped():
                for stream in message.streams:
                    self._running.discard(stream)
                    out.append(StreamStopped(stream_name(stream), asked=False, reason="the strap ended the stream"))
            case ControlReply(operation=Operation.START, status=0, stream=stream, offline=False):
                if stream != Stream.SDK_MODE:
                    out.extend(self._started(stream, message.parameters))
            case ControlReply(operation=Operation.STOP, status=0, stream=stream, offline=False):
                if stream in self._running:
                    self._running.discard(stream)
                    out.append(StreamStopped(stream_name(stream), asked=True))
        return out

    def _started(self, stream: int, parameters: bytes) -> list[Decoded]:
        answered = parse_settings(parameters)
        taken = _taken(self._asked.get(stream, Settings({})), answered)
        before, self._taken[stream] = self._taken.get(stream), taken
        out: list[Decoded] = [Malformation(fault.value) for fault in answered.faults]
        already = stream in self._running and before is not None and not before.confirmed
        if already and before is not None and (before.settings, before.factor) == (taken.settings, taken.factor):
            return out
        self._running.add(stream)
        out.append(self._told(stream, taken))
        return out

    @staticmethod
    def _told(stream: int, taken: _Taken) -> StreamStarted:
        nominal = taken.nominal_hz(stream)
        return StreamStarted(stream_name(stream), float("nan") if nominal is None else nominal, dict(taken.settings))

    def frame(self, data: bytes) -> list[Decoded]:
        """Values of a notification of the data characteristic."""
        stream = data[0] & 0x3F if data else -1
        taken = self._taken.get(stream)
        frame = decode_frame(data, taken.factor if taken else 1.0)
        out: list[Decoded] = [Malformation(fault.value) for fault in faults_of(frame)]
        if isinstance(frame, (Malformed, RawFrame)):
            return out
        if taken is None:
            taken = _taken(self._asked.get(stream, Settings({})), None)
            self._taken[stream] = taken
            if isinstance(frame, PpiFrame) or taken.nominal_hz(stream) is not None:
                self._running.add(stream)
                out.append(self._told(stream, taken))
        if not taken.confirmed:
            out.append(Malformation(UNCONFIRMED))
        if isinstance(frame, PpiFrame):
            out.append(pulse_intervals(frame))
            return out
        nominal = taken.nominal_hz(stream)
        if nominal is None:
            out.append(Malformation(UNKNOWN_RATE))
            return out
        out.append(_block(frame, nominal))
        return out


def _block(frame: SampleFrame, nominal_hz: float) -> SampleBlock:
    return SampleBlock(
        stream=frame.stream.name.lower(),
        kind=_KINDS[frame.stream],
        labels=_LABELS[frame.stream, frame.raw.shape[1]],
        raw=frame.raw,
        scale=frame.scale,
        unit=frame.unit,
        nominal_hz=nominal_hz,
        last_sample_ns=frame.last_sample_ns,
        missing=frame.missing,
    )
