"""Windows without beats and signals without breath: missing with a reason, never a warning or a silent number."""

from __future__ import annotations

import numpy as np
import pytest

from allostat.errors import InputError
from allostat.hrv import PRESETS, Reason, hrv, person_hrv
from allostat.recording import Beats, Clock, Signal
from allostat.respiration import respiration_rate

S = 1_000_000_000

SIGNALS = {
    "constant": np.full(15_000, 7.0),
    "zero": np.zeros(15_000),
    "all NaN": np.full(15_000, np.nan),
    "inf": np.full(15_000, np.inf),
    "huge": np.tile([1e300, -1e300], 7_500),
    "noise": np.random.default_rng(1).normal(size=15_000),
}


def ppg(values):
    return Signal("ppg", "ppg", np.asarray(values, dtype=float), Clock.regular(len(values), 125.0), "1")


@pytest.mark.parametrize("values", SIGNALS.values(), ids=SIGNALS)
@pytest.mark.parametrize("count", [0, 3, 140])
def test_no_breath_in_signals_that_have_none(values, count):
    beats = Beats.from_times((0.85 * S * np.arange(count)).astype(np.int64))
    found = respiration_rate(ppg(values), beats)
    rates = found.respiration_rate.values
    assert len(rates) == 7
    assert ((found.reasons.values != 0) | np.isfinite(rates)).all()
    assert not np.isinf(rates).any()
    if count < 4:
        assert np.isnan(rates).all()
        assert (found.accepted.values == 0).all()


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 12])
def test_few_beats_have_no_measures_but_a_reason(preset, count):
    beats = Beats.from_intervals([800.0] * max(count - 1, 0)) if count else Beats.from_times(np.empty(0, np.int64))
    for found in (hrv(beats, preset=preset), hrv(beats, "5min", preset=preset)):
        assert found.sizes["window"] == 1
        assert int(found.reasons[0]) & (Reason.TOO_SHORT | Reason.TOO_FEW_VALID)
        for name, variable in found.data_vars.items():
            if variable.dtype.kind == "f" and name not in ("valid_share", "corrected_share", "irregular_share"):
                assert np.isnan(variable.values).all(), name


@pytest.mark.parametrize("preset", PRESETS)
def test_windows_in_a_gap_and_constant_ones(preset):
    first = Beats.from_intervals([800.0] * 500, epoch="utc")
    times = np.concatenate([first.times_ns, first.times_ns + 3600 * S])
    intervals = np.concatenate([first.intervals_ms, first.intervals_ms])
    beats = Beats(times, intervals, np.zeros(len(times), np.int8), epoch="utc")
    found = hrv(beats, "5min", preset=preset)
    empty = found.n_intervals.values == 0
    assert empty.sum() >= 8
    assert ((found.reasons.values[empty] & Reason.TOO_FEW_VALID) != 0).all()
    assert np.isnan(found.rmssd.values[empty]).all()
    whole = found.isel(window=0)
    assert float(whole.rmssd) == pytest.approx(0.0, abs=1e-9)
    for name in ("sample_entropy", "symbolic_0v", "stress_index", "skewness_nn"):
        value = float(whole[name])
        assert np.isnan(value) or abs(value) < 100, name
    assert int(whole.reasons) & Reason.UNDEFINED
    assert not any(np.isinf(v.values).any() for v in found.data_vars.values() if v.dtype.kind == "f")


def test_a_person_without_beats_has_no_values_and_says_why():
    for beats in ([], [Beats.from_times(np.empty(0, np.int64))]):
        found = person_hrv(beats)
        for name in ("rmssd_night", "hr_night", "rmssd_rest", "hr_rest"):
            assert np.isnan(float(found[name]))
            assert found[name].attrs["quality"]


def test_beats_that_do_not_ascend_are_refused():
    with pytest.raises(InputError, match="ascend"):
        Beats(np.array([2, 1]), np.array([np.nan, 800.0]), np.zeros(2, np.int8))
