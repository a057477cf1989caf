"""SDANN and SDNN index from lists of segments."""

from __future__ import annotations

import math
import statistics


def long_term(nn, ends_s, start_s, segment_s=300.0, least_share=0.8):
    segments = {}
    for value, end in zip(nn, ends_s, strict=True):
        if math.isfinite(value) and end >= start_s:
            segments.setdefault(math.floor((end - start_s) / segment_s), []).append(value)
    kept = [s for s in segments.values() if sum(s) >= 1000 * segment_s * least_share]
    if len(kept) < 2:
        return math.nan, math.nan, len(kept)
    spread = [statistics.stdev(s) for s in kept if len(s) > 1]
    sdann = statistics.stdev([statistics.fmean(s) for s in kept])
    return sdann, statistics.fmean(spread) if spread else math.nan, len(kept)
