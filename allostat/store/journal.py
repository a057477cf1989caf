"""The live journal: an append-only file of framed records that a kill, a full disk or a power cut cannot spoil.

Layout: eight bytes of magic, then frames ``[length u32][CRC-32 u32][payload]``, little endian; the CRC covers length
and payload, so that a hole of zeros is no frame. The first payload is the header, a JSON object. Every other payload is
``[kind u8][strap u16][monotonic ns i64][wall ns i64][data]``. Raw bytes are journalled before anything decodes them.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import struct
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from allostat.errors import StoreError
from allostat.store.durable import fsync_folder
from allostat.store.locks import FileLock
from allostat.strap import RecordKind as RecordKind

MAGIC = b"ALSTJN1\n"
FORMAT_VERSION = 1
MAX_PAYLOAD = 64 * 1024
SYNC_INTERVAL_S = 1.0
ROTATE_BYTES = 256 * 1024 * 1024
ROTATE_S = 6 * 3600.0

_FRAME = struct.Struct("<II")
_RECORD = struct.Struct("<BHqq")
_LENGTH = struct.Struct("<I")
_PART = re.compile(r"(?P<session>.+)\.(?P<part>\d{4})\.journal")


@dataclass(frozen=True, slots=True)
class Record:
    """One record of a journal.

    Parameters
    ----------
    kind
        See `allostat.strap.RecordKind`; a number that this version does not know is kept as it is.
    strap
        Number of the strap within the session.
    monotonic_ns, wall_ns
        Both clocks of the host when the bytes arrived.
    data
        Raw bytes as they arrived, or JSON text.
    """

    kind: int
    strap: int
    monotonic_ns: int
    wall_ns: int
    data: bytes


@dataclass(frozen=True, slots=True)
class JournalEnd:
    """How far a journal can be read.

    Parameters
    ----------
    records
        Complete records.
    good_bytes, dropped_bytes
        Size up to the last complete frame, and what lies behind it: the frame that a kill cut off, or damage.
    reason
        Why reading stopped: ``end``, ``cut off``, ``bad length``, ``bad checksum``.
    """

    records: int
    good_bytes: int
    dropped_bytes: int
    reason: str


class JournalWriter:
    """Appends records to one session, rotating its parts.

    One ``write`` per record: a killed process loses nothing that `append` returned from. A thread waits for the disk
    about once a second: a power cut loses at most about that second. A record that cannot be written whole (full
    disk) is taken back, so that the journal stays readable and later records can follow.

    Parameters
    ----------
    folder
        Folder of the session's parts, ``<session>.0001.journal`` and so on; made when missing.
    session
        Name of the session.
    header
        What the session is: straps, settings, versions. Each part carries it.
    sync_interval_s
        Time between waits for the disk; 0: after every record (slow, for those who need it).

    Raises
    ------
    StoreError
        The session exists already, or the folder cannot be written.
    """

    def __init__(
        self,
        folder: str | PathLike[str],
        session: str,
        header: Mapping[str, Any],
        *,
        sync_interval_s: float = SYNC_INTERVAL_S,
        rotate_bytes: int = ROTATE_BYTES,
        rotate_s: float = ROTATE_S,
    ) -> None:
        self._folder, self._session, self._header = Path(folder), session, dict(header)
        self._interval, self._rotate_bytes, self._rotate_s = sync_interval_s, rotate_bytes, rotate_s
        self._part, self._descriptor, self._size, self._synced = 0, -1, 0, 0
        self._started = time.monotonic()
        self._guard = threading.Lock()
        self._sync_error: OSError | None = None
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"journal folder cannot be made ({error})", where=self._folder.name) from error
        if session_parts(self._folder, session):
            raise StoreError("a journal of this session exists already", where=self._folder.name, found=session)
        self._closing = threading.Event()
        self._lock = FileLock(self._folder / f"{session}.lock")
        if not self._lock.acquire():
            raise StoreError("another process records this session", where=session, found=self._lock.holder)
        try:
            self._open_part()
        except BaseException:
            self._lock.release()
            raise
        self._syncer = threading.Thread(target=self._sync_now_and_then, name="journal-sync", daemon=True)
        self._syncer.start()

    @property
    def path(self) -> Path:
        """The part being written."""
        return part_path(self._folder, self._session, self._part)

    @property
    def size(self) -> int:
        """Bytes of the part being written."""
        return self._size

    @property
    def synced(self) -> int:
        """Bytes of the part being written that are surely on the disk."""
        return self._synced

    def append(self, kind: int, strap: int, data: bytes, *, monotonic_ns: int, wall_ns: int) -> None:
        """Append one record; it survives a kill from here on.

        Raises
        ------
        StoreError
            The disk is full or failed; nothing of the record is in the journal then, and the next may be tried.
        """
        if len(data) > MAX_PAYLOAD - _RECORD.size:
            raise StoreError("a journal record is too long", found=len(data), expected=f"at most {MAX_PAYLOAD} bytes")
        payload = _RECORD.pack(kind, strap, monotonic_ns, wall_ns) + data
        with self._guard:
            if self._closing.is_set():
                raise StoreError("journal is closed", where=self._session)
            if self._sync_error is not None:
                error, self._sync_error = self._sync_error, None
                raise StoreError(f"the disk refused what was written ({error})", where=self.path.name) from error
            full = self._size >= self._rotate_bytes or time.monotonic() - self._started >= self._rotate_s
            if full and self._descriptor >= 0:
                self._close_part()
            if self._descriptor < 0:
                # Also after a part could not be made: the disk may have room again.
                self._open_part()
            self._write(_framed(payload))
            if not self._interval:
                self._sync()

    def sync(self) -> None:
        """Wait until everything appended so far is on the disk."""
        with self._guard:
            if self._descriptor >= 0:
                self._sync()

    def close(self) -> None:
        """Wait for the disk and close; harmless when closed."""
        self._closing.set()
        if self._syncer is not threading.current_thread():
            self._syncer.join()
        with self._guard:
            try:
                if self._descriptor >= 0:
                    self._close_part()
            finally:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _open_part(self) -> None:
        part = self._part + 1
        path = part_path(self._folder, self._session, part)
        header = {
            **self._header,
            "format_version": FORMAT_VERSION,
            "session": self._session,
            "part": part,
            "monotonic_ns": time.monotonic_ns(),
            "wall_ns": time.time_ns(),
        }
        content = json.dumps(header, ensure_ascii=False, sort_keys=True).encode()
        if len(content) > MAX_PAYLOAD:
            raise StoreError("journal header is too long", found=len(content), expected=f"at most {MAX_PAYLOAD} bytes")
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | getattr(os, "O_BINARY", 0)
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise StoreError(f"journal cannot be made ({error})", where=path.name) from error
        self._part = part
        self._size = self._synced = 0
        self._started = time.monotonic()
        try:
            self._write(MAGIC + _framed(content))
            self._sync()
            fsync_folder(self._folder)
        except BaseException:
            self._abandon_part()
            raise

    def _abandon_part(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        with contextlib.suppress(OSError):
            self.path.unlink()
        self._part -= 1

    def _close_part(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        try:
            os.fsync(descriptor)
            self._synced = self._size
        except OSError as error:
            raise StoreError(f"the disk refused what was written ({error})", where=self.path.name) from error
        finally:
            os.close(descriptor)

    def _write(self, frame: bytes) -> None:
        try:
            written = os.write(self._descriptor, frame)
            if written < len(frame):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            # What a full disk took of the frame is taken back: the next frame must follow a complete one.
            os.ftruncate(self._descriptor, self._size)
            raise StoreError(f"journal record was not written ({error})", where=self.path.name) from error
        self._size += len(frame)

    def _sync(self) -> None:
        size = self._size
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise StoreError(f"the disk refused what was written ({error})", where=self.path.name) from error
        self._synced = size

    def _sync_now_and_then(self) -> None:
        if not self._interval:
            return
        while not self._closing.wait(self._interval):
            with self._guard:
                size, part = self._size, self._part
                if self._descriptor < 0 or size == self._synced:
                    continue
                descriptor = os.dup(self._descriptor)
            # Outside the guard: records are appended while the disk works.
            try:
                os.fsync(descriptor)
                with self._guard:
                    if part == self._part:
                        self._synced = max(self._synced, size)
            except OSError as error:
                self._sync_error = error
            finally:
                os.close(descriptor)


class JournalReader:
    """Reads one part; iterating gives its records up to the first that is not whole.

    Attributes
    ----------
    header
        The session's header.
    end
        How far it could be read; known when the records have been read.

    Raises
    ------
    StoreError
        The file is no journal, of a newer format, or has no complete header.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self._path = Path(path)
        try:
            with self._path.open("rb") as file:
                magic = file.read(len(MAGIC))
                payload, reason = _next_payload(file)
        except OSError as error:
            raise StoreError(f"journal cannot be read ({error})", where=self._path.name) from error
        if magic != MAGIC:
            raise StoreError("is no journal", where=self._path.name, found=magic[:8], expected=MAGIC.decode().strip())
        if payload is None:
            raise StoreError("journal has no complete header", where=self._path.name, found=reason)
        self.header: dict[str, Any] = _header(payload, self._path.name)
        self._start = len(MAGIC) + _FRAME.size + len(payload)
        self.end: JournalEnd | None = None

    def __iter__(self) -> Iterator[Record]:
        count, good = 0, self._start
        reason = "end"
        with self._path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(self._start)
            while True:
                payload, reason = _next_payload(file)
                if payload is None:
                    break
                if len(payload) < _RECORD.size:
                    reason = "bad length"
                    break
                kind, strap, monotonic, wall = _RECORD.unpack_from(payload)
                yield Record(kind, strap, monotonic, wall, payload[_RECORD.size :])
                count += 1
                good += _FRAME.size + len(payload)
        self.end = JournalEnd(count, good, size - good, reason)


