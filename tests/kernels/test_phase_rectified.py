"""Deceleration and acceleration capacity: golden values, published columns, gaps, laws."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.phase_rectified import acceleration_capacity, deceleration_capacity, windowed
from tests.reference import mitbih
from tests.reference import phase_rectified as reference

NAN = float("nan")
NOISE, ARTEFACT = 14, 16


@pytest.mark.parametrize(("capacity", "key"), [(deceleration_capacity, "DC"), (acceleration_capacity, "AC")])
def test_golden_value(golden, capacity, key):
    value, anchors = golden["prsa_T1_s2_max5pct"][key]
    assert capacity(golden["rr_ms"]) == (pytest.approx(value, rel=1e-9), anchors)


def test_by_hand():
    # Changes + - +: no anchor has two before and one after but the second interval of 810 (a shortening to 800).
    nn = np.array([800.0, 810.0, 800.0, 810.0])
    assert deceleration_capacity(nn).anchors == 0
    assert acceleration_capacity(nn) == ((800 + 810 - 810 - 800) / 4, 1)
    # Scale 1 has three anchors: 810, 800 and the last 810.
    assert deceleration_capacity(nn, scale=1) == (5.0, 2)


def test_larger_changes_than_the_limit_are_no_anchors():
    nn = np.array([800.0, 800.0, 844.0, 844.0])
    assert deceleration_capacity(nn) == (pytest.approx(NAN, nan_ok=True), 0)
    assert deceleration_capacity(nn, limit=0.06) == (22.0, 1)
    # 5 % itself is within the limit.
    assert deceleration_capacity(np.array([800.0, 800.0, 840.0, 840.0])).anchors == 1


def test_no_contrast_reaches_across_a_gap():
    nn = np.array([800.0, 810.0, NAN, 820.0, 830.0, 840.0, NAN, 850.0])
    assert deceleration_capacity(nn).anchors == 0
    assert deceleration_capacity(nn, scale=1) == (5.0, 3)


def test_bad_input_is_missing_or_refused():
    for nn in ([], [800.0], [NAN] * 9, [800.0] * 9, [math.inf] * 9, [0.0] * 9, [-1.0, -2.0] * 9):
        for capacity in (deceleration_capacity, acceleration_capacity):
            assert capacity(np.array(nn)) == (pytest.approx(NAN, nan_ok=True), 0)
    for wrong in ({"limit": 0.0}, {"limit": NAN}, {"averaged": 0}, {"scale": 0}, {"around": -1}):
        with pytest.raises(ValueError, match="must be positive"):
            deceleration_capacity(np.arange(800.0, 810.0), **wrong)


@pytest.mark.parametrize("record", ["nsr001", "nsr004"])
def test_columns_of_the_physionet_toolbox(recordings, record):
    """That toolbox: anchors up to 20 %, 30 intervals on either side, intervals in use laid side by side."""
    folder = recordings("cst_reference")
    with (folder / "NSR_HRV_allwindows_nsr001_nsr004.csv").open() as file:
        table = [row for row in csv.DictReader(file) if row["patID"] == record]
    samples, codes = mitbih.annotations((folder / f"{record}.ecg").read_bytes())
    # That toolbox takes marks of noise and of artefacts for beats that are not normal.
    beat = np.isin(codes, [*mitbih.BEAT_CODES, NOISE, ARTEFACT])
    normal = codes[beat] == 1
    # Its run divided by 125 although the record has 128 samples per second.
    at_s = (samples[beat] - samples[beat][0]) / 125
    rr = np.diff(samples[beat]) / 125
    use = normal[1:] & normal[:-1] & (rr >= 0.375) & (rr <= 2.0)
    ends, nn = at_s[1:][use], 1000 * rr[use]
    starts = np.array([float(row["t_start"]) for row in table])
    rows = windowed(nn, np.searchsorted(ends, starts), np.searchsorted(ends, starts + 300), limit=0.2, around=30)
    for column, name in enumerate(("dc", "ac")):
        published = np.array([float(row[name]) for row in table])
        assert np.nanmedian(np.abs(rows[:, column] / published - 1)) < 2e-5


series = st.lists(st.one_of(st.floats(700, 900), st.just(NAN)), max_size=50)


@settings(max_examples=60, deadline=None)
@given(series, st.integers(1, 3), st.sampled_from([0.05, 0.2]))
def test_capacities_equal_the_slow_twin(nn, scale, limit):
    values = np.array(nn)
    for capacity, sign in ((deceleration_capacity, 1), (acceleration_capacity, -1)):
        slow, anchors = reference.capacity(values, sign, limit, scale)
        found = capacity(values, limit=limit, scale=scale)
        assert found == (pytest.approx(slow, rel=1e-9, abs=1e-9, nan_ok=True), anchors)


@settings(max_examples=30, deadline=None)
@given(series)
def test_scale_scales_and_reversed_time_swaps_the_capacities(nn):
    base = np.array(nn)
    was = deceleration_capacity(base, scale=1)
    assert deceleration_capacity(base * 2.0, scale=1) == (pytest.approx(2 * was.capacity, nan_ok=True), was.anchors)
    # A change is relative to the interval before it: without a limit the anchors of reversed time are the same.
    free, mirrored = deceleration_capacity(base, limit=9.0), acceleration_capacity(base[::-1], limit=9.0)
    assert mirrored == (pytest.approx(-free.capacity, nan_ok=True, abs=1e-9), free.anchors)


@settings(max_examples=30, deadline=None)
@given(series, st.data())
def test_a_window_has_the_bits_of_its_intervals_alone(nn, data):
    first = data.draw(st.lists(st.integers(0, len(nn)), min_size=1, max_size=4))
    stop = [data.draw(st.integers(f, len(nn))) for f in first]
    values = np.array(nn)
    rows = windowed(values, first, stop)
    for k, (f, s) in enumerate(zip(first, stop, strict=True)):
        dc, ac = deceleration_capacity(values[f:s]), acceleration_capacity(values[f:s])
        assert np.array_equal(rows[k], [dc.capacity, ac.capacity, dc.anchors, ac.anchors], equal_nan=True)
