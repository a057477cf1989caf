"""Detrended fluctuation analysis: published values, what tools do differently, gaps, laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.dfa import dfa, fluctuations, windowed
from tests.reference import dfa as reference
from tests.reference import neurokit


def series(n, seed=0, step=0.001):
    rng = np.random.default_rng(seed)
    nn = 800 + np.cumsum(rng.normal(0, 8, n)) + rng.normal(0, 30, n)
    return np.round(nn / step) * step


def test_published_fluctuations_of_a_day(recordings):
    """PhysioNet's dfa.c on its own 24-hour test file, to its last printed digit (5 decimals of a log10)."""
    folder = recordings("physiozoo_reference") / "dfa"
    log_n, log_f = np.loadtxt(folder / "dfa.out", unpack=True)
    found = fluctuations(np.loadtxt(folder / "rr-intervals"), np.round(10**log_n).astype(int))
    assert np.log10(found) == pytest.approx(log_f, abs=5.01e-6)


def test_published_exponents_of_sample01(recordings):
    """Raw intervals; alpha 1 of other tools by the sizes they use."""
    nn = 1000 * np.loadtxt(recordings("kubios_sample01") / "Sample01_rr.txt")
    assert dfa(nn, range(4, 13)) == pytest.approx(1.2472, abs=5e-5)
    assert dfa(nn, range(13, 65)) == pytest.approx(0.6523, abs=5e-5)
    # nolds and pyHRV
    assert dfa(nn, range(4, 17)) == pytest.approx(1.0773, abs=5e-5)
    assert windowed(nn, [0], [len(nn)], ((4, 12), (13, 64)))[0] == pytest.approx([1.2472, 0.6523], abs=5e-5)


@pytest.mark.parametrize("n", [120, 353, 700])
def test_neurokit_where_its_definition_is_right(n):
    """No box of these is flat."""
    nn = series(n)
    last = (n + 1) // 10
    found = windowed(nn, [0], [n], ((4, 11), (12, None)), overlap=True)[0]
    assert found[0] == pytest.approx(neurokit.alpha(nn, range(4, 12)), rel=1e-9)
    if last > 12:
        assert found[1] == pytest.approx(neurokit.alpha(nn, range(12, last + 1)), rel=1e-9)
    assert dfa(nn, range(4, 17)) == pytest.approx(neurokit.alpha(nn, range(4, 17), overlap=False), rel=1e-9)


def test_flat_boxes_count_and_neurokit_leaves_them_out():
    """On intervals of a coarse clock NeuroKit's F of small sizes is too large and its alpha too small."""
    nn = series(600, step=40.0)
    sizes = range(4, 12)
    found, theirs = fluctuations(nn, sizes, overlap=True), neurokit.fluctuations(nn, sizes)
    assert found == pytest.approx([reference.fluctuation(nn, n, overlap=True) for n in sizes], rel=1e-9)
    assert theirs[0] > 1.05 * found[0]
    assert theirs[-1] == pytest.approx(found[-1], rel=1e-9)
    assert neurokit.alpha(nn, sizes) < dfa(nn, sizes, overlap=True) - 0.03
    # The finer clock shows which of the two is near the truth.
    fine = dfa(series(600), sizes, overlap=True)
    assert abs(dfa(nn, sizes, overlap=True) - fine) < abs(neurokit.alpha(nn, sizes) - fine)


def test_exponents_of_known_noise():
    rng = np.random.default_rng(2)
    white = rng.normal(size=20000)
    assert dfa(white, range(16, 65)) == pytest.approx(0.5, abs=0.05)
    assert dfa(np.cumsum(white), range(16, 65)) == pytest.approx(1.5, abs=0.05)


def test_boxes_never_reach_across_a_gap():
    nn = np.concatenate([series(40), [np.nan], series(30, seed=1)])
    jump = nn.copy()
    jump[41:] += 500.0
    assert fluctuations(jump, [4, 8, 20]) == pytest.approx(fluctuations(nn, [4, 8, 20]), rel=1e-9)
    # 41 fits nowhere, although there are 70 intervals.
    assert math.isnan(fluctuations(nn, [41])[0])
    assert math.isnan(dfa(nn, range(4, 42)))


