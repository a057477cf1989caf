"""Writers of Empatica exports: E4 archives, EmbracePlus Avro files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.kernels.text_table import DECIMAL, format_rows
from allostat.recording import NS_PER_S
from allostat.simulate.artefacts import SimulatedSignal
from allostat.simulate.exports.archive import local_offset_s, write_zip
from allostat.simulate.exports.worn import Worn
from allostat.simulate.seeds import random_stream

Ints = NDArray[np.int64]

E4_TICK_S = 1 / 64


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


def write_e4_export(worn: Worn, folder: Path) -> Path:
    """E4 archive."""
    path = folder / f"{worn.start_ns // NS_PER_S}_{worn.person.id}.zip"
    rng = random_stream(worn.seed, worn.person.id, "e4")
    write_e4_zip(path, worn.ppg(64.0), worn.start_ns // NS_PER_S, rng)
    return path


_VERSION = {
    "type": "record",
    "name": "empatica.format.avro.Version",
    "fields": [{"name": part, "type": "int"} for part in ("major", "minor", "patch")],
}


def write_embraceplus(
    path: Path,
    start_ns: int,
    offset_s: int,
    *,
    bvp: NDArray[np.floating[Any]],
    acc: NDArray[np.integer[Any]],
    peaks_ns: Ints,
    rate_hz: float = 64.0,
    version: tuple[int, int, int] = (6, 3, 0),
    participant: str = "",
    serial: str = "",
) -> None:
    """One EmbracePlus Avro file.

    Parameters
    ----------
    start_ns
        Start of all streams, UTC.
    offset_s
        Local time minus UTC, declared in the file.
    acc
        (n, 3) counts, 2048 for 1 g. From schema 6.5.0 on the scale is written as a factor.
    rate_hz
        True rate of BVP and acceleration.

    Raises
    ------
    InputError
        When fastavro is not installed (extra ``avro``).
    """
    try:
        import fastavro
    except ImportError as error:
        raise InputError(
            "writing Avro files takes the package fastavro", expected="pip install 'allostat-load[avro]'"
        ) from error
    start_us = start_ns // 1000
    factor = version >= (6, 5, 0)
    numbers = dict(zip(("major", "minor", "patch"), version, strict=True))
    counted: dict[str, float] = {"physicalMin": -16, "physicalMax": 16, "digitalMin": -32768, "digitalMax": 32768}
    scale: dict[str, float] = {"conversionFactor": 1 / 2048} if factor else counted
    no_scale: dict[str, float] = dict.fromkeys(scale, 0)
    one = {"timestampStart": start_us, "samplingFrequency": rate_hz}
    none = {"timestampStart": 0, "samplingFrequency": 0.0}
    axes = {axis: acc[:, k].tolist() for k, axis in enumerate("xyz")}
    seconds = len(bvp) // 64
    record = {
        "schemaVersion": numbers,
        "fwVersion": {"major": 2, "minor": 3, "patch": 10},
        "timezone": offset_s,
        "enrollment": {"participantID": participant, "siteID": "1", "studyID": "1", "organizationID": "1"},
        "deviceSn": serial,
        "deviceModel": "EMBRACEPLUS",
        "rawData": {
            "accelerometer": one | {"imuParams": scale} | axes,
            "gyroscope": none | {"imuParams": no_scale, "x": [], "y": [], "z": []},
            "eda": {"timestampStart": start_us, "samplingFrequency": 4.0, "values": [0.5] * (4 * seconds)},
            "temperature": {"timestampStart": start_us, "samplingFrequency": 1.0, "values": [32.5] * seconds},
            "tags": {"tagsTimeMicros": [start_us + 5_000_000]},
            "bvp": one | {"values": bvp.tolist()},
            "systolicPeaks": {"peaksTimeNanos": peaks_ns.tolist()},
            "steps": {"timestampStart": start_us, "samplingFrequency": 0.2, "values": [0] * (seconds // 5)},
        },
    }
    schema = fastavro.parse_schema(_embraceplus_schema(list(scale), "double" if factor else "int"))
    with path.open("wb") as file:
        fastavro.writer(file, schema, [record], codec="deflate", sync_marker=bytes(16))


def _embraceplus_schema(scale: list[str], scale_type: str) -> dict[str, Any]:
    def record(name: str, fields: dict[str, Any]) -> dict[str, Any]:
        listed = [{"name": field, "type": kind} for field, kind in fields.items()]
        return {"type": "record", "name": f"empatica.format.avro.{name}", "fields": listed}

    def array(items: str) -> dict[str, str]:
        return {"type": "array", "items": items}

    clock = {"timestampStart": "long", "samplingFrequency": "float"}
    axes = {axis: array("int") for axis in "xyz"}
    params = record("ImuParams", dict.fromkeys(scale, scale_type))
    raw = {
        "accelerometer": record("InertialMeasurement", clock | {"imuParams": params} | axes),
        "gyroscope": "empatica.format.avro.InertialMeasurement",
        "eda": record("Eda", clock | {"values": array("float")}),
        "temperature": record("Temperature", clock | {"values": array("float")}),
        "tags": record("Tags", {"tagsTimeMicros": array("long")}),
        "bvp": record("Bvp", clock | {"values": array("float")}),
        "systolicPeaks": record("SystolicPeaks", {"peaksTimeNanos": array("long")}),
        "steps": record("Steps", clock | {"values": array("int")}),
    }
    ids = dict.fromkeys(("participantID", "siteID", "studyID", "organizationID"), "string")
    return record(
        "Session",
        {
            "schemaVersion": _VERSION,
            "fwVersion": "empatica.format.avro.Version",
            "timezone": "int",
            "enrollment": record("Enrollment", ids),
            "deviceSn": "string",
            "deviceModel": "string",
            "rawData": record("RawData", raw),
        },
    )


def write_embraceplus_export(worn: Worn, folder: Path) -> Path:
    """Folder of EmbracePlus files of half an hour, with three seconds missing between one and the next."""
    path = folder / f"{worn.person.id}_embraceplus"
    path.mkdir(parents=True, exist_ok=True)
    ppg = worn.ppg(64.0)
    rng = random_stream(worn.seed, worn.person.id, "embraceplus")
    peaks = worn.start_ns + np.rint(ppg.beat_times_s * NS_PER_S).astype(np.int64)
    length = min(1800, max(int(worn.duration_s) // 2, 10))
    for begin in range(0, int(worn.duration_s) - 5, length):
        end = min(begin + length - 3, int(worn.duration_s))
        at = worn.start_ns + begin * NS_PER_S
        inside = peaks[(peaks >= at) & (peaks < worn.start_ns + end * NS_PER_S)]
        write_embraceplus(
            path / f"1-1-{worn.person.id}_{at // NS_PER_S}.avro",
            at,
            local_offset_s(at, worn.timezone),
            bvp=ppg.samples[begin * 64 : end * 64] / 10.0,
            acc=np.rint(rng.normal((300, 450, -1950), 8, ((end - begin) * 64, 3))).astype(np.int64),
            peaks_ns=inside,
        )
    return path
