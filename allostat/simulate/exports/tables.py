"""Writers of tables with a sidecar, as BIDS has it, of samples or of R peaks, and of a table that describes itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.text_table import DECIMAL, format_rows
from allostat.recording import NS_PER_S
from allostat.simulate.exports.archive import local_offset_s, write_text
from allostat.simulate.exports.worn import Worn

_RATE_HZ = 250.0
_TABLE_HZ = 125.0


def write_bids_physio_export(worn: Worn, folder: Path) -> Path:
    """BIDS ``*_physio.tsv.gz`` of an ECG in mV and a pulse wave at 250 Hz, without header, and its JSON beside it.

    The JSON holds the local start as well, which BIDS leaves to another file.
    """
    path = folder / f"{worn.person.id}_task-rest_physio.tsv.gz"
    ecg, ppg = worn.ecg(_RATE_HZ).samples, worn.ppg(_RATE_HZ).samples
    columns: list[tuple[NDArray[np.integer[Any]], int, int, bytes]] = [
        (np.asarray(ecg, np.int64), DECIMAL, 3, b"\t"),
        (np.rint(np.asarray(ppg)).astype(np.int64), DECIMAL, 0, b"\n"),
    ]
    write_text(path, format_rows(columns))
    sidecar = {
        "SamplingFrequency": _RATE_HZ,
        "StartTime": 0,
        "Columns": ["ecg", "cardiac"],
        "ecg": {"Description": "electrocardiogram, lead II", "Units": "mV"},
        "cardiac": {"Description": "continuous pulse measurement", "Units": "a.u."},
        "AcquisitionDateTime": _local_start(worn),
        "Manufacturer": "simulated",
        "DeviceSerialNumber": "00000000",
    }
    path.with_name(path.name.replace(".tsv.gz", ".json")).write_text(json.dumps(sidecar, indent=1) + "\n")
    return path


def _local_start(worn: Worn) -> str:
    local_s = worn.start_ns // NS_PER_S + local_offset_s(worn.start_ns, worn.timezone)
    return datetime.fromtimestamp(local_s, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def write_r_peaks_export(worn: Worn, folder: Path) -> Path:
    """R peaks as sample numbers at 250 Hz, one a line without header, and the JSON with their rate beside them."""
    path = folder / f"{worn.person.id}_r_peaks.tsv"
    samples = np.rint((worn.beats_ns - worn.start_ns) * (_RATE_HZ / NS_PER_S)).astype(np.int64)
    write_text(path, format_rows([(samples, DECIMAL, 0, b"\n")]))
    sidecar = {"SamplingFrequency": _RATE_HZ, "Columns": ["r_peak"], "AcquisitionDateTime": _local_start(worn)}
    path.with_suffix(".json").write_text(json.dumps(sidecar, indent=1) + "\n")
    return path


def write_signal_table_export(worn: Worn, folder: Path) -> Path:
    """Table of a laboratory: ``Time [s],RESP,PLETH,II [mV]`` at 125 Hz, time in s since the start."""
    path = folder / f"{worn.person.id}_signals.csv"
    ecg, ppg = worn.ecg(_TABLE_HZ).samples, worn.ppg(_TABLE_HZ).samples
    n = min(len(ecg), len(ppg))
    milliseconds = np.arange(n, dtype=np.int64) * 8
    resp = np.rint(500 + 200 * np.sin(2 * np.pi * 0.25 * np.arange(n) / _TABLE_HZ)).astype(np.int64)
    columns: list[tuple[NDArray[np.integer[Any]], int, int, bytes]] = [
        (milliseconds, DECIMAL, 3, b","),
        (resp, DECIMAL, 3, b","),
        (np.rint(np.asarray(ppg[:n])).astype(np.int64), DECIMAL, 0, b","),
        (np.asarray(ecg[:n], np.int64), DECIMAL, 3, b"\n"),
    ]
    write_text(path, b"Time [s],RESP,PLETH,II [mV]\n" + format_rows(columns))
    return path
