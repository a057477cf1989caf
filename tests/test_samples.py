"""Samples that do not stand in memory behave like an array for whoever slices them."""

from __future__ import annotations

import errno
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.adapter import ReadOptions
from allostat.errors import DiskError
from allostat.recording import Clock, Signal
from allostat.samples import SampleWriter, SpooledSamples, blocks_of, extremes


def spooled(values: np.ndarray) -> SpooledSamples:
    writer = SampleWriter(values.dtype, 0, spooled=True)
    for part in np.array_split(values, 3):
        writer.append(part)
    found = writer.finish()
    assert isinstance(found, SpooledSamples)
    return found


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(-(2**15), 2**15 - 1), max_size=60),
    st.sampled_from(["i2", "i4", "f4", "f8", "u1"]),
    st.integers(-70, 70),
    st.integers(-70, 70),
)
def test_every_slice_is_that_of_the_array(values: list[int], dtype: str, start: int, stop: int) -> None:
    array = np.array(values).astype(dtype)
    samples = spooled(array)
    assert (len(samples), samples.shape, samples.size) == (len(array), array.shape, array.size)
    assert (samples.dtype, samples.ndim, samples.nbytes) == (array.dtype, 1, array.nbytes)
    np.testing.assert_array_equal(samples[start:stop], array[start:stop])
    np.testing.assert_array_equal(np.asarray(samples), array)
    assert list(samples) == array.tolist()
    if len(array):
        assert samples[-1] == array[-1]


def test_what_is_no_stretch_is_refused() -> None:
    samples = spooled(np.arange(10, dtype=np.int16))
    with pytest.raises(IndexError, match="step 1"):
        samples[::2]
    with pytest.raises(IndexError):
        samples[10]
    with pytest.raises(ValueError, match="copy"):
        np.array(samples, copy=False)
    assert "10 samples" in repr(samples)


def test_in_another_process_they_are_an_array() -> None:
    again = pickle.loads(pickle.dumps(spooled(np.arange(10, dtype=np.int16))))
    assert isinstance(again, np.ndarray) and again.tolist() == list(range(10))


def test_a_signal_takes_them_and_gives_physical_values() -> None:
    values = np.array([1, 2, -5, 4], np.int16)
    signal = Signal("ecg", "ecg", spooled(values), Clock.regular(4, 2.0), "mV", 0.5, 1.0, -5)
    np.testing.assert_array_equal(signal.physical(), [0.0, 0.5, np.nan, 1.5])
    np.testing.assert_array_equal(signal.physical(1, 2), [0.5])


def test_extremes_leave_missing_samples_out() -> None:
    values = np.array([-9, 3, 8, 1], np.int16)
    for samples in (values, spooled(values)):
        assert extremes(samples) == (-9, 8)
        assert extremes(samples, -9) == (1, 8)
    assert extremes(values[:1], -9) is None and extremes(values[:0]) is None
    assert [part.tolist() for part in blocks_of(values, 3)] == [[-9, 3, 8], [1]]


def test_fewer_samples_than_announced_are_what_came() -> None:
    for is_spooled in (False, True):
        writer = SampleWriter(np.int16, 10, spooled=is_spooled)
        writer.append(np.arange(4, dtype=np.int16))
        assert np.asarray(writer.finish()).tolist() == [0, 1, 2, 3]


def test_a_full_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    writer = SampleWriter(np.int16, 0, spooled=True)
    assert writer._scratch is not None
    monkeypatch.setattr(writer._scratch, "file", Full())
    with pytest.raises(DiskError, match=r"no room in the folder of temporary files.*TMPDIR"):
        writer.append(np.arange(4, dtype=np.int16))


def test_only_who_asks_for_it_gets_them() -> None:
    assert not ReadOptions().spools(1 << 40)
    assert ReadOptions(spool_above=100).spools(101) and not ReadOptions(spool_above=100).spools(100)
