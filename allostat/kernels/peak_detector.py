"""The part that streaming peak detectors share: a front end finds candidates, `beat_rule` decides which are beats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from allostat.kernels import beat_rule
from allostat.kernels.peaks import BLOCK_SAMPLES, PeakBatch, batch, blocks, joined


@dataclass(frozen=True, slots=True, eq=False)
class FrontEnd:
    """What turns samples into candidates, at one sampling rate.

    Parameters
    ----------
    advance
        The kernel that runs a block of samples through the front end and the rule.
    sections, geometry, shape
        Filter coefficients, lengths in samples, and levels of the front end, as its kernel reads them.
    settings
        Of `beat_rule`.
    floats, integers
        State of the front end, which its kernel carries from block to block.
    ring
        The latest samples; its length is a power of two.
    """

    advance: Callable[..., int]
    sections: NDArray[np.float64]
    geometry: NDArray[np.int64]
    shape: NDArray[np.float64]
    settings: NDArray[np.float64]
    floats: NDArray[np.float64]
    integers: NDArray[np.int64]
    ring: NDArray[np.float64]


class PeakDetector(ABC):
    """A detector that is fed as samples arrive, with bounded memory and the same bits for any chunking.

    Parameters
    ----------
    sampling_rate
        Sampling rate in Hz.

    Raises
    ------
    ValueError
        When the front end does not know the rate.
    """

    def __init__(self, sampling_rate: float) -> None:
        self._front = self.front_end(sampling_rate)
        self._candidates, self._levels, self._counters = beat_rule.fresh(self._front.settings)
        most = beat_rule.DEPTH + int(2 * BLOCK_SAMPLES / self._front.settings[beat_rule.REFRACTORY]) + 2
        self._found = np.zeros((most, 3))

    @staticmethod
    @abstractmethod
    def front_end(sampling_rate: float) -> FrontEnd:
        """A front end that has seen no sample."""

    def push(self, samples: ArrayLike) -> PeakBatch:
        """Feed the next samples, any number; returns the peaks that became certain.

        Parameters
        ----------
        samples
            (n,) integers or floats; NaN where there is none.

        Raises
        ------
        ValueError
            When the samples are not one-dimensional real numbers.
        """
        return joined([self._advance(block) for block in blocks(samples)])

    def flush(self) -> PeakBatch:
        """Say that no more samples follow; returns the last peaks."""
        n = 0
        rule = (self._candidates, self._levels, self._counters, self._front.settings, self._found)
        if not self._counters[beat_rule.LEARNED]:
            n = beat_rule.learn(*rule, n)
        n = beat_rule.settle(*rule, n)
        return batch(self._found[:n])

    def _advance(self, block: NDArray[np.float64]) -> PeakBatch:
        front = self._front
        n = front.advance(
            block,
            front.sections,
            front.geometry,
            front.shape,
            front.settings,
            front.floats,
            front.integers,
            front.ring,
            self._candidates,
            self._levels,
            self._counters,
            self._found,
        )
        return batch(self._found[:n])

    @classmethod
    def over(cls, signal: ArrayLike, sampling_rate: float) -> tuple[Self, PeakBatch]:
        """A detector that has seen all of ``signal``, and its peaks."""
        detector = cls(sampling_rate)
        return detector, joined([detector.push(signal), detector.flush()])
