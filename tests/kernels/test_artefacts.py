"""Lipponen and Tarvainen 2019: classes, order of correction, repetition."""

from __future__ import annotations

import gzip
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.artefact_classes import working_room
from allostat.kernels.artefact_stream import ArtefactCorrector
from allostat.kernels.artefacts import correct, lipponen_tarvainen
from allostat.kernels.irregularity import LIMIT, alternating_share
from allostat.kernels.running_eleven import medians_of_eleven
from allostat.kernels.running_quartiles import quarter_ranges
from benchmarks.correction import correction_accuracy
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


@settings(max_examples=40, deadline=None)
@given(rr_series, st.booleans(), st.booleans(), st.sampled_from([None, 1, 2, 3]))
def test_correction_equals_the_slow_twin_and_maps_to_its_source(rr, whole, spaced, passes):
    times = np.cumsum([0, *rr])
    times = times if whole else times.astype(float)
    corrected, classes, source = correct(times, passes, spaced=spaced)
    # New places that hit a whole number exactly are rounded either way.
    np.testing.assert_allclose(
        corrected, reference.correct(times, passes, spaced), rtol=0, atol=1 if whole and spaced else 1e-6
    )
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


some_values = st.lists(
    st.one_of(st.integers(-30, 30), st.floats(-1e3, 1e3), st.floats(20.0, 20.0 + 1e-9)), min_size=1, max_size=150
)


def quarter_ranges_of(series, window, first, stop):
    found = np.full(len(series), -1.0)
    quarter_ranges(series, window, found, first, stop, working_room())
    return found


@settings(max_examples=40, deadline=None)
@given(some_values, st.sampled_from([3, 5, 11, 91, 127]), st.data())
def test_running_quarter_ranges_are_exact_wherever_they_begin(values, window, data):
    series, n = np.array(values, dtype=float), len(values)
    first = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(first, n))
    found = quarter_ranges_of(series, window, first, stop)
    for i in range(n):
        slow = np.subtract(*np.percentile(reference.centred(np.abs(series), i, window), [75, 25]))
        assert found[i] == (pytest.approx(slow, rel=1e-12, abs=1e-12) if first <= i < stop else -1.0)


@settings(max_examples=40, deadline=None)
@given(some_values, st.data())
def test_running_medians_are_exact_wherever_they_begin(values, data):
    series, n = np.array(values, dtype=float), len(values)
    first = data.draw(st.integers(0, n))
    stop = data.draw(st.integers(first, n))
    found = np.full(n, -1.0)
    medians_of_eleven(series, found, first, stop, working_room())
    for i in range(n):
        slow = np.median(reference.centred(series, i, 11))
        assert found[i] == (pytest.approx(slow, rel=1e-12, abs=1e-12) if first <= i < stop else -1.0)


def test_the_median_of_eleven_is_right_in_every_order():
    """A sequence of comparisons that puts zeros and ones right does so with all values (Knuth's zero-one principle)."""
    eleven = np.array(list(itertools.product([0.0, 1.0], repeat=11)))
    found = np.empty(11)
    for values in eleven:
        medians_of_eleven(values, found, 5, 6, working_room())
        assert found[5] == np.median(values)


RNG = np.random.default_rng(1)
LONG_SERIES = {
    "falling": 5000.0 - np.arange(3000.0) + 40 * RNG.normal(size=3000),
    "whole ms": np.rint(30 * RNG.normal(size=3000)),
    "whole ms, one not": np.append(1.0 / 3.0, np.rint(30 * RNG.normal(size=2999))),
    "steps with rounding": np.diff(np.cumsum(800.1 + np.rint(9 * RNG.normal(size=3001)) / 0.36)),
    "a pair alike": np.concatenate([30 * RNG.normal(size=1500), [20.0 + 1e-12, 20.0], 30 * RNG.normal(size=1498)]),
    "all the same": np.zeros(3000),
    "tiny": 1e-20 * RNG.normal(size=3000),
    "huge": 1e20 * RNG.normal(size=3000),
    "tiny, then huge": np.append(1e-20 * RNG.normal(size=1500), 1e20 * RNG.normal(size=1500)),
}


@pytest.mark.parametrize("name", LONG_SERIES)
@pytest.mark.parametrize("window", [11, 91])
def test_a_window_that_slides_for_long_is_exact_whatever_values_it_meets(name, window):
    """The window wanders through its store again and again; values that look alike are told apart to the last bit."""
    series = LONG_SERIES[name]
    found = quarter_ranges_of(series, window, 0, 3000)
    sizes = np.abs(series)
    padded = np.lib.stride_tricks.sliding_window_view(sizes, window)
    ordered, half = np.sort(padded, axis=1), window // 2
    low, high = 0.25 * (window - 1), 0.75 * (window - 1)
    lower, upper = ordered[:, int(low)], ordered[:, int(high)]
    lower = lower + (ordered[:, int(low) + 1] - lower) * (low - int(low))
    upper = upper + (ordered[:, int(high) + 1] - upper) * (high - int(high))
    assert np.array_equal(found[half:-half], upper - lower)
    medians = np.empty(3000)
    medians_of_eleven(series, medians, 0, 3000, working_room())
    assert np.array_equal(medians[5:-5], np.median(np.lib.stride_tricks.sliding_window_view(series, 11), axis=1))


def some_series(seed, n, share):
    rng = np.random.default_rng(seed)
    odd = rng.random(n) < share
    return np.cumsum(np.where(odd, rng.integers(250, 2000, n), rng.integers(700, 900, n))).astype(float)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.05, 0.3])
