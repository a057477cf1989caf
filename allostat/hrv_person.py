"""From many windows to the heart rate variability of a person: nights, and recordings at rest.

Sources: night values from 5-minute windows: Liang et al. 2024, 10.3390/s24237475; recordings at rest: Task Force 1996,
10.1161/01.CIR.93.5.1043.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from allostat.biomarkers import biomarker_kind
from allostat.errors import InputError
from allostat.hrv_windows import IntervalSeries, Preset, Reason, interval_series, measure, preset_of
from allostat.recording import NS_PER_S, Beats

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

WINDOW_S = 300
LEAST_WINDOWS = 6
"""A night needs 30 minutes of accepted windows."""

LEAST_NIGHTS = 5
"""With fewer nights a person value is marked ``FEW_NIGHTS``."""

LEAST_VALID_SHARE = 0.8
MOST_CORRECTED_SHARE = 0.05

LONGEST_REST_S = 630.0
"""A whole recording up to 10 minutes (5 % more is let pass) is a resting recording unless spans are given."""

SHORTEST_REST_S = 60.0

MEDIAN_EFFICIENCY = 1.2533141373155001
"""Standard error of a median relative to that of a mean, normal values: sqrt(pi / 2)."""


_REST_REASONS = (Reason.TOO_SHORT, Reason.TOO_FEW_VALID, Reason.TOO_MANY_CORRECTED, Reason.ULTRA_SHORT)

_Variable: TypeAlias = "tuple[str | tuple[()], NDArray[np.generic] | float, dict[str, object]]"


class Night(Protocol):
    """A main sleep window, as `allostat.circadian.SleepWindow`."""

    @property
    def start_ns(self) -> int:
        """Instant at which it begins."""

    @property
    def end_ns(self) -> int:
        """Instant at which it ends."""

    @property
    def quality(self) -> tuple[str, ...]:
        """Reason codes."""


@dataclass(frozen=True, slots=True)
class _Repeat:
    """One night or one resting recording."""

    rmssd: float
    hr: float
    accepted: float
    wanted: float
    codes: tuple[str, ...]
    irregular: float = 0.0
    """What has a heart rate but no RMSSD, because its rhythm is irregular: counted as ``accepted``."""


def person_hrv(
    beats: Beats | Sequence[Beats],
    *,
    nights: Sequence[Night] = (),
    rest: Sequence[tuple[int, int]] | None = None,
    preset: str | Preset = "taskforce1996",
) -> xr.Dataset:
    """RMSSD and heart rate of a person, at night and at rest: scalars that are offered to waist 2.

    A night consists of 5-minute windows. Those with a valid share of at least 80 % and at most 5 % corrected beats are
    accepted; a night with 30 minutes of them has the value exp(mean ln RMSSD), and the mean of the windows' heart
    rates. The person has the median of the nights, for RMSSD on the ln scale. Recordings at rest: one window each,
    then the median likewise.

    Where the rhythm is irregular (`Reason.IRREGULAR`: more than 10 % of a window's beats, by the preset) there is no
    variability of sinus rhythm: the window counts for heart rate and not for RMSSD. A night needs 30 minutes of windows
    for either. Such nights and recordings are marked ``IRREGULAR_RHYTHM``, and ``windows_irregular`` counts.

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
        ``rmssd_night`` ``hr_night`` ``rmssd_rest`` ``hr_rest`` with the attributes of `allostat.biomarkers.rows_of`:
        the standard error is sd/sqrt(k) of the k repeats (of ln RMSSD; of heart rate itself), times 1.2533 for three
        or more because a median is less efficient than a mean; NaN with one. ``ln_rmssd_night_mean`` and
        ``ln_rmssd_night_cv``; per night ``rmssd_by_night``, ``hr_by_night``, ``windows_accepted`` (of RMSSD),
        ``windows_irregular``, ``windows_wanted``.
        Quality codes: ``NO_NIGHT``, ``INSUFFICIENT_NIGHT`` (some night without value), ``FEW_NIGHTS`` (below 5),
        ``NO_REST_RECORDING``, ``TOO_SHORT`` (below 60 s), ``ULTRA_SHORT`` (below 5 min), ``TOO_FEW_VALID``,
        ``TOO_MANY_CORRECTED``, ``REST_OVER_10_MIN``, ``IRREGULAR_RHYTHM``, ``IMPLAUSIBLE``, ``SENSOR_PPG``, and those
        of the nights.

    Raises
    ------
    InputError
        When recordings have different epochs, or a night or span does not end after it starts, or several recordings
        without a date are given with nights or another number of spans.
    """
    import xarray as xr

    recordings = [beats] if isinstance(beats, Beats) else list(beats)
    if len({b.epoch for b in recordings}) > 1:
        raise InputError("recordings with different epochs", found=sorted({b.epoch for b in recordings}))
    for span in [(n.start_ns, n.end_ns) for n in nights] + list(rest or ()):
        if span[1] <= span[0]:
            raise InputError("a span ends after it starts", found=span)
    settings = replace(
        preset_of(preset), least_valid_share=LEAST_VALID_SHARE, most_corrected_share=MOST_CORRECTED_SHARE, bands=()
    )
    series = [interval_series(b) for b in recordings]
    sensor: tuple[str, ...] = ("SENSOR_PPG",) if any(b.source == "ppg" for b in recordings) else ()
    by_night = [_night(series, night, settings) for night in nights]
    assumed = rest is None
    spans = _short_recordings(recordings) if rest is None else list(rest)
    # Without a date, an instant of one recording means nothing on the clock of another.
    dated = len(recordings) < 2 or recordings[0].epoch != "relative"
    if rest is None and not dated:
        series = [one for one, b in zip(series, recordings, strict=True) if _is_short(b)]
    if not dated and (nights or (spans and len(spans) != len(series))):
        raise InputError(
            "several recordings without a date have no common nights, and one span at rest each",
            found=f"{len(recordings)} recordings, {len(nights)} nights, {len(spans)} spans",
        )
    where = [series] * len(spans) if dated else [[one] for one in series[: len(spans)]]
    resting = replace(settings, shortest_s=SHORTEST_REST_S)
    at_rest = [_rest(found, span, resting, assumed) for found, span in zip(where, spans, strict=True)]

    night_codes: tuple[str, ...] = sensor if by_night else ("NO_NIGHT", *sensor)
    if 0 < sum(np.isfinite(n.rmssd) for n in by_night) < LEAST_NIGHTS:
        night_codes += ("FEW_NIGHTS",)
    rest_codes: tuple[str, ...] = sensor if at_rest else ("NO_REST_RECORDING", *sensor)
    beats_method = "; ".join(dict.fromkeys(b.method for b in recordings)) or "no recording"
    how_night = (
        f"{settings.name}; 5-min windows with valid share >= {LEAST_VALID_SHARE:g} and corrected share <= "
        f"{MOST_CORRECTED_SHARE:g}, at least {LEAST_WINDOWS} per night; median of nights; beats: {beats_method}"
    )
    how_rest = f"{settings.name}; whole resting recording; median of recordings; beats: {beats_method}"
    data: dict[str, _Variable] = {
        "rmssd_night": _offer("rmssd_night", [n.rmssd for n in by_night], by_night, night_codes, how_night),
        "hr_night": _offer("hr_night", [n.hr for n in by_night], by_night, night_codes, how_night),
        "rmssd_rest": _offer("rmssd_rest", [r.rmssd for r in at_rest], at_rest, rest_codes, how_rest),
        "hr_rest": _offer("hr_rest", [r.hr for r in at_rest], at_rest, rest_codes, how_rest),
    }
    data |= _per_night(by_night, settings)
    epoch = recordings[0].epoch if recordings else "relative"
    coords = {
        "night": ("night", np.arange(len(by_night)), {"long_name": "night"}),
        "time": ("night", np.array([n.start_ns for n in nights], dtype=np.int64), {
            "units": "ns", "long_name": "start of the night", "epoch": epoch}),
        "end": ("night", np.array([n.end_ns for n in nights], dtype=np.int64), {
            "units": "ns", "long_name": "end of the night", "epoch": epoch}),
    }  # fmt: skip
    return xr.Dataset(data, coords, {"preset": settings.name})


def _night(series: list[IntervalSeries], night: Night, preset: Preset) -> _Repeat:
    width = WINDOW_S * NS_PER_S
    wanted = (night.end_ns - night.start_ns) // width
    starts = night.start_ns + width * np.arange(wanted, dtype=np.int64)
    rmssd, hr, share = np.full(wanted, np.nan), np.full(wanted, np.nan), np.full(wanted, -1.0)
    irregular = np.zeros(wanted, bool)
    for one in series:
        found = measure(one, starts, starts + width, preset)
        # Where recordings overlap, the one that covers a window best gives its value.
        better = found.accepted & (found.valid_share > share) & np.isfinite(found.values["ln_rmssd"])
        rmssd[better] = found.values["ln_rmssd"][better]
        hr[better] = found.values["hr_of_mean_nn"][better]
        share[better] = found.valid_share[better]
        irregular[better] = found.irregular[better]
    rmssd[irregular] = np.nan
    accepted, marked = int(np.isfinite(rmssd).sum()), int(irregular.sum())
    codes = tuple(night.quality)
    if accepted < LEAST_WINDOWS:
        codes += ("INSUFFICIENT_NIGHT",)
    if marked:
        codes += ("IRREGULAR_RHYTHM",)
    night_rmssd = float(np.exp(np.nanmean(rmssd))) if accepted >= LEAST_WINDOWS else np.nan
    night_hr = float(np.nanmean(hr)) if accepted + marked >= LEAST_WINDOWS else np.nan
    return _Repeat(night_rmssd, night_hr, accepted, wanted, codes, marked)


def _is_short(beats: Beats) -> bool:
    return len(beats) > 0 and int(beats.times_ns[-1] - beats.times_ns[0]) < LONGEST_REST_S * NS_PER_S


def _short_recordings(recordings: list[Beats]) -> list[tuple[int, int]]:
    return [(int(b.times_ns[0]), int(b.times_ns[-1]) + 1) for b in recordings if _is_short(b)]


def _rest(series: list[IntervalSeries], span: tuple[int, int], preset: Preset, assumed: bool) -> _Repeat:
    asked = span[1] - span[0]
    codes: tuple[str, ...] = ("REST_ASSUMED",) if assumed else ()
    if asked > LONGEST_REST_S * NS_PER_S:
        codes += ("REST_OVER_10_MIN",)
    best = _Repeat(np.nan, np.nan, 0.0, 1.0, (*codes, "NO_REST_RECORDING"))
    for one in series:
        if not len(one.ends_ns):
            continue
        start, end = max(span[0], int(one.ends_ns[0])), min(span[1], int(one.ends_ns[-1]) + 1)
        if end <= start:
            continue
        found = measure(one, np.array([start]), np.array([end]), preset)
        share = float(found.valid_share[0]) * (end - start) / asked
        if share <= best.accepted + best.irregular and best.accepted + best.irregular > 0:
            continue
        reasons = tuple(str(reason.name) for reason in _REST_REASONS if int(found.reasons[0]) & reason)
        rmssd, hr = float(found.values["rmssd"][0]), float(found.values["hr_of_mean_nn"][0])
        if found.irregular[0]:
            best = _Repeat(np.nan, hr, 0.0, 1.0, (*codes, *reasons, "IRREGULAR_RHYTHM"), share)
        else:
            best = _Repeat(rmssd, hr, share, 1.0, (*codes, *reasons))
    return best


def _offer(name: str, values: list[float], repeats: list[_Repeat], codes: tuple[str, ...], how: str) -> _Variable:
    """The median of repeats as a scalar offered to waist 2."""
    kind = biomarker_kind(name)
    plausible = [v for v in values if kind.plausible_low <= v <= kind.plausible_high]
    if len(plausible) < sum(np.isfinite(values)):
        codes += ("IMPLAUSIBLE",)
    scaled = np.log(plausible) if kind.transform == "ln" else np.array(plausible)
    value = float(np.median(scaled)) if len(scaled) else float("nan")
    all_codes = dict.fromkeys((*codes, *(code for repeat in repeats for code in repeat.codes)))
    wanted = sum(r.wanted for r in repeats)
    # A heart rate is one in any rhythm.
    accepted = sum(r.accepted + (0.0 if name.startswith("rmssd") else r.irregular) for r in repeats)
    attrs = {
        "biomarker": name,
        "units": kind.unit,
        "long_name": kind.long_name,
        "method": how,
        "references": " ".join(kind.references),
        "context": kind.context,
        "standard_error": _standard_error(scaled),
        "standard_error_scale": "ln" if kind.transform == "ln" else "value",
        "n": len(plausible),
        "coverage": accepted / wanted if wanted else float("nan"),
        "quality": " ".join(all_codes),
    }
    return (), float(np.exp(value)) if kind.transform == "ln" else value, attrs


def _standard_error(values: NDArray[np.float64]) -> float:
    """Of the median of the values; of two values it is their mean."""
    if len(values) < 2:
        return float("nan")
    efficiency = MEDIAN_EFFICIENCY if len(values) > 2 else 1.0
    return float(efficiency * np.std(values, ddof=1) / np.sqrt(len(values)))


def _per_night(nights: list[_Repeat], preset: Preset) -> dict[str, _Variable]:
    rmssd, hr = np.array([n.rmssd for n in nights]), np.array([n.hr for n in nights])
    logs = np.log(rmssd[np.isfinite(rmssd)])
    mean = float(np.mean(logs)) if len(logs) else float("nan")
    spread = 100 * float(np.std(logs, ddof=1)) / mean if len(logs) > 1 and mean > 0 else float("nan")
    about = {"preset": preset.name, "references": "10.3390/s24237475"}
    of_logs = {"units": "ln(ms)", "long_name": "mean of the nights' ln RMSSD", "method": "mean of nights"}
    of_spread = {
        "units": "%", "long_name": "night-to-night variation of ln RMSSD", "method": "100 sd / mean of nights"
    }  # fmt: skip
    of_rmssd = {"units": "ms", "long_name": "RMSSD of the night", "method": "exp(mean ln RMSSD) of 5-min windows"}
    of_hr = {"units": "/min", "long_name": "heart rate of the night", "method": "mean of 5-min windows"}
    accepted, wanted = (np.array(n, dtype=np.int64) for n in ([n.accepted for n in nights], [n.wanted for n in nights]))
    return {
        "rmssd_by_night": ("night", rmssd, {**of_rmssd, **about}),
        "hr_by_night": ("night", hr, {**of_hr, **about}),
        "windows_accepted": ("night", accepted, {"units": "1", "long_name": "accepted 5-minute windows"}),
        "windows_irregular": ("night", np.array([n.irregular for n in nights], dtype=np.int64), {
            "units": "1", "long_name": "5-minute windows without RMSSD because the rhythm is irregular"}),
        "windows_wanted": ("night", wanted, {"units": "1", "long_name": "5-minute windows of the night"}),
        "ln_rmssd_night_mean": ((), mean, {**of_logs, **about}),
        "ln_rmssd_night_cv": ((), spread, {**of_spread, **about}),
    }  # fmt: skip