def part_path(folder: Path, session: str, part: int) -> Path:
    """Path of a part of a session."""
    return folder / f"{session}.{part:04d}.journal"


def session_parts(folder: str | PathLike[str], session: str) -> tuple[Path, ...]:
    """The parts of a session, in order."""
    found = []
    for path in Path(folder).glob("*.journal"):
        match = _PART.fullmatch(path.name)
        if match is not None and match["session"] == session:
            found.append(path)
    return tuple(sorted(found))


def sessions(folder: str | PathLike[str]) -> tuple[str, ...]:
    """Names of the sessions that have journals in a folder."""
    matches = [_PART.fullmatch(p.name) for p in Path(folder).glob("*.journal")]
    return tuple(sorted({m["session"] for m in matches if m is not None}))


def session_of(path: str | PathLike[str]) -> str | None:
    """Name of the session that a file is a part of, by its name; None when it is no part of a journal."""
    match = _PART.fullmatch(Path(path).name)
    return None if match is None else match["session"]


def being_recorded(folder: str | PathLike[str], session: str) -> bool:
    """Whether a process is writing the session now."""
    return FileLock(Path(folder) / f"{session}.lock").held_elsewhere()


def read_session(folder: str | PathLike[str], session: str) -> tuple[Iterator[Record], list[tuple[Path, JournalEnd]]]:
    """All records of a session over its parts, and a list that tells how far each part could be read.

    The list fills as the records are read. A part without a complete header, as a kill in its first instant leaves
    it, holds no records and ends as ``cut off``.

    Raises
    ------
    StoreError
        There is no such session, or a part is of a newer format.
    """
    parts = session_parts(folder, session)
    if not parts:
        raise StoreError("no journal of this session", where=Path(folder).name, found=session, valid=sessions(folder))
    ends: list[tuple[Path, JournalEnd]] = []
    return _records(parts, ends), ends


