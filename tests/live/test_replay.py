"""A replay gives what was live; a captured connection gives the samples that the strap sent."""

from __future__ import annotations

import ast
import asyncio
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.errors import ConfigError, InputError
from allostat.live.replay import Replay, replay_source
from allostat.live.updates import GapDeclared, MarkerSet, PlacedIntervals, PlacedSamples, SegmentBegun, StrapState
from allostat_devices.ble.strap_decoder import BleDecoder
from allostat_devices.virtual.jumping_loop import run_fast
from tests.live.test_session import Kept, recorded, timed
from tests.live.wire import WireDecoder, WireLink

PLACED = (PlacedSamples, PlacedIntervals, GapDeclared, SegmentBegun, MarkerSet)


def plain(update: Any) -> tuple[Any, ...]:
    """An update with its arrays as bytes, so that two can be compared."""
    values = (getattr(update, name) for name in update.__slots__)
    return (type(update), *(v.tobytes() if isinstance(v, np.ndarray) else v for v in values))


def test_a_replay_gives_the_same_updates(tmp_path: Path) -> None:
    _, live, _ = recorded(tmp_path, WireLink(timed), ("P1", "P2"), 24.0)
    face = Kept()
    asyncio.run(Replay(tmp_path, [face], speed=math.inf, decoder=WireDecoder).run())
    assert face.closed
    wanted = [plain(u) for u in live.updates if isinstance(u, PLACED)]
    assert [plain(u) for u in face.updates if isinstance(u, PLACED)] == wanted
    assert face.of(StrapState)[-1].received == {"ecg": 2920, "rr": 20}


def test_a_replay_takes_as_long_as_its_speed_says(tmp_path: Path) -> None:
    recorded(tmp_path, WireLink(timed), ("P1",), 24.0)

    async def run(speed: float, stop_s: float = math.inf) -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        replay = Replay(tmp_path / "s1.0001.journal", [Kept()], speed=speed, decoder=WireDecoder)
        if math.isfinite(stop_s):
            loop.call_later(stop_s, replay.stop)
        await replay.run()
        return loop.time() - began

    assert run_fast(run(1.0)) == pytest.approx(24.0, abs=0.1)
    assert run_fast(run(10.0)) == pytest.approx(2.4, abs=0.1)
    assert run_fast(run(1.0, 5.0)) == pytest.approx(5.0, abs=0.1)


def test_what_cannot_be_replayed_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing to replay"):
        replay_source(tmp_path / "s1")
    with pytest.raises(InputError, match="one session"):
        replay_source(tmp_path)
    recorded(tmp_path, WireLink(timed), ("P1",), 1.0)
    assert replay_source(tmp_path / "s1").name == "s1"
    with pytest.raises(ConfigError, match="speed"):
        Replay(tmp_path, speed=0.0, decoder=WireDecoder)
    text = tmp_path / "notes.txt"
    text.write_text("DATA: nothing\nhandle = 3")
    with pytest.raises(InputError, match="no notification"):
        list(replay_source(text, WireDecoder).records())


def signed_24(data: bytes) -> list[int]:
    return [int.from_bytes(data[i : i + 3], "little", signed=True) for i in range(0, len(data), 3)]


def replayed(path: Path) -> Kept:
    face = Kept()
    asyncio.run(Replay(path, [face], speed=math.inf, decoder=BleDecoder).run())
    return face


def test_a_capture_of_a_real_strap_gives_its_samples_exactly(recordings: Callable[[str], Path]) -> None:
    path = recordings("polar_h10_transcripts") / "ecg2_demo.txt"
    sent: list[int] = []
    for line in path.read_text().splitlines():
        if line.startswith("DATA: "):
            data = bytes(int(b, 16) for b in ast.literal_eval(line.removeprefix("DATA: ")))
            sent += signed_24(data[10:])
    face = replayed(path)
    got = np.concatenate([p.raw[:, 0] for p in face.of(PlacedSamples)])
    assert got.tolist() == sent and len(sent) == 52 * 73
    assert not [g for g in face.of(GapDeclared) if g.reason != "stopped"]
    block = face.of(PlacedSamples)[-1].block
    assert block.rate_hz == pytest.approx(130.146, abs=0.01)


def test_a_transcript_of_a_real_strap_gives_its_samples_exactly(recordings: Callable[[str], Path]) -> None:
    path = recordings("polar_h10_transcripts") / "gatttool.md"
    told = re.findall(r"Notification handle = 0x004a value: ((?:[0-9a-f]{2} )+)", path.read_text())
    sent = [v for text in told for v in signed_24(bytes.fromhex(text)[10:])]
    face = replayed(path)
    got = np.concatenate([p.raw[:, 0] for p in face.of(PlacedSamples)])
    assert got.tolist() == sent and len(sent) >= 5 * 73
