"""Sessions killed at random moments: no complete record may be lost, and recovery must give sound files."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from allostat.live.recovery import recover_sessions
from allostat.store import read_participant, verify
from allostat.store.journal import read_session, session_parts
from allostat.strap import RecordKind, SampleBlock
from allostat_devices.ble.link import LINK
from benchmarks.kills import Tally, killed_child
from benchmarks.live_setup import CountingLink, Face, make_session, run_at, strap_radio

PACE = 40.0


class Acknowledging(CountingLink):
    """Tells a pipe after each record that the session has taken."""

    def __init__(self, pipe: int) -> None:
        super().__init__()
        self._pipe = pipe
        self._taken = 0

    async def follow(self, strap: Any, sink: Any, options: Any, *, backend: Any = None) -> None:
        def taken(kind: RecordKind, data: bytes) -> None:
            sink(kind, data)
            self._taken += 1
            os.write(self._pipe, self._taken.to_bytes(8, "little"))

        await LINK.follow(strap, taken, options, backend=backend)


def _journalled(folder: Path) -> tuple[int, dict[int, int]]:
    """Records of straps in a journal, and ECG samples in them by strap."""
    records, _ = read_session(folder, "bench")
    decoders = [LINK.decoder() for _ in range(64)]
    count = 0
    samples: dict[int, int] = {}
    for record in records:
        if record.strap >= len(decoders):
            continue
        count += 1
        for value in decoders[record.strap].push(record.kind, record.data, record.monotonic_ns):
            if isinstance(value, SampleBlock):
                samples[record.strap] = samples.get(record.strap, 0) + len(value.raw)
    return count, samples


def main(chosen: argparse.Namespace) -> bool:
    """Kill, recover and print; whether nothing was lost or damaged."""
    from benchmarks.live import verdict

    rng, tally = random.Random(chosen.seed), Tally("live")
    straps = chosen.straps or 4
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        for trial in range(chosen.kills):
            folder = Path(name) / f"{trial:04d}"
            tally.kills += 1
            acknowledged = [0]

            def work(pipe: int, folder: Path = folder) -> None:
                async def run() -> None:
                    session = make_session(folder, strap_radio(straps), [Face()], link=Acknowledging(pipe))
                    await session.run()

                run_at(PACE, run())

            def wait(
                reading: int, wanted: int = rng.choice([1, 30, 200, 500]), delay: float = rng.random() * 0.2,
                got: list[int] = acknowledged,
            ) -> float:  # fmt: skip
                while got[0] < wanted:
                    got[0] = int.from_bytes(os.read(reading, 8), "little")
                return delay

            rest = killed_child(work, wait)
            if rest:
                acknowledged[0] = int.from_bytes(rest[len(rest) // 8 * 8 - 8 :][:8], "little")
            _judge(folder, acknowledged[0], trial, tally)
    tally.seconds = time.monotonic() - began
    print(tally.line())
    return verdict("no complete record lost, no file damaged", not tally.lost and not tally.damaged)


def _judge(folder: Path, acknowledged: int, trial: int, tally: Tally) -> None:
    if not session_parts(folder, "bench"):
        tally.saw("before the journal")
        if acknowledged:
            tally.complain("lost", f"trial {trial}: no journal")
        return
    count, samples = _journalled(folder)
    if count < acknowledged:
        tally.complain("lost", f"trial {trial}: {acknowledged} acknowledged, {count} readable")
    for recovery in recover_sessions(folder):
        if recovery.finished is None:
            tally.complain("damaged", f"trial {trial}: {recovery.problem}")
            continue
        tally.saw("with samples" if samples else "before the first sample")
        stored = {}
        for participant, path in recovery.finished.files.items():
            if problems := verify(path):
                tally.complain("damaged", f"trial {trial}: {problems[0]}")
                continue
            for recording in read_participant(path).recordings.values():
                if "ecg" in recording.signals:
                    stored[int(participant[1:]) - 1] = len(recording.ecg)
        if stored != samples:
            tally.complain("lost", f"trial {trial}: {samples} samples journalled, {stored} in files")