@pytest.mark.parametrize("n", [700, 1500])
def test_looking_again_only_near_moved_beats_changes_nothing(n, share):
    times = some_series(n, n, share)
    for spaced in (False, True):
        by_steps = times
        for passes in range(1, 4):
            by_steps = correct(by_steps, 1, spaced=spaced)[0]
            assert np.array_equal(correct(times, passes, spaced=spaced)[0], by_steps)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 600), st.sampled_from([0.0, 0.01, 0.05, 0.3]), st.data())
def test_a_stream_gives_the_bits_of_the_whole_series_for_any_chunking(seed, n, share, data):
    times = some_series(seed, n, share)
    passes, spaced = data.draw(st.integers(1, 3)), data.draw(st.booleans())
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=40)))
    corrector = ArtefactCorrector(passes, spaced=spaced)
    for stretch in (times, times - 1e6):  # a flush begins anew
        given = [corrector.push(part) for part in np.split(stretch, cuts)]
        given.append(corrector.flush())
        found = [np.concatenate(parts) for parts in zip(*given, strict=True)]
        for got, want in zip(found, correct(stretch, passes, spaced=spaced), strict=True):
            assert np.array_equal(got, want)


@pytest.mark.parametrize("spaced", [False, True])
def test_a_stream_of_single_beats_is_late_by_a_minute_at_most(spaced):
    times = some_series(3, 400, 0.02)
    corrector = ArtefactCorrector(spaced=spaced)
    late = 0
    for i, time in enumerate(times):
        given = corrector.push([time])
        if len(given.times):
            late = max(late, i - int(given.source_index.max()))
    assert 0 < late <= 60


def test_a_stream_of_as_many_passes_as_the_series_took_equals_iterated_correction(series):
    times = np.array(series["peaks_ms"], dtype=float)
    whole = correct(times)[0]
    took = next(k for k in range(1, 9) if np.array_equal(correct(times, k)[0], whole))
    corrector = ArtefactCorrector(took)
    given = [corrector.push(times[:50]), corrector.push(times[50:]), corrector.flush()]
    assert np.array_equal(np.concatenate([g.times for g in given]), whole)


def test_a_stream_keeps_a_run_of_artefacts_together_however_long_it_is():
    """Alternating early beats are ectopic one after the other: none of them moves before the run has ended."""
    rr = np.random.default_rng(5).normal(800, 12, 700)
    rr[300:320:2] -= 250
    rr[301:321:2] += 250
    times = np.cumsum(rr)
    corrector = ArtefactCorrector(spaced=True)
    given = [corrector.push([time]) for time in times] + [corrector.flush()]
    for got, want in zip(zip(*given, strict=True), correct(times, 1, spaced=True), strict=True):
        assert np.array_equal(np.concatenate(got), want)
    assert np.count_nonzero(correct(times, 1, spaced=True)[1][295:325]) > 10


@pytest.mark.parametrize("wrong", [[1.0, 1.0], [np.nan], [np.inf], [[1.0]]])
def test_a_stream_refuses_what_does_not_ascend(wrong):
    with pytest.raises(ValueError, match="ascending"):
        ArtefactCorrector().push(wrong)
    corrector = ArtefactCorrector()
    corrector.push([5.0])
    with pytest.raises(ValueError, match="ascending"):
        corrector.push([5.0])
    with pytest.raises(ValueError, match="pass"):
        ArtefactCorrector(0)


def test_published_sensitivity_and_specificity_are_reproduced():
    found = correction_accuracy(people=6, minutes=30.0)
    assert found["sensitivity_missed"] == 1.0
    assert found["sensitivity_extra"] == 1.0
    assert found["sensitivity_ectopic"] >= 0.9696
    assert found["specificity"] >= 0.9994
    for name in ("mean_nn", "sdnn", "rmssd"):
        assert found[f"error_{name}"] < 0.02


def alternating(every, n=400):
    rng = np.random.default_rng(1)
    beats = np.cumsum(850 + 20 * np.sin(np.arange(n) / 3) + rng.normal(0, 10, n))
    beats[every::every] -= 250
    return np.diff(beats)


@pytest.mark.parametrize(
    ("every", "irregular"), [(2, True), (3, True), (4, True), (8, True), (25, False), (500, False)]
)
def test_frequent_ectopy_is_told_from_rare(every, irregular):
    share = alternating_share(alternating(every))
    assert (np.median(share) > LIMIT) == irregular
    assert np.allclose(share, slow_share(alternating(every)))


def slow_share(rr):
    change = [2 * (b - a) / (a + b) for a, b in itertools.pairwise(rr)]
    pairs = [(i + 1, min(abs(a), abs(b)) > 0.15 and a * b < 0) for i, (a, b) in enumerate(itertools.pairwise(change))]
    return [np.mean([hit for at, hit in pairs if abs(at - i) <= 45]) for i in range(len(rr))]


def test_breathing_alternates_by_less():
    assert alternating_share(900 + 120 * np.sin(np.arange(300) * 2 * np.pi / 4)).max() < LIMIT


@pytest.mark.parametrize("rr", [[], [800.0], [np.nan] * 5, [np.inf, 0.0, -1.0]])
def test_no_intervals_have_no_share(rr):
    assert np.isnan(alternating_share(np.array(rr))).all()


def test_artefacts_planted_in_a_night_are_found(recordings):
    path = recordings("rr24h/normal/nsr001_rr_secs.txt.gz")
    with gzip.open(path, "rt") as lines:
        rr = np.array([float(line) for line in lines][10_000:14_000]) * 1000
    assert reference.correct(np.cumsum(rr)[:600]) == pytest.approx(correct(np.cumsum(rr)[:600])[0], abs=1e-9)
    times, _, _ = correct(np.cumsum(rr))
    planted = np.arange(100, len(times) - 100, 97)
    assert np.all(lipponen_tarvainen(np.delete(times, planted))[planted - np.arange(len(planted))] == 2)
