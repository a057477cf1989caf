"""Values that a device worked out itself, in FIT: heart rate, HRV, stress, sleep, breathing, cuff readings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError
from allostat.recording import NS_PER_S, Context, HrvMetric, Notice, SeriesKind, SleepStage, ValueSeries
from allostat_devices.clock_blocks import usable_stamps
from allostat_devices.fit_clock import MONITORING, FitClock
from allostat_devices.fit_container import Part
from allostat_devices.skipped_rows import SkippedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allostat.tables import BloodPressureReading

BLOOD_PRESSURE = 51
_TYPE_AND_INTENSITY = 24
_MONITORING = {"cycles": (3, 2.0), "distance_m": (2, 100.0), "active_time_s": (4, 1000.0), "active_kcal": (19, 1.0)}
STRESS, SLEEP_LEVEL, RESPIRATION = 227, 275, 297
_STRESS_TIME = 1
_HEALTH_SNAPSHOT: dict[int, tuple[str, Mapping[int, tuple[str, float]]]] = {
    302: ("hsa_accelerometer", {1: ("sampling_interval_ms", 1), 2: ("x_mg", 1.024), 3: ("y_mg", 1.024),
                                4: ("z_mg", 1.024)}),
    304: ("hsa_step", {0: ("processing_interval_s", 1), 1: ("steps", 1)}),
    305: ("hsa_spo2", {0: ("processing_interval_s", 1), 1: ("spo2_percent", 1), 2: ("confidence", 1)}),
    306: ("hsa_stress", {0: ("processing_interval_s", 1), 1: ("stress_level", 1)}),
    307: ("hsa_respiration", {0: ("processing_interval_s", 1), 1: ("respiration_rate_per_min", 100)}),
    308: ("hsa_heart_rate", {0: ("processing_interval_s", 1), 1: ("status", 1), 2: ("heart_rate_per_min", 1)}),
    314: ("hsa_body_battery", {0: ("processing_interval_s", 1), 1: ("level", 1), 2: ("charged", 1),
                               3: ("uncharged", 1)}),
    315: ("hsa_event", {0: ("event", 1)}),
    376: ("hsa_gyroscope", {1: ("sampling_interval", 1), 2: ("x_deg_per_s", 28.57143), 3: ("y_deg_per_s", 28.57143),
                            4: ("z_deg_per_s", 28.57143)}),
    409: ("hsa_wrist_temperature", {0: ("processing_interval_s", 1), 1: ("temperature_cel", 1000)}),
}  # fmt: skip
"""Messages of a Health Snapshot by number: name, and of each field its name and divisor."""
_BP_UNUSABLE = (1.0, 2.0, 3.0)
_BP_IRREGULAR = 4.0
MAX_SNAPSHOT = 1_000_000
"""Hours of acceleration; a Health Snapshot takes two minutes."""
MAX_READINGS = 100_000
"""A reading every few minutes for a year."""


@dataclass(frozen=True)
class _Values:
    """One series: where its values stand, and what they are."""

    name: str
    message: int
    column: int
    kind: SeriesKind
    unit: str
    scale: float = 1.0
    least: float = 0.0
    """Smaller values mean that there is none."""
    metric: HrvMetric | None = None
    window_s: float = float("nan")
    context: Context = "unknown"
    extras: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    """Further columns: field and divisor."""
    codes: Mapping[int, int] | None = None
    """What each number stands for; others are missing."""


_BASELINE = {
    "baseline_low_upper": (3, 128.0),
    "baseline_balanced_lower": (4, 128.0),
    "baseline_balanced_upper": (5, 128.0),
    "status": (6, 1.0),
}
_MOVING = {
    "cadence_per_min": (4, 1.0),
    "speed_m_per_s": (6, 1000.0),
    "enhanced_speed_m_per_s": (73, 1000.0),
    "power_w": (7, 1.0),
    "temperature_cel": (13, 1.0),
}
_STAGES = {1: SleepStage.AWAKE, 2: SleepStage.LIGHT, 3: SleepStage.DEEP, 4: SleepStage.REM}
_SERIES = (
    _Values("hr", 20, 3, "hr", "/min", least=1.0, extras=_MOVING),
    _Values("hr_monitoring", 55, 27, "hr", "/min", least=1.0),
    _Values("resting_hr", 211, 1, "resting_hr", "/min", least=1.0),
    _Values("resting_hr_7_days", 211, 0, "resting_hr", "/min", least=1.0),
    _Values("rmssd", 371, 0, "hrv", "ms", 1 / 128, metric="rmssd", window_s=300.0, context="night"),
    _Values("rmssd_night", 370, 1, "hrv", "ms", 1 / 128, metric="rmssd", context="night", extras=_BASELINE),
    _Values("rmssd_night_high", 370, 2, "hrv", "ms", 1 / 128, metric="rmssd", window_s=300.0, context="night"),
    _Values("rmssd_week", 370, 0, "hrv", "ms", 1 / 128, metric="rmssd", context="night"),
    _Values("respiration_rate", RESPIRATION, 0, "respiration_rate", "/min", 1 / 100, least=0.01),
    _Values("sleep", SLEEP_LEVEL, 0, "sleep", "1", codes=_STAGES),
    _Values("stress", STRESS, 0, "other", "1"),
)
DOCUMENTED_ONLY = {211: "monitoring_hr_data", 370: "hrv_status_summary", 371: "hrv_value", RESPIRATION: "respiration",
                   SLEEP_LEVEL: "sleep_level", STRESS: "stress", BLOOD_PRESSURE: "blood_pressure",
                   290: "beat_intervals", 372: "raw_bbi"}  # fmt: skip
"""Messages known from the public profile alone."""


def all_series(part: Part, clock: FitClock, file: str) -> tuple[dict[str, ValueSeries], tuple[Notice, ...]]:
    """Every series of values that the messages of a session hold, by name."""
    found: dict[str, ValueSeries] = {}
    notices: list[Notice] = []
    for what in _SERIES:
        series, told = _series(what, part, clock, file)
        notices += told
        if series is not None:
            found[what.name] = series
    moving = _movement(part, clock)
    if moving is not None:
        found["intensity"] = moving
    if "hr" not in found and "hr_monitoring" in found:
        found = {"hr": _renamed(found.pop("hr_monitoring"), "hr"), **found}
    return found, tuple(notices)


def _movement(part: Part, clock: FitClock) -> ValueSeries | None:
    """How hard the person moved, 0 to 7, with steps and the like beside it: context of monitoring, not heart data.

    Several kinds of activity may share a stamp; the row of the hardest one is kept.
    """
    messages = part[MONITORING]
    stamps = clock.stamps(MONITORING)
    kind = messages.numbers(_TYPE_AND_INTENSITY)
    rows = np.flatnonzero(clock.usable(stamps) & ~np.isnan(kind))
    if not len(rows):
        return None
    times, intensity = clock.times_ns(stamps[rows]), np.floor(kind[rows] / 32)
    order = np.lexsort((intensity, times))
    last = np.append(np.diff(times[order]) > 0, True)
    chosen = order[last]
    extras = {"activity_type": np.mod(kind[rows[chosen]], 32)}
    for name, (number, divisor) in _MONITORING.items():
        values = messages.numbers(number)[rows[chosen]] / divisor
        if not np.isnan(values).all():
            extras[name] = values
    return ValueSeries("intensity", "other", times[chosen], intensity[chosen], "1", clock.epoch, extras=extras)


def _renamed(series: ValueSeries, name: str) -> ValueSeries:
    return replace(series, name=name)


def _series(what: _Values, part: Part, clock: FitClock, file: str) -> tuple[ValueSeries | None, tuple[Notice, ...]]:
    messages = part[what.message]
    if not messages.has(what.column):
        return None, ()
    values = messages.numbers(what.column)
    given = np.flatnonzero(~np.isnan(values))
    present = values[given] * what.scale
    if not len(given):
        return None, ()
    if not bool((present >= what.least).any()):
        message = f"{what.name}: each of {len(given)} values says that there is none"
        return None, (Notice("no_values", message, "info", len(given), file),)
    stamps = _stamps(what.message, part, clock)[given]
    skipped = SkippedRows(f"{file}, {what.name}", rows=len(given))
    usable = clock.usable(stamps)
    skipped.add("bad_time", int(np.argmin(usable)) + 1, int((~usable).sum()))
    times = clock.times_ns(stamps[usable])
    rows = given[usable]
    keep = usable_stamps(times, rows + 1, skipped)
    if keep is not None:
        times, rows = times[keep], rows[keep]
    if not len(times):
        return None, skipped.notices()
    shown = values[rows] * what.scale
    if what.codes is not None:
        shown = np.array([what.codes.get(int(v), np.nan) for v in values[rows]], dtype=np.float64)
    series = ValueSeries(
        what.name,
        what.kind,
        times,
        np.where(shown >= what.least, shown, np.nan),
        what.unit,
        clock.epoch,
        metric=what.metric,
        window_s=what.window_s,
        context=what.context,
        extras={
            name: messages.numbers(number)[rows] / divisor
            for name, (number, divisor) in what.extras.items()
            if messages.has(number) and not np.isnan(messages.numbers(number)[rows]).all()
        },
    )
    return series, skipped.notices()


def unplaced_monitoring(part: Part, clock: FitClock, file: str) -> tuple[Notice, ...]:
    """What has to be said of monitoring messages that stand before the first full stamp."""
    usable = clock.usable(clock.stamps(MONITORING))
    skipped = SkippedRows(f"{file}, monitoring", rows=len(usable))
    if len(usable):
        skipped.add("bad_time", int(np.argmin(usable)) + 1, int((~usable).sum()))
    return skipped.notices()


def _stamps(message: int, part: Part, clock: FitClock) -> NDArray[np.int64]:
    if message == STRESS and part[STRESS].has(_STRESS_TIME):
        times = part[STRESS].numbers(_STRESS_TIME)
        return np.where(np.isnan(times), clock.stamps(STRESS), times).astype(np.int64)
    return clock.stamps(message)


def snapshot_extras(part: Part, clock: FitClock) -> dict[str, dict[str, NDArray[Any]]]:
    """Messages of a Health Snapshot as columns: ``time_ns``, and of each field the row of each value and the value."""
    found: dict[str, dict[str, NDArray[Any]]] = {}
    for message, (name, fields) in _HEALTH_SNAPSHOT.items():
        messages = part[message]
        if not len(messages):
            continue
        columns: dict[str, NDArray[Any]] = {"time_ns": clock.times_ns(clock.stamps(message))}
        columns["time_known"] = clock.usable(clock.stamps(message))
        for number, (column, divisor) in fields.items():
            if messages.has(number):
                if messages.elements(number) > MAX_SNAPSHOT:
                    raise InputError("holds too long a Health Snapshot", found=messages.elements(number))
                rows, values = messages.arrays(number)
                finite = np.isfinite(values)
                columns[column], columns[f"{column}_row"] = values[finite] / divisor, rows[finite]
        found[name] = columns
    return found


def cuff_readings(
    part: Part, clock: FitClock, file: str, participant: str
) -> tuple[tuple[BloodPressureReading, ...], tuple[Notice, ...]]:
    """Cuff readings of message 51; failed and implausible ones are counted."""
    messages = part[BLOOD_PRESSURE]
    if not len(messages):
        return (), ()
    if len(messages) > MAX_READINGS:
        raise InputError("holds too many cuff readings", where=file, found=len(messages))
    from allostat.tables import BloodPressureReading, Instant

    stamps = clock.stamps(BLOOD_PRESSURE)
    usable = clock.usable(stamps)
    times = clock.times_ns(stamps)
    columns = {n: messages.numbers(n) for n in (0, 1, 2, 6, 8)}
    skipped = SkippedRows(f"{file}, blood_pressure", rows=len(messages))
    readings = []
    for i in range(len(messages)):
        sbp, dbp, mean, pulse, status = (float(columns[n][i]) for n in (0, 1, 2, 6, 8))
        if not usable[i]:
            skipped.add("bad_time", i + 1)
            continue
        if status in _BP_UNUSABLE or np.isnan(sbp) or np.isnan(dbp):
            skipped.add("out_of_range", i + 1)
            continue
        extras = {} if np.isnan(mean) else {"mean_arterial_pressure": f"{mean:g}"}
        if status == _BP_IRREGULAR:
            extras["status"] = "irregular heart rate"
        measured = None
        if clock.epoch != "relative":
            measured = Instant(int(times[i]), clock.epoch, _offset_s(clock))
        try:
            readings.append(
                BloodPressureReading(
                    participant, sbp, dbp, pulse, measured, line=i + 1, where=skipped.file, extras=extras
                )
            )
        except InputError:
            # outside of what a cuff can measure: counted like any value that is
            skipped.add("out_of_range", i + 1)
    return tuple(readings), skipped.notices()


def _offset_s(clock: FitClock) -> int | None:
    from allostat_devices.zone_inference import utc_offset_ns, zone_named

    zone, _ = clock.proven
    if clock.epoch != "utc" or zone.name is None:
        return None
    return utc_offset_ns(0, zone_named(zone.name)) // NS_PER_S


def has_timeline(part: Part) -> bool:
    """Whether a part of a chain is a recording of its own, and not the strap's memory or the settings of another."""
    return any(len(part[what.message]) for what in _SERIES) or any(
        len(part[message]) for message in (20, 78, 103, 290, 372, BLOOD_PRESSURE, *_HEALTH_SNAPSHOT)
    )
