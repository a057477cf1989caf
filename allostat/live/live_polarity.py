"""Samples turned upright while they come: a photoplethysmogram waits until the way its pulses point is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from allostat.polarity import PolarityEvidence, piece_length

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Upright:
    """Turns the samples of a photoplethysmogram as `allostat.polarity.signal_polarity` turns the recorded ones.

    Until its polarity is settled a piece of 30 s is given out at its end, or at that of its stretch.
    """

    def __init__(self) -> None:
        self._evidence = PolarityEvidence()
        self._rate_hz = float("nan")
        self._length = self._left = 0
        self._piece: list[NDArray[np.float64]] = []

    def begin(self, rate_hz: float) -> None:
        """A stretch begins."""
        self._rate_hz = rate_hz
        self._length = self._left = piece_length(rate_hz)

    def push(self, values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        """Take the next samples of the stretch; gives those whose sign is known, in order."""
        ready: list[NDArray[np.float64]] = []
        while len(values):
            part, values = values[: self._left], values[self._left :]
            self._left -= len(part)
            if self._evidence.settled:
                ready.append(self._evidence.sign * part)
            if self._evidence.wanted:
                self._piece.append(part)
            if self._left == 0:
                ready += self._ended()
                self._left = self._length
        return ready

    def end(self) -> list[NDArray[np.float64]]:
        """The stretch has ended; gives the samples that waited."""
        return self._ended() if self._left < self._length else []

    def _ended(self) -> list[NDArray[np.float64]]:
        settled = self._evidence.settled
        piece = np.concatenate(self._piece) if self._piece else None
        self._piece = []
        sign = self._evidence.take(piece, self._rate_hz)
        return [] if settled or piece is None else [sign * piece]
