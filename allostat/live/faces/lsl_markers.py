"""Markers that other programs push to the lab streaming layer, taken into the session with the sender's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from allostat.errors import InputError
from allostat.live.faces.controls import LONGEST_LABEL, Controls, label_of
from allostat.live.faces.lsl import SOURCE, needed
from allostat.live.faces.lsl_clock import LslClock
from allostat.live.updates import MarkerSet, Update

if TYPE_CHECKING:
    import pylsl

LOOK_S = 0.02
SEARCH_S = 1.0
CORRECTION_S = 5.0
"""How often the sender's clock is compared with ours; between two computers it drifts."""
MOST_AT_ONCE = 256


@dataclass(slots=True)
class _Joined:
    name: str
    inlet: pylsl.StreamInlet
    correction_s: float


class LslMarkers:
    """Follows every stream of type ``Markers`` in reach but our own.

    Nothing here blocks the session: whatever waits for the network runs in a thread.

    Parameters
    ----------
    controls
        Where markers go.
    clock
        The session's clock against LSL's.
    say
        Takes a sentence about a stream that was joined or lost.
    """

    def __init__(self, controls: Controls, clock: LslClock, say: Callable[[str], None]) -> None:
        self._pylsl = needed()
        self._controls = controls
        self._clock = clock
        self._say = say
        self._joined: dict[str, _Joined] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.refused = 0

    @property
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that are followed."""
        return tuple(joined.name for joined in self._joined.values())

    def open(self) -> None:
        """Begin to look for streams."""
        resolver = self._pylsl.ContinuousResolver("type", "Markers", forget_after=5.0)
        self._tasks = [
            asyncio.create_task(self._search(resolver), name="LSL marker streams"),
            asyncio.create_task(self._look(), name="LSL markers"),
        ]
        for task in self._tasks:
            task.add_done_callback(self._ended)

    def offer(self, update: Update) -> None:
        """Only takes; what the session tells goes out by `LslOutlets`."""

    async def close(self) -> None:
        """Take what has arrived, then leave the streams."""
        self._take()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        inlets = [joined.inlet for joined in self._joined.values()]
        self._joined.clear()
        await asyncio.to_thread(lambda: [inlet.close_stream() for inlet in inlets])

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._say(f"markers over LSL are off ({type(error).__name__}: {error}); the recording goes on")

    async def _search(self, resolver: pylsl.ContinuousResolver) -> None:
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while True:
            for info in resolver.results():
                key = info.uid()
                if key not in self._joined and not info.source_id().startswith(f"{SOURCE}:"):
                    await self._join(key, info)
            if loop.time() - checked > CORRECTION_S:
                checked = loop.time()
                for key, joined in tuple(self._joined.items()):
                    await self._correct(key, joined)
            await asyncio.sleep(SEARCH_S)

    async def _join(self, key: str, info: pylsl.StreamInfo) -> None:
        def joined() -> _Joined:
            inlet = self._pylsl.StreamInlet(info, max_buflen=60, recover=False)
            inlet.open_stream(timeout=3.0)
            return _Joined(info.name(), inlet, inlet.time_correction(timeout=3.0))

        try:
            self._joined[key] = await asyncio.to_thread(joined)
        except (TimeoutError, RuntimeError) as error:
            self._say(f"LSL stream {info.name()!r} could not be joined ({error}); trying again")
            return
        self._say(f"markers of LSL stream {info.name()!r} are taken")

    async def _correct(self, key: str, joined: _Joined) -> None:
        try:
            joined.correction_s = await asyncio.to_thread(joined.inlet.time_correction, 1.0)
        except TimeoutError:
            return  # the correction before still holds to what two clocks drift in a few seconds
        except RuntimeError:
            self._leave(key)

    async def _look(self) -> None:
        while True:
            self._take()
            await asyncio.sleep(LOOK_S)

    def _take(self) -> None:
        for key, joined in tuple(self._joined.items()):
            try:
                samples, stamps = joined.inlet.pull_chunk(timeout=0.0, max_samples=MOST_AT_ONCE)
            except RuntimeError:
                self._leave(key)
                continue
            for sample, stamp in zip(samples or [], stamps or [], strict=True):
                self._mark(" ".join(str(v) for v in sample), stamp + joined.correction_s)

    def _leave(self, key: str) -> None:
        joined = self._joined.pop(key, None)
        if joined is not None:
            self._say(f"LSL stream {joined.name!r} has ended")

    def _mark(self, text: str, seconds: float) -> None:
        """A marker with the sender's time; a label that cannot be one as it stands is cleaned, never dropped."""
        try:
            label = label_of(text)
        except InputError:
            self.refused += 1
            cleaned = "".join(c if c.isprintable() else " " for c in text).strip()[:LONGEST_LABEL].strip()
            label = cleaned or "(empty)"
        try:
            self._controls.mark(MarkerSet(self._clock.ns(seconds), label, "lsl"))
        except InputError as problem:
            self._say(f"marker {label!r} of LSL was not taken: {problem}")
