"""Quartiles and medians of a window that slides along a series.

The window is kept in order. When it moves on by one value, one leaves and one enters: either the values between their
places go one place to the left, or all others do, and the window as a whole then begins one place further left. So it
is written in place and in one direction. Each element is chosen among its neighbours without a branch, which lets one
instruction work on several of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inner_kernel, kernel

_ROOM = 512
"""Steps towards the front of the store that the window can make before it is put back to its end."""


@inner_kernel
def _to_the_left(held: NDArray[np.float64], width: int, enters: float, leaves: float) -> None:
    """Take a value in and drop a smaller one: those in between go one place to the left."""
    for k in range(width):
        here, after = held[k], held[k + 1]
        moved = after if after < enters else enters
        moved = moved if here < enters else here
        held[k] = here if here < leaves else moved


@inner_kernel
def _all_others_to_the_left(held: NDArray[np.float64], width: int, enters: float, leaves: float) -> None:
    """Take a value in and drop a larger one: all but those in between go to the left, into the free first place."""
    held[0] = -np.inf
    for k in range(width):
        before, here = held[k], held[k + 1]
        moved = before if before > enters else enters
        moved = moved if here > enters else here
        held[k] = here if here > leaves else moved


@kernel
def running(
    values: NDArray[np.float64], window: int, spread: bool, out: NDArray[np.float64], first: int, stop: int
) -> None:
    """Median of the centred window around each value, or (``spread``) the quarter range of the sizes in it.

    Parameters
    ----------
    values
        (n,) the series, finite.
    window
        Length of the window, odd. At the ends of the series it shrinks.
    spread
        Whether the range from the first to the third quarter of the absolute values is wanted, not the median.
    out
        Written in ``first:stop``.
    first, stop
        Places at which the window is centred.
    """
    n, half = len(values), window // 2
    # The window stands in store[at:], and behind it infinity; before its first and after its last value too.
    store = np.full(_ROOM + window + 8, np.inf)
    at = _ROOM
    begin = max(first - half, 0)
    size, low, high, low_share, high_share = 0, 0, 0, 0.0, 0.0
    for k in range(begin, stop + half):
        enters = values[k] if k < n else np.inf
        leaves = values[k - window] if k - window >= begin else np.inf
        if spread:
            enters, leaves = abs(enters), abs(leaves)
        # Whole vectors of the processor: what is left over would go one by one.
        width = (min(k - begin, window) + 4) // 4 * 4
        if enters > leaves:
            _to_the_left(store[at:], width, enters, leaves)
        else:
            at -= 1
            _all_others_to_the_left(store[at:], width, enters, leaves)
            if at == 0:
                for j in range(width, -1, -1):
                    store[_ROOM + j] = store[j]
                at = _ROOM
        i = k - half
        if i < first:
            continue
        inside = min(i + half + 1, n) - max(i - half, 0)
        if inside != size:
            size = inside
            place = (0.25 if spread else 0.5) * (size - 1)
            low = int(place)
            low_share = place - low
            place = 0.75 * (size - 1)
            high = int(place)
            high_share = place - high
        value = store[at + low]
        value += (store[at + min(low + 1, size - 1)] - value) * low_share
        if spread:
            upper = store[at + high]
            value = upper + (store[at + min(high + 1, size - 1)] - upper) * high_share - value
        out[i] = value
