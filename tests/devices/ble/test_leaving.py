"""However and whenever straps are left, nothing is left running; after any faults they stream again."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat_devices.ble.link import LINK
from allostat_devices.virtual.device_faults import (
    START,
    STOP,
    AnswerLate,
    AnswerMissing,
    AnswerStatus,
    SilentStreams,
)
from allostat_devices.virtual.fault_script import random_script
from allostat_devices.virtual.jumping_loop import run_fast
from allostat_devices.virtual.models import heart_rate_strap, movesense_sensor, polar_h10, verity_sense
from allostat_devices.virtual.radio_faults import (
    OutOfRange,
    RefuseConnects,
    SmallMtu,
)
from tests.devices.ble.following import (
    BOTH,
    HR,
    PMD,
    Followed,
    followed,
    radio_with,
)

# --- rule 8: the end


@pytest.mark.parametrize("faults", [[], [AnswerMissing(100)], [SilentStreams(1000)], [AnswerStatus(5, STOP, times=9)]])
def test_leaving_takes_a_bounded_time_whatever_the_strap_does(faults: list[Any]) -> None:
    radio = radio_with(polar_h10(1))

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with followed(radio, options=BOTH) as (one,):
            await asyncio.sleep(10)
            for fault in faults:
                one.strap.inflict(fault)
            began = loop.time()
        return loop.time() - began

    assert run_fast(main()) <= 8


def test_leaving_a_strap_that_has_just_gone_out_of_range() -> None:
    radio = radio_with(polar_h10(1))

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with followed(radio, options=BOTH) as (one,):
            await asyncio.sleep(10)
            one.strap.inflict(OutOfRange(100))
            await asyncio.sleep(0.5)
            began = loop.time()
        return loop.time() - began

    assert run_fast(main()) <= 13


def test_ctrl_c_stops_the_streams_before_the_program_ends() -> None:
    radio = radio_with(polar_h10(1))
    one = Followed(radio.straps[0])

    async def main() -> None:
        (strap,) = await LINK.scan(3, backend=radio)
        asyncio.get_running_loop().call_later(10, os.kill, os.getpid(), signal.SIGINT)
        await LINK.follow(strap, one.sink, BOTH, backend=radio)

    with pytest.raises(KeyboardInterrupt):
        run_fast(main())
    one.assert_left()
    assert {request[:1] for request in one.requests[-2:]} == {b"\x03"} and one.times(PMD)


LEFT_ALONE: tuple[Any, ...] = ()
MISBEHAVIOUR: tuple[tuple[Any, ...], ...] = (
    LEFT_ALONE,
    (AnswerMissing(2),),
    (AnswerLate(3.0, 2),),
    (AnswerStatus(6, START), AnswerStatus(12, START)),
    (RefuseConnects(2), SmallMtu(23)),
    (RefuseConnects(2, in_discovery=True),),
    (SilentStreams(20),),
)


def cancelled_after(seconds: float, faults: tuple[Any, ...] = (), times: int = 1) -> None:
    """Cancel at a moment, as often as a hasty user does, and look for anything that is left."""
    radio = radio_with(polar_h10(1), verity_sense(2), heart_rate_strap(3), movesense_sensor(4))

    async def main() -> None:
        radio.begin()
        for fault in faults:
            radio.straps[0].inflict(fault)
        async with followed(radio, options=BOTH) as all_of_them:
            await asyncio.sleep(seconds)
            for _ in range(times - 1):
                for one in all_of_them:
                    one.task.cancel()
                await asyncio.sleep(0.01)

    run_fast(main())


def test_cancelled_in_steps_while_everything_connects_nothing_is_left() -> None:
    for step in range(60):
        cancelled_after(step * 0.055, times=1 + step % 3)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 25), st.sampled_from(MISBEHAVIOUR), st.integers(1, 3))
def test_cancelled_at_any_moment_nothing_is_left(seconds: float, faults: tuple[Any, ...], times: int) -> None:
    cancelled_after(seconds, faults, times)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10**6))
def test_after_any_faults_every_strap_streams_again(seed: int) -> None:
    straps = [polar_h10(1), verity_sense(2), movesense_sensor(3), heart_rate_strap(4)]
    radio = radio_with(*straps)

    async def main() -> None:
        async with followed(radio) as all_of_them:
            for number, strap in enumerate(straps):
                strap.follow(random_script(seed + number, duration_s=120, every_s=6))
            await asyncio.sleep(180)
            for one in all_of_them:
                now = asyncio.get_running_loop().time()
                assert one.strap.connected and one.times(HR, since_s=now - 3)
                assert len(one.streaming) == {0: 1, 1: 2}.get(straps.index(one.strap), 0)

    run_fast(main())
