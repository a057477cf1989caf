"""One night, one day or one resting recording: measures of its windows, condensed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from allostat.hrv_person_repeats import NAN, NO_REST, Repeat
from allostat.hrv_windows import IntervalSeries, Preset, Reason, measure
from allostat.recording import NS_PER_S, Beats

WINDOW_S = 300
LEAST_WINDOWS = 6
"""A night needs 30 minutes of accepted windows."""

LEAST_DAY_WINDOWS = 48
"""The waking hours of a day need 4 hours of accepted windows (convention)."""

LEAST_VALID_SHARE = 0.8
MOST_CORRECTED_SHARE = 0.05

LONGEST_REST_S = 630.0
"""A whole recording up to 10 minutes (5 % more is let pass) is a resting recording unless spans are given."""

SHORTEST_REST_S = 60.0

TEN_SECONDS = (8.0, 15.0)
"""An ECG of this length in s is a standard electrocardiogram of 10 s."""

DAY_S = 86_400
LEAST_24H_S = 64_800.0
"""SDNN of a day needs 18 hours of NN intervals: Task Force 1996, 10.1161/01.CIR.93.5.1043."""

MOST_CORRECTED_24H = 0.1
"""Corrected beats of a day, a lenient limit: their intervals are left out and not interpolated."""

NN_MS = (200.0, 3000.0)
"""What can be an NN interval in 24 h; a single longer one, a gap told as an interval, would decide SDNN."""

_WINDOW_NS = WINDOW_S * NS_PER_S
_DAY_NS = DAY_S * NS_PER_S
_REST_REASONS = (Reason.TOO_SHORT, Reason.TOO_FEW_VALID, Reason.TOO_MANY_CORRECTED, Reason.ULTRA_SHORT)


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
class _Windows:
    """Values of the accepted windows of a span, NaN elsewhere; ``irregular``: heart rate only."""

    rmssd: NDArray[np.float64]
    hr: NDArray[np.float64]
    sdnn: NDArray[np.float64]
    hf: NDArray[np.float64]
    irregular: NDArray[np.bool_]


def night_repeat(series: Sequence[IntervalSeries], night: Night, preset: Preset) -> Repeat:
    """A night from its 5-minute windows: exp(mean ln) of RMSSD, SDNN and HF, the mean of heart rate."""
    wanted = (night.end_ns - night.start_ns) // _WINDOW_NS
    starts = night.start_ns + _WINDOW_NS * np.arange(wanted, dtype=np.int64)
    return _condensed(_windows(series, starts, preset), LEAST_WINDOWS, "INSUFFICIENT_NIGHT", tuple(night.quality))


def day_repeat(series: Sequence[IntervalSeries], night: Night, nights: Sequence[Night], preset: Preset) -> Repeat:
    """The waking hours that belong to a night, condensed as a night is.

    They are those of the 24 h that end with waking; where these hold too few accepted windows, those of the 24 h that
    begin with falling asleep.
    """
    plain = replace(preset, bands=())
    found = Repeat(wanted=0.0)
    for start, end in ((night.end_ns - _DAY_NS, night.start_ns), (night.end_ns, night.start_ns + _DAY_NS)):
        starts = np.arange(start, end - _WINDOW_NS + 1, _WINDOW_NS, dtype=np.int64)
        for other in nights:
            starts = starts[(starts + _WINDOW_NS <= other.start_ns) | (starts >= other.end_ns)]
        one = _condensed(_windows(series, starts, plain), LEAST_DAY_WINDOWS, "INSUFFICIENT_DAY", ())
        if np.isfinite(one.hr):
            return one
        if one.accepted + one.irregular >= found.accepted + found.irregular:
            found = one
    return found


def _windows(series: Sequence[IntervalSeries], starts: NDArray[np.int64], preset: Preset) -> _Windows:
    n = len(starts)
    columns = {name: np.full(n, np.nan) for name in ("rmssd", "hr_of_mean_nn", "sdnn", "hf")}
    share, irregular = np.full(n, -1.0), np.zeros(n, bool)
    for whole in series:
        one = _around(whole, int(starts[0]), int(starts[-1]) + _WINDOW_NS) if n else whole
        found = measure(one, starts, starts + _WINDOW_NS, preset)
        # Where recordings overlap, the one that covers a window best gives its value.
        better = found.accepted & (found.valid_share > share) & np.isfinite(found.values["ln_rmssd"])
        for name, column in columns.items():
            column[better] = found.values[name][better] if name in found.values else np.nan
        share[better], irregular[better] = found.valid_share[better], found.irregular[better]
    for name in ("rmssd", "sdnn", "hf"):
        columns[name][irregular | ~(columns[name] > 0)] = np.nan
    return _Windows(columns["rmssd"], columns["hr_of_mean_nn"], columns["sdnn"], columns["hf"], irregular)


def _around(series: IntervalSeries, start_ns: int, end_ns: int) -> IntervalSeries:
    """The series from the beat before ``start_ns`` to the beat after ``end_ns``: sums over days take their time."""
    lo, hi = np.searchsorted(series.ends_ns, [start_ns, end_ns])
    part = slice(max(int(lo) - 1, 0), int(hi) + 2)
    return replace(
        series,
        ends_ns=series.ends_ns[part],
        nn_ms=series.nn_ms[part],
        corrected_ms=series.corrected_ms[part],
        corrected=series.corrected[part],
        covered_ns=series.covered_ns[part],
        irregular=series.irregular[part],
    )


def _condensed(windows: _Windows, least: int, too_few: str, codes: tuple[str, ...]) -> Repeat:
    accepted, marked = int(np.isfinite(windows.rmssd).sum()), int(windows.irregular.sum())
    if accepted < least:
        codes += (too_few,)
    if marked:
        codes += ("IRREGULAR_RHYTHM",)
    return Repeat(
        rmssd=_mean_of_logs(windows.rmssd, least),
        hr=float(np.nanmean(windows.hr)) if accepted + marked >= least else NAN,
        sdnn=_mean_of_logs(windows.sdnn, least),
        hf=_mean_of_logs(windows.hf, least),
        accepted=accepted,
        wanted=len(windows.rmssd),
        codes=codes,
        irregular=marked,
    )


def _mean_of_logs(values: NDArray[np.float64], least: int) -> float:
    known = values[np.isfinite(values)]
    return float(np.exp(np.mean(np.log(known)))) if len(known) >= least else NAN


def duration_s(beats: Beats) -> float:
    """From the first beat to the last."""
    return float(beats.times_ns[-1] - beats.times_ns[0]) / NS_PER_S if len(beats) else 0.0


def is_ten_seconds(beats: Beats) -> bool:
    """Whether beats are those of a 10-second electrocardiogram."""
    return beats.source in ("ecg", "simulated") and TEN_SECONDS[0] <= duration_s(beats) <= TEN_SECONDS[1]


def is_resting_recording(beats: Beats) -> bool:
    """Whether a recording is short enough to be one at rest, and is not a 10-second electrocardiogram."""
    return len(beats) > 0 and duration_s(beats) < LONGEST_REST_S and not is_ten_seconds(beats)


def rest_repeat(series: Sequence[IntervalSeries], span: tuple[int, int], preset: Preset, assumed: bool) -> Repeat:
    """A resting recording as one window.

    SDNN grows with the length of a recording and is given for 5 to 10 minutes only. HF power needs 5 minutes, and rest
    that is known and not ``assumed``: talking and moving change breathing and with it HF.
    """
    asked = span[1] - span[0]
    codes: tuple[str, ...] = ("REST_ASSUMED",) if assumed else ()
    if asked > LONGEST_REST_S * NS_PER_S:
        codes += ("REST_OVER_10_MIN",)
    best = Repeat(codes=(*codes, NO_REST))
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
        value = {name: float(column[0]) for name, column in found.values.items()}
        hr = value["hr_of_mean_nn"]
        if found.irregular[0]:
            best = Repeat(hr=hr, codes=(*codes, *reasons, "IRREGULAR_RHYTHM"), irregular=share)
            continue
        long_enough = "ULTRA_SHORT" not in reasons
        best = Repeat(
            rmssd=value["rmssd"],
            hr=hr,
            sdnn=value["sdnn"] if long_enough and "REST_OVER_10_MIN" not in codes else NAN,
            hf=value.get("hf", NAN) if long_enough and not assumed else NAN,
            accepted=share,
            codes=(*codes, *reasons),
        )
    return best


def day_starts(recordings: Sequence[Beats]) -> list[int]:
    """Starts of stretches of 24 h, from the first beat on, that recordings reach into for 18 h or more.

    A stretch that they do not fill makes room for one that begins with the next recording.
    """
    spans = sorted((int(b.times_ns[0]), int(b.times_ns[-1])) for b in recordings if len(b))
    found: list[int] = []
    at = spans[0][0] if spans else None
    while at is not None:
        end = at + _DAY_NS
        recorded = sum(max(0, min(b, end) - max(a, at)) for a, b in spans)
        if recorded >= LEAST_24H_S * NS_PER_S:
            found.append(at)
            at = min((max(a, end) for a, b in spans if b > end), default=None)
        else:
            at = min([a for a, _ in spans if a > at] + [end for a, b in spans if a <= end < b], default=None)
    return found


def whole_day_repeat(series: Sequence[IntervalSeries], start_ns: int, preset: Preset) -> Repeat:
    """SDNN and heart rate of 24 h from all NN intervals; what recordings hold at the same time counts once.

    The intervals are taken as they are whatever the preset detrends: slow changes are what SDNN of a day is about.
    """
    parts: list[NDArray[np.float64]] = []
    taken: list[tuple[int, int]] = []
    corrected = beats = 0
    irregular: list[NDArray[np.float64]] = []
    for one in sorted(series, key=lambda s: -_nn_seconds(s, start_ns)):
        lo, hi = np.searchsorted(one.ends_ns, [start_ns, start_ns + _DAY_NS])
        if hi <= lo or any(one.ends_ns[lo] < b and a < one.ends_ns[hi - 1] for a, b in taken):
            continue
        taken.append((int(one.ends_ns[lo]), int(one.ends_ns[hi - 1])))
        nn = one.nn_ms[lo:hi]
        parts.append(nn[(nn >= NN_MS[0]) & (nn <= NN_MS[1])])
        corrected, beats = corrected + int(one.corrected[lo:hi].sum()), beats + int(hi - lo)
        irregular.append(np.asarray(one.irregular[lo:hi], dtype=np.float64))
    nn = np.concatenate(parts) if parts else np.zeros(0)
    seconds = float(nn.sum()) / 1000
    share = min(seconds / DAY_S, 1.0)
    if seconds < LEAST_24H_S:
        return Repeat(accepted=share, codes=("INSUFFICIENT_24H",))
    if corrected > MOST_CORRECTED_24H * beats:
        return Repeat(accepted=0.0, codes=("TOO_MANY_CORRECTED",))
    hr = 60_000 / float(nn.mean())
    if float(np.mean(np.concatenate(irregular) == 1)) > preset.most_irregular_share:
        return Repeat(hr=hr, codes=("IRREGULAR_RHYTHM",), irregular=share)
    return Repeat(hr=hr, sdnn=float(np.std(nn, ddof=1)), accepted=share)


def _nn_seconds(one: IntervalSeries, start_ns: int) -> float:
    lo, hi = np.searchsorted(one.ends_ns, [start_ns, start_ns + _DAY_NS])
    return float(np.nansum(one.nn_ms[lo:hi])) / 1000
