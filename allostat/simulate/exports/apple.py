"""Writer of Apple Health exports: ``export.zip`` with ``apple_health_export/export.xml`` and electrocardiograms.

As on a phone: record dates are printed in the zone in which the phone exports, beats inside HRV records in the zone
in which they happened; every record of the watch names a device with a pointer that changes; the document type is not
well-formed, as iOS 16 writes it; a blood pressure stands twice, alone and inside its correlation.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from allostat.recording import NS_PER_S
from allostat.simulate.exports.archive import ZIP_TIME, local_offset_s
from allostat.simulate.exports.worn import Worn
from allostat.simulate.seeds import random_stream

Ints = NDArray[np.int64]

_QUANTITY = "HKQuantityTypeIdentifier"
_ECG_HZ = 511.5
_ECG_S = 30.0
_HRV_S = 60.0
_DAY_S = 86_400
_DOCTYPE = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 12 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation|Workout|ActivitySummary)*)>
<!ATTLIST HealthData
  locale CDATA #REQUIRED
>
<!ELEMENT Record ((MetadataEntry|HeartRateVariabilityMetadataList)*)>
<!ATTLIST Record
  type CDATA #REQUIRED
  startDate CDATA #REQUIRED
<!ELEMENT HeartRateVariabilityMetadataList (InstantaneousBeatsPerMinute*)>
]>
"""


@dataclass(frozen=True, slots=True)
class AppleHabits:
    """How often a simulated watch measures, and how the phone exports.

    Parameters
    ----------
    heart_rate_s, hrv_s, steps_s
        From one heart rate, HRV minute, step count to the next.
    export_zone
        Zone in which the phone exports; None: the person's own.
    twelve_hours
        Whether clock times of beats are written as ``6:14:48.94 PM`` with U+202F.
    tells_zone
        Whether sleep records name the zone (``HKTimeZone``).
    well_formed
        Whether the document type is, so that any parser reads the file.
    """

    heart_rate_s: float = 300.0
    hrv_s: float = 3600.0
    steps_s: float = 600.0
    export_zone: str | None = None
    twelve_hours: bool = False
    tells_zone: bool = False
    well_formed: bool = False


HABITS = AppleHabits()


def write_apple_export(worn: Worn, folder: Path) -> Path:
    """``export.zip`` of a watch and a phone, with an ECG."""
    return write_apple_zip(worn, folder / f"export_{worn.person.id}.zip", HABITS)


def write_apple_ecg_export(worn: Worn, folder: Path) -> Path:
    """One electrocardiogram of the watch by itself, as a phone shares it."""
    name, data = next(_electrocardiograms(worn))
    path = folder / name
    path.write_bytes(data)
    return path


def write_apple_zip(worn: Worn, path: Path, habits: AppleHabits) -> Path:
    """The archive as the phone makes it, with the same bytes for the same arguments."""
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open(_entry("apple_health_export/export.xml"), "w") as member:
            write_apple_xml(worn, member, habits)
        archive.writestr(_entry("apple_health_export/export_cda.xml"), "<ClinicalDocument/>\n")
        for name, data in _electrocardiograms(worn):
            archive.writestr(_entry(f"apple_health_export/electrocardiograms/{name}"), data)
    return path


def write_apple_xml(worn: Worn, stream: IO[bytes], habits: AppleHabits = HABITS) -> None:
    """``export.xml`` alone, in bounded memory."""
    lines = io.StringIO()
    for text in _document(worn, habits):
        lines.write(text)
        if lines.tell() > 1 << 20:
            stream.write(lines.getvalue().encode())
            lines = io.StringIO()
    stream.write(lines.getvalue().encode())


def hrv_minutes(worn: Worn, habits: AppleHabits = HABITS) -> list[tuple[int, Ints]]:
    """The truth of the HRV records: start in whole s UTC and beats in ns UTC on their grid of 10 ms, of each."""
    found = []
    first_s = worn.start_ns // NS_PER_S + 60
    last_s = first_s - 60 + int(worn.duration_s) - int(_HRV_S)
    for start_s in range(first_s, last_s, int(habits.hrv_s)):
        lo, hi = np.searchsorted(worn.beats_ns, [start_s * NS_PER_S, (start_s + int(_HRV_S)) * NS_PER_S])
        beats = worn.beats_ns[lo:hi] // 10_000_000 * 10_000_000
        if len(beats) > 2:
            found.append((start_s, beats))
    return found


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, ZIP_TIME)
    info.create_system = 3
    info.external_attr = 0o644 << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _document(worn: Worn, habits: AppleHabits) -> Iterator[str]:
    end_s = worn.start_ns // NS_PER_S + math.ceil(worn.duration_s)
    stamp = _Stamps(habits.export_zone or worn.timezone, end_s)
    yield _DOCTYPE.replace("REQUIRED\n<!ELEMENT", "REQUIRED\n>\n<!ELEMENT") if habits.well_formed else _DOCTYPE
    yield f'<HealthData locale="en_GB">\n <ExportDate value="{stamp(end_s)}"/>\n'
    yield (
        ' <Me HKCharacteristicTypeIdentifierDateOfBirth="1980-01-01"'
        ' HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexNotSet"/>\n'
    )
    yield from _heart_rates(worn, habits, stamp)
    yield from _activity(worn, habits, stamp)
    yield from _pressures(worn, stamp)
    yield from _hrv(worn, habits, stamp)
    yield from _days(worn, stamp)
    yield from _sleep(worn, habits, stamp)
    yield "</HealthData>\n"


