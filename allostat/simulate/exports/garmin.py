"""Writers of Garmin exports: FIT activities and wellness files, Connect JSON, Labfront, and a watch logger's CSV."""

from __future__ import annotations

import io
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.recording import NS_PER_S
from allostat.simulate.exports.archive import local_offset_s, write_zip, zip_of
from allostat.simulate.exports.fit_file import FIT_EPOCH_S, FitField, FitWriter, Value
from allostat.simulate.exports.rr_text import whole_ms_intervals
from allostat.simulate.exports.worn import Worn
from allostat.simulate.seeds import random_stream
from allostat.zones import zone_info

Ints = NDArray[np.int64]

NS_PER_MS = 1_000_000
_STAMP = FitField(253, "uint32")
_FILE_ID = (FitField(0, "enum"), FitField(1, "uint16"), FitField(2, "uint16"), FitField(3, "uint32z"),
            FitField(4, "uint32"))  # fmt: skip
_RECORD = (
    _STAMP,
    *(FitField(n, "sint32") for n in (0, 1)),
    *(FitField(n, "uint32") for n in (5, 73, 78, 134)),
    *(FitField(n, "uint16") for n in (7, 39, 40, 41, 83, 84, 85, 87)),
    *(FitField(n, "uint8") for n in (3, 4, 53, 135, 136)),
    FitField(13, "sint8"),
)
"""What a watch with a running sensor writes every second: position, heart rate, speed, distance, height, stride."""
_MOVING: dict[int, Value] = {4: 80, 7: 210, 13: 21, 39: 87, 40: 345, 41: 2460, 53: 64, 73: 2500, 78: 3560, 83: 950,
                             84: 5000, 85: 11_200}  # fmt: skip
_GARMIN, _PRODUCT, _SERIAL = 1, 4024, 3_999_000_001
_BBI_PER_MESSAGE = 15
_STRAP_TICKS = 1024


