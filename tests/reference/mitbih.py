"""A small reader of the MIT-BIH records: header, signals of formats 212 and 16, annotations, for tests and benchmarks.

Facts: signal(5), header(5) and annot(5) of the WFDB manual, Moody G, MIT Laboratory for Computational Physiology.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Codes that mark a beat; the rest mark rhythm, noise and comments.
BEAT_CODES = frozenset({*range(1, 14), 25, 30, 34, 35, 38, 41})
FLUTTER_BEGINS, FLUTTER_ENDS = 32, 33
SKIP, NUMBER, SUBTYPE, CHANNEL, AUX = 59, 60, 61, 62, 63


@dataclass(frozen=True)
class Record:
    name: str
    rate: float
    signals: NDArray[np.int16]
    """(samples, leads) raw values."""
    beats: NDArray[np.int64]
    flutter: tuple[tuple[int, int], ...]
    """Stretches of ventricular flutter, where no beats are marked."""

    def outside_flutter(self, samples: NDArray[Any]) -> NDArray[Any]:
        inside = np.zeros(len(samples), dtype=bool)
        for start, stop in self.flutter:
            inside |= (samples >= start) & (samples <= stop)
        return samples[~inside]


def read(folder: Path, name: str) -> Record:
    lines = (folder / f"{name}.hea").read_text().split("\n")
    head = lines[0].split()
    n_leads, rate, n = int(head[1]), float(head[2]), int(head[3])
    samples, codes = annotations((folder / f"{name}.atr").read_bytes())
    raw = (folder / f"{name}.dat").read_bytes()
    values = format_212(raw) if lines[1].split()[1] == "212" else np.frombuffer(raw, dtype="<i2").astype(np.int16)
    begins, ends = samples[codes == FLUTTER_BEGINS], samples[codes == FLUTTER_ENDS]
    return Record(
        name,
        rate,
        values.reshape(-1, n_leads)[:n],
        samples[np.isin(codes, list(BEAT_CODES))],
        tuple((int(a), int(b)) for a, b in zip(begins, ends, strict=True)),
    )


def records(folder: Path) -> list[str]:
    return sorted(p.stem for p in folder.glob("*.hea"))


def format_212(raw: bytes) -> NDArray[np.int16]:
    """Two 12-bit numbers in three bytes: low byte, two high nibbles, low byte."""
    triples = np.frombuffer(raw, dtype=np.uint8).reshape(-1, 3).astype(np.int16)
    first = triples[:, 0] | ((triples[:, 1] & 0x0F) << 8)
    second = triples[:, 2] | ((triples[:, 1] & 0xF0) << 4)
    values = np.stack([first, second], axis=1).ravel()
    return np.where(values > 2047, values - 4096, values).astype(np.int16)


def annotations(raw: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Sample number and code of each annotation: six bits of code, ten bits of distance."""
    words = np.frombuffer(raw, dtype="<u2")
    samples, codes = [], []
    at = 0
    i = 0
    while i < len(words) and words[i]:
        code, step = int(words[i]) >> 10, int(words[i]) & 0x3FF
        i += 1
        if code == SKIP:
            at += int(np.int32((int(words[i]) << 16 | int(words[i + 1])) & 0x7FFFFFFF))
            i += 2
        elif code == AUX:
            i += (step + 1) // 2
        elif code not in (NUMBER, SUBTYPE, CHANNEL):
            at += step
            samples.append(at)
            codes.append(code)
    return np.array(samples, dtype=np.int64), np.array(codes, dtype=np.int64)
