"""Which series of beats count for what: windows of each, long ones for nights, short ones for rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from allostat.hrv import hrv, measure_set, person_hrv, seconds_of
from allostat.hrv_person import REST_VARIABLES
from allostat.hrv_person_spans import is_ten_seconds
from allostat.recording import Notice
from allostat.study.overlap import Series, rank, ranked, resolved

if TYPE_CHECKING:
    import xarray as xr

    from allostat.sleep import SleepWindow
    from allostat.study.config import StudyConfig


def windowed_hrv(series: Sequence[Series], config: StudyConfig) -> dict[str, xr.Dataset]:
    """HRV of each series, by its identifier: in windows, or as a whole when it is shorter than one window."""
    window_s = seconds_of(config.hrv.window, "window")
    found = {}
    for item in series:
        if len(item.beats) > 2:
            steps = (config.hrv.window, config.hrv.step) if item.duration_s >= window_s else (None, None)
            found[item.id] = hrv(
                item.beats, steps[0], steps[1], config.hrv.preset, measures=measure_set(config.hrv.measures)
            )
    return found


def long_series(series: Sequence[Series], config: StudyConfig) -> tuple[list[Series], list[Notice]]:
    """Series long enough for nights: of each recording time one source of beats only (`overlap`)."""
    long = [s for s in series if s.duration_s >= config.hrv.long_min_s and s.beats.epoch != "relative"]
    return resolved(_one_epoch(long), config.overlap)


def resting_series(series: Sequence[Series], config: StudyConfig) -> list[Series]:
    """Series of the length of a rest, all of the best source there is."""
    rest = ranked((s for s in series if config.hrv.rest_min_s <= s.duration_s <= config.hrv.rest_max_s), config.overlap)
    best = [s for s in rest if rank(s, config.overlap) == rank(rest[0], config.overlap)]
    return _without_overlap(_one_epoch(best))


def short_series(series: Sequence[Series], config: StudyConfig) -> list[Series]:
    """Series too short for a rest."""
    return [s for s in series if 0 < s.duration_s < config.hrv.rest_min_s]


def ten_second_series(series: Sequence[Series]) -> list[Series]:
    """Standard electrocardiograms of 10 s, each time once."""
    return _without_overlap(_one_epoch([s for s in series if is_ten_seconds(s.beats)]))


def shortness(short: Sequence[Series], config: StudyConfig) -> tuple[Notice, ...]:
    """Says which series were too short for a rest, and what a rest needs."""
    unused = [s for s in short if not is_ten_seconds(s.beats)]
    if not unused:
        return ()
    longest = max(unused, key=lambda s: s.duration_s)
    message = (
        f"too short for values at rest: {longest.id} of {int(longest.duration_s)} s"
        + (f" and {len(unused) - 1} shorter" if len(unused) > 1 else "")
        + f"; needed are {config.hrv.rest_min_s:g} s (rest_min_s in study.toml)"
    )
    return (Notice("REST_TOO_SHORT", message, "info", len(unused)),)


def night_and_rest(
    long: Sequence[Series], series: Sequence[Series], sleep: Sequence[SleepWindow], config: StudyConfig
) -> xr.Dataset:
    """The person's HRV by night, from long series, and at rest, from those of all ``series`` that are resting ones.

    Without a resting recording, ``TOO_SHORT`` says that there are shorter ones.
    """
    rest, ten = resting_series(series, config), ten_second_series(series)
    by_night = person_hrv([s.beats for s in long], nights=sleep, rest=(), preset=config.hrv.preset)
    at_rest = person_hrv(
        [s.beats for s in rest],
        rest=[(int(s.beats.times_ns[0]), int(s.beats.times_ns[-1]) + 1) for s in rest],
        preset=config.hrv.preset,
    )
    found = {name: at_rest[name].variable for name in REST_VARIABLES if name in at_rest}
    if not rest and any(not is_ten_seconds(s.beats) for s in short_series(series, config)):
        for name in ("rmssd_rest", "hr_rest"):
            found[name].attrs["quality"] += " TOO_SHORT"
    if ten:
        in_ten = person_hrv([s.beats for s in ten], rest=(), preset=config.hrv.preset)
        found |= {name: in_ten[name].variable for name in ("rmssd_10s", "hr_10s") if name in in_ten}
    return by_night.assign(found)


def _one_epoch(series: Sequence[Series]) -> list[Series]:
    """The series of one epoch, the best known that occurs: an instant of one means nothing on the clock of another."""
    known = [e for e in ("utc", "local", "relative") if any(s.beats.epoch == e for s in series)]
    return [s for s in series if s.beats.epoch == known[0]] if known else []


def _without_overlap(ranked: Sequence[Series]) -> list[Series]:
    kept: list[Series] = []
    for candidate in ranked:
        start, end = candidate.beats.times_ns[0], candidate.beats.times_ns[-1]
        dated = candidate.beats.epoch != "relative"
        overlaps = dated and any(k.beats.times_ns[0] < end and start < k.beats.times_ns[-1] for k in kept)
        if not overlaps:
            kept.append(candidate)
    return sorted(kept, key=lambda s: (int(s.beats.times_ns[0]), s.id))
