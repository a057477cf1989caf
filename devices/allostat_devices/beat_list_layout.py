"""Lists of beat instants: which column holds them, whether it counts samples or time, and which one labels them.

What the names mean comes from the header of the list or from ``Columns`` of the JSON beside it (`table_sidecar`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from allostat.errors import InputError
from allostat.recording import BeatSource
from allostat_devices.table_layout import NO_VALUE, SECONDS, TIME_UNITS, TimeUnit, label_of, number
from allostat_devices.table_sidecar import Sidecar

InstantUnit = TimeUnit | Literal["samples"]

_BEATS = re.compile(
    r"(?P<wave>ecg|ppg|pulse|systolic)? ?"
    r"(?:r ?peaks?|peaks?|qrs|(?:heart ?)?beats?)"
    r"(?: (?:(?P<samples>samples?(?: numbers?)?|index|indices)|(?P<times>times?|instants?)))?"
)
_SAMPLES = re.compile(r"samples?(?: numbers?| index)?")
_LABELS = frozenset(
    {"label", "labels", "type", "beat type", "beat label", "annotation", "annotations", "symbol", "symbols", "class"}
)
_INDEX = frozenset({"", "index", "row", "unnamed"})
"""Columns that count the rows, as data frames write them."""
_WORDS_FOR_SAMPLES = frozenset({"sample", "samples", "index"})
_SUFFIX = re.compile(r"^(?P<name>.+?)[ _.-](?P<unit>ms|msec|s|sec|us|ns)$", re.I)
_MOST_HEADER_LINES = 8
_FROM_1990_S = 6.3e8
"""Times from here on count from 1970: no recording lasts twenty years."""
_FEW = 3
_RISING = 0.9
"""Share of steps upwards from which numbers rise; a column of 0 with 1 at each beat does not."""


@dataclass(frozen=True, slots=True)
class ListHead:
    """The first lines of a list as cells."""

    separator: str
    """Empty: blanks of any number."""
    decimal_comma: bool
    skip: int
    """Lines above the first row."""
    names: tuple[str, ...]
    """As the header has them; empty without one."""
    rows: tuple[tuple[str, ...], ...]

    @property
    def width(self) -> int:
        """Columns of most rows."""
        widths = [len(row) for row in self.rows]
        return max(set(widths), key=widths.count)

    def numbers(self, column: int) -> list[float]:
        """What can be read as a number in one column."""
        cells = (row[column] for row in self.rows if column < len(row))
        return [v for cell in cells if math.isfinite(v := number(cell))]


@dataclass(frozen=True, slots=True)
class BeatColumns:
    """Columns of a list by their names."""

    beats: tuple[int, ...]
    label: int | None
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BeatListLayout:
    """How the rows of a list are read."""

    head: ListHead
    column: int
    label: int | None
    unit: InstantUnit
    rate_hz: float
    """Samples per second; NaN for times."""
    absolute: bool
    """Whether the times count from 1970."""
    source: BeatSource


def cells_of(line: str, separator: str, decimal_comma: bool) -> tuple[str, ...]:
    """The cells of a line, without quotes."""
    parts = line.split(separator) if separator else line.split()
    cells = (part.strip().strip("\"'").strip() for part in parts)
    return tuple(cell.replace(",", ".") for cell in cells) if decimal_comma else tuple(cells)


def head_of(lines: Sequence[str], told: int = 0) -> ListHead | None:
    """The first lines of a list as cells; None when they hold no row with a number near the top.

    Parameters
    ----------
    told
        Number of columns that a sidecar names, 0 without one: in a list of one column a comma is a decimal sign.
    """
    filled = [(i, line) for i, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")]
    if not filled:
        return None
    sample = filled[min(len(filled) - 1, _FEW)][1]
    separator = next((s for s in "\t;," if s in sample), "")
    if separator == "," and told == 1:
        separator = ""
    comma = separator != "," and any(re.search(r"\d,\d", line) for _, line in filled[1:])
    split = [(i, cells_of(line, separator, comma)) for i, line in filled]
    first = next((k for k, (_, row) in enumerate(split) if any(math.isfinite(number(c)) for c in row)), None)
    if first is None or first > _MOST_HEADER_LINES:
        return None
    rows = tuple(row for _, row in split[first:])
    names = split[first - 1][1] if first else ()
    if names and all(len(row) == 1 for row in rows):
        # the name of the one column may hold blanks
        names = (filled[first - 1][1].strip().strip("\"'").strip(),)
    if names and all(len(row) == len(names) + 1 for row in rows[:20]):
        # R writes the names of rows without a name above them
        names = ("", *names)
    return ListHead(separator, comma, split[first][0], names, rows)


def beat_columns(head: ListHead, sidecar: Sidecar | None) -> BeatColumns | None:
    """Columns of a list whose names say that it holds beats and nothing else; None for any other table.

    Names of beats are ``r_peak``, ``peak``, ``qrs``, ``beat`` and ``heartbeat``, alone or with ``_sample``, ``_index``
    or ``_time`` behind and ``ecg_``, ``ppg_``, ``pulse_`` or ``systolic_`` in front, and ``sample``; plural, capitals
    and other separators do not count. Their numbers rise. Beside them only labels and a count of rows may stand.
    """
    names = sidecar.columns if sidecar is not None and sidecar.columns else head.names
    if not names or len(names) != head.width:
        return None
    plain = [_plain(_without_unit(name)[0]) for name in names]
    beats = tuple(i for i, name in enumerate(plain) if _BEATS.fullmatch(name) or _SAMPLES.fullmatch(name))
    labels = [i for i, name in enumerate(plain) if name in _LABELS]
    if not beats or len(labels) > 1:
        return None
    if any(name not in _INDEX and name not in _LABELS for i, name in enumerate(plain) if i not in beats):
        return None
    if not all(rises(head.numbers(i)) for i in beats):
        return None
    return BeatColumns(beats, labels[0] if labels else None, tuple(names))


def rises(values: Sequence[float]) -> bool:
    """Whether numbers rise in nearly all steps, as instants do."""
    return len(values) >= _FEW and float(np.mean(np.diff(np.array(values)) > 0)) >= _RISING


def told_by_name(name: str) -> InstantUnit | None:
    """The unit that a column's name states: ``r_peak_ms``, ``beat [s]``; None without one."""
    unit = _without_unit(name)[1].casefold()
    return TIME_UNITS.get(unit) or ("samples" if unit in _WORDS_FOR_SAMPLES else None)


