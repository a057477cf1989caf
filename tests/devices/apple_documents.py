"""Documents of Apple Health as tests write them, and how they are read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from allostat.adapter import ReadOptions
from allostat.recording import Beats, Recording
from allostat.source import Source
from allostat_devices.apple_health import ADAPTER

QUANTITY = "HKQuantityTypeIdentifier"
WATCH = (
    ' sourceName="Apple\u00a0Watch" sourceVersion="10.1" device="&lt;&lt;HKDevice: 0x28{pointer}&gt;, '
    'name:Apple Watch, manufacturer:Apple Inc., model:Watch, hardware:Watch6,2, software:10.1&gt;"'
)
AT = "2024-03-04 20:14:00 +0100"
UNTIL = "2024-03-04 20:15:00 +0100"


def watch(pointer: str = "12") -> str:
    return WATCH.replace("{pointer}", pointer)


def record(
    kind: str,
    value: str,
    start: str = AT,
    end: str | None = None,
    *,
    source: str = "",
    unit: str = "",
    inside: str = "",
) -> str:
    name = kind if kind.startswith("HK") else QUANTITY + kind
    units = {"HeartRate": "count/min", "HeartRateVariabilitySDNN": "ms", "RestingHeartRate": "count/min"}
    unit = unit or units.get(kind, "mmHg" if "Pressure" in kind else "")
    head = f'<Record type="{name}"{source or watch()} unit="{unit}" startDate="{start}" endDate="{end or start}"'
    return f'{head} value="{value}">{inside}</Record>\n' if inside else f'{head} value="{value}"/>\n'


def beat_list(times: Sequence[str], bpm: Sequence[int] | int = 60) -> str:
    rates = [bpm] * len(times) if isinstance(bpm, int) else bpm
    inside = "".join(
        f'<InstantaneousBeatsPerMinute bpm="{b}" time="{t}"/>\n' for b, t in zip(rates, times, strict=True)
    )
    return f"<HeartRateVariabilityMetadataList>\n{inside}</HeartRateVariabilityMetadataList>"


def hrv(times: Sequence[str], start: str = AT, end: str = UNTIL, bpm: Sequence[int] | int = 60, more: str = "") -> str:
    return record("HeartRateVariabilitySDNN", "41.25", start, end, inside=beat_list(times, bpm) + more)


def document(*parts: str, doctype: str = "<!DOCTYPE HealthData [ ]>") -> bytes:
    body = '<HealthData locale="de_AT">\n<ExportDate value="2024-05-01 12:00:00 +0200"/>\n' + "".join(parts)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{doctype}\n{body}</HealthData>\n'.encode()


def read_all(path: Path, content: bytes, **options: str) -> list[Recording]:
    path = path / "export.xml" if path.is_dir() else path
    path.write_bytes(content)
    return list(ADAPTER.read(Source(path), ReadOptions(**options)))


def read_one(folder: Path, *parts: str, **options: str) -> Recording:
    (found,) = read_all(folder, document(*parts), **options)
    return found


def beats_in(folder: Path, *parts: str, **options: str) -> Beats:
    return read_one(folder, *parts, **options).beats["ibi"]


def codes(recording: Recording) -> set[str]:
    return {notice.code for notice in recording.notices}


def utc_ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000) * 1_000_000
