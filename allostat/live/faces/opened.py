"""The faces that a person asked for, opened around one session and closed with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from allostat.errors import ConfigError, InputError
from allostat.live.faces.board import Board
from allostat.live.faces.controls import Controls
from allostat.live.faces.guarded import Faces
from allostat.live.faces.plain import PlainLines
from allostat.live.updates import MarkerSet, MarkerSource, Update

if TYPE_CHECKING:
    from allostat.live.faces.dashboard import Dashboard

INSTALL_LIVE = "pip install 'allostat-load[live]'"


class Running(Protocol):
    """What faces need of a session."""

    @property
    def name(self) -> str:
        """Of the session."""
        ...

    def now_ns(self) -> int:
        """The session's time."""
        ...

    def mark(self, label: str, source: MarkerSource = "program", time_ns: int | None = None) -> None:
        """Note a marker."""
        ...

    def stop(self) -> None:
        """End the session cleanly."""
        ...


@dataclass(frozen=True, slots=True)
class FaceChoice:
    """Which faces.

    Attributes
    ----------
    dashboard
        The screen in the terminal; otherwise plain lines.
    web_port
        None: no page; 0: a free port.
    lsl
        Outlets, and markers of other programs.
    labels
        Of the keys 1 to 9.
    """

    dashboard: bool = False
    web_port: int | None = None
    lsl: bool = False
    labels: tuple[str, ...] = ()


class OpenedFaces:
    """All faces of one session as one `LiveSink`.

    Parameters
    ----------
    choice
        Which ones.
    write
        Takes a plain line; nothing is written while the dashboard has the terminal.
    """

    def __init__(self, choice: FaceChoice, write: Callable[[str], None]) -> None:
        if choice.dashboard:
            demand_textual()
        self.board = Board()
        self.url = ""
        self._choice = choice
        self._write = write
        self._screen: Dashboard | None = None
        self._told: list[str] = []
        self._closed = False
        plain = PlainLines(self._line, self.board)
        self._faces = Faces([("board", self.board), ("plain lines", plain)], self.say)

    async def open(self, session: Running, *, markers: bool = True) -> None:
        """Open the faces; `offer` may have been called before.

        Parameters
        ----------
        markers
            Whether the session takes any; a replay does not.

        Raises
        ------
        ConfigError, DeviceError
            Something that was asked for is not installed, or its port is taken.
        """

        def mark(marker: MarkerSet) -> None:
            if not markers:
                raise InputError("a replay takes no markers")
            if self.board.session is None:
                raise InputError("the session has not begun yet; no marker was set")
            session.mark(marker.label, marker.source, marker.time_ns)

        controls = Controls(mark, session.stop, session.now_ns)
        if self._choice.lsl:
            self._open_lsl(session, controls, markers)
        if self._choice.web_port is not None:
            from allostat.live.faces.web import WebPage

            page = WebPage(self.board, controls, labels=self._choice.labels, complain=self.say)
            await page.open(self._choice.web_port)
            self.url = page.url
            self._faces.add("web page", page)
            self.say(f"web page: {page.url}")
        if self._choice.dashboard:
            from allostat.live.faces.dashboard import Dashboard

            self._screen = Dashboard(
                self.board, controls, labels=self._choice.labels, address=self.url, failed=self.board.note
            )
            self._faces.add("screen", self._screen)
            self._screen.open()

    def offer(self, update: Update) -> None:
        """Hand an update to all faces."""
        self._faces.offer(update)

    async def close(self) -> None:
        """Close all faces; nothing happens a second time."""
        if self._closed:
            return
        self._closed = True
        await self._faces.close()
        for line in self._told:
            self._write(line)

    def say(self, sentence: str) -> None:
        """Tell a sentence: among the events, and after the session what the screen had covered."""
        self.board.note(sentence)
        if self._screen is not None and self._screen.up:
            self._told.append(sentence)

    def _line(self, line: str) -> None:
        if self._screen is None or not self._screen.up:
            self._write(line)

    def _open_lsl(self, session: Running, controls: Controls, markers: bool) -> None:
        from allostat.live.faces.lsl import LslOutlets
        from allostat.live.faces.lsl_markers import LslMarkers

        outlets = LslOutlets(session.name, session.now_ns)
        self._faces.add("LSL outlets", outlets)
        self.say("streams and markers go out over LSL")
        if markers:
            taken = LslMarkers(controls, outlets.clock, self.say)
            taken.open()
            self._faces.add("LSL markers", taken)


def demand_textual() -> None:
    """`ConfigError` with the command to type when the dashboard's package is not installed."""
    if find_spec("textual") is None:
        raise ConfigError("the dashboard needs the package textual, which is not installed", expected=INSTALL_LIVE)
