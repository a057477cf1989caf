"""Sample, approximate and multiscale entropy: published values, what tools do differently, gaps, laws."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.entropy import (
    approximate_entropy,
    entropies,
    multiscale_entropy,
    sample_entropy,
    windowed,
)
from tests.reference import entropy as reference
from tests.reference import mitbih, neurokit

NOISE_AND_ARTEFACT = (14, 16)


def series(n, seed=0):
    """Intervals in whole ms with slow and fast variation."""
    rng = np.random.default_rng(seed)
    return np.round(800 + 40 * np.sin(np.arange(n) / 6) + np.cumsum(rng.normal(0, 3, n)) + rng.normal(0, 25, n))


def test_counts_by_hand():
    # Templates of length 1 that can be prolonged: 1 2 1 2; r = 0.5: the pairs 1-1 and 2-2; followed by 2 2 and 1 5.
    found = entropies(np.array([1.0, 2.0, 1.0, 2.0, 5.0]), 1, 0.5)
    assert (found.matches, found.longer_matches) == (2, 1)
    assert found.sample == math.log(2)


def test_approximate_entropy_by_hand():
    """51 values in a period of 3: groups of 17, 17 and 16 equal templates of length 2, of 17, 16 and 16 of length 3."""
    phi = (34 * math.log(17 / 50) + 16 * math.log(16 / 50)) / 50
    phi_longer = (17 * math.log(17 / 49) + 32 * math.log(16 / 49)) / 49
    found = approximate_entropy(np.tile([85.0, 80.0, 89.0], 17), 2, 3.0)
    # Below 0, since the shorter templates are one more; NeuroKit2 gives the absolute value.
    assert found == pytest.approx(phi - phi_longer, rel=1e-9) == pytest.approx(-1.0996541e-05, rel=1e-7)


def test_published_values_of_sampen(recordings):
    """PhysioNet's sampen.c on its own test file; it counts distances below r, not equal to r."""
    folder = recordings("physiozoo_reference") / "sampen"
    values = np.loadtxt(folder / "test.10000")
    for r, name in ((0.2, "sampen_expected_m5_r02.txt"), (2.0, "sampen_expected_m5_r2.txt")):
        published = [float(line.split("=")[1]) for line in (folder / name).read_text().splitlines() if "=" in line]
        for m in range(1, 6):
            assert sample_entropy(values, m, r, strict=True) == pytest.approx(published[m], abs=5.1e-7)


def test_a_distance_of_exactly_r_is_a_match_unless_strict(recordings):
    clock = np.array([800.0, 802.0, 800.0, 802.0, 804.0, 800.0, 802.0])
    assert entropies(clock, 1, 2.0).matches == 12
    assert entropies(clock, 1, 2.0, strict=True).matches == 4
    assert entropies(clock, 1, 2.0, strict=True) == entropies(clock, 1, 1.99)
    values = np.loadtxt(recordings("physiozoo_reference") / "sampen" / "test.10000")
    assert sample_entropy(values, 2, 2.0) == pytest.approx(0.803785, abs=5e-7)


@pytest.mark.parametrize("n", [60, 353])
def test_neurokit_where_its_definition_is_right(n):
    nn = series(n)
    r = 0.2 * np.std(nn, ddof=1)
    assert (sample_entropy(nn), approximate_entropy(nn)) == pytest.approx(neurokit.entropies(nn, r), rel=1e-9)


def test_kubios_sample_values(recordings):
    """On the intervals as printed (not detrended) all tools agree."""
    nn = 1000 * np.loadtxt(recordings("kubios_sample01") / "Sample01_rr.txt")
    assert sample_entropy(nn) == pytest.approx(1.2677, abs=5e-5)
    assert approximate_entropy(nn) == pytest.approx(1.2115, abs=5e-5)


