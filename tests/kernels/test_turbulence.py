"""Heart rate turbulence: hand-made premature beats, the filter of the consensus, laws, real premature beats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.turbulence import heart_rate_turbulence, steepest_slope
from tests.reference import mitbih
from tests.reference import turbulence as reference

NAN = float("nan")


def tachogram(*premature, n=120):
    """Sinus rhythm of 800 ms with premature beats, each followed by 780 780, then a rise of 10 ms per interval."""
    rr = np.full(n, 800.0)
    for i in premature:
        rr[i], rr[i + 1] = 500.0, 1100.0
        rr[i + 2 : i + 4] = 780.0
        rr[i + 4 : i + 9] = 780.0 + 10.0 * np.arange(1, 6)
    return rr


def marks(n, *premature):
    out = np.zeros(n, bool)
    out[list(premature)] = True
    return out


def test_onset_and_slope_by_hand():
    found = heart_rate_turbulence(tachogram(20, 60))
    assert found == (pytest.approx(-2.5), pytest.approx(10.0), 2)


def test_slope_is_that_of_the_mean_tachogram_and_not_the_mean_of_slopes():
    """Rises at different places cancel partly."""
    rr = tachogram(20, 70)
    rr[72:82] = 800.0
    rr[82:87] = 800.0 + 10.0 * np.arange(1, 6)
    found = heart_rate_turbulence(rr)
    assert found.slope == pytest.approx(5.0)
    assert found.onset == pytest.approx(-1.25)


def test_a_rise_after_the_intervals_in_question_does_not_count():
    rr = np.full(120, 800.0)
    rr[20], rr[21] = 500.0, 1100.0
    rr[22 + 16 : 22 + 21] = 800.0 + 10.0 * np.arange(1, 6)
    assert heart_rate_turbulence(rr).slope == pytest.approx(10.0)
    assert heart_rate_turbulence(rr, after=15).slope == pytest.approx(0.0)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (20, 650.0),  # not premature
        (21, 950.0),  # no compensatory pause
        (18, 600.0),  # sinus rhythm before it: more than 20 % from the reference
        (25, 1001.0),  # after it: more than 200 ms from the interval before
        (30, 299.0),
        (30, 2001.0),
        (30, NAN),
        (15, NAN),
    ],
)
def test_filter(at, value):
    rr = tachogram(20)
    assert heart_rate_turbulence(rr).premature_beats == 1
    rr[at] = value
    assert heart_rate_turbulence(rr) == (pytest.approx(NAN, nan_ok=True), pytest.approx(NAN, nan_ok=True), 0)


def test_only_annotated_beats_count_when_there_are_annotations():
    rr = tachogram(20, 60)
    assert heart_rate_turbulence(rr, marks(len(rr), 60)).premature_beats == 1
    assert heart_rate_turbulence(rr, marks(len(rr))).premature_beats == 0


def test_too_few_premature_beats_are_missing():
    found = heart_rate_turbulence(tachogram(20, 60), least=5)
    assert math.isnan(found.onset) and math.isnan(found.slope) and found.premature_beats == 2


def test_bad_input_is_missing_or_refused():
    for rr in ([], [800.0], [NAN] * 99, [800.0] * 99, [math.inf] * 99):
        assert heart_rate_turbulence(np.array(rr)).premature_beats == 0
    with pytest.raises(ValueError, match="marks"):
        heart_rate_turbulence(np.ones(9), np.ones(8, bool))
    for wrong in ({"after": 4}, {"least": 0}):
        with pytest.raises(ValueError, match="or more"):
            heart_rate_turbulence(np.ones(9), **wrong)


def test_a_premature_beat_near_either_end_is_left_out():
    assert heart_rate_turbulence(tachogram(4)).premature_beats == 0
    assert heart_rate_turbulence(tachogram(20, n=42)).premature_beats == 1
    assert heart_rate_turbulence(tachogram(20, n=41)).premature_beats == 0


def test_falling_rhythm_has_a_negative_slope():
    assert steepest_slope(np.arange(900.0, 880.0, -1.0)) == pytest.approx(-1.0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(6, 150), max_size=4), st.booleans(), st.sampled_from([15, 20]))
def test_turbulence_equals_the_slow_twin(seed, premature, annotated, after):
    rng = np.random.default_rng(seed)
    rr = tachogram(*premature, n=180) + rng.normal(0, 12, 180)
    rr[rng.integers(0, 180)] = NAN
    marked = marks(180, *premature) if annotated else None
    slow = reference.heart_rate_turbulence(rr, marked, after)
    assert heart_rate_turbulence(rr, marked, after=after) == pytest.approx(slow, rel=1e-9, abs=1e-9, nan_ok=True)


def test_premature_beats_of_a_real_record(recordings):
    samples, codes = mitbih.annotations((recordings("mitdb") / "208.atr").read_bytes())
    beat = np.isin(codes, list(mitbih.BEAT_CODES))
    intervals = np.diff(samples[beat], prepend=np.nan) * 1000 / 360
    ventricular = codes[beat] == 5
    found = heart_rate_turbulence(intervals, ventricular)
    assert found == pytest.approx(reference.heart_rate_turbulence(intervals, ventricular), rel=1e-9, nan_ok=True)
    assert found.premature_beats <= heart_rate_turbulence(intervals).premature_beats
