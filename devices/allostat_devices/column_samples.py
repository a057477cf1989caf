"""Samples of one column as they come in blocks: integers with a decimal scale as long as that loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.recording import Clock, SampleKind, Signal
from allostat.samples import Samples, SampleWriter, blocks_of
from allostat_devices.number_columns import lossless_integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = int(np.iinfo(np.int32).min)
_LARGEST = float(np.iinfo(np.int32).max)
_FLOATS = -1
_MOST_DIGITS = 6


class ColumnSamples:
    """Takes numbers block by block and gives them as one stream, in memory or spooled.

    Every block is int32 at the same number of decimals. When a later block needs more of them, or none suffices, what
    was taken before is written anew, which happens a few times at most.

    Parameters
    ----------
    spooled
        Whether the samples go to a temporary file.
    """

    def __init__(self, *, spooled: bool) -> None:
        self._spooled, self._digits, self._n = spooled, 0, 0
        self._parts: list[NDArray[Any]] = []
        self._writer: SampleWriter | None = None

    def __len__(self) -> int:
        return self._n

    def append(self, values: NDArray[np.float64]) -> None:
        """Take float64 (n,); NaN is a missing sample."""
        if self._digits != _FLOATS:
            whole = _at_digits(values, self._digits)
            if whole is not None:
                self._take(whole)
                return
            self._change(self._wider(values))
            self.append(values)
            return
        self._take(values)

    def signal(self, name: str, kind: SampleKind, clock: Clock, unit: str) -> Signal:
        """The stream of all samples."""
        samples = self._finish()
        if self._digits == _FLOATS:
            return Signal(name, kind, samples, clock, unit)
        return Signal(name, kind, samples, clock, unit, 1.0 / 10.0**self._digits, missing=MISSING)

    def _wider(self, values: NDArray[np.float64]) -> int:
        """Decimals that hold the new block; those of before are fewer."""
        filled = values[~np.isnan(values)]
        found = lossless_integers(filled)
        digits = _FLOATS if found is None else round(-np.log10(found[1]))
        return digits if digits > self._digits else _FLOATS

    def _change(self, digits: int) -> None:
        before, old = self._finish(), self._digits
        self._parts, self._writer, self._n = [], None, 0
        factor = 10 ** (digits - old) if digits != _FLOATS else 1
        for block in blocks_of(before):
            if digits != _FLOATS and (np.abs(block[block != MISSING].astype(np.float64)) * factor >= _LARGEST).any():
                self._digits = old
                self._parts, self._writer, self._n = [], None, 0
                self._rewrite(before, old, _FLOATS)
                return
            self._digits = digits
            self._take(_converted(block, old, digits))
        self._digits = digits

    def _rewrite(self, before: Samples, old: int, digits: int) -> None:
        self._digits = digits
        for block in blocks_of(before):
            self._take(_converted(block, old, digits))

    def _take(self, block: NDArray[np.int32] | NDArray[np.float64]) -> None:
        self._n += len(block)
        if not self._spooled:
            self._parts.append(block)
            return
        if self._writer is None:
            self._writer = SampleWriter(block.dtype, 0, spooled=True)
        self._writer.append(block)

    def _finish(self) -> Samples:
        if self._writer is not None:
            return self._writer.finish()
        if not self._parts:
            return np.empty(0, np.float64 if self._digits == _FLOATS else np.int32)
        joined: NDArray[Any] = np.concatenate(self._parts)
        self._parts = [joined]
        return joined


def _at_digits(values: NDArray[np.float64], digits: int) -> NDArray[np.int32] | None:
    """The numbers as integers at so many decimals; None when that loses something (as `lossless_integers` judges)."""
    scaled = values if digits == 0 else values * 10.0**digits
    missing = np.isnan(values)
    some = bool(missing.any())
    filled = scaled[~missing] if some else scaled
    if filled.size and np.abs(filled).max() >= _LARGEST:
        return None
    rounded = np.rint(filled)
    if not (np.abs(filled - rounded) <= 1e-6 + 1e-9 * np.abs(filled)).all():
        return None
    if not some:
        return rounded.astype(np.int32)
    whole = np.full(len(values), MISSING, np.int32)
    whole[~missing] = rounded.astype(np.int32)
    return whole


def _converted(block: NDArray[np.int32], old: int, digits: int) -> NDArray[np.int32] | NDArray[np.float64]:
    absent = block == MISSING
    if digits == _FLOATS:
        values: NDArray[np.float64] = block.astype(np.float64) * (1.0 / 10.0**old)
        values[absent] = np.nan
        return values
    wider = block * np.int32(10 ** (digits - old))
    wider[absent] = MISSING
    return wider
