"""Artefacts are where their labels say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import InputError
from allostat.recording import BeatFlag
from allostat.simulate import add_beat_artefacts, simulate_participant, simulate_rest
from allostat.simulate.artefacts import spaced_indices


def sinus(minutes: float = 30.0) -> np.ndarray:
    return simulate_rest(simulate_participant("a", 3), minutes * 60).times_s


def test_each_kind_is_labelled_and_counted() -> None:
    times = sinus()
    made = add_beat_artefacts(times, 1, missed_rate=0.01, extra_rate=0.01, ectopic_rate=0.01)
    wanted = round(0.01 * len(times))
    for flag in (BeatFlag.MISSED, BeatFlag.EXTRA, BeatFlag.ECTOPIC):
        assert (made.flags == flag).sum() == wanted
    assert len(made.times_s) == len(times)
    assert (np.diff(made.times_s) > 0).all()


def test_labels_agree_with_the_true_train() -> None:
    made = add_beat_artefacts(sinus(), 2, missed_rate=0.01, extra_rate=0.01, ectopic_rate=0.01)
    true = set(made.true_times_s.tolist())
    for time, flag in zip(made.times_s, made.flags, strict=True):
        assert (float(time) in true) == (flag != BeatFlag.EXTRA)
    lost = sorted(true - set(made.times_s.tolist()))
    after = made.times_s[made.flags == BeatFlag.MISSED]
    assert len(lost) == len(after)
    for gone, next_beat in zip(lost, after, strict=True):
        assert gone < next_beat
        assert made.true_times_s[np.searchsorted(made.true_times_s, gone) + 1] == next_beat


def test_without_rates_nothing_changes() -> None:
    times = sinus(5)
    made = add_beat_artefacts(times, 1)
    assert (made.times_s == times).all()
    assert not made.flags.any()


def test_too_many_artefacts_are_refused() -> None:
    with pytest.raises(InputError, match="together at most"):
        add_beat_artefacts(sinus(5), missed_rate=0.05, extra_rate=0.05)


@given(st.integers(0, 500), st.integers(0, 60), st.integers(1, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_spaced_indices_keep_their_distance(n: int, count: int, apart: int, seed: int) -> None:
    found = spaced_indices(n, count, apart, np.random.default_rng(seed))
    assert len(found) <= count
    if len(found):
        assert found.min() >= 2
        assert found.max() <= n - 3
        assert (np.diff(found) >= apart).all()
    if n - 4 - (count - 1) * (apart - 1) >= count > 0:
        assert len(found) == count
