"""Requests and answers at the control point, without a radio: who gets which answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from allostat.strap import RecordKind
from allostat_devices.ble.control_conversation import ControlConversation, LinkLost, NoAnswer
from allostat_devices.ble.polar_pmd import (
    ControlReply,
    Setting,
    Stream,
    parse_settings,
    settings_request,
    start_request,
    stop_request,
)
from allostat_devices.virtual.jumping_loop import run_fast

SETTINGS = settings_request(Stream.ECG)
OFFERED = bytes.fromhex("f00100000000018200")


class Strap:
    """Answers each request with the indications that it is given, after a delay each."""

    def __init__(self, answers: Sequence[Sequence[tuple[float, bytes]]]) -> None:
        self.answers = list(answers)
        self.written: list[bytes] = []
        self.log: list[bytes] = []
        self.stopped: list[tuple[int, ...]] = []
        self.conversation = ControlConversation(self.write, self.sink, self.stopped.append)

    def sink(self, kind: RecordKind, data: bytes) -> None:
        assert kind is RecordKind.CONTROL_POINT
        self.log.append(data)

    async def write(self, request: bytes) -> None:
        self.written.append(request)
        for delay_s, data in self.answers.pop(0) if self.answers else ():
            asyncio.get_running_loop().call_later(delay_s, self.conversation.received, data)


def talk(strap: Callable[[], Strap], *requests: bytes) -> tuple[Strap, list[ControlReply | None]]:
    async def main() -> tuple[Strap, list[ControlReply | None]]:
        made, replies = strap(), list[ControlReply | None]()
        for request in requests:
            try:
                replies.append(await made.conversation.ask(request))
            except NoAnswer:
                replies.append(None)
        return made, replies

    return run_fast(main())


def test_traffic_is_written_down_in_both_directions_and_in_order() -> None:
    strap, (reply,) = talk(lambda: Strap([[(0.1, OFFERED)]]), SETTINGS)
    assert reply is not None and parse_settings(reply.parameters).offered == {Setting.SAMPLE_RATE_HZ: (130,)}
    assert strap.log == [b">" + SETTINGS, b"<" + OFFERED]


def test_the_answer_to_another_request_is_nobodys() -> None:
    stray = [(0.01, bytes.fromhex("f003000000")), (0.02, bytes.fromhex("f001020000")), (0.1, OFFERED)]
    _, (reply,) = talk(lambda: Strap([stray]), SETTINGS)
    assert reply is not None and reply.parameters


def test_an_answer_that_comes_too_late_does_not_answer_the_next_request() -> None:
    late = [(5.5, bytes.fromhex("f003000000"))]
    strap, replies = talk(lambda: Strap([late, [(1.0, OFFERED)]]), stop_request(Stream.ECG), SETTINGS)
    assert replies[0] is None and replies[1] is not None and replies[1].parameters
    assert len(strap.log) == 4


def test_half_an_answer_is_forgotten_before_the_next_request() -> None:
    half = [(0.1, bytes.fromhex("f001000001ffff"))]
    _, replies = talk(lambda: Strap([half, [(0.1, OFFERED)]]), SETTINGS, SETTINGS)
    assert replies[0] is None
    assert replies[1] is not None and parse_settings(replies[1].parameters).faults == ()


def test_pieces_are_joined_and_the_end_of_streams_may_come_between() -> None:
    pieces = [
        (0.1, bytes.fromhex("f0010000010001")),
        (0.2, bytes.fromhex("0102")),
        (0.3, bytes.fromhex("f0010000008200")),
    ]
    strap, (reply,) = talk(lambda: Strap([pieces]), SETTINGS)
    assert reply is not None and reply.parameters == bytes.fromhex("00018200")
    assert strap.stopped == [(2,)]


def test_a_second_copy_of_an_answer_is_ignored() -> None:
    _, (reply,) = talk(lambda: Strap([[(0.1, OFFERED), (0.1, OFFERED)]]), SETTINGS)
    assert reply is not None


def test_requests_wait_for_each_other() -> None:
    async def main() -> None:
        started = bytes.fromhex("f002000000")
        strap = Strap([[(1.0, OFFERED)], [(1.0, started)]])
        start = start_request(Stream.ECG, {})
        replies = await asyncio.gather(strap.conversation.ask(SETTINGS), strap.conversation.ask(start))
        assert [reply.operation for reply in replies] == [1, 2]
        assert strap.log == [b">" + SETTINGS, b"<" + OFFERED, b">" + start, b"<" + started]

    run_fast(main())


def test_a_lost_link_ends_the_waiting_at_once_and_later_requests_too() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        strap = Strap([])
        loop.call_later(1, strap.conversation.lose, "gone")
        with pytest.raises(LinkLost, match="gone"):
            await strap.conversation.ask(SETTINGS)
        assert loop.time() == pytest.approx(1)
        with pytest.raises(LinkLost):
            await strap.conversation.ask(SETTINGS)
        assert len(strap.written) == 1

    run_fast(main())


def test_cancelled_while_waiting_the_next_request_is_answered() -> None:
    async def main() -> None:
        strap = Strap([[], [(0.1, OFFERED)]])
        task = asyncio.create_task(strap.conversation.ask(SETTINGS))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await strap.conversation.ask(SETTINGS)).parameters

    run_fast(main())