class _Stamps:
    """Dates as the phone prints them, in the zone of the export."""

    def __init__(self, zone: str, export_s: int) -> None:
        self._zone = zone
        self._offset = 0
        self._from, self._to = 0, 0
        self._day, self._hour, self._minute, self._shown = "", 0, 0, ""
        self.export = self(export_s)

    def __call__(self, second: int) -> str:
        if not self._from <= second < self._to:
            quarter = second // 900
            self._from, self._to = quarter * 900, quarter * 900 + 900
            self._offset = local_offset_s(self._from * NS_PER_S, self._zone)
            local = datetime.fromtimestamp(self._from + self._offset, UTC)
            sign, minutes = ("-" if self._offset < 0 else "+"), abs(self._offset) // 60
            self._day, self._hour, self._minute = f"{local:%Y-%m-%d}", local.hour, local.minute
            self._shown = f"{sign}{minutes // 60:02d}{minutes % 60:02d}"
        minute, of_minute = divmod(second - self._from, 60)
        return f"{self._day} {self._hour:02d}:{self._minute + minute:02d}:{of_minute:02d} {self._shown}"


def _watch(pointer: int) -> str:
    return (
        ' sourceName="Watch of the\u00a0person\u2019s" sourceVersion="10.1" device="&lt;&lt;HKDevice: '
        f"0x{0x280000000 + pointer % 97 * 4096:x}&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, "
        'hardware:Watch6,2, software:10.1&gt;"'
    )


_PHONE = (
    ' sourceName="Phone of the person" sourceVersion="17.1" device="&lt;&lt;HKDevice: 0x2812&gt;, name:iPhone, '
    'manufacturer:Apple Inc., model:iPhone, hardware:iPhone14,5, software:17.1&gt;"'
)
_CUFF = ' sourceName="Pressure &amp; Pulse" sourceVersion="3"'


def _record(kind: str, source: str, unit: str, value: str, dates: str, children: str = "") -> str:
    unit = f' unit="{unit}"' if unit else ""
    head = f' <Record type="{kind}"{source}{unit}{dates} value="{value}"'
    return f"{head}>\n{children} </Record>\n" if children else head + "/>\n"


def _dates(stamp: _Stamps, start_s: int, end_s: int) -> str:
    end = stamp(end_s)
    return f' creationDate="{end}" startDate="{stamp(start_s)}" endDate="{end}"'


