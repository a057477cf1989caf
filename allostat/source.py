"""A source: one file, folder or zip archive of an export, opened without trusting it.

Members are read as streams and never extracted. Absolute names, ``..``, links, AppleDouble shadows (``._name``)
and ``__MACOSX`` are not members. Declared sizes are limits, and bytes are counted while streaming as well.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from allostat.errors import InputError

MAX_MEMBERS = 20_000
MAX_MEMBER_BYTES = 8 << 30
MAX_READ_BYTES = 4 << 30
MAX_RATIO = 200
RATIO_FLOOR_BYTES = 64 << 20
HEAD_BYTES = 4096
_BLOCK = 1 << 20
_BUFFER = 1 << 16


class _Bounded(io.RawIOBase):
    """Raw stream that fails when more bytes come out than the limit allows."""

    def __init__(self, inner: IO[bytes], limit: int, where: str) -> None:
        self._inner, self._left, self._where = inner, limit, where

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._inner.read(len(buffer))
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            raise InputError(f"cannot be decompressed ({error})", where=self._where) from error
        self._left -= len(data)
        if self._left < 0:
            raise InputError("holds more data than it may: refused as a decompression bomb", where=self._where)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inner.close()
        super().close()


@dataclass(frozen=True)
class Source:
    """One file, folder or zip archive.

    Parameters
    ----------
    path
        Where it lies. Only its name ever leaves this object.
    only
        Members of a folder to be seen, the others being left out; None sees all.
    """

    path: Path
    only: tuple[str, ...] | None = None
    _hashes: dict[str, str] = field(default_factory=dict, compare=False, repr=False)
    _heads: dict[str, tuple[int, bytes]] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))
        if not self.path.exists():
            siblings = [p.name for p in self.path.parent.iterdir()] if self.path.parent.is_dir() else []
            raise InputError("no such file or folder", where=str(self.path), found=self.path.name, valid=siblings)
        if not (self.path.is_file() or self.path.is_dir()):
            raise InputError("is neither a file nor a folder", where=str(self.path))

    @property
    def name(self) -> str:
        """File or folder name without its path."""
        return self.path.name

    @cached_property
    def is_zip(self) -> bool:
        """Whether it is a zip archive, by content."""
        if not self.path.is_file():
            return False
        with _open_file(self.path, self.name) as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")

    @cached_property
    def members(self) -> tuple[str, ...]:
        """Names of the files inside, sorted, with ``/``; for a single file its own name (``.gz`` removed)."""
        if self.path.is_dir():
            found = (p for p in self.path.rglob("*") if p.is_file() and not p.is_symlink())
            names = [p.relative_to(self.path).as_posix() for p in found]
        elif self.is_zip:
            names = [i.filename for i in self._archive_infos() if not i.is_dir()]
        else:
            return (self.path.name.removesuffix(".gz") if self._gzipped else self.path.name,)
        return tuple(sorted(n for n in names if _is_member(n) and (self.only is None or n in self.only)))

    @cached_property
    def _gzipped(self) -> bool:
        return self.path.is_file() and _is_gzip(self.path)

    def _archive_infos(self) -> list[zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self.path) as archive:
                infos = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InputError(f"is a damaged zip archive ({error})", where=self.name) from error
        if len(infos) > MAX_MEMBERS:
            raise InputError(f"archive has more than {MAX_MEMBERS} members", where=self.name, found=len(infos))
        seen: set[str] = set()
        for info in infos:
            if info.filename in seen:
                raise InputError("archive holds the same member twice", where=f"{self.name}, {info.filename}")
            seen.add(info.filename)
            ratio = info.file_size / max(info.compress_size, 1)
            if info.file_size > MAX_MEMBER_BYTES or (info.file_size > RATIO_FLOOR_BYTES and ratio > MAX_RATIO):
                raise InputError(
                    "refused as a decompression bomb",
                    where=f"{self.name}, {info.filename}",
                    found=f"{info.file_size} bytes, ratio {ratio:.0f}",
                    expected=f"at most {MAX_MEMBER_BYTES} bytes and ratio {MAX_RATIO}",
                )
            if info.flag_bits & 1:
                raise InputError("archive member is encrypted", where=f"{self.name}, {info.filename}")
        return infos

    @contextmanager
    def open(self, member: str | None = None) -> Iterator[IO[bytes]]:
        """A member as a binary stream; without a name the only member. Files on disk that are gzip are unpacked.

        Raises
        ------
        InputError
            Unknown member, damaged archive, or more data than the limits allow.
        """
        name = self._resolve(member)
        where = self.name if name == self.name else f"{self.name}, {name}"
        if self.is_zip:
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(name)
                try:
                    inner = archive.open(info)
                except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
                    raise InputError(f"cannot be opened ({error})", where=where) from error
                limit = info.file_size + _BLOCK
                with io.BufferedReader(_Bounded(inner, limit, where), _BUFFER) as stream:
                    yield cast(IO[bytes], stream)
            return
        path = self._on_disk(name)
        _refuse_holes(path, where)
        if not _is_gzip(path):
            with _open_file(path, where) as file:
                yield file
            return
        limit = max(RATIO_FLOOR_BYTES, path.stat().st_size * MAX_RATIO)
        with gzip.open(path, "rb") as packed:
            unpacked = cast(IO[bytes], packed)
            with io.BufferedReader(_Bounded(unpacked, limit, where), _BUFFER) as stream:
                yield cast(IO[bytes], stream)

    def _peeked(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A member of which a few bytes are read: a file of holes may be looked at."""
        path = self._on_disk(name)
        plain = not self.is_zip and not _is_gzip(path)
        return _open_file(path, self.name) if plain else self.open(name)

    def _on_disk(self, name: str) -> Path:
        return self.path / PurePosixPath(name) if self.path.is_dir() else self.path

    def head(self, member: str | None = None, size: int = HEAD_BYTES) -> bytes:
        """The first ``size`` bytes of a member. Kept, because every adapter looks at them."""
        name = self._resolve(member)
        asked, known = self._heads.get(name, (0, b""))
        if size > asked:
            with self._peeked(name) as stream:
                known = stream.read(size)
            self._heads[name] = (size, known)
        return known[:size]

    def read_bytes(self, member: str | None = None) -> bytes:
        """All bytes of a member.

        Raises
        ------
        InputError
            As `open`, and when there are more than fit into memory.
        """
        if self.size(member) > MAX_READ_BYTES:
            raise InputError(
                "is too large to be read at once",
                where=self.name,
                found=self.size(member),
                expected=f"at most {MAX_READ_BYTES} bytes",
            )
        with self.open(member) as stream:
            return stream.read()

    def size(self, member: str | None = None) -> int:
        """Bytes of a member as stored on disk or declared by the archive."""
        name = self._resolve(member)
        if self.is_zip:
            with zipfile.ZipFile(self.path) as archive:
                return archive.getinfo(name).file_size
        return self._on_disk(name).stat().st_size

    def sha256(self, member: str | None = None) -> str:
        """Hash of a member's bytes (of the file as it lies on disk, also when it is compressed)."""
        name = self._resolve(member)
        if name not in self._hashes:
            path = self._on_disk(name)
            _refuse_holes(path, self.name)
            with self.open(name) if self.is_zip else _open_file(path, self.name) as stream:
                # its one buffer stays in the processor's cache: half again as fast as blocks of their own
                self._hashes[name] = hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()
        return self._hashes[name]

    def _resolve(self, member: str | None) -> str:
        if member is None:
            if len(self.members) != 1:
                raise InputError("holds several files: name one", where=self.name, found=len(self.members))
            return self.members[0]
        if member not in self.members:
            raise InputError("no such member", where=self.name, found=member, valid=self.members)
        return member


