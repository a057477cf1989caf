"""Sample, approximate and multiscale entropy by comparing every template with every other one."""

from __future__ import annotations

import math
import statistics


def templates(nn, length):
    """Position and values of all runs of finite intervals of this length."""
    found = ((i, nn[i : i + length]) for i in range(len(nn) - length + 1))
    return {i: run for i, run in found if all(map(math.isfinite, run))}


def match(a, b, r, strict):
    distance = max(abs(x - y) for x, y in zip(a, b, strict=True))
    return distance < r if strict else distance <= r


def tolerance(nn, r_sd=0.2):
    finite = [v for v in nn if math.isfinite(v)]
    return r_sd * statistics.stdev(finite) if len(finite) > 1 else math.nan


def counts(nn, m, r, strict=False):
    """Pairs of matching templates of length m and of length m + 1, of those that can be prolonged."""
    long = templates(nn, m + 1)
    pairs = [(i, j) for i in long for j in long if i < j]
    shorter = sum(match(nn[i : i + m], nn[j : j + m], r, strict) for i, j in pairs)
    longer = sum(match(long[i], long[j], r, strict) for i, j in pairs)
    return shorter, longer


def sample_entropy(nn, m, r, strict=False):
    shorter, longer = counts(nn, m, r, strict)
    return -math.log(longer / shorter) if longer else math.nan


def phi(nn, m, r, strict):
    all_of_them = templates(nn, m).values()
    shares = [sum(match(a, b, r, strict) for b in all_of_them) / len(all_of_them) for a in all_of_them]
    return math.fsum(map(math.log, shares)) / len(shares)


def approximate_entropy(nn, m, r, strict=False):
    if len(templates(nn, m + 1)) < 2:
        return math.nan
    return phi(nn, m, r, strict) - phi(nn, m + 1, r, strict)


def averages(nn, scale, offset):
    out, run = [], []
    for value in [*nn, math.nan]:
        if math.isfinite(value):
            run.append(value)
            continue
        run = run[offset:]
        out += [sum(run[k : k + scale]) / scale for k in range(0, len(run) - scale + 1, scale)]
        out.append(math.nan)
        run = []
    return out


def multiscale_entropy(nn, m, r, scale, kind):
    coarse = [averages(nn, scale, offset) for offset in range(1 if kind == "multiscale" else scale)]
    if kind == "refined":
        shorter, longer = (sum(column) for column in zip(*(counts(c, m, r) for c in coarse), strict=True))
        return -math.log(longer / shorter) if longer else math.nan
    defined = [value for c in coarse if not math.isnan(value := sample_entropy(c, m, r))]
    return math.fsum(defined) / len(defined) if defined else math.nan