def _records(parts: tuple[Path, ...], ends: list[tuple[Path, JournalEnd]]) -> Iterator[Record]:
    for path in parts:
        size = path.stat().st_size
        if size < len(MAGIC) + _FRAME.size or not _header_is_whole(path):
            ends.append((path, JournalEnd(0, 0, size, "cut off")))
            continue
        reader = JournalReader(path)
        yield from reader
        assert reader.end is not None
        ends.append((path, reader.end))


def _header_is_whole(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC and _next_payload(file)[0] is not None


def _framed(payload: bytes) -> bytes:
    length = _LENGTH.pack(len(payload))
    return length + _LENGTH.pack(zlib.crc32(payload, zlib.crc32(length))) + payload


def _next_payload(file: Any) -> tuple[bytes | None, str]:
    """The next payload, or None and why there is none."""
    head = file.read(_FRAME.size)
    if len(head) < _FRAME.size:
        return None, "end" if not head else "cut off"
    length, stated = _FRAME.unpack(head)
    if not 0 < length <= MAX_PAYLOAD:
        return None, "bad length"
    payload = file.read(length)
    if len(payload) < length:
        return None, "cut off"
    if zlib.crc32(payload, zlib.crc32(head[:4])) != stated:
        return None, "bad checksum"
    return payload, "end"


def _header(payload: bytes, where: str) -> dict[str, Any]:
    try:
        header = json.loads(payload)
    except ValueError as error:
        raise StoreError(f"journal header is not valid ({error})", where=where) from error
    version = header.get("format_version") if isinstance(header, dict) else None
    if not isinstance(version, int) or version < 1:
        raise StoreError("journal header has no format version", where=where, found=version)
    if version > FORMAT_VERSION:
        raise StoreError(
            "journal of a newer format: update allostat", where=where, found=version, expected=f"up to {FORMAT_VERSION}"
        )
    return dict(header)
