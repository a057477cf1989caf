"""The kernels of beat dynamics give the same numbers without the compiler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json
import numpy as np
from allostat.kernels import dfa, entropy, fragmentation, geometric, phase_rectified, segments, turbulence

rng = np.random.default_rng(3)
nn = np.round(800 + 40 * np.sin(np.arange(260) / 6) + np.cumsum(rng.normal(0, 3, 260)) + rng.normal(0, 25, 260))
nn[[70, 71, 190]] = np.nan
whole = np.array([0, 40]), np.array([260, 170])
rr = np.full(120, 800.0) + rng.normal(0, 5, 120)
rr[50], rr[51] = 520.0, 1080.0
print(json.dumps([
    entropy.windowed(nn, *whole).ravel().tolist(),
    entropy.entropies(nn, 3, 40.0, strict=True),
    entropy.multiscale_entropy(nn, 1, scales=[1, 2, 3], kind="refined").tolist(),
    dfa.windowed(nn, *whole).ravel().tolist(),
    dfa.fluctuations(nn, [4, 5, 60], overlap=True).tolist(),
    fragmentation.windowed(nn, *whole).ravel().tolist(),
    fragmentation.windowed_segment_shares(nn, *whole).ravel().tolist(),
    phase_rectified.windowed(nn, *whole).ravel().tolist(),
    geometric.windowed(nn, *whole).ravel().tolist(),
    turbulence.heart_rate_turbulence(rr),
    segments.long_term(nn, np.arange(260.0), segment_s=30.0, least_share=0.5),
]))
"""


def numbers(**environment: str) -> list[list[float]]:
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_compiled_equals_uncompiled():
    compiled, plain = numbers(), numbers(NUMBA_DISABLE_JIT="1")
    assert len(compiled) == len(plain) == 11
    for ours, theirs in zip(compiled, plain, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12, abs=1e-12, nan_ok=True)
        assert any(value == value and value != 0 for value in ours)
