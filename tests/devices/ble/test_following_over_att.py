"""Straps followed over real ATT and L2CAP (bumble on both sides): discovery, MTU, indications, lost links."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

pytest.importorskip("bumble")

from allostat.strap import FollowOptions, IntervalBatch, RecordKind, SampleBlock
from allostat_devices.ble.link import LINK
from allostat_devices.virtual.bumble_radio import BumbleRadio
from allostat_devices.virtual.device_faults import AnswerSplit, StopStreams
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import heart_rate_strap, movesense_sensor, polar_h10, verity_sense
from allostat_devices.virtual.radio_faults import Disconnect, OutOfRange, RefuseConnects
from allostat_devices.virtual.strap import VirtualStrap
from tests.devices.ble.following import START_NS, Followed

FAST_S = 0.02


def over_bumble(straps: list[VirtualStrap], story: Callable[[list[Followed]], Awaitable[None]]) -> list[Followed]:
    async def main() -> list[Followed]:
        async with BumbleRadio.with_straps(straps, wall_ns=lambda: START_NS) as radio:
            found = {strap.identity: strap for strap in await LINK.scan(3, backend=radio)}
            all_of_them = [Followed(strap) for strap in straps]
            for one in all_of_them:
                strap = found[one.strap.address]
                one.task = asyncio.create_task(LINK.follow(strap, one.sink, FollowOptions(), backend=radio))
            await story(all_of_them)
            for one in all_of_them:
                one.task.cancel()
            await asyncio.gather(*(one.task for one in all_of_them), return_exceptions=True)
            await asyncio.sleep(1)
            for one in all_of_them:
                one.assert_left()
            return all_of_them

    return run_fast(main())


def test_straps_of_every_kind_stream_and_are_left() -> None:
    models = (polar_h10, verity_sense, heart_rate_strap, movesense_sensor)

    async def story(all_of_them: list[Followed]) -> None:
        await asyncio.sleep(60)

    h10, verity, plain, movesense = over_bumble([model(1, advertising_interval_s=FAST_S) for model in models], story)
    assert h10.facts(RecordKind.CONNECT)[0]["mtu"] == 232 and h10.facts(RecordKind.CONNECT)[0]["model"] == "H10"
    truth = {run.stream: run.delivered for run in h10.strap.truth.runs}
    assert sum(len(value.raw) for value in h10.values() if isinstance(value, SampleBlock)) == truth[0]
    assert len(verity.times(RecordKind.PMD_DATA, 3)) > 3 and len(plain.times(RecordKind.HEART_RATE)) > 50
    assert len(movesense.times(RecordKind.SENSOR_DATA)) > 400
    assert sum(len(v.raw) for v in movesense.values() if isinstance(v, IntervalBatch)) > 40
    for one in (h10, verity, plain, movesense):
        assert one.notes == [] and len(one.times(RecordKind.CONNECT)) == 1


def test_lost_refused_and_ended() -> None:
    strap = polar_h10(1, advertising_interval_s=FAST_S)

    async def story(all_of_them: list[Followed]) -> None:
        await asyncio.sleep(5)
        strap.inflict(OutOfRange(20))
        await asyncio.sleep(25)
        strap.inflict(StopStreams((0,)))
        await asyncio.sleep(5)
        strap.inflict(AnswerSplit(3, times=2))
        strap.inflict(RefuseConnects(2))
        strap.inflict(Disconnect())
        await asyncio.sleep(10)

    (one,) = over_bumble([strap], story)
    assert len(one.times(RecordKind.CONNECT)) == 3 and "ended_by_strap" in one.notes
    back = 3.0 + 5 + 20
    assert one.times(RecordKind.PMD_DATA, since_s=back)[0] - back <= 3
