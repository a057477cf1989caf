"""Correction of beats: gaps, flags, the original, uncertainty."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.correction import correct_beats, stretches
from allostat.errors import ConfigError, InputError
from allostat.recording import BeatFlag, Beats


@pytest.fixture
def beats(golden):
    peaks = np.array(golden["artefact_lipponen_tarvainen"]["peaks_ms"])
    return Beats.from_times(
        1_000_000 * peaks,
        method="test",
        uncertainty_ms=np.ones(len(peaks), np.float32),
        extras={"amplitude": np.arange(len(peaks))},
    )


def test_golden_series_is_corrected_and_the_original_kept(beats, golden):
    corrected = correct_beats(beats)
    want = np.array(golden["artefact_lipponen_tarvainen"]["iterated_corrected_peaks_ms"])
    # The golden series rounds half-way beats down to whole ms.
    assert np.all(np.abs(corrected.times_ns / 1e6 - want) < 1)
    assert corrected.original is beats
    assert corrected.method == "test + lipponen2019"
    inserted = np.flatnonzero(corrected.flags == BeatFlag.MISSED)
    assert inserted.tolist() == [60]
    assert corrected.extras["source_index"][60] == -1
    assert set(corrected.flags[90:92]) == {BeatFlag.ECTOPIC, BeatFlag.LONG_SHORT}


def test_moved_and_inserted_beats_have_no_uncertainty(beats):
    corrected = correct_beats(beats)
    unknown = np.flatnonzero(np.isnan(corrected.uncertainty_ms))
    assert 60 in unknown
    assert np.all(corrected.flags[unknown] != BeatFlag.NORMAL)
    assert np.all(corrected.uncertainty_ms[corrected.flags == BeatFlag.NORMAL] == 1)


def test_an_interval_that_lost_an_extra_beat_is_marked():
    rr = 800 + 20 * np.sin(np.arange(120) / 3)
    times = np.cumsum(rr)
    extra = np.sort(np.append(times, times[60] + 390))
    corrected = correct_beats(Beats.from_times(np.rint(extra * 1e6).astype(np.int64)))
    assert len(corrected) == 120
    assert corrected.flags[61] in (BeatFlag.EXTRA, BeatFlag.LONG_SHORT)


def test_gaps_stay_gaps_and_stretches_are_corrected_alone(beats):
    whole = correct_beats(beats)
    later = beats.times_ns + 3_600_000_000_000
    both = Beats.from_times(np.concatenate([beats.times_ns, later]), breaks=np.arange(2 * len(beats)) == len(beats))
    corrected = correct_beats(both)
    n = len(whole)
    assert len(corrected) == 2 * n
    assert np.isnan(corrected.intervals_ms[[0, n]]).all()
    assert np.array_equal(corrected.flags[:n], corrected.flags[n:])
    assert np.array_equal(corrected.times_ns[n:], whole.times_ns + 3_600_000_000_000)
    assert np.array_equal(
        corrected.extras["source_index"][n:][whole.flags == 0],
        len(beats) + whole.extras["source_index"][whole.flags == 0],
    )


def test_an_interval_that_the_device_calls_unusable_is_neither_moved_nor_bridged():
    beats = Beats.from_intervals(np.r_[np.full(30, 800.0) + np.arange(30) % 3, 1600, np.full(30, 800.0)])
    flags = beats.flags.copy()
    flags[31] = BeatFlag.UNUSABLE
    marked = Beats(beats.times_ns, beats.intervals_ms, flags)
    corrected = correct_beats(marked)
    assert stretches(marked) == [(0, 31), (31, 62)]
    assert np.array_equal(corrected.times_ns, marked.times_ns)
    assert corrected.flags[31] == BeatFlag.UNUSABLE
    assert corrected.intervals_ms[31] == 1600


def test_an_interval_too_long_for_a_heart_is_a_gap_and_not_a_normal_one():
    """In whole samples at a steady rate all thresholds are 0 and every interval passes as normal, this one too."""
    steady = np.full(200, 69 * 1000 / 128)
    rr = np.concatenate([steady, [147_539.0625], steady])
    beats = Beats.from_intervals(rr)
    corrected = correct_beats(beats)
    assert np.isnan(corrected.intervals_ms[201]) and corrected.flags[201] == BeatFlag.OUT_OF_RANGE
    assert np.array_equal(np.delete(corrected.intervals_ms, 201), np.delete(beats.intervals_ms, 201), equal_nan=True)
    assert np.array_equal(corrected.times_ns, beats.times_ns)
    assert len(corrected.gaps) == 1 and corrected.original is beats
    assert beats.intervals_ms[201] == 147_539.0625 and not beats.flags.any()


def test_a_gap_in_the_beats_that_a_varying_heart_makes_leaves_both_sides_as_they_are_alone():
    rng = np.random.default_rng(7)
    before, after = 800 + rng.normal(0, 30, (2, 150))
    whole = correct_beats(Beats.from_intervals(np.concatenate([before, [30_000.0], after])))
    alone = [correct_beats(Beats.from_intervals(part)) for part in (before, after)]
    assert np.array_equal(whole.flags, np.concatenate([alone[0].flags, [BeatFlag.OUT_OF_RANGE], alone[1].flags[1:]]))
    joined = np.concatenate([one.intervals_ms for one in alone])
    assert whole.intervals_ms == pytest.approx(joined, rel=1e-12, nan_ok=True)


def test_an_interval_with_one_beat_missed_is_no_gap_however_slow_the_heart():
    rr = 1900 + 40 * np.sin(np.arange(120) / 3)
    rr[60] *= 2
    corrected = correct_beats(Beats.from_intervals(rr))
    assert corrected.flags[61] == BeatFlag.MISSED and np.isfinite(corrected.intervals_ms[1:]).all()


def test_device_intervals_beside_coarser_time_stamps_stay_to_the_bit():
    rr = 800 + 30 * np.sin(np.arange(100) / 4)
    exact = Beats.from_intervals(rr)
    times = exact.times_ns // 10_000_000 * 10_000_000
    corrected = correct_beats(Beats(times, exact.intervals_ms, exact.flags))
    assert np.array_equal(corrected.intervals_ms, exact.intervals_ms, equal_nan=True)
    assert np.array_equal(corrected.times_ns, times)


def test_no_beats_stay_no_beats():
    assert len(correct_beats(Beats.from_times(np.empty(0, np.int64)))) == 0
    assert len(correct_beats(Beats.from_times(np.array([5])))) == 1


def test_an_early_beat_that_is_spaced_leaves_no_error_behind():
    rr = 900 + 25 * np.sin(np.arange(400) / 3) + np.random.default_rng(1).normal(0, 6, 400)
    truth = np.cumsum(rr)
    early = truth.copy()
    early[40:360:40] -= 300
    beats = Beats.from_times(np.rint(early * 1e6).astype(np.int64))
    error = {}
    for method in ("lipponen2019", "lipponen2019_spaced"):
        corrected = correct_beats(beats, method)
        assert corrected.method.endswith(method)
        assert np.count_nonzero(corrected.flags) >= 16
        rmssd = np.sqrt(np.mean(np.diff(corrected.intervals_ms[1:]) ** 2))
        error[method] = rmssd / np.sqrt(np.mean(np.diff(rr[1:]) ** 2)) - 1
    assert error["lipponen2019"] > 0.3
    assert abs(error["lipponen2019_spaced"]) < 0.05


def test_bigeminy_is_flagged_instead_of_passing_silently():
    truth = np.cumsum(850 + 20 * np.sin(np.arange(400) / 3))
    truth[200:300:2] -= 260
    corrected = correct_beats(Beats.from_times(np.rint(truth * 1e6).astype(np.int64)))
    irregular = corrected.extras["irregular"]
    assert irregular.dtype == np.int8
    assert irregular[210:290].all()
    assert not irregular[:150].any()
    assert len(irregular) == len(corrected)


def test_a_record_of_frequent_ectopy_is_irregular_and_one_of_sinus_rhythm_is_not(recordings):
    from tests.reference import mitbih

    folder = recordings("mitdb")
    shares = {}
    for name in ("119", "106", "101", "115"):
        record = mitbih.read(folder, name)
        beats = Beats.from_times(np.rint(record.beats / record.rate * 1e9).astype(np.int64))
        shares[name] = float(np.mean(correct_beats(beats).extras["irregular"]))
    assert shares["119"] > 0.9
    assert shares["106"] > 0.5
    assert shares["101"] == shares["115"] == 0


def test_an_unknown_method_offers_the_nearest(beats):
    with pytest.raises(ConfigError, match="lipponen2019"):
        correct_beats(beats, "lipponen2018")


def test_correcting_twice_is_refused(beats):
    with pytest.raises(InputError, match="original"):
        correct_beats(correct_beats(beats))


def test_an_interval_that_is_not_positive_is_refused():
    with pytest.raises(InputError, match="beat 1"):
        correct_beats(Beats(np.array([0, 9]), np.array([np.nan, 0.0]), np.zeros(2, np.int8)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.integers(700, 900), st.integers(250, 2000)), max_size=150), st.data())
def test_source_index_leads_back_to_the_original(rr, data):
    beats = Beats.from_intervals(np.array(rr, dtype=float))
    intervals = beats.intervals_ms.copy()
    intervals[data.draw(st.lists(st.integers(0, len(rr)), max_size=3))] = np.nan
    flags = beats.flags.copy()
    flags[data.draw(st.lists(st.integers(0, len(rr)), max_size=3))] = BeatFlag.UNUSABLE
    beats = Beats(beats.times_ns, intervals, flags)
    corrected = correct_beats(beats)
    source = corrected.extras["source_index"]
    still = (corrected.flags == BeatFlag.NORMAL) & (source >= 0)
    assert np.array_equal(corrected.times_ns[still], beats.times_ns[source[still]])
    unusable = flags == BeatFlag.UNUSABLE
    kept = corrected.flags == BeatFlag.UNUSABLE
    assert np.array_equal(corrected.intervals_ms[kept], intervals[unusable], equal_nan=True)
    assert np.isnan(corrected.intervals_ms).sum() == np.isnan(intervals).sum()
    finite = np.isfinite(corrected.intervals_ms[1:])
    steps = np.diff(corrected.times_ns)[finite] / 1e6
    np.testing.assert_allclose(corrected.intervals_ms[1:][finite], steps, atol=1e-5)
