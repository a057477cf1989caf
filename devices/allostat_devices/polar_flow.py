"""Polar Flow account export: pulse-to-pulse intervals (``ppi_samples_*.json``) and nightly recovery.

Interval files hold a month of one account and list each device apart; lists of two devices overlap in time and stay two
recordings. They are scanned in blocks, because a month may be larger than memory should be. Times are naive; that they
are local is an assumption that the caller confirms by naming the zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.adapter import Manifest, ReadOptions, Sniff, StreamSummary
from allostat.errors import InputError
from allostat.recording import NS_PER_S, Device, Epoch, Notice, Provenance, Recording, TimeZone, ValueSeries
from allostat.source import Source
from allostat_devices.beat_stamps import RecordedIntervals, joined_by_stamps, place, plausible
from allostat_devices.file_names import input_file, without_device_id
from allostat_devices.members import claimed_members, participant_of, shown_name, sniff_members, with_distinct_id
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.whole_export import (
    UNVERIFIED,
    Gathered,
    Rows,
    iso_times,
    number,
    read_json,
    usable_times,
)
from allostat_devices.zone_inference import local_to_utc, zone_named, zone_of_options

BLOCK_BYTES = 8 << 20
_ROW_BYTES = 1 << 14
_NS_PER_MS = 1_000_000
_DAY_NS = 86_400 * NS_PER_S
_TOLERANCE_MS = 30.0
_DEVICE = Device(manufacturer="Polar", kind="wrist")
_TOKEN = re.compile(
    rb'"deviceId"\s*:\s*"([^"\\]{0,200})"'
    rb'|\{[^{}]{0,300}?"sampleDateTime"\s*:\s*"([^"\\]{0,40})"[^{}]{0,300}?"pulseLength"\s*:\s*(-?[0-9.eE+]{1,20})[^{}]{0,300}\}'
    rb'|\{[^{}]{0,300}?"pulseLength"\s*:\s*(-?[0-9.eE+]{1,20})[^{}]{0,300}?"sampleDateTime"\s*:\s*"([^"\\]{0,40})"[^{}]{0,300}\}'
)
_IDENTIFIERS = ("device id in file",)
_CLOCK = re.compile(r"(\d\d):(\d\d)")


class PolarFlow:
    """Adapter of the Polar Flow account export."""

    name = "polar_flow"
    title = "Polar Flow account export (PPI, nightly recovery)"
    version = "1"
    verified = False
    streams: tuple[str, ...] = ("beats", "hrv", "hr")
    folder_is_session: bool = False

    def sniff(self, source: Source) -> Sniff:
        """Recognise interval lists and nightly recovery by their keys."""
        return sniff_members(source, _look)

    def inspect(self, source: Source) -> Manifest:
        """Number of intervals, counted without reading them into arrays; nights by reading them."""
        members = claimed_members(source, _look)
        streams: list[StreamSummary] = []
        for member in members:
            if _is_nightly(source.head(member)):
                for series in _nights(source, member, Gathered(TimeZone())).values():
                    first, last = int(series.times_ns[0]), int(series.times_ns[-1])
                    streams.append(
                        StreamSummary(series.name, series.kind, len(series), np.nan, series.unit, first, last)
                    )
                continue
            devices = _scan(source, member, SkippedRows(member))
            for n, (local, _, _) in enumerate(devices.values(), 1):
                label = "ppi" if len(devices) == 1 else f"device_{n}/ppi"
                span = (int(local[0]), int(local[-1])) if len(local) else (0, 0)
                streams.append(StreamSummary(label, "beats", len(local), np.nan, "ms", *span))
        return Manifest(
            source=without_device_id(source.name),
            adapter=self.name,
            confidence=self.sniff(source).confidence,
            verified=self.verified,
            streams=tuple(streams),
            device=_DEVICE,
            epoch="local",
            identifiers=_IDENTIFIERS,
            participant_hint=participant_of(source, members[0]) if members else None,
            notices=(UNVERIFIED,),
        )

    def read(self, source: Source, options: ReadOptions) -> Iterator[Recording]:
        """One recording for each device of each interval file, and one for each file of nights.

        Raises
        ------
        InputError
            When a file is damaged or holds nothing.
        """
        zone = zone_of_options(options)
        taken: set[str] = set()
        for member in claimed_members(source, _look):
            name = without_device_id(shown_name(source, member))
            who = options.participant or participant_of(source, member)
            about = Provenance((input_file(source, member),), self.name, self.version, self.verified)
            if _is_nightly(source.head(member)):
                gathered = Gathered(zone)
                series = _nights(source, member, gathered)
                recording = Recording(
                    "nightly_recovery", participant=who, timezone=zone, device=_DEVICE, provenance=about,
                    notices=(UNVERIFIED, *gathered.told()), series=series,
                )  # fmt: skip
                yield with_distinct_id(recording, taken)
                continue
            skipped = SkippedRows(name)
            devices = _scan(source, member, skipped)
            if not devices:
                raise InputError("holds no interval", where=name)
            for local, length, broken in devices.values():
                recording = _recording(local, length, broken, zone, skipped, who, about)
                yield with_distinct_id(recording, taken)


def _look(source: Source, member: str) -> Sniff:
    head = source.head(member)
    if head.lstrip(b"\xef\xbb\xbf \r\n\t")[:1] not in (b"{", b"["):
        return Sniff(0.0, "not JSON")
    if b'"devicePpiSamplesList"' in head or (b'"ppiSamples"' in head and b'"pulseLength"' in head):
        return Sniff(0.95, "lists of pulse-to-pulse intervals")
    if _is_nightly(head):
        return Sniff(0.95, "nightly recovery")
    return Sniff(0.0, "no keys of Polar Flow intervals or nights")


def _is_nightly(head: bytes) -> bool:
    return b'"beat_to_beat_avg"' in head or b'"heart_rate_variability_avg"' in head


Found = dict[bytes, tuple["NDArray[np.int64]", "NDArray[np.float64]", "NDArray[np.bool_]"]]


def _scan(source: Source, member: str, skipped: SkippedRows) -> Found:
    """Local times, lengths, and breaks (rows left out right before) of each device's intervals."""
    times: dict[bytes, list[NDArray[np.int64]]] = {}
    lengths: dict[bytes, list[NDArray[np.float64]]] = {}
    breaks: dict[bytes, list[NDArray[np.bool_]]] = {}
    device, rest = b"", b""
    with source.open(member) as stream:
        while block := stream.read(BLOCK_BYTES):
            data = rest + block
            cut = data.rfind(b"}")
            if cut < 0:
                if len(data) > BLOCK_BYTES + _ROW_BYTES:
                    raise InputError("is not JSON: no object ends", where=member)
                rest = data
                continue
            data, rest = data[: cut + 1], data[cut + 1 :]
            batch: dict[bytes, tuple[list[str], list[str]]] = {}
            for match in _TOKEN.finditer(data):
                if match[1] is not None:
                    device = match[1]
                    continue
                texts, values = batch.setdefault(device, ([], []))
                when, length_text = (match[2], match[3]) if match[2] is not None else (match[5], match[4])
                texts.append(when.decode("ascii", "replace"))
                values.append(length_text.decode("ascii"))
            for owner, (texts, values) in batch.items():
                local, length = iso_times(texts), np.array([number(v) for v in values])
                good = usable_times(local) & (length > 0) & (length < 60_000)
                first = skipped.rows + 1
                skipped.rows += len(good)
                for code, bad in (("bad_time", ~usable_times(local)), ("out_of_range", usable_times(local) & ~good)):
                    at = np.flatnonzero(bad)
                    if len(at):
                        skipped.add("bad_time" if code == "bad_time" else "out_of_range", first + int(at[0]), len(at))
                kept = np.flatnonzero(good)
                times.setdefault(owner, []).append(local[kept])
                lengths.setdefault(owner, []).append(length[kept])
                breaks.setdefault(owner, []).append(np.concatenate([[True], np.diff(kept) > 1])[: len(kept)])
    found = {
        key: (np.concatenate(times[key]), np.concatenate(lengths[key]), np.concatenate(breaks[key])) for key in times
    }
    return {key: columns for key, columns in found.items() if len(columns[0])}


