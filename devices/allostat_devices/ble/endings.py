"""Work that must reach its end though its task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def to_the_end(work: Coroutine[Any, Any, _T]) -> _T:
    """Await ``work`` whole; a cancellation that comes meanwhile is raised afterwards.

    ``work`` must bound its own time. It is cancelled only where somebody cancels every task of the loop.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as cancellation:
            cancelled = cancellation
    if cancelled is not None:
        if not task.cancelled():
            # retrieved, so that the loop does not complain; the cancellation is what the caller has to know
            task.exception()
        raise cancelled
    return task.result()


async def first_of(work: Coroutine[Any, Any, _T], end: asyncio.Event, within_s: float | None = None) -> _T | None:
    """The result of ``work``, or None when ``end`` is set or the time is over first: then the work is cancelled."""
    task = asyncio.ensure_future(work)
    ended = asyncio.ensure_future(end.wait())
    try:
        await asyncio.wait({task, ended}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
        if not task.done():
            task.cancel()
        await to_the_end(_settled(task, ended))
    return None if task.cancelled() else task.result()


async def _settled(*tasks: asyncio.Future[Any]) -> None:
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            # retrieved, so that the loop does not complain when a cancellation hides it
            task.exception()
