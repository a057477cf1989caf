"""When samples were taken: instants, clocks made of evenly spaced stretches, and the gaps between them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
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
        if not self.rate_hz > 0 or not np.isfinite(self.rate_hz):
            raise InputError("a sampling rate is a positive number of Hz", found=self.rate_hz)


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch without samples or beats, declared by the reader and never bridged."""

    start_ns: int
    end_ns: int
    reason: str = "missing"


@dataclass(frozen=True, slots=True)
class Clock:
    """When each sample was taken: blocks of evenly spaced samples, in order, and what they count from.

    Between the last sample of a block and the first of the next lies a gap, however short.
    """

    blocks: tuple[ClockBlock, ...]
    n_samples: int
    epoch: Epoch = "utc"
    host_offset_ns: int | None = None
    """Host clock minus device clock at the start, when both were recorded."""

    def __post_init__(self) -> None:
        starts = [b.start_index for b in self.blocks]
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

    def times_ns(self, samples: NDArray[np.integer[Any]] | NDArray[np.float64]) -> NDArray[np.int64]:
        """Instants of sample positions, which may be fractional; shape as ``samples``."""
        positions = np.asarray(samples)
        if not self.blocks:
            return np.empty(positions.shape, dtype=np.int64)
        starts = np.array([b.start_index for b in self.blocks], dtype=np.int64)
        which = np.clip(np.searchsorted(starts, positions, side="right") - 1, 0, len(starts) - 1)
        t0 = np.array([b.t0_ns for b in self.blocks], dtype=np.int64)[which]
        step = np.array([NS_PER_S / b.rate_hz for b in self.blocks])[which]
        offset: NDArray[np.int64] = np.rint((positions - starts[which]) * step).astype(np.int64)
        return t0 + offset

    def block_of(self, samples: NDArray[np.integer[Any]] | NDArray[np.float64]) -> NDArray[np.int64]:
        """Number of the block in which each sample lies."""
        starts = np.array([b.start_index for b in self.blocks], dtype=np.int64)
        return np.clip(np.searchsorted(starts, np.asarray(samples), side="right") - 1, 0, None).astype(np.int64)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """The gaps between blocks: from the end of the last sample's period to the next block's start."""
        found = []
        for (first, stop, block), after in zip(self.spans(), self.blocks[1:], strict=False):
            end = block.t0_ns + round((stop - first) * NS_PER_S / block.rate_hz)
            found.append(Gap(end, after.t0_ns))
        return tuple(found)

    @property
    def start_ns(self) -> int:
        """Instant of the first sample."""
        return self.blocks[0].t0_ns if self.blocks else 0

    @property
    def end_ns(self) -> int:
        """Instant at which the last sample's period ends."""
        if not self.blocks:
            return 0
        first, stop, block = list(self.spans())[-1]
        return block.t0_ns + round((stop - first) * NS_PER_S / block.rate_hz)

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
