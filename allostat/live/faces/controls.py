"""What a face may ask of its session: the time, to note a marker, and to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from allostat.errors import InputError
from allostat.live.updates import MarkerSet

LONGEST_LABEL = 200


@dataclass(frozen=True, slots=True)
class Controls:
    """Handles of a session.

    Attributes
    ----------
    mark
        Takes a marker; called on the session's event loop.
    stop
        Ends the session cleanly; may be called more than once.
    now_ns
        The session's clock: ns Unix time; of a replay, the time that is being replayed.
    """

    mark: Callable[[MarkerSet], None]
    stop: Callable[[], None]
    now_ns: Callable[[], int] = time.time_ns


def label_of(text: object) -> str:
    """The label of a marker: one line, trimmed, at most `LONGEST_LABEL` characters.

    Raises
    ------
    InputError
        No text, nothing but spaces, control characters, or too long.
    """
    if not isinstance(text, str):
        raise InputError("a marker's label is text", found=type(text).__name__)
    label = text.strip()
    if not label:
        raise InputError("a marker has a label", found=text, expected="at least one character")
    if len(label) > LONGEST_LABEL:
        raise InputError(
            "a marker's label is too long", found=len(label), expected=f"at most {LONGEST_LABEL} characters"
        )
    if not label.isprintable():
        raise InputError("a marker's label is one line without control characters", found=label)
    return label
