"""Person values of each context as variables that are offered to waist 2, and the repeats beside them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from allostat.hrv_person_repeats import Repeats, Variable, offer
from allostat.hrv_person_spans import LEAST_DAY_WINDOWS, LEAST_VALID_SHARE, LEAST_WINDOWS, MOST_CORRECTED_SHARE

LEAST_NIGHTS = 5
"""With fewer nights a person value is marked ``FEW_NIGHTS``."""


@dataclass(frozen=True, slots=True)
class How:
    """Words for the method of a value.

    Parameters
    ----------
    preset
        Name of the settings.
    beats
        How the beats were found and corrected.
    """

    preset: str
    beats: str

    def __call__(self, way: str) -> str:
        """The whole method, with the way from windows to the value."""
        return f"{self.preset}; {way}; beats: {self.beats}"

    def column(self, repeats: Repeats, measure: str, dim: str, what: str, way: str) -> Variable:
        """One measure of each repeat along ``dim``."""
        units = {"rmssd": "ms", "hr": "/min", "sdnn": "ms", "hf": "ms2"}
        return dim, np.array(repeats.column(measure)), {
            "units": units[measure], "long_name": what, "method": way, "references": "10.3390/s24237475",
            "preset": self.preset, "sensor": repeats.sensor,
        }  # fmt: skip


_OF_WINDOWS = f"5-min windows with valid share >= {LEAST_VALID_SHARE:g} and corrected share <= {MOST_CORRECTED_SHARE:g}"


def _few(values: Sequence[float]) -> tuple[str, ...]:
    return ("FEW_NIGHTS",) if 0 < sum(np.isfinite(values)) < LEAST_NIGHTS else ()


def of_nights(nights: Repeats, how: How) -> dict[str, Variable]:
    """Values of the nights, and each night's own."""
    way = how(f"{_OF_WINDOWS}, at least {LEAST_WINDOWS} per night; median of nights")
    data: dict[str, Variable] = {}
    for measure in ("rmssd", "hr", *(("sdnn", "hf") if nights.items else ())):
        values = nights.column(measure)
        missing: tuple[str, ...] = () if nights.items else ("NO_NIGHT",)
        data[f"{measure}_night"] = offer(f"{measure}_night", values, nights, (*missing, *_few(values)), way)
    for measure, name in (("rmssd", "RMSSD"), ("sdnn", "SDNN"), ("hf", "HF power")):
        each = f"exp(mean ln {name}) of 5-min windows"
        data[f"{measure}_by_night"] = how.column(nights, measure, "night", f"{name} of the night", each)
    data["hr_by_night"] = how.column(nights, "hr", "night", "heart rate of the night", "mean of 5-min windows")
    counts = {
        "windows_accepted": ("accepted", "accepted 5-minute windows"),
        "windows_irregular": ("irregular", "5-minute windows without RMSSD because the rhythm is irregular"),
        "windows_wanted": ("wanted", "5-minute windows of the night"),
    }
    for name, (field, what) in counts.items():
        found = np.array([getattr(n, field) for n in nights.items], dtype=np.int64)
        data[name] = ("night", found, {"units": "1", "long_name": what})
    return data | _spread(nights, how)


def _spread(nights: Repeats, how: How) -> dict[str, Variable]:
    """Mean and variation of ln RMSSD over the nights: Liang et al. 2024."""
    rmssd = np.array(nights.column("rmssd"))
    logs = np.log(rmssd[np.isfinite(rmssd)])
    mean = float(np.mean(logs)) if len(logs) else float("nan")
    spread = 100 * float(np.std(logs, ddof=1)) / mean if len(logs) > 1 and mean > 0 else float("nan")
    about = {"preset": how.preset, "references": "10.3390/s24237475", "sensor": nights.sensor}
    return {
        "ln_rmssd_night_mean": ((), mean, {
            "units": "ln(ms)", "long_name": "mean of the nights' ln RMSSD", "method": "mean of nights", **about}),
        "ln_rmssd_night_cv": ((), spread, {
            "units": "%", "long_name": "night-to-night variation of ln RMSSD", "method": "100 sd / mean of nights",
            **about}),
    }  # fmt: skip


def of_days(days: Repeats, nights: Repeats, how: How) -> dict[str, Variable]:
    """Waking hours and how the night compares with them; nothing when no waking hours were recorded."""
    if not any(day.accepted + day.irregular for day in days.items):
        return {}
    way = how(f"{_OF_WINDOWS}, waking hours beside each night, at least {LEAST_DAY_WINDOWS}; median of days")
    compared = how(f"night against the waking hours beside it, {_OF_WINDOWS}; median of nights")
    night, day = np.array(nights.column("hr")), np.array(days.column("hr"))
    dip, ratio = 1 - night / day, day / night
    # A comparison rests on both of its sides.
    both = replace(days, items=tuple(
        replace(b, accepted=a.accepted + b.accepted, wanted=a.wanted + b.wanted, irregular=a.irregular + b.irregular,
                codes=(*a.codes, *b.codes))
        for a, b in zip(nights.items, days.items, strict=True)))  # fmt: skip
    few = _few(dip)
    return {
        "rmssd_day": offer("rmssd_day", days.column("rmssd"), days, _few(days.column("rmssd")), way),
        "hr_day": offer("hr_day", days.column("hr"), days, few, way),
        "hr_dip": offer("hr_dip", dip.tolist(), both, few, compared),
        "hr_day_night_ratio": offer("hr_day_night_ratio", ratio.tolist(), both, few, compared),
        "rmssd_by_day": how.column(
            days, "rmssd", "night", "RMSSD of the waking hours", "exp(mean ln RMSSD) of 5-min windows"),
        "hr_by_day": how.column(
            days, "hr", "night", "heart rate of the waking hours", "mean of 5-min windows"),
        "hr_dip_by_night": ("night", dip, {
            "units": "1", "long_name": "dip of the heart rate", "method": "1 - night / day",
            "references": "10.1001/archinte.167.19.2116", "preset": how.preset, "sensor": days.sensor}),
    }  # fmt: skip


def of_rest(rest: Repeats, how: How) -> dict[str, Variable]:
    """Values at rest, and each recording's own."""
    way = how("whole resting recording; median of recordings")
    missing: tuple[str, ...] = () if rest.items else ("NO_REST_RECORDING",)
    data: dict[str, Variable] = {
        f"{measure}_rest": offer(f"{measure}_rest", rest.column(measure), rest, missing, way)
        for measure in ("rmssd", "hr", *(("sdnn", "hf") if rest.items else ()))
    }
    if rest.items:
        for measure, name in (("rmssd", "RMSSD"), ("hr", "heart rate")):
            what = f"{name} of the resting recording"
            data[f"{measure}_by_rest"] = how.column(rest, measure, "rest_recording", what, "whole recording")
    return data


def of_24h(days: Repeats, how: How) -> dict[str, Variable]:
    """SDNN of 24 h, and that of each; nothing when nothing was that long."""
    if not days.items:
        return {}
    way = how("all NN intervals of 24 h from the first beat on, at least 18 h of them; median of days")
    column = how.column(days, "sdnn", "day", "SDNN of 24 h", "standard deviation of all NN intervals")
    column[2]["references"] = "10.1161/01.CIR.93.5.1043"
    return {"sdnn_24h": offer("sdnn_24h", days.column("sdnn"), days, (), way), "sdnn_by_24h": column}
