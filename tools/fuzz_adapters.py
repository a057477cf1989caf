"""Read damaged exports of every format until time is up: only allostat's own errors may come out, soon and small.

Each format's twin (`allostat simulate --as`) is changed at random, inside archives too, and given to every reader in a
process of its own; a participant file of a study is crafted as well (`tools.fuzz_store`). A crash, another exception,
more than 20 s of CPU for one file (or 200 s of waiting) or more than 1 GiB of memory is a finding: the file is kept,
and the exit code is 1.

    python -m tools.fuzz_adapters --seconds 600 --keep findings/
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from allostat.simulate import Worn

PARTICIPANT_FILE = "participant-file"
"""What no device writes: the file that a study keeps of a participant."""
LONGEST_S = 20
"""Of CPU: on a machine that does other things, a file may wait for ten times as long."""
MOST_BYTES = 1 << 30
TOKENS = (
    b"\x00", b"\xff" * 9, b"9" * 400, b"-1", b"1e999", b"nan", b"inf", b"\xef\xbb\xbf", b"\r\n", b'"', b"'",
    b"[" * 3000, b"{" * 3000, b"<" * 500, b"&lol;" * 50, b"\xe2\x80\xaf", b";" * 300, b",,,,", b"\t", b"2147483648",
    b"-9223372036854775808", b"0000-00-00T00:00:00", b"2024-02-30 25:61:61", b"\x7f\xff\xff\xff", b"PK\x03\x04",
    b"\x1f\x8b",
)  # fmt: skip


class TooLong(Exception):
    """One file took longer than it may."""


def _too_long(number: int, frame: FrameType | None) -> NoReturn:
    raise TooLong


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The bytes with a few random changes."""
    for _ in range(rng.choice((1, 1, 2, 4, 12))):
        if not data:
            return data
        at = rng.randrange(len(data))
        stop = min(len(data), at + rng.choice((1, 2, 8, 64, 1024)))
        match rng.randrange(7):
            case 0:
                data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + data[stop:]
            case 3:
                data = data[:stop] + data[at:]
            case 4:
                data = data[:at] + rng.choice(TOKENS) + data[stop:]
            case 5:
                data = data[:at] + rng.choice(TOKENS) + data[at:]
            case _:
                data = data[:at] + rng.randbytes(stop - at) + data[stop:]
    return data


