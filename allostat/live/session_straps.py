"""Who wears which strap in a session, as the journal's header says it: never an address or a serial number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from allostat.errors import ConfigError
from allostat.recording import TimeZone
from allostat.strap import FoundStrap

_SERIAL = re.compile(r"[\s_-]*\b(?=[0-9A-Fa-f]*\d)[0-9A-Fa-f]{5,}$")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class SessionStrap:
    """A strap that a session follows.

    Attributes
    ----------
    strap
        As the scan found it.
    participant
        Who wears it; straps of one participant come into one file.
    label
        What people call the strap; empty: its advertised name without the serial number.
    """

    strap: FoundStrap
    participant: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class StrapInFile:
    """One strap as journal and file know it.

    Attributes
    ----------
    participant, label
        As `SessionStrap`.
    recording
        Id of its recording within the participant's file.
    """

    participant: str
    label: str
    recording: str


@dataclass(frozen=True, slots=True)
class SessionHeader:
    """What a journal says of its session.

    Attributes
    ----------
    link
        Name of the link whose decoder reads the records.
    straps
        By their numbers.
    timezone
        Of the participants.
    settings
        What was asked of the straps.
    """

    link: str
    straps: tuple[StrapInFile, ...]
    timezone: TimeZone
    settings: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As the journal's JSON holds it."""
        return {
            "content": "live session",
            "link": self.link,
            "straps": [asdict(s) for s in self.straps],
            "timezone": asdict(self.timezone),
            "settings": dict(self.settings),
        }

    @classmethod
    def from_dict(cls, header: Mapping[str, Any], where: str) -> SessionHeader:
        """Of a journal's header.

        Raises
        ------
        ConfigError
            It is no session's.
        """
        try:
            straps = tuple(StrapInFile(**s) for s in header["straps"])
            zone = TimeZone(**header["timezone"])
            return cls(str(header["link"]), straps, zone, dict(header["settings"]))
        except (KeyError, TypeError) as error:
            raise ConfigError(f"the journal is not that of a live session ({error!r})", where=where) from error


def straps_in_file(straps: Sequence[SessionStrap]) -> tuple[StrapInFile, ...]:
    """Labels and recording ids, distinct within each participant.

    Raises
    ------
    ConfigError
        A strap without a participant, or one strap twice.
    """
    found: list[StrapInFile] = []
    taken: set[tuple[str, str]] = set()
    seen: set[str] = set()
    for strap in straps:
        if not strap.participant.strip():
            raise ConfigError("a strap has no participant", found=strap.label or strap.strap.name)
        if strap.strap.identity in seen:
            raise ConfigError("one strap is named twice", found=strap.label or strap.strap.name)
        seen.add(strap.strap.identity)
        label = strap.label or _SERIAL.sub("", strap.strap.name) or "strap"
        stem = _NOT_A_NAME.sub("_", label).strip("_").lower() or "strap"
        recording, number = stem, 1
        while (strap.participant, recording) in taken:
            number += 1
            recording = f"{stem}_{number}"
        taken.add((strap.participant, recording))
        found.append(StrapInFile(strap.participant, label, recording))
    return tuple(found)
