"""Faults at their times: written by hand or drawn from a seed.

strap.inflict(OutOfRange(8))
strap.follow(Script((At(60, Drop(3)), At(90, AnswerStatus(10, START)))))
strap.follow(random_script(seed=1, duration_s=3600, every_s=120))
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from allostat.errors import ConfigError
from allostat_devices.virtual.radio_faults import (
    Disconnect,
    Drop,
    Duplicate,
    Garbage,
    OutOfRange,
    RefuseConnects,
    Reorder,
    Stall,
    Truncate,
)

if TYPE_CHECKING:
    from allostat_devices.virtual.strap import VirtualStrap


class Fault(Protocol):
    """Something that goes wrong."""

    def strike(self, strap: VirtualStrap) -> None:
        """Do it to a strap, now."""
        ...


@dataclass(frozen=True, slots=True)
class At:
    """A fault so many seconds after the strap began."""

    at_s: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class Script:
    """Faults at their times."""

    events: tuple[At, ...]


def _any_fault(rng: random.Random) -> Fault:
    return rng.choice(
        (
            Drop(rng.randint(1, 5)),
            Duplicate(rng.randint(1, 3)),
            Reorder(1),
            Truncate(1),
            Stall(rng.uniform(0.2, 1.5)),
            Disconnect(),
            Disconnect(mid_frame=True),
            OutOfRange(rng.uniform(0.3, 12)),
            RefuseConnects(rng.randint(1, 3)),
            Garbage(rng.randint(1, 4)),
        )
    )


def random_script(
    seed: int,
    duration_s: float,
    every_s: float,
    draw: Callable[[random.Random], Fault] | Sequence[Fault] = _any_fault,
) -> Script:
    """Faults at random times.

    Parameters
    ----------
    seed
        Same seed, same script.
    duration_s
        Length of the script.
    every_s
        Mean time between two faults.
    draw
        Gives a fault, or faults to choose from; by default any that every strap can have.
    """
    if not every_s > 0:
        raise ConfigError("faults need a mean time between them", found=every_s, expected="seconds above 0")
    rng = random.Random(f"script {seed}")
    choose: Callable[[random.Random], Fault] = draw if callable(draw) else (lambda r: r.choice(list(draw)))
    events: list[At] = []
    at = rng.expovariate(1 / every_s)
    while at < duration_s:
        events.append(At(at, choose(rng)))
        at += rng.expovariate(1 / every_s)
    return Script(tuple(events))
