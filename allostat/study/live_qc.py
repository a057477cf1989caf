"""qc.tsv while a run goes on: those who have ended so far, written whole and not too often."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from allostat.errors import DiskError
from allostat.study.layout import OutputLayout
from allostat.study.outcome import Outcome
from allostat.study.output_tables import write_tsv

FILE = "qc.tsv"
WORDS = {"done": "ok", "unchanged": "ok", "failed": "failed", "excluded": "excluded"}

EVERY_S = 2.0
"""The table is written no more often than this."""
SHARE = 0.02
"""Nor so often that writing it takes a larger share of the time."""


def qc_table(entries: Iterable[tuple[str, str, str, Mapping[str, Any]]]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of qc.tsv from (participant, status, reason, quality numbers)."""
    listed = list(entries)
    names = sorted({name for *_, numbers in listed for name in numbers})
    rows = [[who, state, reason, *(numbers.get(n) for n in names)] for who, state, reason, numbers in listed]
    return ["participant_id", "status", "reason", *names], rows


class LiveQc:
    """Keeps qc.tsv up to date during a run.

    Parameters
    ----------
    layout
        The output folder.
    order
        All participants in the order of the table.
    """

    def __init__(self, layout: OutputLayout, order: Iterable[str]) -> None:
        self._path, self._order = layout.root / FILE, tuple(order)
        self._ended: dict[str, Outcome] = {}
        self._due = 0.0

    def stands(self, outcome: Outcome) -> None:
        """Take note of a participant who needs no computing: told with the next one who does."""
        self._ended[outcome.participant] = outcome

    def ended(self, outcome: Outcome) -> None:
        """Take note of a participant who has ended, and write the table when it is time.

        A disk that refuses it stops nothing here: collating writes the table again, and says so.
        """
        self._ended[outcome.participant] = outcome
        began = time.monotonic()
        if began < self._due:
            return
        told = (self._ended[who] for who in self._order if who in self._ended)
        try:
            write_tsv(self._path, *qc_table((o.participant, WORDS[o.state], o.reason or "", o.qc) for o in told))
        except DiskError:
            self._due = float("inf")
            return
        now = time.monotonic()
        self._due = now + max(EVERY_S, (now - began) / SHARE)
