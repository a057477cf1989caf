"""Writers of ISHNE Holter files and of XDF files (Lab Streaming Layer)."""

from __future__ import annotations

import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
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


_BOUNDARY = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")


@dataclass(frozen=True)
class XdfStream:
    """One stream to write.

    Parameters
    ----------
    info
        Fields of the stream header beside count, format and rate: name, type, ids.
    labels, units
        Of each channel.
    stamps_s
        float64 (n,): time of each sample on the clock of the sending computer.
    values
        (n, channels) numbers, or texts of one channel.
    offsets_s
        Pairs of the sender's time and the offset that was measured then: recorder's clock minus sender's.
    """

    info: dict[str, str]
    labels: tuple[str, ...]
    units: tuple[str, ...]
    nominal_hz: float
    stamps_s: NDArray[np.float64]
    values: NDArray[Any] | list[str]
    offsets_s: Sequence[tuple[float, float]] = ()


_XDF_FORMATS = {"i1": "int8", "i2": "int16", "i4": "int32", "i8": "int64", "f4": "float32", "f8": "double64"}


def write_xdf(path: Path, streams: Sequence[XdfStream], begun: str | None, *, chunk_samples: int = 64) -> None:
    """XDF file: headers, then clock offsets and samples in turns, then footers.

    Parameters
    ----------
    begun
        Date of the beginning as LabRecorder writes it (``2025-01-31T00:21:17+0100``); None writes none.
    """
    dated = f"<datetime>{begun}</datetime>" if begun else ""
    parts = [b"XDF:", _chunk(1, f'<?xml version="1.0"?><info><version>1.0</version>{dated}</info>'.encode())]
    chunks: list[list[bytes]] = []
    for number, stream in enumerate(streams, start=1):
        identity = struct.pack("<I", number)
        parts.append(_chunk(2, identity + _stream_info(stream)))
        measured = [_chunk(4, identity + struct.pack("<2d", at, offset)) for at, offset in stream.offsets_s]
        starts = range(0, len(stream.stamps_s), chunk_samples)
        rows = [slice(first, first + chunk_samples) for first in starts]
        taken = [_chunk(3, identity + _samples(stream.stamps_s[r], stream.values[r])) for r in rows]
        chunks.append([part for pair in zip_longest(measured, taken) for part in pair if part is not None])
    parts += [part for row in zip_longest(*chunks) for part in row if part is not None]
    parts.append(_chunk(5, _BOUNDARY))
    for number, stream in enumerate(streams, start=1):
        footer = f"<info><sample_count>{len(stream.stamps_s)}</sample_count></info>"
        parts.append(_chunk(6, struct.pack("<I", number) + footer.encode()))
    path.write_bytes(b"".join(parts))


def _chunk(tag: int, content: bytes) -> bytes:
    return b"\x04" + struct.pack("<IH", len(content) + 2, tag) + content


def _stream_info(stream: XdfStream) -> bytes:
    form = "string" if isinstance(stream.values, list) else _XDF_FORMATS[stream.values.dtype.str[1:]]
    fields = {
        **stream.info,
        "channel_count": str(len(stream.labels)),
        "channel_format": form,
        "nominal_srate": f"{stream.nominal_hz:g}",
    }
    head = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
    channels = "".join(
        f"<channel><label>{label}</label><unit>{unit}</unit></channel>"
        for label, unit in zip(stream.labels, stream.units, strict=True)
    )
    return f'<?xml version="1.0"?><info>{head}<desc><channels>{channels}</channels></desc></info>'.encode()


def _samples(stamps: NDArray[np.float64], values: NDArray[Any] | list[str]) -> bytes:
    rows = [b"\x08" + struct.pack("<d", stamp) for stamp in stamps]
    if isinstance(values, list):
        texts = [text.encode() for text in values]
        rows = [row + b"\x04" + struct.pack("<I", len(t)) + t for row, t in zip(rows, texts, strict=True)]
    else:
        little = values.astype(values.dtype.newbyteorder("<"))
        rows = [row + little[i].tobytes() for i, row in enumerate(rows)]
    return b"\x04" + struct.pack("<I", len(rows)) + b"".join(rows)


def write_xdf_export(worn: Worn, folder: Path) -> Path:
    """XDF of one ECG stream (130 Hz stated, 130.04 Hz true) from a computer whose clock drifts, and of markers."""
    path = folder / f"{worn.person.id}.xdf"
    ecg = worn.ecg(130.04)
    sender_s, drift = 5000.0, 1e-5
    elapsed = np.arange(len(ecg.samples)) / 130.04
    at = np.arange(0.0, worn.duration_s, 5.0)
    offsets = [(sender_s + t * (1 - drift), 100.0 + t - (sender_s + t * (1 - drift))) for t in at.tolist()]
    recorded = ecg.samples.astype(np.float32)[:, None]
    streams = [
        XdfStream(
            {"name": "ECG", "type": "ECG"},
            ("ECG",),
            ("uV",),
            130.0,
            sender_s + elapsed * (1 - drift),
            recorded,
            offsets,
        ),
        XdfStream({"name": "Events", "type": "Markers"}, ("",), ("",), 0.0, np.array([101.0, 103.0]), ["rest", "task"]),
    ]
    offset = local_offset_s(worn.start_ns, worn.timezone)
    local = datetime.fromtimestamp(worn.start_ns // NS_PER_S + offset, UTC)
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 3600:02d}{abs(offset) % 3600 // 60:02d}"
    write_xdf(path, streams, local.strftime("%Y-%m-%dT%H:%M:%S") + zone)
    return path
