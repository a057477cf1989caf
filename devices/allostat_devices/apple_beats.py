"""Beats inside the HRV records of an Apple Health export: from clock times to instants, intervals, and the zone.

A beat is written as local clock time of the place where it happened, to 1/100 s; its record has instants. Local time
differs from UTC by whole quarters of an hour, so the beat is the one instant inside the record that lies whole quarters
away from its clock time. That places beats across midnight and across changes of the clock as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import TimeZoneError
from allostat.recording import UNKNOWN_ZONE, BeatFlag, Beats, BeatSource, Notice, TimeZone
from allostat_devices.apple_records import NO_STAMP, AppleExport
from allostat_devices.beat_stamps import plausible
from allostat_devices.skipped_rows import SkippedRows
from allostat_devices.zone_inference import fixed_offset_name, zone_named

if TYPE_CHECKING:
    from numpy.typing import NDArray

_S = 1_000_000_000
_QUARTER_NS = 900 * _S
_DAY_NS = 86_400 * _S
LATE_NS = 5 * _S
"""A beat may lie this long after the end of its record."""
GRID_MS = 10.0
UNCERTAINTY_MS = GRID_MS / 12**0.5
"""Standard error of an instant on a grid of 10 ms."""
FLOOR_MS2 = 6 * GRID_MS**2 / 12
"""What the grid adds to the square of RMSSD: a second difference of three instants has 6 times their variance."""
DISAGREES = 0.25
"""Beats do not follow each other when their distance differs from 60/bpm by more than this share of it."""
_FAMILIES = (
    "WET", "CET", "EET", "EST5EDT", "CST6CDT", "MST7MDT", "PST8PDT", "America/Halifax", "America/St_Johns",
    "America/Anchorage", "America/Santiago", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland",
    "Asia/Jerusalem",
)  # fmt: skip
"""Zones that stand for the rules by which clocks change; more than one place has each."""


@dataclass(frozen=True, slots=True)
class PlacedBeats:
    """Beats of HRV records in UTC, in the order of the file.

    Parameters
    ----------
    record
        int64 (m,): index of each beat's record in the export.
    times_ns, bpm
        int64 and float64 (m,).
    at
        int64 (m,): place in the file.
    joined
        bool (m,): whether the beat before it in the file is one of the same record and was placed.
    offset_s
        dict: UTC offset of the place by index of the record, from its first beat.
    """

    record: NDArray[np.int64]
    times_ns: NDArray[np.int64]
    bpm: NDArray[np.float64]
    at: NDArray[np.int64]
    joined: NDArray[np.bool_]
    offset_s: dict[int, int]
    lost_record: NDArray[np.int64]
    lost_at: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> PlacedBeats:
        """The beats whose record is chosen; ``chosen`` has an element for every record of the export."""
        mine, lost = chosen[self.record], chosen[self.lost_record]
        return PlacedBeats(
            self.record[mine],
            self.times_ns[mine],
            self.bpm[mine],
            self.at[mine],
            self.joined[mine],
            self.offset_s,
            self.lost_record[lost],
            self.lost_at[lost],
        )


def placed_beats(export: AppleExport) -> PlacedBeats:
    """Place all beats; those that lie outside of their record, or have no time, are lost."""
    record = np.searchsorted(export.row, export.beat_parent)
    present = record < len(export.row)
    record, clock_ns, bpm, at = (
        record[present],
        export.beat_clock_ns[present],
        export.beat_bpm[present],
        export.beat_at[present],
    )
    known = export.row[record] == export.beat_parent[present]
    known &= (export.start_s[record] != NO_STAMP) & (export.end_s[record] >= export.start_s[record])
    start_ns = np.where(known, export.start_s[record], 0) * _S
    end_ns = np.where(known, export.end_s[record], 0) * _S
    # of a record that lasts a quarter of an hour or more only whole days are certain: its offset would be a guess
    known &= end_ns + LATE_NS - start_ns < _QUARTER_NS
    late_ns = (clock_ns - start_ns) % _QUARTER_NS
    good = known & (clock_ns >= 0) & (late_ns <= end_ns + LATE_NS - start_ns)
    times_ns = start_ns + late_ns
    same = np.concatenate([[False], (record[1:] == record[:-1]) & good[1:] & good[:-1]])[: len(record)]
    offset_s = _offsets(export, record[good], times_ns[good], clock_ns[good])
    return PlacedBeats(
        record[good], times_ns[good], bpm[good], at[good], same[good], offset_s, record[~good], at[~good]
    )


def _offsets(
    export: AppleExport, record: NDArray[np.int64], times_ns: NDArray[np.int64], clock_ns: NDArray[np.int64]
) -> dict[int, int]:
    """UTC offset in s of each record with beats: of -12 to +14 h, the one nearest to what the phone printed."""
    # beats stand in the order of their records
    first = np.flatnonzero(np.concatenate([[True], record[1:] != record[:-1]])) if len(record) else record
    which = record[first]
    offset_s = np.rint((clock_ns[first] - times_ns[first] % _DAY_NS) / _S).astype(np.int64)
    printed_s = export.printed_offset_s[which].astype(np.int64)
    # the same clock time may be a day earlier or later
    candidates = np.stack([offset_s - 86_400, offset_s, offset_s + 86_400])
    away = np.abs(candidates - printed_s) + np.where((candidates < -43_200) | (candidates > 50_400), 10**6, 0)
    best = np.argmin(away, axis=0)
    return dict(zip(which.tolist(), candidates[best, np.arange(len(which))].tolist(), strict=True))


def beats_of(
    placed: PlacedBeats, starts_s: NDArray[np.int64], skipped: SkippedRows, source: BeatSource, notices: list[Notice]
) -> Beats:
    """The beats of one source as one series, each record a stretch of its own.

    The interval of a beat is the time since the beat before it. It is missing at the first beat of a record, after a
    beat that was left out, and where it contradicts the heart rate that stands beside the beat.

    Parameters
    ----------
    placed
        Beats of this source.
    starts_s
        int64 (records,): start of each record of the export, by which records are put in order.
    """
    order = np.lexsort((np.arange(len(placed.record)), placed.record, starts_s[placed.record]))
    times, bpm, at = placed.times_ns[order], placed.bpm[order], placed.at[order]
    joined = placed.joined[order]
    before = np.concatenate([[np.iinfo(np.int64).min], np.maximum.accumulate(times)[:-1]])[: len(times)]
    keep = times > before
    if len(placed.lost_at):
        skipped.add("bad_time", int(placed.lost_at.min()), len(placed.lost_at))
    if not keep.all():
        skipped.add("duplicate", int(at[~keep].min()), int((~keep).sum()))
    joined &= np.concatenate([[False], keep[:-1]])[: len(joined)]
    times, bpm, joined = times[keep], bpm[keep], joined[keep]
    intervals = np.full(len(times), np.nan)
    intervals[1:] = np.diff(times) / 1e6
    intervals[~joined] = np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = 60_000.0 / bpm
        apart = joined & (np.abs(intervals - expected) > DISAGREES * expected)
    intervals[apart] = np.nan
    flags = np.zeros(len(times), np.int8)
    odd = ~np.isnan(intervals) & ~plausible(intervals)
    intervals[odd] = np.nan
    flags[odd] = BeatFlag.OUT_OF_RANGE
    if apart.any():
        message = f"beats whose distance differs from 60/bpm by more than {DISAGREES:.0%} do not follow each other"
        notices.append(Notice("not_consecutive", message, "info", int(apart.sum())))
    notices.append(
        Notice(
            "time_grid",
            f"beat times stand on a grid of {GRID_MS:.0f} ms: they add about {FLOOR_MS2:.0f} ms² to RMSSD²",
            "info",
            len(times),
        )
    )
    uncertainty = np.full(len(times), UNCERTAINTY_MS, np.float32)
    return Beats(times, intervals, flags, source, uncertainty_ms=uncertainty, extras={"bpm": bpm})


def told_zone(export: AppleExport) -> tuple[TimeZone, list[Notice]]:
    """The zone that most records name by ``HKTimeZone``; unknown when none does."""
    names: Counter[str] = Counter()
    unknown = 0
    for number, count in zip(*np.unique(export.zone, return_counts=True), strict=True):
        if number < 0:
            continue
        name = export.zone_texts[number]
        try:
            zone_named(name)
        except TimeZoneError:
            unknown += int(count)
        else:
            names[name] += int(count)
    notices = []
    if unknown:
        notices.append(Notice("unsupported", "records name a zone that does not exist", "warning", unknown))
    if not names:
        return UNKNOWN_ZONE, notices
    name, most = min(names.items(), key=lambda item: (-item[1], item[0]))
    if len(names) > 1:
        others = sum(names.values()) - most
        message = f"records name {len(names)} zones; {name} is named most often"
        notices.append(Notice("zone_changes", message, "warning", others))
    return TimeZone(name, "file"), notices


def inferred_zone(starts_s: Sequence[int], offsets_s: Sequence[int]) -> tuple[TimeZone, list[Notice]]:
    """The zone that the UTC offsets of HRV records tell.

    One offset throughout gives that offset. Offsets that change as the clocks of one region do give a zone of that
    rule, which is no place (``CET``); others the offset found most often. The latter two are weak.

    Parameters
    ----------
    starts_s, offsets_s
        Start in s UTC and offset in s of each record with beats.
    """
    if not offsets_s:
        return UNKNOWN_ZONE, []
    counts = Counter(offsets_s)
    if len(counts) == 1:
        return TimeZone(fixed_offset_name(offsets_s[0] * _S), "inferred"), []
    for name in _FAMILIES:
        rule = zone_named(name)
        if all(_offset_at(s, rule) == o for s, o in zip(starts_s, offsets_s, strict=True)):
            message = f"the offset changes as clocks do in {name}; other zones change alike"
            return TimeZone(name, "inferred", weak=True), [Notice("zone_changes", message, "info", len(offsets_s))]
    offset, most = min(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(fixed_offset_name(o * _S) for o in sorted(counts))
    message = f"local time changes between {shown}, as on journeys; the offset found most often is taken for all of it"
    zone = TimeZone(fixed_offset_name(offset * _S), "inferred", weak=True)
    return zone, [Notice("zone_changes", message, "warning", len(offsets_s) - most)]


def _offset_at(second: int, zone: tzinfo) -> int:
    offset = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=second)).astimezone(zone).utcoffset()
    return round(offset.total_seconds()) if offset is not None else 0


def offsets_that_differ(starts_s: Sequence[int], offsets_s: Sequence[int], zone: str) -> int:
    """How many records have beats whose clock is not that of a zone."""
    info = zone_named(zone)
    return sum(_offset_at(s, info) != o for s, o in zip(starts_s, offsets_s, strict=True))
