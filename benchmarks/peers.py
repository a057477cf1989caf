"""Other tools' detectors as functions, each running in its own environment (`allostat.benchmarking.peers`)."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.benchmarking.worker import Offer, Worker

Detector = Callable[[NDArray[Any], float], NDArray[np.float64]]
"""Samples and their rate in Hz to the places of beats in samples."""


def r_peak_detectors(workers: Sequence[Worker]) -> dict[str, Detector]:
    """R-peak detectors by tool and method."""
    return _detectors(workers, "r_peaks", "ecg")


def systolic_peak_detectors(workers: Sequence[Worker]) -> dict[str, Detector]:
    """Systolic-peak detectors by tool and method."""
    return _detectors(workers, "systolic_peaks", "ppg")


def _detectors(workers: Sequence[Worker], case: str, signal: str) -> dict[str, Detector]:
    return {offer.name: _detector(worker, offer, signal) for worker in workers for offer in worker.offers(case)}


def _detector(worker: Worker, offer: Offer, signal: str) -> Detector:
    def detect(samples: NDArray[Any], rate_hz: float) -> NDArray[np.float64]:
        with tempfile.TemporaryDirectory() as folder:
            inputs = Path(folder) / "inputs.npz"
            np.savez(inputs, **{signal: samples, "rate_hz": rate_hz})
            instants_s = np.asarray(worker.answer(offer, inputs), dtype=np.float64)
        return np.unique(np.rint(instants_s * rate_hz))

    return detect
