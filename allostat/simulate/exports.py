"""Writers of real export formats: the files that apps and devices would have written of simulated persons.

Layouts are those of real exports. File times inside archives are fixed, so that the same arguments give the same bytes.
"""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.kernels.text_table import (
    CLOCK_MILLISECOND,
    CLOCK_SECOND,
    DECIMAL,
    EMPTY,
    SCIENTIFIC,
    TRIMMED,
    format_rows,
)
from allostat.recording import NS_PER_S
from allostat.simulate.artefacts import SimulatedSignal
from allostat.zones import zone_info

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NS_PER_MS = 1_000_000
POLAR_EPOCH_S = 946_684_800
"""The sensor clock counts from 2000-01-01 UTC."""
E4_TICK_S = 1 / 64
ZIP_TIME = (1980, 1, 1, 0, 0, 0)


def local_offset_s(instant_ns: int, timezone: str) -> int:
    """Local time minus UTC at an instant, in s."""
    offset = datetime.fromtimestamp(instant_ns / NS_PER_S, zone_info(timezone)).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def write_zip(path: Path, members: Mapping[str, bytes]) -> None:
    """A zip archive whose bytes depend on its members alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name, ZIP_TIME)
            info.create_system = 3
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data, compresslevel=1)
    path.write_bytes(buffer.getvalue())


def write_text(path: Path, data: bytes) -> None:
    """A file; compressed when its name ends in ``.gz``."""
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)


def whole_ms_intervals(times_ns: Ints, gaps: Sequence[tuple[int, int]] = ()) -> tuple[Ints, Ints]:
    """Ends (ms since 1970) and lengths (ms) of the intervals that a device with a clock of 1 ms reports.

    Parameters
    ----------
    times_ns
        Beat instants.
    gaps
        Stretches (start, end) in ns without contact: beats inside are lost, and the interval across a gap is not
        reported.
    """
    times = np.rint(np.asarray(times_ns) / NS_PER_MS).astype(np.int64)
    stretch = np.zeros(len(times), dtype=np.int64)
    lost = np.zeros(len(times), dtype=bool)
    for start, end in gaps:
        lo, hi = np.searchsorted(times_ns, [start, end])
        lost[lo:hi] = True
        stretch[hi:] += 1
    kept, of = times[~lost], stretch[~lost]
    follows = of[1:] == of[:-1]
    return kept[1:][follows], np.diff(kept)[follows]


def write_hrv_logger_rr(path: Path, times_ns: Ints, timezone: str, *, gaps: Sequence[tuple[int, int]] = ()) -> None:
    """HRV Logger ``*_RR_*.csv``: ``date,rr,since start``, local date with its offset, ms since the first row.

    Parameters
    ----------
    path
        Written; compressed when it ends in ``.gz``.
    times_ns
        Beat instants, UTC.
    timezone
        Zone of the phone; the offset is that of the start.
    gaps
        As `whole_ms_intervals`.
    """
    ends, lengths = whole_ms_intervals(times_ns, gaps)
    offset = local_offset_s(int(times_ns[0]), timezone) if len(times_ns) else 0
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset) // 60
    stamp = f" {sign}{minutes // 60:02d}{minutes % 60:02d},".encode()
    since = ends - ends[0] if len(ends) else ends
    rows = format_rows(
        [
            (ends + offset * 1000, CLOCK_SECOND, 0, stamp),
            (lengths, DECIMAL, 0, b","),
            (since, DECIMAL, 0, b"\n"),
        ]
    )
    write_text(path, b"date,rr,since start\n" + rows)


def write_elite_hrv(folder: Path, times_ns: Ints, timezone: str) -> Path:
    """Elite HRV text: one interval in whole ms per line. The local start is the name of the file, which is returned."""
    _, lengths = whole_ms_intervals(times_ns)
    start_ns = int(times_ns[0])
    local = datetime.fromtimestamp(start_ns // NS_PER_S, zone_info(timezone))
    path = folder / local.strftime("%Y-%m-%d %H-%M-%S.txt")
    write_text(path, format_rows([(lengths, DECIMAL, 0, b"\n")]))
    return path


def write_selfloops(path: Path, times_ns: Ints, timezone: str) -> None:
    """Selfloops text: start in local time, then ``Time (ms),HR (bpm),R-R (ms)``."""
    ends, lengths = whole_ms_intervals(times_ns)
    start_ms = int(times_ns[0]) // NS_PER_S * 1000
    local = datetime.fromtimestamp(start_ms / 1000, zone_info(timezone))
    rows = format_rows(
        [
            (ends - start_ms, DECIMAL, 0, b","),
            (np.rint(60000 / lengths), DECIMAL, 0, b","),
            (lengths, DECIMAL, 0, b"\n"),
        ]
    )
    head = f"{local.day:02d} {_MONTHS[local.month - 1]} {local:%Y %H:%M:%S}\nTime (ms),HR (bpm),R-R (ms)\n"
    write_text(path, head.encode() + rows)


_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def write_plain_rr(path: Path, intervals_ms: Floats) -> None:
    """One interval in ms per line with three decimals, nothing else."""
    write_text(path, format_rows([(np.rint(np.asarray(intervals_ms) * 1000), DECIMAL, 3, b"\n")]))


def write_polar_ecg_logger(path: Path, ecg: SimulatedSignal, start_ns: int, *, latency_ms: float = 350.0) -> None:
    """ECG logger CSV of a Polar H10: ``time,ecg,hr,rr``; time in Unix ns as float text on a grid of 10 us, ECG in mV.

    The strap's own RR interval stands in the row at which its packet arrived: after the beat, by ``latency_ms`` and
    the wait for the next notification (one a second).
    """
    n = len(ecg.samples)
    time = start_ns + np.rint(np.arange(n) * (NS_PER_S / ecg.sampling_rate)).astype(np.int64)
    hr = np.full(n, EMPTY)
    rr = np.full(n, EMPTY)
    lengths = np.rint(np.diff(ecg.beat_times_s) * 1000).astype(np.int64)
    arrived = np.ceil(ecg.beat_times_s[1:] + latency_ms / 1000)
    rows = np.ceil(arrived * ecg.sampling_rate).astype(np.int64)
    rows += np.arange(len(rows)) - np.searchsorted(arrived, arrived)  # two intervals in one packet: one row each
    inside = rows < n
    rr[rows[inside]] = lengths[inside]
    hr[rows[inside]] = np.rint(60000 / lengths[inside])
    body = format_rows(
        [
            ((time + 5000) // 10_000 * 10_000, SCIENTIFIC, 0, b","),
            (ecg.samples, TRIMMED, 3, b","),
            (hr, DECIMAL, 0, b","),
            (rr, DECIMAL, 0, b"\n"),
        ]
    )
    write_text(path, b"time,ecg,hr,rr\n" + body)


def write_polar_sensor_logger(
    path: Path,
    start_ns: int,
    timezone: str,
    *,
    ecg: SimulatedSignal | None = None,
    ppg: SimulatedSignal | None = None,
    acc_mg: NDArray[np.integer[Any]] | None = None,
    acc_hz: float = 25.0,
    phone_late_ms: float = 220.0,
) -> None:
    """Polar Sensor Logger text files: a folder, or a zip archive when ``path`` ends in ``.zip``.

    Parameters
    ----------
    start_ns
        Instant of the first samples, UTC.
    timezone
        Zone of the phone, whose clock is naive local time.
    ecg
        Written in uV as ``Polar_H10_ECG.txt``.
    ppg
        Written as ``Polar_Sense_PPG.txt``, light intensity, so systole is downwards, and ``Polar_Sense_PPI.txt``.
    acc_mg
        (n, 3) acceleration in mg, at ``acc_hz``.
    phone_late_ms
        Phone clock minus sensor clock, in the same zone.
    """
    files: dict[str, bytes] = {}
    phone_ms = local_offset_s(start_ns, timezone) * 1000 + phone_late_ms
    if ecg is not None:
        sensor, phone = _polar_clocks(len(ecg.samples), ecg.sampling_rate, start_ns, phone_ms)
        files["Polar_H10_ECG.txt"] = b"Phone timestamp;sensor timestamp [ns];timestamp [ms];ecg [uV]\n" + format_rows(
            [
                (phone, CLOCK_MILLISECOND, 0, b";"),
                (sensor, DECIMAL, 0, b";"),
                (sensor - sensor[0], TRIMMED, 6, b";"),
                (ecg.samples, DECIMAL, 0, b"\n"),
            ]
        )
    if acc_mg is not None:
        if acc_mg.ndim != 2 or acc_mg.shape[1] != 3:
            raise InputError("acceleration has three columns", found=acc_mg.shape)
        sensor, phone = _polar_clocks(len(acc_mg), acc_hz, start_ns, phone_ms)
        name = "Polar_H10_ACC.txt" if ecg is not None else "Polar_Sense_ACC.txt"
        files[name] = b"Phone timestamp;sensor timestamp [ns];X [mg];Y [mg];Z [mg]\n" + format_rows(
            [
                (phone, CLOCK_MILLISECOND, 0, b";"),
                (sensor, DECIMAL, 0, b";"),
                (acc_mg[:, 0], DECIMAL, 0, b";"),
                (acc_mg[:, 1], DECIMAL, 0, b";"),
                (acc_mg[:, 2], DECIMAL, 0, b"\n"),
            ]
        )
    if ppg is not None:
        files["Polar_Sense_PPG.txt"] = _polar_ppg(ppg, start_ns, phone_ms)
        files["Polar_Sense_PPI.txt"] = _polar_ppi(ppg, start_ns, phone_ms)
    if path.suffix == ".zip":
        write_zip(path, files)
        return
    path.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (path / name).write_bytes(data)


def _polar_clocks(n: int, rate_hz: float, start_ns: int, phone_ms: float) -> tuple[Ints, Ints]:
    """Sensor clock in ns since 2000 and the phone's naive local clock in ms since 1970."""
    unix = start_ns + np.rint(np.arange(n) * (NS_PER_S / rate_hz)).astype(np.int64)
    return unix - POLAR_EPOCH_S * NS_PER_S, (unix // NS_PER_MS + round(phone_ms)).astype(np.int64)


def _polar_ppg(ppg: SimulatedSignal, start_ns: int, phone_ms: float) -> bytes:
    sensor, phone = _polar_clocks(len(ppg.samples), ppg.sampling_rate, start_ns, phone_ms)
    light = [np.rint(base - gain * ppg.samples) for base, gain in ((261_500, 0.90), (278_900, 0.85), (293_000, 1.0))]
    ambient = np.rint(-630 + 0.01 * ppg.samples)
    return b"Phone timestamp;sensor timestamp [ns];channel 0;channel 1;channel 2;ambient\n" + format_rows(
        [
            (phone, CLOCK_MILLISECOND, 0, b";"),
            (sensor, DECIMAL, 0, b";"),
            (light[0], DECIMAL, 0, b";"),
            (light[1], DECIMAL, 0, b";"),
            (light[2], DECIMAL, 0, b";"),
            (ambient, DECIMAL, 0, b";\n"),
        ]
    )


def _polar_ppi(ppg: SimulatedSignal, start_ns: int, phone_ms: float) -> bytes:
    """Intervals of the wrist device: stamped at their start, the first after 25 s, marked unusable during motion."""
    peaks_ms = np.rint(ppg.beat_times_s[ppg.beat_times_s > 25.0] * 1000).astype(np.int64)
    starts, lengths = peaks_ms[:-1], np.diff(peaks_ms)
    moved = np.zeros(len(starts), dtype=bool)
    for begin, end in ppg.bursts_s:
        moved |= (starts + lengths > begin * 1000) & (starts < end * 1000)
    ones = np.ones(len(starts), dtype=np.int64)
    head = b"Phone timestamp;PP-interval [ms];error estimate [ms];blocker;contact;contact;hr [bpm]\n"
    return head + format_rows(
        [
            (start_ns // NS_PER_MS + round(phone_ms) + starts, CLOCK_MILLISECOND, 0, b";"),
            (lengths, DECIMAL, 0, b";"),
            (np.where(moved, 400, 8), DECIMAL, 0, b";"),
            (moved.astype(np.int64), DECIMAL, 0, b";"),
            (ones, DECIMAL, 0, b";"),
            (ones, DECIMAL, 0, b";"),
            (np.where(moved, 0, np.rint(60000 / np.maximum(lengths, 1))), DECIMAL, 0, b"\n"),
        ]
    )


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
