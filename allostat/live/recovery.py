"""Sessions that a crash left are finalised, without being asked, before the next one begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

from allostat.errors import AllostatError
from allostat.live.finalise import FinishedSession, finalise_session, finished_session
from allostat.store.journal import being_recorded, sessions
from allostat.strap import StrapDecoder


@dataclass(frozen=True, slots=True)
class Recovery:
    """What became of one session.

    Attributes
    ----------
    finished
        Its files; None when it could not be finalised.
    problem
        Why not; the journal is as it was.
    """

    name: str
    finished: FinishedSession | None
    problem: str = ""


def recover_sessions(
    folder: str | PathLike[str], decoder: Callable[[], StrapDecoder] | None = None
) -> tuple[Recovery, ...]:
    """Finalise every session of a folder that nobody records and that is not finished.

    One that cannot be finalised stops none of the others. Two processes never finalise the same one.

    Parameters
    ----------
    decoder
        Makes a decoder for one strap; by default that of the link that each journal names.
    """
    place = Path(folder)
    found: list[Recovery] = []
    for name in sessions(place):
        if finished_session(place, name) is not None or being_recorded(place, name):
            continue
        try:
            found.append(Recovery(name, finalise_session(place, name, decoder)))
        except (AllostatError, OSError) as error:
            found.append(Recovery(name, None, str(error)))
    return tuple(found)
