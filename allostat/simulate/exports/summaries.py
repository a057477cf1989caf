"""Writers of account exports that hold summaries: Fitbit, Oura, Whoop, Samsung Health, Withings, Polar Flow."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from allostat.recording import NS_PER_S
from allostat.simulate.exports.worn import Ints, Worn
from allostat.simulate.rr import Sleep
from allostat.zones import zone_info

STEP_S = 300


def write_fitbit_export(worn: Worn, folder: Path) -> Path:
    """Takeout folder with heart rate every 10 s, HRV details and a profile that is never to be read."""
    root = folder / f"{worn.person.id}_fitbit"
    data = root / "Global Export Data"
    data.mkdir(parents=True, exist_ok=True)
    times, rate = worn.heart_rate(10.0)
    by_day: dict[str, list[dict[str, Any]]] = {}
    for ns, bpm in zip(times.tolist(), rate.tolist(), strict=True):
        if np.isfinite(bpm):
            at = _local(worn, ns)
            entry = {"dateTime": f"{at:%m/%d/%y %H:%M:%S}", "value": {"bpm": round(bpm), "confidence": 2}}
            by_day.setdefault(f"{at:%Y-%m-%d}", []).append(entry)
    for day, entries in by_day.items():
        _json(data / f"heart_rate-{day}.json", entries)
    date = f"{worn.start_date:%m/%d/%y}"
    resting = {"date": date, "value": worn.person.hr_rest, "error": 6.8}
    none = {"date": None, "value": 0.0, "error": 0.0}
    days = [{"dateTime": f"{date} 00:00:00", "value": resting}, {"dateTime": "03/31/24 00:00:00", "value": none}]
    _json(data / f"resting_heart_rate-{worn.start_date}.json", days)
    starts, values = worn.rmssd(float(STEP_S))
    lines = ["timestamp,rmssd,coverage,low_frequency,high_frequency"]
    lines += [
        f"{_local(worn, ns):%Y-%m-%dT%H:%M:%S},{value:.3f},0.980,400.1,300.2"
        for ns, value in zip(starts.tolist(), values.tolist(), strict=True)
        if np.isfinite(value)
    ]
    (data / f"Heart Rate Variability Details - {worn.start_date}.csv").write_text(
        "\n".join(lines) + "\n", encoding="utf-8-sig"
    )
    (data / "Profile.csv").write_text(
        "name,email,birthday\nTest Canary,canary@example.org,1970-01-01\n", encoding="utf-8"
    )
    return root


def write_oura_export(worn: Worn, folder: Path) -> Path:
    """Sleep documents with five-minute courses; every seventh value is null."""
    documents = []
    for number, night in enumerate(_nights(worn)):
        starts, rmssd = _inside(worn.rmssd(float(STEP_S)), night)
        ends, rate = _inside(worn.heart_rate(float(STEP_S)), night)
        documents.append({
            "id": f"canary-{number}", "type": "long_sleep", "day": f"{_local(worn, night.wake_ns):%Y-%m-%d}",
            "bedtime_start": _local(worn, night.bed_ns).isoformat(),
            "bedtime_end": _local(worn, night.wake_ns).isoformat(),
            "average_hrv": round(float(np.nanmean(rmssd))) if len(rmssd) else None,
            "lowest_heart_rate": round(float(np.nanmin(rate))) if len(rate) else None, "average_breath": 14.5,
            "hrv": _course(worn, starts, rmssd), "heart_rate": _course(worn, ends, rate),
        })  # fmt: skip
    path = folder / f"{worn.person.id}_oura_sleep.json"
    _json(path, {"data": documents, "next_token": None})
    return path


def write_google_health_export(worn: Worn, folder: Path) -> Path:
    """One answer of the service with heart rate every 30 s, HRV every five minutes and daily values."""

    def point(kind: str, ns: int, **held: Any) -> dict[str, Any]:
        offset = _local(worn, ns).utcoffset()
        time = {
            "physicalTime": f"{datetime.fromtimestamp(ns / NS_PER_S, UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
            "utcOffset": f"{int(offset.total_seconds()) if offset else 0}s",
        }
        name = {"name": f"users/canary/dataTypes/{kind}/dataPoints/canary"}
        return name | {kind: {"sampleTime": time, **held}}

    points = []
    for ns, rate in zip(*(a.tolist() for a in worn.heart_rate(30.0)), strict=True):
        if np.isfinite(rate):
            points.append(point("heartRate", ns, beatsPerMinute=str(round(rate))))
    for ns, rmssd in zip(*(a.tolist() for a in worn.rmssd(float(STEP_S))), strict=True):
        if np.isfinite(rmssd):
            key = "rootMeanSquareOfSuccessiveDifferencesMilliseconds"
            points.append(point("heartRateVariability", ns, **{key: round(rmssd, 2)}))
    day = {"year": worn.start_date.year, "month": worn.start_date.month, "day": worn.start_date.day}
    resting = {"date": day, "beatsPerMinute": str(round(worn.person.hr_rest))}
    points.append({"dataSource": {"platform": "canary"}, "dailyRestingHeartRate": resting})
    path = folder / f"{worn.person.id}_google_health.json"
    _json(path, {"dataPoints": points, "nextPageToken": ""})
    return path


def write_whoop_export(worn: Worn, folder: Path) -> Path:
    """Folder with cycles and sleeps; the last cycle is still open."""
    root = folder / f"{worn.person.id}_whoop"
    root.mkdir(parents=True, exist_ok=True)
    nights = _nights(worn)
    cycles = [
        "Cycle start time,Cycle end time,Cycle timezone,Recovery score %,Resting heart rate (bpm),"
        "Heart rate variability (ms),Average HR (bpm),Sleep onset,Wake onset,Respiratory rate (rpm)"
    ]
    sleeps = ["Cycle start time,Cycle end time,Cycle timezone,Sleep onset,Wake onset,Nap"]
    for number, night in enumerate(nights):
        bed, wake = _local(worn, night.bed_ns), _local(worn, night.wake_ns)
        zone = f"UTC{bed:%z}"[:6] + ":" + f"{bed:%z}"[3:]
        end = "" if number == len(nights) - 1 else f"{bed + timedelta(days=1):%Y-%m-%d %H:%M:%S}"
        _, rmssd = _inside(worn.rmssd(float(STEP_S)), night)
        hrv = f"{float(np.nanmean(rmssd)):.0f}" if len(rmssd) else ""
        wake_there = wake.astimezone(bed.tzinfo) if bed.utcoffset() == wake.utcoffset() else _at_offset(wake, bed)
        span = f"{bed:%Y-%m-%d %H:%M:%S},{wake_there:%Y-%m-%d %H:%M:%S}"
        rate = round(worn.person.hr_night)
        cycles.append(f"{bed:%Y-%m-%d %H:%M:%S},{end},{zone},60,{rate},{hrv},{rate + 12},{span},15.1")
        sleeps.append(f"{bed:%Y-%m-%d %H:%M:%S},{end},{zone},{span},false")
    (root / "physiological_cycles.csv").write_text("\n".join(cycles) + "\n", encoding="utf-8")
    (root / "sleeps.csv").write_text("\n".join(sleeps) + "\n", encoding="utf-8")
    (root / "journal_entries.csv").write_text("Cycle start time,Question text\n,Canary\n", encoding="utf-8")
    return root


def write_samsung_export(worn: Worn, folder: Path) -> Path:
    """Folder with heart rates every ten minutes and bins of HRV during sleep."""
    root = folder / f"{worn.person.id}_samsung"
    bins = root / "jsons" / "com.samsung.health.hrv" / "0"
    bins.mkdir(parents=True, exist_ok=True)
    kind = "com.samsung.shealth.tracker.heart_rate"
    lines = [f"{kind},6312003,4", ",".join(f"com.samsung.health.heart_rate.{n}" for n in (
        "start_time", "end_time", "time_offset", "heart_rate", "deviceuuid")) + ","]  # fmt: skip
    times, rate = worn.heart_rate(600.0)
    for ns, bpm in zip(times.tolist(), rate.tolist(), strict=True):
        if np.isfinite(bpm):
            at = f"{datetime.fromtimestamp((ns - 600 * NS_PER_S) / NS_PER_S, zone_info('UTC')):%Y-%m-%d %H:%M:%S.000}"
            to = f"{datetime.fromtimestamp(ns / NS_PER_S, zone_info('UTC')):%Y-%m-%d %H:%M:%S.000}"
            lines.append(f"{at},{to},UTC{_local(worn, ns):%z},{bpm:.1f},canary-device,")
    (root / f"{kind}.20240304.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    starts, rmssd = worn.rmssd(float(STEP_S))
    entries = [
        {
            "start_time": ns // 1_000_000,
            "end_time": ns // 1_000_000 + STEP_S * 1000,
            "sdnn": value * 1.3,
            "rmssd": value,
        }
        for ns, value in zip(starts.tolist(), rmssd.tolist(), strict=True)
        if np.isfinite(value)
    ]
    _json(bins / "ca0a7e11-0000-4000-8000-00000ca0a7e1.binning_data.json", entries)
    return root


def write_withings_export(worn: Worn, folder: Path) -> Path:
    """Folder with heart rates as arrays and cuff readings."""
    root = folder / f"{worn.person.id}_withings"
    root.mkdir(parents=True, exist_ok=True)
    times, rate = worn.heart_rate(60.0)
    lines = ["start,duration,value"]
    for i in range(0, len(times), 10):
        values = [round(v) for v in rate[i : i + 10].tolist() if np.isfinite(v)]
        if len(values) == len(times[i : i + 10]):
            start = _local(worn, int(times[i]) - 60 * NS_PER_S).isoformat()
            lines.append(f'{start},"{[60] * len(values)}","{values}"')
    (root / "raw_hr_hr.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = worn.blood_pressure()
    cuffs = ["Date,Heart rate,Systolic,Diastolic,Comments"]
    cuffs += [
        f'"{s.collected_at:%Y-%m-%d %H:%M:%S}",{round(worn.person.hr_rest)},{s.value},{d.value},Canary'
        for s, d in zip(rows[::2], rows[1::2], strict=True)
    ]
    (root / "bp.csv").write_text("\n".join(cuffs) + "\n", encoding="utf-8")
    return root


def write_polar_flow_export(worn: Worn, folder: Path) -> Path:
    """Interval file of one device: a sample is stamped at the start of its pulse, whole ms, zeros left out."""
    beats_ms = np.rint(worn.beats_ns / 1e6).astype(np.int64)
    days: dict[str, list[dict[str, Any]]] = {}
    for start, length in zip(beats_ms[:-1].tolist(), np.diff(beats_ms).tolist(), strict=True):
        at = _local(worn, start * 1_000_000).replace(tzinfo=None)
        text = at.isoformat(timespec="minutes" if not (at.second or at.microsecond) else "auto")
        if at.microsecond:
            text = at.isoformat(timespec="milliseconds")
        days.setdefault(f"{at:%Y-%m-%d}", []).append({"sampleDateTime": text, "pulseLength": length})
    document = [
        {"date": day, "devicePpiSamplesList": [{"deviceId": "CANARY01", "ppiSamples": samples}]}
        for day, samples in days.items()
    ]
    path = folder / f"ppi_samples_{worn.person.id}.json"
    _json(path, document)
    return path


def write_nightly_recovery_export(worn: Worn, folder: Path) -> Path:
    """Nightly recovery: RMSSD every five minutes under clock times, and the means of the night."""
    nights = []
    for night in _nights(worn):
        starts, rmssd = _inside(worn.rmssd(float(STEP_S)), night)
        samples = {f"{_local(worn, ns):%H:%M}": round(v) for ns, v in zip(starts.tolist(), rmssd.tolist(), strict=True)}
        nights.append({
            "date": f"{_local(worn, night.wake_ns):%Y-%m-%d}", "heart_rate_avg": round(worn.person.hr_night),
            "beat_to_beat_avg": round(60000 / worn.person.hr_night), "ans_charge": -1.5, "ans_charge_status": 3,
            "heart_rate_variability_avg": round(float(np.nanmean(rmssd))) if len(rmssd) else 0,
            "breathing_rate_avg": 14.2, "hrv_samples": samples,
        })  # fmt: skip
    path = folder / f"nightly_recovery_{worn.person.id}.json"
    _json(path, nights)
    return path


def _json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=0), encoding="utf-8")


def _local(worn: Worn, ns: int) -> datetime:
    moment = datetime.fromtimestamp(ns // NS_PER_S, zone_info(worn.timezone))
    return moment.replace(microsecond=ns % NS_PER_S // 1000)


def _at_offset(moment: datetime, like: datetime) -> datetime:
    """The moment on a clock that kept the offset of another."""
    offset, other = moment.utcoffset(), like.utcoffset()
    assert offset is not None and other is not None
    return moment.replace(tzinfo=None) - offset + other


def _nights(worn: Worn) -> list[Sleep]:
    """Sleeps wholly inside; of a short stretch, the stretch itself, so that an export is never empty."""
    end_ns = worn.start_ns + round(worn.duration_s * NS_PER_S)
    inside = [s for s in worn.sleep if s.bed_ns >= worn.start_ns and s.wake_ns <= end_ns]
    return inside or [Sleep(worn.start_ns, end_ns)]


def _inside(course: tuple[Ints, Any], night: Sleep) -> tuple[Ints, Any]:
    times, values = course
    keep = (times >= night.bed_ns) & (times < night.wake_ns)
    return times[keep], values[keep]


def _course(worn: Worn, times: Ints, values: Any) -> dict[str, Any] | None:
    if not len(times):
        return None
    items = [None if i % 7 == 6 or not np.isfinite(v) else round(v) for i, v in enumerate(values.tolist())]
    return {"interval": float(STEP_S), "items": items, "timestamp": _local(worn, int(times[0])).isoformat()}
