"""Records of Avro container files: blocks are unpacked here within limits, values are decoded by fastavro."""

from __future__ import annotations

import io
import json
import zlib
from typing import Any

from allostat.errors import InputError

MAGIC = b"Obj\x01"
LARGEST_BYTES = 16 << 20
"""Unpacked bytes of one file; half an hour of a wristband takes less than 3 MiB."""
_DEEPEST = 40


def avro_records(data: bytes, where: str) -> list[dict[str, Any]]:
    """All records of a container file.

    Raises
    ------
    InputError
        When the file is damaged, larger than `LARGEST_BYTES`, packed by a codec other than deflate, or fastavro is
        not installed (extra ``avro``).
    """
    fastavro = _fastavro(where)
    reader = _Reader(data, where)
    if reader.take(4) != MAGIC:
        raise InputError("is no Avro container file", where=where)
    metadata = reader.metadata()
    sync = reader.take(16)
    codec = metadata.get("avro.codec", b"null").decode("latin-1")
    schema = _schema(metadata.get("avro.schema", b""), where)
    if codec not in ("null", "deflate"):
        raise InputError("Avro codec is not read", where=where, found=codec, expected="null or deflate")
    records: list[dict[str, Any]] = []
    left = LARGEST_BYTES
    try:
        parsed = fastavro.parse_schema(schema)
        while not reader.at_end:
            count, packed = reader.long(), reader.take(reader.long())
            block = _unpacked(packed, codec, left, where)
            left -= len(block)
            if reader.take(16) != sync or not 0 <= count <= len(block):
                raise InputError("a block of the Avro file is damaged", where=where)
            stream = io.BytesIO(block)
            records += [fastavro.schemaless_reader(stream, parsed, None) for _ in range(count)]
    except InputError:
        raise
    except Exception as error:
        # the decoder meets damaged bytes with many kinds of errors
        raise InputError(f"is a damaged Avro file ({type(error).__name__}: {str(error)[:120]})", where=where) from error
    if not all(isinstance(record, dict) for record in records):
        raise InputError("Avro file holds no records", where=where)
    return records


def _fastavro(where: str) -> Any:
    try:
        import fastavro
    except ImportError as error:
        raise InputError(
            "reading Avro files takes the package fastavro", where=where, expected="pip install 'allostat-load[avro]'"
        ) from error
    return fastavro


class _Reader:
    """Bytes of a container file, in order."""

    def __init__(self, data: bytes, where: str) -> None:
        self._data, self._at, self._where = data, 0, where

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._data)

    def take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._at:
            raise InputError("Avro file is truncated or damaged", where=self._where, found=f"{len(self._data)} bytes")
        self._at += count
        return self._data[self._at - count : self._at]

    def long(self) -> int:
        """A whole number of variable length, signs interleaved."""
        value = shift = 0
        while shift < 70:
            (byte,) = self.take(1)
            value |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return (value >> 1) ^ -(value & 1)
            shift += 7
        raise InputError("Avro file is damaged: a number has no end", where=self._where)

    def metadata(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        while count := self.long():
            if count < 0:
                count = -count
                self.long()
            for _ in range(min(count, 1000)):
                key = self.take(self.long()).decode("latin-1")
                found[key] = self.take(self.long())
        return found


def _unpacked(packed: bytes, codec: str, limit: int, where: str) -> bytes:
    if codec == "null":
        block = packed
    else:
        # one byte more than allowed tells a block that is too large
        block = zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, max(limit, 0) + 1)
    if len(block) > limit:
        raise InputError("refused: unpacks to more than it may", where=where, expected=f"at most {LARGEST_BYTES} bytes")
    return block


def _schema(text: bytes, where: str) -> Any:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError("schema of the Avro file is damaged", where=where) from error
    _refuse_items_without_bytes(schema, where, 0)
    return schema


def _refuse_items_without_bytes(schema: Any, where: str, depth: int) -> None:
    """Items that take no bytes could be counted in billions by a file of a hundred."""
    if depth > _DEEPEST:
        raise InputError("schema of the Avro file is nested too deeply", where=where)
    if isinstance(schema, list):
        for part in schema:
            _refuse_items_without_bytes(part, where, depth + 1)
    if not isinstance(schema, dict):
        return
    empty = (
        schema.get("type") in ("record", "error") and not schema.get("fields"),
        schema.get("type") == "fixed",
        any(schema.get(key) == "null" for key in ("items", "values")),
        any(isinstance(schema.get(key), (dict, list)) and _is_null(schema[key]) for key in ("items", "values")),
    )
    if any(empty):
        raise InputError("schema of the Avro file has items without content", where=where)
    for value in schema.values():
        _refuse_items_without_bytes(value, where, depth + 1)


def _is_null(schema: Any) -> bool:
    if isinstance(schema, dict):
        return _is_null(schema.get("type"))
    return bool(schema == "null" or schema == ["null"])
