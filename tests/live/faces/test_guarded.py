"""A face that fails is put aside; the session and the other faces go on."""

from __future__ import annotations

import asyncio

import pytest

from allostat.live.faces import guarded
from allostat.live.faces.board import Board
from allostat.live.faces.guarded import Faces
from allostat.live.faces.plain import PlainLines
from allostat.live.updates import MarkerSet, Update
from tests.live.updates_of import ns, updates_of


class Bad:
    def offer(self, update: Update) -> None:
        raise RuntimeError("broken")

    async def close(self) -> None:
        raise AssertionError("never called again")


class Stuck:
    def offer(self, update: Update) -> None:
        pass

    async def close(self) -> None:
        await asyncio.Event().wait()


def test_a_face_that_raises_is_off_after_the_first_time_and_said_so_once() -> None:
    said: list[str] = []
    board = Board()
    faces = Faces([("bad", Bad()), ("board", board)], said.append)
    for second in range(3):
        faces.offer(MarkerSet(ns(second), "m", "key"))
    asyncio.run(faces.close())
    assert board.markers == 3 and board.ended
    assert len(said) == 1 and "bad failed and is off; the recording goes on" in said[0]
    assert faces.names == ("board",)


def test_a_face_that_does_not_close_does_not_hold_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarded, "CLOSING_S", 0.01)
    said: list[str] = []
    asyncio.run(Faces([("stuck", Stuck())], said.append).close())
    assert len(said) == 1


def test_plain_lines_tell_events_once_and_straps_every_ten_seconds() -> None:
    board, lines = Board(), []  # type: ignore[var-annotated]
    faces = Faces([("board", board), ("plain lines", PlainLines(lines.append, board))], pytest.fail)
    for _, update in updates_of(3, 45.0):
        faces.offer(update)
    asyncio.run(faces.close())
    assert sum("new clock segment" in line for line in lines) == 4
    assert sum("link lost" in line for line in lines) == 1
    assert sum(line.startswith("  sub-002") for line in lines) == 5
    assert any("HR 58 /min" in line and "skin yes" in line for line in lines)
    assert not any("nan" in line for line in lines)


def test_a_burst_of_events_does_not_flood_the_lines() -> None:
    board, lines = Board(), []  # type: ignore[var-annotated]
    plain = PlainLines(lines.append, board)
    for number in range(1000):
        board.offer(MarkerSet(ns(number), f"m{number}", "key"))
    asyncio.run(plain.close())
    assert len(lines) < 25 and any("980 more" in line for line in lines)
