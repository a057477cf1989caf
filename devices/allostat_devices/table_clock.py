"""The sampling clock of stamps that come in blocks: a day of them at 250 Hz would take more than its samples.

Of each stretch between gaps only every so many stamps are kept, so that memory is bounded; rates and starts are found
as `clock_blocks` finds them. Stamps may be coarse, or become coarse when a number of fixed length has counted far
enough: several samples then share a stamp, and they are told from rows written twice by how long such rows take.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from allostat.errors import InputError
from allostat.recording import NS_PER_S, Clock, ClockBlock, Epoch
from allostat_devices.clock_blocks import GAP_STEPS, usable_stamps
from allostat_devices.skipped_rows import SkippedRows

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KEPT = 1 << 16
"""Stamps of one stretch that are kept at most."""
_FEW = 16
"""Stretches shorter than this take the rate of the longest one."""
_COARSE = 0.05
"""Share of repeated stamps in the first rows from which they are a coarse clock and not repeated rows."""
_AROUND = 128
"""Rows on each side of a repeated stamp that say what it is."""
_COARSEST = 0.005
"""Share of all samples with one stamp above which no rate can be told from the stamps."""
_MOST_GAPS = 0.02
"""Share of rows behind a gap from which times are not those of even samples."""


@dataclass
class _Stretch:
    """Stamps of one stretch: those at multiples of ``stride``."""

    start_index: int
    n: int = 0
    stride: int = 1
    parts: list[NDArray[np.int64]] = field(default_factory=list)
    kept: int = 0

    def extend(self, times_ns: NDArray[np.int64]) -> None:
        first = -self.n % self.stride
        part = times_ns[first :: self.stride].copy()
        self.n += len(times_ns)
        self.parts.append(part)
        self.kept += len(part)
        while self.kept > _KEPT:
            self.stride *= 2
            part = np.concatenate(self.parts)[::2].copy()
            self.parts, self.kept = [part], len(part)

    @property
    def times_ns(self) -> NDArray[np.int64]:
        return np.concatenate(self.parts)

    def rate_hz(self) -> float:
        """Median slope over half of the stretch, which a few late stamps do not move."""
        times = self.times_ns
        half = len(times) // 2
        return NS_PER_S * half * self.stride / float(np.median(times[half:] - times[: len(times) - half]))

    def block(self, rate_hz: float, nominal_hz: float) -> ClockBlock:
        times = self.times_ns
        first = int(times[0])
        late = (times - first) - np.arange(len(times)) * (self.stride * NS_PER_S / rate_hz)
        return ClockBlock(self.start_index, first + round(float(np.median(late))), rate_hz, nominal_hz)


@dataclass
class StampedRows:
    """Takes the stamps of rows block by block and says which rows count.

    Parameters
    ----------
    skipped
        Receives the rows whose time repeats or runs backwards.
    nominal_hz
        The stated rate; NaN when none is stated.
    """

    skipped: SkippedRows
    nominal_hz: float = math.nan
    n: int = 0
    _period_ns: float = math.nan
    _coarse: bool = False
    """Whether several samples had one stamp of late."""
    _most_at_once: int = 1
    """Samples that shared one stamp at most."""
    _last_ns: int | None = None
    _first_ns: int = 0
    _done: list[tuple[int, ClockBlock | _Stretch]] = field(default_factory=list)
    _longest: tuple[int, float] = (0, math.nan)
    _open: _Stretch | None = None

    def push(self, times_ns: NDArray[np.int64], lines: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Take the stamps of further rows.

        Returns
        -------
        keep
            bool (n,): the rows that count; None when all do.
        """
        if not len(times_ns):
            return None
        if math.isnan(self._period_ns):
            self._learn(times_ns)
        before = 0 if self._last_ns is None else 1
        times = times_ns if self._last_ns is None else np.concatenate([[np.int64(self._last_ns)], times_ns])
        places = np.concatenate([lines[:before], lines])
        several = self._sharing(times)
        keep = self._usable(times, places, several)
        limits = self._limits(times, several)
        if keep is None:
            self._add(times[before:], limits[before:])
            return None
        keep = keep[before:]
        if keep.any():
            self._add(times_ns[keep], limits[before:][keep])
        return keep

    def _learn(self, times_ns: NDArray[np.int64]) -> None:
        """The period, from the steps of the first rows."""
        steps = np.diff(times_ns)
        onward = steps[steps > 0]
        if not len(onward):
            return
        usual = float(np.median(onward))
        self._coarse = len(steps) >= _FEW and float(np.mean(steps == 0)) > _COARSE
        self._period_ns = float(np.mean(steps[(steps >= 0) & (steps <= 3 * usual)])) if self._coarse else usual

    def _usable(
        self, times: NDArray[np.int64], lines: NDArray[np.int64], several: NDArray[np.bool_]
    ) -> NDArray[np.bool_] | None:
        others = np.flatnonzero(~several)
        found = usable_stamps(times[others], lines[others], self.skipped)
        if found is None:
            return None
        keep = several.copy()
        keep[others] = found
        return keep

    def _sharing(self, times: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which rows share their stamp with the row before because stamps are coarse: without them rows are too few.

        A row that was written twice is one too many instead.
        """
        steps = np.diff(times, prepend=times[:1] - 1)
        repeated = steps == 0
        if not repeated.any() or not self._period_ns > 0:
            return np.zeros(len(times), dtype=bool)
        if len(times) < _FEW:
            return repeated if self._coarse else np.zeros(len(times), dtype=bool)
        stood = _stood(repeated)
        # a step is as long as the samples that shared the stamp before it, or it is a gap
        even = (steps >= 0) & (steps <= np.maximum(_FEW, 3 * (stood + 1)) * self._period_ns)
        even[0] = False
        spans, rows, doubles = (np.cumsum(np.where(even, c, 0)) for c in (steps, 1, repeated))
        longest = int(stood.max()) + 1
        around = max(_AROUND, 4 * longest)
        at = np.flatnonzero(repeated)
        low, high = np.maximum(at - around, 0), np.minimum(at + around, len(times) - 1)
        span, n, twice = (c[high] - c[low] for c in (spans, rows, doubles))
        as_samples, as_copies = np.abs(span - n * self._period_ns), np.abs(span - (n - twice) * self._period_ns)
        several = np.zeros(len(times), dtype=bool)
        # too few rows to tell are as those before
        several[at] = np.where(n < 2 * longest, self._coarse, as_samples < as_copies)
        self._coarse = bool(several.any())
        self._most_at_once = max(self._most_at_once, int(_stood(several).max()) + 1)
        return several

    def _limits(self, times: NDArray[np.int64], several: NDArray[np.bool_]) -> NDArray[np.float64]:
        """The longest step to each row that is no gap.

        Coarse stamps stand still and then go on by as much; the tick in which a sample is stamped may be the next one.
        """
        limits = np.full(len(times), GAP_STEPS * self._period_ns)
        at = np.flatnonzero(several)
        if not len(at):
            return limits
        places, stood = np.arange(len(times)), _stood(several)
        steps = np.diff(times, prepend=times[:1])
        after = steps[(stood > 0) & ~several & (steps > 0)]
        grain = float(np.median(after)) if len(after) else 0.0
        count = np.concatenate([[0], np.cumsum(several)])
        near = count[np.minimum(places + _AROUND, len(times) - 1) + 1] > count[np.maximum(places - _AROUND, 0)]
        found: NDArray[np.float64] = limits + stood * self._period_ns + np.where(near, 2 * grain, 0.0)
        return found

    def _add(self, times: NDArray[np.int64], limits: NDArray[np.float64]) -> None:
        ahead = times[0] if self._last_ns is None else self._last_ns
        cuts = np.flatnonzero(np.diff(times, prepend=ahead) > limits)
        edges = [0, *cuts.tolist(), len(times)]
        for i, (first, stop) in enumerate(itertools.pairwise(edges)):
            if i or self._open is None:
                self._close()
                self._open = _Stretch(self.n)
            if first < stop:
                self._open.extend(times[first:stop])
                self.n += stop - first
        self._first_ns = int(times[0]) if self._last_ns is None else self._first_ns
        self._last_ns = int(times[-1])
        if len(self._done) > max(_FEW, _MOST_GAPS * self.n) and self.n > 1000:
            raise self._uneven()

    def _uneven(self) -> InputError:
        return InputError(
            "times are not those of an evenly sampled signal", where=self.skipped.file,
            found=f"{len(self._done)} gaps in {self.n} rows, usual step {self._period_ns / 1e6:.6g} ms",
        )  # fmt: skip

    def _close(self) -> None:
        stretch = self._open
        if stretch is None or not stretch.n:
            return
        if stretch.n < _FEW:
            self._done.append((stretch.start_index, stretch))
            return
        rate = stretch.rate_hz()
        if stretch.n > self._longest[0]:
            self._longest = (stretch.n, rate)
        self._done.append((stretch.start_index, stretch.block(rate, self.nominal_hz)))

    def clock(self, epoch: Epoch, shift_ns: int = 0) -> Clock:
        """The clock of all rows that counted, moved by ``shift_ns``.

        Raises
        ------
        InputError
            A single row has no rate, or the times are not those of even samples.
        """
        self._close()
        self._open = None
        if not self._done:
            return Clock((), 0, epoch)
        if self.n == 1 or math.isnan(self._period_ns):
            raise InputError("one instant alone has no sampling rate", where=self.skipped.file, expected="more rows")
        if len(self._done) > 1 + max(4.0, _MOST_GAPS * self.n):
            raise self._uneven()
        if self._most_at_once > max(2, _COARSEST * self.n):
            if not self.nominal_hz > 0:
                raise InputError(
                    "times are too coarse for a sampling rate", where=self.skipped.file,
                    found=f"up to {self._most_at_once} of {self.n} samples with one time",
                    expected="SamplingFrequency in the JSON beside it",
                )  # fmt: skip
            return Clock.regular(self.n, self.nominal_hz, self._first_ns, nominal_hz=self.nominal_hz).shifted(
                shift_ns, epoch
            )
        whole = self._longest[1] if self._longest[0] else NS_PER_S / self._period_ns
        blocks = [b if isinstance(b, ClockBlock) else b.block(whole, self.nominal_hz) for _, b in self._done]
        return Clock(tuple(blocks), self.n, epoch).shifted(shift_ns, epoch)


def _stood(repeats: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each row how many rows right before it repeat a stamp."""
    places = np.arange(len(repeats))
    since = places - np.maximum.accumulate(np.where(repeats, 0, places))
    return np.concatenate([[0], since[:-1]]).astype(np.int64)
