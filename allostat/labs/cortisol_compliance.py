"""Whether cortisol samples were taken when they should have been: actual against planned times and the awakening.

Sources: Stalder et al. 2016 (10.1016/j.psyneuen.2015.10.010) and 2022 (10.1016/j.psyneuen.2022.105946).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.errors import InputError
from allostat.labs.awakenings import SOURCES, Wake
from allostat.labs.cortisol_day import AWAKENING_RESPONSE_MIN, DEFAULTS, WAKING_SAMPLE_MIN, day_features
from allostat.labs.cortisol_reasons import OF_RESPONSE, DayReason, names
from allostat.labs.cortisol_rules import CortisolSettings
from allostat.labs.cortisol_samples import CortisolDay, collect_days
from allostat.tables import LabRow

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Floats = NDArray[np.float64]

REFERENCES = "10.1016/j.psyneuen.2015.10.010 10.1016/j.psyneuen.2022.105946"
RESPONSE_LIMIT_MIN = 5.0
OTHER_LIMIT_MIN = 15.0
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


class SampleTiming(IntFlag):
    """What is known of a sample's time; 0: in time."""

    LATE = 1
    EARLY = 2
    NOT_PLANNED = 4
    NO_TIME = 8


@dataclass(frozen=True, slots=True)
class Planned:
    """When a sample should be taken: minutes since awakening, or an hour of the local clock (the other is NaN)."""

    minutes: float = math.nan
    clock_hour: float = math.nan

    @property
    def of_response(self) -> bool:
        """Whether it belongs to the awakening response."""
        return self.minutes <= AWAKENING_RESPONSE_MIN


def planned(time: float | str) -> Planned:
    """A planned time: a number of minutes since awakening, or a clock time such as ``"12:00"``."""
    if isinstance(time, str):
        match = _CLOCK.fullmatch(time.strip())
        if match is None:
            raise InputError("not a planned time", found=time, expected="minutes since awakening, or 00:00 to 23:59")
        return Planned(clock_hour=int(match[1]) + int(match[2]) / 60.0)
    if not 0 <= time < 24 * 60:
        raise InputError("a planned time lies within a day after awakening", found=time, expected="0 to 1439 min")
    return Planned(minutes=float(time))


def sampling_compliance(
    samples: pd.DataFrame | Sequence[LabRow],
    plan: Mapping[str, float | str] | Sequence[float | str],
    *,
    wake: Wake = (),
    timezone: str | None = None,
    other_limit_min: float = OTHER_LIMIT_MIN,
    settings: CortisolSettings = DEFAULTS,
) -> xr.Dataset:
    """Delays of one participant's samples, and which days have a valid awakening response.

    Parameters
    ----------
    samples, wake, timezone, settings
        As for `allostat.cortisol`; ``wake`` may come from wearable, diary, or both (`allostat.labs.awakenings`).
    plan
        Planned times: numbers are minutes since awakening, texts such as ``"21:00"`` the local clock. A mapping is by
        the samples' names; a sequence is matched in order so that the delays are smallest.
    other_limit_min
        Delay that is flagged outside of the awakening response: 15 min, or 60 by choice. Within the response (planned
        up to 60 min after awakening) it is 5 min.

    Returns
    -------
    Dataset
        Per ``sample``: ``delay`` (min, actual less planned), ``minutes_since_awakening``, ``timing`` (bit mask of
        `SampleTiming`), ``sample_day``. Per ``day``: ``date``, ``awakening_source``, ``awakening_se``,
        ``awakening_other`` (what another source told, min from the one used), ``wake_hour``, ``first_sample_delay``
        (min after awakening), ``response_valid`` (1, 0, or -1 when no response was sampled), ``n_planned``,
        ``n_taken``, ``n_response_off``, ``n_other_off`` (flagged samples), ``in_time`` (share of planned samples that
        were taken in time), ``reasons`` (bit mask of day codes).

    Raises
    ------
    InputError
        As `allostat.cortisol`, or a plan that holds no times.
    """
    if not plan:
        raise InputError("a plan of sampling holds times")
    if not 0 < other_limit_min < math.inf:
        raise InputError("a limit of delay is above zero", found=other_limit_min)
    by_name = {name: planned(t) for name, t in plan.items()} if isinstance(plan, Mapping) else {}
    in_order = [] if isinstance(plan, Mapping) else [planned(t) for t in plan]
    days = collect_days(samples, wake, timezone, settings)
    rows = [_day(day, by_name, in_order, other_limit_min, settings) for day in days]
    return _dataset(days, rows, len(plan), other_limit_min)


