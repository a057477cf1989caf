"""Single bits flipped in finished results: every one must be found by ``allostat verify``.

    python -m benchmarks flips
    python -m benchmarks flips --flips 200 --seed 7

A small study is run once. Then, again and again, one random bit of one of its store files (participant files and the
cohort file, by size) is flipped, the file is verified, and the bit is flipped back; every hundredth time the whole
folder is verified. The same is done with truncated, swapped and deleted files. Told is also how many the hashes inside
the files find alone: the others lie in bytes that no reader sees, and only the hash of the whole file finds them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allostat.study import Study
from allostat.study.verification import file_problems, stated_by_lists, verify_output
from benchmarks.kills import made_study

EVERY = 100


@dataclass
class Found:
    """What verifying found of one kind of damage."""

    kind: str
    tried: int = 0
    found: int = 0
    found_inside: int = 0
    """Of these by the hashes and checksums inside the file alone."""
    crashes: int = 0
    """Of these such that reading the file ended the process that read it."""
    seconds: float = 0.0

    def line(self) -> str:
        inside = f"  {self.found_inside} by the file's own hashes  {self.crashes} crashed their reader"
        return f"{self.kind:<10} {self.tried:>5} tried  {self.tried - self.found} missed{inside}  {self.seconds:.0f} s"


def stores(out: Path) -> list[Path]:
    """Participant files and the cohort file."""
    return [out / "cohort.h5", *sorted(out.glob("sub-*/*.h5"))]


def flipped_bit(path: Path, at: int, bit: int) -> None:
    """Flip one bit of a file in place."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << bit]))


def look(out: Path, path: Path, tally: Found) -> None:
    """Verify a damaged file as `allostat verify` does, now and then the whole folder, and count."""
    tally.tried += 1
    name = path.relative_to(out).as_posix()
    problems = list(file_problems(out, name, stated_by_lists(out)[0][name]))
    if tally.tried % EVERY == 1 and not any(text.startswith(name) for text in verify_output(out).problems):
        problems = []
    if problems:
        tally.found += 1
    else:
        print(f"MISSED {tally.kind}: {name}", file=sys.stderr, flush=True)
    tally.found_inside += len(problems) > 1
    tally.crashes += any("crashes" in text for text in problems)


def flip_bits(out: Path, flips: int, rng: random.Random) -> Found:
    tally = Found("flips")
    files = stores(out)
    sizes = [p.stat().st_size for p in files]
    for _ in range(flips):
        (path,) = rng.choices(files, sizes)
        at, bit = rng.randrange(path.stat().st_size), rng.randrange(8)
        flipped_bit(path, at, bit)
        look(out, path, tally)
        flipped_bit(path, at, bit)
    return tally


def truncate(out: Path, times: int, rng: random.Random) -> Found:
    tally = Found("truncated")
    for _ in range(times):
        path = rng.choice(stores(out))
        content = path.read_bytes()
        os.truncate(path, rng.randrange(len(content)))
        look(out, path, tally)
        path.write_bytes(content)
    return tally


def swap(out: Path) -> Found:
    """Every two participants' files, each in the place of the other."""
    tally = Found("swapped")
    files = stores(out)[1:]
    for i, one in enumerate(files):
        for other in files[i + 1 :]:
            contents = one.read_bytes(), other.read_bytes()
            one.write_bytes(contents[1])
            other.write_bytes(contents[0])
            look(out, one, tally)
            one.write_bytes(contents[0])
            other.write_bytes(contents[1])
    return tally


def delete(out: Path) -> Found:
    tally = Found("deleted")
    for path in stores(out):
        content = path.read_bytes()
        path.unlink()
        look(out, path, tally)
        path.write_bytes(content)
    return tally


def measured(flips: int, seed: int) -> list[Found]:
    """Every kind of damage."""
    rng = random.Random(seed)
    tallies = []
    with tempfile.TemporaryDirectory() as name:
        out = Path(name) / "out"
        Study(made_study(Path(name) / "study", rng)).run(out, jobs=1)
        assert verify_output(out).sound
        for work in (
            lambda: flip_bits(out, flips, rng),
            lambda: truncate(out, max(1, flips // 20), rng),
            lambda: swap(out),
            lambda: delete(out),
        ):
            begun = time.monotonic()
            tally = work()
            tally.seconds = time.monotonic() - begun
            print(tally.line(), flush=True)
            tallies.append(tally)
        assert verify_output(out).sound
    return tallies


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks flips", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--flips", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the results to this file")
    chosen = parser.parse_args(arguments)
    tallies = measured(chosen.flips, chosen.seed)
    if chosen.json:
        results: list[dict[str, Any]] = [dataclasses.asdict(t) for t in tallies]
        chosen.json.write_text(json.dumps(results, indent=1) + "\n")
    return int(any(t.found < t.tried for t in tallies))


if __name__ == "__main__":
    sys.exit(main())
