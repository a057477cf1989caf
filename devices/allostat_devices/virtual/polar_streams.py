"""Streams of Polar Measurement Data: samples at a rate, and pulse-to-pulse intervals."""

from __future__ import annotations

import asyncio
import math
import struct
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

import numpy as np

from allostat.errors import ConfigError
from allostat_devices.virtual.device_clock import POLAR_EPOCH_UNIX_NS
from allostat_devices.virtual.pmd_frames import HEADER_BYTES, FrameLayout, frame_header
from allostat_devices.virtual.truth import StreamRun

if TYPE_CHECKING:
    from allostat_devices.virtual.heart import Heart, Signal
    from allostat_devices.virtual.strap import VirtualStrap

RATE, RESOLUTION, RANGE, RANGE_MILLI, CHANNELS, FACTOR = range(6)
"""Types of setting."""
_BLOCK_S = 6.0
_PPI = struct.Struct("<BHHB")


class Running(Protocol):
    """A stream that has been started."""

    def end(self) -> None:
        """Stop; what is in the frame that is not full is never sent."""
        ...

    def until_mid_frame_s(self) -> float:
        """Seconds until the frame at hand, or the next one, is half full."""
        ...


class FrameSink(Protocol):
    """Where a stream's frames go."""

    def __call__(self, frame: bytes, run: StreamRun, count: int) -> None:
        """Send a frame that has ``count`` samples of ``run``."""
        ...


class Measurement(Protocol):
    """A stream that a device offers."""

    @property
    def settings(self) -> Mapping[int, tuple[int, ...]]:
        """Values offered by type of setting; the first one is taken when a request names none."""
        ...

    @property
    def sdk_settings(self) -> Mapping[int, tuple[int, ...]]:
        """The same in SDK mode; empty = not offered there."""
        ...

    @property
    def factor(self) -> float | None:
        """Sent with the answer to a start request."""
        ...

    def start(self, strap: VirtualStrap, stream: int, chosen: Mapping[int, int], sink: FrameSink) -> Running:
        """Begin with these settings."""
        ...


