"""Requests and answers at the control point of Polar Measurement Data, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from allostat.errors import DeviceError
from allostat.strap import EventSink, RecordKind
from allostat_devices.ble.polar_pmd import ControlPoint, ControlReply, StreamsStopped
from allostat_devices.ble.strap_decoder import RECEIVED, SENT

ANSWER_WITHIN_S = 5.0


class NoAnswer(DeviceError):
    """A request was not answered in time."""


class LinkLost(DeviceError):
    """The connection ended."""


class ControlConversation:
    """Matches answers to requests by operation and measurement.

    Parameters
    ----------
    write
        Writes a request with response.
    sink
        Gets what is sent and what is received, the moment it is.
    stopped
        Called with the streams that the device ended by itself.
    """

    def __init__(
        self,
        write: Callable[[bytes], Awaitable[None]],
        sink: EventSink,
        stopped: Callable[[tuple[int, ...]], None],
    ) -> None:
        self.answer_within_s = ANSWER_WITHIN_S
        self._write = write
        self._sink = sink
        self._stopped = stopped
        self._point = ControlPoint()
        self._turn = asyncio.Lock()
        self._request = b""
        self._answer: asyncio.Future[ControlReply] | None = None
        self._lost: str | None = None

    def received(self, data: bytes) -> None:
        """An indication came. What answers nothing (an answer that is too late, a repeated one) is journalled only."""
        self._sink(RecordKind.CONTROL_POINT, RECEIVED + data)
        message = self._point.push(data)
        if isinstance(message, StreamsStopped):
            self._stopped(message.streams)
        elif isinstance(message, ControlReply) and self._waiting and message.answers(self._request):
            assert self._answer is not None
            self._answer.set_result(message)

    @property
    def _waiting(self) -> bool:
        return self._answer is not None and not self._answer.done()

    def lose(self, reason: str) -> None:
        """The connection ended: whoever waits for an answer gets `LinkLost`."""
        self._lost = reason
        if self._waiting:
            assert self._answer is not None
            self._answer.set_exception(LinkLost(reason))

    async def ask(self, request: bytes) -> ControlReply:
        """The whole answer to a request.

        Raises
        ------
        NoAnswer
            Nothing that answers it came in time.
        LinkLost
            The connection ended first.
        """
        async with self._turn:
            if self._lost is not None:
                raise LinkLost(self._lost)
            self._point.forget()
            self._request = request
            self._answer = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(self.answer_within_s):
                    self._sink(RecordKind.CONTROL_POINT, SENT + request)
                    await self._write(request)
                    return await self._answer
            except TimeoutError:
                expected = f"an answer within {self.answer_within_s:g} s"
                raise NoAnswer("the strap did not answer", found=request.hex(" "), expected=expected) from None
            finally:
                if self._answer.done() and not self._answer.cancelled():
                    # an exception that nobody waited for is no surprise to the loop
                    self._answer.exception()
                self._answer = None
