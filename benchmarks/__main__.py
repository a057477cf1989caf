"""Speed and accuracy of allostat's kernels against other tools.

    python -m benchmarks                    everything
    python -m benchmarks speed --repeats 9
    python -m benchmarks accuracy --json results.json

Accuracy needs the folder of real recordings in the environment variable ALLOSTAT_RECORDINGS.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from allostat import __version__, benchmarking
from benchmarks import accuracy, peers


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=["all", "speed", "accuracy"], default="all")
    parser.add_argument("--repeats", type=int, default=5, help="interleaved runs of each case")
    parser.add_argument("--only-own", action="store_true", help="leave the other tools out")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    chosen = parser.parse_args(arguments)

    if not chosen.only_own:
        for notice in peers.notices():
            print(notice, file=sys.stderr)
    results: dict[str, Any] = {
        "allostat": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    if chosen.what in ("all", "speed"):
        results["speed"] = speed(chosen.repeats, chosen.only_own)
        print(benchmarking.table(results["speed"]))
    if chosen.what in ("all", "accuracy"):
        results["accuracy"] = []
        for measured in measured_accuracy(chosen.only_own):
            results["accuracy"].append(measured)
            print(accuracy_line(measured), flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def speed(repeats: int, only_own: bool) -> list[dict[str, Any]]:
    """Every case of the shipped table, with the peers that do the same."""
    detectors: dict[str, dict[str, peers.Detector]] = {}
    if not only_own:
        detectors = {"r_peaks": peers.r_peak_detectors(), "systolic_peaks": peers.systolic_peak_detectors()}
    results: list[dict[str, Any]] = []
    for case in benchmarking.CASES:
        contenders = announced(detectors.get(case.name, {}), *case.inputs()[:2]) if case.name in detectors else {}
        results += benchmarking.compare(case, contenders, repeats)
    return results


def announced(detectors: dict[str, peers.Detector], samples: NDArray[Any], rate_hz: float) -> dict[str, peers.Detector]:
    """The detectors that work on this signal; the others are named on stderr."""
    kept, failed = peers.working(detectors, samples, rate_hz)
    for notice in failed:
        print(notice, file=sys.stderr)
    return kept


def measured_accuracy(only_own: bool) -> Iterator[dict[str, Any]]:
    """Accuracy on the recordings that are there; a notice for those that are not."""
    if not os.environ.get("ALLOSTAT_RECORDINGS"):
        print("skipped: accuracy, because ALLOSTAT_RECORDINGS names no folder", file=sys.stderr)
        return
    root = Path(os.environ["ALLOSTAT_RECORDINGS"])
    ecg, ppg = benchmarking.synthetic_ecg(1, 250.0), benchmarking.synthetic_ppg(1, 64.0)
    if (root / "mitdb").is_dir():
        yield accuracy.r_peak_accuracy(root / "mitdb", benchmarking.OWN)
        yield from accuracy.noisy_r_peak_accuracy(root, benchmarking.OWN)
        for name, detector in ({} if only_own else announced(peers.r_peak_detectors(), ecg, 250.0)).items():
            yield accuracy.r_peak_accuracy(root / "mitdb", name, detector)
            yield from accuracy.noisy_r_peak_accuracy(root, name, detector)
    if (root / "bidmc").is_dir():
        yield accuracy.systolic_peak_accuracy(root / "bidmc", benchmarking.OWN)
        for name, detector in ({} if only_own else announced(peers.systolic_peak_detectors(), ppg, 64.0)).items():
            yield accuracy.systolic_peak_accuracy(root / "bidmc", name, detector)


def accuracy_line(measured: dict[str, Any]) -> str:
    shares = ("sensitivity", "precision", "f1", "f1_50ms")
    numbers = "  ".join(
        f"{key} {100 * value:.2f} %" if key in shares else f"{key} {value:.4g}"
        for key, value in measured.items()
        if isinstance(value, int | float)
    )
    return f"{measured['task']:<15} {measured['contender']:<26} {numbers}"


if __name__ == "__main__":
    sys.exit(main())
