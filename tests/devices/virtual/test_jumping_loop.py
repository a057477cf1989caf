"""The event loop whose time jumps."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from allostat.errors import ConfigError
from allostat_devices.virtual.jumping_loop import JumpingLoop, run_fast


def test_a_day_passes_at_once_and_timers_keep_their_order() -> None:
    seen: list[tuple[float, str]] = []

    async def wait(seconds: float, name: str) -> None:
        await asyncio.sleep(seconds)
        seen.append((round(asyncio.get_running_loop().time(), 6), name))

    async def main() -> None:
        await asyncio.gather(wait(86_400, "day"), wait(1, "second"), wait(3600, "hour"))

    began = time.monotonic()
    run_fast(main())
    assert seen == [(1.0, "second"), (3600.0, "hour"), (86_400.0, "day")]
    assert time.monotonic() - began < 3600


def test_a_timeout_is_met_in_the_loops_own_time() -> None:
    async def main() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(7.5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_fast(main(), start_s=100.0) == pytest.approx(107.5)


def test_time_does_not_jump_over_the_job_of_an_executor() -> None:
    async def main() -> tuple[str, float]:
        release = threading.Event()

        def job() -> str:
            release.wait(10)
            return "done"

        loop = asyncio.get_running_loop()
        loop.call_later(0.02, release.set)
        # with a jump the limit of an hour would be over before the job is
        result = await asyncio.wait_for(asyncio.to_thread(job), 3600)
        return result, loop.time()

    result, at = run_fast(main())
    assert result == "done" and 0.02 <= at < 60


def test_a_thread_of_ones_own_is_waited_for_under_hold() -> None:
    async def main() -> float:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, JumpingLoop)
        arrived = asyncio.Event()
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(arrived.set))
        with loop.hold():
            thread.start()
            await asyncio.wait_for(arrived.wait(), 3600)
        thread.join()
        at = loop.time()
        await asyncio.sleep(1000)
        return at

    assert run_fast(main()) < 60


def test_with_no_timer_the_loop_waits_for_another_thread() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()
        order: list[str] = []

        def job() -> None:
            time.sleep(0.05)  # by now the loop has nothing left to do
            order.append("thread")
            loop.call_soon_threadsafe(arrived.set)

        thread = threading.Thread(target=job)
        thread.start()
        await arrived.wait()
        order.append("loop")
        thread.join()
        return order

    assert run_fast(main()) == ["thread", "loop"]


def test_a_socket_in_this_process_is_read_before_time_jumps() -> None:
    async def main() -> float:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"beat\n")
            assert await asyncio.wait_for(reader.readline(), 5) == b"beat\n"
            writer.close()
        return asyncio.get_running_loop().time()

    assert run_fast(main()) < 5


def test_a_speed_makes_an_hour_of_the_loop_a_fraction_of_a_second() -> None:
    async def main() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert run_fast(main(), speed=360_000) == pytest.approx(3600, rel=0.5)
    assert time.monotonic() - began >= 0.01 * 0.99


def test_a_clock_that_stands_still_is_refused() -> None:
    with pytest.raises(ConfigError):
        JumpingLoop(speed=0)
