"""Wrist ECG of a Polar watch as the AccessLink service gives it: JSON of half a minute each, in mV.

``test_time`` is Unix time (in seconds in the documentation, in ms in some libraries), ``time_zone_offset`` minutes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.adapter import Manifest, ReadOptions, Sniff, stream_summaries
from allostat.errors import InputError
from allostat.recording import Device, Notice, Provenance, Recording, Signal, TimeZone, ValueSeries
from allostat.source import Source
from allostat_devices.clock_blocks import clock_of, usable_stamps
from allostat_devices.file_manifest import FileLook, manifest_of_files
from allostat_devices.file_names import input_file, recording_id, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.naive_start import zone_to_use
from allostat_devices.number_columns import lossless_integers
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.whole_export import BAD_TIME, iso_times, number, read_json
from allostat_devices.zone_inference import fixed_offset_name, zone_of_options

_KEYS = (b'"recording_time_delta_ms"', b'"amplitude_mv"')
_NS, _NS_PER_MS, _NS_PER_MIN = 1_000_000_000, 1_000_000, 60_000_000_000
_MISSING = int(np.iinfo(np.int32).min)
_LEAST_S, _MOST_S = 631_152_000.0, 7_258_118_400.0  # 1990 and 2200
_LONGEST_MS = 3_600_000.0
_MOST_OFFSET_MIN = 14 * 60
_LEVELS = {"NO_CONTACT": 0, "LOW": 1, "HIGH": 2}
_UNVERIFIED = Notice("unverified", "this kind of file was not verified on a real export", "info")
_DEVICE = Device(manufacturer="Polar", kind="wrist")


class PolarWristEcg:
    """Adapter of Polar wrist ECGs."""

    name = "polar_wrist_ecg"
    title = "Polar wrist ECG (AccessLink JSON)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("ecg", "hr", "hrv")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise samples of ``recording_time_delta_ms`` and ``amplitude_mv``."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Streams and zone, by reading: a test has half a minute."""
        return manifest_of_files(self, source, claimed_members(source, _look), lambda m: _looked_at(source, m))

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each test, with the signal ``ecg`` and the watch's own heart rate and HRV.

        Raises
        ------
        InputError
            When a file is no JSON, or holds no test with a time and samples.
        """
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            for recording in _recordings(source, member, options):
                yield with_distinct_id(recording, taken)


def _recordings(source: Source, member: str, options: ReadOptions) -> list[Recording]:
    name = without_device_id(shown_name(source, member))
    skipped = SkippedRows(name)
    made = [
        _recording(test, place, name, options, skipped)
        for place, test in enumerate(_tests(read_json(source, member)), 1)
    ]
    recordings = [recording for recording in made if recording is not None]
    if not recordings:
        found = "; ".join(n.message for n in skipped.notices())
        raise InputError("holds no test with a time and samples", where=name, found=found or None)
    provenance = Provenance((input_file(source, member),), ADAPTER.name, ADAPTER.version, ADAPTER.verified)
    participant = options.participant or participant_of(source, member)
    return [
        replace(
            recording,
            provenance=provenance,
            participant=participant,
            notices=(_UNVERIFIED, *recording.notices, *skipped.notices()),
        )
        for recording in recordings
    ]


def _looked_at(source: Source, member: str) -> FileLook:
    found = _recordings(source, member, ReadOptions())
    several = len(found) > 1
    streams = [s for i, r in enumerate(found, 1) for s in stream_summaries(r, f"{i}/" if several else "")]
    return FileLook(streams, "utc", (_UNVERIFIED,), ("device id in a field",), found[0].timezone, _DEVICE)


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] not in (b"{", b"["):
        return Sniff(0.0, "not JSON")
    if all(key in head for key in _KEYS):
        return Sniff(0.95, "samples of a Polar wrist ECG")
    return Sniff(0.0, "no samples of a Polar wrist ECG")


def _tests(found: Any) -> Iterator[Mapping[str, Any]]:
    """Tests of a document: one, a list, or a list under any name."""
    if isinstance(found, Mapping) and "samples" not in found:
        found = next((value for value in found.values() if isinstance(value, list)), [])
    for test in found if isinstance(found, list) else [found]:
        if isinstance(test, Mapping):
            yield test


def _recording(
    test: Mapping[str, Any], place: int, where: str, options: ReadOptions, skipped: SkippedRows
) -> Recording | None:
    start_ns, told = _start(test)
    if start_ns is None:
        skipped.rows += 1
        skipped.add("bad_time", place)
        return None
    at_ns, values = _samples(test.get("samples"), start_ns, skipped)
    if len(at_ns) < 2:
        return None
    clock = clock_of(at_ns, where=where)
    whole = lossless_integers(values, _MISSING)
    signal = Signal("ecg", "ecg", values, clock, "mV")
    if whole is not None:
        signal = Signal("ecg", "ecg", whole[0], clock, "mV", whole[1], missing=_MISSING)
    zone, of_zone = zone_to_use(zone_of_options(options), told, start_ns + _offset_ns(test))
    return Recording(
        id=recording_id(where.removesuffix(".json"), "wrist_ecg"),
        signals={"ecg": signal},
        timezone=zone,
        device=_DEVICE,
        notices=of_zone,
        series=_values(test, start_ns, int(at_ns[-1])),
        extras=_quality(test.get("quality_measurements"), start_ns),
    )


def _offset_ns(test: Mapping[str, Any]) -> int:
    minutes = number(test.get("time_zone_offset"))
    return round(minutes) * _NS_PER_MIN if abs(minutes) <= _MOST_OFFSET_MIN else 0


def _start(test: Mapping[str, Any]) -> tuple[int | None, TimeZone]:
    """Start in UTC, and the zone that the offset stands for. A text is wall-clock time beside its offset."""
    stated = test.get("time_zone_offset")
    minutes = number(stated)
    known = abs(minutes) <= _MOST_OFFSET_MIN
    zone = TimeZone(fixed_offset_name(round(minutes) * _NS_PER_MIN), "file") if known else TimeZone()
    time = test.get("test_time")
    if isinstance(time, str) and not time.strip().isdigit():
        local = int(iso_times([time.strip()])[0])
        return (local - _offset_ns(test) if known and local != BAD_TIME else None), zone
    seconds = number(time)
    if seconds > 1e11:
        seconds /= 1000.0
    return (round(seconds * 1000) * _NS_PER_MS if _LEAST_S <= seconds < _MOST_S else None), zone


def _samples(listed: Any, start_ns: int, skipped: SkippedRows) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Instants and mV; a sample without a value is missing, one without a time is left out and counted."""
    rows = listed if isinstance(listed, list) else []
    delta = np.array([number(r.get("recording_time_delta_ms")) if isinstance(r, Mapping) else math.nan for r in rows])
    values = np.array([number(r.get("amplitude_mv")) if isinstance(r, Mapping) else math.nan for r in rows])
    skipped.rows += len(rows)
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0)
    good = (delta >= 0) & (delta <= _LONGEST_MS)
    if not good.all():
        skipped.add("bad_time", int(np.flatnonzero(~good)[0]) + 1, int((~good).sum()))
    at_ns = start_ns + np.rint(delta[good] * _NS_PER_MS).astype(np.int64)
    values = values[good]
    keep = usable_stamps(at_ns, np.flatnonzero(good) + 1, skipped)
    return (at_ns, values) if keep is None else (at_ns[keep], values[keep])


