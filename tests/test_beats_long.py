"""Long stretches are corrected from chunks: the same beats to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat import correction
from allostat.correction import CORRECTIONS, correct_beats
from allostat.kernels.irregularity import LIMIT, alternating_share
from allostat.recording import Beats


def disturbed(n: int, seed: int, moved: int) -> Beats:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.normal(0.85, 0.03, n)) * 1e9
    at = rng.choice(n - 2, moved, replace=False) + 1
    times[at] += rng.uniform(-0.35, 0.35, moved) * 1e9
    kept = np.delete(np.unique(np.rint(times).astype(np.int64)), rng.choice(n // 2, moved // 3, replace=False))
    return Beats.from_times(kept)


@pytest.mark.parametrize("method", CORRECTIONS)
@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 999), moved=st.sampled_from([0, 1, 9, 60]), chunk=st.sampled_from([37, 200, 5000]))
def test_chunks_give_what_the_whole_gives(method: str, seed: int, moved: int, chunk: int) -> None:
    beats = disturbed(900, seed, moved)
    whole = correct_beats(beats, method)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(correction, "LONG_BEATS", 100)
        patched.setattr(correction, "_CHUNK_BEATS", chunk)
        parts = correct_beats(beats, method)
    for name in ("times_ns", "intervals_ms", "flags"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    for name, values in whole.extras.items():
        np.testing.assert_array_equal(parts.extras[name], values)


def test_the_irregular_are_found_across_the_seams_of_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    intervals = np.where(np.arange(2000) // 300 % 2, 800 + 150 * (-1.0) ** np.arange(2000), rng.normal(800, 20, 2000))
    intervals[[5, 777]] = np.nan
    whole = np.nan_to_num(alternating_share(intervals)) > LIMIT
    monkeypatch.setattr(correction, "_CHUNK_BEATS", 64)
    np.testing.assert_array_equal(correction._alternates(intervals), whole)
    assert 0 < whole.sum() < 2000
