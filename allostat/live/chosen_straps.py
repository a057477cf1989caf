"""Which of the straps in reach a session follows, and who wears them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from allostat.errors import ConfigError, DeviceError, InputError
from allostat.live.session_straps import SessionStrap
from allostat.strap import FoundStrap, StrapLink

EVERY = "all"


@dataclass(frozen=True, slots=True)
class StrapChoice:
    """What a person asked for.

    Attributes
    ----------
    straps
        Names, ends of names (``12AB34CD``) or ids of straps; ``all`` for every strap in reach.
    participants
        Strap (as above) by participant.
    """

    straps: tuple[str, ...] = ()
    participants: tuple[tuple[str, str], ...] = ()

    @property
    def wanted(self) -> tuple[str, ...]:
        """Every strap that was named, each once."""
        return tuple(dict.fromkeys([*(strap for _, strap in self.participants), *self.straps]))


def participant_options(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Participant and strap of each ``sub-001=NAME``.

    Raises
    ------
    ConfigError
        Another form, or a participant with the same strap twice.
    """
    found: list[tuple[str, str]] = []
    for text in texts:
        participant, equals, strap = (part.strip() for part in text.partition("="))
        if not (participant and equals and strap):
            raise ConfigError("a participant is given with a strap", found=text, expected="sub-001=NAME-OF-STRAP")
        if (participant, strap) in found:
            raise ConfigError("this participant has that strap already", found=text)
        found.append((participant, strap))
    return tuple(found)


async def found_straps(
    link: StrapLink, choice: StrapChoice, *, scan_s: float, patience_s: float, backend: Any, say: Callable[[str], None]
) -> list[FoundStrap]:
    """Straps in reach; scans again until all that were named are there, or patience ends.

    Raises
    ------
    DeviceError
        No radio, or a strap that was named did not show up.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + patience_s
    seen: dict[str, FoundStrap] = {}
    told: tuple[str, ...] = ()
    while True:
        for strap in await link.scan(scan_s, backend=backend):
            seen[strap.identity] = strap
        straps = list(seen.values())
        absent = tuple(name for name in choice.wanted if name != EVERY and not matching(name, straps))
        if straps and not absent:
            return straps
        if clock() >= until:
            break
        if absent != told or not told:
            waiting = ", ".join(absent) if absent else "any strap"
            say(f"waiting for {waiting}: worn, electrodes wet, and not connected to a phone?")
            told = absent or ("",)
    names = ", ".join(strap.name for strap in seen.values()) or "none"
    raise DeviceError(
        f"not in reach: {', '.join(absent)}" if absent else "no strap in reach",
        found=names,
        expected="straps that are worn with wet electrodes and that no phone or watch holds (allostat scan --watch)",
    )


def matching(name: str, straps: Sequence[FoundStrap]) -> list[FoundStrap]:
    """Straps of that id or name; else those whose name ends with it."""
    folded = name.casefold()
    exact = [s for s in straps if folded in (s.identity.casefold(), s.name.casefold())]
    return exact or [s for s in straps if s.name.casefold().endswith(folded)]


def session_straps(choice: StrapChoice, found: Sequence[FoundStrap]) -> tuple[SessionStrap, ...]:
    """The straps to follow with their wearers; those without a named wearer get the next free ``sub-NNN``.

    Raises
    ------
    InputError
        A name that fits several straps, or several straps in reach and none named.
    """
    wearers: dict[str, str] = {}
    for participant, name in choice.participants:
        strap = _one(name, found)
        if strap.identity in wearers:
            raise InputError("one strap has two participants", found=name)
        wearers[strap.identity] = participant
    chosen: Mapping[str, FoundStrap]
    if EVERY in choice.straps:
        chosen = {s.identity: s for s in found}
    else:
        named = [_one(name, found) for name in choice.wanted]
        if not named and len(found) > 1:
            names = ", ".join(s.name for s in found)
            raise InputError(
                f"{len(found)} straps are in reach: {names}",
                expected="--straps NAME (or --straps all), or --participant sub-001=NAME for each",
            )
        chosen = {s.identity: s for s in named or found}
    taken = set(wearers.values())
    free = (name for number in range(1, 1000) if (name := f"sub-{number:03d}") not in taken)
    return tuple(SessionStrap(s, wearers.get(i) or next(free)) for i, s in chosen.items())


def _one(name: str, found: Sequence[FoundStrap]) -> FoundStrap:
    straps = matching(name, found)
    if len(straps) != 1:
        names = [s.name for s in (straps or found)]
        raise InputError(
            "a name fits several straps" if straps else "no such strap in reach", found=name, valid=dict.fromkeys(names)
        )
    return straps[0]
