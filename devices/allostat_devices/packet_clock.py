"""Sampling clocks of packets: the device stamps the first sample of each packet, the others follow evenly."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from allostat.recording import NS_PER_S, Clock, ClockBlock, Epoch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_RATE_PACKETS = 8
"""A block of fewer packets takes the rate of the whole stream."""


def packet_clock(
    starts_ns: NDArray[np.int64], counts: NDArray[np.int64], *, nominal_hz: float = math.nan, epoch: Epoch = "utc"
) -> Clock | None:
    """The clock of all samples of packets, in their order.

    Parameters
    ----------
    starts_ns
        int64 (packets,), strictly ascending: instant of the first sample of each packet.
    counts
        int64 (packets,), positive: samples in each packet.
    nominal_hz
        The vendor's rate; needed only when there is a single packet.

    Returns
    -------
    Clock or None
        A new block begins where a packet is late by more than half of the usual packet; the rate of each block is that
        of its own stamps. None when nothing tells a rate.
    """
    n = int(counts.sum())
    if not n:
        return Clock((), 0, epoch)
    firsts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    steps = np.diff(starts_ns)
    per_sample = steps / counts[:-1]
    if len(steps):
        period = float(np.median(per_sample))
    elif nominal_hz > 0:
        period = NS_PER_S / nominal_hz
    else:
        return None
    late = steps - counts[:-1] * period
    cuts = np.flatnonzero(late > max(0.5 * float(np.median(counts)), 1.5) * period) + 1 if len(steps) else np.empty(0)
    edges = np.concatenate([[0], cuts, [len(starts_ns)]]).astype(np.int64)
    blocks = []
    whole = NS_PER_S / period
    for first, stop in itertools.pairwise(edges):
        span = int(starts_ns[stop - 1] - starts_ns[first])
        inside = int(counts[first : stop - 1].sum())
        rate = inside * NS_PER_S / span if stop - first >= _RATE_PACKETS and span > 0 else whole
        blocks.append(ClockBlock(int(firsts[first]), int(starts_ns[first]), rate, nominal_hz))
    return Clock(tuple(blocks), n, epoch)
