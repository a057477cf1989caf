"""Rows with the same components missing, served together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms.base import Floats, Mask

_TABLE_BITS = 16


def patterns_of(counted: Mask) -> tuple[Mask, NDArray[np.int64]]:
    """Distinct rows of a mask.

    Parameters
    ----------
    counted
        (rows, components).

    Returns
    -------
    (patterns, components) distinct rows, and for each row of ``counted`` the number of its pattern.
    """
    rows, p = counted.shape
    if rows == 0 or counted.all():
        return np.ones((min(rows, 1), p), dtype=np.bool_), np.zeros(rows, dtype=np.int64)
    if p <= _TABLE_BITS:
        # A table of all patterns is several times faster than sorting the rows.
        code = counted.astype(np.int64) @ (1 << np.arange(p, dtype=np.int64))
        present = np.bincount(code, minlength=1 << p) > 0
        which: NDArray[np.int64] = (np.cumsum(present) - 1)[code]
        codes = np.flatnonzero(present)
        return (codes[:, None] >> np.arange(p)) & 1 == 1, which
    packed = np.packbits(counted, axis=1, bitorder="little")
    distinct, inverse = np.unique(packed, axis=0, return_inverse=True)
    found: Mask = np.unpackbits(distinct, axis=1, count=p, bitorder="little").astype(np.bool_)
    return found, inverse.reshape(rows).astype(np.int64)


def masked(matrix: Floats, patterns: Mask) -> Floats:
    """A symmetric matrix for each pattern: components that do not count are cut off, with 1 on their diagonal.

    Returns (patterns, components, components). Solving such a system with 0 on the right for what does not count is
    solving the system of the submatrix.
    """
    both = patterns[:, :, None] & patterns[:, None, :]
    result: Floats = np.where(both, matrix, np.eye(len(matrix)))
    return result


def taken(table: Floats, which: NDArray[np.int64], *at: int) -> Floats | float:
    """One coefficient of a table by pattern for every row: a number when all rows have one pattern."""
    if len(table) == 1:
        return float(table[(0, *at)])
    found: Floats = table[(which, *at)]
    return found
