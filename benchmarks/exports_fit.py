"""FIT files: the container decoded and the adapter's read, beside the decoders that they replace.

A simulated activity of 0.7 MB and 24,000 messages, and two real activities of that size. The other decoders
(garmin-fit-sdk, fitdecode) decode all fields, as they come.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from allostat.adapter import ReadOptions
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.garmin import fit_activity
from allostat.source import Source
from allostat_devices.fit import ADAPTER
from allostat_devices.fit_container import parts_of
from benchmarks.export_case import ExportCase, Peer, Reader

REAL = (
    "fit_fitparse/2019-02-17-062644-ELEMNT-297E-195-0.fit",
    "fit_fitparse/activity-large-fenxi2-multisport.fit",
)
TWIN_HOURS = 3.2
"""Long enough for 24,000 messages of records and RR."""
BAR_S = 0.1


def decode(path: Path) -> object:
    """Every number field of every message as float64 columns with NaN."""
    parts = parts_of(path.read_bytes(), path.name)
    for part in parts:
        for _ in part.decoded():
            pass
    return sum(part.records for part in parts)


def read(path: Path) -> object:
    """What a user gets: recordings with beats, series, zone, notices and the hash of the file."""
    return list(ADAPTER.read(Source(path), ReadOptions()))


def garmin_fit_sdk(path: Path) -> object:
    from garmin_fit_sdk import Decoder, Stream

    return Decoder(Stream.from_file(str(path))).read()


def fitdecode(path: Path) -> object:
    import fitdecode as library

    count = 0
    with library.FitReader(str(path)) as reader:
        for frame in reader:
            if frame.frame_type == library.FIT_FRAME_DATA:
                count += sum(1 for one in frame.fields if one.value is not None)
    return count


PEERS: dict[str, Reader] = {"garmin_fit_sdk": garmin_fit_sdk, "fitdecode": fitdecode}
"""Decoders by the name under which they are imported."""


def twin(folder: Path, hours: float) -> Path:
    """A simulated activity: records with heart rate, cadence and speed, RR, strap memory."""
    person = simulate_participant("sub-001", 1)
    worn = simulate_worn(person, datetime(2024, 3, 4, 7, 0), hours, "Europe/Vienna")  # noqa: DTZ001
    path = folder / f"simulated_{hours:g}.fit"
    path.write_bytes(fit_activity(worn))
    return path


def cases(folder: Path) -> Iterator[ExportCase]:
    """The container of each file against the bar, and the adapter's read."""
    small, large = twin(folder, 0.05), twin(folder, TWIN_HOURS)
    root = os.environ.get("ALLOSTAT_RECORDINGS")
    real = [Path(root) / name for name in REAL if (Path(root) / name).is_file()] if root else []
    installed = tuple(Peer(name, peer) for name, peer in PEERS.items() if importlib.util.find_spec(name))
    for path in (large, *real):
        kind = "simulated" if path == large else "real"
        yield ExportCase(f"FIT, {kind}, decoded", path, small, "benchmarks.exports_fit:decode", BAR_S, installed)
        yield ExportCase(f"FIT, {kind}, adapter", path, small, "benchmarks.exports_fit:read")
