"""FIT files written from the public description of the container: header, definitions, messages, checksum."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

FIT_EPOCH_S = 631_065_600
"""1989-12-31 00:00 UTC."""

BASE_TYPES: dict[str, tuple[int, str, int]] = {
    "enum": (0x00, "B", 0xFF), "sint8": (0x01, "b", 0x7F), "uint8": (0x02, "B", 0xFF), "string": (0x07, "s", 0),
    "sint16": (0x83, "h", 0x7FFF), "uint16": (0x84, "H", 0xFFFF), "sint32": (0x85, "i", 0x7FFFFFFF),
    "uint32": (0x86, "I", 0xFFFFFFFF), "uint32z": (0x8C, "I", 0), "byte": (0x0D, "B", 0xFF),
}  # fmt: skip
"""Code, struct letter and invalid value by name of the base type."""

Value = int | bytes | Sequence[int] | None


@dataclass(frozen=True)
class FitField:
    """One field of a definition; ``count`` elements, or bytes of a text."""

    number: int
    base: str
    count: int = 1


@dataclass
class FitWriter:
    """One FIT file as it grows.

    Parameters
    ----------
    big_endian
        Byte order of definitions and messages.
    developer
        Fields of one byte each that are announced as developer fields behind every message.
    """

    big_endian: bool = False
    developer: int = 0
    _body: bytearray = field(default_factory=bytearray)
    _defined: dict[int, tuple[int, tuple[FitField, ...]]] = field(default_factory=dict)

    def define(self, local: int, message: int, fields: Sequence[FitField]) -> None:
        """Give a local number a message and its fields."""
        order = ">" if self.big_endian else "<"
        self._defined[local] = (message, tuple(fields))
        self._body += struct.pack(
            order + "BBBHB", 0x40 | (0x20 if self.developer else 0) | local, 0, self.big_endian, message, len(fields)
        )
        for f in fields:
            code, letter, _ = BASE_TYPES[f.base]
            self._body += bytes([f.number, f.count * struct.calcsize(f"={letter}"), code])
        if self.developer:
            self._body += bytes([self.developer]) + bytes(b for i in range(self.developer) for b in (i, 1, 0))

    def write(self, local: int, values: Mapping[int, Value], *, seconds_of_32: int | None = None) -> None:
        """One message; fields that are not given are invalid, arrays are filled with the invalid value.

        Parameters
        ----------
        seconds_of_32
            Stamp modulo 32: the message then has a compressed-timestamp header.
        """
        _, fields = self._defined[local]
        self._body.append(local if seconds_of_32 is None else 0x80 | local << 5 | seconds_of_32)
        order = ">" if self.big_endian else "<"
        for f in fields:
            _, letter, invalid = BASE_TYPES[f.base]
            value = values.get(f.number)
            if letter == "s":
                self._body += (value if isinstance(value, bytes) else b"")[: f.count].ljust(f.count, b"\0")
                continue
            given = [] if value is None else [value] if isinstance(value, int) else list(value)
            padded = [*given[: f.count], *[invalid] * (f.count - len(given))]
            self._body += struct.pack(f"{order}{f.count}{letter}", *padded)
        self._body += bytes(self.developer)

    def finished(self) -> bytes:
        """The whole file."""
        head = struct.pack("<BBHI4s", 14, 0x20, 2195, len(self._body), b".FIT")
        head += struct.pack("<H", crc_of(head))
        content = head + bytes(self._body)
        return content + struct.pack("<H", crc_of(content))


def crc_of(data: bytes) -> int:
    """CRC-16 of FIT: polynomial 0x8005 with reflected bits, initial value 0."""
    crc = 0
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def _crc_of_byte(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value


_CRC = tuple(map(_crc_of_byte, range(256)))