@pytest.mark.parametrize("record", ["nsr001", "nsr004"])
def test_columns_of_the_physionet_toolbox(recordings, record):
    """Its SampEn is ours but for one template more; its ApEn is another measure."""
    folder = recordings("cst_reference")
    with (folder / "NSR_HRV_allwindows_nsr001_nsr004.csv").open() as file:
        table = [row for row in csv.DictReader(file) if row["patID"] == record][::6]
    samples, codes = mitbih.annotations((folder / f"{record}.ecg").read_bytes())
    # That toolbox takes marks of noise and of artefacts for beats that are not normal.
    beat = np.isin(codes, [*mitbih.BEAT_CODES, *NOISE_AND_ARTEFACT])
    at, normal = samples[beat], codes[beat] == 1
    # Its run divided by 125 although the record has 128 samples per second.
    rr = np.diff(at) / 125
    use = normal[1:] & normal[:-1] & (rr >= 0.375) & (rr <= 2.0)
    ends, nn = ((at - at[0]) / 125)[1:][use], rr[use] * 1000
    windows = [nn[slice(*np.searchsorted(ends, (t, t + 300)))] for t in (float(row["t_start"]) for row in table)]
    published = np.array([[float(row["SampEn"]), float(row["ApEn"])] for row in table])
    theirs = [reference.physionet_toolbox(part, 2, 0.15 * part.std(ddof=1)) for part in windows]
    assert np.median(np.abs(theirs / published - 1), axis=0) == pytest.approx(0, abs=5e-5)
    ours = np.array([entropies(part, 2, r_sd=0.15, strict=True)[:2] for part in windows])
    off = np.median(np.abs(ours / published - 1), axis=0)
    assert off[0] < 0.005
    assert off[1] > 0.02


def test_without_a_match_sample_entropy_is_missing_and_not_infinite():
    assert math.isnan(sample_entropy(np.array([600.0, 700.0, 850.0, 1050.0, 1300.0]), 2, 1.0))


def test_bad_input_is_missing_or_refused():
    for nn in ([], [800.0], [800.0] * 3, [np.nan] * 30, [800.0] * 30, [np.inf] * 30, [800.0, np.nan] * 20):
        found = entropies(np.array(nn))
        assert math.isnan(found.sample) and math.isnan(found.approximate) and found.matches == 0
    # With a tolerance of its own a series without variation is perfectly regular.
    assert entropies(np.full(30, 800.0), 2, 10.0)[:2] == (0.0, pytest.approx(0.0, abs=1e-15))
    for m, r, r_sd in (
        (0, None, 0.2),
        (17, None, 0.2),
        (2, 0.0, 0.2),
        (2, -1.0, 0.2),
        (2, math.nan, 0.2),
        (2, None, 0.0),
    ):
        with pytest.raises(ValueError, match="must be"):
            entropies(np.arange(9.0), m, r, r_sd=r_sd)
    with pytest.raises(ValueError, match="scales"):
        multiscale_entropy(np.arange(9.0), scales=[0])


