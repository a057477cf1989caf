"""Triangular index and TINN, the triangle found by trying all pairs of corners."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import floor, isfinite, nan


def histogram(nn, bin_ms):
    return Counter(floor(v / bin_ms) for v in nn if isfinite(v))


def peak(bins):
    fullest = max(bins.values())
    return min(b for b, count in bins.items() if count == fullest), fullest


def triangular_index(nn, bin_ms):
    bins = histogram(nn, bin_ms)
    return sum(bins.values()) / peak(bins)[1] if bins else nan


def error(bins, left, top, height, right):
    total = Fraction(0)
    for b in range(min(left, *bins), max(right, *bins) + 1):
        side = Fraction(0)
        if left < b <= top:
            side = height * Fraction(b - left, top - left)
        elif top <= b < right:
            side = height * Fraction(right - b, right - top)
        total += (bins.get(b, 0) - side) ** 2
    return total


def tinn(nn, bin_ms):
    bins = histogram(nn, bin_ms)
    if len(bins) < 2:
        return nan
    top, height = peak(bins)
    span = 2 * (max(bins) - min(bins)) + 2
    corners = [(top - a, top + b) for a in range(1, span) for b in range(1, span)]
    # The narrower one of triangles that fit equally well.
    left, right = min(corners, key=lambda c: (error(bins, c[0], top, height, c[1]), c[1] - c[0]))
    return (right - left) * bin_ms
