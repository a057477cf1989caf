"""Text files as lines with numbers: encodings, line ends, and why a file is no text at all.

Exports come as UTF-8 with and without byte-order mark, UTF-16, Latin-1, with LF, CRLF or bare CR. A byte that does
not decode becomes a cell that is no number, so one damaged line costs one row and not the file.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import IO

from allostat.errors import InputError
from allostat.source import Source

BLOCK_CHARACTERS = 8 << 20
BLOCK_BYTES = 1 << 19
"""Small enough to stay in the processor's cache from being read to being parsed."""
Block = bytes | memoryview | list[str]
"""Whole lines of a table."""
LARGEST_TEXT = 64 << 20
"""Characters of a text that is read at once, such as a message."""
_LONGEST_LINE = 8 << 20
_USUAL_LINE = 1 << 12
_LINE_FEED = 10
_LONGEST_TEXT_LINE = 64 << 20
"""Of files that are read line by line; JSON and messages may be one line."""

_MAGIC = (
    (b"\x00\x05\x16\x07", "macOS AppleDouble shadow file (its name begins with '._'): it holds no data"),
    (b"\x00\x05\x16\x00", "macOS AppleSingle file: it holds no plain text"),
    (b"PK\x03\x04", "zip archive"),
    (b"\x1f\x8b", "gzip file inside the source"),
    (b"\x89HDF", "HDF5 file"),
    (b"\x89PNG", "PNG picture"),
    (b"%PDF", "PDF document"),
    (b"\x93NUMPY", "NumPy array file"),
    (b"\xff\xfe\x00\x00", "text in UTF-32: save it as UTF-8"),
)
_BUFFER = 1 << 16
_CONTROL = bytes(c for c in range(32) if c not in b"\t\n\v\f\r\x1a")


@lru_cache(8)
def why_not_text(head: bytes) -> str | None:
    """Why the first bytes of a file are no readable text; None when they are. Kept, because every adapter asks."""
    if not head:
        return "the file is empty"
    for magic, reason in _MAGIC:
        if head.startswith(magic):
            return reason
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return None
    if not head.strip():
        return "the file holds only blanks"
    if b"\x00" in head:
        odd, even = head[1::2].count(0), head[0::2].count(0)
        if max(odd, even) > 0.4 * len(head) / 2 and min(odd, even) < 0.05 * len(head):
            return "wrong encoding: UTF-16 without a byte-order mark; save it as UTF-8"
        return "binary: it holds NUL bytes"
    controls = len(head) - len(head.translate(None, _CONTROL))
    if controls > 0.02 * len(head):
        return "binary: it holds control characters"
    return None


