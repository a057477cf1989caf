"""How a run and each of its participants ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from allostat.recording import Notice
from allostat.study.layout import OutputLayout
from allostat.study.plan import Plan

State = Literal["done", "unchanged", "failed", "excluded"]


@dataclass(frozen=True)
class Outcome:
    """How one participant ended."""

    participant: str
    state: State
    reason: str | None = None
    seconds: float = 0.0
    qc: Mapping[str, Any] = field(default_factory=dict)
    computed: tuple[str, ...] = ()
    """The stages that ran; of one who is done, the others stood from an earlier run."""
    attempts: tuple[str, ...] = ()
    """How earlier attempts of the run ended."""


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    layout: OutputLayout
    plan: Plan
    outcomes: tuple[Outcome, ...]
    notices: tuple[Notice, ...] = ()
    """What is worth saying of the run as a whole."""

    @property
    def all_good(self) -> bool:
        """Whether no participant failed or was excluded."""
        return all(o.state in ("done", "unchanged") for o in self.outcomes)

    def having(self, state: State) -> list[Outcome]:
        """The outcomes in one state."""
        return [o for o in self.outcomes if o.state == state]
