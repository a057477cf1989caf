"""WFDB records written by a packer that follows the description of the format."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from allostat.adapter import ReadOptions
from allostat.recording import Recording
from allostat.source import Source
from allostat_devices.wfdb import ADAPTER
from allostat_devices.wfdb_samples import checksum


def packed(samples: np.ndarray, storage: int) -> bytes:
    """Bytes of samples in one of the storage formats."""
    match storage:
        case 16:
            return samples.astype("<i2").tobytes()
        case 61:
            return samples.astype(">i2").tobytes()
        case 80:
            return (samples + 128).astype(np.uint8).tobytes()
        case 160:
            return (samples + 32768).astype("<u2").tobytes()
        case 24:
            return b"".join(int(v).to_bytes(3, "little", signed=True) for v in samples)
        case 32:
            return samples.astype("<i4").tobytes()
        case 310 | 311:
            return packed_10_bit([int(v) & 0x3FF for v in samples], storage)
    out = bytearray()
    values = [int(v) & 0xFFF for v in samples]
    for i in range(0, len(values) - 1, 2):
        a, b = values[i], values[i + 1]
        out += bytes([a & 0xFF, (a >> 8) | ((b >> 8) << 4), b & 0xFF])
    if len(values) % 2:
        out += bytes([values[-1] & 0xFF, values[-1] >> 8])
    return bytes(out)


def packed_10_bit(values: list[int], storage: int) -> bytes:
    out = b""
    for i in range(0, len(values), 3):
        a, b, c = [*values[i : i + 3], 0, 0][:3]
        if storage == 311:
            word = a | b << 10 | c << 20
        else:
            word = (a << 1 | (c & 31) << 11) | (b << 1 | (c >> 5) << 11) << 16
        # an unfinished word ends with the last byte that a sample needs
        needed = 4 if len(values) - i >= 3 else (len(values) - i) * 2 if storage == 310 else len(values) - i + 1
        out += struct.pack("<I", word)[:needed]
    return out


def annotations(marks: list[tuple[int, int]], tail: bytes = b"\x00\x00") -> bytes:
    """Annotation file of (sample, code)."""
    out, now = b"", 0
    for sample, code in marks:
        step, now = sample - now, sample
        if step > 1023:
            out += struct.pack("<HHH", 59 << 10, step >> 16, step & 0xFFFF)
            step = 0
        out += struct.pack("<H", code << 10 | step)
    return out + tail


def record(folder: Path, storage: int = 212, name: str = "r1", **about: object) -> tuple[Path, np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    samples = np.stack([np.arange(1001) % 90 - 40, np.arange(1001) % 70 - 30], axis=1)
    sums = [checksum(samples[:, i]) for i in range(2)]
    gain = about.get("gain", "200(1024)/mV")
    lines = [f"{name} 2 360 {about.get('n', 1001)}{about.get('start', '')}"]
    lines += [
        f"{name}.dat {storage} {gain} 11 1024 0 {s - 65536 if s > 32767 else s} 0 {lead}"
        for s, lead in zip(sums, ("MLII", "V1"), strict=True)
    ]
    (folder / f"{name}.hea").write_text("\n".join(lines) + f"\n{about.get('comment', '')}")
    (folder / f"{name}.dat").write_bytes(packed(samples.reshape(-1), storage))
    return folder / f"{name}.hea", samples


def read(path: Path, **options: str) -> Recording:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(**options))  # type: ignore[arg-type]
    return recording
