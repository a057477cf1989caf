"""Sample, approximate and multiscale entropy by comparing every template with every other one."""

from __future__ import annotations

import math
import statistics

import numpy as np


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


def physionet_toolbox(nn, m, r):
    """SampEn and ApEn as that toolbox has them: shares of all templates of either length; logarithms of the means."""

    def matching(length):
        n = len(nn) - length + 1
        pairs = [np.abs(np.subtract.outer(nn[k : k + n], nn[k : k + n])) for k in range(length)]
        return np.max(pairs, axis=0), n

    (near, n), (longer_near, longer_n) = matching(m), matching(m + 1)
    pairs = [(np.count_nonzero(d < r) - size) / (size * (size - 1)) for d, size in ((near, n), (longer_near, longer_n))]
    sample = math.log(pairs[0] / pairs[1]) if pairs[1] else math.nan
    return sample, math.log(np.mean(near <= r) / np.mean(longer_near <= r))


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
