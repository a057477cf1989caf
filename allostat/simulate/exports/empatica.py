"""Writer of Empatica E4 archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.kernels.text_table import DECIMAL, format_rows
from allostat.recording import NS_PER_S
from allostat.simulate.artefacts import SimulatedSignal
from allostat.simulate.exports.archive import write_zip
from allostat.simulate.exports.worn import Worn
from allostat.simulate.seeds import random_stream

Ints = NDArray[np.int64]

E4_TICK_S = 1 / 64


def write_e4_zip(path: Path, bvp: SimulatedSignal, start_s: int, rng: np.random.Generator) -> None:
    """Empatica E4 archive: BVP (64 Hz), IBI, HR, ACC, EDA, TEMP, tags, info.

    Parameters
    ----------
    bvp
        PPG at 64 Hz; the device's IBI are its systolic peaks on a grid of 1/64 s, with holes where the wrist moved
        and at random.
    start_s
        Start, Unix seconds.
    rng
        For skin conductance, temperature, acceleration, and the holes in IBI.

    Raises
    ------
    InputError
        When the PPG has another rate.
    """
    if bvp.sampling_rate != 64:
        raise InputError("the BVP of an E4 has 64 Hz", found=bvp.sampling_rate)
    seconds = len(bvp.samples) // 64
    beats_s, ibi_ticks = _e4_ibi(bvp, rng)
    hr = 6000 / np.interp(np.arange(10, seconds), bvp.beat_times_s[1:], np.diff(bvp.beat_times_s))
    eda = np.cumsum(rng.normal(0, 300, seconds * 4)) + 400_000
    temp = 3300 + np.cumsum(rng.normal(0, 0.5, seconds * 4))
    acc = np.rint(np.array([-21.0, 4.0, 60.0]) + rng.normal(0, 0.7, (seconds * 32, 3)))
    centred = bvp.samples - np.mean(bvp.samples)
    ibi = format_rows([(beats_s * 15_625, DECIMAL, 6, b","), (ibi_ticks * 15_625, DECIMAL, 6, b"\n")])
    members = {
        "ACC.csv": _e4_head(start_s, 32, 3, 6)
        + format_rows([(acc[:, k], DECIMAL, 0, b"," if k < 2 else b"\n") for k in range(3)]),
        "EDA.csv": _e4_head(start_s, 4) + format_rows([(np.maximum(eda, 0), DECIMAL, 6, b"\n")]),
        "BVP.csv": _e4_head(start_s, 64, 1, 2) + format_rows([(np.rint(centred * 6), DECIMAL, 2, b"\n")]),
        "TEMP.csv": _e4_head(start_s, 4) + format_rows([(np.rint(temp), DECIMAL, 2, b"\n")]),
        "IBI.csv": f"{start_s}.000000, IBI\n".encode() + ibi,
        "HR.csv": _e4_head(start_s + 10, 1) + format_rows([(np.rint(hr), DECIMAL, 2, b"\n")]),
        "info.txt": _E4_INFO,
        "tags.csv": b"",
    }
    write_zip(path, members)


_E4_INFO = b"Row 1: start, Unix seconds in UTC. Row 2: sampling rate in Hz. IBI.csv: time and interval in s.\n"


def _e4_head(start_s: int, rate_hz: int, columns: int = 1, decimals: int = 6) -> bytes:
    return (
        ", ".join([f"{start_s:.{decimals}f}"] * columns) + "\n" + ", ".join([f"{rate_hz:.6f}"] * columns) + "\n"
    ).encode()


def _e4_ibi(bvp: SimulatedSignal, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Ends and lengths of the intervals that the wristband reports, in ticks of 1/64 s."""
    ticks = np.rint(bvp.beat_times_s / E4_TICK_S).astype(np.int64)
    ends, lengths = ticks[1:], np.diff(ticks)
    keep = np.ones(len(ends), dtype=bool)
    for begin, end in bvp.bursts_s:
        keep &= (ends < begin * 64) | (ends - lengths > end * 64)
    for at in rng.integers(0, max(len(ends), 1), len(ends) // 60):
        keep[at : at + int(rng.integers(2, 12))] = False
    keep &= ends > 8 * 64
    return ends[keep], lengths[keep]


def write_e4_export(worn: Worn, folder: Path) -> Path:
    """E4 archive."""
    path = folder / f"{worn.start_ns // NS_PER_S}_{worn.person.id}.zip"
    rng = random_stream(worn.seed, worn.person.id, "e4")
    write_e4_zip(path, worn.ppg(64.0), worn.start_ns // NS_PER_S, rng)
    return path
