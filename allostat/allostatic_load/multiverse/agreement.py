"""Rank agreement between specifications: Spearman's correlation of every pair over the persons that both score.

Spearman 1904 (10.2307/1412159); ties have their mean rank. Ranks are taken anew among the persons of each pair, which
costs no sorting: the order of values is found once for each specification.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Ints = NDArray[np.int64]

FEW_PAIRED = 3
"""A correlation of fewer persons is NaN."""


@dataclass(frozen=True)
class Agreement:
    """Rank correlations.

    Parameters
    ----------
    rho
        (specifications, specifications), NaN where fewer than three persons are scored by both or one of the two gives
        all of them the same score.
    n
        (specifications, specifications) persons that both score.
    """

    rho: Floats
    n: Ints


@dataclass(frozen=True)
class ChoiceAgreement:
    """Agreement between specifications that differ in one choice and in nothing else."""

    median: float
    lowest: float
    pairs: int


def score_codes(scores: Floats) -> Ints:
    """`rank_codes` of each row of (specifications, participants)."""
    return np.array([rank_codes(row) for row in scores]).reshape(scores.shape)


def rank_codes(values: Floats) -> Ints:
    """Number of each value among the distinct values in ascending order; -1 for NaN."""
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    ordered = values[order]
    codes = np.full(len(values), -1, dtype=np.int64)
    codes[order] = np.cumsum(np.concatenate([[False], ordered[1:] != ordered[:-1]])[: len(order)])
    return codes


def mean_ranks(codes: Ints) -> Floats:
    """Ranks 1 to n of values by their codes (none of them -1); equal values have their mean rank."""
    counts = np.bincount(codes)
    ranks = np.cumsum(counts) - (counts - 1) / 2.0
    result: Floats = ranks[codes]
    return result


def scaled_ranks(codes: Ints) -> Floats:
    """Ranks of each row of `rank_codes` from 0 to 1: (rank - 1/2) / n; NaN where there is no value."""
    result = np.full(codes.shape, math.nan)
    for row, numbers in zip(result, codes, strict=True):
        known = numbers >= 0
        if known.any():
            row[known] = (mean_ranks(numbers[known]) - 0.5) / known.sum()
    return result


def rank_agreement(codes: Ints) -> Agreement:
    """Spearman's correlation of every pair of rows of codes (specifications, participants)."""
    count = len(codes)
    rho = np.full((count, count), math.nan)
    paired = np.zeros((count, count), dtype=np.int64)
    groups = _patterns(codes >= 0)
    own = [_unit_ranks(codes, rows, np.flatnonzero(mask)) for mask, rows in groups]
    for i, (mask_a, rows_a) in enumerate(groups):
        # Most pairs of masks are nested: their common persons occur again and again.
        among: dict[bytes, Floats] = {mask_a.tobytes(): own[i]}
        for k, (mask_b, rows_b) in enumerate(groups[i:], i):
            both = mask_a & mask_b
            n = int(both.sum())
            here, there = np.ix_(rows_a, rows_b), np.ix_(rows_b, rows_a)
            paired[here] = paired[there] = n
            if n < FEW_PAIRED:
                continue
            key = both.tobytes()
            at = np.flatnonzero(both)
            if key not in among:
                among[key] = _unit_ranks(codes, rows_a, at)
            b = own[k] if n == mask_b.sum() else _unit_ranks(codes, rows_b, at)
            block = np.clip(among[key] @ b.T, -1.0, 1.0)
            rho[here], rho[there] = block, block.T
    return Agreement(rho, paired)


def _patterns(known: Mask) -> list[tuple[Mask, Ints]]:
    """Distinct masks of persons and the specifications that have each."""
    rows: dict[bytes, list[int]] = {}
    for number, mask in enumerate(known):
        rows.setdefault(np.packbits(mask).tobytes(), []).append(number)
    return [(known[numbers[0]], np.array(numbers, dtype=np.int64)) for numbers in rows.values()]


def _unit_ranks(codes: Ints, rows: Ints, at: Ints) -> Floats:
    """Ranks among some persons, centred and of length 1, so that products are correlations; NaN without spread."""
    ranks = np.array([mean_ranks(codes[row, at]) for row in rows.tolist()])
    ranks -= (len(at) + 1) / 2.0
    length = np.sqrt((ranks**2).sum(axis=1, keepdims=True))
    unit: Floats = np.divide(ranks, length, out=np.full(ranks.shape, math.nan), where=length > 0)
    return unit


def choice_agreement(levels: Sequence[Mapping[str, str]], rho: Floats) -> dict[str, ChoiceAgreement]:
    """For each choice the agreement between specifications that differ in this choice alone.

    Parameters
    ----------
    levels
        Levels of each specification by choice.
    """
    found: dict[str, ChoiceAgreement] = {}
    for name in levels[0] if levels else ():
        others: dict[tuple[str, ...], list[int]] = {}
        for number, one in enumerate(levels):
            others.setdefault(tuple(v for n, v in one.items() if n != name), []).append(number)
        between = [rho[pair] for alike in others.values() for pair in itertools.combinations(alike, 2)]
        known = np.array([r for r in between if not math.isnan(r)])
        median, lowest = (float(np.median(known)), float(known.min())) if len(known) else (math.nan, math.nan)
        found[name] = ChoiceAgreement(median, lowest, len(between))
    return found
