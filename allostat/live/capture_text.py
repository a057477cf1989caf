"""What a strap sent, out of the text that Bluetooth tools print, as records that a session replays.

Two shapes are read: lines ``DATA: ['00', '61', …]`` and ``CTRL: [...]`` of scripts, and transcripts of gatttool with
``Notification handle = 0x004a value: 00 91 …``, whose handles are named by lines ``handle: 0x004a, uuid: …`` or known.
Texts have no arrival times. Each notification is taken to arrive at the device time that it tells.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from allostat.errors import InputError
from allostat.store.journal import Record
from allostat.strap import IntervalBatch, RecordKind, SampleBlock, StrapDecoder

LARGEST_BYTES = 64 * 2**20
_LIST = re.compile(r"^\s*(DATA|CTRL):\s*\[([^\]]*)\]")
_TOLD = re.compile(r"(Notification|Indication)\s+handle = (0x[0-9a-f]{4}) value:((?: [0-9a-f]{2})+)", re.IGNORECASE)
_WRITE = re.compile(r"char-write-(?:req|cmd) (0x[0-9a-f]+) ((?:[0-9a-f]{2})+)", re.IGNORECASE)
_HANDLE = re.compile(r"handle: (0x[0-9a-f]{4}), uuid: ([0-9a-f]{8})-", re.IGNORECASE)
_BYTE = re.compile(r"[0-9a-f]{2}", re.IGNORECASE)
_KINDS = {
    "00002a37": RecordKind.HEART_RATE,
    "00002a19": RecordKind.BATTERY,
    "fb005c81": RecordKind.CONTROL_POINT,
    "fb005c82": RecordKind.PMD_DATA,
}
"""Characteristics, by the first part of their UUID."""
_STEP_NS = 1_000_000
_START_NS = 1_000_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class _Line:
    kind: RecordKind
    data: bytes


def capture_records(path: Path, decoder: Callable[[], StrapDecoder]) -> Iterator[Record]:
    """Records of a captured connection.

    Parameters
    ----------
    decoder
        Of the link that knows the strap: it tells the device time of each notification.

    Raises
    ------
    InputError
        The text is too long, or holds nothing that a strap sent.
    """
    lines = list(_lines(path))
    if not any(line.kind in (RecordKind.HEART_RATE, RecordKind.PMD_DATA) for line in lines):
        raise InputError(
            "the text holds no notification of a strap", where=path.name,
            expected="lines 'DATA: [...]', or a transcript of gatttool",
        )  # fmt: skip
    reading, now_ns, first_device_ns = decoder(), _START_NS, None
    yield Record(int(RecordKind.CONNECT), 0, now_ns, now_ns, b"{}")
    for line in lines:
        now_ns += _STEP_NS
        for value in reading.push(line.kind, line.data, now_ns):
            device_ns = _device_ns(value)
            if device_ns is not None:
                first_device_ns = device_ns - (now_ns - _START_NS) if first_device_ns is None else first_device_ns
                now_ns = max(now_ns, _START_NS + device_ns - first_device_ns)
        yield Record(int(line.kind), 0, now_ns, now_ns, line.data)


def _device_ns(value: object) -> int | None:
    if isinstance(value, SampleBlock):
        return value.last_sample_ns
    return value.last_beat_ns if isinstance(value, IntervalBatch) else None


def _lines(path: Path) -> Iterator[_Line]:
    if path.stat().st_size > LARGEST_BYTES:
        raise InputError("the text is too long for a capture", where=path.name, expected=f"up to {LARGEST_BYTES} bytes")
    text = path.read_text("utf-8", errors="replace")
    kinds = {int(h, 16): _KINDS[u.lower()] for h, u in _HANDLE.findall(text) if u.lower() in _KINDS}
    for line in text.splitlines():
        if (found := _LIST.match(line)) is not None:
            data = bytes(int(b, 16) for b in _BYTE.findall(found[2]))
            yield _control(data, b"<") if found[1] == "CTRL" else _Line(RecordKind.PMD_DATA, data)
        elif (told := _TOLD.search(line)) is not None:
            data = bytes.fromhex(told[3])
            kind = kinds.get(int(told[2], 16))
            if kind == RecordKind.CONTROL_POINT:
                yield _control(data, b"<")
            elif kind is not None:
                yield _Line(kind, data)
        elif (sent := _WRITE.search(line)) is not None and kinds.get(int(sent[1], 16)) == RecordKind.CONTROL_POINT:
            yield _control(bytes.fromhex(sent[2]), b">")


def _control(data: bytes, direction: bytes) -> _Line:
    return _Line(RecordKind.CONTROL_POINT, direction + data)
