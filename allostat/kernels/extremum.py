"""Where an extremum lies below one sample, and how surely: read from a ring of the latest samples.

The length of a ring is a power of two; sample j stands at ``j & (length - 1)``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel


@kernel
def sample_noise(first: int, step: int, index: int, ring: NDArray[np.float64]) -> float:
    """Standard deviation of the noise of one sample, from second differences: the middle of three stretches."""
    mask = len(ring) - 1
    lowest = highest = middle = -1.0
    for k in range(3):
        stop = first - k * step
        start = max(stop - 32, 1, index - len(ring) + 1)
        if stop - start < 16:
            break
        total = 0.0
        present = 0
        for j in range(start, stop):
            bend = ring[(j - 1) & mask] - 2.0 * ring[j & mask] + ring[(j + 1) & mask]
            if bend == bend:
                total += bend * bend
                present += 1
        variance = total / (6.0 * present) if present > 0 else 0.0
        if k == 0:
            lowest = highest = middle = variance
        elif k == 1:
            lowest, highest = min(lowest, variance), max(highest, variance)
            middle = 0.5 * (lowest + highest)
        else:
            middle = max(lowest, min(highest, variance))
    return math.sqrt(max(middle, 0.0))


@kernel
def refine(
    row: int,
    column: int,
    at: int,
    size: float,
    sign: float,
    noise: float,
    index: int,
    span: int,
    ring: NDArray[np.float64],
    candidates: NDArray[np.float64],
) -> None:
    """Write position, size and standard error of an extremum: vertex of a parabola fitted to 2 span + 1 samples.

    Where one of these samples is missing the extremum may be none: its size is 0.
    """
    mask = len(ring) - 1
    squares = span * (span + 1.0) * (2.0 * span + 1.0) / 3.0
    fourths = squares * (3.0 * span * span + 3.0 * span - 1.0) / 5.0
    n = 2.0 * span + 1.0
    plain = 0.0
    first = 0.0
    second = 0.0
    middle = ring[at & mask]
    for k in range(-span, span + 1):
        value = sign * (ring[(at + k) & mask] - middle)
        plain += value
        first += k * value
        second += k * k * value
    if plain != plain:
        size = 0.0
    determinant = n * fourths - squares * squares
    slope = first / squares
    bend = (n * second - squares * plain) / determinant
    after = 0
    while at + after + 1 < index and after < len(ring) // 8 and ring[(at + after + 1) & mask] == middle:
        after += 1
    ahead = 0
    while at - ahead > 0 and ahead < len(ring) // 8 and ring[(at - ahead - 1) & mask] == middle:
        ahead += 1
    width = ahead + after + 1.0
    if bend < 0.0 and width < max(4, span):
        shift = min(max(-slope / (2.0 * bend), -float(span)), float(span))
        # Noise moves the slope at the middle and the bend; a narrow peak is no parabola.
        by_slope = noise / (-2.0 * bend * math.sqrt(squares))
        by_bend = abs(shift) * noise * math.sqrt(n / determinant) / -bend
        misfit = 0.06 * span * span * span * -bend / size if size > 0.0 else 0.0
        jitter = min(math.sqrt(by_slope * by_slope + by_bend * by_bend + misfit * misfit), float(span))
    else:
        # A clipped top: its middle.
        shift = 0.5 * (after - ahead)
        jitter = width / math.sqrt(12.0)
    candidates[row, column] = at + shift
    candidates[row, column + 1] = size
    candidates[row, column + 2] = max(jitter, 0.01)
