"""Other tools' detectors, asked through their own processes, answer in samples like our own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.benchmarking.worker import Offer
from benchmarks import __main__ as front
from benchmarks import peers


class Finder:
    """A worker that finds a beat at the start, one out of order, and one twice."""

    def offers(self, case: str) -> list[Offer]:
        return [Offer(case, "finder", None)] if case == "r_peaks" else []

    def answer(self, offer: Offer, inputs: Path) -> np.ndarray:
        with np.load(inputs) as stored:
            assert stored["rate_hz"] == 250.0
            assert len(stored["ecg"]) == 1000
        return np.array([0.0, 3.0, 1.004, 1.0])


def test_instants_become_ascending_samples() -> None:
    worker: Any = Finder()
    assert peers.systolic_peak_detectors([worker]) == {}
    ((name, detect),) = peers.r_peak_detectors([worker]).items()
    assert name == "finder"
    assert detect(np.zeros(1000), 250.0).tolist() == [0, 250, 251, 750]


def test_without_recordings_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ALLOSTAT_RECORDINGS", raising=False)
    assert list(front.measured_accuracy([])) == []
    assert "ALLOSTAT_RECORDINGS names no folder" in capsys.readouterr().err
