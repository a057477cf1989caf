"""Killed at random moments: what is damaged, and what that was complete is lost. Both must be 0.

    python -m benchmarks kills
    python -m benchmarks kills --kills 60 --seed 7 --phase journal --phase finalise

A child works, gets SIGKILL at a random moment, and what it left is looked at; again and again, over four phases.

journal     records are appended and acknowledged through a pipe: every acknowledged one must be readable
finalise    a participant file is written over an older one: the old or the new one must be there, every hash right
run         ``allostat run``, alone or with its workers, over nothing or over results of other settings: a participant
            whose status says done must have the right bytes; a run that ends must give the bytes of an undisturbed one
collate     the cohort files of one title are written over those of another: each must be one or the other, and the
            next collation must give all of the new title, which ``allostat verify`` finds sound

Every kill is by process number; of ``allostat run`` by that of the process or of the group that it was started in.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allostat.biomarkers import BiomarkerTable
from allostat.errors import AllostatError
from allostat.store import ParticipantResult, read_cohort, read_participant, verify, write_participant
from allostat.store.durable import file_sha256
from allostat.store.journal import JournalWriter, RecordKind, read_session, session_parts
from allostat.study import Study
from allostat.study.collate import write_cohort_files
from allostat.study.config import StudyConfig
from allostat.study.layout import OutputLayout, locked
from allostat.study.outcome import Outcome, RunResult
from allostat.study.verification import verify_output

SHARES = {"journal": 0.45, "finalise": 0.35, "run": 0.08, "collate": 0.12}
"""How many of the kills each phase has: a kill of a run takes seconds, one of a journal a hundredth of one."""
RUNS_BEFORE_ONE_IS_LEFT_ALONE = 4
PARTICIPANTS = 4
TITLES = ("first title", "second title")


@dataclass
class Tally:
    """What one phase found."""

    phase: str
    kills: int = 0
    damaged: int = 0
    lost: int = 0
    states: dict[str, int] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0

    def saw(self, state: str) -> None:
        """Count what was found after a kill: shows that the moments were spread."""
        self.states[state] = self.states.get(state, 0) + 1

    def complain(self, kind: str, what: str) -> None:
        """Count a damaged file or a lost record, and say which."""
        print(f"{kind.upper()} {self.phase}: {what}", file=sys.stderr, flush=True)
        self.damaged += kind == "damaged"
        self.lost += kind == "lost"

    def line(self) -> str:
        states = ", ".join(f"{n} {state}" for state, n in sorted(self.states.items()))
        return (
            f"{self.phase:<9} {self.kills:>4} kills  {self.damaged} damaged files  {self.lost} lost complete records  "
            f"{self.seconds:.0f} s  ({states})"
        )


def killed_child(work: Callable[[int], None], until: Callable[[int], float]) -> bytes:
    """Run ``work`` in a forked child and kill it.

    Parameters
    ----------
    work
        Gets a pipe to write to.
    until
        Gets the pipe's other end, reads from it as long as the child shall go on, and gives the seconds after which
        the child is killed.

    Returns
    -------
    bytes
        What was still in the pipe.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        code = 1
        try:
            os.close(reading)
            work(writing)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    try:
        time.sleep(until(reading))
    finally:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    rest = b""
    while block := os.read(reading, 1 << 16):
        rest += block
    os.close(reading)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("the child failed before it was killed; what it said is above")
    return rest


def started(reading: int) -> None:
    """Wait until the child says that it begins."""
    assert os.read(reading, 1) == b"!"


