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
- The PhysioNet Cardiovascular Signal Toolbox counts B among all templates of length m, one more than can be prolonged,
  which moves SampEn by some 0.3 % in five minutes; its ApEn is the logarithm of the mean share of matches instead of
  the mean of logarithms, another measure.
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

from allostat.kernels.compiled import inner_kernel, kernel

MEASURES = ("sample_entropy", "approximate_entropy")
"""Columns of `windowed`, in order."""

LONGEST_TEMPLATE = 16

_ONE, _TWO, _FOUR, _EIGHT = np.uint64(1), np.uint64(2), np.uint64(4), np.uint64(8)
_SIXTEEN, _THIRTY_TWO = np.uint64(16), np.uint64(32)
_PAIRS, _NIBBLES, _BYTES = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333), np.uint64(0x0F0F0F0F0F0F0F0F)
_COUNT = np.uint64(0xFF)


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
    sample, approximate, shorter, longer = _entropies(nn, m, _tolerance(nn, r_ms or 0.0, r_sd, strict))
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
    r = _tolerance(nn, r_ms or 0.0, r_sd, strict)
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


@kernel
def _tolerance(nn: NDArray[np.float64], r_ms: float, r_sd: float, strict: bool) -> float:
    """The largest distance that is a match; ``r_ms`` 0 asks for the share of the standard deviation (divisor n - 1)."""
    r = r_ms
    if r_ms == 0.0:
        n, total, squares = 0, 0.0, 0.0
        for i in range(len(nn)):
            if math.isfinite(nn[i]):
                n += 1
                total += nn[i]
        for i in range(len(nn)):
            if math.isfinite(nn[i]):
                squares += (nn[i] - total / n) ** 2
        r = r_sd * math.sqrt(squares / (n - 1)) if n > 1 else math.nan
    # What is less than r is at most the number before r.
    return np.nextafter(r, 0.0) if strict else r


@inner_kernel
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


