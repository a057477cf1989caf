"""The screen in a terminal: sizes, keys, markers with the time of the key, what is at risk, and a crash of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot
from textual.widgets import Input, RichLog

from allostat.live.faces import dashboard
from allostat.live.faces.board import Board
from allostat.live.faces.controls import Controls
from allostat.live.faces.dashboard import Dashboard, DashboardApp, StrapTable
from allostat.live.faces.opened import FaceChoice, OpenedFaces
from allostat.live.updates import MarkerSet, MarkerSource, PlacedIntervals, SessionState, StrapState
from tests.live.updates_of import START_NS, ns, updates_of


class Session:
    """A made-up session and what its screen asked of it."""

    def __init__(self, straps: int = 3, until: float = 68.0) -> None:
        self.board = Board()
        self.marked: list[MarkerSet] = []
        self.stopped = 0
        for second, update in updates_of(straps, 69.0):
            if second < until:
                self.board.offer(update)
        self.app = DashboardApp(self.board, Controls(self.marked.append, self._stop), ("baseline", "stress"))

    def _stop(self) -> None:
        self.stopped += 1

    def screen(self) -> list[str]:
        """Text of the screen, line by line."""
        self.app.redraw()
        return ["".join(s.text for s in line) for line in self.app.screen._compositor.render_strips()]


def run(
    test: Callable[[Session, Pilot[None]], Awaitable[None]], size: tuple[int, int] = (80, 24), **options: Any
) -> None:
    async def whole() -> None:
        session = Session(**options)
        async with session.app.run_test(size=size) as pilot:
            await pilot.pause()
            await test(session, pilot)

    asyncio.run(whole())


def test_eighty_by_twenty_four_shows_straps_signal_events_and_keys() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        s.app.redraw()
        await pilot.pause()
        lines = s.screen()
        assert len(lines) == 24 and all(len(line) == 80 for line in lines)
        assert "allostat live made-up  0:01:07" in lines[0] and "3 of 3 straps streaming" in lines[0]
        assert "journal" in lines[1] and "at r" in lines[1]
        assert "RMSSD60" in lines[2] and "miss%" in lines[2]
        assert lines[3].startswith("▶ sub-001") and lines[5].startswith("  sub-003")
        assert "sub-001 ECG, last 6 s" in lines[6] and "µV; RR " in lines[6]
        assert any("⡇" in line or "⢸" in line for line in lines[7:15])
        assert "task 3 (program)" in "".join(lines)
        assert "1 baseline  2 stress" in lines[23] and "q stop" in lines[23]

    run(test)


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (200, 60)])
def test_twenty_straps_fit_and_the_last_can_be_reached(size: tuple[int, int]) -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        await pilot.press("up")
        await pilot.pause()
        chosen = s.app.chosen()
        assert chosen is not None and chosen.label == "sub-020"
        assert any(line.startswith("▶ sub-020") for line in s.screen())
        await pilot.press("down")
        await pilot.pause()
        assert any(line.startswith("▶ sub-001") for line in s.screen())

    run(test, size, straps=20, until=20.0)


def test_a_strap_without_a_signal_shows_its_intervals() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        times = np.array([ns(second) for second in range(60)])
        intervals = np.array([np.nan] + [1000.0 + 20 * (n % 3) for n in range(59)])
        s.board.offer(PlacedIntervals(7, "rr", 0, times, intervals, 60.0, None))
        s.board.offer(StrapState(7, "HRM", "sub-900", "streaming"))
        await pilot.press("up")
        await pilot.pause()
        text = "".join(s.screen())
        assert "sub-900 RR intervals, last 2 min, 1000 to 1040 ms" in text
        assert "ECG, last" not in text

    run(test)


def test_a_click_chooses_a_strap() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        await pilot.click(StrapTable, offset=(5, 2))
        chosen = s.app.chosen()
        assert chosen is not None and chosen.label == "sub-002"

    run(test)


def test_keys_set_markers_with_the_time_of_the_key() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        before = time.time_ns()
        await pilot.press("m", "space", "2", "9")
        after = time.time_ns()
        assert [(m.label, m.source) for m in s.marked] == [("marker", "key"), ("marker", "key"), ("stress", "key")]
        times = [m.time_ns for m in s.marked]
        assert before - 1_000_000 <= times[0] <= times[1] <= times[2] <= after

    run(test)


def test_a_typed_label_gets_the_time_at_which_the_key_was_pressed() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        await pilot.press("l")
        opened = time.time_ns()
        await pilot.press(*"m2q", "enter")
        assert [m.label for m in s.marked] == ["m2q"] and s.marked[0].time_ns <= opened
        assert not s.app.query_one("#label", Input).display and s.stopped == 0
        await pilot.press("l", "escape", "l", "enter")
        assert len(s.marked) == 1

    run(test)


def test_the_session_ends_at_the_second_q_and_at_once_with_control_c() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        await pilot.press("q")
        await pilot.pause()
        assert s.stopped == 0 and "press q again" in s.screen()[1]
        await pilot.press("q")
        await pilot.pause()
        assert s.stopped == 1 and "stopping" in s.screen()[1]
        await pilot.press("ctrl+c")
        assert s.stopped == 2

    run(test)


def test_a_q_long_after_another_does_not_end_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "ASKED_TWICE_S", 0.0)

    async def test(s: Session, pilot: Pilot[None]) -> None:
        await pilot.press("q", "q")
        assert s.stopped == 0

    run(test)


def test_a_disk_that_refuses_is_told_loudly() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        s.board.offer(SessionState("made-up", START_NS, ns(70), 9_000_000, 8_000_000, 12, "no space left on the disk"))
        await pilot.pause(0.3)
        assert "DISK: 12 records refused" in s.screen()[1]
        assert "no space left on the disk" in "".join(s.screen())

    run(test)


def test_events_are_shown_as_text_and_bounded() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        for number in range(1500):
            s.board.offer(MarkerSet(ns(number), "[red]x[/] \x1b[2J", "http"))
        s.app.redraw()
        await pilot.pause()
        text = "".join(s.screen())
        assert "[red]x[/] ?[2J" in text
        assert len(s.app.query_one(RichLog).lines) <= 500

    run(test)


def test_before_any_strap_the_screen_says_that_it_waits() -> None:
    async def test(s: Session, pilot: Pilot[None]) -> None:
        assert any("waiting for straps" in line for line in s.screen())
        await pilot.press("down")

    run(test, until=-1.0)


def test_the_screen_ends_with_its_session() -> None:
    async def test() -> list[str]:
        said: list[str] = []
        session = Session()
        face = Dashboard(session.board, Controls(session.marked.append, lambda: None), failed=said.append)
        face.open(headless=True, size=(80, 24))
        await asyncio.sleep(0)
        await face.close()
        return said

    assert asyncio.run(test()) == []


def test_a_crash_of_the_screen_is_said_and_nothing_else_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> list[str]:
        failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        session = Session()
        monkeypatch.setattr(DashboardApp, "redraw", lambda self: 1 / 0)
        face = Dashboard(session.board, Controls(session.marked.append, lambda: None), failed=failed.set_result)
        face.open(headless=True, size=(80, 24))
        said = await asyncio.wait_for(failed, 20)
        await face.close()
        return [said]

    (said,) = asyncio.run(test())
    assert "the recording goes on" in said


class Running:
    """A session as faces see it."""

    name = "made-up"

    def now_ns(self) -> int:
        return START_NS

    def mark(self, label: str, source: MarkerSource = "program", time_ns: int | None = None) -> None:
        raise AssertionError("no marker was asked for")

    def stop(self) -> None:
        raise AssertionError("nobody asked to stop")


def test_after_a_crash_of_the_screen_plain_lines_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def headless(self: Dashboard) -> None:
        self._task = asyncio.create_task(self._run(True, (80, 24)))

    monkeypatch.setattr(Dashboard, "open", headless)

    async def test() -> list[str]:
        lines: list[str] = []
        faces = OpenedFaces(FaceChoice(dashboard=True), lines.append)
        await faces.open(Running())
        for second, update in updates_of(2, 40.0):
            faces.offer(update)
            if second > 20.0:
                break
        assert lines == []
        monkeypatch.setattr(DashboardApp, "redraw", lambda self: 1 / 0)
        assert faces._screen is not None and faces._screen._task is not None
        await asyncio.wait_for(faces._screen._task, 20)
        for second, update in updates_of(2, 40.0):
            if second > 20.0:
                faces.offer(update)
        await faces.close()
        await faces.close()
        return lines

    lines = asyncio.run(test())
    assert sum("the recording goes on" in line for line in lines) == 1
    assert any("sub-001 ● streaming" in line for line in lines)
