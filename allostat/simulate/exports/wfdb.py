"""Writer of WFDB records: header, signal file in format 16, beat annotations."""

from __future__ import annotations

import struct
from datetime import datetime
from pathlib import Path

import numpy as np

from allostat.recording import NS_PER_S
from allostat.simulate.exports.worn import Worn
from allostat.zones import zone_info

RATE_HZ = 250.0
_NORMAL, _SKIP = 1, 59


def write_wfdb_export(worn: Worn, folder: Path) -> Path:
    """Folder with one record of one lead at 250 Hz, a step of 1 uV, and the true beats as its reference annotations."""
    root = folder / f"{worn.person.id}_wfdb"
    root.mkdir(parents=True, exist_ok=True)
    name = worn.person.id.replace("-", "_")
    samples = worn.ecg(RATE_HZ).samples.astype("<i2")
    local = datetime.fromtimestamp(worn.start_ns / NS_PER_S, zone_info(worn.timezone))
    total = int(samples.astype(np.int64).sum()) & 0xFFFF
    checksum = total - 0x10000 if total > 0x7FFF else total
    header = (
        f"{name} 1 {RATE_HZ:g} {len(samples)} {local:%H:%M:%S} {local:%d/%m/%Y}\n"
        f"{name}.dat 16 1000(0)/mV 16 0 {int(samples[0])} {checksum} 0 MLII\n# canary\n"
    )
    (root / f"{name}.hea").write_text(header, encoding="ascii")
    (root / f"{name}.dat").write_bytes(samples.tobytes())
    beats = np.rint((worn.beats_ns - worn.start_ns) / NS_PER_S * RATE_HZ).astype(np.int64)
    (root / f"{name}.atr").write_bytes(annotation_bytes([b for b in beats.tolist() if 0 <= b < len(samples)]))
    return root


def annotation_bytes(samples: list[int]) -> bytes:
    """Normal beats at samples, in the annotation format of the MIT databases."""
    out, now = bytearray(), 0
    for sample in samples:
        step, now = sample - now, sample
        if step > 0x3FF:
            out += struct.pack("<HHH", _SKIP << 10, step >> 16, step & 0xFFFF)
            step = 0
        out += struct.pack("<H", _NORMAL << 10 | step)
    return bytes(out) + b"\0\0"
