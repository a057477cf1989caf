"""Random streams: one per seed and name, so that no part's numbers depend on how many another part has drawn."""

from __future__ import annotations

import zlib

import numpy as np


def random_stream(seed: int, *names: str | int) -> np.random.Generator:
    """The generator that belongs to a seed and a path of names, for example ``(2026, "sub-001", "night", 2)``.

    Parameters
    ----------
    seed
        Non-negative integer.
    names
        Participant, part, number of a repeat. Other names give an independent stream (`numpy.random.SeedSequence`);
        the same names give the same numbers on every run.
    """
    key = tuple(zlib.crc32(str(name).encode()) for name in names)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