@pytest.mark.parametrize("n", [65, 130, 700, 1500])
@pytest.mark.parametrize("m", [1, 2, 3])
def test_counts_of_long_series_equal_those_of_all_pairs(n, m):
    nn = series(n, seed=n)
    nn[n // 3 :: 97] = np.nan
    r = 0.2 * np.nanstd(nn, ddof=1)
    close = np.abs(nn[:, None] - nn[None, :]) <= r
    size = n - m
    shorter = np.logical_and.reduce([close[k : k + size, k : k + size] for k in range(m)])
    longer = shorter & close[m:, m:]
    # A template matches itself when all of it is finite.
    shorter &= np.logical_and.outer(longer.diagonal(), longer.diagonal())
    templates = np.count_nonzero(longer.diagonal())
    found = entropies(nn, m, r)
    assert found.matches == (np.count_nonzero(shorter) - templates) // 2
    assert found.longer_matches == (np.count_nonzero(longer) - templates) // 2


values = st.one_of(st.integers(0, 12).map(float), st.floats(0, 12), st.just(float("nan")))


@settings(max_examples=50, deadline=None)
@given(st.lists(values, max_size=45), st.integers(1, 4), st.sampled_from([0.5, 1.0, 2.0, 3.3]), st.booleans())
def test_both_entropies_equal_the_slow_twin(nn, m, r, strict):
    found = entropies(np.array(nn), m, r, strict=strict)
    shorter, longer = reference.counts(nn, m, r, strict)
    if len(reference.templates(nn, m + 1)) < 2:
        assert math.isnan(found.sample) and math.isnan(found.approximate)
        return
    assert (found.matches, found.longer_matches) == (shorter, longer)
    assert found.sample == pytest.approx(reference.sample_entropy(nn, m, r, strict), rel=1e-12, nan_ok=True)
    assert found.approximate == pytest.approx(reference.approximate_entropy(nn, m, r, strict), rel=1e-9, abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.one_of(st.integers(700, 720).map(float), st.just(float("nan"))), max_size=60),
    st.integers(1, 5),
    st.sampled_from(["multiscale", "composite", "refined"]),
)
def test_multiscale_entropy_equals_the_slow_twin(nn, scale, kind):
    found = multiscale_entropy(np.array(nn), 2, 4.0, [scale], kind=kind)
    assert found[0] == pytest.approx(reference.multiscale_entropy(nn, 2, 4.0, scale, kind), rel=1e-9, nan_ok=True)


def test_multiscale_entropy_keeps_the_tolerance_of_scale_one():
    nn = series(1000)
    r = reference.tolerance(nn)
    found = multiscale_entropy(nn, scales=[1, 2, 5])
    assert found[0] == sample_entropy(nn)
    assert found[2] == sample_entropy(nn.reshape(-1, 5).mean(axis=1), r_ms=r)


def test_no_average_reaches_across_a_gap():
    # Two stretches of three: one average of two each, and nothing is left to compare.
    assert np.isnan(multiscale_entropy(np.array([1.0, 1, 1, np.nan, 1, 1, 1]), 1, 0.5, [2])[0])


def test_multiscale_entropy_of_noise_falls_and_of_one_over_f_does_not():
    """Costa et al. 2002, figure 1: white noise loses entropy with scale, 1/f noise keeps it."""
    rng = np.random.default_rng(5)
    white = rng.normal(size=6000)
    spectrum = np.fft.rfft(rng.normal(size=6000))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    pink = np.fft.irfft(spectrum)
    fall = [multiscale_entropy(x, 2, 0.15 * x.std(), [1, 10]) for x in (white, pink)]
    assert fall[0][0] - fall[0][1] > 0.8
    assert abs(fall[1][0] - fall[1][1]) < 0.35


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(400, 1600), min_size=3, max_size=80), st.integers(-300, 300), st.sampled_from([0.5, 2.0, 4.0])
)
def test_shift_and_scale_leave_both_entropies_unchanged(nn, shift, scale):
    base = np.array(nn, dtype=float)
    was = entropies(base, 2, 50.0)
    assert entropies(base + shift, 2, 50.0)[:2] == pytest.approx(was[:2], nan_ok=True, rel=1e-12)
    assert entropies(base * scale, 2, 50.0 * scale)[:2] == pytest.approx(was[:2], nan_ok=True, rel=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.integers(780, 820).map(float), st.just(float("nan"))), max_size=60), st.data())
def test_a_window_has_the_bits_of_its_intervals_alone(nn, data):
    first = data.draw(st.lists(st.integers(0, len(nn)), min_size=1, max_size=4))
    stop = [data.draw(st.integers(f, len(nn))) for f in first]
    rows = windowed(np.array(nn), np.array(first), np.array(stop))
    for k, (f, s) in enumerate(zip(first, stop, strict=True)):
        assert np.array_equal(rows[k], entropies(np.array(nn)[f:s])[:2], equal_nan=True)
