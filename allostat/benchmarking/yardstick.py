"""Two serial filter sections over the same samples: what the speed of the beat detectors is measured against.

The least that a detector with one band-pass does. A processor's clock changes, and a core may be shared with another
machine's work, so a bare time of a detector says little; beside this pass, run in turn with it, it does.

The pass is as quick as one scalar pass gets, so as not to flatter. Of the forms tried, in ns per sample on a processor
that needs 2.6 for a multiplication and an addition that wait for each other: direct form I with the newest output last,
which is the one here, 3.4; as textbooks write it 4.2; direct form II 3.5; transposed form II 5.3, its sums in another
order 4.1. While the core was shared, and took longer the more there was to compute, the first took 5.9 and the
transposed form II 6.6. The samples are float64 before the time counts, and what comes out goes into one short block.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from allostat.kernels import biquad
from allostat.kernels.compiled import kernel

BLOCK_SAMPLES = 32_768
"""Samples filtered at a time, as the detectors take them."""


@kernel
def filtered(
    samples: NDArray[np.float64],
    sections: NDArray[np.float64],
    memory: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Filter ``samples`` into ``out``.

    ``sections`` (10,): ``b0 b1 b2 a1 a2`` of the first section and of the second; ``memory`` (6,): the last two samples
    and the last two outputs of each section, carried from one call to the next.
    """
    b0, b1, b2, a1, a2 = sections[0], sections[1], sections[2], sections[3], sections[4]
    d0, d1, d2, c1, c2 = sections[5], sections[6], sections[7], sections[8], sections[9]
    x1, x2, y1, y2, z1, z2 = memory[0], memory[1], memory[2], memory[3], memory[4], memory[5]
    for k in range(len(samples)):
        x = samples[k]
        y = ((b0 * x + b1 * x1 + b2 * x2) - a2 * y2) - a1 * y1
        z = ((d0 * y + d1 * y1 + d2 * y2) - c2 * z2) - c1 * z1
        x2, x1 = x1, x
        y2, y1 = y1, y
        z2, z1 = z1, z
        out[k] = z
    memory[0], memory[1], memory[2], memory[3], memory[4], memory[5] = x1, x2, y1, y2, z1, z2


def two_biquads(samples: NDArray[np.generic], rate_hz: float) -> Callable[[], None]:
    """A function that runs a band-pass of 6 to 18 Hz, or what the rate leaves of it, once over the samples."""
    values = np.ascontiguousarray(samples, dtype=np.float64)
    sections = np.concatenate([biquad.highpass(rate_hz, 6.0), biquad.lowpass(rate_hz, 18.0)])
    out = np.empty(BLOCK_SAMPLES)

    def once() -> None:
        memory = np.zeros(6)
        for at in range(0, len(values), BLOCK_SAMPLES):
            filtered(values[at : at + BLOCK_SAMPLES], sections, memory, out)

    return once
