"""Writers of Polar exports: ECG logger and Polar Sensor Logger."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.kernels.text_table import CLOCK_MILLISECOND, DECIMAL, EMPTY, SCIENTIFIC, TRIMMED, format_rows
from allostat.recording import NS_PER_S
from allostat.simulate.artefacts import SimulatedSignal
from allostat.simulate.exports.archive import local_offset_s, write_text, write_zip
from allostat.simulate.exports.worn import Worn

Ints = NDArray[np.int64]

NS_PER_MS = 1_000_000
POLAR_EPOCH_S = 946_684_800
"""The sensor clock counts from 2000-01-01 UTC."""


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


def write_polar_ecg_logger_export(worn: Worn, folder: Path) -> Path:
    """ECG logger file at the true rate of one strap, 130.04 Hz."""
    path = folder / f"{worn.person.id}_h10.csv"
    write_polar_ecg_logger(path, worn.ecg(130.04), worn.start_ns)
    return path


def write_polar_sensor_logger_export(worn: Worn, folder: Path) -> Path:
    """Polar Sensor Logger folder of a chest strap."""
    path = folder / f"{worn.person.id}_psl"
    write_polar_sensor_logger(path, worn.start_ns, worn.timezone, ecg=worn.ecg(130.0))
    return path


def write_polar_verity_export(worn: Worn, folder: Path) -> Path:
    """Polar Sensor Logger folder of an optical sensor."""
    path = folder / f"{worn.person.id}_verity"
    write_polar_sensor_logger(path, worn.start_ns, worn.timezone, ppg=worn.ppg(55.0))
    return path


def write_polar_wrist_ecg_export(worn: Worn, folder: Path) -> Path:
    """AccessLink JSON of a test of half a minute at 130 Hz, times in whole ms, amplitudes in mV."""
    ecg = worn.ecg(130.0)
    n = min(len(ecg.samples), round(30 * 130.0))
    test = {
        "source_device_id": "A1B2C3D4",
        "test_time": worn.start_ns // NS_PER_S,
        "time_zone_offset": local_offset_s(worn.start_ns, worn.timezone) // 60,
        "average_heart_rate_bpm": round(worn.person.hr_rest),
        "heart_rate_variability_ms": 41.5,
        "heart_rate_variability_level": "ECG_HRV_LEVEL_USUAL",
        "samples": [
            {"recording_time_delta_ms": round(i * 1000 / 130.0), "amplitude_mv": int(ecg.samples[i]) / 1000}
            for i in range(n)
        ],
        "quality_measurements": [
            {"recording_time_delta_ms": 1000 * i, "quality_level": "ECG_QUALITY_HIGH" if i else "ECG_QUALITY_LOW"}
            for i in range(4)
        ],
    }
    path = folder / f"{worn.person.id}_wrist_ecg.json"
    path.write_text(json.dumps([test], indent=1) + "\n", encoding="utf-8")
    return path
