"""A window without values says why, and what would be needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allostat.hrv import hrv
from allostat.hrv_reasons import why_without_values
from allostat.recording import Beats


def test_thirty_seconds_of_ecg_between_first_and_last_beat_are_missing_a_second() -> None:
    (short, ultra) = why_without_values(hrv(Beats.from_intervals([800.0] * 37, source="ecg")))
    assert short == "TOO_SHORT (29.6 s from the first beat to the last; needed are 30 s)"
    assert ultra == "ULTRA_SHORT"


def test_almost_thirty_seconds_never_read_as_thirty() -> None:
    (short, _) = why_without_values(hrv(Beats.from_intervals([999.9] * 30)))
    assert short.startswith("TOO_SHORT (29.9 s ")


def test_lost_intervals_are_told_as_a_share() -> None:
    beats = Beats.from_intervals(np.full(400, 800.0))
    intervals = beats.intervals_ms.copy()
    intervals[::4] = np.nan
    why = why_without_values(hrv(replace(beats, intervals_ms=intervals)))
    assert any("NN intervals cover" in words and "needed are 80 %" in words for words in why)


def test_a_window_longer_than_the_recording() -> None:
    (short, *_) = why_without_values(hrv(Beats.from_intervals([800.0] * 100), window="5min"))
    assert short == "TOO_SHORT (the recording ends inside the window)"


def test_windows_with_values_and_windows_of_nothing() -> None:
    beats = Beats.from_intervals(800.0 + 20.0 * np.sin(np.arange(400)))
    assert why_without_values(hrv(beats)) == ()
    assert why_without_values(hrv(beats).drop_vars("reasons").assign(rmssd=("window", [np.nan]))) == (
        "no reason recorded",
    )
    assert why_without_values(hrv(Beats.from_intervals([])))[0].startswith("TOO_SHORT (0.0 s ")
