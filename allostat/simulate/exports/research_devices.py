"""Writers of research devices: OpenSignals, Shimmer, BioHarness, Movesense, Hexoskin, BIOPAC."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.text_table import DECIMAL, format_rows
from allostat.recording import NS_PER_S
from allostat.simulate.exports.archive import local_offset_s, write_zip
from allostat.simulate.exports.worn import Worn
from allostat.simulate.seeds import random_stream

Ints = NDArray[np.int64]

_BITALINO_STEP_UV = 3.3 / 1100 / 1024 * 1e6
"""One step of the 10-bit converter of a BITalino ECG sensor."""
_ZEPHYR_ROW_MS = 56


def _local_start_ms(worn: Worn) -> int:
    return worn.start_ns // 1_000_000 + local_offset_s(worn.start_ns, worn.timezone) * 1000


def write_open_signals_export(worn: Worn, folder: Path) -> Path:
    """OpenSignals text of a BITalino: packet counter, four digital channels, ECG at 1000 Hz in steps of 10 bits."""
    path = folder / f"{worn.person.id}_opensignals.txt"
    ecg = worn.ecg(1000.0).samples
    digital = np.clip(np.rint(ecg / _BITALINO_STEP_UV) + 512, 0, 1023).astype(np.int64)
    start = datetime.fromtimestamp(_local_start_ms(worn) / 1000, UTC)
    header = {
        "02:00:00:00:00:00": {
            "sensor": ["ECG"],
            "device name": "02:00:00:00:00:00",
            "column": ["nSeq", "I1", "I2", "O1", "O2", "A1"],
            "time": start.strftime("%H:%M:%S.%f")[:-3],
            "comments": "",
            "date": f"{start.year}-{start.month}-{start.day}",
            "firmware version": 1281,
            "device": "bitalino_rev",
            "sampling rate": 1000,
            "label": ["A1"],
            "resolution": [4, 1, 1, 1, 1, 10],
        }
    }
    count = np.arange(len(digital)) % 16
    none = np.zeros(len(digital), np.int64)
    columns = [(count, DECIMAL, 0, b"\t"), *((none, DECIMAL, 0, b"\t"),) * 4, (digital, DECIMAL, 0, b"\t\n")]
    head = f"# OpenSignals Text File Format\n# {json.dumps(header)}\n# EndOfHeader\n"
    path.write_bytes(head.encode() + format_rows(columns))
    return path


def write_shimmer_export(worn: Worn, folder: Path) -> Path:
    """Consensys CSV: Unix time in ms as a float, two leads in mV at 256 Hz, acceleration."""
    path = folder / f"{worn.person.id}_Session1_Shimmer_40AC_Calibrated_SD.csv"
    ecg = worn.ecg(256.0).samples
    rng = random_stream(worn.seed, worn.person.id, "shimmer")
    acc = np.rint(rng.normal((0.4, -0.2, 9.7), 0.05, (len(ecg), 3)) * 1e6).astype(np.int64)
    parts = ["Timestamp_Unix", "ECG_LL-RA_24BIT", "ECG_LA-RA_24BIT", "Accel_LN_X", "Accel_LN_Y", "Accel_LN_Z"]
    units = ["ms", "mV", "mV", "m/(s^2)", "m/(s^2)", "m/(s^2)"]
    times = worn.start_ns / 1e6 + np.arange(len(ecg)) * (1000 / 256)
    lines = ['"sep=;"', ";".join(f"Shimmer_40AC_{p}_CAL" for p in parts) + ";", ";".join(units) + ";"]
    for i, at in enumerate(times.tolist()):
        power = f"{at:.15e}".replace("e+", "E")
        x, y, z = acc[i].tolist()
        lines.append(f"{power};{ecg[i] / 1000};{ecg[i] / 2000};{x / 1e6};{y / 1e6};{z / 1e6};")
    path.write_text("\n".join(lines) + "\n")
    return path


def write_zephyr_export(worn: Worn, folder: Path) -> Path:
    """BioHarness folder: RR intervals in s held in rows of 56 ms whose sign turns at each beat, and the summary."""
    path = folder / f"{worn.person.id}_bioharness"
    path.mkdir(parents=True, exist_ok=True)
    start_ms = _local_start_ms(worn)
    start = datetime.fromtimestamp(start_ms / 1000, UTC)
    stem = f"Record_1_{start:%Y_%m_%d-%H_%M_%S}"
    rows_ms = np.arange(0, int(worn.duration_s * 1000), _ZEPHYR_ROW_MS)
    beats_ms = np.rint(worn.beat_times_s * 1000).astype(np.int64)
    lengths = np.concatenate([[0], np.diff(beats_ms)])
    last = np.searchsorted(beats_ms, rows_ms, side="right") - 1
    held = np.where(last >= 1, lengths[np.maximum(last, 0)] * np.where(last % 2, 1, -1), 0)
    lines = ["Timestamp,BR,RtoR"]
    lines += [
        f"{_zephyr_stamp(start_ms + int(at))},1000,{value / 1000:g}" for at, value in zip(rows_ms, held, strict=True)
    ]
    (path / f"{stem}_BR_RR.csv").write_text("\n".join(lines) + "\n")
    _, rate = worn.heart_rate(1.0 if worn.duration_s < 2 else 10.0)
    summary = ["Timestamp,HR,BR,Temp,Posture,Activity"]
    filled = np.where(np.isnan(rate), 0, np.rint(rate)).astype(np.int64)
    summary += [
        f"{_zephyr_stamp(start_ms + i * 1000)},{hr},14.0,-3276.8,5,0.02" for i, hr in enumerate(filled.tolist())
    ]
    (path / f"{stem}_General.csv").write_text("\n".join(summary) + "\n")
    return path


def _zephyr_stamp(local_ms: int) -> str:
    return datetime.fromtimestamp(local_ms / 1000, UTC).strftime("%d/%m/%Y %H:%M:%S.%f")[:-3]


def write_movesense_export(worn: Worn, folder: Path) -> Path:
    """Movesense JSON: ECG in packets of 16 samples at 128 Hz and beats, stamped in ms since the device was started."""
    path = folder / f"{worn.person.id}_movesense.json"
    ecg = worn.ecg(128.0).samples
    booted_ms = 90_000
    whole = len(ecg) // 16 * 16
    packets = [
        {"Samples": ecg[at : at + 16].tolist(), "Timestamp": booted_ms + round(at * 1000 / 128)}
        for at in range(0, whole, 16)
    ]
    lengths = np.rint(np.diff(worn.beats_ns) / 1e6).astype(int)
    ends = booted_ms + np.rint(worn.beat_times_s[1:] * 1000).astype(int)
    beats = [{"RR": rr, "SNR": 16, "Timestamp": at} for rr, at in zip(lengths.tolist(), ends.tolist(), strict=True)]
    path.write_text(json.dumps({"Meas": {"ECG": packets}, "Algo": {"ECGRR": beats}}))
    return path


def write_hexoskin_export(worn: Worn, folder: Path) -> Path:
    """Hexoskin archive: ECG of 12 bits at 256 Hz as a wave, RR intervals in 1/256 s, the start in 1/256 s."""
    path = folder / f"{worn.person.id}_hexoskin.zip"
    samples = np.clip(np.rint(worn.ecg(256.0).samples / 6.4) + 2048, 0, 4095).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, 1, 256, 512, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(samples)) + samples
    ticks = np.rint(worn.beat_times_s * 256).astype(np.int64)
    rows = [(0.0, 0), *zip((ticks[1:] / 256).tolist(), np.diff(ticks).tolist(), strict=True)]
    table = "time [s],RR_interval [s/256]\n" + "".join(f"{at:.8f},{length}\n" for at, length in rows)
    info = {"timestamp": worn.start_ns // NS_PER_S * 256, "devices": ["HX00000000"], "user": "simulated"}
    members = {
        "record/ECG_I.wav": b"RIFF" + struct.pack("<I", len(body)) + body,
        "record/RR_interval.csv": table.encode(),
        "record/info.json": json.dumps(info).encode(),
    }
    write_zip(path, members)
    return path


def write_biopac_export(worn: Worn, folder: Path) -> Path:
    """AcqKnowledge 2.0 file of one ECG channel of 16-bit integers at 500 Hz in steps of 0.5 uV."""
    path = folder / f"{worn.person.id}.acq"
    samples = (worn.ecg(500.0).samples.astype(np.int64) * 2).astype("<i2")
    graph = struct.pack(
        "<hIihhh5d4h6hhdh40s10s6h",
        0, 32, 196, 1, 0, 0, 2.0, 0.0, 1.0, 0.0, 0.0, *[0] * 4, *[0] * 6, 0, 0.0, 0, b"milliseconds", b"ms", *[0] * 6,
    )  # fmt: skip
    graph = graph[:6] + struct.pack("<i", len(graph)) + graph[10:]
    channel = struct.pack(
        "<ih40s4Bhdd20siddhh",
        0, 0, b"ECG", 0, 0, 0, 0, 0, 0.0, 1.0, b"mV", len(samples), 0.0005, 0.0, 0, 0,
    )  # fmt: skip
    channel = struct.pack("<i", len(channel)) + channel[4:]
    foreign, kind = struct.pack("<hh", 4, 0), struct.pack("<hh", 2, 2)
    markers = struct.pack("<ii", 8, 0)
    path.write_bytes(graph + channel + foreign + kind + samples.tobytes() + markers)
    return path
