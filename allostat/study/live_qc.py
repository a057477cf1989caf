"""qc.tsv while a run goes on: those who have ended so far, written whole and not too often."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from allostat.errors import DiskError
from allostat.study.layout import OutputLayout
from allostat.study.outcome import Outcome
from allostat.study.output_tables import tsv_line, write_tsv_lines

FILE = "qc.tsv"
WORDS = {"done": "ok", "unchanged": "ok", "failed": "failed", "excluded": "excluded"}

EVERY_S = 5.0
"""The table is written no more often than this."""
SHARE = 0.005
"""Nor so often that writing it takes a larger share of the time."""


def qc_table(entries: Iterable[tuple[str, str, str, Mapping[str, Any]]]) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of qc.tsv from (participant, status, reason, quality numbers)."""
    listed = list(entries)
    names = sorted({name for *_, numbers in listed for name in numbers})
    return _columns(names), [_cells(row, names) for row in listed]


def _columns(names: list[str]) -> list[str]:
    return ["participant_id", "status", "reason", *names]


def _cells(row: tuple[str, str, str, Mapping[str, Any]], names: list[str]) -> list[Any]:
    *about, numbers = row
    return [*about, *(numbers.get(name) for name in names)]


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
        self._path = layout.root / FILE
        self._places = {who: place for place, who in enumerate(order)}
        self._rows: dict[str, tuple[str, str, str, Mapping[str, Any]]] = {}
        self._names: set[str] = set()
        self._lines: dict[str, str] = {}
        self._due = 0.0

    def stands(self, outcome: Outcome) -> None:
        """Take note of a participant who needs no computing: told with the next one who does."""
        who = outcome.participant
        self._rows[who] = (who, WORDS[outcome.state], outcome.reason or "", outcome.qc)
        self._lines.pop(who, None)
        if not self._names.issuperset(outcome.qc):
            self._names.update(outcome.qc)
            self._lines.clear()  # there is a column more

    def ended(self, outcome: Outcome) -> None:
        """Take note of a participant who has ended, and write the table when it is time.

        A disk that refuses it stops nothing here: collating writes the table again, and says so.
        """
        self.stands(outcome)
        began = time.monotonic()
        if began < self._due:
            return
        try:
            write_tsv_lines(self._path, self._table())
        except DiskError:
            self._due = float("inf")
            return
        now = time.monotonic()
        self._due = now + max(EVERY_S, (now - began) / SHARE)

    def _table(self) -> list[str]:
        """Lines of the table; those that have not changed since it was last written are not made anew."""
        names = sorted(self._names)
        for who, row in self._rows.items():
            if who not in self._lines:
                self._lines[who] = tsv_line(_cells(row, names))
        order = sorted(self._rows, key=self._places.__getitem__)
        return [tsv_line(_columns(names)), *(self._lines[who] for who in order)]
