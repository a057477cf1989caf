"""Sample, approximate and multiscale entropy of NN intervals.

Sources: Pincus 1991, 10.1073/pnas.88.6.2297 (ApEn); Richman and Moorman 2000, 10.1152/ajpheart.2000.278.6.H2039
(SampEn); Costa, Goldberger and Peng 2002, 10.1103/PhysRevLett.89.068102 (multiscale); Wu et al. 2013,
10.3390/e15031069 (composite) and 2014, 10.1016/j.physleta.2014.03.034 (refined composite).

Templates are m (and m + 1) successive intervals; two match when no interval of one lies further than the tolerance r
from its counterpart. SampEn is ``-ln(A / B)``: B pairs of matching templates of length m, A of length m + 1, both
among the templates that can be prolonged to m + 1, no template with itself. ApEn is ``phi(m) - phi(m + 1)``, phi the
mean logarithm of the share of templates that match, each with itself included.

What tools do differently, and what is done here
- A distance equal to r is a match, as both papers have it ("within r"); ``strict=True`` asks for less than r, as
  PhysioNet's sampen does. On intervals of a clock (1/128 s) the two differ.
- r is 0.2 of the standard deviation with divisor n - 1 of the series that is given: whether that series is detrended
  changes SampEn by up to a factor of 2, so the caller says which it is. Multiscale entropy keeps the r of scale 1.
- NaN is a gap: a template never contains or spans one, but templates of all stretches are compared with each other.
- Without any matching pair SampEn is undefined: NaN, not infinity. A series without variation has no r of its own:
  NaN; with a given r it is perfectly regular and both entropies are 0.

How matches are counted: exactly, by sets of bits. Sorted by size, the intervals within r of interval i are
neighbours, so the set of their positions is the exclusive or of two of the sets "positions of the k smallest". A
template's matches are the sets of its intervals, each moved back to the template's start, intersected. This takes
n^2 / 64 steps of a few instructions and gives the counts of a comparison of all pairs to the last one, because
rounding keeps the order of differences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from allostat.kernels.compiled import kernel
from allostat.kernels.time_domain import _mean_and_sd, sdnn

MEASURES = ("sample_entropy", "approximate_entropy")
"""Columns of `windowed`, in order."""

LONGEST_TEMPLATE = 16

_WORDS = 8
_COLUMNS = 64 * _WORDS
_ONE, _TWO, _FOUR, _EIGHT = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(8)
_SIXTEEN, _THIRTY_TWO, _TOP = np.uint64(16), np.uint64(32), np.uint64(63)
_PAIRS, _NIBBLES, _BYTES = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_EVEN_BYTES, _COUNT = np.uint64(0x00FF00FF00FF00FF), np.uint64(0xFFFF)


class Entropies(NamedTuple):
    """Both entropies in nats, and what they rest on."""

    sample: float
    approximate: float
    matches: int
    """Pairs of matching templates of length m, each pair once (B)."""
    longer_matches: int
    """Pairs that match with length m + 1 too (A)."""


def entropies(
    nn_ms: NDArray[Any], m: int = 2, r_ms: float | None = None, *, r_sd: float = 0.2, strict: bool = False
) -> Entropies:
    """Sample and approximate entropy from one count of matches.

    Parameters
    ----------
    nn_ms
        (n,) intervals in ms; NaN is a gap.
    m
        Template length, 1 to 16.
    r_ms
        Tolerance in ms; ``r_sd`` times the standard deviation of the intervals when None.
    strict
        Whether a distance of exactly r is no match.

    Raises
    ------
    ValueError
        When m, r_ms or r_sd are out of range.
    """
    nn = _series(nn_ms)
    _check(m, r_ms, r_sd)
    r = r_sd * sdnn(nn) if r_ms is None else float(r_ms)
    sample, approximate, shorter, longer = _entropies(nn, m, _widest(r, strict))
    return Entropies(float(sample), float(approximate), int(shorter), int(longer))


def sample_entropy(
    nn_ms: NDArray[Any], m: int = 2, r_ms: float | None = None, *, r_sd: float = 0.2, strict: bool = False
) -> float:
    """Sample entropy in nats; parameters as in `entropies`."""
    return entropies(nn_ms, m, r_ms, r_sd=r_sd, strict=strict).sample


def approximate_entropy(
    nn_ms: NDArray[Any], m: int = 2, r_ms: float | None = None, *, r_sd: float = 0.2, strict: bool = False
) -> float:
    """Approximate entropy in nats; parameters as in `entropies`."""
    return entropies(nn_ms, m, r_ms, r_sd=r_sd, strict=strict).approximate


def windowed(
    nn_ms: NDArray[Any],
    first: NDArray[Any],
    stop: NDArray[Any],
    m: int = 2,
    *,
    r_sd: float = 0.2,
    strict: bool = False,
) -> NDArray[np.float64]:
    """Both entropies (`MEASURES`) of the intervals ``first[k]:stop[k]`` of each window k: float64 (w, 2).

    The tolerance is ``r_sd`` times the standard deviation of each window.
    """
    _check(m, None, r_sd)
    return _windowed(
        _series(nn_ms),
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(stop, dtype=np.int64),
        m,
        float(r_sd),
        strict,
    )


def multiscale_entropy(
    nn_ms: NDArray[Any],
    m: int = 2,
    r_ms: float | None = None,
    scales: Iterable[int] = range(1, 21),
    *,
    r_sd: float = 0.2,
    strict: bool = False,
    kind: Literal["multiscale", "composite", "refined"] = "multiscale",
) -> NDArray[np.float64]:
    """Sample entropy of the series averaged over 1, 2, 3 … intervals.

    Parameters
    ----------
    nn_ms, m, r_ms, r_sd, strict
        As in `entropies`; the tolerance is that of the series itself at every scale.
    scales
        Numbers of intervals that are averaged without overlap. The averages begin anew after a gap.
    kind
        ``multiscale``: averages from the first interval on. ``composite``: mean of the entropies that are defined when
        the averages begin with the first, second … interval. ``refined``: the matches of all of these added up.

    Returns
    -------
    entropy
        float64 (scales,), in nats; NaN where nothing matches.

    Notes
    -----
    NeuroKit2 0.2.13 takes every scale-th interval instead of averages in its CMSEn and RCMSEn.
    """
    nn = _series(nn_ms)
    _check(m, r_ms, r_sd)
    chosen = [int(scale) for scale in scales]
    if min(chosen, default=1) < 1:
        raise ValueError(f"scales must be 1 or more, not {min(chosen)}")
    r = _widest(r_sd * sdnn(nn) if r_ms is None else float(r_ms), strict)
    out = np.full(len(chosen), np.nan)
    for k, scale in enumerate(chosen):
        offsets = 1 if kind == "multiscale" else scale
        found = [_entropies(_averages(nn, scale, offset), m, r) for offset in range(offsets)]
        if kind == "refined":
            out[k] = _minus_log_ratio(sum(f[3] for f in found), sum(f[2] for f in found))
        else:
            defined = [f[0] for f in found if not math.isnan(f[0])]
            out[k] = sum(defined) / len(defined) if defined else np.nan
    return out


def _series(nn_ms: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(nn_ms, dtype=np.float64)


def _check(m: int, r_ms: float | None, r_sd: float) -> None:
    if not 1 <= m <= LONGEST_TEMPLATE:
        raise ValueError(f"template length m must be 1 to {LONGEST_TEMPLATE}, not {m}")
    if r_ms is not None and not 0.0 < r_ms < math.inf:
        raise ValueError(f"tolerance must be a positive number of ms, not {r_ms}")
    if not 0.0 < r_sd < math.inf:
        raise ValueError(f"tolerance must be a positive share of the standard deviation, not {r_sd}")


def _widest(r: float, strict: bool) -> float:
    """The largest distance that is a match: less than r is at most the number before r."""
    return float(np.nextafter(r, 0.0)) if strict else r


@kernel
def _minus_log_ratio(longer: int, shorter: int) -> float:
    return -math.log(longer / shorter) if longer > 0 else math.nan


@kernel
def _averages(nn: NDArray[np.float64], scale: int, offset: int) -> NDArray[np.float64]:
    """Averages of ``scale`` intervals that follow each other, from ``offset`` on in each stretch; NaN between them."""
    out = np.empty(len(nn) + 1)
    n, inside, total, skipped = 0, 0, 0.0, 0
    for i in range(len(nn)):
        if not math.isfinite(nn[i]):
            inside, total, skipped = 0, 0.0, 0
            if n and not math.isnan(out[n - 1]):
                out[n] = math.nan
                n += 1
        elif skipped < offset:
            skipped += 1
        else:
            total += nn[i]
            inside += 1
            if inside == scale:
                out[n] = total / scale
                n += 1
                inside, total = 0, 0.0
    return out[:n]


@kernel
def _ascending(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of the finite values in ascending order of these (merge sort)."""
    order = np.empty(len(values), np.int64)
    n = 0
    for i in range(len(values)):
        if not math.isfinite(values[i]):
            continue
        k = n
        # Runs of eight by insertion.
        while k > n - n % 8 and values[order[k - 1]] > values[i]:
            order[k] = order[k - 1]
            k -= 1
        order[k] = i
        n += 1
    other = np.empty(len(values), np.int64)
    width = 8
    while width < n:
        for begin in range(0, n, 2 * width):
            middle, end = min(begin + width, n), min(begin + 2 * width, n)
            a, b = begin, middle
            for k in range(begin, end):
                if a < middle and (b >= end or values[order[a]] <= values[order[b]]):
                    other[k] = order[a]
                    a += 1
                else:
                    other[k] = order[b]
                    b += 1
        order, other = other, order
        width *= 2
    return order[:n]


