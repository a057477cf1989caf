"""Chunks of XDF files: what they are, whether they are sound, and what the headers of the streams say.

Every chunk is checked before the library that decodes the samples sees it, so that a damaged file can neither ask for
memory that it does not fill nor end the reading of what is sound. Format: XDF 1.0 of the Lab Streaming Layer.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from xml.etree import ElementTree

from allostat.errors import InputError

MAGIC = b"XDF:"
FILE_HEADER, STREAM_HEADER, SAMPLES, CLOCK_OFFSET, BOUNDARY, STREAM_FOOTER = 1, 2, 3, 4, 5, 6
_BOUNDARY_ID = bytes.fromhex("43a546dccbf5410fb30ed5467383cbe4")
_ITEM_BYTES = {"int8": 1, "int16": 2, "int32": 4, "int64": 8, "float32": 4, "double64": 8, "string": 1}
_MOST_CHANNELS = 4096
_LONGEST_XML = 16 << 20
_DECLARATION = re.compile(rb"<!\s*(DOCTYPE|ENTITY)", re.I)


@dataclass(frozen=True, slots=True)
class Channel:
    """One channel, as the stream's description says."""

    label: str
    unit: str
    kind: str


@dataclass
class StreamHeader:
    """One stream. Its name, host, user and session ids are not kept."""

    number: int
    kind: str
    channel_format: str
    nominal_hz: float
    channels: tuple[Channel, ...]
    manufacturer: str | None = None
    samples: int = 0
    clock_offsets: int = 0
    first_clock_s: float | None = None


@dataclass
class Chunks:
    """What the chunks of a file are together."""

    streams: dict[int, StreamHeader] = field(default_factory=dict)
    datetime: str | None = None
    sound: list[tuple[int, int]] = field(default_factory=list)
    """Byte ranges of sound chunks."""
    damaged: int = 0
    size: int = 0
    """Bytes of the whole file."""

    def sound_bytes(self, data: bytes) -> bytes:
        """The file without what is damaged."""
        if not self.damaged:
            return data
        return MAGIC + b"".join(data[first:last] for first, last in self.sound)


def scan_chunks(data: bytes, where: str) -> Chunks:
    """Walk through all chunks.

    Raises
    ------
    InputError
        When the file does not begin like an XDF file or holds no stream.
    """
    if data[:4] != MAGIC:
        raise InputError("does not begin with XDF:", where=where)
    found = Chunks(size=len(data))
    at = 4
    while at < len(data):
        end = _checked(data, at, found)
        if end is not None:
            found.sound.append((at, end))
            at = end
            continue
        found.damaged += 1
        boundary = data.find(_BOUNDARY_ID, at + 1)
        if boundary < 0:
            break
        at = boundary + len(_BOUNDARY_ID)
    if not found.streams:
        raise InputError("holds no sound stream header", where=where, found=f"{found.damaged} damaged chunks")
    return found


def _length(data: bytes, at: int) -> tuple[int, int] | None:
    """A length of 1, 4 or 8 bytes and where it ends."""
    if at >= len(data) or data[at] not in (1, 4, 8):
        return None
    size = data[at]
    if at + 1 + size > len(data):
        return None
    return int.from_bytes(data[at + 1 : at + 1 + size], "little"), at + 1 + size


def _checked(data: bytes, at: int, found: Chunks) -> int | None:
    """End of a sound chunk, which is added to what was found; None when it is damaged."""
    sized = _length(data, at)
    if sized is None:
        return None
    length, begin = sized
    end = begin + length
    if length < 2 or end > len(data):
        return None
    (tag,) = struct.unpack_from("<H", data, begin)
    body = begin + 2
    if tag == FILE_HEADER:
        header = _xml(data[body:end])
        if header is None:
            return None
        found.datetime = header.findtext("datetime")
        return end
    if tag in (STREAM_HEADER, SAMPLES, CLOCK_OFFSET, STREAM_FOOTER):
        if length < 6:
            return None
        (number,) = struct.unpack_from("<I", data, body)
        return end if _stream_chunk(tag, number, data, body + 4, end, found) else None
    return end


def _stream_chunk(tag: int, number: int, data: bytes, at: int, end: int, found: Chunks) -> bool:
    if tag == STREAM_HEADER:
        stream = _stream_header(number, data[at:end]) if number not in found.streams else None
        if stream is not None:
            found.streams[number] = stream
        return stream is not None
    known = found.streams.get(number)
    if known is None:
        return False
    if tag == STREAM_FOOTER:
        return _xml(data[at:end]) is not None
    if tag == CLOCK_OFFSET:
        if end - at != 16:
            return False
        collected, offset = struct.unpack_from("<2d", data, at)
        if not (abs(collected) < 1e12 and abs(offset) < 1e12):
            return False
        known.clock_offsets += 1
        if known.first_clock_s is None:
            known.first_clock_s = collected
        return True
    return _samples(known, data, at, end)


def _samples(stream: StreamHeader, data: bytes, at: int, end: int) -> bool:
    counted = _length(data[:end], at) if end - at <= 64 else _length(data, at)
    if counted is None:
        return False
    count, begin = counted
    content = end - begin
    least = 1 + len(stream.channels) * _ITEM_BYTES[stream.channel_format]
    if stream.channel_format == "string":
        good = count * (1 + 2 * len(stream.channels)) <= content
    else:
        good = count * least <= content <= count * (least + 8)
    if good:
        stream.samples += count
    return good


def _xml(text: bytes) -> ElementTree.Element | None:
    """A document without declarations: those could make a small text expand into a large one."""
    if len(text) > _LONGEST_XML or _DECLARATION.search(text):
        return None
    try:
        # no declaration of entities got here
        return ElementTree.fromstring(text.decode("utf-8", "replace"))
    except (ElementTree.ParseError, ValueError, RecursionError):
        return None


def _stream_header(number: int, text: bytes) -> StreamHeader | None:
    info = _xml(text)
    if info is None:
        return None
    try:
        count = int(info.findtext("channel_count") or "")
        nominal = float(info.findtext("nominal_srate") or "")
    except ValueError:
        return None
    channel_format = (info.findtext("channel_format") or "").strip()
    if not 1 <= count <= _MOST_CHANNELS or channel_format not in _ITEM_BYTES or not 0 <= nominal < 1e7:
        return None
    told = info.findall("desc/channels/channel")[:count]
    channels = [Channel(_said(c, "label"), _said(c, "unit"), _said(c, "type")) for c in told]
    channels += [Channel("", "", "")] * (count - len(channels))
    manufacturer = info.findtext("desc/manufacturer") or info.findtext("desc/acquisition/manufacturer")
    return StreamHeader(
        number, (info.findtext("type") or "").strip(), channel_format, nominal, tuple(channels), manufacturer
    )  # fmt: skip


def _said(element: ElementTree.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()[:80]
