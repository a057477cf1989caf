"""When samples were taken: instants, clocks made of evenly spaced stretches, and the gaps between them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from allostat.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

NS_PER_S = 1_000_000_000

Epoch = Literal["utc", "local", "relative"]
"""What the nanoseconds of a clock count from.

``utc``: 1970-01-01 UTC. ``local``: 1970-01-01 as a wall clock whose zone is not known (the file gave naive
local times). ``relative``: the start of the recording, whose date the file does not tell.
"""


@dataclass(frozen=True, slots=True)
class ClockBlock:
    """One stretch of evenly spaced samples.

    Parameters
    ----------
    start_index
        Index of the block's first sample.
    t0_ns
        Instant of that sample.
    rate_hz
        Effective sampling rate, estimated from the file's own time stamps when it has any.
    nominal_hz
        The rate that the vendor states; NaN when it states none.
    """

    start_index: int
    t0_ns: int
    rate_hz: float
    nominal_hz: float = float("nan")

    def __post_init__(self) -> None:
        if not self.rate_hz > 0 or not math.isfinite(self.rate_hz):
            raise InputError("a sampling rate is a positive number of Hz", found=self.rate_hz)

    def end_ns(self, stop: int) -> int:
        """Instant at which the period of the sample before ``stop`` ends, when the block goes on until there."""
        return self.t0_ns + round((stop - self.start_index) * NS_PER_S / self.rate_hz)

    def joins(self, after: ClockBlock) -> bool:
        """Whether the block after this one goes on where this one ends: to less than half a sample."""
        return abs(after.t0_ns - self.end_ns(after.start_index)) * self.rate_hz < 0.5 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without samples or beats, declared by the reader and never bridged."""

    start_ns: int
    end_ns: int
    reason: str = "missing"


@dataclass(frozen=True, slots=True)
class Stretch:
    """Samples without a gap: blocks of a clock that join.

    Parameters
    ----------
    start, stop
        First sample, and the sample after the last.
    t0_ns, end_ns
        Instant of the first sample, and of the end of the last one's period.
    rate_hz
        Rate of the first block: what was known when the stretch began. Whatever follows samples in order (filters,
        windows counted in samples) goes by it, so that nothing depends on what came later.
    """

    start: int
    stop: int
    t0_ns: int
    end_ns: int
    rate_hz: float

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def mean_hz(self) -> float:
        """Rate over the whole stretch."""
        return len(self) * NS_PER_S / (self.end_ns - self.t0_ns)