def test_bad_input_is_missing_or_refused():
    for nn in ([], [800.0], [np.nan] * 100, [np.inf] * 100, [800.0] * 100, [800.0, np.nan] * 100, series(15)):
        assert math.isnan(dfa(np.array(nn)))
        assert np.isnan(windowed(np.array(nn), [0], [len(nn)])).all()
    for boxes in ([], [4], [4, 4], [2, 3, 4]):
        with pytest.raises(ValueError, match="box sizes"):
            dfa(series(100), boxes)
    for bounds in ((2, 12), (12, 12), (16, 4)):
        with pytest.raises(ValueError, match="range of box sizes"):
            windowed(series(100), [0], [100], (bounds,))
    with pytest.raises(ValueError, match="no range"):
        windowed(series(100), [0], [100], ())


def test_boxes_of_equal_intervals_leave_nothing_and_not_rounding():
    """A jump between two boxes: neither has a fluctuation, and there is no exponent of rounding errors."""
    nn = np.array([400.0, 1430.3, 1430.3, 1430.3])
    assert fluctuations(nn, [3])[0] == 0.0
    assert math.isnan(dfa(nn, [3, 4]))


def test_a_tenth_of_the_beats_too_short_for_the_range_is_missing():
    assert np.isnan(windowed(series(110), [0], [110], ((12, None),))[0, 0])


def test_sizes_far_apart_have_the_bits_of_sizes_side_by_side():
    nn = series(3000)
    sizes = [4, 5, 9, 100, 101, 350, 700]
    together = fluctuations(nn, range(4, 701))
    assert np.array_equal(fluctuations(nn, sizes), together[np.array(sizes) - 4])


def test_windows_counted_from_the_end_or_beyond_it_are_slices():
    """The kernels' room is for the longest window: none may be longer than was thought."""
    nn = series(300)
    first, stop = np.array([0, -200, 250, 290, 20]), np.array([-1, 300, 900, 10, 40])
    rows = windowed(nn, first, stop)
    for row, f, s in zip(rows, first, stop, strict=True):
        alone = nn[f:s]
        assert np.array_equal(row, windowed(alone, [0], [len(alone)])[0], equal_nan=True)
    assert windowed(nn, [], []).shape == (0, 2)


def test_infinities_of_both_signs_are_gaps():
    nn = series(200)
    nn[[50, 120]] = [np.inf, -np.inf]
    gaps = np.where(np.isfinite(nn), nn, np.nan)
    assert np.array_equal(fluctuations(nn, range(4, 17)), fluctuations(gaps, range(4, 17)))


gappy = st.lists(st.one_of(st.floats(400, 1500), st.just(float("nan"))), max_size=90)


@settings(max_examples=40, deadline=None)
@given(gappy, st.booleans(), st.sampled_from([range(4, 12), [3, 7, 20], range(10, 20)]))
def test_fluctuations_equal_the_slow_twin(nn, overlap, sizes):
    slow = [reference.fluctuation(np.array(nn), n, overlap) for n in sizes]
    assert fluctuations(np.array(nn), sizes, overlap=overlap) == pytest.approx(slow, rel=1e-9, abs=1e-6, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(400, 1500), min_size=20, max_size=120), st.integers(-200, 500), st.sampled_from([0.5, 3.0]))
def test_a_constant_leaves_alpha_and_so_does_a_scale(nn, shift, scale):
    base = np.array(nn, dtype=float)
    was = dfa(base, range(4, 12))
    assert dfa(base + shift, range(4, 12)) == pytest.approx(was, rel=1e-9, abs=1e-9, nan_ok=True)
    assert dfa(base * scale, range(4, 12)) == pytest.approx(was, rel=1e-9, abs=1e-9, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(gappy, st.data())
def test_a_window_has_the_bits_of_its_intervals_alone(nn, data):
    first = data.draw(st.lists(st.integers(0, len(nn)), min_size=1, max_size=4))
    stop = [data.draw(st.integers(f, len(nn))) for f in first]
    ranges = ((4, 8), (9, 16))
    rows = windowed(np.array(nn), np.array(first), np.array(stop), ranges)
    for k, (f, s) in enumerate(zip(first, stop, strict=True)):
        alone = np.array(nn)[f:s]
        assert np.array_equal(rows[k], windowed(alone, [0], [s - f], ranges)[0], equal_nan=True)
        assert rows[k, 0] == pytest.approx(dfa(alone, range(4, 9)), rel=1e-12, nan_ok=True)
