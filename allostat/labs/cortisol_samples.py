"""Cortisol samples sorted into days: units converted row by row, each sample placed after an awakening."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.labs.cortisol_day import DayReason
from allostat.recording import NS_PER_S
from allostat.tables import DiaryDay, Instant, LabRow, parse_instant
from allostat.units import conversion_factor, ucum

if TYPE_CHECKING:
    import pandas as pd

InstantLike: TypeAlias = "Instant | datetime | str"
Wake: TypeAlias = "Mapping[date, InstantLike] | Mapping[str, InstantLike] | Iterable[InstantLike | DiaryDay]"

LONGEST_DAY_H = 20.0
"""A sample later than this after an awakening belongs to no awakening: the next one was not written down."""
EARLIEST_SAMPLE_MIN = 15.0
"""A sample this many minutes before an awakening still belongs to it."""
SALIVA_LIMIT_NMOL_L = 60.0
EARLY_AWAKENING_H = 4.0


@dataclass(frozen=True, slots=True)
class CortisolDay:
    """Samples of one day in order of time. ``minutes`` since waking, NaN when the wake time is not known.

    ``values`` are used, ``reported`` are what the laboratory gave (the detection limit for samples below it), both in
    nmol/L; ``flags`` holds a `DayReason` mask per sample.
    """

    date: date | None
    wake: Instant | None
    minutes: NDArray[np.float64]
    values: NDArray[np.float64]
    reported: NDArray[np.float64]
    flags: NDArray[np.int16]
    reasons: DayReason
    units: frozenset[str]
    specimen: str
    assay: str
    where: str


def as_instant(value: InstantLike) -> Instant:
    """An instant from an ISO text, a datetime (or pandas Timestamp) or an instant."""
    match value:
        case Instant():
            return value
        case datetime():
            return Instant.of(value)
        case str():
            return parse_instant(value)
    raise InputError("not an instant", found=f"{value!r}", expected="ISO text, datetime or Instant")


def collect_days(samples: pd.DataFrame | Sequence[LabRow], wake: Wake, timezone: str | None) -> tuple[CortisolDay, ...]:
    """Days of one participant's cortisol samples, in order of time.

    Raises
    ------
    InputError
        No samples, several participants, assays or specimens, or samples and awakenings of which only some have a UTC
        offset (give ``timezone``).
    """
    rows = rows_from(samples)
    if not rows:
        raise InputError("no cortisol samples")
    _refuse_mixtures(rows)
    wakes = _awakenings(wake)
    if timezone is not None:
        rows = [r.in_zone(timezone) for r in rows]
        wakes = [w.in_zone(timezone) for w in wakes]
    _refuse_mixed_clocks(rows, wakes)
    wakes.sort(key=lambda w: w.time_ns)
    groups: dict[tuple[int, str], list[LabRow]] = {}
    for row in rows:
        groups.setdefault(_group(row, wakes), []).append(row)
    days = []
    for (at, _), members in groups.items():
        days.append(_day(members, wakes[at] if at >= 0 else None))
    return tuple(sorted(days, key=lambda d: (d.date is None, d.date or date.min)))


def rows_from(samples: pd.DataFrame | Sequence[LabRow]) -> list[LabRow]:
    """Laboratory rows from either form of samples."""
    if isinstance(samples, Sequence):
        return list(samples)
    known = ("collected_at", "value", "unit", "specimen", "operator", "assay", "day", "sample", "participant_id")
    for column in ("collected_at", "value", "unit", "specimen"):
        if column not in samples.columns:
            raise InputError(
                "cortisol samples lack a column", found=", ".join(map(str, samples.columns)), expected=column
            )
    rows = []
    for number, record in enumerate(samples.to_dict("records"), 1):
        texts = {
            k: "" if _absent(record.get(k)) else str(record[k]) for k in known if k not in ("collected_at", "value")
        }
        when = record["collected_at"]
        rows.append(
            LabRow(
                participant=texts["participant_id"],
                analyte="cortisol",
                value=float(record["value"]),
                unit=ucum(texts["unit"], where=f"sample {number}"),
                specimen=texts["specimen"],
                collected_at=None if _absent(when) else as_instant(when),
                operator=texts["operator"],
                assay=texts["assay"],
                day=texts["day"],
                sample=texts["sample"],
                line=number,
            )
        )
    return rows


def _absent(cell: object) -> bool:
    """None, NaN and NaT differ from themselves or are None."""
    return cell is None or cell != cell


def _refuse_mixtures(rows: Sequence[LabRow]) -> None:
    for what, found in (
        ("participants", {r.participant for r in rows}),
        ("assays", {r.assay for r in rows if r.assay}),
        ("specimens", {r.specimen for r in rows if not math.isnan(r.value)}),
    ):
        if len(found) > 1:
            raise InputError(
                f"cortisol of several {what} in one series", where=rows[0].where, found=", ".join(sorted(found)),
                expected="one: they are not interchangeable without a calibration",
            )  # fmt: skip
    for row in rows:
        if row.value <= 0:
            raise InputError("cortisol is above zero", where=row.where, found=row.value, expected="'<LIMIT' below it")


def _awakenings(wake: Wake) -> list[Instant]:
    entries = wake.values() if isinstance(wake, Mapping) else wake
    found = []
    for entry in entries:
        if isinstance(entry, DiaryDay):
            if entry.wake is not None:
                found.append(entry.wake)
        else:
            found.append(as_instant(entry))
    return found


def _refuse_mixed_clocks(rows: Sequence[LabRow], wakes: Sequence[Instant]) -> None:
    epochs = {r.collected_at.epoch for r in rows if r.collected_at is not None} | {w.epoch for w in wakes}
    if len(epochs) > 1:
        raise InputError(
            "some sample or wake times have a UTC offset and some have none",
            where=rows[0].where,
            expected="the participant's time zone, or offsets everywhere",
        )


def _group(row: LabRow, wakes: Sequence[Instant]) -> tuple[int, str]:
    """Number of the awakening that a sample follows (-1: none) and, without one, the name of its day."""
    when = row.collected_at
    if when is None:
        return -1, row.day or "no time"
    best = -1
    for i, wake in enumerate(wakes):
        since = (when.time_ns - wake.time_ns) / NS_PER_S
        if -EARLIEST_SAMPLE_MIN * 60 <= since <= LONGEST_DAY_H * 3600:
            best = i
    return (best, "") if best >= 0 else (-1, row.day or str(when.wall_date))


def _day(rows: Sequence[LabRow], wake: Instant | None) -> CortisolDay:
    timed = sorted(rows, key=lambda r: (r.collected_at is None, r.collected_at.time_ns if r.collected_at else 0))
    minutes, used, reported, flags = [], [], [], []
    for row in timed:
        since = math.nan
        if wake is not None and row.collected_at is not None:
            since = (row.collected_at.time_ns - wake.time_ns) / (60 * NS_PER_S)
        value, raw, flag = _concentration(row)
        minutes.append(since)
        used.append(value)
        reported.append(raw)
        flags.append(int(flag))
    merged = _merge_duplicates(np.array(minutes), np.array(used), np.array(reported), np.array(flags, dtype=np.int16))
    reasons = DayReason(int(np.bitwise_or.reduce(merged[3])))
    if wake is not None and wake.wall_hour < EARLY_AWAKENING_H:
        reasons |= DayReason.EARLY_AWAKENING
    first = next((r.collected_at for r in timed if r.collected_at is not None), None)
    anchor = wake or first
    return CortisolDay(
        date=anchor.wall_date if anchor is not None else None,
        wake=wake,
        minutes=merged[0],
        values=merged[1],
        reported=merged[2],
        flags=merged[3],
        reasons=reasons,
        units=frozenset(r.unit for r in rows if not math.isnan(r.value)),
        specimen=next((r.specimen for r in rows if r.specimen), ""),
        assay=next((r.assay for r in rows if r.assay), ""),
        where=timed[0].where,
    )


def _concentration(row: LabRow) -> tuple[float, float, DayReason]:
    """Value to use and value reported, in nmol/L, and what is known of it."""
    if math.isnan(row.value):
        return math.nan, math.nan, DayReason.VALUE_MISSING
    raw = row.value * conversion_factor(row.unit, "nmol/L", analyte="cortisol", where=row.where)
    if row.operator == "<":
        return raw / math.sqrt(2.0), raw, DayReason.BELOW_LOD
    if row.operator == ">":
        return math.nan, raw, DayReason.ABOVE_ASSAY_RANGE
    if row.specimen == "saliva" and raw > SALIVA_LIMIT_NMOL_L:
        return math.nan, raw, DayReason.ABOVE_60_NMOL_L
    return raw, raw, DayReason(0)


def _merge_duplicates(
    minutes: NDArray[np.float64],
    used: NDArray[np.float64],
    reported: NDArray[np.float64],
    flags: NDArray[np.int16],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int16]]:
    """Samples of one instant become one with their mean; samples without a time stay as they are."""
    if len(minutes) < 2 or not bool((np.diff(minutes) == 0).any()):
        return minutes, used, reported, flags
    starts = np.flatnonzero(np.concatenate([[True], np.diff(minutes) != 0]))
    parts = np.split(np.arange(len(minutes)), starts[1:])
    keep = np.array([p[0] for p in parts])
    merged = np.array([_mean_of_present(used[p]) for p in parts])
    raw = np.array([_mean_of_present(reported[p]) for p in parts])
    marks = [int(np.bitwise_or.reduce(flags[p])) | (int(DayReason.DUPLICATE_ASSAY) if len(p) > 1 else 0) for p in parts]
    return minutes[keep], merged, raw, np.array(marks, dtype=np.int16)


def _mean_of_present(values: NDArray[np.float64]) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else math.nan
