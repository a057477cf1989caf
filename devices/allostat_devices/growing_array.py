"""An array whose length is known only when all its parts have been read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class GrowingArray:
    """Parts of a one-dimensional array, put one behind the other.

    Parts that are kept until all are there, and joined then, take the memory twice, and filling new memory costs more
    than parsing. NumPy's ``resize`` is no way out: where memory that grows must move, its large pages are split.

    Parameters
    ----------
    dtype
        Type of all parts.
    expected
        Length that the array will probably have; memory that is not filled is not taken from the system.
    """

    def __init__(self, dtype: np.dtype[Any], expected: int = 0) -> None:
        self._values: NDArray[Any] = np.empty(expected, dtype)
        self._length = 0

    def extend(self, part: NDArray[Any]) -> None:
        """Put a part, which is copied, behind the others."""
        stop = self._length + len(part)
        if stop > len(self._values):
            larger = np.empty(max(stop, 2 * self._length), self._values.dtype)
            larger[: self._length] = self._values[: self._length]
            self._values = larger
        self._values[self._length : stop] = part
        self._length = stop

    def taken(self) -> NDArray[Any]:
        """The whole array without unused memory; nothing can be put behind it any more."""
        self._values.resize(self._length, refcheck=False)
        return self._values
