"""EDF and ISHNE against pyedflib, edfio and reading bytes.

A day of ECG at 250 Hz with acceleration (56 MB), and a Holter recording of 104 MB.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np

from allostat.adapter import ReadOptions
from allostat.source import Source
from benchmarks.export_case import ExportCase, Peer

DAY_S = 86_400
BAR_S = 0.06


def edf_arrays(path: Path) -> object:
    """Digital integers of all signals, by allostat's reader of records."""
    from allostat_devices.edf_header import FIXED_BYTES, parse_header
    from allostat_devices.edf_records import complete_records, read_records

    with path.open("rb") as stream:
        header = parse_header(stream.read(FIXED_BYTES * 20), path.name)
        stream.seek(header.bytes)
        count, _ = complete_records(header, path.stat().st_size)
        return list(read_records(stream, header, count, path.name).samples)


def edf_recording(path: Path) -> object:
    """The whole recording: clocks, calibration, and the hash of the file for its provenance."""
    from allostat_devices.edf import ADAPTER

    return list(ADAPTER.read(Source(path), ReadOptions()))


def edfio_digital(path: Path) -> object:
    import edfio

    return [np.array(signal.digital) for signal in edfio.read_edf(path).signals]


def pyedflib_digital(path: Path) -> object:
    import pyedflib

    with pyedflib.EdfReader(str(path)) as reader:
        return [reader.readSignal(i, digital=True) for i in range(reader.signals_in_file)]


def pyedflib_physical(path: Path) -> object:
    import pyedflib

    with pyedflib.EdfReader(str(path)) as reader:
        return [reader.readSignal(i) for i in range(reader.signals_in_file)]


def ishne_recording(path: Path) -> object:
    from allostat_devices.ishne import ADAPTER

    return list(ADAPTER.read(Source(path), ReadOptions()))


def ishne_arrays(path: Path) -> object:
    from allostat_devices.ishne import lead_samples

    return list(lead_samples(Source(path), path.name))


def bytes_alone(path: Path) -> object:
    """The yardstick: the file into memory, nothing else."""
    return np.fromfile(path, np.uint8)


def hash_alone(path: Path) -> object:
    return Source(path).sha256()


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


def cases(folder: Path) -> Iterator[ExportCase]:
    """Arrays against the bar, and the adapter's recording beside the time that its hash takes."""
    day, short_day = write_edf_day(folder), write_edf_day(folder, 60)
    peers = [Peer("reading bytes", bytes_alone)]
    if importlib.util.find_spec("edfio"):
        peers.append(Peer("edfio, digital", edfio_digital))
    if importlib.util.find_spec("pyedflib"):
        peers += [Peer("pyedflib, digital", pyedflib_digital), Peer("pyedflib, physical", pyedflib_physical)]
    hashing = (Peer("its hash alone", hash_alone),)
    here = "benchmarks.exports_edf"
    yield ExportCase("EDF, a day at 250 Hz, arrays", day, short_day, f"{here}:edf_arrays", BAR_S, tuple(peers))
    yield ExportCase("EDF, a day at 250 Hz, adapter", day, short_day, f"{here}:edf_recording", None, hashing)
    holter, short_holter = write_holter(folder), write_holter(folder, 60)
    reading = (Peer("reading bytes", bytes_alone),)
    yield ExportCase("ISHNE, a day, arrays", holter, short_holter, f"{here}:ishne_arrays", None, reading)
    yield ExportCase("ISHNE, a day, adapter", holter, short_holter, f"{here}:ishne_recording", None, hashing)
