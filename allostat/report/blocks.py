"""What a page is made of: tables, pictures, tiles and sections. Values only; the templates give them their look."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

State = Literal["inside", "outside", "unknown"]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    numeric
        Columns that are aligned right.
    folded
        Whether the reader has to open it.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Markup, ...], ...]
    numeric: frozenset[int] = frozenset()
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """An inline SVG with its caption and its data as a table."""

    svg: Markup
    caption: str
    table: Table
    wide: bool = True


@dataclass(frozen=True, slots=True)
class Band:
    """A value on a scale with its reference range, all as per cent of the scale."""

    low: float
    high: float
    at: float


@dataclass(frozen=True, slots=True)
class Tile:
    """One number in large type, with its reference where one is known."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    reference: str = ""
    state: State = "unknown"
    band: Band | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page. ``missing`` says in plain words what is not there and why."""

    id: str
    title: str
    intro: str = ""
    pictures: tuple[Picture, ...] = ()
    tables: tuple[Table, ...] = ()
    missing: tuple[str, ...] = ()
    text: str = ""
    """Preformatted text to copy."""
    lists: tuple[tuple[str, tuple[str | Markup, ...]], ...] = field(default=())


def number(value: float, digits: int = 3) -> str:
    """A number with ``digits`` significant digits and a true minus sign; an en dash when it is missing."""
    if not math.isfinite(value):
        return "–"
    if value == round(value) and abs(value) < 1e6:
        return f"{value:,.0f}".replace(",", "\u202f").replace("-", "−")
    if abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}".replace("-", "−")
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(places, 6)}f}".replace(",", "\u202f")
    return text.replace("-", "−")


def percent(share: float) -> str:
    """A share of 1 as per cent without decimals; one that is not 0 never reads as 0."""
    if not math.isfinite(share):
        return "–"
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def band(value: float, low: float, high: float, scale: tuple[float, float]) -> Band | None:
    """Where ``value`` and the range ``low`` to ``high`` lie on a scale; open ends are infinite."""
    if not math.isfinite(value):
        return None
    start, stop = scale

    def share(x: float) -> float:
        return round(100 * min(1.0, max(0.0, (x - start) / (stop - start))), 1)

    return Band(share(low), share(high), share(value))


UNITS = {
    "mm[Hg]": "mmHg", "/min": "/min", "ln(nmol/L)/h": "ln(nmol/L) per h", "1": "", "ms2": "ms²", "uV": "µV",
    "nmol/L.min": "nmol/L · min", "10*9/L": "10⁹/L",
}  # fmt: skip


def readable_unit(ucum: str) -> str:
    """A UCUM unit as people write it."""
    return UNITS.get(ucum, ucum)