def kill_journals(kills: int, rng: random.Random, folder: Path) -> Tally:
    tally = Tally("journal")
    for trial in range(kills):
        place = folder / f"{trial:04d}"
        tally.kills += 1
        sizes = [rng.randrange(1, 600) for _ in range(64)]
        rotate, interval = rng.choice([5_000, 40_000, 1 << 28]), rng.choice([0.0, 0.002, 1.0])
        wanted, delay = rng.randrange(0, 400 if interval else 40), rng.random() * 0.01

        def record(
            pipe: int, place: Path = place, sizes: list[int] = sizes, rotate: int = rotate, interval: float = interval
        ) -> None:
            with JournalWriter(place, "s", {"straps": ["a"]}, rotate_bytes=rotate, sync_interval_s=interval) as writer:
                i = 0
                while True:
                    data = (i.to_bytes(4, "little") * 150)[: sizes[i % 64]]
                    writer.append(RecordKind.PMD_DATA, 0, data, monotonic_ns=i, wall_ns=i)
                    i += 1
                    os.write(pipe, i.to_bytes(8, "little"))

        acknowledged = [0]

        def wait(reading: int, wanted: int = wanted, delay: float = delay, got: list[int] = acknowledged) -> float:
            while got[0] < wanted:
                got[0] = int.from_bytes(os.read(reading, 8), "little")
            return delay

        rest = killed_child(record, wait)
        if rest:
            acknowledged[0] = int.from_bytes(rest[-8:], "little")
        if not session_parts(place, "s"):
            tally.saw("before the first part")
            continue
        records, ends = read_session(place, "s")
        found = list(records)
        right = [
            r.monotonic_ns == i and r.data == (i.to_bytes(4, "little") * 150)[: sizes[i % 64]]
            for i, r in enumerate(found)
        ]
        if not all(right) or any(end.reason not in ("end", "cut off") for _, end in ends):
            tally.complain("damaged", f"trial {trial}, record {right.index(False) if not all(right) else len(right)}")
        if len(found) < acknowledged[0]:
            tally.complain("lost", f"trial {trial}: {acknowledged[0]} acknowledged, {len(found)} readable")
        tally.saw("cut within a record" if any(end.dropped_bytes for _, end in ends) else "whole to the end")
    return tally


def kill_finalising(kills: int, rng: random.Random, folder: Path, result: ParticipantResult) -> Tally:
    tally = Tally("finalise")
    path = folder / "sub-001.h5"
    old, new = result, dataclasses.replace(result, biomarkers=BiomarkerTable())
    old_digest = write_participant(old, path)
    begun = time.monotonic()
    new_digest = write_participant(new, path)
    usual = time.monotonic() - begun
    for trial in range(kills):
        tally.kills += 1
        write_participant(old, path)

        def replace(pipe: int) -> None:
            os.write(pipe, b"!")
            write_participant(new, path)
            time.sleep(60.0)

        def wait(reading: int, delay: float = rng.random() * 1.3 * usual) -> float:
            started(reading)
            return delay

        killed_child(replace, wait)
        found = file_sha256(path)
        if verify(path) or found not in (old_digest, new_digest):
            tally.complain("damaged", f"trial {trial}: {verify(path) or 'neither the old nor the new file'}")
        partial = " and a leftover" if len(list(folder.iterdir())) > 1 else ""
        tally.saw(("new file" if found == new_digest else "old file") + partial)
    write_participant(new, path)
    if [p.name for p in folder.iterdir()] != [path.name] or file_sha256(path) != new_digest:
        tally.complain("damaged", "leftovers after the last write")
    return tally


def made_study(folder: Path, rng: random.Random) -> Path:
    """A study of a few participants with an hour of intervals and laboratory rows each."""
    (folder / "raw").mkdir(parents=True)
    people = ["participant_id\tsex\tage"]
    labs = ["participant_id\tanalyte\tvalue\tunit\tspecimen\tcollected_at"]
    for i in range(PARTICIPANTS):
        who = f"P{i + 1}"
        people.append(f"{who}\t{'FM'[i % 2]}\t{40 + i}")
        for analyte, value, unit, specimen in (
            ("hs_crp", "1.2", "mg/L", "serum"), ("sbp", "128", "mmHg", ""), ("dbp", "81", "mmHg", ""),
        ):  # fmt: skip
            labs.append(f"{who}\t{analyte}\t{value}\t{unit}\t{specimen}\t2026-03-03T08:00+01:00")
        intervals = (f"{round(850 + rng.gauss(0, 40))}\n" for _ in range(4_000))
        (folder / "raw" / f"{who}_rest.txt").write_text("".join(intervals))
    (folder / "participants.tsv").write_text("\n".join(people) + "\n")
    (folder / "labs.tsv").write_text("\n".join(labs) + "\n")
    return folder


