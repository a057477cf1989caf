"""Symbolic dynamics and the stress index: by hand, beside NeuroKit2, and for bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.hrv import hrv
from allostat.hrv_patterns import stress_index, symbolic_shares
from allostat.recording import Beats
from tests.reference import neurokit as peer


def slow_shares(nn, bounds):
    """Each pattern looked at by itself."""
    symbols = [None if np.isnan(x) else sum(x >= b for b in bounds) for x in nn]
    counts, total = dict.fromkeys(("0v", "1v", "2lv", "2uv"), 0), 0
    for a, b, c in zip(symbols, symbols[1:], symbols[2:], strict=False):
        if a is None or b is None or c is None:
            continue
        total += 1
        if a == b == c:
            counts["0v"] += 1
        elif a == b or b == c:
            counts["1v"] += 1
        elif (b - a) * (c - b) > 0:
            counts["2lv"] += 1
        else:
            counts["2uv"] += 1
    return [100 * n / total for n in counts.values()]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.integers(600, 1000), st.none()), min_size=30, max_size=80))
def test_patterns_by_hand(values):
    nn = np.array([np.nan if v is None else float(v) for v in values])
    known = nn[np.isfinite(nn)]
    for symbols, bounds in (
        ("extremes_6", np.linspace(known.min(), known.max(), 7)[1:-1] if len(known) else []),
        ("probability_4", np.quantile(known, [0.25, 0.5, 0.75]) if len(known) else []),
    ):
        found = symbolic_shares(nn, symbols)
        whole = np.isfinite(nn[:-2] + nn[1:-1] + nn[2:]).any()
        if len(known) < 12 or np.ptp(known) == 0 or not whole:
            assert np.isnan(found).all()
            continue
        assert sum(found) == pytest.approx(100)
        assert found == pytest.approx(slow_shares(nn, bounds))


def test_both_levels_are_those_of_neurokit2():
    peer.neurokit()
    from neurokit2.hrv.hrv_nonlinear import _hrv_symbolic_equal_prob, _hrv_symbolic_max_min

    nn = np.round(800 + np.random.default_rng(3).normal(0, 40, 400))
    for symbols, theirs in (("extremes_6", _hrv_symbolic_max_min(nn)), ("probability_4", _hrv_symbolic_equal_prob(nn))):
        assert symbolic_shares(nn, symbols) == pytest.approx([100 * theirs[k] for k in ("0V", "1V", "2LV", "2UV")])


def test_the_stress_index_by_hand():
    nn = np.array([760.0] * 6 + [810.0] * 3 + [860.0] * 3)
    fullest, median, reach = 50.0, np.median(nn) / 1000, 0.1
    assert stress_index(nn) == pytest.approx(np.sqrt(fullest / (2 * median * reach)))


@pytest.mark.parametrize(
    "nn",
    [[], [800.0], [800.0] * 50, [np.nan] * 50, [800.0, np.nan] * 5],
    ids=["empty", "one", "constant", "NaN", "few"],
)
def test_what_has_no_variation_has_no_patterns(nn):
    values = np.array(nn, dtype=float)
    assert np.isnan(stress_index(values))
    for symbols in ("extremes_6", "probability_4"):
        assert np.isnan(symbolic_shares(values, symbols)).all()


def test_the_full_set_has_them_with_their_settings():
    rng = np.random.default_rng(1)
    found = hrv(Beats.from_intervals(800 + rng.normal(0, 30, 900)), "5min")
    for name in ("symbolic_0v", "symbolic_2uv", "stress_index", "relative_lf", "ln_vlf"):
        assert np.isfinite(found[name].values[0]), name
        assert found[name].attrs["references"].startswith("10."), name
    assert "six levels" in found.symbolic_0v.attrs["method"]
    shares = [found[f"relative_{band}"].values for band in ("vlf", "lf", "hf")]
    assert np.sum(shares, axis=0) == pytest.approx(np.full(found.sizes["window"], 100.0))
    other = hrv(Beats.from_intervals(800 + rng.normal(0, 30, 900)), preset="neurokit")
    assert "equal probability" in other.symbolic_0v.attrs["method"]
    assert np.isfinite(other.sdann_1min.values[0])


def test_the_stress_index_of_kubios(recordings):
    """Kubios prints 6.4157 after correcting 1.5 % of these beats, which changes the range."""
    rr = np.loadtxt(recordings("kubios_sample01/Sample01_rr.txt")) * 1000
    found = hrv(Beats.from_intervals(rr), preset="kubios")
    assert float(found.stress_index[0]) == pytest.approx(6.4157, rel=0.06)
    printed = {"ln_vlf": 2.5417, "ln_lf": 8.1249, "ln_hf": 7.3375, "relative_lf": 68.5245, "relative_hf": 31.1803}
    for name, value in printed.items():
        assert float(found[name][0]) == pytest.approx(value, rel=0.06), name
