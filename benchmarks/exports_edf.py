"""Speed of EDF and ISHNE against pyedflib, edfio and reading bytes: CPU seconds, median of interleaved repeats.

    python -m benchmarks.exports_edf

A day of ECG at 250 Hz with acceleration (56 MB), and a Holter recording of 104 MB, are written into a temporary folder.
Peak memory is that of a process of its own that only reads.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from allostat.adapter import ReadOptions
from allostat.source import Source

REPEATS = 7
DAY_S = 86_400

PEAK = """
import sys
from pathlib import Path
from benchmarks import exports_edf as bench
bench.warm(sys.argv[1])
before = bench.resident_mib("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
kept = getattr(bench, sys.argv[1])(Path(sys.argv[2]))
print(bench.resident_mib("VmHWM") - before, sum(a.nbytes for a in kept) / 2**20)
"""
"""Linux keeps the highest resident memory of a process and forgets it on demand; a child's own count begins with its
parent's."""


def resident_mib(field: str) -> float:
    """A field of the process's status in MiB."""
    (line,) = [text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith(field + ":")]
    return int(line.split()[1]) / 1024


def edf_arrays(path: Path) -> list[np.ndarray[Any, Any]]:
    """Digital integers of all signals, by allostat's reader of records."""
    from allostat_devices.edf_header import FIXED_BYTES, parse_header
    from allostat_devices.edf_records import complete_records, read_records

    with path.open("rb") as stream:
        header = parse_header(stream.read(FIXED_BYTES * 20), path.name)
        stream.seek(header.bytes)
        count, _ = complete_records(header, path.stat().st_size)
        return list(read_records(stream, header, count, path.name).samples)


def edf_recording(path: Path) -> list[np.ndarray[Any, Any]]:
    """The whole recording: clocks, calibration, and the hash of the file for its provenance."""
    from allostat_devices.edf import ADAPTER

    (recording,) = ADAPTER.read(Source(path), ReadOptions())
    return [signal.samples for signal in recording.signals.values()]


def edfio_digital(path: Path) -> list[np.ndarray[Any, Any]]:
    import edfio

    return [np.array(signal.digital) for signal in edfio.read_edf(path).signals]


def pyedflib_digital(path: Path) -> list[np.ndarray[Any, Any]]:
    import pyedflib

    with pyedflib.EdfReader(str(path)) as reader:
        return [reader.readSignal(i, digital=True) for i in range(reader.signals_in_file)]


def pyedflib_physical(path: Path) -> list[np.ndarray[Any, Any]]:
    import pyedflib

    with pyedflib.EdfReader(str(path)) as reader:
        return [reader.readSignal(i) for i in range(reader.signals_in_file)]


def ishne_recording(path: Path) -> list[np.ndarray[Any, Any]]:
    from allostat_devices.ishne import ADAPTER

    (recording,) = ADAPTER.read(Source(path), ReadOptions())
    return [signal.samples for signal in recording.signals.values()]


def ishne_arrays(path: Path) -> list[np.ndarray[Any, Any]]:
    from allostat_devices.ishne import lead_samples

    return list(lead_samples(Source(path), path.name))


def bytes_alone(path: Path) -> list[np.ndarray[Any, Any]]:
    """The yardstick: the file into memory, nothing else."""
    return [np.fromfile(path, np.uint8)]


def hash_alone(path: Path) -> list[np.ndarray[Any, Any]]:
    Source(path).sha256()
    return []


def warm(name: str) -> None:
    """Import what a reader needs and let it read a small file."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_edf_day(Path(folder), 60) if "ishne" not in name else write_holter(Path(folder), 60)
        globals()[name](path)


def write_edf_day(folder: Path, seconds: int = DAY_S) -> Path:
    from allostat.simulate.exports.waveforms import EdfTrack, write_edf

    rng = np.random.default_rng(1)
    limits = (-32768, 32767)
    physical = ("-32768", "32767")
    ecg = rng.integers(-2000, 2000, seconds * 250).astype(np.int16)
    acc = [rng.integers(-1000, 1000, seconds * 25).astype(np.int16) for _ in range(3)]
    tracks = [EdfTrack("ECG", ecg, 250, "uV", physical, limits)]
    tracks += [EdfTrack(f"Accelerometer_{a}", d, 25, "mg", physical, limits) for a, d in zip("XYZ", acc, strict=True)]
    path = folder / f"day_{seconds}.edf"
    write_edf(path, tracks, datetime(2024, 3, 4, 8, 0))  # noqa: DTZ001
    return path


def write_holter(folder: Path, seconds: int = DAY_S) -> Path:
    from allostat.simulate.exports.containers import write_ishne

    rng = np.random.default_rng(1)
    leads = rng.integers(-2000, 2000, (seconds * 200, 3)).astype(np.int16)
    path = folder / f"holter_{seconds}.ecg"
    write_ishne(path, leads, 200, 2500, datetime(2024, 3, 4, 8, 0))  # noqa: DTZ001
    return path


def cpu_medians(readers: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, tuple[float, float]]:
    """Median and minimum CPU s of each reader, taking turns."""
    spent: dict[str, list[float]] = {name: [] for name in readers}
    for _ in range(repeats):
        for name, call in readers.items():
            start = time.process_time()
            call()
            spent[name].append(time.process_time() - start)
    return {name: (statistics.median(times), min(times)) for name, times in spent.items()}


def peak_mib(reader: str, path: Path) -> tuple[float, float]:
    """Growth of resident memory in MiB while reading, and MiB of the arrays that were kept."""
    run = subprocess.run(
        [sys.executable, "-c", PEAK, reader, str(path)], capture_output=True, text=True, check=True
    )  # fmt: skip
    grown, kept = run.stdout.split()
    return float(grown), float(kept)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        day, holter = write_edf_day(Path(folder)), write_holter(Path(folder))
        for path, own, names in (
            (day, "edf_arrays", ["edf_arrays", "edf_recording", "edfio_digital", "bytes_alone", "hash_alone"]),
            (holter, "ishne_arrays", ["ishne_arrays", "ishne_recording", "bytes_alone", "hash_alone"]),
        ):
            print(f"{path.name}: {path.stat().st_size / 1e6:.0f} MB")
            medians = cpu_medians({name: lambda n=name, p=path: globals()[n](p) for name in names})
            if path is day:
                slow = {n: lambda n=n: globals()[n](day) for n in ("pyedflib_digital", "pyedflib_physical")}
                medians |= cpu_medians(slow, 2)
            for name, (median, least) in medians.items():
                ratio = median / medians[own][0]
                print(f"  {name:18s} median {median * 1000:8.1f} ms  min {least * 1000:8.1f} ms  {ratio:6.1f} x")
            for name in (own, own.split("_")[0] + "_recording"):
                grown, kept = peak_mib(name, path)
                print(f"  {name:18s} peak memory {grown:.0f} MiB above the start, of which {kept:.0f} MiB are samples")


if __name__ == "__main__":
    main()
