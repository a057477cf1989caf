"""Beat trains have the heart rate and RMSSD that were asked for."""

from __future__ import annotations

import numpy as np
import pytest

from allostat.kernels.beat_train import LONGEST_MS, N_NORMALS, SHORTEST_MS, beat_train, ornstein_uhlenbeck


def train(hr: float, rmssd: float, breath: float = 0.25, duration_s: float = 7200.0, seed: int = 0) -> np.ndarray:
    n = int(duration_s / 5) + 1
    normals = np.random.default_rng(seed).standard_normal((int(duration_s * hr / 60 * 1.2) + 50, N_NORMALS))
    flat = np.ones(n)
    times, used = beat_train(duration_s, 5.0, hr * flat, rmssd * flat, breath * flat, 0.2 * flat, 0.04, normals)
    assert used < len(normals)
    return np.asarray(times)


@pytest.mark.parametrize(("hr", "rmssd"), [(45, 8), (45, 90), (65, 35), (65, 90), (95, 8), (95, 35)])
@pytest.mark.parametrize("breath", [0.15, 0.30])
def test_heart_rate_and_rmssd_come_out_as_asked(hr: float, rmssd: float, breath: float) -> None:
    intervals = np.diff(train(hr, rmssd, breath)) * 1000
    assert 60000 / intervals.mean() == pytest.approx(hr, rel=0.02)
    assert np.sqrt(np.mean(np.diff(intervals) ** 2)) == pytest.approx(rmssd, rel=0.06)


def test_compiled_and_plain_agree() -> None:
    normals = np.random.default_rng(1).standard_normal((200, N_NORMALS))
    arguments = (60.0, 5.0, np.full(13, 60.0), np.full(13, 40.0), np.full(13, 0.25), np.full(13, 0.2), 0.04, normals)
    compiled, used = beat_train(*arguments)
    plain, plain_used = beat_train.py_func(*arguments)
    assert used == plain_used
    np.testing.assert_allclose(compiled, plain, rtol=1e-12)


def test_intervals_stay_physiological_and_normals_that_run_out_end_the_train() -> None:
    intervals = np.diff(train(150.0, 140.0, duration_s=600.0)) * 1000
    assert intervals.min() >= SHORTEST_MS - 1e-6
    assert intervals.max() <= LONGEST_MS + 1e-6
    normals = np.zeros((10, N_NORMALS))
    times, used = beat_train(60.0, 5.0, np.full(13, 60.0), np.ones(13), np.ones(13), np.zeros(13), 0.0, normals)
    assert used == len(times) == 10


def test_slow_process_is_stationary_with_its_time_constant() -> None:
    x = ornstein_uhlenbeck(np.random.default_rng(2).standard_normal(200_000), 1.0, 20.0)
    assert x.std() == pytest.approx(1.0, abs=0.05)
    assert np.corrcoef(x[:-20], x[20:])[0, 1] == pytest.approx(np.exp(-1), abs=0.05)
    assert len(ornstein_uhlenbeck(np.empty(0), 1.0, 20.0)) == 0
