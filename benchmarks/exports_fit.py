"""FIT files: the whole container decoded and the adapter's read, beside the decoders that they replace.

    python -m benchmarks.exports_fit
    python -m benchmarks.exports_fit --rounds 5 --only-own

Files: a simulated activity of 0.7 MB and 24,000 messages, and, where ALLOSTAT_RECORDINGS names the folder of real
recordings, two real activities of that size. CPU time, median over interleaved rounds; peers (garmin-fit-sdk,
fitdecode) with all fields decoded, as they come. The peak is of memory allocated while reading, files included.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from allostat.adapter import ReadOptions
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.garmin import fit_activity
from allostat.source import Source
from allostat_devices.fit import ADAPTER
from allostat_devices.fit_container import parts_of

REAL = (
    "fit_fitparse/2019-02-17-062644-ELEMNT-297E-195-0.fit",
    "fit_fitparse/activity-large-fenxi2-multisport.fit",
)
TWIN_HOURS = 3.2
"""Long enough for 24,000 messages of records and RR."""


def decode(path: Path) -> int:
    """Every number field of every message as float64 columns with NaN; returns the number of messages."""
    parts = parts_of(path.read_bytes(), path.name)
    for part in parts:
        for _ in part.decoded():
            pass
    return sum(part.records for part in parts)


def read(path: Path) -> int:
    """What a user gets: recordings with beats, series, zone, notices and the hash of the file."""
    return sum(1 for _ in ADAPTER.read(Source(path), ReadOptions()))


def garmin_fit_sdk(path: Path) -> int:
    from garmin_fit_sdk import Decoder, Stream

    messages, _ = Decoder(Stream.from_file(str(path))).read()
    return sum(len(rows) for rows in messages.values())


def fitdecode(path: Path) -> int:
    import fitdecode as library

    count = 0
    with library.FitReader(str(path)) as reader:
        for frame in reader:
            if frame.frame_type == library.FIT_FRAME_DATA:
                count += 1
                for one in frame.fields:
                    _ = one.value
    return count


OWN: dict[str, Callable[[Path], int]] = {"allostat, container decoded": decode, "allostat, adapter": read}
PEERS: dict[str, Callable[[Path], int]] = {"garmin_fit_sdk": garmin_fit_sdk, "fitdecode": fitdecode}
"""Decoders by the name under which they are imported."""


@dataclass
class Measured:
    """CPU seconds of one reader on one file."""

    seconds: list[float] = field(default_factory=list)
    messages: int = 0
    peak_mb: float = 0.0


def twin(folder: Path) -> Path:
    """A simulated activity: records with heart rate, cadence and speed, RR, strap memory."""
    person = simulate_participant("sub-001", 1)
    worn = simulate_worn(person, datetime(2024, 3, 4, 7, 0), TWIN_HOURS, "Europe/Vienna")  # noqa: DTZ001
    path = folder / "simulated.fit"
    path.write_bytes(fit_activity(worn))
    return path


def files(folder: Path) -> Iterator[Path]:
    yield twin(folder)
    root = os.environ.get("ALLOSTAT_RECORDINGS")
    if root:
        yield from (Path(root) / name for name in REAL if (Path(root) / name).is_file())


def measure(path: Path, readers: dict[str, Callable[[Path], int]], rounds: int) -> dict[str, Measured]:
    found = {name: Measured() for name in readers}
    for name in OWN:
        readers[name](path)  # imports and caches
        tracemalloc.start()
        readers[name](path)
        found[name].peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    for _ in range(rounds):
        for name, reader in readers.items():
            before = time.process_time()
            found[name].messages = reader(path)
            found[name].seconds.append(time.process_time() - before)
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only-own", action="store_true", help="leave the other decoders out")
    chosen = parser.parse_args(arguments)
    installed = {name: peer for name, peer in PEERS.items() if importlib.util.find_spec(name)}
    readers = OWN if chosen.only_own else OWN | installed
    if not chosen.only_own:
        for name in sorted(PEERS.keys() - installed.keys()):
            print(f"left out: {name} is not installed", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        for path in files(Path(folder)):
            found = measure(path, readers, chosen.rounds)
            own = statistics.median(found["allostat, container decoded"].seconds)
            messages = found["allostat, container decoded"].messages
            print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {messages} messages")
            for name, measured in found.items():
                cpu = statistics.median(measured.seconds)
                peak = f", peak {measured.peak_mb:.0f} MB" if name in OWN else ""
                print(f"  {name:<28} {1000 * cpu:9.1f} ms CPU, {cpu / own:6.1f} times{peak}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
