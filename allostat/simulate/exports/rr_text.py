"""Writers of beats as text: HRV Logger, Elite HRV, Selfloops, VNS Analyse, plain lists, labelled instants."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.text_table import CLOCK_SECOND, DECIMAL, format_rows
from allostat.recording import NS_PER_S
from allostat.simulate.exports.archive import local_offset_s, write_text
from allostat.simulate.exports.worn import Worn
from allostat.zones import zone_info

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NS_PER_MS = 1_000_000


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


def write_hrv_logger_export(worn: Worn, folder: Path) -> Path:
    """HRV Logger file of all beats."""
    path = folder / f"{worn.start_date}_RR_{worn.person.id}.csv"
    write_hrv_logger_rr(path, worn.beats_ns, worn.timezone)
    return path


def write_elite_hrv_export(worn: Worn, folder: Path) -> Path:
    """Elite HRV file of all beats."""
    return write_elite_hrv(folder, worn.beats_ns, worn.timezone)


def write_selfloops_export(worn: Worn, folder: Path) -> Path:
    """Selfloops file of all beats."""
    path = folder / f"selfloops_{worn.person.id}.txt"
    write_selfloops(path, worn.beats_ns, worn.timezone)
    return path


def write_plain_rr_export(worn: Worn, folder: Path) -> Path:
    """Plain intervals of all beats."""
    path = folder / f"{worn.person.id}_rr.txt"
    write_plain_rr(path, np.diff(worn.beats_ns) / NS_PER_MS)
    return path


def write_vns_analyse_export(worn: Worn, folder: Path) -> Path:
    """VNS Analyse text: parameters, intervals as recorded in s with a note, and the app's corrected list below."""
    _, lengths = whole_ms_intervals(worn.beats_ns)
    local = datetime.fromtimestamp(int(worn.beats_ns[0]) // NS_PER_S, zone_info(worn.timezone))
    recorded = [f"{ms / 1000:.3f}\t" for ms in lengths.tolist()]
    recorded[min(5, len(recorded) - 1)] += "Notiz: canary"
    corrected = [f"{min(max(ms, 600), 1200) / 1000:.3f}\t" for ms in lengths.tolist()]
    lines = [
        "VNS Analyse", "Name\tcanary", "Herzfrequenz\t61", "", "RR-Intervalle - Rohwerte (Nicht aktiv)", *recorded, "",
        "RR-Intervalle - Korrigierte Werte (Aktiv)", *corrected,
    ]  # fmt: skip
    path = folder / f"{local:%d.%m.%Y %H.%M} {worn.person.id} 0h 06min.txt"
    path.write_bytes("\r\n".join(lines).encode("latin-1") + b"\r\n")
    return path


def write_beat_instants_export(worn: Worn, folder: Path) -> Path:
    """Beats of a Holter analysis: seconds since the start and a label in each line, below a number of the recording."""
    seconds = [f"{ns / NS_PER_S:.3f}" for ns in (worn.beats_ns - worn.start_ns).tolist()]
    path = folder / f"holter_{worn.person.id}.txt"
    write_text(path, ("00000000\n" + "".join(f"{at}    N\n" for at in seconds)).encode())
    return path