def encoding_of(head: bytes) -> str:
    """Encoding of a text file by its first bytes: ``utf-16`` or ``utf-8-sig``, the latter also without mark."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return "utf-8-sig"


@contextmanager
def open_text(source: Source, member: str | None = None) -> Iterator[io.TextIOWrapper]:
    """A member as text with ``\\n`` line ends.

    Raises
    ------
    InputError
        When the member is empty, binary or in an encoding that cannot be told, or a line is longer than any is.
    """
    head = source.head(member)
    reason = why_not_text(head)
    if reason:
        raise InputError(f"cannot be read as text: {reason}", where=member or source.name)
    encoding = encoding_of(head)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
    with source.open(member) as stream:
        bounded = io.BufferedReader(_BoundedLines(stream, member or source.name), _BUFFER)
        with io.TextIOWrapper(bounded, encoding=encoding, errors=errors) as text:
            yield text


class _BoundedLines(io.RawIOBase):
    """Raw stream that fails when a line is longer than any is: what reads lines would keep all of it in memory."""

    def __init__(self, inner: IO[bytes], where: str) -> None:
        self._inner, self._where, self._length = inner, where, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._inner.read(len(buffer))
        buffer[: len(data)] = data
        last = max(data.rfind(b"\n"), data.rfind(b"\r"))
        self._length = len(data) - last - 1 if last >= 0 else self._length + len(data)
        if self._length > _LONGEST_TEXT_LINE:
            raise InputError("holds a line that is too long for a text", where=self._where, found=self._length)
        return len(data)


def whole_text(text: io.TextIOWrapper, where: str) -> str:
    """What is left of a text that is small by its nature.

    Raises
    ------
    InputError
        When it is not small.
    """
    found = text.read(LARGEST_TEXT + 1)
    if len(found) > LARGEST_TEXT:
        raise InputError("is too large for such a file", where=where, expected=f"at most {LARGEST_TEXT} characters")
    return found


def readable(line: str) -> str:
    """A line whose undecodable bytes are taken as Latin-1, for headers such as ``ecg [µV]``."""
    if line.isascii() or not any("\udc80" <= c <= "\udcff" for c in line):
        return line
    return line.encode("utf-8", "surrogateescape").decode("latin-1")


def readable_lines(lines: list[str]) -> list[str]:
    """All lines of a block as `readable` gives them; nothing to do for plain ASCII, which nearly all blocks are."""
    if all(map(str.isascii, lines)):
        return lines
    return [readable(line) for line in lines]


def head_lines(source: Source, member: str | None = None, size: int = 4096) -> list[str]:
    """Complete lines at the start of a member, without line ends; the last one only when the file ends there.

    Raises
    ------
    InputError
        As `open_text`.
    """
    head = source.head(member, size)
    reason = why_not_text(head)
    if reason:
        raise InputError(f"cannot be read as text: {reason}", where=member or source.name)
    return list(_lines_in(head, size))


@lru_cache(8)
def _lines_in(head: bytes, size: int) -> tuple[str, ...]:
    """Kept, because every adapter asks."""
    encoding = encoding_of(head)
    text = head.decode(encoding, "surrogateescape" if encoding == "utf-8-sig" else "replace")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len(head) == size and len(lines) > 1:
        lines.pop()
    return tuple(readable_lines(lines))


def line_blocks(text: io.TextIOBase, characters: int = BLOCK_CHARACTERS) -> Iterator[tuple[int, list[str]]]:
    """Lines in blocks of bounded size, each with the 1-based number of its first line; blank lines stay in."""
    number, rest = 1, ""
    while chunk := text.read(characters):
        lines = (rest + chunk).split("\n")
        rest = lines.pop()
        if lines:
            yield number, lines
            number += len(lines)
        elif len(rest) > 4 * characters:
            raise InputError("holds a line that is too long for a table", where=f"line {number}", found=len(rest))
    if rest:
        yield number, [rest]


@dataclass(slots=True)
class TableBlocks:
    """The lines of a table behind its first one, in blocks of whole lines and bounded size.

    Blocks are bytes with ``\\n`` ends, which cost nothing to make and are overwritten by the next block; lines of text
    where the file is in UTF-16 or ends its lines with bare carriage returns.
    """

    stream: IO[bytes] | io.TextIOBase
    size: int
    """Bytes of the whole file as stored, or as its archive says."""
    line: int = 2
    """1-based number of the next block's first line. Who parses a block meets its line ends and adds them here:
    looking for them once more took a tenth of the time of parsing."""

    def __iter__(self) -> Iterator[Block]:
        if isinstance(self.stream, io.TextIOBase):
            return (lines for _, lines in line_blocks(self.stream))
        return self._byte_blocks(self.stream)

    def _byte_blocks(self, stream: IO[bytes]) -> Iterator[Block]:
        buffer = bytearray(BLOCK_BYTES + _USUAL_LINE)
        view = memoryview(buffer)
        while length := stream.readinto(view[:BLOCK_BYTES]):  # type: ignore[attr-defined]
            end = b""
            if buffer[length - 1] != _LINE_FEED:
                end = stream.readline(_LONGEST_LINE)
                if len(end) == _LONGEST_LINE:
                    where = f"line {self.line}"
                    raise InputError("holds a line that is too long for a table", where=where, found=len(end))
                end = end if end.endswith(b"\n") else end + b"\n"
            stop = length + len(end)
            if stop > len(buffer) or b"\r" in end or buffer.find(b"\r", 0, length) >= 0:
                yield (bytes(view[:length]) + end).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            else:
                view[length:stop] = end
                yield view[:stop].toreadonly()


@contextmanager
def open_table(source: Source, member: str | None = None) -> Iterator[tuple[str, TableBlocks]]:
    """The first line of a member, and its other lines in blocks.

    Raises
    ------
    InputError
        As `open_text`, and when a line is too long for a table.
    """
    head, size = source.head(member), source.size(member)
    if encoding_of(head) == "utf-8-sig" and b"\n" in head and why_not_text(head) is None:
        with source.open(member) as stream:
            first = stream.readline()
            if b"\r" not in first.rstrip(b"\r\n"):
                yield first.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n"), TableBlocks(stream, size)
                return
    with open_text(source, member) as text:
        yield text.readline(), TableBlocks(text, size)


def lines_of(block: Block) -> list[str]:
    """The lines of a block of `TableBlocks`."""
    if isinstance(block, list):
        return block
    lines = str(block, "utf-8", "surrogateescape").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def count_lines(source: Source, member: str | None = None, tail: int = 4096) -> tuple[int, list[str]]:
    """Number of lines that are not empty at the end, and the last complete lines, in one pass without parsing.

    Returns
    -------
    count, last_lines
        ``count`` is the number of line ends, plus one when the last line has none.
    """
    breaks, end = 0, b""
    with source.open(member) as stream:
        while chunk := stream.read(1 << 20):
            breaks += chunk.count(b"\n") or chunk.count(b"\r")
            end = (end + chunk)[-tail:]
    lines = end.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if lines and not lines[-1].strip():
        lines.pop()
        extra = 0
    else:
        extra = 1
    return breaks + extra, [line.decode("utf-8", "replace") for line in lines[1:] or lines]