def list_layout(head: ListHead, columns: BeatColumns, sidecar: Sidecar | None, where: str) -> BeatListLayout:
    """How a list of beats is read.

    Raises
    ------
    InputError
        When it is not told what the numbers count, or names, units and numbers contradict each other.
    """
    if len(columns.beats) > 1:
        both = ", ".join(columns.names[i] for i in columns.beats)
        raise InputError(
            "names two columns of beats", where=where, found=both, expected='one of them; name the other one "index"'
        )
    column = columns.beats[0]
    name = columns.names[column]
    unit = _unit(head.numbers(column), name, sidecar, where)
    rate = sidecar.rate_hz if sidecar is not None and unit == "samples" else math.nan
    scale = 1 / rate if unit == "samples" else SECONDS[unit]
    absolute = unit != "samples" and abs(head.numbers(column)[0]) * scale >= _FROM_1990_S
    found = _BEATS.fullmatch(_plain(_without_unit(name)[0]))
    wave = None if found is None else found["wave"]
    source: BeatSource = "ppg" if wave in ("ppg", "pulse", "systolic") else "unknown"
    if wave == "ecg" or re.match(r"(ecg )?(r ?peak|qrs)", _plain(name)):
        source = "ecg"
    return BeatListLayout(head, column, columns.label, unit, rate, absolute, source)


def _unit(values: Sequence[float], name: str, sidecar: Sidecar | None, where: str) -> InstantUnit:
    stated = sidecar.unit(name).strip() if sidecar is not None else ""
    by_name = told_by_name(name)
    found = _BEATS.fullmatch(_plain(_without_unit(name)[0]))
    unit: InstantUnit | None = TIME_UNITS.get(stated.casefold())
    if unit is None and stated.casefold() in _WORDS_FOR_SAMPLES:
        unit = "samples"
    if stated and unit is None:
        raise InputError(
            "instants of beats have no such unit", where=f"{where}, {name}", found=stated[:40],
            valid=("s", "ms", "us", "ns", "samples"),
        )  # fmt: skip
    kind = by_name or ("samples" if found is None or found["samples"] else None)
    if unit is not None and kind is not None and unit != kind:
        raise InputError("name and Units contradict each other", where=f"{where}, {name}", found=f"Units {stated}")
    unit = unit or kind
    has_rate = sidecar is not None and sidecar.rate_hz > 0
    if unit is None and has_rate and not (found and found["times"]):
        unit = "samples"
    if unit is None:
        raise InputError(
            "tells neither rate nor unit of its beats", where=f"{where}, {name}",
            expected=f'"SamplingFrequency" in Hz for sample numbers, or "{name}": {{"Units": "s"}} (or ms)',
        )  # fmt: skip
    if unit == "samples" and not has_rate:
        raise InputError(
            "sample numbers without a rate", where=f"{where}, {name}", expected='"SamplingFrequency" in the JSON'
        )
    fraction = next((v for v in values if v != math.floor(v)), None) if unit == "samples" else None
    if fraction is not None:
        raise InputError(
            "sample numbers are whole", where=f"{where}, {name}", found=f"{fraction:g}",
            expected=f'for times "{name}": {{"Units": "s"}} (or ms)',
        )  # fmt: skip
    return unit


def _without_unit(name: str) -> tuple[str, str]:
    base, unit = label_of(name)
    if unit:
        return base, unit
    found = _SUFFIX.match(base)
    return (found["name"], found["unit"]) if found else (base, "")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]+", " ", name[:80].casefold()).strip()


def is_label(cell: str) -> bool:
    """Whether a cell is one sign that labels a beat."""
    return len(cell) == 1 and not cell.isdigit() and cell.casefold() not in NO_VALUE
