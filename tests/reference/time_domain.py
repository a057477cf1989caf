"""Time-domain measures, one formula each, over explicit lists of intervals and differences."""

from __future__ import annotations

import itertools
import math
import statistics


def differences(nn):
    return [b - a for a, b in itertools.pairwise(nn) if math.isfinite(a) and math.isfinite(b)]


def time_domain(nn):
    nn = [float(v) for v in nn]
    finite = [v for v in nn if math.isfinite(v)]
    change = differences(nn)
    nan = math.nan
    out = {"n_intervals": len(finite), "n_differences": len(change)}
    mean = math.fsum(finite) / len(finite) if finite else nan
    out["mean_nn"] = mean
    out["median_nn"] = statistics.median(finite) if finite else nan
    out["min_nn"], out["max_nn"] = (min(finite), max(finite)) if finite else (nan, nan)
    out["sdnn"] = statistics.stdev(finite) if len(finite) > 1 else nan
    out["rmssd"] = math.sqrt(math.fsum(d * d for d in change) / len(change)) if change else nan
    out["ln_rmssd"] = math.log(out["rmssd"]) if change and out["rmssd"] > 0 else nan
    out["sdsd"] = statistics.stdev(change) if len(change) > 1 else nan
    for limit in (20, 50):
        out[f"pnn{limit}"] = 100 * sum(abs(d) > limit for d in change) / len(change) if change else nan
    out["cvnn"] = 100 * out["sdnn"] / mean
    out["cv_rmssd"] = 100 * out["rmssd"] / mean
    out["hr_of_mean_nn"] = 60000 / mean
    out["mean_hr_of_beats"] = math.fsum(60000 / v for v in finite) / len(finite) if finite else nan
    out["min_hr"], out["max_hr"] = 60000 / out["max_nn"], 60000 / out["min_nn"]
    return out


def poincare(nn):
    pairs = [(a, b) for a, b in itertools.pairwise(nn) if math.isfinite(a) and math.isfinite(b)]
    if len(pairs) < 2:
        return math.nan, math.nan
    return (
        statistics.stdev((b - a) / math.sqrt(2) for a, b in pairs),
        statistics.stdev((b + a) / math.sqrt(2) for a, b in pairs),
    )