@dataclass(frozen=True, slots=True)
class _Day:
    """Delays and timings of a day's samples with what follows from them."""

    delay: Floats
    timing: NDArray[np.int8]
    first: float
    valid: int
    taken: int
    in_time: int
    response_off: int
    other_off: int
    reasons: DayReason


def _day(
    day: CortisolDay,
    by_name: Mapping[str, Planned],
    in_order: Sequence[Planned],
    other_limit_min: float,
    settings: CortisolSettings,
) -> _Day:
    matched = [by_name.get(name) for name in day.names] if by_name else _in_order(day, in_order)
    delay = np.full(len(day.minutes), math.nan)
    timing = np.zeros(len(day.minutes), dtype=np.int8)
    taken = in_time = response_off = other_off = 0
    for i, plan in enumerate(matched):
        if plan is None:
            timing[i] = SampleTiming.NOT_PLANNED
            continue
        delay[i] = _delay(day, i, plan)
        if math.isnan(delay[i]):
            timing[i] = SampleTiming.NO_TIME
            continue
        has_value = not math.isnan(day.values[i])
        taken += int(has_value)
        limit = RESPONSE_LIMIT_MIN if plan.of_response else other_limit_min
        if abs(delay[i]) <= limit:
            in_time += int(has_value)
        else:
            timing[i] = SampleTiming.LATE if delay[i] > 0 else SampleTiming.EARLY
            response_off += int(plan.of_response)
            other_off += int(not plan.of_response)
    error = 0.0 if day.awakening is None else day.awakening.se_min
    features = day_features(day.minutes, day.values, awakening_se_min=error, settings=settings)
    response = (day.minutes <= AWAKENING_RESPONSE_MIN) & (day.minutes > -WAKING_SAMPLE_MIN)
    first = float(day.minutes[response][0]) if bool(response.any()) else math.nan
    reasons = features.reasons | day.reasons
    # of a response that was sampled around a wrong awakening too few samples may be left in its hour
    sampled = max(int(response.sum()), sum(plan is not None and plan.of_response for plan in matched)) >= 3
    if sampled and abs(first) > RESPONSE_LIMIT_MIN:
        reasons |= DayReason.CAR_START_DELAYED
    valid = int(not reasons & OF_RESPONSE) if sampled else -1
    return _Day(delay, timing, first, valid, taken, in_time, response_off, other_off, reasons)


def _delay(day: CortisolDay, i: int, plan: Planned) -> float:
    """Minutes from the planned to the actual time; of clock times the shorter way around."""
    if not math.isnan(plan.minutes):
        return float(day.minutes[i]) - plan.minutes
    hours = (float(day.clock_hours[i]) - plan.clock_hour + 12.0) % 24.0 - 12.0
    return hours * 60.0


def _in_order(day: CortisolDay, plan: Sequence[Planned]) -> list[Planned | None]:
    """The planned time of each sample, in the order of both, so that the sum of delays is smallest."""
    n, m = len(day.minutes), len(plan)
    if bool(np.isnan(day.minutes).any()):
        return [plan[i] if i < m else None for i in range(n)]
    away = np.array([[abs(_delay(day, i, p)) for p in plan] for i in range(n)])
    away = np.where(np.isnan(away), 1e6, away)
    few = min(n, m)
    if math.comb(max(n, m), few) > 20_000:
        raise InputError("too many samples of a day to match with a plan", where=day.where, found=f"{n} and {m}")
    chosen = min(combinations(range(max(n, m)), few), key=lambda c: _cost(away, c, more_samples=n > m))
    matched: list[Planned | None] = [None] * n
    for k, at in enumerate(chosen):
        sample, time = (at, k) if n > m else (k, at)
        matched[sample] = plan[time]
    return matched


def _cost(away: Floats, chosen: tuple[int, ...], *, more_samples: bool) -> float:
    k = np.arange(len(chosen))
    at = np.array(chosen, dtype=np.int64)
    return float(away[at, k].sum() if more_samples else away[k, at].sum())


