"""The session in a terminal: straps, a strip of signal, events, markers by key, and what is at risk.

The widgets are redrawn from the `Board` a few times a second, whatever arrives; a burst of updates costs no redraw.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, RichLog, Static

from allostat.errors import InputError
from allostat.live.faces.board import Board, LogLine, StrapPicture
from allostat.live.faces.braille import braille_strip, tachogram_strip
from allostat.live.faces.controls import LONGEST_LABEL, Controls, label_of
from allostat.live.faces.wording import at_rest, cell, clock, duration, fitting, heading, number, printable
from allostat.live.updates import MarkerSet, Update
from allostat.sampling import NS_PER_S

REDRAWS_PER_S = 4
STRIP_S = 6.0
TACHOGRAM_S = 120.0
TACHOGRAM_LINES = 5
ASKED_TWICE_S = 3.0
"""Within this time a second ``q`` ends the session."""
PLAIN_MARKER = "marker"

_PHASE_STYLES = {"streaming": "", "silent": "bold yellow", "lost": "bold red", "stopped": "dim"}
_LOG_STYLES = {"gap": "yellow", "marker": "bold cyan", "malformed": "yellow", "session": "bold red", "quality": "dim"}


class DrawnLines(Widget):
    """Lines of text, one style each; a redraw touches only those that changed."""

    def __init__(self, board: Board, name: str) -> None:
        super().__init__(id=name)
        self._board = board
        self._lines: list[tuple[str, str]] = []

    def drawn(self, width: int, height: int) -> list[tuple[str, str]]:
        """Text and style of every line."""
        raise NotImplementedError

    def redraw(self) -> None:
        """Draw anew what changed."""
        before, self._lines = self._lines, self.drawn(self.size.width, self.size.height)
        if len(before) != len(self._lines):
            self.refresh(layout=True)
            return
        for y, (old, new) in enumerate(zip(before, self._lines, strict=True)):
            if old != new:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        text, style = self._lines[y] if y < len(self._lines) else ("", "")
        strip = Strip([Segment(text, Style.parse(style))], cell_len(text))
        return strip.adjust_cell_length(self.size.width).apply_style(self.rich_style)

    def on_resize(self) -> None:
        """Another width has other columns."""
        self.redraw()


class StrapTable(DrawnLines):
    """One line per strap; the chosen one is marked and may be changed with the mouse."""

    DEFAULT_CSS = "StrapTable { height: auto; width: 100%; }"
    chosen = 0

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """A heading and a line per strap."""
        return 1 + max(1, len(self._board.straps))

    def drawn(self, width: int, height: int) -> list[tuple[str, str]]:
        """The table as it stands."""
        columns = fitting(width - 2)
        lines = [("  " + " ".join(heading(c) for c in columns), "bold dim")]
        pictures = self._board.ordered()
        if not pictures:
            lines.append(("  waiting for straps …", "dim"))
        for row, picture in enumerate(pictures):
            here = row == self.chosen
            text = ("▶ " if here else "  ") + " ".join(cell(c, picture) for c in columns)
            lines.append((text, _row_style(picture) + (" reverse" if here else "")))
        return lines

    def on_click(self, event: events.Click) -> None:
        """Choose the strap that was clicked."""
        if 1 <= event.y <= len(self._board.straps):
            self.chosen = event.y - 1
            self.redraw()


class SignalStrip(DrawnLines):
    """The last seconds of the chosen strap's ECG or PPG, under a caption."""

    def __init__(self, board: Board, chosen: Callable[[], StrapPicture | None]) -> None:
        super().__init__(board, "strip")
        self._chosen = chosen

    def drawn(self, width: int, height: int) -> list[tuple[str, str]]:
        """The trace under a caption and, where there is room or nothing else, the tachogram."""
        picture = self._chosen()
        if picture is None or height < 2 or width < 12:
            return [("", "")] * height
        has_trace = len(picture.trace) > 0
        tachogram = height if not has_trace else TACHOGRAM_LINES if height >= 2 * TACHOGRAM_LINES + 1 else 0
        lines = self._trace(picture, width, height - tachogram) if has_trace else []
        return lines + (self._tachogram(picture, width, tachogram) if tachogram else [])

    def _trace(self, picture: StrapPicture, width: int, height: int) -> list[tuple[str, str]]:
        end_ns = self._board.now_ns
        start_ns = end_ns - round(STRIP_S * NS_PER_S)
        strip = braille_strip(list(picture.trace.items), start_ns, end_ns, width, height - 1)
        caption = (
            f"{printable(picture.label)} {picture.trace_stream.upper()}, last {STRIP_S:g} s, {number(strip.low)} to "
            f"{number(strip.high)} {strip.unit.replace('uV', 'µV')}; {_intervals(picture)}"
        )
        return [(caption, "dim"), *((line, "green") for line in strip.lines)]

    def _tachogram(self, picture: StrapPicture, width: int, height: int) -> list[tuple[str, str]]:
        end_ns = self._board.now_ns
        start_ns = end_ns - round(TACHOGRAM_S * NS_PER_S)
        shown = [i for i in picture.intervals.items if i[0] > start_ns]
        strip = tachogram_strip(shown, start_ns, end_ns, width, height - 1)
        caption = (
            f"{printable(picture.label)} {picture.interval_source.upper() or 'RR'} intervals, last "
            f"{TACHOGRAM_S / 60:g} min, {number(strip.low)} to {number(strip.high)} ms"
        )
        return [(caption, "dim"), *((line, "cyan") for line in strip.lines)]


