"""Figures of the participant page on real results of the rooms before it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from allostat.hrv import hrv
from allostat.kernels.spectrum import band_power
from allostat.recording import NS_PER_S, UNKNOWN_ZONE, Beats, TimeZone
from allostat.report.local_time import DAY_NS, LocalClock
from allostat.report.rhythm_figures import hourly_cover, poincare_plot, tachogram
from allostat.report.series import Series, all_series
from allostat.report.spectrum_figure import _density, spectrum_plot
from allostat.report.strip_figures import broken_at_gaps, ranked_windows, sample_range, thinned
from allostat.store.result import ParticipantResult


def series_of(beats: Beats, **about: object) -> Series:
    clock = LocalClock(beats.epoch, TimeZone("UTC+02:00", "user") if beats.epoch == "utc" else UNKNOWN_ZONE)
    parts = {"recording": None, "windows": None, "quality": None, "signal": None} | about
    return Series("x", beats, clock=clock, **parts)  # type: ignore[arg-type]


def breathing(seconds: float = 700.0) -> Beats:
    rr, t = [], 0.0
    while t < seconds:
        rr.append(900 + 40 * np.sin(2 * np.pi * 0.25 * t) + 25 * np.sin(2 * np.pi * 0.1 * t))
        t += rr[-1] / 1000
    return Beats.from_intervals(rr, start_ns=1_700_000_000 * NS_PER_S, epoch="utc")


def test_spectrum_shown_integrates_to_the_band_powers_of_its_window() -> None:
    import json

    beats = breathing()
    windows = hrv(beats, window="5min")
    item = series_of(beats, windows=windows)
    density = _density(item, 0, json.loads(windows.attrs["settings"]))
    assert density is not None
    for name, low, high in (("lf", 0.04, 0.15), ("hf", 0.15, 0.4)):
        assert band_power(*density, low, high) == pytest.approx(float(windows[name][0]), rel=0.02)
    assert spectrum_plot(item) is not None


def test_no_spectrum_where_the_window_has_a_gap() -> None:
    beats = breathing(400.0)
    intervals = beats.intervals_ms.copy()
    intervals[100] = np.nan
    broken = Beats(beats.times_ns, intervals, beats.flags, epoch="utc")
    assert spectrum_plot(series_of(broken, windows=hrv(broken, window="5min"))) is None


def test_coverage_counts_the_better_series_of_an_hour_once() -> None:
    beats = breathing(1800.0)
    cover = hourly_cover([series_of(beats), series_of(beats)])
    assert sum(row.sum() for row in cover.values()) == pytest.approx(0.5, rel=0.01)
    local_day = (int(beats.times_ns[0]) + 2 * 3600 * NS_PER_S) // DAY_NS
    assert set(cover) == {local_day}


@pytest.mark.parametrize("n", [0, 1, 2])
def test_figures_of_next_to_no_beats_are_left_out(n: int) -> None:
    beats = Beats.from_intervals([800.0] * (n - 1)) if n else Beats.from_times(np.zeros(0, np.int64))
    item = series_of(beats)
    assert tachogram(item) is None
    assert poincare_plot(item) is None
    assert spectrum_plot(item) is None


def test_constant_intervals_are_drawn() -> None:
    assert tachogram(series_of(Beats.from_intervals([800.0] * 50))) is not None
    assert poincare_plot(series_of(Beats.from_intervals([800.0] * 50))) is not None


def test_strips_are_the_best_the_median_and_the_worst_window(whole_result: Callable[..., ParticipantResult]) -> None:
    item = all_series(whole_result(hours=1.0))[0]
    assert item.quality is not None and item.signal is not None
    chosen = ranked_windows(item.quality)
    assert [name for name, *_ in chosen] == ["best", "median", "worst"]
    assert chosen[0][3] == "accepted" and chosen[2][3] == "rejected, FLAT, TEMPLATE_MISMATCH"
    first, last = sample_range(item, chosen[1][1], chosen[1][1] + 10 * NS_PER_S)
    assert last - first == 1300


def test_main_series_is_that_of_the_circadian_fit(whole_result: Callable[..., ParticipantResult]) -> None:
    from dataclasses import replace

    result = whole_result(hours=2.0)
    longer = replace(result, beats={**result.beats, "other": breathing(9000.0)})
    assert [s.id for s in all_series(longer)] == ["polar_ecg", "other"]
    assert [s.id for s in all_series(replace(longer, circadian=None))] == ["other", "polar_ecg"]


def test_thinning_a_fast_signal_keeps_every_peak() -> None:
    x = np.arange(10_000) / 1000
    y = np.zeros(10_000)
    y[500::1000] = 1.0
    thin_x, thin_y = thinned(x, y)
    assert len(thin_x) <= 1500
    assert (thin_y == 1.0).sum() == 10
    assert (np.diff(thin_x) > 0).all()


def test_a_line_is_broken_at_gaps_and_nowhere_else() -> None:
    x = np.array([0.0, 0.1, 0.2, 1.2, 1.3])
    broken_x, broken_y = broken_at_gaps(x, np.ones(5))
    assert np.flatnonzero(np.isnan(broken_x)).tolist() == [3] == np.flatnonzero(np.isnan(broken_y)).tolist()
    assert len(broken_at_gaps(np.arange(5.0), np.ones(5))[0]) == 5