def fit_activity(worn: Worn, *, every_s: int = 1, strap: bool = True) -> bytes:
    """A FIT activity: records, behind each the RR that ended in its second, and the strap's memory behind all.

    Parameters
    ----------
    every_s
        Seconds between records; RR of skipped seconds follow the record before (smart recording).
    strap
        Whether the strap's event times (message 132) are added.
    """
    start, offset = _fit_seconds(worn.start_ns), local_offset_s(worn.start_ns, worn.timezone)
    seconds = int(worn.duration_s)
    file = FitWriter()
    file.define(0, 0, _FILE_ID)
    file.write(0, {0: 4, 1: _GARMIN, 2: _PRODUCT, 3: _SERIAL, 4: start})
    file.define(1, 2, (FitField(0, "uint8"), FitField(2, "uint32", 2)))
    file.write(1, {0: 0, 2: [offset % 2**32, 0]})
    file.define(2, 21, (_STAMP, FitField(0, "enum"), FitField(1, "enum")))
    file.write(2, {253: start, 0: 0, 1: 0})
    file.define(3, 20, _RECORD)
    file.define(4, 78, (FitField(0, "uint16", 5),))
    ends_ms, lengths = whole_ms_intervals(worn.beats_ns)
    second = (ends_ms - worn.start_ns // NS_PER_MS) // 1000
    for at in range(0, seconds, every_s):
        low, high = np.searchsorted(second, [at, at + every_s])
        rate = round(60_000 / float(lengths[max(high - 1, 0)])) if high else None
        # a position on the open sea, which no reader gives on
        file.write(3, _MOVING | {253: start + at, 0: 1, 1: -357_913_941, 3: rate, 5: 250 * at})
        for first in range(int(low), int(high), 5):
            file.write(4, {0: lengths[first : min(first + 5, high)].tolist()})
    file.write(2, {253: start + seconds, 0: 0, 1: 4})
    file.define(5, 34, (_STAMP, FitField(5, "uint32")))
    file.write(5, {253: start + seconds, 5: start + seconds + offset})
    if strap:
        _write_strap(file, worn, start)
    return file.finished()


def _write_strap(file: FitWriter, worn: Worn, start: int) -> None:
    """Event times as a strap keeps them: one whole, then eight a message in 12 bits, the last message filled up."""
    ticks = np.rint((worn.beats_ns - worn.start_ns) * (_STRAP_TICKS / NS_PER_S)).astype(np.int64) + 5_000_000
    if not len(ticks):
        return
    zero = ticks[0] - 5_000_000
    whole, fraction = divmod(int(zero) * 32, 32 * _STRAP_TICKS)
    file.define(6, 132, (_STAMP, FitField(0, "uint16"), FitField(9, "uint32")))
    file.write(6, {253: start + whole, 0: fraction, 9: int(ticks[0])})
    file.define(7, 132, (FitField(10, "byte", 12),))
    for first in range(1, len(ticks), 8):
        eight = ticks[first : first + 8].tolist()
        eight += [eight[-1]] * (8 - len(eight))
        file.write(7, {10: packed_12(eight)})


def packed_12(ticks: list[int]) -> list[int]:
    """The lowest 12 bits of an even number of counts, two in three bytes, little end first."""
    octets = []
    for a, b in zip(ticks[0::2], ticks[1::2], strict=True):
        low, high = a & 0xFFF, b & 0xFFF
        octets += [low & 0xFF, low >> 8 | (high & 0x0F) << 4, high >> 4]
    return octets


def fit_wellness(worn: Worn) -> bytes:
    """A FIT health file: beats of the wrist sensor, heart rate, stress, breathing, sleep and the night's HRV."""
    start, offset = _fit_seconds(worn.start_ns), local_offset_s(worn.start_ns, worn.timezone)
    file = FitWriter()
    file.define(0, 0, _FILE_ID)
    file.write(0, {0: 32, 1: _GARMIN, 2: _PRODUCT, 3: _SERIAL, 4: start})
    file.define(1, 103, (_STAMP, FitField(0, "uint32")))
    file.write(1, {253: start, 0: start + offset})
    file.define(2, 55, (FitField(26, "uint16"), FitField(27, "uint8")))
    for time_ns, rate in zip(*worn.heart_rate(60.0), strict=True):
        value = None if np.isnan(rate) else round(float(rate))
        file.write(2, {26: _fit_seconds(int(time_ns)) & 0xFFFF, 27: value})
    _write_bbi(file, worn)
    file.define(4, 371, (_STAMP, FitField(0, "uint16")))
    for time_ns, rmssd in zip(*worn.rmssd(300.0), strict=True):
        value = None if np.isnan(rmssd) else round(float(rmssd) * 128)
        file.write(4, {253: _fit_seconds(int(time_ns)), 0: value})
    file.define(5, 275, (_STAMP, FitField(0, "enum")))
    for sleep in worn.sleep:
        file.write(5, {253: _fit_seconds(sleep.bed_ns), 0: 2})
        file.write(5, {253: _fit_seconds(sleep.wake_ns), 0: 1})
    return file.finished()


def _write_bbi(file: FitWriter, worn: Worn) -> None:
    """Message 372, stamped at the last beat of each message; every interval of high confidence."""
    ends_ms, lengths = whole_ms_intervals(worn.beats_ns)
    file.define(3, 372, (_STAMP, FitField(0, "uint16"), FitField(1, "uint16", _BBI_PER_MESSAGE)))
    for first in range(0, len(lengths), _BBI_PER_MESSAGE):
        some = lengths[first : first + _BBI_PER_MESSAGE]
        last_ms = int(ends_ms[first + len(some) - 1])
        seconds, ms = divmod(last_ms, 1000)
        file.write(3, {253: seconds - FIT_EPOCH_S, 0: ms, 1: (some | 0x4000).tolist()})


def _fit_seconds(time_ns: int) -> int:
    return time_ns // NS_PER_S - FIT_EPOCH_S


def write_fit_activity_export(worn: Worn, folder: Path) -> Path:
    """FIT activity with RR and the strap's memory."""
    path = folder / f"{worn.person.id}_activity.fit"
    path.write_bytes(fit_activity(worn))
    return path


def write_fit_wellness_export(worn: Worn, folder: Path) -> Path:
    """FIT health file of a watch worn day and night."""
    path = folder / f"{worn.person.id}_wellness.fit"
    path.write_bytes(fit_wellness(worn))
    return path


def write_garmin_connect_export(worn: Worn, folder: Path) -> Path:
    """Connect JSON of one night's HRV and, in the form of the health service, the day's heart rate."""
    offset = local_offset_s(worn.start_ns, worn.timezone)
    starts, values = worn.rmssd(300.0)
    given = ~np.isnan(values)
    readings = [
        {
            "hrvValue": round(float(value)),
            "readingTimeGMT": _naive(int(time)),
            "readingTimeLocal": _naive(int(time) + local_offset_s(int(time), worn.timezone) * NS_PER_S),
        }
        for time, value in zip(starts[given], values[given], strict=True)
    ]
    night: dict[str, Any] = {"hrvReadings": readings, "userProfilePk": 10_000_001}
    if readings:
        end = worn.start_ns + round(worn.duration_s) * NS_PER_S
        night |= {
            "hrvSummary": {
                "calendarDate": worn.start_date.isoformat(),
                "weeklyAvg": round(float(values[given].mean())),
                "lastNightAvg": round(float(values[given].mean())),
                "lastNight5MinHigh": round(float(values[given].max())),
                "baseline": {"lowUpper": 30, "balancedLow": 33, "balancedUpper": 60},
                "status": "BALANCED",
                "createTimeStamp": _naive(end, "milliseconds"),
            },
            "startTimestampGMT": _naive(worn.start_ns),
            "endTimestampGMT": _naive(end),
        }
    times, rates = worn.heart_rate(15.0)
    seconds = (times - worn.start_ns) // NS_PER_S
    day = {
        "summaryId": "x0000001-00000001",
        "calendarDate": worn.start_date.isoformat(),
        "startTimeInSeconds": worn.start_ns // NS_PER_S,
        "startTimeOffsetInSeconds": offset,
        "timeOffsetHeartRateSamples": {
            str(int(s)): round(float(r)) for s, r in zip(seconds, rates, strict=True) if not np.isnan(r)
        },
    }
    path = folder / f"{worn.person.id}_garmin.json"
    path.write_text(json.dumps([night, day], separators=(",", ":")), encoding="utf-8")
    return path


def write_garmin_account_export(worn: Worn, folder: Path) -> Path:
    """The account export: uploads in two archives inside the archive, under names with the account's address, and JSON.

    A strap's activity of the same time stands in one archive, the watch's health file in the other.
    """
    with tempfile.TemporaryDirectory() as place:
        day = write_garmin_connect_export(worn, Path(place)).read_bytes()
    person = f"{worn.person.id}@example.org"
    uploads = "DI_CONNECT/DI-Connect-Uploaded-Files/UploadedFiles_0-_Part"
    path = folder / f"{worn.person.id}_garmin_account.zip"
    write_zip(
        path,
        {
            "customer_data/customer.json": b'{"emailAddress": "%s"}' % person.encode(),
            f"{uploads}1.zip": zip_of({f"{person}_100000001.fit": fit_activity(worn), "readme.txt": b"no FIT file"}),
            f"{uploads}2.zip": zip_of({f"{person}_100000002.fit": fit_wellness(worn)}),
            "DI_CONNECT/DI-Connect-Wellness/2024-03-04_hrv.json": day,
        },
    )
    return path


def _naive(time_ns: int, digits: str = "") -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_ns // 1000)
    naive = moment.replace(tzinfo=None)
    return naive.isoformat(timespec="milliseconds") if digits else f"{naive.isoformat(timespec='seconds')}.0"


def write_labfront_export(worn: Worn, folder: Path) -> Path:
    """Labfront archive: a folder of the participant with the watch's intervals, a file a day, five lines in front."""
    ends_ms, lengths = whole_ms_intervals(worn.beats_ns)
    zone = zone_info(worn.timezone)
    files: dict[str, bytes] = {}
    days = (ends_ms + local_offset_s(worn.start_ns, worn.timezone) * 1000) // 86_400_000
    for day in np.unique(days):
        rows = np.flatnonzero(days == day)
        text = io.StringIO()
        text.write("projectId,projectName,participantId,participantName,participantEmail\n")
        text.write("p0000001,Simulated,x0000001,Given Family,given.family@example.org\n")
        text.write("\ngarmin-device-bbi\n\n")
        text.write("timezone,unixTimestampInMs,isoDate,bbi\n")
        for ms, bbi in zip(ends_ms[rows].tolist(), lengths[rows].tolist(), strict=True):
            stamp = datetime.fromtimestamp(ms / 1000, zone).isoformat(timespec="milliseconds")
            text.write(f"{worn.timezone},{ms},{stamp},{bbi}\n")
        name = f"{worn.person.id}_x0000001/garmin-device-bbi/{len(files):06d}_garmin-device-bbi.csv"
        files[name] = text.getvalue().encode()
    path = folder / f"{worn.person.id}_labfront.zip"
    write_zip(path, files)
    return path


def write_garmin_logger_export(worn: Worn, folder: Path) -> Path:
    """Watch logger CSV: ``time;kind;value`` in the order of arrival, intervals late by up to half a second."""
    rng = random_stream(worn.seed, worn.person.id, "garmin-logger")
    ends_ms, lengths = whole_ms_intervals(worn.beats_ns)
    late = np.rint(rng.uniform(100, 600, len(ends_ms))).astype(np.int64)
    arrival = np.maximum.accumulate(ends_ms + late)
    rows = [(int(t), "HEART_RATE_VARIABILITY", float(v)) for t, v in zip(arrival, lengths, strict=True)]
    times, rates = worn.heart_rate(5.0)
    rows += [
        (int(t) // NS_PER_MS, "HEART_RATE", float(round(r)))
        for t, r in zip(times, rates, strict=True)
        if not np.isnan(r)
    ]
    zone = zone_info(worn.timezone)
    lines = [
        f"{datetime.fromtimestamp(t / 1000, zone).isoformat(timespec='milliseconds')};{kind};{value:.1f}\n"
        for t, kind, value in sorted(rows)
    ]
    path = folder / f"{worn.person.id}_garmin.csv"
    path.write_text("".join(lines), encoding="utf-8")
    return path
