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
    since_ns: list[NDArray[np.float64]] = [np.empty(0)]
    values: list[NDArray[np.float64]] = [np.empty(0)]
    for piece in pieces:
        if piece.end_ns > start_ns and piece.t0_ns < end_ns:
            since_ns.append(piece.t0_ns - start_ns + np.arange(float(len(piece.raw))) * (NS_PER_S / piece.rate_hz))
            values.append(piece.raw.astype(np.float64) * piece.scale)
    unit = pieces[-1].unit if pieces else ""
    return _drawn(np.concatenate(since_ns), np.concatenate(values), end_ns - start_ns, width, height, unit)


def tachogram_strip(
    intervals: Sequence[tuple[int, float]], start_ns: int, end_ns: int, width: int, height: int
) -> BrailleStrip:
    """Draw beat-to-beat intervals, each as a level over its own length: a gap between beats stays empty.

    Parameters
    ----------
    intervals
        Instant of the beat, ns, and the interval that ends there, ms.
    """
    lengths_ms = np.array([length for _, length in intervals])
    starts_ns = np.array([end - start_ns for end, _ in intervals], np.float64) - lengths_ms * 1e6
    columns_ns = (end_ns - start_ns) / (2 * width)
    counts = np.maximum(1, np.ceil(lengths_ms * 1e6 / columns_ns)).astype(np.int64)
    places = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    since_ns = np.repeat(starts_ns, counts) + places * np.repeat(lengths_ms * 1e6 / counts, counts)
    return _drawn(since_ns, np.repeat(lengths_ms, counts), end_ns - start_ns, width, height, "ms")


def _drawn(
    since_ns: NDArray[np.float64], found: NDArray[np.float64], span_ns: int, width: int, height: int, unit: str
) -> BrailleStrip:
    columns, rows = 2 * width, 4 * height
    at = np.floor(since_ns * (columns / span_ns)).astype(np.int64)
    inside = np.flatnonzero((at >= 0) & (at < columns))
    if not len(inside):
        return BrailleStrip((" " * width,) * height, float("nan"), float("nan"), unit)
    order = inside[np.argsort(at[inside], kind="stable")]
    where, values = at[order], found[order]
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
    cells = (dots.reshape(height, 4, width, 2) * _DOTS[None, :, None, :]).sum(axis=(1, 3)) + _BLANK
    text = cells.astype("<u4").tobytes().decode("utf-32-le").replace(chr(_BLANK), " ")
    return BrailleStrip(tuple(text[i * width : (i + 1) * width] for i in range(height)), low, high, unit)
