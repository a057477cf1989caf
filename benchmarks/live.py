"""Live sessions over virtual straps: how fast, how late, how much memory, what links and kills cost.

    python -m benchmarks live
    python -m benchmarks live --phase throughput --phase loss
    python -m benchmarks live --phase soak --hours 24 --straps 10
    python -m benchmarks live --phase kills --kills 100

throughput  20 straps at several times real time, recorded only and with live beats, quality and HRV: notifications per
            second, share of a core (with the virtual straps, and without them), latency from arrival to the last face
loss        an hour of 8 straps that go out of range at random: every missing sample declared, streaming again in time
soak        24 hours of 10 straps, as fast as it goes: memory after every simulated hour, and of finalising
kills       sessions killed at random moments: complete records lost, files damaged after recovery
"""

from __future__ import annotations

import argparse

from benchmarks import live_kills, live_loss, live_soak, live_throughput

PHASES = {
    "throughput": live_throughput.main,
    "loss": live_loss.main,
    "soak": live_soak.main,
    "kills": live_kills.main,
}


def main(arguments: list[str] | None = None) -> int:
    """Run phases; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks live", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--phase", action="append", choices=sorted(PHASES), help="only these; may be given again")
    parser.add_argument("--straps", type=int, help="how many; the phase's own number by default")
    parser.add_argument("--hours", type=float, help="simulated time; the phase's own by default")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    kept = [PHASES[phase](chosen) for phase in chosen.phase or list(PHASES)]
    return 0 if all(kept) else 1


def verdict(what: str, kept: bool) -> bool:
    """Print whether a bar is kept."""
    print(f"  {'kept  ' if kept else 'MISSED'}  {what}", flush=True)
    return kept
