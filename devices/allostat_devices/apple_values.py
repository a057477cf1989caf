"""Values in Apple Health records: heart rates, HRV summaries, sleep and cuff readings of one source."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError
from allostat.recording import Context, HrvMetric, SeriesKind, SleepStage, ValueSeries
from allostat.tables import BloodPressureReading, Instant
from allostat_devices.apple_records import (
    DIASTOLIC,
    HEART_RATE,
    NO_STAMP,
    OXYGEN,
    RESPIRATION,
    RESTING,
    RMSSD,
    SDNN,
    SLEEP,
    SYSTOLIC,
    WALKING,
    AppleExport,
)
from allostat_devices.skipped_rows import SkipCode, SkippedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class _Kind:
    """How records of one type become a series."""

    name: str
    kind: SeriesKind
    unit: str
    written: tuple[str, ...]
    """Units in the file that mean ``unit``."""
    plausible: tuple[float, float]
    metric: HrvMetric | None = None
    context: Context = "unknown"


_PER_MINUTE = ("count/min",)
_KINDS = {
    HEART_RATE: _Kind("hr", "hr", "/min", _PER_MINUTE, (20.0, 300.0)),
    RESTING: _Kind("resting_hr", "resting_hr", "/min", _PER_MINUTE, (20.0, 200.0), context="day"),
    WALKING: _Kind("walking_hr", "other", "/min", _PER_MINUTE, (20.0, 300.0), context="day"),
    SDNN: _Kind("sdnn", "hrv", "ms", ("ms",), (0.0, 1000.0), "sdnn"),
    RMSSD: _Kind("rmssd", "hrv", "ms", ("ms",), (0.0, 1000.0), "rmssd"),
    RESPIRATION: _Kind("respiration_rate", "respiration_rate", "/min", _PER_MINUTE, (2.0, 100.0)),
    # a fraction, although its unit is written as per cent
    OXYGEN: _Kind("spo2", "other", "1", ("%",), (0.2, 1.0)),
}
_STAGES = {
    "InBed": SleepStage.IN_BED,
    "Asleep": SleepStage.ASLEEP,
    "AsleepUnspecified": SleepStage.ASLEEP,
    "Awake": SleepStage.AWAKE,
    "AsleepCore": SleepStage.LIGHT,
    "AsleepDeep": SleepStage.DEEP,
    "AsleepREM": SleepStage.REM,
}
SLEEP_PREFIX = "HKCategoryValueSleepAnalysis"


def series_of(
    export: AppleExport, chosen: NDArray[np.bool_], offset_s: dict[int, int], skipped: SkippedRows
) -> dict[str, ValueSeries]:
    """All series of one source.

    Sleep is two series, because being in bed overlaps the stages: ``sleep`` with 1 asleep, 2 awake, 3 core, 4 deep,
    5 REM (HealthKit's own numbers), and ``in_bed`` with 0.

    Parameters
    ----------
    chosen
        bool (records,): the records of the source.
    offset_s
        UTC offsets found from beats, by index of the HRV record.
    """
    usable = chosen & (export.start_s != NO_STAMP) & (export.end_s >= export.start_s)
    _skip(export, chosen & ~usable, "bad_time", skipped)
    found: dict[str, ValueSeries] = {}
    for number, kind in _KINDS.items():
        which = _of_kind(export, usable, number, kind, skipped)
        if not len(which):
            continue
        extras: dict[str, NDArray[Any]] = {}
        if number == HEART_RATE:
            extras["motion_context"] = _motion(export, which)
        if number == SDNN and any(int(i) in offset_s for i in which):
            extras["utc_offset_s"] = np.array([offset_s.get(i, np.nan) for i in which.tolist()])
        found[kind.name] = _series(export, which, kind, extras)
    return found | _sleep(export, usable & (export.kind == SLEEP), skipped)


def _of_kind(
    export: AppleExport, usable: NDArray[np.bool_], number: int, kind: _Kind, skipped: SkippedRows
) -> NDArray[np.int64]:
    """Indices of the usable records of one type, by start, each start once."""
    mine = usable & (export.kind == number)
    if not mine.any():
        return np.empty(0, np.int64)
    good_units = [i for i, text in enumerate(export.unit_texts) if text in kind.written]
    fits = np.isin(export.unit, good_units)
    _skip(export, mine & ~fits, "unsupported", skipped)
    mine &= fits
    numeric = ~np.isnan(export.value)
    _skip(export, mine & ~numeric, "bad_number", skipped)
    inside = (export.value >= kind.plausible[0]) & (export.value <= kind.plausible[1])
    _skip(export, mine & numeric & ~inside, "out_of_range", skipped)
    return _each_start_once(export, mine & inside, skipped)


def _each_start_once(export: AppleExport, mine: NDArray[np.bool_], skipped: SkippedRows) -> NDArray[np.int64]:
    which = np.flatnonzero(mine)
    starts = export.start_s[which]
    if len(which) > 1 and not (starts[1:] > starts[:-1]).all():
        order = np.argsort(starts, kind="stable")
        which, starts = which[order], starts[order]
        again = np.concatenate([[False], starts[1:] == starts[:-1]])
        if again.any():
            skipped.add("duplicate", int(export.at[which[again]].min()), int(again.sum()))
            which = which[~again]
    return which


def _skip(export: AppleExport, which: NDArray[np.bool_], code: SkipCode, skipped: SkippedRows) -> None:
    if which.any():
        skipped.add(code, int(export.at[which].min()), int(which.sum()))


def _series(export: AppleExport, which: NDArray[np.int64], kind: _Kind, extras: dict[str, NDArray[Any]]) -> ValueSeries:
    start_s, end_s = export.start_s[which], export.end_s[which]
    stretches = bool((end_s > start_s).any())
    return ValueSeries(
        kind.name,
        kind.kind,
        start_s * _S,
        export.value[which],
        kind.unit,
        ends_ns=end_s * _S if stretches else None,
        metric=kind.metric,
        window_s=float(np.median(end_s - start_s)) if stretches and kind.metric else float("nan"),
        context=kind.context,
        extras=extras,
    )


def _motion(export: AppleExport, which: NDArray[np.int64]) -> NDArray[np.int8]:
    """Motion context of each record: 0 unset, 1 sedentary, 2 active; -1 where the record has none."""
    of_record = np.full(len(export.row), -1, np.int8)
    place = np.searchsorted(export.row, export.motion_parent)
    there = place < len(export.row)
    there[there] = export.row[place[there]] == export.motion_parent[there]
    there &= np.isin(export.motion, (0.0, 1.0, 2.0))
    of_record[place[there]] = export.motion[there].astype(np.int8)
    return of_record[which]


def _sleep(export: AppleExport, mine: NDArray[np.bool_], skipped: SkippedRows) -> dict[str, ValueSeries]:
    if not mine.any():
        return {}
    # the last element stands for records without a value
    stages = [_STAGES.get(text.removeprefix(SLEEP_PREFIX), -1) for text in export.category_texts]
    stage = np.array([*stages, -1, -1], np.int64)[export.category]
    _skip(export, mine & (stage < 0), "unsupported", skipped)
    found = {}
    for name, chosen in (("sleep", mine & (stage > 0)), ("in_bed", mine & (stage == 0))):
        which = _each_start_once(export, chosen, skipped)
        if len(which):
            start_s, end_s = export.start_s[which], export.end_s[which]
            found[name] = ValueSeries(
                name, "sleep", start_s * _S, stage[which].astype(np.float64), "1", ends_ns=end_s * _S, context="night"
            )
    return found


def readings_of(
    export: AppleExport, chosen: NDArray[np.bool_], participant: str, file: str, skipped: SkippedRows
) -> tuple[BloodPressureReading, ...]:
    """Cuff readings of one source, by time.

    A reading is a correlation of two records, which the file repeats outside of it: records of equal type, time and
    value are one. Those outside of every correlation are paired by their time, in the order of the file.
    """
    usable = chosen & (export.start_s != NO_STAMP) & np.isin(export.kind, (SYSTOLIC, DIASTOLIC))
    if not usable.any():
        return ()
    in_mmhg = np.isin(export.unit, [i for i, text in enumerate(export.unit_texts) if text == "mmHg"])
    _skip(export, usable & ~in_mmhg, "unsupported", skipped)
    numeric = ~np.isnan(export.value)
    _skip(export, usable & in_mmhg & ~numeric, "bad_number", skipped)
    which = np.flatnonzero(usable & in_mmhg & numeric).tolist()
    correlated, alone = _by_correlation(export, which)
    pairs: list[tuple[int, int]] = []
    for systolic, diastolic in (*correlated, *alone):
        pairs += zip(systolic, diastolic, strict=False)
        unpaired = [*systolic[len(diastolic) :], *diastolic[len(systolic) :]]
        if unpaired:
            skipped.add("truncated", min(int(export.at[i]) for i in unpaired), len(unpaired))
    readings = []
    for systolic_at, diastolic_at in sorted(pairs, key=lambda pair: (int(export.start_s[pair[0]]), pair)):
        instant = Instant(int(export.start_s[systolic_at]) * _S, "utc")
        sbp, dbp = float(export.value[systolic_at]), float(export.value[diastolic_at])
        try:
            readings.append(BloodPressureReading(participant, sbp, dbp, measured_at=instant, where=file))
        except InputError:
            skipped.add("out_of_range", int(export.at[systolic_at]))
    return tuple(readings)


_Pairs = list[tuple[list[int], list[int]]]


def _by_correlation(export: AppleExport, which: Iterable[int]) -> tuple[_Pairs, _Pairs]:
    """Systolic and diastolic records of each correlation, and of each time outside of all correlations."""
    groups: dict[int, tuple[list[int], list[int]]] = {}
    times: dict[int, tuple[list[int], list[int]]] = {}
    repeated: dict[tuple[int, int, float], int] = {}
    outside = []
    for i in which:
        if export.group[i]:
            pair = groups.setdefault(int(export.group[i]), ([], []))
            pair[int(export.kind[i] == DIASTOLIC)].append(i)
            key = (int(export.kind[i]), int(export.start_s[i]), float(export.value[i]))
            repeated[key] = repeated.get(key, 0) + 1
        else:
            outside.append(i)
    for i in outside:
        key = (int(export.kind[i]), int(export.start_s[i]), float(export.value[i]))
        if repeated.get(key, 0):
            repeated[key] -= 1
            continue
        pair = times.setdefault(int(export.start_s[i]), ([], []))
        pair[int(export.kind[i] == DIASTOLIC)].append(i)
    return list(groups.values()), list(times.values())