def _dataset(days: Sequence[CortisolDay], rows: Sequence[_Day], n_plan: int, other_limit_min: float) -> xr.Dataset:
    import xarray as xr

    data: dict[str, Any] = {}

    def put(name: str, dim: str, values: Any, unit: str, long_name: str) -> None:
        data[name] = (dim, values, {"units": unit, "long_name": long_name, "references": REFERENCES})

    nan = math.nan
    told = [d.awakening for d in days]
    which = np.concatenate([np.full(len(d.minutes), i + 1, dtype=np.int32) for i, d in enumerate(days)])
    put("delay", "sample", np.concatenate([r.delay for r in rows]), "min", "actual less planned time")
    put("minutes_since_awakening", "sample", np.concatenate([d.minutes for d in days]), "min", "since awakening")
    put("sample_day", "sample", which, "1", "day of the sample")
    data["timing"] = ("sample", np.concatenate([r.timing for r in rows]), _masks(SampleTiming, np.int8))
    put(
        "wake_hour",
        "day",
        np.array([nan if d.wake is None else d.wake.wall_hour for d in days]),
        "h",
        "awakening, clock",
    )
    put("awakening_se", "day", np.array([nan if a is None else a.se_min for a in told]), "min", "standard error")
    other = np.array([nan if a is None else a.other_minus_this_min for a in told])
    put("awakening_other", "day", other, "min", "awakening told by another source, less the one used")
    codes = np.array([-1 if a is None else SOURCES.index(a.source) for a in told], dtype=np.int8)
    data["awakening_source"] = ("day", codes, {
        "long_name": "what told the awakening", "flag_values": np.arange(-1, len(SOURCES), dtype=np.int8),
        "flag_meanings": " ".join(["not_known", *SOURCES])})  # fmt: skip
    put("first_sample_delay", "day", np.array([r.first for r in rows]), "min", "first sample after awakening")
    data["response_valid"] = ("day", np.array([r.valid for r in rows], dtype=np.int8), {
        "long_name": "whether the awakening response counts", "flag_values": np.array([-1, 0, 1], dtype=np.int8),
        "flag_meanings": "not_sampled no yes", "references": REFERENCES})  # fmt: skip
    for name, counts, long_name in (
        ("n_planned", [n_plan] * len(rows), "samples planned"),
        ("n_taken", [r.taken for r in rows], "planned samples with a value"),
        ("n_response_off", [r.response_off for r in rows], "samples of the response more than 5 min off"),
        ("n_other_off", [r.other_off for r in rows], f"other samples more than {other_limit_min:g} min off"),
    ):
        put(name, "day", np.array(counts, dtype=np.int32), "1", long_name)
    put("in_time", "day", np.array([r.in_time / n_plan for r in rows]), "1", "planned samples that were taken in time")
    data["reasons"] = ("day", np.array([int(r.reasons) for r in rows], dtype=np.int32), _masks(DayReason, np.int32))
    dates = ["" if d.date is None else d.date.isoformat() for d in days]
    coords = {
        "day": ("day", np.arange(1, len(days) + 1, dtype=np.int32), {"long_name": "day of sampling"}),
        "date": ("day", np.array(dates), {"long_name": "local date"}),
    }
    attrs = {"references": REFERENCES, "response_limit_min": RESPONSE_LIMIT_MIN, "other_limit_min": other_limit_min}
    return xr.Dataset(data, coords, attrs)


def _masks(kind: type[IntFlag], dtype: Any) -> dict[str, object]:
    masks = np.array([int(r) for r in kind], dtype=dtype)
    return {"long_name": "what is known", "flag_masks": masks, "flag_meanings": " ".join(str(r.name) for r in kind)}


def compliance_table(result: xr.Dataset) -> pd.DataFrame:
    """A `sampling_compliance` result as a table for people: one row per day, sources and reasons in words."""
    import pandas as pd

    source = [("not_known", *SOURCES)[int(code) + 1] for code in result["awakening_source"].to_numpy()]
    valid = [("not_sampled", "no", "yes")[int(code) + 1] for code in result["response_valid"].to_numpy()]
    numbers = ("wake_hour", "awakening_se", "awakening_other", "first_sample_delay", "n_planned", "n_taken",
               "n_response_off", "n_other_off", "in_time")  # fmt: skip
    columns: dict[str, Any] = {"date": result["date"].to_numpy(), "awakening_source": source}
    columns |= {name: result[name].to_numpy() for name in numbers}
    columns["response_valid"] = valid
    columns["reasons"] = [" ".join(names(int(mask))) for mask in result["reasons"].to_numpy()]
    return pd.DataFrame(columns)
