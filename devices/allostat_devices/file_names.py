"""What a file name tells: a participant in a safe pattern, a device id to hide, a start time, a recording's name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import numpy as np

from allostat.recording import InputFile
from allostat.source import Source

_PARTICIPANT = re.compile(
    r"^(sub-[A-Za-z0-9]+|[Pp]\d{2,4}|(?:subject|participant|proband|vp)[-_ ]?\d{1,5})(?=[-_. ]|$)", re.IGNORECASE
)
_DEVICE_IDS = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}|[0-9A-Fa-f]{8}|[A-F]\d{5}|(?:[0-9A-F]{2}[-:_]){5}[0-9A-F]{2})(?![0-9A-Za-z])"
)
_EMAIL = re.compile(r"[A-Za-z0-9.+_-]+@[A-Za-z0-9-]+(?:\.[A-Za-z]{2,})+")
_POLAR = re.compile(r"polar|sense|oh1|(?<![a-z])h(?:7|9|10)(?!\d)", re.IGNORECASE)
_START = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})[ T_-]+(\d{2})[-:.]?(\d{2})[-:.]?(\d{2})(?!\d)")


def participant_hint(name: str) -> str | None:
    """Participant that a file or folder name begins with (``sub-007_…``, ``P012.csv``); None otherwise.

    Device ids, dates and other tokens are never taken for a participant.
    """
    found = _PARTICIPANT.match(PurePosixPath(name).name)
    return found.group(1) if found else None


def has_device_id(name: str) -> bool:
    """Whether a name seems to hold a device id: eight hexadecimal digits, a UUID, an E4 serial, or a MAC address."""
    return any(_is_device_id(m.group(), name) for m in _DEVICE_IDS.finditer(name))


def without_device_id(name: str) -> str:
    """The name with each device id replaced by ``device`` and each e-mail address by ``person``."""
    return _DEVICE_IDS.sub(
        lambda m: "device" if _is_device_id(m.group(), name) else m.group(), _EMAIL.sub("person", name)
    )


def has_email(name: str) -> bool:
    """Whether a name holds an e-mail address, as the files of some account exports do."""
    return bool(_EMAIL.search(name))


def _is_device_id(token: str, name: str) -> bool:
    if re.fullmatch(r"(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", token):
        return False
    if token.isdigit():
        # eight digits are a study's own number as often as a strap's: only names of straps tell
        return bool(_POLAR.search(name))
    return any(c.isdigit() for c in token)


def start_in_name(name: str) -> int | None:
    """Wall-clock time in a file name such as ``2017-06-29 13-11-53.txt``, in ns since 1970 as if it were UTC."""
    found = _START.search(PurePosixPath(name).name)
    if not found:
        return None
    year, month, day, hour, minute, second = found.groups()
    try:
        stamp = np.datetime64(f"{year}-{month}-{day}T{hour}:{minute}:{second}", "ns")
    except ValueError:
        return None
    return int(stamp.astype(np.int64)) if 1970 <= int(year) < 2200 else None


def recording_id(name: str, fallback: str) -> str:
    """A file or folder name as the id of a recording: letters, digits, ``-`` and ``_``, without device ids."""
    stem = PurePosixPath(without_device_id(name)).name
    stem = re.sub(r"\.(gz|zip|txt|csv|hea|ibi|hrm|tsv|dat)$", "", re.sub(r"\.gz$", "", stem), flags=re.IGNORECASE)
    clean = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-")
    return clean[:80] or fallback


def input_file(source: Source, member: str | None = None) -> InputFile:
    """Provenance of one file: its name without device id, its hash, its size."""
    single = member is None or (source.path.is_file() and not source.is_zip)
    return InputFile(
        name=without_device_id(source.name),
        sha256=source.sha256(member),
        bytes=source.size(member),
        member=None if single or member is None else without_device_id(member),
    )
