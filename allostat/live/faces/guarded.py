"""Faces behind a guard: one that fails is put aside and said so, and the session goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from allostat.live.updates import LiveSink, Update

CLOSING_S = 5.0
"""How long one face may take to close before the session ends without it."""


@dataclass(slots=True)
class _Kept:
    name: str
    face: LiveSink


class Faces:
    """Several faces as one `LiveSink` that never raises.

    Parameters
    ----------
    faces
        Name and face.
    complain
        Takes one sentence about a face that failed.
    """

    def __init__(self, faces: Sequence[tuple[str, LiveSink]], complain: Callable[[str], None]) -> None:
        self._kept = [_Kept(name, face) for name, face in faces]
        self._complain = complain
        self.failures: dict[str, str] = {}

    def add(self, name: str, face: LiveSink) -> None:
        """One more face, from now on."""
        self._kept.append(_Kept(name, face))

    @property
    def names(self) -> tuple[str, ...]:
        """Faces that still work."""
        return tuple(kept.name for kept in self._kept)

    def offer(self, update: Update) -> None:
        """Hand an update to every face that still works."""
        for kept in tuple(self._kept):
            try:
                kept.face.offer(update)
            except Exception as error:  # noqa: BLE001 - whatever a face does wrong, the session records on
                self._put_aside(kept, error)

    async def close(self) -> None:
        """Close every face, at most `CLOSING_S` each."""
        for kept in tuple(self._kept):
            try:
                await asyncio.wait_for(kept.face.close(), CLOSING_S)
            except Exception as error:  # noqa: BLE001 - the same
                self._put_aside(kept, error)

    def _put_aside(self, kept: _Kept, error: Exception) -> None:
        self._kept.remove(kept)
        self.failures[kept.name] = f"{type(error).__name__}: {error}"
        self._complain(f"{kept.name} failed and is off; the recording goes on ({type(error).__name__}: {error})")
