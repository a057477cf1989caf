"""Parametric bootstrap of a person's index: measurement errors drawn anew, everything scored again.

Each draw adds a normal error with the biomarker's standard error to the transformed value and goes through the whole
path: winsorising, z, flags, systems, index. The draws of a person depend on the seed, the participant and the occasion
alone, so that a person scored alone and inside a cohort gets the same interval.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.uncertainty import ErrorCorrelation
from allostat.biomarkers import biomarker_kind
from allostat.errors import ConfigError
from allostat.panel import Panel

Floats = NDArray[np.float64]

_BLOCK = 50_000
"""Draws scored at once. Measured: with 400,000 the same work takes twice as long, in fetching fresh memory."""


def person_generator(seed: int, *names: str) -> np.random.Generator:
    """A stream of random numbers that belongs to a seed and names (participant, occasion)."""
    text = "\0".join((str(seed), *names)).encode()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(hashlib.blake2b(text, digest_size=16).digest())))


def draw_intervals(
    panel: Panel,
    rows: NDArray[np.int64],
    biomarkers: Sequence[str],
    score: Callable[[Panel], Floats],
    *,
    draws: int,
    seed: int,
    correlation: ErrorCorrelation | None = None,
    level: float = 0.95,
) -> tuple[Floats, Floats, Floats]:
    """Standard error and percentile interval of the index of some rows of a panel.

    Parameters
    ----------
    rows
        Numbers of the panel's rows.
    biomarkers
        All that the definition can use, in its order, whether the panel has them or not.
    score
        Index of every row of a panel.
    draws
        Number of draws for each row.
    correlation
        Of errors between biomarkers; None: independent.

    Returns
    -------
    Standard error (standard deviation of the draws), lower and upper end, each (rows,).

    Raises
    ------
    ConfigError
        Fewer than 100 draws.
    """
    if draws < 100:
        raise ConfigError("an interval needs draws", found=draws, expected="100 or more (1,000 is usual)")
    columns = [panel.column_of[b] for b in biomarkers if b in panel.column_of]
    at = [k for k, b in enumerate(biomarkers) if b in panel.column_of]
    logs = np.array([biomarker_kind(panel.biomarkers[j]).transform == "ln" for j in columns], dtype=np.bool_)
    factor = None if correlation is None else correlation.factor(biomarkers)
    keys = panel.keys
    se, low, high = (np.full(len(rows), np.nan) for _ in range(3))
    tails = [(1.0 - level) / 2.0, (1.0 + level) / 2.0]
    step = max(_BLOCK // draws, 1)
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        errors = np.empty((len(block), draws, len(biomarkers)))
        for i, row in enumerate(block.tolist()):
            errors[i] = person_generator(seed, *keys[row]).standard_normal((draws, len(biomarkers)))
        if factor is not None:
            errors = errors @ factor.T
        spread = np.nan_to_num(panel.standard_error[block][:, columns])[:, None, :] * errors[:, :, at]
        x = np.broadcast_to(panel.value[block][:, None, columns], spread.shape)
        drawn = np.where(logs, x * np.exp(np.where(logs, spread, 0.0)), x + spread)
        index = score(_drawn_panel(panel, block, columns, drawn)).reshape(len(block), draws)
        here = slice(start, start + len(block))
        se[here] = index.std(axis=1, ddof=1)
        low[here], high[here] = np.quantile(index, tails, axis=1)
    return se, low, high


def _drawn_panel(panel: Panel, rows: NDArray[np.int64], columns: list[int], drawn: Floats) -> Panel:
    """A panel with the draws of each row as its occasions."""
    draws = drawn.shape[1]
    value = drawn.reshape(-1, len(columns))
    return replace(
        panel,
        participants=tuple(str(i) for i in range(len(rows))),
        occasions=tuple(str(i) for i in range(draws)),
        biomarkers=tuple(panel.biomarkers[j] for j in columns),
        value=value,
        standard_error=np.full(value.shape, np.nan),
        present=~np.isnan(value),
        sex=np.repeat(panel.sex[rows], draws),
        age_years=np.repeat(panel.age_years[rows], draws),
        groups=np.repeat(panel.groups[rows], draws),
        codes={},
        treated={},
    )
