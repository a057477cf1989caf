"""Reading exports: CPU time against the bar of each format and the readers that it replaces, and peak memory.

    python -m benchmarks exports
    python -m benchmarks exports --format fit --format edf --only-own

Files of the sizes that the bars name are simulated in a temporary folder; real FIT activities are read too where
ALLOSTAT_RECORDINGS names the folder of real recordings. Readers take turns; the median counts. "times" is the time of
another reader relative to allostat's on the same file, which is a smaller one where the other would take minutes.
Peak memory is that of a process that only reads, above its start; the arrays that come out are told apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import exports_apple, exports_edf, exports_fit, exports_polar
from benchmarks.export_case import ExportCase, Measured, Table, measured

FORMATS: dict[str, Callable[[Path], Iterator[ExportCase]]] = {
    "apple": exports_apple.cases,
    "edf": exports_edf.cases,
    "fit": exports_fit.cases,
    "polar": exports_polar.cases,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks exports", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--format", action="append", choices=sorted(FORMATS), help="only this one (repeatable)")
    parser.add_argument("--only-own", action="store_true", help="leave the other readers out")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    chosen = parser.parse_args(arguments)
    rows: list[Measured] = []
    for name in chosen.format or sorted(FORMATS):
        with tempfile.TemporaryDirectory() as folder:
            for case in FORMATS[name](Path(folder)):
                told = dataclasses.replace(case, peers=()) if chosen.only_own else case
                rows += measured(told, chosen.repeats)
    print("\n".join(Table(rows).lines()))
    if chosen.json:
        chosen.json.write_text(json.dumps([dataclasses.asdict(row) for row in rows], indent=1) + "\n")
    return 0
