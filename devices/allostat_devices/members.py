"""Which members of a source an adapter claims, and what to call them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from allostat.adapter import Sniff
from allostat.recording import Recording
from allostat.source import Source
from allostat_devices.file_names import participant_hint

CLAIM = 0.5
"""Confidence from which a member of a folder or archive is claimed."""


def is_single(source: Source) -> bool:
    """Whether the source is one plain or gzip-compressed file."""
    return source.path.is_file() and not source.is_zip


def shown_name(source: Source, member: str) -> str:
    """Name under which a member appears in messages, ids and hints: the file's own, gzip ending included."""
    return source.name if is_single(source) else member


def sniff_members(source: Source, look: Callable[[Source, str], Sniff]) -> Sniff:
    """What an adapter of single files says of a source, which may be a folder or archive of such files.

    Parameters
    ----------
    look
        Judges one member.
    """
    members = source.members
    if not members:
        return Sniff(0.0, "holds no files")
    if is_single(source):
        return look(source, members[0])
    verdicts = {member: look(source, member) for member in members}
    claimed = tuple(m for m, v in verdicts.items() if v.confidence >= CLAIM)
    if not claimed:
        nearest = max(verdicts.items(), key=lambda item: item[1].confidence)
        return Sniff(0.0, f"none of {len(members)} files is one; {nearest[0]}: {nearest[1].reason}")
    best = max((verdicts[m] for m in claimed), key=lambda v: v.confidence)
    return Sniff(best.confidence, f"{len(claimed)} of {len(members)} files: {best.reason}", claimed)


def claimed_members(source: Source, look: Callable[[Source, str], Sniff]) -> tuple[str, ...]:
    """Members to read: the claimed ones, or the only one of a single file, whatever it holds."""
    return source.members if is_single(source) else sniff_members(source, look).members


def participant_of(source: Source, member: str) -> str | None:
    """Participant told by the member's name, its folders (innermost first) or the source's name."""
    parts = [] if is_single(source) else list(reversed(PurePosixPath(member).parts))
    return next((hint for part in [*parts, source.name] if (hint := participant_hint(part))), None)


def with_distinct_id(recording: Recording, taken: set[str]) -> Recording:
    """The recording under an id that is not ``taken`` yet (files of one name in two folders), which is added."""
    name = recording.id
    count = 1
    while name in taken:
        count += 1
        name = f"{recording.id}_{count}"
    taken.add(name)
    return recording if name == recording.id else replace(recording, id=name)
