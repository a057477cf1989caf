"""A session from beginning to end: straps found, faces opened, recorded, files and page written."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from allostat.errors import ConfigError
from allostat.live.analysis import LiveAnalysis
from allostat.live.chosen_straps import StrapChoice, found_straps, session_straps
from allostat.live.faces.opened import FaceChoice, OpenedFaces, Running
from allostat.live.host_clock import HostClock
from allostat.live.links import link_named
from allostat.live.recovery import recover_sessions
from allostat.live.replay import Replay
from allostat.live.session import Session, SessionResult
from allostat.live.updates import MarkerSource
from allostat.live.warm import warm_analysis
from allostat.recording import UNKNOWN_ZONE, TimeZone
from allostat.strap import SIMULATED_GROUP, FollowOptions

SCAN_S = 3.0
PATIENCE_S = 60.0
"""How long straps that were named are waited for."""
LINK = "ble"


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """What a person asked for.

    Attributes
    ----------
    folder
        Where journals, participant files and pages go; made when it is not there.
    simulate
        How many virtual straps instead of the radio; None: the radio.
    minutes
        Length; None: until stopped.
    """

    folder: Path
    choice: StrapChoice = field(default_factory=StrapChoice)
    simulate: int | None = None
    minutes: float | None = None
    timezone: TimeZone = UNKNOWN_ZONE
    streams: tuple[str, ...] = FollowOptions().streams


@dataclass(frozen=True, slots=True)
class Conducted:
    """What a session left.

    Attributes
    ----------
    page
        None when the files could not be written.
    """

    result: SessionResult
    page: Path | None


async def conduct(
    plan: SessionPlan, faces: FaceChoice, say: Callable[[str], None], name: str, clock: HostClock | None = None
) -> Conducted:
    """Run one session until it is stopped (key, signal, time).

    Parameters
    ----------
    say
        Takes lines for the person at the terminal.
    name
        Of the session.
    clock
        The host's; by default the computer's own.

    Raises
    ------
    DeviceError, InputError, ConfigError
        No radio, no strap, ambiguous names, something that is not installed: nothing was begun.
    StoreError
        The folder cannot be written.
    """
    opened = OpenedFaces(faces, say)  # what is not installed is told before anything is looked for
    link = link_named(LINK)
    backend = simulated_backend(plan.simulate)
    found = await found_straps(link, plan.choice, scan_s=SCAN_S, patience_s=PATIENCE_S, backend=backend, say=say)
    straps = session_straps(plan.choice, found)
    for strap in straps:
        say(f"{strap.participant} wears {strap.strap.name}")
    say("getting ready (a minute, once, where the kernels must be compiled first) …")
    await asyncio.to_thread(warm_analysis)
    plan.folder.mkdir(parents=True, exist_ok=True)
    for line in recovered(plan.folder):
        say(line)
    session = Session(
        plan.folder,
        name,
        straps,
        link,
        [opened],
        LiveAnalysis(),
        clock,
        options=FollowOptions(plan.streams),
        backend=backend,
        timezone=plan.timezone,
    )
    try:
        await opened.open(session)
        with stopping(session, plan.minutes):
            result = await session.run()
    finally:
        await opened.close()  # a session that could not begin has not; the terminal is given back in any case
    page = None
    if result.finished is not None:
        page = await asyncio.to_thread(write_page, plan.folder, result.name, result.finished.files)
    return Conducted(result, page)


async def replay(path: Path, speed: float, faces: FaceChoice, say: Callable[[str], None]) -> None:
    """Show a recorded session once more.

    Raises
    ------
    InputError, ConfigError, StoreError
        There is nothing to replay, or something is not installed.
    """
    opened = OpenedFaces(faces, say)
    await asyncio.to_thread(warm_analysis)
    again = Replay(path, [opened], LiveAnalysis(), speed=speed)
    try:
        await opened.open(_Unmarkable(again), markers=False)
        with stopping(again, None):
            await again.run()
    finally:
        await opened.close()


def recovered(folder: Path) -> list[str]:
    """Finalise what a crash left in a folder, with a page for each session; a sentence for each."""
    lines = []
    for recovery in recover_sessions(folder):
        if recovery.finished is None:
            lines.append(f"{recovery.name} could not be finished: {recovery.problem}; its journal is as it was")
        else:
            page = write_page(folder, recovery.name, recovery.finished.files)
            lines.append(f"{recovery.name} had not been finished and is now: {page}")
    return lines


def write_page(folder: Path, name: str, files: Mapping[str, Path]) -> Path:
    """The page of a finished session, made from its participants' files."""
    from allostat.report.session import session_page
    from allostat.store import read_participant
    from allostat.store.durable import replace_file

    results = [read_participant(path, groups=("recordings",)) for path in files.values()]
    text = session_page(results, name=name)
    page = folder / f"{name}.html"
    replace_file(page, lambda path: _write_text(path, text), lambda _: None)
    return page


def session_name(now: datetime) -> str:
    """Name of a session that begins now, by this computer's clock."""
    return f"session_{now:%Y%m%d_%H%M%S}"


def computer_zone() -> TimeZone:
    """The zone that this computer is set to; unknown when it does not tell its name."""
    name = os.environ.get("TZ", "").lstrip(":")
    with contextlib.suppress(OSError):
        name = name or str(Path("/etc/localtime").resolve()).partition("zoneinfo/")[2]
    from allostat.errors import AllostatError
    from allostat.zones import zone_info

    try:
        zone_info(name)
    except AllostatError:
        return UNKNOWN_ZONE
    return TimeZone(name, "device")


def simulated_backend(count: int | None) -> Any:
    """Virtual straps in place of the radio.

    Raises
    ------
    ConfigError
        No link has any.
    """
    if count is None:
        return None
    for point in entry_points(group=SIMULATED_GROUP):
        if point.name == LINK:
            return point.load()(count)
    raise ConfigError("no virtual straps are installed", expected="pip install 'allostat-load[live]'")


@contextlib.contextmanager
def stopping(session: Running | Replay, minutes: float | None) -> Iterator[None]:
    """Ctrl-C, SIGTERM and the end of the time stop a session cleanly."""
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as undo:
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, session.stop)
            except (NotImplementedError, RuntimeError, ValueError):
                continue  # Windows, or not the main thread: there a signal cancels the session, which ends it as well
            undo.callback(loop.remove_signal_handler, number)
        if minutes is not None:
            undo.callback(loop.call_later(minutes * 60.0, session.stop).cancel)
        yield


class _Unmarkable:
    """A replay as faces see it."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    @property
    def name(self) -> str:
        return self._replay.name

    def now_ns(self) -> int:
        return self._replay.now_ns()

    def mark(self, label: str, source: MarkerSource = "program", time_ns: int | None = None) -> None:
        raise ConfigError("a replay takes no markers", found=label)

    def stop(self) -> None:
        self._replay.stop()


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