def mutated_file(data: bytes, rng: random.Random) -> bytes:
    """A file with changes; of an archive one member as often as the archive itself."""
    if data[:2] != b"PK" or rng.random() < 0.4:
        return mutated(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    victim = rng.choice(sorted(members))
    members[victim] = mutated(members[victim], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def read_all(path: Path) -> None:
    """Everything that may be done with an unknown file."""
    from allostat.adapter import ReadOptions
    from allostat.errors import AllostatError
    from allostat.reading import adapters
    from allostat.source import Source

    for adapter in adapters():
        try:
            if adapter.sniff(Source(path)).confidence < 0.3:
                continue
            adapter.inspect(Source(path))
        except AllostatError:
            pass
        try:
            for _ in adapter.read(Source(path), ReadOptions(participant="sub-001", timezone="Europe/Vienna")):
                pass
        except AllostatError:
            pass


@dataclass(frozen=True)
class Target:
    """One kind of file, how it is changed, and how it is read."""

    original: Path
    """File or folder that is given to the readers."""
    files: dict[Path, bytes]
    """What is changed, by its place in the folder of the twin."""
    changed: Callable[[Path, random.Random], bytes]
    """Other bytes for one of the files."""
    read: Callable[[Path], None]


def target_of(name: str, twin: Path) -> Target:
    """The twin of a format, written into a folder."""
    from allostat.simulate import EXPORTS, simulate_participant, simulate_worn

    worn = simulate_worn(simulate_participant("sub-001", 3), datetime(2024, 3, 4, 22, 0), 0.09, "Europe/Vienna")  # noqa: DTZ001
    if name == PARTICIPANT_FILE:
        return _participant_target(worn, twin)
    original = EXPORTS[name](worn, twin)
    files = {p.relative_to(twin): p.read_bytes() for p in sorted(twin.rglob("*")) if p.is_file()}
    return Target(original, files, lambda victim, rng: mutated_file(files[victim], rng), read_all)


def _participant_target(worn: Worn, twin: Path) -> Target:
    """allostat's own file: most are crafted with hashes that fit, the others have bytes changed."""
    from tools import fuzz_store

    made = twin.parent / "made"
    made.mkdir()
    sound, crafted = fuzz_store.write_participant_file(worn, made), made / "crafted.h5"
    content = sound.read_bytes()

    def changed(victim: Path, rng: random.Random) -> bytes:
        if rng.random() < 0.25:
            fuzz_store.damaged(sound, crafted, rng, mutated)
        else:
            fuzz_store.crafted(sound, crafted, rng)
        return crafted.read_bytes()

    def read(path: Path) -> None:
        read_all(path)
        fuzz_store.open_everything(path)

    original = twin / sound.name
    original.write_bytes(content)
    return Target(original, {Path(sound.name): content}, changed, read)


def worker(name: str, seed: int, seconds: float, folder: Path) -> int:
    """Change and read one format's twin until time is up; the number of findings."""
    twin = folder / "twin"
    twin.mkdir()
    target = target_of(name, twin)
    files = target.files
    target.read(target.original)
    for expired in (signal.SIGALRM, signal.SIGPROF):
        signal.signal(expired, _too_long)
    findings, cases, end = 0, 0, time.process_time() + seconds
    while time.process_time() < end:
        rng = random.Random(f"{name} {seed} {cases}")
        victim = rng.choice(sorted(files))
        content = target.changed(victim, rng)
        (twin / victim).write_bytes(content)
        (folder / "case.bin").write_bytes(content)
        (folder / "case.json").write_text(
            json.dumps({"format": name, "seed": seed, "case": cases, "file": str(victim)})
        )
        signal.setitimer(signal.ITIMER_PROF, LONGEST_S)
        signal.alarm(10 * LONGEST_S)
        try:
            target.read(target.original)
        except (Exception, TooLong) as error:  # noqa: BLE001 (any exception is what is looked for)
            findings += 1
            kept = folder / f"finding_{name}_{seed}_{cases}"
            shutil.copy(folder / "case.bin", kept.with_suffix(".bin"))
            kept.with_suffix(".txt").write_text(f"{victim}\n{type(error).__name__}\n{traceback.format_exc()}")
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        (twin / victim).write_bytes(files[victim])
        cases += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    sys.stdout.write(json.dumps({"format": name, "cases": cases, "findings": findings, "peak_mb": peak >> 20}) + "\n")
    return findings + int(peak > MOST_BYTES)


def main() -> int:
    """Run a worker for each format and keep what they found."""
    from allostat.simulate import EXPORTS

    names = sorted([*EXPORTS, PARTICIPANT_FILE])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", action="append", choices=names, help="only this format (repeatable)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of CPU, for each format")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), help="folder for what was found")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return worker(options.worker, options.seed, options.seconds, options.keep)
    bad = 0
    for name in options.format or names:
        with tempfile.TemporaryDirectory() as place:
            command = [
                sys.executable,
                "-W",
                "error",
                "-m",
                "tools.fuzz_adapters",
                "--worker",
                name,
                "--seed",
                str(options.seed),
            ]
            command += ["--seconds", str(options.seconds), "--keep", place]
            ended = subprocess.run(command, check=False).returncode
            found = sorted(Path(place).glob("finding_*"))
            if ended and not found:  # it died: the case it was reading is the finding
                found = sorted(Path(place).glob("case.*"))
            if ended or found:
                bad += 1
                options.keep.mkdir(parents=True, exist_ok=True)
                for file in found:
                    shutil.copy(file, options.keep / f"{name}_{file.name}")
                sys.stdout.write(f"{name}: exit {ended}, {len(found)} files kept in {options.keep}\n")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
