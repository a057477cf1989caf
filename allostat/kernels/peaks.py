"""What a streaming peak detector gives, and how samples reach it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

BLOCK_SAMPLES = 65_536
"""Samples converted to float64 at a time, so that a recording of days never stands in memory as float64."""


class PeakBatch(NamedTuple):
    """Peaks that became certain during one call.

    Attributes
    ----------
    sample
        int64 (n,): sample nearest to each peak, counted from the first sample ever pushed; ascending over all calls.
    fraction
        float64 (n,): the peak lies at ``sample + fraction``; between -0.5 and 0.5 except on a clipped plateau.
    jitter
        float64 (n,): standard error of that position, in samples.
    """

    sample: NDArray[np.int64]
    fraction: NDArray[np.float64]
    jitter: NDArray[np.float64]


def batch(rows: NDArray[np.float64]) -> PeakBatch:
    """A batch of (n, 3) rows of sample, fraction and jitter."""
    columns = rows.T.copy()
    return PeakBatch(columns[0].astype(np.int64), columns[1], columns[2])


def joined(batches: list[PeakBatch]) -> PeakBatch:
    """One batch of several, in order."""
    if len(batches) == 1:
        return batches[0]
    if not batches:
        return batch(np.empty((0, 3)))
    return PeakBatch(*(np.concatenate(column) for column in zip(*batches, strict=True)))


def blocks(samples: ArrayLike) -> Iterator[NDArray[np.float64]]:
    """Stretches of ``samples`` as contiguous float64, at most `BLOCK_SAMPLES` long.

    Raises
    ------
    ValueError
        When the samples are not a one-dimensional array of real numbers.
    """
    values = checked_samples(samples)
    for start in range(0, len(values), BLOCK_SAMPLES):
        yield np.ascontiguousarray(values[start : start + BLOCK_SAMPLES], dtype=np.float64)


def checked_samples(samples: ArrayLike) -> NDArray[Any]:
    """The samples as an array.

    Raises
    ------
    ValueError
        When they are not a one-dimensional array of real numbers.
    """
    values: NDArray[Any] = np.asarray(samples)
    if values.ndim != 1 or values.dtype.kind not in "iuf":
        raise ValueError(
            f"samples are a one-dimensional array of real numbers, found {values.ndim} dimensions of {values.dtype}"
        )
    return values


def checked_rate(sampling_rate: float, lowest: float, highest: float) -> float:
    """The sampling rate as float.

    Raises
    ------
    ValueError
        When it lies outside ``lowest`` to ``highest`` Hz.
    """
    rate = float(sampling_rate)
    if not lowest <= rate <= highest:
        raise ValueError(f"a sampling rate between {lowest:g} and {highest:g} Hz is needed, found {sampling_rate!r}")
    return rate


def parabola(span: int) -> NDArray[np.float64]:
    """Least squares over ``2 span + 1`` samples: weight of the first moment in the slope at the middle, and weights of
    the second moment and of the sum in the bend.
    """
    k = np.arange(-span, span + 1.0)
    n, squares, fourths = len(k), float(np.sum(k**2)), float(np.sum(k**4))
    determinant = n * fourths - squares**2
    return np.array([1.0 / squares, n / determinant, squares / determinant])
