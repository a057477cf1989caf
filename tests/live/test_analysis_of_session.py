"""What a session's faces were told of beats, quality and HRV is what comes out of its files."""

from __future__ import annotations

import asyncio
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np

import allostat
from allostat.live.analysis import LiveAnalysis
from allostat.live.session import Session
from allostat.live.session_straps import SessionStrap
from allostat.live.updates import BeatsFound, GapDeclared, HrvWindow, QualityWindow, Update
from allostat.recording import TimeZone
from allostat.strap import Decoded, EventSink, RecordKind, SampleBlock
from allostat_devices.virtual.jumping_loop import run_fast
from tests.live.streams import assert_equals_recording
from tests.live.wire import WireDecoder, WireLink, found, intervals
from tests.reference import waves

TIMES = waves.beat_times(800, 0.8, 0.05, np.random.default_rng(5))
WAVES = {
    "ecg": np.round(1000 * waves.ecg(TIMES, 130.0)).astype(np.int32),
    "ppg": np.round(-5000 * waves.ppg(TIMES, 55.0)).astype(np.int32),
}
RATES = {"ecg": 130.0, "ppg": 55.0}


class HeartDecoder(WireDecoder):
    """Notifications whose samples are those of a heart."""

    def push(self, kind: int, data: bytes, monotonic_ns: int) -> list[Decoded]:
        if kind != RecordKind.SENSOR_DATA:
            return super().push(kind, data, monotonic_ns)
        device_ns, first, count, pulse = struct.unpack("<qqBB", data)
        stream = "ppg" if pulse else "ecg"
        raw = WAVES[stream][first : first + count, None]
        return [SampleBlock(stream, stream, (stream,), raw, 1.0, "uV", RATES[stream], device_ns)]  # type: ignore[arg-type]


class HeartLink(WireLink):
    """Straps of that kind."""

    def decoder(self) -> HeartDecoder:
        return HeartDecoder()


async def worn(sink: EventSink, number: int) -> None:
    """Seven minutes of ECG, PPG and RR from a device with a fast clock and rates 0.1 % off, with
    lost notifications, two reconnects and a reset clock."""
    rng = random.Random(number)
    start = 10**15
    sent = dict.fromkeys(RATES, 0)
    beat = 0
    for second in range(1, 421):
        await asyncio.sleep(1.0)
        if second in (150, 330):
            sink(RecordKind.DISCONNECT, b'{"reason": "out of reach"}')
        if second in (153, 345):
            sink(RecordKind.CONNECT, b"{}")
        if second == 250:
            start -= 10**14
        silent = 150 <= second < 153 or 330 <= second < 345
        for stream, count in (("ecg", 73), ("ppg", 43)):
            rate = RATES[stream] * 1.001
            while (sent[stream] + count) / rate < second:
                device_ns = (
                    start + round((sent[stream] + count) / rate * 1e9 * (1 + 6e-5)) + rng.randint(-20_000, 20_000)
                )
                if not silent and rng.random() > 0.02:
                    pulse = stream == "ppg"
                    sink(RecordKind.SENSOR_DATA, struct.pack("<qqBB", device_ns, sent[stream], count, pulse))
                sent[stream] += count
        since = beat
        while TIMES[beat] < second - 1:
            beat += 1
        if not silent and beat > since > 0:
            sink(
                RecordKind.HEART_RATE,
                intervals(*(np.diff(TIMES[since - 1 : beat]) * 1024).round().astype(int).tolist()),
            )


class Kept:
    """A face that keeps what it is offered."""

    def __init__(self) -> None:
        self.updates: list[Update] = []

    def offer(self, update: Update) -> None:
        self.updates.append(update)

    async def close(self) -> None:
        """Nothing to close."""


class LoopTime:
    """Both clocks follow the running loop."""

    def monotonic_ns(self) -> int:
        return round(asyncio.get_running_loop().time() * 1e9)

    def wall_ns(self) -> int:
        return 1_760_000_000_000_000_000 + self.monotonic_ns()


def test_updates_of_a_session_equal_what_is_measured_on_its_file(tmp_path: Path) -> None:
    face = Kept()

    async def recorded() -> Any:
        straps = [SessionStrap(found(0), "P1")]
        zone = TimeZone("Europe/Vienna", "user")
        link = HeartLink(worn)
        session = Session(
            tmp_path, "s1", straps, link, [face], analysis=LiveAnalysis(), clock=LoopTime(), timezone=zone
        )

        async def stop() -> None:
            await asyncio.sleep(425)
            session.stop()

        stopping = asyncio.ensure_future(stop())
        result = await session.run()
        await stopping
        return result

    result = run_fast(recorded())
    assert result.problem == ""
    recording = allostat.read(tmp_path / "P1_s1.h5")
    assert len(recording.ecg.clock.gaps) > 5 and len(recording.ecg.clock.blocks) > len(recording.ecg.clock.gaps) + 1
    told = [u for u in face.updates if isinstance(u, BeatsFound | QualityWindow | HrvWindow)]
    assert {u.stream for u in told} == {"ecg", "ppg", "rr"}
    assert {u.stream for u in face.updates if isinstance(u, GapDeclared)} >= {"ecg", "ppg", "rr"}
    assert_equals_recording(recording, told)
