"""Rhythms too irregular to correct: marked in windows, and not silently used for a person's values."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace

import numpy as np
import pytest

from allostat.correction import correct_beats
from allostat.hrv import PRESETS, Reason, hrv, person_hrv
from allostat.recording import Beats

S = 1_000_000_000


@dataclass(frozen=True)
class Slept:
    start_ns: int
    end_ns: int
    quality: tuple[str, ...] = ()


def rhythm(*parts, seed=1):
    """Beats of a rhythm for minutes each: ``sinus`` breathes, ``fibrillation`` has intervals of any length."""
    rng = np.random.default_rng(seed)
    intervals = []
    for kind, minutes in parts:
        n = round(minutes * 60 / 0.8)
        if kind == "sinus":
            intervals.append(800 + 25 * np.sin(2 * np.pi * 0.2 * np.arange(n)) + rng.normal(0, 8, n))
        else:
            intervals.append(rng.uniform(450, 1150, n))
    return Beats.from_intervals(np.concatenate(intervals), epoch="utc", source="ecg")


def test_windows_carry_the_share_of_irregular_beats():
    beats = correct_beats(rhythm(("sinus", 20), ("fibrillation", 20), ("sinus", 20)))
    found = hrv(
        beats, "5min", preset=replace(PRESETS["taskforce1996"], most_corrected_share=1.0, least_valid_share=0.0)
    )
    share = found.irregular_share.values
    assert share[:3].tolist() == [0.0, 0.0, 0.0]
    assert (share[5:7] == 1.0).all()
    marked = (found.reasons.values & Reason.IRREGULAR) != 0
    assert np.array_equal(marked, share > 0.1)
    assert np.isfinite(found.mean_nn.values[5:7]).all(), "marked, not rejected"
    assert "IRREGULAR" in found.reasons.attrs["flag_meanings"].split()


def test_beats_that_were_not_corrected_are_not_called_regular():
    found = hrv(rhythm(("sinus", 11)), "5min")
    assert np.isnan(found.irregular_share.values).all()
    assert not ((found.reasons.values & Reason.IRREGULAR) != 0).any()
    assert hrv(rhythm(("sinus", 6))).attrs["settings"].count("most_irregular_share") == 1


def test_a_night_of_fibrillation_has_a_heart_rate_but_no_variability():
    beats = correct_beats(rhythm(("fibrillation", 120)))
    accepted = replace(PRESETS["taskforce1996"], most_irregular_share=0.1)
    found = person_hrv(beats, nights=[Slept(0, 7200 * S)], rest=(), preset=accepted)
    assert np.isnan(float(found.rmssd_night))
    assert found.windows_accepted.values.tolist() == [0]
    for name in ("rmssd_night", "hr_night"):
        assert {"IRREGULAR_RHYTHM", "INSUFFICIENT_NIGHT"} <= set(found[name].attrs["quality"].split())


def frequent_ectopy(minutes, seed=2):
    """Every tenth beat early: too many for correction to see, few enough for windows to be covered."""
    rng = np.random.default_rng(seed)
    n = round(minutes * 60 / 0.8)
    intervals = 800 + rng.normal(0, 10, n)
    intervals[5::10] -= 250
    intervals[6::10] += 250
    return intervals


def test_half_a_night_of_frequent_ectopy_is_left_out_of_rmssd_but_not_of_heart_rate():
    calm = rhythm(("sinus", 60)).intervals_ms[1:]
    beats = correct_beats(
        Beats.from_intervals(np.concatenate([calm, frequent_ectopy(60)]), epoch="utc", source="ecg")
    )  # fmt: skip
    found = person_hrv(beats, nights=[Slept(0, 7200 * S)], rest=())
    alone = person_hrv(
        correct_beats(Beats.from_intervals(calm, epoch="utc")), nights=[Slept(0, 3600 * S)], rest=()
    )  # fmt: skip
    assert int(found.windows_irregular[0]) >= 10
    assert float(found.rmssd_night) == pytest.approx(float(alone.rmssd_night), rel=0.03)
    assert "IRREGULAR_RHYTHM" in found.rmssd_night.attrs["quality"].split()
    assert found.hr_night.attrs["coverage"] > found.rmssd_night.attrs["coverage"]


def test_a_resting_recording_with_frequent_ectopy_has_no_rmssd_and_says_why():
    found = person_hrv(correct_beats(Beats.from_intervals(frequent_ectopy(6), epoch="utc", source="ecg")))
    assert np.isnan(float(found.rmssd_rest))
    assert float(found.hr_rest) == pytest.approx(75, abs=1)
    assert "IRREGULAR_RHYTHM" in found.rmssd_rest.attrs["quality"].split()
    calm = person_hrv(correct_beats(rhythm(("sinus", 6))))
    assert np.isfinite(float(calm.rmssd_rest))
    assert "IRREGULAR_RHYTHM" not in calm.rmssd_rest.attrs["quality"].split()


def test_days_of_healthy_hearts_are_regular(recordings):
    """All-beat RR of 24 h, ectopy inside."""
    for path in sorted((recordings("rr24h") / "healthy_ms").glob("*.gz")):
        with gzip.open(path, "rt") as text:
            rr = np.array(text.read().split()[1:], dtype=float)
        beats = correct_beats(Beats.from_intervals(rr[(rr > 250) & (rr < 2500)], epoch="utc"))
        found = hrv(beats, "5min", measures="standard")
        assert np.nanmean(found.irregular_share.values > 0.1) < 0.02, path.name
