"""Sampling clocks out of time stamps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import InputError
from allostat_devices.clock_blocks import clock_of, median_of, usable_stamps
from allostat_devices.skipped_rows import SkippedRows


def stamps(n: int, rate_hz: float, t0_ns: int = 10**18) -> np.ndarray:
    return t0_ns + np.rint(np.arange(n) * 1e9 / rate_hz).astype(np.int64)


def test_effective_rate_is_estimated_and_the_nominal_one_kept_apart() -> None:
    clock = clock_of(stamps(13_000, 129.83), nominal_hz=130.0)
    assert clock.rate_hz == pytest.approx(129.83, abs=1e-6)
    assert clock.blocks[0].nominal_hz == 130.0


def test_a_late_stamp_does_not_move_the_rate() -> None:
    times = stamps(2000, 50.0)
    times[700:720] += 9_000_000
    assert clock_of(times).rate_hz == pytest.approx(50.0, rel=1e-9)
    assert len(clock_of(times).blocks) == 1


def test_a_gap_begins_a_block_and_its_rate_is_its_own() -> None:
    times = np.concatenate([stamps(1000, 130.0), stamps(1000, 129.5, 10**18 + 60 * 10**9)])
    clock = clock_of(times)
    assert [b.start_index for b in clock.blocks] == [0, 1000]
    assert clock.blocks[0].rate_hz == pytest.approx(130.0, rel=1e-7)
    assert clock.blocks[1].rate_hz == pytest.approx(129.5, rel=1e-7)
    assert clock.gaps[0].end_ns == 10**18 + 60 * 10**9


def test_a_single_missing_sample_is_a_gap() -> None:
    times = np.delete(stamps(100, 64.0), 50)
    assert [b.start_index for b in clock_of(times).blocks] == [0, 50]


def test_short_blocks_take_the_rate_of_the_stream() -> None:
    times = np.concatenate([stamps(500, 52.0), stamps(3, 52.0, 10**18 + 20 * 10**9)])
    assert clock_of(times).blocks[1].rate_hz == pytest.approx(52.0, rel=1e-6)


def test_one_row_alone_has_no_rate() -> None:
    with pytest.raises(InputError, match="one sample alone"):
        clock_of(stamps(1, 50.0))
    assert clock_of(stamps(1, 50.0), nominal_hz=50.0).rate_hz == 50.0
    assert clock_of(stamps(0, 50.0)).n_samples == 0


def test_repeated_and_backward_stamps_are_counted_apart() -> None:
    times = stamps(10, 1.0)
    times[4] = times[3]
    times[7:9] = times[1:3]
    skipped = SkippedRows("f", rows=10)
    keep = usable_stamps(times, np.arange(2, 12), skipped)
    assert keep is not None
    assert skipped.counts == {"duplicate": 1, "bad_time": 2}
    assert skipped.first_lines == {"duplicate": 6, "bad_time": 9}
    assert np.all(np.diff(times[keep]) > 0)


def test_one_stamp_far_ahead_is_left_out_itself() -> None:
    times = stamps(100, 10.0)
    times[40] += 10**15
    skipped = SkippedRows("f", rows=100)
    keep = usable_stamps(times, np.arange(100), skipped)
    assert keep is not None
    assert int(keep.sum()) == 99
    assert not keep[40]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=60))
def test_what_is_kept_always_ascends(raw: list[int]) -> None:
    times = np.array(raw, np.int64)
    skipped = SkippedRows("f", rows=len(times))
    keep = usable_stamps(times, np.arange(len(times)), skipped)
    kept = times if keep is None else times[keep]
    assert np.all(np.diff(kept) > 0)
    assert len(kept) + sum(skipped.counts.values()) == len(times)


@settings(max_examples=40, deadline=None)
@given(st.floats(1.0, 2000.0), st.integers(32, 400), st.integers(0, 2**31))
def test_sample_times_are_given_back_within_a_fraction_of_a_period(rate: float, n: int, seed: int) -> None:
    jitter = np.random.default_rng(seed).uniform(-0.1, 0.1, n) * 1e9 / rate
    times = stamps(n, rate) + np.rint(jitter).astype(np.int64)
    clock = clock_of(times)
    error = np.abs(clock.times_ns(np.arange(n)) - times)
    assert error.max() <= 0.5 * 1e9 / rate


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=30), st.booleans())
@settings(max_examples=50, deadline=None)
def test_the_median_is_numpys(numbers: list[int], real: bool) -> None:
    values = np.array(numbers, np.float64 if real else np.int64)
    assert median_of(values.copy()) == float(np.median(values))
