"""Accuracy of beat detection on real recordings, beside other tools. Speed and agreement: ``allostat bench --peers``.

    python -m benchmarks
    python -m benchmarks accuracy --only-own
    python -m benchmarks accuracy --json results.json
    python -m benchmarks index                          # time of the allostatic load index; needs no recordings
    python -m benchmarks multiverse                     # time of 10,000 x 500 specifications; needs no recordings
    python -m benchmarks exports --help
    python -m benchmarks kills --help                   # killed at random moments; needs no recordings
    python -m benchmarks live --help                    # live sessions over virtual straps; needs no recordings
    python -m benchmarks scale --help                   # studies of thousands; needs no recordings
    python -m benchmarks flips --help                   # bits flipped in results; needs no recordings
    python -m benchmarks respiration --help             # breathing rate against breaths marked by hand

Accuracy needs the folder of real recordings in the environment variable ALLOSTAT_RECORDINGS. The other tools run in the
environments that ``allostat bench --prepare`` makes; they are made when they are missing.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from allostat import __version__
from allostat.benchmarking import OWN
from allostat.benchmarking.peers import environments_folder, groups, started
from allostat.benchmarking.worker import Worker, WorkerError
from benchmarks import accuracy, exports, flips, index, kills, multiverse, peers, respiration, scale


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["exports"]:
        return exports.main(given[1:])
    if given[:1] == ["kills"]:
        return kills.main(given[1:])
    if given[:1] == ["live"]:
        from benchmarks import live

        return live.main(given[1:])
    if given[:1] == ["scale"]:
        return scale.main(given[1:])
    if given[:1] == ["flips"]:
        return flips.main(given[1:])
    if given[:1] == ["respiration"]:
        return respiration.main(given[1:])
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    whats = ["accuracy", "exports", "flips", "index", "kills", "live", "multiverse", "respiration", "scale"]
    parser.add_argument("what", nargs="?", choices=whats, default="accuracy")
    parser.add_argument("--only-own", action="store_true", help="leave the other tools out")
    parser.add_argument("--environments", type=Path, help="folder of the other tools' environments")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    chosen = parser.parse_args(given)

    results: dict[str, Any] = {
        "allostat": __version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "accuracy": [],
    }
    if chosen.what == "index":
        results["index"] = index.main()
        return written(results, chosen.json)
    if chosen.what == "multiverse":
        results["multiverse"] = multiverse.main()
        return written(results, chosen.json)
    below = chosen.environments or environments_folder()
    with started([] if chosen.only_own else groups(), below, notice) as (workers, _):
        for measured in measured_accuracy(workers):
            results["accuracy"].append(measured)
            print(accuracy_line(measured), flush=True)
    return written(results, chosen.json)


def written(results: dict[str, Any], path: Path | None) -> int:
    if path:
        path.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def notice(text: str) -> None:
    print(text, file=sys.stderr)


def measured_accuracy(workers: Sequence[Worker]) -> Iterator[dict[str, Any]]:
    """Accuracy on the recordings that are there; a notice for those that are not."""
    if not os.environ.get("ALLOSTAT_RECORDINGS"):
        notice("skipped: accuracy, because ALLOSTAT_RECORDINGS names no folder")
        return
    root = Path(os.environ["ALLOSTAT_RECORDINGS"])
    if (root / "mitdb").is_dir():
        yield accuracy.r_peak_accuracy(root / "mitdb", OWN)
        yield from accuracy.noisy_r_peak_accuracy(root, OWN)
        for name, detector in peers.r_peak_detectors(workers).items():
            try:
                yield accuracy.r_peak_accuracy(root / "mitdb", name, detector)
                yield from accuracy.noisy_r_peak_accuracy(root, name, detector)
            except WorkerError as error:
                notice(f"skipped: {name} fails with {error}")
    if (root / "bidmc").is_dir():
        yield accuracy.systolic_peak_accuracy(root / "bidmc", OWN)
        for name, detector in peers.systolic_peak_detectors(workers).items():
            try:
                yield accuracy.systolic_peak_accuracy(root / "bidmc", name, detector)
            except WorkerError as error:
                notice(f"skipped: {name} fails with {error}")


def accuracy_line(measured: dict[str, Any]) -> str:
    shares = ("sensitivity", "precision", "f1", "f1_50ms", "f1_accepted", "coverage")
    numbers = "  ".join(
        f"{key} {100 * value:.2f} %" if key in shares else f"{key} {value:.4g}"
        for key, value in measured.items()
        if isinstance(value, int | float)
    )
    return f"{measured['task']:<15} {measured['contender']:<26} {numbers}"


if __name__ == "__main__":
    sys.exit(main())