class DashboardApp(App[None]):
    """The screen. Ends when the session ends."""

    CSS = """
    Screen { overflow: hidden; }
    #status { height: auto; max-height: 3; padding: 0 1; }
    #table { height: auto; max-height: 60%; }
    #strip { height: 2fr; min-height: 3; max-height: 18; padding: 0 1; }
    #log { height: 1fr; min-height: 2; padding: 0 1; border-top: solid $primary; scrollbar-size-vertical: 1; }
    #label { display: none; height: 1; border: none; padding: 0 1; background: $boost; }
    #keys { height: 1; dock: bottom; padding: 0 1; color: $text-muted; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "choose(-1)", "strap above", priority=True),  # else the screen itself takes it, to scroll
        Binding("down", "choose(1)", "strap below", priority=True),
        ("q", "quit_asked", "stop"),
        ("ctrl+c,ctrl+q", "quit_now", "stop at once"),
        ("escape", "leave_label", "back"),
    ]

    def __init__(self, board: Board, controls: Controls, labels: Sequence[str] = (), address: str = "") -> None:
        super().__init__()
        self._address = address
        self.title = "allostat live"
        self._board = board
        self._controls = controls
        self._labels = tuple(labels[:9])
        self._told = 0
        self._asked_at = -ASKED_TWICE_S
        self._stopping = False
        self._label_time_ns = 0
        # Held, not asked of the screen: the clock may tick once more while the screen is being taken down.
        self._status_line = Static(id="status", markup=False)
        self._table = StrapTable(board, "straps")
        self._strip = SignalStrip(board, self.chosen)
        self._happened = RichLog(id="log", max_lines=500, wrap=True, markup=False)

    def compose(self) -> ComposeResult:
        """Widgets from top to bottom."""
        yield self._status_line
        with VerticalScroll(id="table", can_focus=False):
            yield self._table
        yield self._strip
        yield self._happened
        yield Input(id="label", placeholder="label, then Enter (Esc: none)", max_length=LONGEST_LABEL)
        yield Static(self._keys(), id="keys", markup=False)

    def on_mount(self) -> None:
        """Begin to redraw."""
        self._happened.can_focus = False
        self.set_interval(1 / REDRAWS_PER_S, self.redraw)
        self.redraw()

    def chosen(self) -> StrapPicture | None:
        """The strap whose signal is shown."""
        pictures = self._board.ordered()
        row = self._table.chosen
        return pictures[row] if row < len(pictures) else None

    def redraw(self) -> None:
        """Bring every widget up to date with the board."""
        board = self._board
        self._status_line.update(self._status(), layout=False)
        self._table.redraw()
        self._strip.redraw()
        fresh, lost = board.log.since(self._told)
        self._told = board.log.total
        if lost:
            self._happened.write(Text(f"… {lost} events came too fast to be shown", style="dim"))
        for line in fresh:
            self._happened.write(_log_text(line))

    def _status(self) -> Text:
        board = self._board
        phases = [p.state.phase for p in board.ordered() if p.state is not None]
        name = "" if board.session is None else printable(board.session.name)
        text = Text(f"allostat live {name}  {duration(board.elapsed_s)}", style="bold", no_wrap=True)
        text.append(f"  {phases.count('streaming')} of {len(board.straps)} straps streaming", style="not bold")
        text.append(f", {board.markers} markers", style="not bold")
        words, attention = at_rest(board)
        if self._stopping:
            words, attention = "stopping: ending the straps' streams, then writing the file …", True
        elif time.monotonic() - self._asked_at < ASKED_TWICE_S:
            words, attention = "press q again to stop the session", True
        text.append(f"\n{words}", style="bold white on red" if attention else "not bold")
        if self._address:
            text.append(f"\npage: {self._address}", style="not bold dim")
        return text

    def _keys(self) -> Text:
        numbered = "  ".join(f"{n} {printable(label)}" for n, label in enumerate(self._labels, 1))
        text = Text("m/space marker  l label  ", no_wrap=True, overflow="ellipsis")
        text.append(f"{numbered}  " if numbered else "")
        return text.append("↑↓ strap  q stop")

    def on_key(self, event: events.Key) -> None:
        """Markers: their time is that of the key press, not of its handling."""
        if isinstance(self.focused, Input):
            return
        if event.key in ("m", "space"):
            self._mark(PLAIN_MARKER, self._pressed_ns(event))
        elif event.key.isdigit() and 1 <= int(event.key) <= len(self._labels):
            self._mark(self._labels[int(event.key) - 1], self._pressed_ns(event))
        elif event.key == "l":
            self._ask_label(self._pressed_ns(event))

    def _pressed_ns(self, event: events.Key) -> int:
        """The session's time of a key press: the event carries the monotonic time at which the key was read."""
        return self._controls.now_ns() - max(0, round((time.monotonic() - event.time) * NS_PER_S))

    def _mark(self, label: str, time_ns: int) -> None:
        try:
            self._controls.mark(MarkerSet(time_ns, label_of(label), "key"))
        except InputError as problem:
            self.notify(str(problem), severity="warning", markup=False)

    def _ask_label(self, time_ns: int) -> None:
        """Open the line for a label; the marker's time is that of the key, however long the typing takes."""
        self._label_time_ns = time_ns
        line = self.query_one("#label", Input)
        line.value = ""
        line.styles.display = "block"
        line.focus()

    def action_leave_label(self) -> None:
        """Close the line without a marker."""
        self.query_one("#label", Input).styles.display = "none"
        self.set_focus(None)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Note the marker whose label was typed."""
        self.action_leave_label()
        if event.value.strip():
            self._mark(event.value, self._label_time_ns)

    def action_choose(self, step: int) -> None:
        """Choose another strap and keep it in sight."""
        table = self._table
        if self._board.straps:
            table.chosen = (table.chosen + step) % len(self._board.straps)
            row = table.chosen + 1
            scroll = self.query_one("#table", VerticalScroll)
            scroll.scroll_to_region(Region(0, row, 1, 1), animate=False, immediate=True)
        self.redraw()

    def action_quit_asked(self) -> None:
        """Stop the session at the second press within a few seconds."""
        now = time.monotonic()
        if now - self._asked_at < ASKED_TWICE_S:
            self.action_quit_now()
        else:
            self._asked_at = now
        self.redraw()

    def action_quit_now(self) -> None:
        """Stop the session; the screen closes when the session has."""
        self._stopping = True
        self._controls.stop()
        self.redraw()


class Dashboard:
    """The screen as a face of a session.

    Parameters
    ----------
    board
        Offered its updates by the session itself.
    controls
        Markers and the end.
    labels
        Labels of the keys 1 to 9.
    address
        Of the web page, to be shown; empty when there is none.
    failed
        Takes a sentence when the screen ended before the session did.
    """

    def __init__(
        self,
        board: Board,
        controls: Controls,
        *,
        labels: Sequence[str] = (),
        address: str = "",
        failed: Callable[[str], None],
    ) -> None:
        self.app = DashboardApp(board, controls, labels, address)
        self._failed = failed
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def up(self) -> bool:
        """Whether the screen has the terminal."""
        return self._task is not None and not self._task.done()

    def open(self, *, headless: bool = False, size: tuple[int, int] | None = None) -> None:
        """Take over the terminal; the screen runs beside the session on its event loop."""
        self._task = asyncio.create_task(self._run(headless, size), name="dashboard")

    async def _run(self, headless: bool, size: tuple[int, int] | None) -> None:
        problem = ""
        try:
            await self.app.run_async(headless=headless, size=size)
            if self.app.return_code:
                problem = "it ended by itself"
        except Exception as error:  # noqa: BLE001 - the screen is not the session
            problem = f"{type(error).__name__}: {error}"
        if not self._closing:
            self._failed(f"the screen failed ({problem or 'it was closed'}); the recording goes on")

    def offer(self, update: Update) -> None:
        """Nothing: the board has it."""

    async def close(self) -> None:
        """Give the terminal back."""
        self._closing = True
        if self._task is not None:
            self.app.exit()
            await self._task


def _row_style(picture: StrapPicture) -> str:
    """Ordinary ink for a strap that streams; the others stand out, or step back."""
    return "dim" if picture.state is None else _PHASE_STYLES.get(picture.state.phase, "cyan")


def _log_text(line: LogLine) -> Text:
    text = Text(clock(line.time_ns), style="dim")
    who = f" {printable(line.label)}" if line.label else ""
    return text + Text(f"{who} {printable(line.text)}", style=f"not dim {_LOG_STYLES.get(line.kind, '')}".strip())


def _intervals(picture: StrapPicture) -> str:
    """The last intervals as numbers: the tachogram of a narrow screen."""
    last = [ms for _, ms in list(picture.intervals.items)[-4:]]
    return f"{picture.interval_source.upper() or 'RR'} " + (" ".join(f"{ms:.0f}" for ms in last) or "–") + " ms"
