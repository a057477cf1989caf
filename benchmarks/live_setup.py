"""What the benchmarks of live sessions share: virtual straps in reach, and how a process uses memory and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allostat.live.host_clock import LoopClock
from allostat.live.session import Session
from allostat.live.session_straps import SessionStrap
from allostat.strap import EventSink, FollowOptions, FoundStrap, RecordKind, StrapDecoder
from allostat_devices.ble.link import LINK
from allostat_devices.virtual.jumping_loop import JumpingLoop
from allostat_devices.virtual.models import Body, polar_h10
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.strap import VirtualStrap

WALL_START_NS = 1_760_000_000_000_000_000


def strap_radio(count: int, *, keep_truth: bool = False, drift_ppm: float = 20.0, **host: Any) -> VirtualRadio:
    """H10s of different people, whose clocks run differently."""
    straps = [
        polar_h10(
            i + 1,
            Body(rate_ratio=1 + 0.0004 * (i % 5 - 2), drift_ppm=drift_ppm * (i % 3 - 1)),
            keep_truth=keep_truth,
        )
        for i in range(count)
    ]
    return VirtualRadio(straps, wall_ns=lambda: WALL_START_NS, **host)


def found_straps(radio: VirtualRadio) -> list[FoundStrap]:
    """Straps as a scan would find them."""
    return [
        FoundStrap(s.address, s.advertisement.name, frozenset({"heart_rate", "polar_pmd"})) for s in radio.straps
    ]  # fmt: skip


def make_session(
    folder: Path, radio: VirtualRadio, sinks: Sequence[Any] = (), *, streams: tuple[str, ...] = ("ecg",),
    link: Any = LINK, analysis: Any = None, name: str = "bench", low_latency: bool = False, finalise: bool = True,
) -> Session:  # fmt: skip
    """A session over all straps of a radio, one participant each; called in the loop."""
    radio.begin()
    straps = [SessionStrap(strap, f"P{i + 1:02d}") for i, strap in enumerate(found_straps(radio))]
    clock = LoopClock(asyncio.get_running_loop(), WALL_START_NS)
    options = FollowOptions(streams, low_latency)
    return Session(
        folder, name, straps, link, sinks, analysis, clock, options=options, backend=radio, finalise=finalise
    )


@dataclass
class CountingLink:
    """A link that counts what straps notify; alone it shows what the virtual straps cost."""

    silent: bool = False
    notifications: int = 0
    name: str = "ble"
    title: str = "counting"

    async def scan(self, seconds: float, *, backend: Any = None, found: Any = None) -> list[FoundStrap]:
        return await LINK.scan(seconds, backend=backend, found=found)

    async def follow(self, strap: FoundStrap, sink: EventSink, options: FollowOptions, *, backend: Any = None) -> None:
        def counted(kind: RecordKind, data: bytes) -> None:
            self.notifications += kind in (RecordKind.PMD_DATA, RecordKind.HEART_RATE)
            if not self.silent:
                sink(kind, data)

        await LINK.follow(strap, counted, options, backend=backend)

    def decoder(self) -> StrapDecoder:
        return LINK.decoder()


class Face:
    """A face that only counts."""

    def __init__(self) -> None:
        self.updates = 0

    def offer(self, update: Any) -> None:
        self.updates += 1

    async def close(self) -> None:
        """Nothing to close."""


def rss_mb() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def run_at(speed: float, main: Any) -> Any:
    """`asyncio.run` on a loop of another speed."""
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(speed)) as runner:
        return runner.run(main)


def strap_of(radio: VirtualRadio, number: int) -> VirtualStrap:
    """The virtual strap behind a session's strap."""
    return radio.straps[number]