def _recording(
    local: NDArray[np.int64],
    length: NDArray[np.float64],
    broken: NDArray[np.bool_],
    zone: TimeZone,
    skipped: SkippedRows,
    who: str | None,
    about: Provenance,
) -> Recording:
    notices: list[Notice] = []
    epoch: Epoch = "local"
    if zone.known:
        assert zone.name is not None
        stamps, epoch = local_to_utc(local, zone_named(zone.name)), "utc"
    else:
        stamps = _unwound(local, notices)
    starts, ends = stamps, stamps + np.rint(length * _NS_PER_MS).astype(np.int64)
    by_start = joined_by_stamps(ends, length, _TOLERANCE_MS)
    by_end = joined_by_stamps(stamps, length, _TOLERANCE_MS)
    from_start = by_start.sum() >= by_end.sum()
    end_ns, joined = (ends, by_start) if from_start else (starts, by_end)
    order = np.argsort(end_ns, kind="stable")
    if not np.array_equal(order, np.arange(len(order))):
        notices.append(Notice("unordered", "intervals out of order were put in order of time", "warning"))
        end_ns, length, broken = end_ns[order], length[order], broken[order]
        joined = joined_by_stamps(end_ns, length, _TOLERANCE_MS)
    again = np.concatenate([[False], np.diff(end_ns) <= 0])
    if again.any():
        skipped.add("duplicate", int(np.flatnonzero(again)[0]) + 1, int(again.sum()))
        end_ns, length = end_ns[~again], length[~again]
        joined = joined_by_stamps(end_ns, length, _TOLERANCE_MS)
        broken = broken[~again]
    # the stamp says that an interval follows the one before; a row that was left out in between says that it does not
    placed = place(RecordedIntervals(end_ns, length, joined & ~broken), epoch=epoch, source="ppg", method="device ppi")
    out = int((~plausible(length)).sum())
    if out:
        skipped.add("out_of_range", int(np.flatnonzero(~plausible(length))[0]) + 1, out)
    message = f"a stamp is taken for the {'start' if from_start else 'end'} of its interval: so most of them fit"
    notices.append(Notice("stamp_rule", message, "info"))
    return Recording(
        "ppi", beats={"ppi": placed.beats}, participant=who, timezone=zone, device=_DEVICE, provenance=about,
        notices=(UNVERIFIED, *skipped.notices(), *notices),
    )  # fmt: skip


