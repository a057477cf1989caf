"""A link whose straps are functions of the event loop, with a wire format of its own: tests need no radio."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from allostat.recording import Device
from allostat.strap import (
    Connected,
    Decoded,
    Disconnected,
    EventSink,
    FollowOptions,
    FoundStrap,
    IntervalBatch,
    Malformation,
    RecordKind,
    SampleBlock,
    StreamStarted,
    StreamStopped,
)

SCALE = 1000 / 1024


def samples(first: int, count: int, device_ns: int) -> bytes:
    """A notification of samples whose values are their numbers."""
    return struct.pack("<qq", device_ns, first) + bytes([count])


def intervals(*raw: int) -> bytes:
    """A notification of RR intervals."""
    return struct.pack(f"<{len(raw)}H", *raw)


class WireDecoder:
    """Of the format above."""

    def push(self, kind: int, data: bytes, monotonic_ns: int) -> list[Decoded]:
        match kind:
            case RecordKind.PMD_DATA if len(data) == 17:
                device_ns, first = struct.unpack_from("<qq", data)
                raw = np.arange(first, first + data[16], dtype=np.int32)[:, None] % 30_000
                return [SampleBlock("ecg", "ecg", ("ecg",), raw, 1.0, "uV", 130.0, device_ns)]
            case RecordKind.HEART_RATE if len(data) % 2 == 0:
                raw = np.frombuffer(data, "<u2").astype(np.int64)
                ms = np.where(raw > 0, raw * SCALE, np.nan)
                return [IntervalBatch("rr", raw, ms, 60.0 if len(raw) else float("nan"), True)]
            case RecordKind.CONNECT:
                return [Connected(Device("Maker", "Wire 1", "1.0", "chest strap"), json.loads(data))]
            case RecordKind.DISCONNECT:
                return [Disconnected(json.loads(data)["reason"])]
            case RecordKind.CONTROL_POINT:
                stream = StreamStarted("ecg", 130.0, {"rate": 130}) if data == b"start" else None
                return [stream if stream is not None else StreamStopped("ecg", True)]
            case RecordKind.PMD_DATA | RecordKind.HEART_RATE:
                return [Malformation("length")]
        return []


Play = Callable[[EventSink, int], Awaitable[None]]


@dataclass
class WireLink:
    """Straps that do what a coroutine says; stopped streams are told on cancellation."""

    play: Play
    name: str = "wire"
    title: str = "straps for tests"
    stopped: list[str] = field(default_factory=list)

    async def scan(self, seconds: float, *, backend: Any = None, found: Any = None) -> list[FoundStrap]:
        return []

    async def follow(self, strap: FoundStrap, sink: EventSink, options: FollowOptions, *, backend: Any = None) -> None:
        sink(RecordKind.CONNECT, b"{}")
        sink(RecordKind.CONTROL_POINT, b"start")
        try:
            await self.play(sink, int(strap.identity))
            await asyncio.Event().wait()
        finally:
            self.stopped.append(strap.identity)
            sink(RecordKind.CONTROL_POINT, b"stop")
            sink(RecordKind.DISCONNECT, b'{"reason": "stopped"}')

    def decoder(self) -> WireDecoder:
        return WireDecoder()


def found(number: int) -> FoundStrap:
    return FoundStrap(str(number), f"Wire H10 {0xABCDE0 + number:X}", frozenset({"heart_rate"}))


async def steady(sink: EventSink, number: int, frames: int = 40, real: bool = False) -> None:
    """ECG and RR, 0.5615 s per frame; ``real``: the loop's time passes."""
    start = 10**15 * (number + 1)
    for i in range(frames):
        sink(RecordKind.PMD_DATA, samples(i * 73, 73, start + round((i + 1) * 73e9 / 130)))
        if i % 2:
            sink(RecordKind.HEART_RATE, intervals(1150))
        await asyncio.sleep(73 / 130 if real else 0)
