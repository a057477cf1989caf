"""An event loop whose clock jumps to the next timer when nothing else is to be done.

Hours of straps run in minutes and tests wait for nothing, while `loop.time()`, `asyncio.sleep`, `asyncio.timeout` and
`call_later` mean what they always mean. Code that runs on it must take its monotonic time from `loop.time()`.

When time jumps: only when no callback is ready, no watched file or socket is ready, and nothing outside the loop is
known to be at work. Work outside is an executor's job (`run_in_executor`, `asyncio.to_thread`, name resolution;
counted from submission until its result is in the loop) and whatever runs under `JumpingLoop.hold`. While there is
any, the clock runs at the speed of the real one, so that such work can neither be overtaken nor starve a timer. A
thread of one's own or another process is not seen by the loop: wrap the wait for it in ``with loop.hold():``. A job
whose future was cancelled is no longer waited for.
"""

from __future__ import annotations

import asyncio
import math
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar, TypeVarTuple

from allostat.errors import ConfigError

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class JumpingLoop(asyncio.SelectorEventLoop):
    """Selector event loop with a clock of its own.

    Parameters
    ----------
    speed
        How many seconds of the loop pass in one real second while it waits for a timer; infinite = jump.
    start_s
        What `time` gives at first.
    """

    def __init__(self, speed: float = math.inf, start_s: float = 0.0) -> None:
        self._speed = speed
        self._now_s = start_s
        self._at_work = 0
        super().__init__(_JumpingSelector(self))
        if not speed > 0:
            self.close()
            raise ConfigError("a clock runs forward", where="speed", found=speed, expected="a number above 0")

    def time(self) -> float:
        """Seconds of this loop's own clock."""
        return self._now_s

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let time run as fast as the real one, for a thread or a process that the loop does not see."""
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1

    def run_in_executor(self, executor: Executor | None, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        """As the base class; time does not jump until the result has come."""
        future = super().run_in_executor(executor, func, *args)
        self._at_work += 1
        future.add_done_callback(self._work_ended)
        return future

    def _work_ended(self, _: asyncio.Future[Any]) -> None:
        self._at_work -= 1

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        """As the base class, whose time limit (Python 3.12) must not be jumped over."""
        with self.hold():
            await super().shutdown_default_executor(*args, **kwargs)

    def pace(self) -> float:
        """Seconds of the loop per real second at present."""
        return 1.0 if self._at_work else self._speed

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now_s += seconds


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for events as long as the loop's clock says, which may be no time at all."""

    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        pace = self._loop.pace()
        if timeout is None or math.isfinite(pace):
            # without a timer nothing is due, ever: only an event from outside can go on
            return self._waited(timeout, pace)
        ready = super().select(0)
        if not ready:
            self._loop.advance(timeout)
        return ready

    def _waited(self, timeout: float | None, pace: float) -> list[tuple[selectors.SelectorKey, int]]:
        began = time.monotonic()
        ready = super().select(None if timeout is None else timeout / pace)
        if math.isfinite(pace):
            elapsed = (time.monotonic() - began) * pace
            self._loop.advance(elapsed if ready or timeout is None else max(elapsed, timeout))
        return ready


def run_fast(main: Coroutine[Any, Any, _T], *, speed: float = math.inf, start_s: float = 0.0) -> _T:
    """`asyncio.run` on a `JumpingLoop`.

    Parameters
    ----------
    main
        Coroutine to run to its end.
    speed, start_s
        As in `JumpingLoop`.
    """
    with asyncio.Runner(loop_factory=lambda: JumpingLoop(speed, start_s)) as runner:
        return runner.run(main)
