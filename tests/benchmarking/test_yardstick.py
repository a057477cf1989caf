"""The yardstick of the detectors: it filters, over all samples, and a run says what it cost."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from scipy.signal import sosfilt

from allostat import benchmarking
from allostat.benchmarking import measuring, yardstick
from allostat.benchmarking.cases import CASES, Case
from allostat.kernels import biquad

SECTIONS = np.concatenate([biquad.highpass(250.0, 6.0), biquad.lowpass(250.0, 18.0)])


def filtered(samples: np.ndarray[Any, Any], *cuts: int) -> np.ndarray[Any, Any]:
    memory, out = np.zeros(6), np.empty(len(samples))
    for begin, end in zip((0, *cuts), (*cuts, len(samples)), strict=True):
        yardstick.filtered(samples[begin:end], SECTIONS, memory, out[begin:end])
    return out


def test_it_is_two_sections_in_a_row_whatever_the_cuts() -> None:
    samples = np.random.default_rng(1).normal(size=1000)
    b, a = SECTIONS.reshape(2, 5)[:, :3], SECTIONS.reshape(2, 5)[:, 3:]
    expected = sosfilt(np.column_stack([b, np.ones(2), a]), samples)
    np.testing.assert_allclose(filtered(samples), expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(filtered(samples, 1, 2, 500), filtered(samples))


def test_it_takes_every_sample_as_float64_in_blocks_of_the_detectors(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[np.ndarray[Any, Any]] = []
    monkeypatch.setattr(yardstick, "filtered", lambda samples, *others: taken.append(samples))
    samples = np.arange(yardstick.BLOCK_SAMPLES + 5, dtype=np.int16)
    yardstick.two_biquads(samples, 250.0)()
    assert [len(part) for part in taken] == [yardstick.BLOCK_SAMPLES, 5]
    assert all(part.dtype == np.float64 for part in taken)
    np.testing.assert_array_equal(np.concatenate(taken), samples)


def detector_case(**changed: Any) -> Case:
    case = next(case for case in CASES if case.name == "r_peaks")
    shorter = case.shorter(case.inputs(), 20_000)
    return dataclasses.replace(case, items=20_000, inputs=lambda: shorter, **changed)


def test_a_run_says_what_the_yardsticks_cost_and_whether_the_bar_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "SHORTEST_RUN_S", 1e-4)
    for most, verdict in ((1e9, "within"), (1e-9, "beyond")):
        (own,) = measuring.measured(detector_case(most_biquads=most), 2)
        assert own.biquads_ratio == pytest.approx(own.ns_per_item / own.biquads_ns)
        assert own.floor_ratio == pytest.approx(own.ns_per_item / own.floor_ns)
        found = benchmarking.Comparison("machine", {}, [own])
        for text in (benchmarking.table(found), benchmarking.markdown(found)):
            assert f"times two serial biquads ({verdict} the bar of" in text


def test_cases_without_a_bar_have_no_such_yardstick() -> None:
    (own,) = measuring.measured(detector_case(most_biquads=None), 1)
    assert math.isnan(own.biquads_ns) and math.isnan(own.biquads_ratio)
    found = benchmarking.Comparison("machine", {}, [own])
    assert "biquads" not in benchmarking.table(found) + benchmarking.markdown(found)


def test_whoever_loads_the_kernels_does_not_load_the_yardstick() -> None:
    modules = "import sys, allostat.benchmarking, allostat.kernels.exercise"
    loaded = f"{modules}; print('allostat.benchmarking.yardstick' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "False"
