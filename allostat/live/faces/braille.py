"""A signal drawn with Braille dots: two columns and four rows of dots per character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.live.faces.board import TracePiece
from allostat.sampling import NS_PER_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BLANK = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], dtype=np.int64)
"""Bit of each dot of a character, by row and column (Unicode block U+2800)."""


@dataclass(frozen=True, slots=True)
class BrailleStrip:
    """Lines of text, all of one width, and the physical values at the bottom and at the top."""

    lines: tuple[str, ...]
    low: float
    high: float
    unit: str


def braille_strip(pieces: Sequence[TracePiece], start_ns: int, end_ns: int, width: int, height: int) -> BrailleStrip:
    """Draw what lies between two instants into ``width`` × ``height`` characters.

    Each column of dots shows the lowest to the highest value of its samples and is joined to the column before it;
    where no sample lies, nothing is drawn, so that a gap stays a gap.
    """
    columns, rows = 2 * width, 4 * height
    where, values = _in_columns(pieces, start_ns, end_ns, columns)
    unit = pieces[-1].unit if pieces else ""
    if not len(values):
        return BrailleStrip((" " * width,) * height, float("nan"), float("nan"), unit)
    low, high = float(values.min()), float(values.max())
    level = np.rint((values - low) * ((rows - 1) / ((high - low) or 1.0))).astype(np.int64)
    first = np.flatnonzero(np.diff(where, prepend=-1))
    column = where[first]
    bottom, top = np.minimum.reduceat(level, first), np.maximum.reduceat(level, first)
    joined = np.flatnonzero(np.diff(column, prepend=-2) == 1)
    previous = level[first[joined] - 1]
    bottom[joined] = np.minimum(bottom[joined], previous)
    top[joined] = np.maximum(top[joined], previous)
    height_of = np.arange(rows - 1, -1, -1)[:, None]
    dots = np.zeros((rows, columns), dtype=bool)
    dots[:, column] = (height_of >= bottom) & (height_of <= top)
    cells = (dots.reshape(height, 4, width, 2) * _DOTS[None, :, None, :]).sum(axis=(1, 3))
    lines = tuple("".join(chr(_BLANK + int(c)) if c else " " for c in row) for row in cells)
    return BrailleStrip(lines, low, high, unit)


def _in_columns(
    pieces: Sequence[TracePiece], start_ns: int, end_ns: int, columns: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Column and value of every sample within the span, in order of columns."""
    where, values = [np.empty(0, np.int64)], [np.empty(0)]
    for piece in pieces:
        if piece.end_ns <= start_ns or piece.t0_ns >= end_ns:
            continue
        times = piece.t0_ns - start_ns + np.arange(len(piece.raw)) * (NS_PER_S / piece.rate_hz)
        column = np.floor(times * (columns / (end_ns - start_ns))).astype(np.int64)
        inside = (column >= 0) & (column < columns)
        where.append(column[inside])
        values.append(piece.raw[inside] * piece.scale)
    at, found = np.concatenate(where), np.concatenate(values)
    order = np.argsort(at, kind="stable")
    return at[order], found[order]
