"""Heart rate turbulence, one premature beat after the other."""

from __future__ import annotations

import numpy as np


def sinus(run, reference):
    return (
        np.isfinite(run).all()
        and (run >= 300).all()
        and (run <= 2000).all()
        and (np.abs(np.diff(run)) <= 200).all()
        and (np.abs(run - reference) <= 0.2 * reference).all()
    )


def heart_rate_turbulence(intervals, premature=None, after=20):
    rr = np.asarray(intervals, dtype=float)
    onsets, tachograms = [], []
    for i in range(5, len(rr) - 1 - after):
        before, following = rr[i - 5 : i], rr[i + 2 : i + 2 + after]
        reference = before.mean()
        if premature is not None and not premature[i]:
            continue
        if not (rr[i] <= 0.8 * reference and rr[i + 1] >= 1.2 * reference):
            continue
        if sinus(before, reference) and sinus(following, reference):
            onsets.append(100 * (following[:2].sum() - before[-2:].sum()) / before[-2:].sum())
            tachograms.append(following)
    if not onsets:
        return np.nan, np.nan, 0
    mean = np.mean(tachograms, axis=0)
    slopes = [np.polyfit(range(5), mean[k : k + 5], 1)[0] for k in range(after - 4)]
    return np.mean(onsets), max(slopes), len(onsets)
