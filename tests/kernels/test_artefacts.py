"""Lipponen and Tarvainen 2019: classes, order of correction, repetition."""

from __future__ import annotations

import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.artefacts import correct, lipponen_tarvainen
from tests.reference import artefacts as reference

NAMES = {"ectopic": 1, "missed": 2, "extra": 3, "longshort": 4}


@pytest.fixture
def series(golden):
    return golden["artefact_lipponen_tarvainen"]


def test_first_pass_finds_the_golden_classes(series):
    classes = lipponen_tarvainen(np.array(series["peaks_ms"]))
    found = {name: np.flatnonzero(classes == code).tolist() for name, code in NAMES.items()}
    assert found == series["first_pass"]


def test_repeated_correction_gives_the_golden_beats_exactly(series):
    times, classes, source = correct(np.array(series["peaks_ms"]))
    assert times.dtype == np.int64
    assert times.tolist() == series["iterated_corrected_peaks_ms"]
    assert np.flatnonzero(source == -1).tolist() == [60]
    assert classes[60] == NAMES["missed"]
    assert classes[31] == NAMES["longshort"]
    assert 31 not in source


def test_one_pass_of_the_reference_gives_the_golden_first_pass(series):
    times = np.array(series["peaks_ms"])
    once = reference.correct_once(times, reference.classify(times), whole=True)
    assert once.tolist() == series["first_pass_corrected_peaks_ms"]


def test_a_perfect_metronome_has_no_artefacts():
    times = np.arange(300) * 800.0
    corrected, classes, source = correct(times)
    assert np.array_equal(corrected, times)
    assert not classes.any()
    assert np.array_equal(source, np.arange(300))


@pytest.mark.parametrize("n", range(6))
def test_series_of_a_few_beats_stay_as_they_are(n):
    times = np.cumsum(np.full(n, 800.0)) + np.arange(n) % 2
    corrected, classes, _ = correct(times)
    assert np.array_equal(corrected, times)
    assert not classes.any()


@pytest.mark.parametrize("times", [[0.0, 800.0, 800.0], [0.0, np.nan, 900.0], [[0.0, 1.0]]])
def test_a_series_that_does_not_ascend_is_refused(times):
    with pytest.raises(ValueError, match="ascending"):
        correct(np.array(times))


rr_series = st.lists(
    st.one_of(st.integers(700, 900), st.integers(700, 900), st.integers(250, 2000)), min_size=4, max_size=220
)


@settings(max_examples=40, deadline=None)
@given(rr_series)
def test_classes_equal_the_slow_twin(rr):
    times = np.cumsum([0, *rr])
    assert np.array_equal(lipponen_tarvainen(times), reference.classify(times))


@settings(max_examples=30, deadline=None)
@given(rr_series, st.booleans())
def test_correction_equals_the_slow_twin_and_maps_to_its_source(rr, whole):
    times = np.cumsum([0, *rr])
    times = times if whole else times.astype(float)
    corrected, classes, source = correct(times)
    np.testing.assert_allclose(corrected, reference.correct(times), rtol=0, atol=1e-9)
    assert np.all(np.diff(corrected) > 0)
    kept = source[source >= 0]
    assert np.all(np.diff(kept) > 0)
    still = (classes == 0) & (source >= 0)
    assert np.array_equal(corrected[still], times[source[still]])
    assert np.all(classes[source == -1] == NAMES["missed"])


@settings(max_examples=20, deadline=None)
@given(rr_series, st.sampled_from([0.001, 0.25, 64.0]))
def test_classes_do_not_depend_on_where_time_starts(rr, scale):
    times = np.cumsum([0, *rr])
    assert np.array_equal(lipponen_tarvainen(times), lipponen_tarvainen(times + 4096))
    power = 2.0 ** round(np.log2(scale))
    assert np.array_equal(lipponen_tarvainen(times), lipponen_tarvainen(times * power))


def test_artefacts_planted_in_a_night_are_found(recordings):
    path = recordings("rr24h/normal/nsr001_rr_secs.txt.gz")
    with gzip.open(path, "rt") as lines:
        rr = np.array([float(line) for line in lines][10_000:14_000]) * 1000
    assert reference.correct(np.cumsum(rr)[:600]) == pytest.approx(correct(np.cumsum(rr)[:600])[0], abs=1e-9)
    times, _, _ = correct(np.cumsum(rr))
    planted = np.arange(100, len(times) - 100, 97)
    assert np.all(lipponen_tarvainen(np.delete(times, planted))[planted - np.arange(len(planted))] == 2)