def _unwound(local: NDArray[np.int64], notices: list[Notice]) -> NDArray[np.int64]:
    """Local times where the clock goes back by an hour go on instead: the order of the list counts, not the clock."""
    back = np.concatenate([[0], np.diff(local)])
    stepped = (back < -1800 * NS_PER_S) & (back > -7200 * NS_PER_S)
    if not stepped.any():
        return local
    message = "the clock went back: later times were moved on by an hour; name the zone to have them right"
    notices.append(Notice("clock_set_back", message, "warning", int(stepped.sum())))
    return local + np.cumsum(stepped) * 3600 * NS_PER_S


def _nights(source: Source, member: str, gathered: Gathered) -> dict[str, ValueSeries]:
    skipped = gathered.of(source, member)
    for place_, night in enumerate(_entries(read_json(source, member)), 1):
        skipped.rows += 1
        when = night.get("date") or night.get("night") or ""
        day = iso_times([f"{str(when)[:10]}T00:00"])
        if not usable_times(day)[0]:
            skipped.add("bad_time", place_)
            continue
        courses = {}
        for key in ("hrv_samples", "breathing_samples"):
            found = night.get(key)
            courses[key] = _course(found, int(day[0])) if isinstance(found, Mapping) else ([], [])
        for key, name, about in (
            ("hrv_samples", "rmssd", Rows("hrv", "ms", "rmssd", 300.0, "night")),
            (
                "breathing_samples",
                "respiration_rate",
                Rows("respiration_rate", "/min", window_s=300.0, context="night"),
            ),
        ):
            times, values = courses[key]
            if times:
                instants, about.epoch = gathered.placed(np.array(times, np.int64))
                gathered.add(name, about, instants, values, instants + 300 * NS_PER_S)
        begin = courses["hrv_samples"][0][0] if courses["hrv_samples"][0] else int(day[0])
        instant, epoch = gathered.placed(np.array([begin], np.int64))
        for key, name, about in (
            ("heart_rate_avg", "mean_hr_of_night", Rows("hr", "/min", context="night")),
            ("heart_rate_variability_avg", "rmssd_of_night", Rows("hrv", "ms", "rmssd", context="night")),
            ("breathing_rate_avg", "respiration_rate_of_night", Rows("respiration_rate", "/min", context="night")),
            ("ans_charge", "ans_charge", Rows("other", "1", context="night")),
        ):
            value = number(night.get(key))
            if np.isfinite(value):
                about.epoch = epoch
                gathered.add(name, about, instant, [value])
    return gathered.series()


def _entries(found: Any) -> list[Mapping[str, Any]]:
    if isinstance(found, Mapping):
        inner = found.get("recharges", found.get("nightly_recovery"))
        found = inner if isinstance(inner, list) else [found]
    return [e for e in found if isinstance(e, Mapping)] if isinstance(found, list) else []


def _course(found: Mapping[str, Any], day_ns: int) -> tuple[list[int], list[float]]:
    """Instants on the wall clock and values: keys are clock times in order, and cross midnight once at most."""
    times: list[int] = []
    values: list[float] = []
    before, shift = -1, 0
    for key, value in found.items():
        match = _CLOCK.fullmatch(key)
        if not match or int(match[1]) > 23 or int(match[2]) > 59:
            continue
        minutes = int(match[1]) * 60 + int(match[2])
        if before < 0 and minutes >= 720:
            shift = -1
        elif minutes < before and shift == -1:
            shift = 0
        elif minutes <= before:
            continue
        before = minutes
        times.append(day_ns + shift * _DAY_NS + minutes * 60 * NS_PER_S)
        values.append(number(value))
    return times, values


ADAPTER = PolarFlow()