def _values(test: Mapping[str, Any], start_ns: int, end_ns: int) -> dict[str, ValueSeries]:
    """The watch's own numbers of the test. It does not say by which formula its HRV is found."""
    at, end = np.array([start_ns], np.int64), np.array([end_ns], np.int64)
    window_s = (end_ns - start_ns) / _NS
    found = {}
    rate = number(test.get("average_heart_rate_bpm"))
    if rate > 0:
        found["hr"] = ValueSeries("hr", "hr", at, np.array([rate]), "/min", "utc", end, None, window_s, "spot")
    hrv = number(test.get("heart_rate_variability_ms"))
    if hrv > 0:
        found["hrv"] = ValueSeries("hrv", "hrv", at, np.array([hrv]), "ms", "utc", end, "vendor", window_s, "spot")
    return found


def _quality(listed: Any, start_ns: int) -> dict[str, Any]:
    """The watch's quality levels with their instants: 0 no contact, 1 low, 2 high, -1 unknown."""
    rows = [r for r in listed if isinstance(r, Mapping)] if isinstance(listed, list) else []
    delta = np.array([number(r.get("recording_time_delta_ms")) for r in rows])
    levels = [str(r.get("quality_level")).removeprefix("ECG_QUALITY_") for r in rows]
    good = (delta >= 0) & (delta <= _LONGEST_MS)
    if not good.any():
        return {}
    return {
        "quality_times_ns": start_ns + np.rint(delta[good] * _NS_PER_MS).astype(np.int64),
        "quality_levels": np.array([_LEVELS.get(level, -1) for level in levels], np.int8)[good],
    }


ADAPTER = PolarWristEcg()
