"""Quarter ranges of a window that slides along a series.

The window is kept in order. When it moves on by one value, one leaves and one enters: either the values between their
places go one place to the left, or all others do, and the window as a whole then begins one place further left. So it
is written in place and in one direction. Each element is chosen among its neighbours without a branch, which lets one
instruction work on several of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import inlined_kernel, lean_inner_kernel

LONGEST_WINDOW = 127
_STEPS = 512
"""Steps towards the front of the store that the window can make before it is put back to its end."""
ROOM = _STEPS + LONGEST_WINDOW + 9
"""Length of the working array."""
_NOT_FROM_THE_END = 1023
"""No place in the store is as high; one so masked is known not to be counted from the end, which would take time."""


@inlined_kernel
def _moved_on(store: NDArray[np.float64], at: int, width: int, enters: float, leaves: float) -> int:
    """Let the window that begins at ``store[at]`` take a size in and drop one; returns where it begins then."""
    if enters > leaves:  # those in between go one place to the left
        held = store[at & _NOT_FROM_THE_END :]
        for k in range(width):
            here, after = held[k], held[k + 1]
            moved = after if after < enters else enters
            moved = moved if here < enters else here
            held[k] = here if here < leaves else moved
        return at
    at -= 1  # all but those in between go one place to the left, into the free first place
    held = store[at & _NOT_FROM_THE_END :]
    for k in range(width):
        before, here = held[k], held[k + 1]
        moved = before if before > enters else enters
        moved = moved if here > enters else here
        held[k] = here if here > leaves else moved
    if at > 0:
        return at
    for k in range(width, -1, -1):
        store[_STEPS + k] = store[k]
    for k in range(_STEPS):
        store[k] = -1.0
    return _STEPS


@lean_inner_kernel
def quarter_ranges(
    values: NDArray[np.float64],
    window: int,
    out: NDArray[np.float64],
    first: int,
    stop: int,
    room: NDArray[np.float64],
) -> None:
    """Range from the first to the third quarter of the sizes in the centred window around each value.

    Parameters
    ----------
    values
        (n,) the series, finite. Sizes are absolute values.
    window
        Length of the window, odd, at most `LONGEST_WINDOW`. At the ends of the series it shrinks.
    out
        Written in ``first:stop``.
    first, stop
        Places at which the window is centred.
    room
        (ROOM,) working array.
    """
    n, half = len(values), window // 2
    # The window stands in store[at:], behind it infinity, and before it what is less than any size.
    store, at = room[:ROOM], _STEPS
    for k in range(ROOM):
        store[k] = -1.0 if k < _STEPS else np.inf
    begin = max(first - half, 0)
    size, low, high, low_share, high_share = 0, 0, 0, 0.0, 0.0
    for k in range(begin, stop + half):
        enters = abs(values[k]) if k < n else np.inf
        leaves = abs(values[k - window]) if k - window >= begin else np.inf
        # Whole vectors of the processor: what is left over would go one by one.
        at = _moved_on(store, at, (min(k - begin, window) + 4) // 4 * 4, enters, leaves)
        i = k - half
        if i < first:
            continue
        inside = min(i + half + 1, n) - max(i - half, 0)
        if inside != size:
            size = inside
            low, high = int(0.25 * (size - 1)), int(0.75 * (size - 1))
            low_share, high_share = 0.25 * (size - 1) - low, 0.75 * (size - 1) - high
        ordered, more = store[at & _NOT_FROM_THE_END :], min(1, size - 1)
        lower, upper = ordered[low], ordered[high]
        lower += (ordered[low + more] - lower) * low_share
        upper += (ordered[high + more] - upper) * high_share
        out[i] = upper - lower