def _is_member(name: str) -> bool:
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or parts[0] in ("/", "__MACOSX") or ".." in parts or ":" in parts[0]:
        return False
    return not parts[-1].startswith(("._", ".DS_Store"))


def _open_file(path: Path, where: str) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"cannot be opened ({error.strerror})", where=where) from error


def _refuse_holes(path: Path, where: str) -> None:
    """Refuse a file that consists of holes nearly everywhere: no recording does, and it is a bomb like any other.

    Where the file system does not tell what lies on disk, the limits of the formats themselves hold.
    """
    status = path.stat()
    on_disk = 512 * getattr(status, "st_blocks", 0)
    if status.st_size <= RATIO_FLOOR_BYTES or on_disk * MAX_RATIO >= status.st_size:
        return
    if on_disk or _is_one_hole(path):
        raise InputError(
            "refused: the file consists of holes nearly everywhere",
            where=where,
            found=f"{status.st_size} bytes, {on_disk} of them on disk",
        )


def _is_one_hole(path: Path) -> bool:
    """Whether a file has no data at all; False where the system cannot tell."""
    if not hasattr(os, "SEEK_DATA"):
        return False
    with _open_file(path, path.name) as file:
        try:
            os.lseek(file.fileno(), 0, os.SEEK_DATA)
        except OSError as error:
            return error.errno == errno.ENXIO
    return False


def _is_gzip(path: Path) -> bool:
    with _open_file(path, path.name) as file:
        return file.read(2) == b"\x1f\x8b"