@kernel
def _prefix_sets(
    values: NDArray[np.float64],
    order: NDArray[np.int64],
    begin: int,
    end: int,
    r: float,
    sets: NDArray[np.uint64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> None:
    """Sets ``sets[k]`` of the columns of the k smallest values at ``begin:end``, and which two of them enclose the
    values within r of each value: ``low`` and ``high``.
    """
    column = np.empty(end - begin, np.float64)
    n = 0
    for k in range(len(order)):
        at = order[k] - begin
        if 0 <= at < end - begin:
            column[n] = values[order[k]]
            for w in range(_WORDS):
                sets[n + 1, w] = sets[n, w]
            sets[n + 1, at >> 6] |= _ONE << np.uint64(at & 63)
            n += 1
    a, b = 0, 0
    for k in range(len(order)):
        value = values[order[k]]
        while b < n and column[b] - value <= r:
            b += 1
        while a < n and value - column[a] > r:
            a += 1
        low[order[k]] = a
        high[order[k]] = b


@kernel
def _bits(words: NDArray[np.uint64], among: NDArray[np.uint64]) -> int:
    """Number of bits that are set in both, `_WORDS` words each; no product, which could overflow."""
    total = np.uint64(0)
    for w in range(_WORDS):
        x = words[w] & among[w]
        x = x - ((x >> _ONE) & _PAIRS)
        x = (x & _NIBBLES) + ((x >> _TWO) & _NIBBLES)
        total += (x + (x >> _FOUR)) & _BYTES
    total = (total & _EVEN_BYTES) + ((total >> _EIGHT) & _EVEN_BYTES)
    total = total + (total >> _SIXTEEN)
    total = total + (total >> _THIRTY_TWO)
    return int(total & _COUNT)


@kernel
def _count(
    values: NDArray[np.float64], m: int, r: float, similar: NDArray[np.int64], similar_longer: NDArray[np.int64]
) -> int:
    """Add to ``similar`` how many templates of length m match each, to the other likewise for m + 1; both with itself.

    Returns the number of matches (ordered pairs and self-matches) of length m among templates that can be prolonged.
    """
    n = len(values)
    order = _ascending(values)
    run = np.zeros(n + 1, np.int64)
    """Finite intervals from here on, at most m + 1."""
    for i in range(n - 1, -1, -1):
        run[i] = min(run[i + 1] + 1, m + 1) if math.isfinite(values[i]) else 0
    sets = np.zeros((min(n, _COLUMNS) + 1, _WORDS), np.uint64)
    low, high = np.zeros(n, np.int64), np.zeros(n, np.int64)
    # One word more, always empty: what is moved into the last one.
    level = np.zeros((m + 1, _WORDS + 1), np.uint64)
    counted, prolonged = np.empty(_WORDS, np.uint64), np.empty(_WORDS, np.uint64)
    among_prolonged = 0
    begin = 0
    while begin < n:
        end = min(begin + _COLUMNS, n)
        # Templates that begin in the last columns end beyond them: they begin the next block.
        next_begin = end if end == n else end - m
        _prefix_sets(values, order, begin, end, r, sets, low, high)
        counted[:] = 0
        prolonged[:] = 0
        for i in range(begin, next_begin):
            bit = _ONE << np.uint64((i - begin) & 63)
            counted[(i - begin) >> 6] |= bit
            if run[i] > m:
                prolonged[(i - begin) >> 6] |= bit
        level[:] = 0
        for i in range(n - 1, -1, -1):
            for k in range(m, 0, -1):
                for w in range(_WORDS):
                    moved = (level[k - 1, w] >> _ONE) | (level[k - 1, w + 1] << _TOP)
                    level[k, w] = moved & (sets[high[i], w] ^ sets[low[i], w])
            for w in range(_WORDS):
                level[0, w] = sets[high[i], w] ^ sets[low[i], w]
            if run[i] >= m:
                similar[i] += _bits(level[m - 1], counted)
            if run[i] > m:
                similar_longer[i] += _bits(level[m], counted)
                among_prolonged += _bits(level[m - 1], prolonged)
        begin = next_begin
    return among_prolonged


@kernel
def _entropies(values: NDArray[np.float64], m: int, r: float) -> tuple[float, float, int, int]:
    """SampEn, ApEn and the pairs of matches of length m and m + 1."""
    if not r > 0.0:
        return math.nan, math.nan, 0, 0
    similar, similar_longer = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    shorter = _count(values, m, r, similar, similar_longer)
    templates, longer_templates, longer = 0, 0, 0
    phi, phi_longer = 0.0, 0.0
    # A template matches itself: none that exists has the count 0.
    for i in range(len(values)):
        if similar[i] > 0:
            templates += 1
            phi += math.log(similar[i])
        if similar_longer[i] > 0:
            longer_templates += 1
            longer += similar_longer[i]
            phi_longer += math.log(similar_longer[i])
    if longer_templates < 2:
        return math.nan, math.nan, 0, 0
    phi = phi / templates - math.log(templates)
    phi_longer = phi_longer / longer_templates - math.log(longer_templates)
    pairs, longer_pairs = (shorter - longer_templates) // 2, (longer - longer_templates) // 2
    return _minus_log_ratio(longer_pairs, pairs), phi - phi_longer, pairs, longer_pairs


@kernel
def _windowed(
    nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64], m: int, r_sd: float, strict: bool
) -> NDArray[np.float64]:
    out = np.empty((len(first), 2))
    for k in range(len(first)):
        values = nn[first[k] : stop[k]]
        r = r_sd * _mean_and_sd(values[np.isfinite(values)])[1]
        found = _entropies(values, m, np.nextafter(r, 0.0) if strict else r)
        out[k, 0], out[k, 1] = found[0], found[1]
    return out
