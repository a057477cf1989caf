"""Rows of a table that are written plainly, read by a compiled kernel into memory that is used again and again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from allostat.kernels import text_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from allostat_devices.text_lines import Block

_REAL = (text_columns.NUMBER, text_columns.NUMBER_OR_MISSING)


class PlainBlock(NamedTuple):
    """What was read of one block."""

    lines: int
    """Number of lines of whatever kind."""
    good: NDArray[np.int64]
    """Which of them were read, counted from 0."""
    odd: list[int]
    """Which of them need judgement; the others are blank."""
    arrays: list[NDArray[Any]]
    """Each wanted column of the lines that were read; overwritten when the next block is read."""


class PlainRows:
    """Reader of the plain rows of one table.

    Parameters
    ----------
    separator
        Character between columns.
    width
        Fields that a row has.
    wanted
        For each wanted column, its place in the row and what it holds (`allostat.kernels.text_columns`).
    """

    def __init__(self, separator: str, width: int, wanted: Sequence[tuple[int, int]]) -> None:
        self._separator, self._width, self._wanted = ord(separator), width, tuple(wanted)
        self._kinds = np.full(width, text_columns.PASSED_OVER, np.int64)
        for place, kind in wanted:
            self._kinds[place] = kind
        self._numbers, self._integers = np.empty((width, 0)), np.empty((width, 0), np.int64)
        self._states = np.empty(0, np.int8)

    def read(self, block: Block) -> PlainBlock:
        """All plain rows of a block of whole lines."""
        if isinstance(block, list):
            # a letter beyond ASCII makes its own row odd and no other
            block = ("\n".join(block) + "\n").encode("utf-8", "surrogateescape") if block else b""
        if len(block) > len(self._states):
            capacity = len(block) // self._width + 1
            self._numbers = np.empty((self._width, capacity))
            self._integers = np.empty((self._width, capacity), np.int64)
            self._states = np.empty(len(block), np.int8)
        n = text_columns.read_columns(
            np.frombuffer(block, np.uint8), self._separator, self._kinds, self._numbers, self._integers, self._states
        )
        states = self._states[:n]
        good = np.flatnonzero(states == text_columns.READ)
        odd = [] if len(good) == n else np.flatnonzero(states == text_columns.ODD).tolist()
        arrays = [
            (self._numbers if kind in _REAL else self._integers)[place, : len(good)] for place, kind in self._wanted
        ]
        return PlainBlock(n, good, odd, arrays)
