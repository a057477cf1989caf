"""Writers of ISHNE Holter files and of XDF files (Lab Streaming Layer)."""

from __future__ import annotations

import binascii
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.recording import NS_PER_S
from allostat.simulate.exports.archive import local_offset_s
from allostat.simulate.exports.worn import Worn

_ISHNE_TEXT = b"simulated\r\n"
_ISHNE_CODES = (5, 11, 15)
"""Leads I, V1 and V5."""


def write_ishne(
    path: Path,
    leads: NDArray[np.integer[Any]],
    rate_hz: int,
    nanovolts: int,
    start_local: datetime,
    *,
    names: tuple[str, str, str] = ("", "", ""),
    born: tuple[int, int, int] = (0, 0, 0),
) -> None:
    """ISHNE Holter file.

    Parameters
    ----------
    leads
        (n, leads), in steps of ``nanovolts`` nV.
    start_local
        Naive wall-clock start.
    names
        First name, last name and patient id.
    born
        Day, month, year.
    """
    n, count = leads.shape
    day = (start_local.day, start_local.month, start_local.year)
    head = bytearray(512)
    struct.pack_into("<4ih", head, 0, len(_ISHNE_TEXT), n, 522, 522 + len(_ISHNE_TEXT), 1)
    struct.pack_into("<40s40s20s", head, 18, *(text.encode() for text in names))
    clock = (start_local.hour, start_local.minute, start_local.second)
    struct.pack_into("<14h", head, 118, 2, 0, *born, *day, *day, *clock)
    struct.pack_into(f"<h{count}h", head, 146, count, *(_ISHNE_CODES[k % 3] for k in range(count)))
    struct.pack_into(f"<{count}h", head, 196, *[nanovolts] * count)
    struct.pack_into("<h40sh", head, 220, 0, b"simulated", rate_hz)
    checksum = struct.pack("<H", binascii.crc_hqx(bytes(head) + _ISHNE_TEXT, 0xFFFF))
    with path.open("wb") as file:
        file.write(b"ISHNE1.0" + checksum + head + _ISHNE_TEXT)
        file.write(np.ascontiguousarray(leads.astype("<i2")).data)


def write_ishne_export(worn: Worn, folder: Path) -> Path:
    """Holter file of three leads at 200 Hz in steps of 2.5 uV."""
    path = folder / f"{worn.person.id}_holter.ecg"
    lead = np.rint(worn.ecg(200.0).samples / 2.5).astype(np.int64)
    seconds = worn.start_ns // NS_PER_S + local_offset_s(worn.start_ns, worn.timezone)
    start = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    write_ishne(path, np.stack([lead, -lead // 2, lead // 3], axis=1), 200, 2500, start)
    return path
