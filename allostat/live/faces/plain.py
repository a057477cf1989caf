"""The session as plain lines: what happens, when it happens, and every so often how each strap is."""

from __future__ import annotations

from collections.abc import Callable

from allostat.live.faces.board import Board
from allostat.live.faces.wording import at_rest, clock, contact, duration, missing, number, phase, printable
from allostat.live.updates import SessionState, Update
from allostat.sampling import NS_PER_S

SUMMARY_S = 10.0
LINES_AT_ONCE = 4
"""More straps are summed up less often: the lines per minute stay the same."""
MOST_LINES = 20
"""Lines of events written at once; the rest is told as a number, so that a burst of gaps does not flood a log."""
EVENTS_S = 1.0


class PlainLines:
    """A face for logs and pipes: writes lines when the session's clock (`SessionState`) moves on.

    Parameters
    ----------
    write
        Takes one line without its end.
    every_s
        Seconds between summaries of a few straps.
    """

    def __init__(self, write: Callable[[str], None], board: Board, *, every_s: float = SUMMARY_S) -> None:
        self._write = write
        self._board = board
        self._every_ns = round(every_s * NS_PER_S)
        self._told = 0
        self._next_events_ns = 0
        self._next_summary_ns: int | None = None

    def offer(self, update: Update) -> None:
        """Look at the clock; the board has taken the update already."""
        if not isinstance(update, SessionState):
            return
        if self._next_summary_ns is None:
            self._next_summary_ns = update.now_ns + self._every_ns
        if update.now_ns >= self._next_events_ns:
            self._events()
            self._next_events_ns = update.now_ns + round(EVENTS_S * NS_PER_S)
        if update.now_ns >= self._next_summary_ns:
            self._summary()
            lines = max(1, len(self._board.straps) // LINES_AT_ONCE)
            self._next_summary_ns = update.now_ns + lines * self._every_ns

    async def close(self) -> None:
        """The last events and one more summary."""
        self._events()
        self._summary()

    def _events(self) -> None:
        fresh, lost = self._board.log.since(self._told)
        self._told = self._board.log.total
        for line in fresh[:MOST_LINES]:
            who = f"{printable(line.label)}: " if line.label else ""
            self._write(f"{clock(line.time_ns)} {who}{printable(line.text)}")
        unsaid = lost + max(0, len(fresh) - MOST_LINES)
        if unsaid:
            self._write(f"… and {unsaid} more events")

    def _summary(self) -> None:
        words, _ = at_rest(self._board)
        self._write(f"{duration(self._board.elapsed_s)} {words}")
        for picture in self._board.ordered():
            rate = float("nan") if picture.state is None else picture.state.heart_rate_bpm
            self._write(
                f"  {printable(picture.label)} {phase(picture)}, HR {number(rate)} /min, "
                f"RMSSD {number(picture.measure('rmssd', 60.0), 1)} ms in 60 s, skin {contact(picture)}, "
                f"missing {missing(picture)} %, {picture.gaps} gaps"
            )
