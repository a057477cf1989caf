"""Follow virtual straps on a loop whose time jumps, and keep what the sink got and when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from allostat.strap import Decoded, FollowOptions, FoundStrap, RecordKind
from allostat_devices.ble.link import LINK, BleLink
from allostat_devices.virtual.polar_measurement import PolarMeasurement
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.strap import VirtualStrap

START_NS = 1_750_000_000_000_000_000
ECG, PPG, ACC, PPI = range(4)


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


def found_of(strap: VirtualStrap, radio: VirtualRadio, found: list[FoundStrap]) -> FoundStrap:
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
        strap = found_of(one.strap, radio, found)
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
