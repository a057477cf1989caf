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
from pathlib import Path
from typing import Any

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
        results["accuracy"] = measured_accuracy(chosen.only_own)
        for line in accuracy_lines(results["accuracy"]):
            print(line)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def speed(repeats: int, only_own: bool) -> list[dict[str, Any]]:
    """Every case of the shipped table, with the peers that do the same."""
    contenders: dict[str, dict[str, Any]] = {}
    if not only_own:
        contenders = {"r_peaks": peers.r_peak_detectors(), "systolic_peaks": peers.systolic_peak_detectors()}
    results: list[dict[str, Any]] = []
    for case in benchmarking.CASES:
        results += benchmarking.compare(case, contenders.get(case.name, {}), repeats)
    return results


def measured_accuracy(only_own: bool) -> list[dict[str, Any]]:
    """Accuracy on the recordings that are there; a notice for those that are not."""
    root = Path(os.environ.get("ALLOSTAT_RECORDINGS", ""))
    results: list[dict[str, Any]] = []
    if not os.environ.get("ALLOSTAT_RECORDINGS"):
        print("skipped: accuracy, because ALLOSTAT_RECORDINGS names no folder", file=sys.stderr)
        return results
    if (root / "mitdb").is_dir():
        results.append(accuracy.r_peak_accuracy(root / "mitdb", benchmarking.OWN))
        if not only_own:
            for name, detector in peers.r_peak_detectors().items():
                results.append(accuracy.r_peak_accuracy(root / "mitdb", name, detector))
    if (root / "bidmc").is_dir():
        results.append(accuracy.systolic_peak_accuracy(root / "bidmc", benchmarking.OWN))
        if not only_own:
            for name, detector in peers.systolic_peak_detectors().items():
                results.append(accuracy.systolic_peak_accuracy(root / "bidmc", name, detector))
    return results


def accuracy_lines(results: list[dict[str, Any]]) -> list[str]:
    lines = []
    for r in results:
        numbers = "  ".join(
            f"{key} {100 * value:.2f} %"
            if key in ("sensitivity", "precision", "f1", "f1_50ms")
            else f"{key} {value:.4g}"
            for key, value in r.items()
            if isinstance(value, int | float)
        )
        lines.append(f"{r['task']:<15} {r['contender']:<26} {numbers}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