@dataclass(frozen=True, slots=True)
class Clock:
    """When each sample was taken: blocks of evenly spaced samples, in order, and what they count from.

    Two blocks whose joint is shorter than half a sample are one stretch, in which the rate was estimated anew:
    intervals, filters and windows run through. At a longer joint lies a gap, and nothing crosses it.
    """

    blocks: tuple[ClockBlock, ...]
    n_samples: int
    epoch: Epoch = "utc"
    host_offset_ns: int | None = None
    """Host clock minus device clock at the start, when both were recorded."""
    _columns: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]] = field(
        init=False, repr=False, compare=False
    )
    """First sample, its instant, and rate of all blocks: a day of a strap has thousands."""

    def __post_init__(self) -> None:
        starts = [b.start_index for b in self.blocks]
        columns = (
            np.array(starts, dtype=np.int64),
            np.array([b.t0_ns for b in self.blocks], dtype=np.int64),
            np.array([b.rate_hz for b in self.blocks], dtype=np.float64),
        )
        object.__setattr__(self, "_columns", columns)
        if self.n_samples and (not starts or starts[0] != 0 or starts[-1] >= self.n_samples):
            raise InputError("clock blocks start at sample 0 and inside the recording", found=starts[:5])
        if any(b >= a for b, a in itertools.pairwise(starts)):
            raise InputError("clock blocks are in ascending order", found=starts[:5])

    @classmethod
    def regular(
        cls,
        n_samples: int,
        rate_hz: float,
        t0_ns: int = 0,
        *,
        nominal_hz: float = float("nan"),
        epoch: Epoch = "utc",
    ) -> Self:
        """A clock of one block."""
        blocks = (ClockBlock(0, int(t0_ns), float(rate_hz), float(nominal_hz)),) if n_samples else ()
        return cls(blocks, int(n_samples), epoch)

    def spans(self) -> Iterator[tuple[int, int, ClockBlock]]:
        """For each block its first sample, the sample after its last, and the block."""
        for i, block in enumerate(self.blocks):
            stop = self.blocks[i + 1].start_index if i + 1 < len(self.blocks) else self.n_samples
            yield block.start_index, stop, block

    def stretches(self) -> Iterator[Stretch]:
        """The samples between gaps, in order."""
        first: ClockBlock | None = None
        for i, block in enumerate(self.blocks):
            first = first or block
            after = self.blocks[i + 1] if i + 1 < len(self.blocks) else None
            if after is not None and block.joins(after):
                continue
            stop = self.n_samples if after is None else after.start_index
            yield Stretch(first.start_index, stop, first.t0_ns, block.end_ns(stop), first.rate_hz)
            first = None

    def times_ns(self, samples: NDArray[np.integer[Any]] | NDArray[np.float64]) -> NDArray[np.int64]:
        """Instants of sample positions, which may be fractional; shape as ``samples``."""
        positions = np.asarray(samples)
        if not self.blocks:
            return np.empty(positions.shape, dtype=np.int64)
        return instants(positions, *self._columns)

    def samples_at(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Sample positions of instants, with fractions; NaN in gaps, before the first sample and behind the last.

        The last sample's period counts as behind it. Where blocks overlap, the later one says.
        """
        times = np.asarray(times_ns)
        found = np.full(times.shape, np.nan)
        if not self.blocks:
            return found
        starts, t0, rate = self._columns
        which = np.clip(np.searchsorted(np.maximum.accumulate(t0), times, side="right") - 1, 0, None)
        place = starts[which] + (times - t0[which]) * (rate[which] / NS_PER_S)
        # Between the last sample of a block and the first of one that joins lies a sample's period of both.
        joined = np.array([b.joins(after) for b, after in itertools.pairwise(self.blocks)] + [False], dtype=np.bool_)
        last = (np.append(starts[1:], self.n_samples) - np.where(joined, 0, 1))[which]
        # Instants are whole ns.
        inside = (times >= t0[which]) & (place <= last + rate[which] / NS_PER_S)
        found[inside] = np.minimum(place, last)[inside]
        return found

    def rates_hz(self, samples: NDArray[np.integer[Any]] | NDArray[np.float64]) -> NDArray[np.float64]:
        """Rate of the block in which each sample position lies; shape as ``samples``."""
        if not self.blocks:
            return np.empty(np.shape(samples))
        return self._columns[2][self.block_of(samples)]

    def block_of(self, samples: NDArray[np.integer[Any]] | NDArray[np.float64]) -> NDArray[np.int64]:
        """Number of the block in which each sample lies."""
        return _block_of(np.asarray(samples), self._columns[0])

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps: from the end of the last sample's period to the first sample of the next stretch."""
        return tuple(Gap(before.end_ns, after.t0_ns) for before, after in itertools.pairwise(self.stretches()))

    @property
    def start_ns(self) -> int:
        """Instant of the first sample."""
        return self.blocks[0].t0_ns if self.blocks else 0

    @property
    def end_ns(self) -> int:
        """Instant at which the last sample's period ends."""
        return self.blocks[-1].end_ns(self.n_samples) if self.blocks else 0

    @property
    def rate_hz(self) -> float:
        """Effective rate over all blocks, weighted by their length; NaN without samples."""
        if not self.n_samples:
            return float("nan")
        return self.n_samples / sum((stop - first) / block.rate_hz for first, stop, block in self.spans())

    def shifted(self, shift_ns: int, epoch: Epoch) -> Self:
        """The same clock moved by ``shift_ns`` and counted from another epoch."""
        blocks = tuple(replace(b, t0_ns=b.t0_ns + int(shift_ns)) for b in self.blocks)
        return replace(self, blocks=blocks, epoch=epoch)


def instants(
    positions: NDArray[np.integer[Any]] | NDArray[np.float64],
    starts: NDArray[np.int64],
    t0_ns: NDArray[np.int64],
    rates_hz: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Instants of sample positions on blocks in ascending order, of which there is at least one."""
    which = _block_of(positions, starts)
    offset: NDArray[np.int64] = np.rint((positions - starts[which]) * (NS_PER_S / rates_hz[which])).astype(np.int64)
    return t0_ns[which] + offset


def _block_of(
    positions: NDArray[np.integer[Any]] | NDArray[np.float64], starts: NDArray[np.int64]
) -> NDArray[np.int64]:
    return np.clip(np.searchsorted(starts, positions, side="right") - 1, 0, None).astype(np.int64)
