"""Heart rate fragmentation: golden values, what NeuroKit2 does differently, gaps, laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.fragmentation import fragmentation, segment_shares, windowed, windowed_segment_shares
from tests.reference import fragmentation as reference
from tests.reference import neurokit

NAN = float("nan")


@pytest.mark.parametrize(
    ("measure", "key"), [("pip", "PIP_pct"), ("ials", "IALS"), ("pss", "PSS_pct"), ("pas", "PAS_pct")]
)
def test_golden_value(golden, measure, key):
    assert getattr(fragmentation(golden["rr_ms"]), measure) == pytest.approx(golden["hrv"][key], rel=1e-9)


def test_neurokit_gives_shares_of_segments_instead_of_intervals(golden):
    """PSS 0.1111 of the segments where 3.33 % of the intervals are meant; PIP and IALS agree."""
    ours, theirs = fragmentation(golden["rr_ms"]), neurokit.fragmentation(np.array(golden["rr_ms"]))
    assert theirs == pytest.approx((ours.pip / 100, ours.ials, 1 / 9, 0.0), rel=1e-9)
    assert segment_shares(golden["rr_ms"]) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_segment_shares_are_those_of_neurokit(seed):
    nn = 800.0 + np.random.default_rng(seed).integers(-2, 3, 400)
    assert segment_shares(nn) == pytest.approx(neurokit.fragmentation(nn), rel=1e-9)


def test_by_hand():
    # Differences + - + - - - + +: inflections after 1, 2, 3 and 6; segments 1 1 1 3 2; one alternation of 4 intervals.
    nn = np.cumsum([800, 10, -10, 10, -10, -10, -10, 10, 10])
    assert fragmentation(nn) == pytest.approx((400 / 9, 5 / 8, 500 / 9, 400 / 9))


def test_three_changes_of_direction_are_an_alternation_and_two_are_not():
    assert fragmentation(np.array([800, 810, 800, 810])).pas == 100.0
    assert fragmentation(np.array([800, 810, 800, 790, 780])).pas == 0.0


def test_a_pause_between_changes_is_an_inflection_once_on_each_side():
    # Differences + 0 0 +: the two zeros are equal, no inflection between them.
    assert fragmentation(np.array([800, 810, 810, 810, 820])).pip == pytest.approx(40.0)


def test_a_gap_ends_segments_and_alternations():
    up = [800.0, 810.0, 820.0]
    assert fragmentation(np.array([*up, NAN, *up])) == pytest.approx((0.0, 0.5, 400 / 6, 0.0))
    # Three intervals on either side alternate, four are needed.
    assert fragmentation(np.array([800.0, 810, 800, NAN, 810, 800, 810])).pas == 0.0


def test_bad_input_is_missing():
    for nn in ([], [800.0], [NAN] * 9, [800.0, NAN] * 9, [800.0] * 9, [math.inf] * 9):
        assert np.isnan(fragmentation(np.array(nn))).all()
        assert np.isnan(segment_shares(np.array(nn))).all()


gappy = st.lists(st.one_of(st.integers(795, 805).map(float), st.just(NAN)), max_size=60)


@settings(max_examples=80, deadline=None)
@given(gappy)
def test_measures_equal_the_slow_twin(nn):
    assert fragmentation(np.array(nn)) == pytest.approx(reference.fragmentation(np.array(nn)), rel=1e-12, nan_ok=True)


@settings(max_examples=40, deadline=None)
@given(gappy, st.integers(-300, 300), st.sampled_from([0.5, 2.0]))
def test_a_constant_a_scale_and_the_direction_of_time_leave_them_unchanged(nn, shift, scale):
    base = np.array(nn)
    was = fragmentation(base)
    for same in (base + shift, base * scale, base[::-1], -base):
        assert fragmentation(same) == pytest.approx(was, rel=1e-12, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(gappy, st.data())
def test_a_window_has_the_bits_of_its_intervals_alone(nn, data):
    first = data.draw(st.lists(st.integers(0, len(nn)), min_size=1, max_size=4))
    stop = [data.draw(st.integers(f, len(nn))) for f in first]
    series = np.array(nn)
    rows, shares = windowed(series, first, stop), windowed_segment_shares(series, first, stop)
    for k, (f, s) in enumerate(zip(first, stop, strict=True)):
        assert np.array_equal(rows[k], fragmentation(series[f:s]), equal_nan=True)
        assert np.array_equal(shares[k], segment_shares(series[f:s]), equal_nan=True)