@dataclass(frozen=True, slots=True)
class SampledMeasurement:
    """Samples at a rate.

    Attributes
    ----------
    signal
        What is measured.
    layout
        How samples stand in frames.
    settings, sdk_settings, factor
        As in `Measurement`.
    rate_ratio
        True samples per second of the device's own clock, over the nominal rate.
    """

    signal: Signal
    layout: FrameLayout
    settings: Mapping[int, tuple[int, ...]]
    rate_ratio: float = 1.0
    factor: float | None = None
    sdk_settings: Mapping[int, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def start(self, strap: VirtualStrap, stream: int, chosen: Mapping[int, int], sink: FrameSink) -> Running:
        """See `Measurement.start`."""
        return _Samples(strap, stream, self, chosen[RATE], sink)


class _Samples:
    """A frame is sent when its last sample has been taken."""

    def __init__(
        self, strap: VirtualStrap, stream: int, measurement: SampledMeasurement, rate_hz: int, sink: FrameSink
    ) -> None:
        self._strap = strap
        self._stream = stream
        self._sink = sink
        self._signal, self._layout = measurement.signal, measurement.layout
        self._started_s = strap.now()
        # the sensor counts the strap's own seconds
        self._rate_hz = rate_hz * measurement.rate_ratio * (1 + strap.clock.drift_ppm * 1e-6)
        self._room_bytes = strap.mtu_bytes - 3 - HEADER_BYTES
        self._block = max(round(_BLOCK_S * rate_hz), 512)
        self._frames: deque[tuple[int, bytes]] = deque()
        self._sent = 0
        self.run = StreamRun(stream, strap.truth.connections, self._started_s, self._rate_hz)
        strap.truth.runs.append(self.run)
        self._wait()

    def end(self) -> None:
        """See `Running.end`."""
        self._timer.cancel()
        now = self._strap.now()
        self.run.ended_s = now
        self.run.taken = max(self._sent, int((now - self._started_s) * self._rate_hz + 1e-6))

    def until_mid_frame_s(self) -> float:
        """See `Running.until_mid_frame_s`."""
        count, now = self._frames[0][0], self._strap.now()
        middle = self._due_s - count / 2 / self._rate_hz
        return middle - now if middle > now else middle - now + count / self._rate_hz

    def _wait(self) -> None:
        if not self._frames:
            times = self._started_s + np.arange(self._sent + 1, self._sent + 1 + self._block) / self._rate_hz
            samples = self._signal.block(self._sent, times - self._strap.origin_s)
            self._frames.extend(self._layout.cut(samples, self._room_bytes))
        self._due_s = self._started_s + (self._sent + self._frames[0][0]) / self._rate_hz
        self._timer = self._strap.loop.call_at(self._due_s, self._send)

    def _send(self) -> None:
        count, payload = self._frames.popleft()
        self._sent += count
        device_ns = self._strap.clock.unix_ns(self._due_s)
        run = self.run
        run.taken = run.framed = self._sent
        run.frames += 1
        if self._strap.truth.keep:
            run.device_ns.append(device_ns)
        self._sink(frame_header(self._stream, device_ns, self._layout.frame_type) + payload, run, count)
        self._wait()


@dataclass(frozen=True, slots=True)
class ReplayedFrames:
    """Frames that a device once sent, byte by byte, as far apart as their device times say; then silence.

    Attributes
    ----------
    frames
        Whole notifications of one stream, in order, each with a device time.
    samples
        Per frame, for the truth.
    settings, sdk_settings, factor
        As in `Measurement`.
    """

    frames: tuple[bytes, ...]
    samples: int
    settings: Mapping[int, tuple[int, ...]]
    factor: float | None = None
    sdk_settings: Mapping[int, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        times = [int.from_bytes(frame[1:9], "little") for frame in self.frames]
        if len(times) < 2 or min(map(len, self.frames)) <= HEADER_BYTES or sorted(set(times)) != times:
            expected = "2 or more whole frames whose device times advance"
            raise ConfigError("these frames cannot be replayed", found=f"{len(times)} frames", expected=expected)

    def start(self, strap: VirtualStrap, stream: int, chosen: Mapping[int, int], sink: FrameSink) -> Running:
        """See `Measurement.start`."""
        return _Replay(strap, stream, self, sink)


class _Replay:
    def __init__(self, strap: VirtualStrap, stream: int, measurement: ReplayedFrames, sink: FrameSink) -> None:
        self._strap, self._measurement, self._sink = strap, measurement, sink
        device_ns = np.array([int.from_bytes(frame[1:9], "little") for frame in measurement.frames], dtype=np.uint64)
        since_first_s = (device_ns - device_ns[0]).astype(np.float64) / 1e9
        self._period_s = float(np.median(np.diff(since_first_s)))
        self._due_s = (strap.now() + self._period_s + since_first_s).tolist()
        rate_hz = measurement.samples / self._period_s
        self.run = StreamRun(stream, strap.truth.connections, strap.now(), rate_hz)
        strap.truth.runs.append(self.run)
        self._timer: asyncio.TimerHandle | None = None
        self._wait()

    def end(self) -> None:
        """See `Running.end`."""
        if self._timer is not None:
            self._timer.cancel()
        self.run.ended_s = self._strap.now()

    def until_mid_frame_s(self) -> float:
        """See `Running.until_mid_frame_s`."""
        return self._period_s / 2

    def _wait(self) -> None:
        left = self.run.frames < len(self._due_s)
        self._timer = self._strap.loop.call_at(self._due_s[self.run.frames], self._send) if left else None

    def _send(self) -> None:
        frame, count, run = self._measurement.frames[self.run.frames], self._measurement.samples, self.run
        run.frames += 1
        run.framed += count
        run.taken = run.framed
        if self._strap.truth.keep:
            run.device_ns.append(int.from_bytes(frame[1:9], "little") + POLAR_EPOCH_UNIX_NS)
        self._sink(frame, run, count)
        self._wait()


@dataclass(frozen=True, slots=True)
class PulseIntervals:
    """Pulse-to-pulse intervals in ms, in batches; the first one comes after 25 s.

    Attributes
    ----------
    heart
        Whose beats they are.
    first_s, every_s
        When the first batch comes, and the time between batches.
    dated
        Old firmware sends time 0.
    blocked
        Share of intervals that movement spoils, 0 to 1.
    """

    heart: Heart
    first_s: float = 25.0
    every_s: float = 5.0
    dated: bool = True
    blocked: float = 0.0
    settings: Mapping[int, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    sdk_settings: Mapping[int, tuple[int, ...]] = field(default_factory=lambda: MappingProxyType({}))
    factor: float | None = None

    def start(self, strap: VirtualStrap, stream: int, chosen: Mapping[int, int], sink: FrameSink) -> Running:
        """See `Measurement.start`."""
        return _Intervals(strap, stream, self, sink)


class _Intervals:
    def __init__(self, strap: VirtualStrap, stream: int, measurement: PulseIntervals, sink: FrameSink) -> None:
        self._strap, self._stream, self._measurement, self._sink = strap, stream, measurement, sink
        self._seen_until_s = strap.now()
        self._last_beat_s: float | None = None
        self._due_s = strap.now() + measurement.first_s
        self.run = StreamRun(stream, strap.truth.connections, strap.now(), math.nan)
        strap.truth.runs.append(self.run)
        self._timer: asyncio.TimerHandle = strap.loop.call_at(self._due_s, self._send)

    def end(self) -> None:
        """See `Running.end`."""
        self._timer.cancel()
        self._take(self._strap.now())
        self.run.ended_s = self._strap.now()

    def until_mid_frame_s(self) -> float:
        """See `Running.until_mid_frame_s`."""
        return self._measurement.every_s / 2

    def _take(self, until_s: float) -> list[tuple[float, float]]:
        """Beats and the intervals (s) that they end."""
        origin = self._strap.origin_s
        found: list[tuple[float, float]] = []
        for beat in self._measurement.heart.beats_between(self._seen_until_s - origin, until_s - origin):
            if self._last_beat_s is not None:
                found.append((beat + origin, beat - self._last_beat_s))
            self._last_beat_s = beat
        self._seen_until_s = until_s
        self.run.taken += len(found)
        return found

    def _send(self) -> None:
        strap, run = self._strap, self.run
        intervals = self._take(self._due_s)
        each = max(1, (strap.mtu_bytes - 3 - HEADER_BYTES) // _PPI.size)
        for at in range(0, len(intervals), each):
            batch = intervals[at : at + each]
            device_ns = strap.clock.unix_ns(batch[-1][0]) if self._measurement.dated else None
            payload = b"".join(self._packed(rr_s) for _, rr_s in batch)
            run.framed += len(batch)
            run.frames += 1
            if strap.truth.keep:
                run.device_ns.append(device_ns or 0)
            self._sink(frame_header(self._stream, device_ns, 0) + payload, run, len(batch))
        self._due_s += self._measurement.every_s
        self._timer = strap.loop.call_at(self._due_s, self._send)

    def _packed(self, rr_s: float) -> bytes:
        chance = self._strap.random
        spoilt = chance.random() < self._measurement.blocked
        # contact, and that contact is known
        flags = 0b110 | spoilt
        return _PPI.pack(round(60 / rr_s), round(rr_s * 1000), 30 + 400 * spoilt + chance.randrange(10), flags)
