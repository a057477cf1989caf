"""What stands of an earlier run: read from the participant's file, which is the only cache there is.

The file states the fingerprint of every stage. A stage stands when its fingerprint is the one of now, the file is the
one that ``status.json`` describes, and every value read from it is what its hash says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allostat.errors import StoreError
from allostat.study.fingerprints import STAGES

if TYPE_CHECKING:
    from allostat.recording import Notice
    from allostat.store import ParticipantResult
    from allostat.study.fingerprints import Basis

_GROUPS: Mapping[str, tuple[str, ...]] = {
    "ingest": ("recordings",),
    "beats": ("beats", "quality"),
    "hrv": ("hrv",),
    "circadian": ("circadian",),
    "labs": ("labs", "measured"),
    "biomarkers": ("biomarkers",),
    "load": ("allostatic_load",),
}
_TOLD = ("report", *STAGES[:-1])
"""Order of the notices in a file: of the plan first, then stage by stage."""


READ_BACK_BYTES = 32 << 20
"""Raw samples of more than this (a day of ECG takes 22 MB) are read from the exports again, which adapters stream; the
file is read whole."""
KEPT, LARGE, LEFT_OUT = "kept", "large", "left out"
READ_AGAIN = {LARGE: "raw signals are large: they are read from the exports", LEFT_OUT: "raw signals are not kept"}
"""Why recordings are read again although nothing changed, by what the file says of its signals."""


@dataclass(frozen=True)
class Standing:
    """The stages that need not run again, with what they left in the participant's file."""

    stages: frozenset[str] = frozenset()
    result: ParticipantResult | None = None
    notices: Mapping[str, tuple[Notice, ...]] = field(default_factory=dict)


NOTHING = Standing()


def what_stands(
    store: Path, bases: Mapping[str, Basis], *, since: str | None = None, sha256: str | None = None
) -> Standing:
    """What of a participant's file stands.

    Parameters
    ----------
    store
        The participant's file.
    bases
        What each stage rests on now.
    since
        A stage that has to run again, with all after it.
    sha256
        Hash of the file as its ``status.json`` states it; None when there is no status.

    Raises
    ------
    StoreError
        The file is damaged, or not the one that its status describes: nothing of it may be used.
    """
    if not store.is_file() or since == STAGES[0]:
        return NOTHING
    from allostat.store import read_participant
    from allostat.store.durable import file_sha256

    if sha256 is not None and file_sha256(store) != sha256:
        raise StoreError("is not the file that its status.json describes", where=store.name)
    about = read_participant(store, groups=())
    stated: Mapping[str, Any] = about.provenance.get("stages", {})
    before = STAGES[: STAGES.index(since)] if since is not None else STAGES
    standing = {s for s in STAGES[:-1] if s in before and _fingerprint(stated, s) == bases[s].fingerprint}
    if about.provenance.get("signals") in READ_AGAIN:
        standing.discard("ingest")  # the page shows them, and beats may have to be found again
    if not standing:
        return NOTHING
    result = read_participant(store, groups=_groups(standing))
    return Standing(frozenset(standing), result, _split(about.notices, stated, store.name))


def _groups(stages: Collection[str]) -> tuple[str, ...]:
    return tuple(group for stage in STAGES if stage in stages for group in _GROUPS[stage])


def _fingerprint(stated: Mapping[str, Any], stage: str) -> object:
    return stated.get(stage, {}).get("fingerprint")


def noted_by_stage(notices: Mapping[str, tuple[Notice, ...]]) -> tuple[Notice, ...]:
    """All notices in the order in which a file has them."""
    return tuple(notice for stage in _TOLD for notice in notices[stage])


def _split(notices: tuple[Notice, ...], stated: Mapping[str, Any], where: str) -> dict[str, tuple[Notice, ...]]:
    """The notices of each stage, of what `noted_by_stage` joined."""
    found, at = {}, 0
    for stage in _TOLD:
        count = int(stated[stage]["notices"])
        found[stage] = notices[at : at + count]
        at += count
    if at != len(notices):
        raise StoreError("has another number of notices than its stages state", where=where)
    return found
