"""Loads and compiles every kernel once. Imported by the fork server, so that workers start warm."""

from __future__ import annotations

import gc

import numpy as np

from allostat.report.warm import warm_pages
from allostat.study import worker as worker  # a forked worker finds the whole main path imported


def warm_kernels() -> None:
    """Run the main path's kernels on a few seconds of made-up signal: compiled code lands in the user's cache."""
    from allostat.beats import correct_beats, find_beats
    from allostat.hrv import hrv
    from allostat.recording import Clock, Signal

    rate = 130.0
    phase = np.arange(int(360 * rate)) / rate
    pulse = np.exp(-((((phase + 0.4) % 0.8) - 0.4) ** 2) / 2e-4)
    samples = (1000 * pulse).astype(np.int32)
    clock = Clock.regular(len(samples), rate, epoch="relative")
    for kind in ("ecg", "ppg"):
        signal = Signal(kind, kind, samples, clock, "uV")
        beats = correct_beats(find_beats(signal))
        hrv(beats, window="5min")


warm_kernels()
warm_pages()
# What is loaded stays loaded: the collector of a forked worker need not look at it, nor touch its pages.
gc.collect()
gc.freeze()