@inner_kernel
def _ascending(values: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Positions of the finite values in ascending order of these, and the values in this order (merge sort)."""
    place, key = np.empty(len(values), np.int64), np.empty(len(values))
    n = 0
    for i in range(len(values)):
        value = values[i]
        if not math.isfinite(value):
            continue
        k = n
        # Runs of eight by insertion.
        while k > n - n % 8 and key[k - 1] > value:
            place[k], key[k] = place[k - 1], key[k - 1]
            k -= 1
        place[k], key[k] = i, value
        n += 1
    other_place, other_key = np.empty(len(values), np.int64), np.empty(len(values))
    width = 8
    while width < n:
        for begin in range(0, n, 2 * width):
            a, b = begin, min(begin + width, n)
            middle, end = b, min(begin + 2 * width, n)
            k = begin
            # Which of the two comes next cannot be foreseen: chosen by arithmetic instead of a branch.
            while a < middle and b < end:
                later = key[b] < key[a]
                take = b if later else a
                other_place[k], other_key[k] = place[take], key[take]
                b += later
                a += not later
                k += 1
            for rest in range(a, middle):
                other_place[k], other_key[k] = place[rest], key[rest]
                k += 1
            for rest in range(b, end):
                other_place[k], other_key[k] = place[rest], key[rest]
                k += 1
        place, other_place = other_place, place
        key, other_key = other_key, key
        width *= 2
    return place[:n], key[:n]


@inner_kernel
def _neighbours(
    order: NDArray[np.int64],
    ordered: NDArray[np.float64],
    r: float,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> None:
    """Ranks ``low[i]:high[i]`` of the values within r of value i."""
    n, a, b = len(order), 0, 0
    for k in range(n):
        value = ordered[k]
        while b < n and ordered[b] - value <= r:
            b += 1
        while value - ordered[a] > r:
            a += 1
        low[order[k]] = a
        high[order[k]] = b


@inner_kernel
def _rows(
    order: NDArray[np.int64],
    begin: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    smallest: NDArray[np.uint64],
    rows: NDArray[np.uint64],
    matches: NDArray[np.uint64],
) -> None:
    """For each value the set of those of the 64 positions from ``begin`` on whose values are within r, twice: the
    matches of templates of length 1 begin as the same.
    """
    found = np.uint64(0)
    for k in range(len(order)):
        at = order[k] - begin
        if 0 <= at < 64:
            found |= _ONE << np.uint64(at)
        smallest[k + 1] = found
    for i in range(len(low)):
        rows[i] = smallest[high[i]] ^ smallest[low[i]]
        matches[i] = rows[i]


@inner_kernel
def _narrow(rows: NDArray[np.uint64], matches: NDArray[np.uint64]) -> None:
    """Keep of the matches of each template those that match one interval further on, when ``matches`` are those of
    templates one shorter: the next template's matches moved back by one, and among the first interval's own.
    """
    for i in range(len(rows) - 1):
        matches[i] = rows[i] & (matches[i + 1] >> _ONE)
    matches[len(rows) - 1] = 0


@inner_kernel
def _add_sizes(matches: NDArray[np.uint64], among: np.uint64, sizes: NDArray[np.int64]) -> None:
    """Add the number of elements of each set that are in ``among`` too."""
    for i in range(len(matches)):
        x = matches[i] & among
        # Bits are added up in pairs, fours and bytes; no product, which could overflow.
        x = x - ((x >> _ONE) & _PAIRS)
        x = (x & _NIBBLES) + ((x >> _TWO) & _NIBBLES)
        x = (x + (x >> _FOUR)) & _BYTES
        x = x + (x >> _EIGHT)
        x = x + (x >> _SIXTEEN)
        x = x + (x >> _THIRTY_TWO)
        sizes[i] += np.int64(x & _COUNT)


@inner_kernel
def _count(
    values: NDArray[np.float64],
    m: int,
    r: float,
    ends: NDArray[np.int64],
    shorter: NDArray[np.int64],
    longer: NDArray[np.int64],
) -> None:
    """Count for each template, itself included, the matches of length m that are the last of a stretch (``ends``) and
    that can be prolonged (``shorter``), and the matches of length m + 1 (``longer``).
    """
    n = len(values)
    order, ordered = _ascending(values)
    low, high = np.zeros(n, np.int64), np.zeros(n, np.int64)
    _neighbours(order, ordered, r, low, high)
    smallest, rows, matches = np.zeros(n + 1, np.uint64), np.empty(n, np.uint64), np.empty(n, np.uint64)
    # Of the 64 positions of a word the last m begin templates that end beyond: the next word has them again.
    for begin in range(0, n, 64 - m):
        prolonged, last, run = np.uint64(0), np.uint64(0), 0
        for i in range(min(begin + 64, n) - 1, begin - 1, -1):
            run = run + 1 if math.isfinite(values[i]) else 0
            if i < begin + 64 - m:
                if run > m:
                    prolonged |= _ONE << np.uint64(i - begin)
                elif run == m:
                    last |= _ONE << np.uint64(i - begin)
        _rows(order, begin, low, high, smallest, rows, matches)
        for _ in range(m - 1):
            _narrow(rows, matches)
        _add_sizes(matches, prolonged, shorter)
        if last:
            _add_sizes(matches, last, ends)
        _narrow(rows, matches)
        _add_sizes(matches, prolonged, longer)


@kernel
def _entropies(values: NDArray[np.float64], m: int, r: float) -> tuple[float, float, int, int]:
    """SampEn, ApEn and the pairs of matches of length m and m + 1."""
    if not r > 0.0 or len(values) < m + 2:
        return math.nan, math.nan, 0, 0
    ends, shorter = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    longer = np.zeros(len(values), np.int64)
    _count(values, m, r, ends, shorter, longer)
    templates, longer_templates, matches, longer_matches = 0, 0, 0, 0
    phi, phi_longer = 0.0, 0.0
    # A template matches itself: the count of one that exists is not 0.
    for i in range(len(values)):
        if longer[i] > 0:
            longer_templates += 1
            matches += shorter[i]
            longer_matches += longer[i]
            phi_longer += math.log(longer[i])
        if shorter[i] + ends[i] > 0:
            templates += 1
            phi += math.log(shorter[i] + ends[i])
    if longer_templates < 2:
        return math.nan, math.nan, 0, 0
    phi = phi / templates - math.log(templates)
    phi_longer = phi_longer / longer_templates - math.log(longer_templates)
    pairs, longer_pairs = (matches - longer_templates) // 2, (longer_matches - longer_templates) // 2
    return _minus_log_ratio(longer_pairs, pairs), phi - phi_longer, pairs, longer_pairs


@kernel
def _windowed(
    nn: NDArray[np.float64], first: NDArray[np.int64], stop: NDArray[np.int64], m: int, r_sd: float, strict: bool
) -> NDArray[np.float64]:
    out = np.empty((len(first), 2))
    for k in range(len(first)):
        values = nn[first[k] : stop[k]]
        found = _entropies(values, m, _tolerance(values, 0.0, r_sd, strict))
        out[k, 0], out[k, 1] = found[0], found[1]
    return out
