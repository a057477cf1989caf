"""Cortisol samples sorted into days: units converted row by row, each sample placed after an awakening."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.labs.awakenings import DISAGREEMENT_MIN, Awakening, Wake, as_instant, of_wake
from allostat.labs.cortisol_reasons import DayReason
from allostat.labs.cortisol_rules import CortisolSettings, calibration_of, refuse_mixed_assays
from allostat.recording import NS_PER_S
from allostat.tables import Instant, LabRow
from allostat.units import conversion_factor, ucum

if TYPE_CHECKING:
    import pandas as pd

LONGEST_DAY_H = 20.0
"""A sample later than this after an awakening belongs to no awakening: the next one was not written down."""
EARLIEST_SAMPLE_MIN = 15.0
"""A sample this many minutes before an awakening still belongs to it."""
EARLY_AWAKENING_H = 4.0


@dataclass(frozen=True, slots=True)
class CortisolDay:
    """Samples of one day in order of time. ``minutes`` since waking, NaN when the wake time is not known.

    ``values`` are used, ``reported`` are what the laboratory gave (the detection limit for samples below it), both in
    nmol/L; ``flags`` holds a `DayReason` mask per sample, ``clock_hours`` its local clock (NaN when it is not known).
    """

    date: date | None
    awakening: Awakening | None
    minutes: NDArray[np.float64]
    clock_hours: NDArray[np.float64]
    values: NDArray[np.float64]
    reported: NDArray[np.float64]
    flags: NDArray[np.int32]
    reasons: DayReason
    units: frozenset[str]
    specimen: str
    assay: str
    where: str
    names: tuple[str, ...] = ()

    @property
    def wake(self) -> Instant | None:
        """When the participant woke."""
        return None if self.awakening is None else self.awakening.instant


def collect_days(
    samples: pd.DataFrame | Sequence[LabRow],
    wake: Wake,
    timezone: str | None,
    settings: CortisolSettings = CortisolSettings(),  # noqa: B008 (frozen)
) -> tuple[CortisolDay, ...]:
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
    assay = _refuse_mixtures(rows, settings)
    wakes = of_wake(wake, timezone=timezone)
    if timezone is not None:
        rows = [r.in_zone(timezone) for r in rows]
    _refuse_mixed_clocks(rows, wakes)
    groups: dict[tuple[int, str], list[LabRow]] = {}
    for row in rows:
        groups.setdefault(_group(row, wakes), []).append(row)
    days = []
    for (at, _), members in groups.items():
        days.append(_day(members, wakes[at] if at >= 0 else None, assay, settings))
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


def _refuse_mixtures(rows: Sequence[LabRow], settings: CortisolSettings) -> str:
    """Raise for samples that are no one series; else the assay that all are comparable with."""
    for what, found in (
        ("participants", {r.participant for r in rows}),
        ("specimens", {r.specimen for r in rows if not math.isnan(r.value)}),
    ):
        if len(found) > 1:
            raise InputError(
                f"cortisol of several {what} in one series", where=rows[0].where, found=", ".join(sorted(found)),
                expected="one: they are not interchangeable",
            )  # fmt: skip
    for row in rows:
        if row.value <= 0:
            raise InputError("cortisol is above zero", where=row.where, found=row.value, expected="'<LIMIT' below it")
    return refuse_mixed_assays([r.assay for r in rows], settings.calibrations, rows[0].where)


def _refuse_mixed_clocks(rows: Sequence[LabRow], wakes: Sequence[Awakening]) -> None:
    epochs = {r.collected_at.epoch for r in rows if r.collected_at is not None} | {w.instant.epoch for w in wakes}
    if len(epochs) > 1:
        raise InputError(
            "some sample or wake times have a UTC offset and some have none",
            where=rows[0].where,
            expected="the participant's time zone, or offsets everywhere",
        )


def _group(row: LabRow, wakes: Sequence[Awakening]) -> tuple[int, str]:
    """Number of the awakening that a sample follows (-1: none) and, without one, the name of its day."""
    when = row.collected_at
    if when is None:
        return -1, row.day or "no time"
    best = -1
    for i, wake in enumerate(wakes):
        since = (when.time_ns - wake.instant.time_ns) / NS_PER_S
        if -EARLIEST_SAMPLE_MIN * 60 <= since <= LONGEST_DAY_H * 3600:
            best = i
    return (best, "") if best >= 0 else (-1, row.day or str(when.wall_date))


def _day(rows: Sequence[LabRow], awakening: Awakening | None, assay: str, settings: CortisolSettings) -> CortisolDay:
    timed = sorted(rows, key=lambda r: (r.collected_at is None, r.collected_at.time_ns if r.collected_at else 0))
    wake = None if awakening is None else awakening.instant
    minutes, clock, used, reported, flags = [], [], [], [], []
    for row in timed:
        since = math.nan
        if wake is not None and row.collected_at is not None:
            since = (row.collected_at.time_ns - wake.time_ns) / (60 * NS_PER_S)
        value, raw, flag = _concentration(row, settings)
        if assay and not row.assay and not math.isnan(value):
            flag |= DayReason.ASSAY_UNNAMED
        minutes.append(since)
        clock.append(math.nan if row.collected_at is None else row.collected_at.wall_hour)
        used.append(value)
        reported.append(raw)
        flags.append(int(flag))
    keep, values, raws, marks = _merge_duplicates(
        np.array(minutes), np.array(used), np.array(reported), np.array(flags, dtype=np.int32)
    )
    reasons = DayReason(int(np.bitwise_or.reduce(marks)))
    if awakening is not None:
        if awakening.instant.wall_hour < EARLY_AWAKENING_H:
            reasons |= DayReason.EARLY_AWAKENING
        if awakening.source == "heart_rate":
            reasons |= DayReason.AWAKENING_FROM_HEART_RATE
        if abs(awakening.other_minus_this_min) > DISAGREEMENT_MIN:
            reasons |= DayReason.AWAKENING_SOURCES_DISAGREE
    first = next((r.collected_at for r in timed if r.collected_at is not None), None)
    anchor = wake or first
    return CortisolDay(
        date=anchor.wall_date if anchor is not None else None,
        awakening=awakening,
        minutes=np.array(minutes)[keep],
        clock_hours=np.array(clock)[keep],
        values=values,
        reported=raws,
        flags=marks,
        reasons=reasons,
        units=frozenset(r.unit for r in rows if not math.isnan(r.value)),
        specimen=next((r.specimen for r in rows if r.specimen), ""),
        assay=assay,
        where=timed[0].where,
        names=tuple(timed[i].sample for i in keep),
    )


def _concentration(row: LabRow, settings: CortisolSettings) -> tuple[float, float, DayReason]:
    """Value to use and value reported, in nmol/L, and what is known of it."""
    if math.isnan(row.value):
        return math.nan, math.nan, DayReason.VALUE_MISSING
    raw = row.value * conversion_factor(row.unit, "nmol/L", analyte="cortisol", where=row.where)
    used, flag = raw, DayReason(0)
    if row.operator == "<":
        used, flag = raw / math.sqrt(2.0), DayReason.BELOW_LOD
    elif row.operator == ">":
        return math.nan, raw, DayReason.ABOVE_ASSAY_RANGE
    line = calibration_of(row.assay, settings.calibrations)
    if line is not None:
        used, said = line.apply(used)
        flag |= said
    if row.specimen == "saliva" and not math.isnan(used):
        used, said = settings.outliers.apply(used)
        flag |= said
    return used, raw, flag


def _merge_duplicates(
    minutes: NDArray[np.float64],
    used: NDArray[np.float64],
    reported: NDArray[np.float64],
    flags: NDArray[np.int32],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """Samples of one instant become one with their mean; samples without a time stay as they are.

    Gives which samples are kept, their values used and reported, and their marks.
    """
    if len(minutes) < 2 or not bool((np.diff(minutes) == 0).any()):
        return np.arange(len(minutes)), used, reported, flags
    starts = np.flatnonzero(np.concatenate([[True], np.diff(minutes) != 0]))
    parts = np.split(np.arange(len(minutes)), starts[1:])
    merged = np.array([_mean_of_present(used[p]) for p in parts])
    raw = np.array([_mean_of_present(reported[p]) for p in parts])
    marks = [int(np.bitwise_or.reduce(flags[p])) | (int(DayReason.DUPLICATE_ASSAY) if len(p) > 1 else 0) for p in parts]
    return np.array([p[0] for p in parts]), merged, raw, np.array(marks, dtype=np.int32)


def _mean_of_present(values: NDArray[np.float64]) -> float:
    present = values[~np.isnan(values)]
    return float(present.mean()) if present.size else math.nan