def hashes(root: Path) -> dict[str, str]:
    """sha256 of the files that a run gives again byte for byte: not those that tell how long it took, and when."""
    told = ("status.json", "log.jsonl", "ro-crate-metadata.json", "checksums.sha256", ".lock")
    return {
        p.relative_to(root).as_posix(): file_sha256(p) for p in root.rglob("*") if p.is_file() and p.name not in told
    }


def kill_runs(kills: int, rng: random.Random, folder: Path, studies: Sequence[Path]) -> Tally:
    """Runs of two studies that differ in their settings, into one folder."""
    tally = Tally("run")
    out = folder / "out"

    def command(study: Path) -> list[str]:
        return [sys.executable, "-m", "allostat", "run", str(study), "-o", str(out), "-j", "2", "--quiet"]

    wanted: list[dict[str, str]] = []
    marks: dict[str, tuple[str, str]] = {}
    usual = 0.0
    for study in studies:
        begun = time.monotonic()
        subprocess.run([*command(study), "--force"], check=True, stdout=subprocess.DEVNULL)
        usual = time.monotonic() - begun
        wanted.append(hashes(out))
        for path in out.glob("*/status.json"):
            name = f"{path.parent.name}/{path.parent.name}.h5"
            marks[json.loads(path.read_text())["fingerprint"]] = (name, wanted[-1][name])
    side = 0
    while tally.kills < kills:
        side = 1 - side
        for _ in range(RUNS_BEFORE_ONE_IS_LEFT_ALONE):
            if tally.kills == kills:
                break
            child = subprocess.Popen(command(studies[side]), stdout=subprocess.DEVNULL, start_new_session=True)
            # Later moments more often: the first half of a short run is importing.
            time.sleep(rng.random() ** 0.5 * 1.05 * usual)
            if child.poll() is not None:
                # A kill that comes too late counts for nothing; the machine is faster than it was at first.
                usual *= 0.8
                tally.saw("ended before its kill")
                continue
            tally.kills += 1
            if rng.random() < 0.5:
                os.kill(child.pid, signal.SIGKILL)
                state = "killed alone"
            else:
                os.killpg(child.pid, signal.SIGKILL)
                state = "killed with its workers"
            child.wait()
            done = _check_run(out, marks, tally)
            tally.saw(state)
            tally.saw(f"with {done} participants done")
            if rng.random() < 0.3:
                side = 1 - side
        subprocess.run(command(studies[side]), check=True, stdout=subprocess.DEVNULL)
        found = hashes(out)
        for name in sorted(set(found) | set(wanted[side])):
            if found.get(name) != wanted[side].get(name):
                tally.complain("damaged", f"{name} after the resumed run is not that of an undisturbed one")
        for problem in verify_output(out).problems:
            tally.complain("damaged", problem)
        tally.saw("resumed to the end")
    return tally


def _check_run(out: Path, marks: dict[str, tuple[str, str]], tally: Tally) -> int:
    """What a killed run left: every store file whole, everybody who is done with the right bytes."""
    for path in out.rglob("*.h5"):
        if not path.name.startswith(".") and (problems := verify(path)):
            tally.complain("damaged", "; ".join(problems))
    done = 0
    for path in out.glob("*/status.json"):
        try:
            mark = json.loads(path.read_text())["fingerprint"]
        except ValueError:
            tally.complain("damaged", f"{path.parent.name}/status.json")
            continue
        name, digest = marks[mark]
        done += 1
        if not (out / name).is_file() or file_sha256(out / name) != digest:
            tally.complain("lost", f"{name}: done, and not what its status says")
    return done


