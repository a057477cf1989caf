"""Links that are lost at random: every missing sample declared, and how soon a strap streams again."""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import tempfile
from pathlib import Path

from allostat.live.updates import GapDeclared, PlacedSamples, SegmentBegun
from allostat.store.journal import read_session
from allostat.strap import RecordKind
from allostat_devices.virtual.fault_script import At, Script
from allostat_devices.virtual.radio import VirtualRadio
from allostat_devices.virtual.radio_faults import Drop, OutOfRange
from benchmarks.live_setup import make_session, run_at, strap_radio

MOST_RESUME_S = 3.0


class Books:
    """Samples that came and that were declared missing, by strap."""

    def __init__(self, straps: int) -> None:
        self.came = [0] * straps
        self.declared = [0] * straps
        self.segments = [0] * straps
        self.by_reason: dict[str, int] = {}
        self.first_ns = [0] * straps
        self.last_ns = [0] * straps

    def offer(self, update: object) -> None:
        match update:
            case PlacedSamples(strap=strap, raw=raw, block=block, first_index=index):
                if not self.came[strap]:
                    self.first_ns[strap] = block.t0_ns
                self.came[strap] += len(raw)
                self.last_ns[strap] = block.t0_ns + round((index + len(raw) - block.start_index) * 1e9 / block.rate_hz)
            case GapDeclared(stream="ecg", strap=strap, missing=missing, reason=reason):
                self.declared[strap] += missing
                self.by_reason[reason] = self.by_reason.get(reason, 0) + missing
                if reason in ("stopped", "disconnected"):
                    self.last_ns[strap] = update.end_ns
            case SegmentBegun(strap=strap):
                self.segments[strap] += 1

    async def close(self) -> None:
        """Nothing to close."""


def losses(seed: int, strap: int, duration_s: float) -> tuple[Script, list[float]]:
    """Times out of range and lost notifications of one strap, and the ends of those that break the link."""
    rng = random.Random(f"{seed} {strap}")
    events, returns, at = [], [], 20.0
    while at < duration_s - 60:
        away = rng.choice([rng.uniform(0.3, 1.5), rng.uniform(3, 20), rng.uniform(20, 60)])
        events.append(At(at, OutOfRange(away)))
        if away > 2.5:
            returns.append(at + away)
        events.append(At(at + away + rng.uniform(8, 20), Drop(rng.randint(1, 4))))
        at += away + 30 + rng.expovariate(1 / 90)
    return Script(tuple(events)), returns


async def _run(folder: Path, radio: VirtualRadio, books: Books, seconds: float) -> None:
    session = make_session(folder, radio, [books])
    asyncio.get_running_loop().call_later(seconds, session.stop)
    result = await session.run()
    assert result.finished is not None, result.problem


def main(chosen: argparse.Namespace) -> bool:
    """Measure and print; whether all bars are kept."""
    from benchmarks.live import verdict

    count, seconds = chosen.straps or 8, 3600 * (chosen.hours or 1.0)
    radio, books = strap_radio(count, keep_truth=True), Books(count)
    returns: list[list[float]] = []
    for i, strap in enumerate(radio.straps):
        script, ends = losses(chosen.seed, i, seconds)
        strap.follow(script)
        returns.append(ends)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_at(math.inf, _run(folder, radio, books, seconds))
        arrivals: list[list[float]] = [[] for _ in range(count)]
        for record in read_session(folder, "bench")[0]:
            if record.kind == RecordKind.PMD_DATA:
                arrivals[record.strap].append(record.monotonic_ns * 1e-9)
    resumes, wrong, lost = [], 0, 0
    for i, strap in enumerate(radio.straps):
        runs = strap.truth.of(0)
        origin = strap.origin_s
        for back in returns[i]:
            after = [t for t in arrivals[i] if t >= origin + back]
            if after:
                resumes.append(after[0] - origin - back)
        delivered, taken = sum(r.delivered for r in runs), sum(r.taken for r in runs)
        lost += taken - delivered
        wrong += abs(delivered - books.came[i])
        # What the file's clock covers from its first sample to the end of its books, at the strap's true rate.
        covered = (books.last_ns[i] - books.first_ns[i]) * 1e-9 * runs[0].rate_hz
        wrong += max(0, round(abs(covered - books.came[i] - books.declared[i])) - 2 * books.segments[i])
    print(f"loss: {seconds / 3600:g} h of {count} straps, {sum(len(r) for r in returns)} links lost")
    print(
        f"  samples taken and never delivered {lost}; declared missing {sum(books.declared)} (silent straps included)"
    )
    print("  declared by reason: " + ", ".join(f"{k} {v}" for k, v in sorted(books.by_reason.items())))
    resumes.sort()
    print(f"  streaming again after {resumes[len(resumes) // 2]:.2f} s (median), {resumes[-1]:.2f} s (longest)")
    return all(
        [
            verdict("every sample came or is declared missing", wrong == 0 and sum(books.declared) >= lost),
            verdict(f"streaming again within {MOST_RESUME_S:g} s", resumes[-1] <= MOST_RESUME_S),
        ]
    )
