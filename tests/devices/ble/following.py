"""Follow virtual straps on a loop whose time jumps, and keep what the sink got and when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from allostat.strap import Decoded, FollowOptions, FoundStrap, RecordKind
from allostat_devices.ble import polar_pmd as pmd
from allostat_devices.ble.link import LINK, BleLink
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import polar_h10
from allostat_devices.virtual.polar_measurement import PolarMeasurement
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.strap import VirtualStrap

START_NS = 1_750_000_000_000_000_000
ECG, PPG, ACC, PPI = range(4)
BOTH = FollowOptions(streams=("ecg", "acc"))
ECG_START = pmd.start_request(pmd.Stream.ECG, {pmd.Setting.SAMPLE_RATE_HZ: 130, pmd.Setting.RESOLUTION_BITS: 14})
ECG_STOP = pmd.stop_request(pmd.Stream.ECG)
PMD, HR = RecordKind.PMD_DATA, RecordKind.HEART_RATE
CONNECT, DISCONNECT = RecordKind.CONNECT, RecordKind.DISCONNECT


def radio_with(*straps: VirtualStrap, **host: Any) -> VirtualRadio:
    return VirtualRadio(straps, wall_ns=lambda: START_NS, **host)


class Followed:
    """One strap that is followed."""

    def __init__(self, strap: VirtualStrap) -> None:
        self.strap = strap
        self.records: list[tuple[float, RecordKind, bytes]] = []
        self.task: asyncio.Task[None]

    def sink(self, kind: RecordKind, data: bytes) -> None:
        assert type(data) is bytes
        self.records.append((asyncio.get_running_loop().time(), kind, data))

    def times(self, kind: RecordKind, stream: int | None = None, since_s: float = 0.0) -> list[float]:
        return [
            at
            for at, found, data in self.records
            if found is kind and at >= since_s and (stream is None or (data and data[0] == stream))
        ]

    def bytes_of(self, kind: RecordKind) -> list[bytes]:
        return [data for _, found, data in self.records if found is kind]

    def facts(self, kind: RecordKind) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.bytes_of(kind)]

    @property
    def notes(self) -> list[str]:
        return [note["code"] for note in self.facts(RecordKind.NOTE)]

    @property
    def requests(self) -> list[bytes]:
        return [data[1:] for data in self.bytes_of(RecordKind.CONTROL_POINT) if data[:1] == b">"]

    def values(self) -> list[Decoded]:
        decoder = LINK.decoder()
        return [value for at, kind, data in self.records for value in decoder.push(kind, data, int(at * 1e9))]

    @property
    def streaming(self) -> frozenset[int]:
        service = self.strap.service(PolarMeasurement)
        return frozenset() if service is None else service.streaming

    def assert_left(self) -> None:
        """Nothing runs in the strap, no connection is open, and every connection was closed in the records."""
        assert not self.strap.connected and not self.streaming
        kinds = [kind for _, kind, _ in self.records]
        depth = 0
        for kind in kinds:
            depth += (kind is RecordKind.CONNECT) - (kind is RecordKind.DISCONNECT)
            assert depth in (0, 1)
            if kind in (RecordKind.HEART_RATE, RecordKind.PMD_DATA, RecordKind.CONTROL_POINT, RecordKind.SENSOR_DATA):
                assert depth == 1
        assert depth == 0


def found_of(strap: VirtualStrap, found: list[FoundStrap]) -> FoundStrap:
    return next(one for one in found if one.identity == strap.address)


@asynccontextmanager
async def followed(
    radio: VirtualRadio, *, options: FollowOptions | None = None, link: BleLink = LINK, check: bool = True
) -> AsyncIterator[list[Followed]]:
    """Scan 3 s, follow every strap of the radio, and leave them all at the end."""
    found = await link.scan(3.0, backend=radio)
    before = asyncio.all_tasks()
    all_of_them = [Followed(strap) for strap in radio.straps]
    for one in all_of_them:
        strap = found_of(one.strap, found)
        one.task = asyncio.create_task(link.follow(strap, one.sink, options or FollowOptions(), backend=radio))
    try:
        yield all_of_them
    finally:
        for one in all_of_them:
            one.task.cancel()
        await asyncio.gather(*(one.task for one in all_of_them), return_exceptions=True)
    if check:
        assert asyncio.all_tasks() <= before and radio.scanning == 0
        for one in all_of_them:
            assert one.task.cancelled()
            one.assert_left()


def follow(strap: VirtualStrap, for_s: float, *faults: tuple[float, Any], options: FollowOptions | None = None,
           link: BleLink = LINK) -> Followed:  # fmt: skip
    """Follow one strap; each fault strikes after its seconds."""
    radio = radio_with(strap)

    async def main() -> Followed:
        async with followed(radio, options=options, link=link) as (one,):
            loop = asyncio.get_running_loop()
            for at_s, fault in faults:
                loop.call_later(at_s, fault.strike, one.strap)
            await asyncio.sleep(for_s)
        return one

    return run_fast(main())


def follow_h10(*faults: Any, after_s: float = 0.0, for_s: float = 30.0, options: FollowOptions | None = None,
               **host: Any) -> Followed:  # fmt: skip
    """Follow one H10; the faults strike together, before the first connection or some seconds later."""
    radio = radio_with(polar_h10(1), **host)

    async def main() -> Followed:
        radio.begin()
        if not after_s:
            for fault in faults:
                radio.straps[0].inflict(fault)
        async with followed(radio, options=options) as (one,):
            if after_s:
                await asyncio.sleep(after_s)
                for fault in faults:
                    one.strap.inflict(fault)
            await asyncio.sleep(for_s)
        return one

    return run_fast(main())


def silences(times: list[float]) -> float:
    """The longest silence between two records."""
    return max(b - a for a, b in pairwise(times))


@dataclass(frozen=True)
class Unsubscribed:
    """The strap forgets a subscription."""

    characteristic: str

    def strike(self, strap: VirtualStrap) -> None:
        strap._subscriptions.discard(self.characteristic)