def kill_collating(kills: int, rng: random.Random, folder: Path, study: Path) -> Tally:
    tally = Tally("collate")
    opened = Study(study)
    out = OutputLayout(folder / "out")
    opened.run(out.root, jobs=2)
    tables, plan = opened.tables(), opened.plan()
    result = RunResult(out, plan, tuple(Outcome(p.participant, "unchanged") for p in plan.participants))
    configs = [opened.config.replaced("study", name=title) for title in TITLES]

    def collate(config: StudyConfig) -> None:
        with locked(out.root):
            write_cohort_files(study, config, result, tables)

    wanted = []
    usual = 0.0
    for config in configs:
        begun = time.monotonic()
        collate(config)
        usual = time.monotonic() - begun
        wanted.append(hashes(out.root))
    for trial in range(kills):
        tally.kills += 1
        to = (trial + 1) % 2 if trial % 5 else rng.randrange(2)

        def work(pipe: int, to: int = to) -> None:
            os.write(pipe, b"!")
            collate(configs[to])
            time.sleep(60.0)

        def wait(reading: int, delay: float = rng.random() * 1.1 * usual) -> float:
            started(reading)
            return delay

        killed_child(work, wait)
        found = hashes(out.root)
        changed = 0
        for name in wanted[0]:
            if found.get(name) not in (wanted[0][name], wanted[1][name]):
                tally.complain("damaged", f"trial {trial}: {name} is neither the old nor the new one")
            changed += wanted[0][name] != wanted[1][name] and found.get(name) == wanted[to][name]
        _check_cohort(out.root, tally, trial)
        tally.saw("nothing new yet" if not changed else "some files new")
        if trial % 3 == 2:
            collate(configs[to])
            if hashes(out.root) != wanted[to]:
                tally.complain("damaged", f"trial {trial}: collated again, and not as undisturbed")
            for problem in verify_output(out.root).problems:
                tally.complain("damaged", problem)
            tally.saw("collated again")
    return tally


def _check_cohort(root: Path, tally: Tally, trial: int) -> None:
    try:
        people = len(read_cohort(root / "cohort.h5").biomarkers.persons)
    except AllostatError as error:
        tally.complain("damaged", f"trial {trial}: {error}")
        return
    if people != PARTICIPANTS:
        tally.complain("lost", f"trial {trial}: cohort of {people}")


def measured(kills: int, seed: int, phases: Sequence[str]) -> list[Tally]:
    """Every phase with its share of the kills."""
    rng = random.Random(seed)
    tallies = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        study = made_study(root / "study", rng)
        # Of the same name: it is in what a page says.
        other = root / "with other settings" / study.name
        shutil.copytree(study, other)
        (other / "study.toml").write_text('[study]\nname = "study"\n\n[hrv]\nwindow = "2min"\nstep = "2min"\n')
        for phase in phases:
            share = max(1, round(kills * SHARES[phase] / sum(SHARES[p] for p in phases)))
            place = root / phase
            place.mkdir()
            begun = time.monotonic()
            stream = random.Random(f"{seed} {phase}")
            match phase:
                case "journal":
                    tally = kill_journals(share, stream, place)
                case "finalise":
                    Study(study).run(root / "once", jobs=2)
                    result = read_participant(next((root / "once").glob("*/sub-P1.h5")))
                    tally = kill_finalising(share, stream, place, result)
                case "run":
                    tally = kill_runs(share, stream, place, (study, other))
                case _:
                    tally = kill_collating(share, stream, place, study)
            tally.seconds = time.monotonic() - begun
            print(tally.line(), flush=True)
            tallies.append(tally)
    return tallies


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks kills", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=500, help="in all; each phase has its share (default 500)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--phase", action="append", choices=list(SHARES), help="only this one (repeatable)")
    parser.add_argument("--json", type=Path, help="write the results to this file")
    chosen = parser.parse_args(arguments)
    tallies = measured(chosen.kills, chosen.seed, chosen.phase or list(SHARES))
    total: dict[str, Any] = {k: sum(getattr(t, k) for t in tallies) for k in ("kills", "damaged", "lost")}
    print(f"{'in all':<9} {total['kills']:>4} kills  {total['damaged']} damaged files  {total['lost']} lost records")
    if chosen.json:
        chosen.json.write_text(json.dumps([dataclasses.asdict(t) for t in tallies], indent=1) + "\n")
    return 1 if total["damaged"] or total["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
