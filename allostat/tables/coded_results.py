"""What laboratory messages (FHIR, HL7) have in common: results with codes, made into the rows of our own tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from allostat.errors import InputError
from allostat.recording import Notice
from allostat.tables.reader import Row, Table

PRESSURE_PANEL = "85354-9"
SYSTOLIC, DIASTOLIC, PULSE = "8480-6", "8462-4", "8867-4"

_OTHER_THINGS: Mapping[str, tuple[str, ...]] = {
    "14715-7": ("cortisol",),
    "14675-3": ("pm", "evening", "afternoon"),
    "80404-7": ("rmssd", "root mean square"),
    "76643-6": ("rmssd", "root mean square"),
    "1988-5": ("high sensitivity", "hs-crp", "hscrp"),
    "76485-2": ("high sensitivity", "hs-crp", "hscrp"),
}
"""Words in the label of a LOINC code that show that it stands for something else: mistakes seen in public code."""


@dataclass(frozen=True)
class CodedResult:
    """One result of a message: cells of a row of labs.tsv or blood_pressure.tsv."""

    place: int
    """Number of the entry or line."""
    cells: Mapping[str, str]
    label: str = ""
    extras: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """What a file of laboratory messages holds, as tables."""

    labs: Table
    pressures: Table


def message_of(
    file: str, place: str, labs: Iterable[CodedResult], pressures: Iterable[CodedResult], notices: tuple[Notice, ...]
) -> Message:
    """The results as two tables.

    Parameters
    ----------
    place
        What `CodedResult.place` counts: ``entry`` or ``line``.
    """
    return Message(
        Table(file, (), tuple(_row(r) for r in labs), notices, place),
        Table(file, (), tuple(_row(r) for r in pressures), notices, place),
    )


def _row(result: CodedResult) -> Row:
    return Row(result.place, result.cells, result.extras)


def check_label(code: str, label: str, where: str) -> None:
    """Refuse a LOINC code whose own label names another thing.

    Raises
    ------
    InputError
        Which of the two is right cannot be told.
    """
    for word in _OTHER_THINGS.get(code, ()):
        if re.search(rf"(?<![a-z]){re.escape(word)}(?![a-z])", label.casefold()):
            raise InputError(
                "LOINC code and its label contradict each other", where=where, found=f"{code} labelled {word!r}",
                expected="a code that means what the label says",
            )  # fmt: skip


def count_notice(code: str, message: str, places: list[int], file: str) -> tuple[Notice, ...]:
    """A notice on entries that were left out; none when there were none."""
    return (Notice(code, message, "warning", len(places), file, places[0]),) if places else ()
