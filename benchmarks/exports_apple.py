"""Reading an Apple Health export of 500 MB, beside expat and lxml.

    python -m benchmarks.exports_apple
    python -m benchmarks.exports_apple --mb 50 --peers-mb 50

The export of a simulated person is written into a temporary folder. CPU time of this process, median of repeats;
the file lies in the cache. The parsers read a smaller export, because they take long; allostat reads that one too, and
their ratio is told. They collect attributes of wanted elements as text, allostat gives typed arrays with beats.
Hashing for provenance and inflating the zip are told apart from reading.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from xml.parsers import expat

from allostat.adapter import ReadOptions
from allostat.simulate import simulate_participant, simulate_worn
from allostat.simulate.exports.apple import AppleHabits, write_apple_xml
from allostat.source import Source
from allostat_devices.apple_health import ADAPTER
from allostat_devices.apple_records import KEYS, read_export

MB_PER_DAY = 8.2
HABITS = AppleHabits(
    heart_rate_s=10, hrv_s=1310, steps_s=17, export_zone="America/New_York", twelve_hours=True, well_formed=True
)
TARGET_S = 1.5
TARGET_MB = 300


def write_twin(path: Path, megabytes: float) -> None:
    """``export.xml`` of about a size: half of its records wanted, a minute of beats for every 80 heart rates."""
    hours = max(round(megabytes / MB_PER_DAY * 24), 1)
    person = simulate_participant("sub-001", 3)
    worn = simulate_worn(person, datetime(2024, 3, 4, 22, tzinfo=UTC), hours, "Europe/Vienna")
    with path.open("wb") as stream:
        write_apple_xml(worn, stream, HABITS)


def read_ours(path: Path) -> Any:
    with path.open("rb") as stream:
        return read_export(stream, path.name, hashed=False)


def read_adapter(path: Path) -> Any:
    return list(ADAPTER.read(Source(path), ReadOptions()))


def read_expat(path: Path) -> int:
    found: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "InstantaneousBeatsPerMinute" or (name == "Record" and attributes["type"] in KEYS):
            found.append(attributes)

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    with path.open("rb") as stream:
        parser.ParseFile(stream)
    return len(found)


def read_lxml(path: Path) -> int:
    from lxml import etree  # type: ignore[import-untyped]

    found: list[dict[str, str]] = []
    for _, element in etree.iterparse(str(path), events=("end",), huge_tree=True):
        name = element.tag
        if name == "InstantaneousBeatsPerMinute" or (name == "Record" and element.get("type") in KEYS):
            found.append(dict(element.attrib))
        if name in ("Record", "Correlation", "Workout"):
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    return len(found)


def hash_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def inflate(path: Path) -> int:
    total = 0
    with Source(path).open() as stream:
        while block := stream.read(1 << 24):
            total += len(block)
    return total


def timed(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """CPU seconds of each call, the calls taking turns."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            start = time.process_time()
            call()
            taken[name].append(time.process_time() - start)
    return taken


def peak_mb(path: Path) -> dict[str, float]:
    """Peak of resident memory while one process reads the export, above what it had before, and its result, in MB."""
    command = [sys.executable, "-m", "benchmarks.exports_apple", "--peak-of", str(path)]
    told: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    return told


def resident_mb(field: str) -> float:
    """Resident memory now (``VmRSS``) or at most (``VmHWM``); what a parent process had is not counted, on Linux."""
    found = re.search(rf"^{field}:\s*(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1e3 if found else float("nan")


def tell_peak(path: Path, small: Path) -> None:
    read_ours(small)
    before = resident_mb("VmRSS")
    export = read_ours(path)
    peak = resident_mb("VmHWM")
    result = sum(value.nbytes for value in vars(export).values() if hasattr(value, "nbytes")) / 1e6
    print(json.dumps({"process": peak, "above": peak - before, "result": result}))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=500.0, help="size of the export")
    parser.add_argument("--peers-mb", type=float, default=50.0, help="size of the export that expat and lxml read")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peak-of", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.peak_of:
        tell_peak(chosen.peak_of, chosen.peak_of.with_name("small.xml"))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), chosen.mb, chosen.peers_mb, chosen.repeats)
    return 0


def measure(folder: Path, megabytes: float, peers_mb: float, repeats: int) -> None:
    large, small, packed = folder / "export.xml", folder / "small.xml", folder / "export.zip"
    write_twin(large, megabytes)
    write_twin(small, peers_mb)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.write(large, "apple_health_export/export.xml")
    export = read_ours(small)
    export = read_ours(large)
    records, wanted, beats = sum(export.counts.values()), len(export.row), len(export.beat_bpm)
    size = large.stat().st_size / 1e6
    print(f"{size:.0f} MB, {records:,} records, {wanted:,} wanted, {beats:,} beats; CPU s, median (least)")
    del export
    taken = timed({"records and beats": lambda: read_ours(large)}, repeats)
    taken |= timed({"adapter, all recordings": lambda: read_adapter(large)}, 1)
    taken |= timed({"  of it SHA-256": lambda: hash_file(large), "inflating the zip": lambda: inflate(packed)}, 1)
    for name, seconds in taken.items():
        print(f"  {name:<26}{median(seconds):8.2f} ({min(seconds):.2f})")
    print(f"  target {TARGET_S} s: {'met' if median(taken['records and beats']) <= TARGET_S else 'missed'}")
    memory = peak_mb(large)
    above = memory["above"] - memory["result"]
    print(f"  peak memory {memory['process']:.0f} MB of the process, {above:.0f} MB above start and result", end="; ")
    print(f"target {TARGET_MB} MB: {'met' if memory['process'] - memory['result'] <= TARGET_MB else 'missed'}")
    peers = timed(
        {"allostat": lambda: read_ours(small), "expat": lambda: read_expat(small), "lxml": lambda: read_lxml(small)},
        repeats,
    )
    print(f"{small.stat().st_size / 1e6:.0f} MB")
    for name, seconds in peers.items():
        ratio = median(seconds) / median(peers["allostat"])
        print(f"  {name:<26}{median(seconds):8.2f} ({min(seconds):.2f})  {ratio:5.1f} times")


if __name__ == "__main__":
    raise SystemExit(main())
