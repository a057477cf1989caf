"""From many windows to the heart rate variability of a person: nights, days, resting recordings, whole 24 h.

Sources: night values from 5-minute windows: Liang et al. 2024, 10.3390/s24237475; recordings at rest and of 24 h: Task
Force 1996, 10.1161/01.CIR.93.5.1043. `allostat.hrv_person_spans` measures one night, day or recording;
`allostat.hrv_person_repeats` condenses repeats and keeps sensors apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import InputError
from allostat.hrv_person_offers import How, of_24h, of_days, of_nights, of_rest
from allostat.hrv_person_repeats import Repeat, Repeats, Variable, offer, one_sensor, sensor_of
from allostat.hrv_person_spans import (
    LEAST_VALID_SHARE,
    MOST_CORRECTED_SHARE,
    SHORTEST_REST_S,
    TEN_SECONDS,
    Night,
    day_repeat,
    day_starts,
    is_resting_recording,
    is_ten_seconds,
    night_repeat,
    rest_repeat,
    whole_day_repeat,
)
from allostat.hrv_windows import IntervalSeries, Preset, interval_series, preset_of
from allostat.recording import Beats

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

REST_VARIABLES = (
    "rmssd_rest", "hr_rest", "sdnn_rest", "hf_rest", "rmssd_by_rest", "hr_by_rest", "rmssd_10s", "hr_10s",
)  # fmt: skip
"""What comes from resting recordings, where those of nights and of rest are joined."""


@dataclass(frozen=True, slots=True)
class _Side:
    """The recordings of one kind of sensor, by their place among all, and their series."""

    recordings: dict[int, Beats]
    series: dict[int, IntervalSeries]

    def some(self, only: int | None) -> list[IntervalSeries]:
        """All series, or the one of a recording (none, when it is of the other sensor)."""
        return [one for k, one in self.series.items() if only is None or k == only]

    def repeats(self, items: Sequence[Repeat]) -> Repeats:
        """Repeats measured on these recordings."""
        return Repeats(tuple(items), sensor_of(self.recordings.values()))


def person_hrv(
    beats: Beats | Sequence[Beats],
    *,
    nights: Sequence[Night] = (),
    rest: Sequence[tuple[int, int]] | None = None,
    preset: str | Preset = "taskforce1996",
) -> xr.Dataset:
    """Heart rate and its variability of a person, each in its context: scalars that are offered to waist 2.

    A night consists of 5-minute windows. Those with a valid share of at least 80 % and at most 5 % corrected beats are
    accepted; a night with 30 minutes of them has the value exp(mean ln) of RMSSD, SDNN and HF power, and the mean of
    the windows' heart rates. The waking hours that belong to a night are condensed likewise from 4 hours on (of the
    24 h that end with waking, else of the 24 h that begin with falling asleep), and give the dip of the heart rate.
    Recordings at rest: one window each. 24 h: consecutive from the first beat on, SDNN of all NN intervals, from 18 h
    of them on. ECGs of 8 to 15 s: RMSSD and heart rate. The person has the median of the repeats, on the ln scale for
    what is skewed.

    Where the rhythm is irregular (`Reason.IRREGULAR`: more than 10 % of a window's beats, by the preset) there is no
    variability of sinus rhythm: the window counts for heart rate and not for variability. A night needs 30 minutes of
    windows for either. Such nights and recordings are marked ``IRREGULAR_RHYTHM``, and ``windows_irregular`` counts.

    One value rests on one kind of sensor. Where there are pulse waves beside an ECG or a strap's intervals, the latter
    count and the code ``PPG_LEFT_OUT`` says so; pulse waves alone give values marked ``SENSOR_PPG``.

    Parameters
    ----------
    beats
        Corrected beats of one or several recordings with one epoch.
    nights
        Sleep windows, instants counted as those of the beats.
    rest
        Spans (start, end) at rest in ns. None: every recording up to 10 minutes is taken as one, marked
        ``REST_ASSUMED``. ``()``: none. For several recordings without a date: one span each, in their order.
    preset
        As for `allostat.hrv`; its limits for windows are replaced by those above.

    Returns
    -------
    Dataset
        Scalars with the attributes of `allostat.biomarkers.rows_of`. Always ``rmssd_night`` ``hr_night``
        ``rmssd_rest`` ``hr_rest``; with a night ``sdnn_night`` ``hf_night``; with waking hours beside a night
        ``rmssd_day`` ``hr_day`` ``hr_dip`` (1 - night / day) ``hr_day_night_ratio``; with a resting recording
        ``sdnn_rest`` (5 to 10 min) ``hf_rest`` (5 min, rest not assumed); with 18 h of recording ``sdnn_24h``; with a
        10-second ECG ``rmssd_10s`` ``hr_10s``. The standard error is sd/sqrt(k) of the k repeats (on the ln scale where
        ``standard_error_scale`` says so), times 1.2533 for three or more because a median is less efficient than a
        mean; NaN with one. ``n``: repeats; ``coverage``: accepted of wanted; ``sensor``: ``ecg``, ``device``
        (intervals of a device that does not say), ``ppg``.
        ``ln_rmssd_night_mean`` and ``ln_rmssd_night_cv``. Per repeat, for reliabilities: ``rmssd_by_night``
        ``hr_by_night`` ``sdnn_by_night`` ``hf_by_night`` ``rmssd_by_day`` ``hr_by_day`` ``hr_dip_by_night``
        (along ``night``), ``rmssd_by_rest`` ``hr_by_rest`` (``rest_recording``), ``sdnn_by_24h`` (``day``);
        ``windows_accepted`` (of RMSSD), ``windows_irregular``, ``windows_wanted``.
        Quality codes: ``NO_NIGHT``, ``INSUFFICIENT_NIGHT`` (some night without value), ``INSUFFICIENT_DAY``,
        ``FEW_NIGHTS`` (below 5), ``NO_REST_RECORDING``, ``TOO_SHORT`` (below 60 s), ``ULTRA_SHORT`` (below 5 min),
        ``TOO_FEW_VALID``, ``TOO_MANY_CORRECTED``, ``REST_ASSUMED``, ``REST_OVER_10_MIN``, ``INSUFFICIENT_24H``,
        ``IRREGULAR_RHYTHM``, ``IMPLAUSIBLE``, ``SENSOR_PPG``, ``PPG_LEFT_OUT``, and those of the nights.

    Raises
    ------
    InputError
        When recordings have different epochs, or a night or span does not end after it starts, or several recordings
        without a date are given with nights or another number of spans.
    """
    import xarray as xr

    recordings = [beats] if isinstance(beats, Beats) else list(beats)
    # Without a date, an instant of one recording means nothing on the clock of another.
    dated = len(recordings) < 2 or recordings[0].epoch != "relative"
    targets = _rest_targets(recordings, rest, dated)
    _check(recordings, nights, rest or (), dated, len(targets))
    settings = replace(
        preset_of(preset),
        least_valid_share=LEAST_VALID_SHARE,
        most_corrected_share=MOST_CORRECTED_SHARE,
        bands=tuple(band for band in preset_of(preset).bands if band.name == "hf"),
    )
    resting = replace(settings, shortest_s=SHORTEST_REST_S)
    electrical, pulse = _sides(recordings)

    def measured(repeat: Callable[[_Side], list[Repeat]]) -> Repeats:
        only_pulse = bool(pulse.recordings) and not electrical.recordings
        return one_sensor(electrical.repeats(repeat(electrical)), pulse.repeats(repeat(pulse)), only_pulse=only_pulse)

    at_night = measured(lambda side: [night_repeat(side.some(None), n, settings) for n in nights])
    same = pulse if at_night.sensor == "ppg" else electrical
    by_day = Repeats(
        tuple(day_repeat(same.some(None), n, nights, settings) for n in nights), at_night.sensor, at_night.codes
    )
    at_rest = measured(
        lambda side: [rest_repeat(side.some(only), span, resting, rest is None) for span, only in targets]
    )
    whole = _day_targets(recordings, dated)
    by_24h = measured(lambda side: [whole_day_repeat(side.some(only), at, settings) for at, only in whole])

    beats_method = "; ".join(dict.fromkeys(b.method for b in recordings)) or "no recording"
    how = How(settings.name, beats_method)
    data = {
        **of_rest(at_rest, how),
        **of_nights(at_night, how),
        **of_days(by_day, at_night, how),
        **of_24h(by_24h, how),
        **_of_ten_seconds(electrical, settings, how),
    }
    epoch = recordings[0].epoch if recordings else "relative"
    return xr.Dataset(data, _coordinates(nights, at_rest, whole, epoch), {"preset": settings.name})


def _check(
    recordings: Sequence[Beats],
    nights: Sequence[Night],
    rest: Sequence[tuple[int, int]],
    dated: bool,
    n_targets: int,
) -> None:
    if len({b.epoch for b in recordings}) > 1:
        raise InputError("recordings with different epochs", found=sorted({b.epoch for b in recordings}))
    for span in [(n.start_ns, n.end_ns) for n in nights] + list(rest):
        if span[1] <= span[0]:
            raise InputError("a span ends after it starts", found=span)
    if not dated and (nights or (rest and n_targets != len(recordings))):
        raise InputError(
            "several recordings without a date have no common nights, and one span at rest each",
            found=f"{len(recordings)} recordings, {len(nights)} nights, {n_targets} spans",
        )


def _sides(recordings: Sequence[Beats]) -> tuple[_Side, _Side]:
    """Recordings of everything but pulse waves, and those of pulse waves."""
    sides = []
    for pulse in (False, True):
        chosen = {k: b for k, b in enumerate(recordings) if (b.source == "ppg") == pulse}
        sides.append(_Side(chosen, {k: interval_series(b) for k, b in chosen.items()}))
    return sides[0], sides[1]


def _rest_targets(
    recordings: Sequence[Beats], rest: Sequence[tuple[int, int]] | None, dated: bool
) -> list[tuple[tuple[int, int], int | None]]:
    """Spans at rest, each with the recording that it belongs to where there is no common clock."""
    if rest is not None:
        return [(span, None if dated else k) for k, span in enumerate(rest)]
    short = [(k, b) for k, b in enumerate(recordings) if is_resting_recording(b)]
    return [((int(b.times_ns[0]), int(b.times_ns[-1]) + 1), None if dated else k) for k, b in short]


def _day_targets(recordings: Sequence[Beats], dated: bool) -> list[tuple[int, int | None]]:
    """Starts of 24 h, each with the recording that it belongs to where there is no common clock."""
    if dated:
        return [(at, None) for at in day_starts(recordings)]
    return [(at, k) for k, one in enumerate(recordings) for at in day_starts([one])]


def _of_ten_seconds(side: _Side, preset: Preset, how: How) -> dict[str, Variable]:
    """RMSSD and heart rate of standard electrocardiograms, which are of ECG only."""
    shortest = replace(preset, shortest_s=TEN_SECONDS[0], bands=())
    found = []
    for k, one in side.recordings.items():
        if is_ten_seconds(one):
            span = (int(one.times_ns[0]), int(one.times_ns[-1]) + 1)
            repeat = rest_repeat(side.some(k), span, shortest, assumed=False)
            found.append(replace(repeat, codes=tuple(code for code in repeat.codes if code != "ULTRA_SHORT")))
    if not found:
        return {}
    repeats, way = Repeats(tuple(found), "ecg"), how("whole 10-second electrocardiogram; median of recordings")
    return {f"{m}_10s": offer(f"{m}_10s", repeats.column(m), repeats, (), way) for m in ("rmssd", "hr")}


def _coordinates(
    nights: Sequence[Night], rest: Repeats, days: Sequence[tuple[int, int | None]], epoch: str
) -> dict[str, tuple[str, NDArray[np.int64], dict[str, str]]]:
    def instants(values: Sequence[int], dim: str, what: str) -> tuple[str, NDArray[np.int64], dict[str, str]]:
        return dim, np.array(values, dtype=np.int64), {"units": "ns", "long_name": what, "epoch": epoch}

    coords = {
        "night": ("night", np.arange(len(nights)), {"long_name": "night"}),
        "time": instants([n.start_ns for n in nights], "night", "start of the night"),
        "end": instants([n.end_ns for n in nights], "night", "end of the night"),
    }
    if rest.items:
        coords["rest_recording"] = ("rest_recording", np.arange(len(rest.items)), {"long_name": "resting recording"})
    if days:
        coords["day"] = ("day", np.arange(len(days)), {"long_name": "24 h"})
        coords["day_start"] = instants([at for at, _ in days], "day", "start of the 24 h")
    return coords
