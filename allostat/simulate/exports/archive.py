"""What writers of exports share: archives and files whose bytes depend on their arguments alone, and local offsets."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from allostat.recording import NS_PER_S
from allostat.zones import zone_info

ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def local_offset_s(instant_ns: int, timezone: str) -> int:
    """Local time minus UTC at an instant, in s."""
    offset = datetime.fromtimestamp(instant_ns / NS_PER_S, zone_info(timezone)).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """A zip archive whose bytes depend on its members alone."""
    path.write_bytes(zip_of(members))


def zip_of(members: Mapping[str, bytes]) -> bytes:
    """The bytes of `write_zip`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, ZIP_TIME)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data, compresslevel=1)
    return buffer.getvalue()


def write_text(path: Path, data: bytes) -> None:
    """A file; compressed when its name ends in ``.gz``."""
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)