def _heart_rates(worn: Worn, habits: AppleHabits, stamp: _Stamps) -> Iterator[str]:
    ends, rates = worn.heart_rate(habits.heart_rate_s)
    for i, (end, rate) in enumerate(zip((ends // NS_PER_S).tolist(), rates.tolist(), strict=True)):
        if not math.isnan(rate):
            motion = f'  <MetadataEntry key="HKMetadataKeyHeartRateMotionContext" value="{1 + (rate > 90)}"/>\n'
            dates = _dates(stamp, end, end)
            yield _record(f"{_QUANTITY}HeartRate", _watch(i), "count/min", f"{rate:.0f}", dates, motion)


def _activity(worn: Worn, habits: AppleHabits, stamp: _Stamps) -> Iterator[str]:
    """Records that nobody reads here, and that make most of every export."""
    rng = random_stream(worn.seed, worn.person.id, "apple steps")
    start_s = worn.start_ns // NS_PER_S
    for i, second in enumerate(range(start_s, start_s + int(worn.duration_s), max(int(habits.steps_s), 1))):
        dates = _dates(stamp, second, second + int(habits.steps_s))
        yield _record(f"{_QUANTITY}StepCount", _PHONE, "count", str(rng.integers(1, 700)), dates)
        yield _record(f"{_QUANTITY}ActiveEnergyBurned", _watch(i), "kcal", f"{rng.random():.4f}", dates)


def _pressures(worn: Worn, stamp: _Stamps) -> Iterator[str]:
    """Each reading as two records, and both again inside their correlation."""
    rows = worn.blood_pressure(2)
    for systolic, diastolic in zip(rows[::2], rows[1::2], strict=True):
        second = int(systolic.collected_at.timestamp())
        dates = _dates(stamp, second, second)
        both = [
            _record(f"{_QUANTITY}BloodPressure{name}", _CUFF, "mmHg", row.value, dates)
            for name, row in (("Systolic", systolic), ("Diastolic", diastolic))
        ]
        yield from both
        yield f' <Correlation type="HKCorrelationTypeIdentifierBloodPressure"{_CUFF}{dates}>\n'
        yield from (" " + record for record in both)
        yield " </Correlation>\n"


def _hrv(worn: Worn, habits: AppleHabits, stamp: _Stamps) -> Iterator[str]:
    for i, (start_s, beats) in enumerate(hrv_minutes(worn, habits)):
        offset_s = local_offset_s(start_s * NS_PER_S, worn.timezone)
        intervals = np.diff(beats) / 1e6
        rates = np.rint(60_000 / np.concatenate([intervals[:1], intervals])).astype(np.int64).tolist()
        local_cs = (beats // 10_000_000 + offset_s * 100) % (_DAY_S * 100)
        inside = "".join(
            f'   <InstantaneousBeatsPerMinute bpm="{rate}" time="{_clock(at, habits.twelve_hours)}"/>\n'
            for rate, at in zip(rates, local_cs.tolist(), strict=True)
        )
        listed = f"  <HeartRateVariabilityMetadataList>\n{inside}  </HeartRateVariabilityMetadataList>\n"
        sdnn = f"{float(np.std(intervals, ddof=1)):.4f}"
        dates = _dates(stamp, start_s, start_s + int(_HRV_S))
        yield _record(f"{_QUANTITY}HeartRateVariabilitySDNN", _watch(i), "ms", sdnn, dates, listed)


def _clock(centiseconds: int, twelve_hours: bool) -> str:
    minute, cs = divmod(centiseconds, 6000)
    hour, minute = divmod(minute, 60)
    if twelve_hours:
        return f"{hour % 12 or 12}:{minute:02d}:{cs // 100:02d}.{cs % 100:02d}\u202f{'AM' if hour < 12 else 'PM'}"
    return f"{hour:02d}:{minute:02d}:{cs // 100:02d}.{cs % 100:02d}"


def _days(worn: Worn, stamp: _Stamps) -> Iterator[str]:
    """Resting heart rate of every whole or begun day."""
    start_s = worn.start_ns // NS_PER_S
    for i, second in enumerate(range(start_s, start_s + int(worn.duration_s), _DAY_S)):
        dates = _dates(stamp, second, min(second + _DAY_S - 60, start_s + int(worn.duration_s)))
        yield _record(f"{_QUANTITY}RestingHeartRate", _watch(i), "count/min", f"{worn.person.hr_rest:.0f}", dates)


def _sleep(worn: Worn, habits: AppleHabits, stamp: _Stamps) -> Iterator[str]:
    """In bed by the phone, stages by the watch."""
    kind, value = "HKCategoryTypeIdentifierSleepAnalysis", "HKCategoryValueSleepAnalysis"
    zone = f'  <MetadataEntry key="HKTimeZone" value="{worn.timezone}"/>\n' if habits.tells_zone else ""
    for i, sleep in enumerate(worn.sleep):
        bed_s, wake_s = sleep.bed_ns // NS_PER_S, sleep.wake_ns // NS_PER_S
        yield _record(kind, _PHONE, "", f"{value}InBed", _dates(stamp, bed_s - 600, wake_s + 300), zone)
        edges = np.linspace(bed_s, wake_s, 7).astype(int).tolist()
        stages = ("AsleepCore", "AsleepDeep", "AsleepREM", "Awake", "AsleepCore", "AsleepREM")
        for stage, begin, end in zip(stages, edges[:-1], edges[1:], strict=True):
            yield _record(kind, _watch(i), "", value + stage, _dates(stamp, begin, end), zone)


def _electrocardiograms(worn: Worn) -> Iterator[tuple[str, bytes]]:
    """One ECG of 30 s, in the middle of what was worn."""
    at_s = worn.start_ns // NS_PER_S + int(worn.duration_s / 2)
    # beats from a little before on, so that the first second looks like the others
    lo, hi = np.searchsorted(worn.beats_ns, [(at_s - 2) * NS_PER_S, (at_s + math.ceil(_ECG_S)) * NS_PER_S])
    held = replace(worn, start_ns=at_s * NS_PER_S, duration_s=_ECG_S, beats_ns=worn.beats_ns[lo:hi])
    samples = held.ecg(_ECG_HZ).samples[: round(_ECG_S * _ECG_HZ)]
    stamp = _Stamps(worn.timezone, at_s)
    head = (
        'Name,\nDate of Birth,"1 Jan 1980"\n'
        f"Recorded Date,{stamp(at_s)}\nClassification,Sinus Rhythm\nSymptoms,\nSoftware Version,2.0\n"
        f'Device,"Watch6,2"\nSample Rate,{_ECG_HZ:g} hertz\n\n\nLead,Lead I\nUnit,µV\n\n'
    )
    day = datetime.fromtimestamp(at_s, UTC) + timedelta(seconds=local_offset_s(at_s * NS_PER_S, worn.timezone))
    yield f"ecg_{day:%Y-%m-%d}.csv", (head + "".join(f"{v:.3f}\n" for v in samples.tolist())).encode()
