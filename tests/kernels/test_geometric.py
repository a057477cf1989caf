"""Triangular index, TINN, SDANN and SDNN index: hand-made histograms and segments, deviations of NeuroKit2, laws."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.geometric import BIN_MS, geometry, tinn, triangular_index, windowed
from allostat.kernels.segments import long_term
from tests.reference import geometric as reference
from tests.reference import neurokit
from tests.reference import segments as segments_reference

NAN = float("nan")


def beats(**counts):
    """Intervals in the middle of bins of 1 ms: b800=3 is three of 800.5 ms."""
    return np.concatenate([np.full(n, int(name[1:]) + 0.5) for name, n in counts.items()])


def series(n, seed=0):
    return np.random.default_rng(seed).normal(800.0, 40.0, n)


def test_triangular_index_by_hand():
    assert triangular_index(beats(b800=3, b801=6, b802=3), 1.0) == 2.0


def test_an_interval_of_whole_bins_lies_in_the_bin_that_begins_there():
    assert triangular_index(np.array([2, 2, 2.99, 3]) * BIN_MS) == pytest.approx(4 / 3)


def test_a_perfect_triangle_has_the_width_of_its_base():
    nn = beats(b800=1, b801=2, b802=3, b803=4, b804=2)
    # From 799 to 805.
    assert tinn(nn, 1.0) == 6.0


def test_the_triangle_may_be_wider_than_the_data():
    """Bins that are all as full as the peak end at once, the best triangle falls more slowly."""
    assert tinn(beats(b800=9, b801=9, b802=9, b803=9), 1.0) > 5.0


def test_triangular_index_of_neurokit_and_its_last_bin():
    nn = series(700)
    assert triangular_index(nn) == pytest.approx(neurokit.time_domain(nn)["HTI"], rel=1e-9)
    # Intervals of a clock of 1/128 s: NeuroKit counts the longest with the second longest.
    clock = BIN_MS * np.array([100.0] * 4 + [101.0] * 5 + [102.0] * 3)
    assert triangular_index(clock) == pytest.approx(12 / 5)
    assert neurokit.time_domain(clock)["HTI"] == pytest.approx(12 / 8)


def test_tinn_of_neurokit_tries_one_left_corner_only():
    nn = series(700)
    bins = reference.histogram(nn, BIN_MS)
    top, height = reference.peak(bins)

    def least_error(width):
        return min(reference.error(bins, top - a, top, height, top - a + width) for a in range(1, width))

    ours, theirs = round(tinn(nn) / BIN_MS), round(neurokit.time_domain(nn)["TINN"] / BIN_MS)
    assert theirs > ours
    assert least_error(ours) < least_error(theirs)
    # The area of the triangle is that of the histogram.
    assert ours == pytest.approx(2 * triangular_index(nn), abs=1.5)
    assert neurokit.time_domain(series(4000))["TINN"] == 0.0 < tinn(series(4000))


def test_bad_input_is_missing_or_refused():
    for nn in ([], [NAN] * 5, [math.inf]):
        assert np.isnan(geometry(np.array(nn))).all()
    assert geometry(np.array([800.0])) == (1.0, pytest.approx(NAN, nan_ok=True))
    assert geometry(np.full(50, 800.0)) == (1.0, pytest.approx(NAN, nan_ok=True))
    for width in (0.0, -1.0, NAN, math.inf):
        with pytest.raises(ValueError, match="bin"):
            geometry(np.array([800.0]), width)
    for nn in ([-1.0], [1e9]):
        with pytest.raises(ValueError, match="intervals"):
            geometry(np.array(nn))


counts = st.lists(st.one_of(st.integers(0, 6).map(float), st.just(NAN)), max_size=30)


@settings(max_examples=30, deadline=None)
@given(counts)
def test_triangle_fits_as_well_as_any_other(nn):
    values = np.array(nn)
    found = geometry(values, 1.0)
    assert found.triangular_index == pytest.approx(reference.triangular_index(nn, 1.0), nan_ok=True)
    slow = reference.tinn(nn, 1.0)
    if math.isnan(slow):
        assert math.isnan(found.tinn)
    elif found.tinn != slow:
        # Another one of equal error.
        bins = reference.histogram(nn, 1.0)
        top, height = reference.peak(bins)
        errors = {
            width: min(reference.error(bins, top - a, top, height, top - a + width) for a in range(1, width))
            for width in (int(found.tinn), int(slow))
        }
        assert errors[int(found.tinn)] - errors[int(slow)] < Fraction(1, 10**9)


@settings(max_examples=40, deadline=None)
@given(counts, st.integers(1, 500))
def test_whole_bins_more_leave_both_unchanged(nn, shift):
    assert geometry(np.array(nn) + shift, 1.0) == pytest.approx(geometry(np.array(nn), 1.0), nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(counts, st.data())
def test_a_window_has_the_bits_of_its_intervals_alone(nn, data):
    first = data.draw(st.lists(st.integers(0, len(nn)), min_size=1, max_size=4))
    stop = [data.draw(st.integers(f, len(nn))) for f in first]
    rows = windowed(np.array(nn), first, stop)
    for k, (f, s) in enumerate(zip(first, stop, strict=True)):
        assert np.array_equal(rows[k], geometry(np.array(nn)[f:s]), equal_nan=True)


def test_sdann_and_sdnn_index_by_hand():
    """Two segments of 10 s at 1 s and at 0.5 s, each with two intervals that differ by 20 ms from the others."""
    nn = np.array([1000.0] * 4 + [990.0, 1010.0] + [1000.0] * 4 + [500.0] * 9 + [490.0, 510.0] + [500.0] * 9)
    found = long_term(nn, np.cumsum(nn) / 1000 - 0.001, start_s=0.0, segment_s=10.0)
    assert found.segments == 2
    assert found.sdann == pytest.approx(500 / math.sqrt(2))
    assert found.sdnn_index == pytest.approx((math.sqrt(200 / 9) + math.sqrt(200 / 19)) / 2)


def test_a_segment_of_few_beats_does_not_count():
    nn = np.full(1000, 800.0)
    ends = np.cumsum(nn) / 1000
    nn[:300] = NAN
    # 240 s are missing of the first 300; the rest of 200 s at the end is two thirds of a segment.
    assert long_term(nn, ends, start_s=0.0).segments == 1
    assert long_term(nn, ends, start_s=0.0, least_share=0.6).segments == 2
    assert long_term(nn, ends, start_s=0.0, least_share=0.0).segments == 3


def test_segments_of_neurokit_lack_their_last_interval():
    nn = series(4000)
    theirs = neurokit.time_domain(nn)
    at_s = np.cumsum(nn) / 1000
    found = long_term(nn, at_s, start_s=0.0)
    assert theirs["SDANN5"] != pytest.approx(found.sdann, rel=1e-4)
    # Their segments begin with the first interval's end less its length, and so do ours here.
    cut = [segment[:-1] for segment in np.split(nn, np.searchsorted(at_s, np.arange(300, at_s[-1], 300)))]
    whole = round(at_s[-1] / 300)
    assert theirs["SDANN5"] == pytest.approx(np.std([s.mean() for s in cut[:whole]], ddof=1), rel=1e-9)
    assert theirs["SDNNI5"] == pytest.approx(np.mean([s.std(ddof=1) for s in cut[:whole]]), rel=1e-9)


def test_bad_segments_are_missing_or_refused():
    for nn in ([], [800.0], [NAN] * 5, [800.0] * 5):
        found = long_term(np.array(nn), np.arange(len(nn)))
        assert math.isnan(found.sdann) and math.isnan(found.sdnn_index)
    with pytest.raises(ValueError, match="instants for"):
        long_term(np.ones(3), np.ones(2))
    for ends in ([0.0, 2.0, 1.0], [0.0, NAN, 1.0]):
        with pytest.raises(ValueError, match="ascend"):
            long_term(np.ones(3), np.array(ends))
    for wrong in ({"segment_s": 0.0}, {"segment_s": NAN}, {"least_share": -0.1}, {"least_share": 1.1}):
        with pytest.raises(ValueError, match="out of range"):
            long_term(np.ones(3), np.arange(3), **wrong)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.floats(500, 1500), st.just(NAN)), max_size=60), st.sampled_from([0.0, 0.5, 0.8]))
def test_long_term_measures_equal_the_slow_twin(nn, share):
    ends = np.cumsum(np.nan_to_num(nn, nan=3000.0)) / 1000
    slow = segments_reference.long_term(nn, ends, 0.0, 10.0, share)
    found = long_term(np.array(nn), ends, start_s=0.0, segment_s=10.0, least_share=share)
    assert found == pytest.approx(slow, rel=1e-9, abs=1e-9, nan_ok=True)
