"""Which way the pulses of a photoplethysmogram point, known while the signal still comes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.kernels.systolic_peak import pulse_asymmetry
from allostat.recording import Signal

if TYPE_CHECKING:
    from numpy.typing import NDArray

POLARITY_S = 30.0
"""Length of the pieces that tell the polarity of pulses. All 480 of BIDMC tell it right by themselves."""
LEAST_ASYMMETRY = 0.35
"""Pieces with less say nothing: noise has less, pulses of wrist and arm have 0.5, of a finger 0.8."""
FADE = 0.95
"""Each piece that is read leaves this share of what was known before, so that noise never adds up."""
SETTLED = 20.0
"""From so much evidence on, in s, the polarity is known beforehand: one to three pieces of clear pulses give it."""
LOOK_AGAIN = 10
"""Once it is known, one piece in so many is read: what moved in the first minutes must not stand for a day."""


class PolarityEvidence:
    """What the pieces of a signal have told of its polarity so far.

    A sensor keeps its sign for as long as it records, so a piece of noise must not turn what was found around it upside
    down: evidence adds up, each piece counts by the square of its asymmetry, and fades.
    """

    def __init__(self) -> None:
        self._evidence = 0.0
        self._pieces = 0

    @property
    def settled(self) -> bool:
        """Whether the sign of the piece that comes next is known before it has come."""
        return abs(self._evidence) >= SETTLED

    @property
    def wanted(self) -> bool:
        """Whether the piece that comes next is to be read."""
        return not self.settled or self._pieces % LOOK_AGAIN == 0

    @property
    def sign(self) -> int:
        """1 when pulses point up, -1 when they point down, as far as is known."""
        return -1 if self._evidence < 0.0 else 1

    def take(self, piece: NDArray[np.float64] | None, rate_hz: float) -> int:
        """Read the next piece, None when it is not `wanted`; gives the sign of that piece.

        Parameters
        ----------
        piece
            (n,) samples in any unit, NaN where there is none.
        """
        known = self.sign if self.settled else 0
        self._pieces += 1
        if piece is not None:
            asymmetry = pulse_asymmetry(piece, rate_hz)
            told = asymmetry * abs(asymmetry) if abs(asymmetry) >= LEAST_ASYMMETRY else 0.0
            self._evidence = FADE * self._evidence + len(piece) / rate_hz * told
        return known or self.sign


def piece_length(rate_hz: float) -> int:
    """Samples of a piece that tells the polarity."""
    return max(1, round(POLARITY_S * rate_hz))


@dataclass(frozen=True, slots=True)
class Polarity:
    """Signs of a signal: ``signs[k]`` from sample ``starts[k]`` on."""

    starts: NDArray[np.int64]
    signs: NDArray[np.int8]

    def upright(self, signal: Signal, start: int, stop: int) -> NDArray[np.float64]:
        """Samples ``start:stop`` in the signal's unit, turned so that pulses point up."""
        values = signal.physical(start, stop)
        first, last = (int(k) for k in np.searchsorted(self.starts, (start, max(stop - 1, start)), side="right") - 1)
        if first == last:
            return values if self.signs[first] > 0 else -values
        return values * self.signs[np.searchsorted(self.starts, np.arange(start, stop), side="right") - 1]


UPRIGHT = Polarity(np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int8))
"""Of a signal that is read as it is."""


def signal_polarity(signal: Signal) -> Polarity:
    """Which way the pulses of a photoplethysmogram point, piece by piece.

    Each stretch of the clock is cut into pieces of `POLARITY_S`. Until the evidence is `SETTLED` a piece has the sign
    of all that was told up to its own end; from then on that of what was told before it. Nothing depends on what comes
    later than the piece: while a sensor is still recording the same samples have the same sign.

    Parameters
    ----------
    signal
        Stream of kind ``ppg``.
    """
    starts, signs = [0], [1]
    for start, sign in _pieces(signal):
        if sign != signs[-1]:
            starts.append(start)
            signs.append(sign)
    if len(starts) > 1 and starts[1] == 0:
        del starts[0], signs[0]
    return Polarity(np.array(starts, dtype=np.int64), np.array(signs, dtype=np.int8))


def _pieces(signal: Signal) -> Iterator[tuple[int, int]]:
    """First sample and sign of each piece."""
    evidence = PolarityEvidence()
    for stretch in signal.clock.stretches():
        length = piece_length(stretch.rate_hz)
        for at in range(stretch.start, stretch.stop, length):
            piece = signal.physical(at, min(at + length, stretch.stop)) if evidence.wanted else None
            yield at, evidence.take(piece, stretch.rate_hz)
