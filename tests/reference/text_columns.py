"""Columns of delimited text by regular expressions and Python's own `float`, `Decimal` and `datetime`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from allostat.kernels.text_columns import (
    INTEGER_BY_POWER,
    NUMBER,
    NUMBER_OR_MISSING,
    PASSED_OVER,
    STAMP_NS,
)

LIMIT = 9 * 10**18


def number(cell: str) -> float | None:
    plain = re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", cell) and sum(c.isdigit() for c in cell) <= 15
    return float(cell) if plain else None


def integer(cell: str, by_power: bool) -> int | None:
    if not re.fullmatch(r"-?\d+" + (r"|-?(\d+\.?\d*|\.\d+)[eE]\+\d\d" if by_power else ""), cell):
        return None
    value = Decimal(cell)
    if value != value.to_integral_value() or abs(value) >= LIMIT or len(re.split("[eE]", cell)[0].strip("-.")) > 19:
        return None
    return int(value)


def stamp_ns(cell: str) -> int | None:
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?", cell)
    if match is None:
        return None
    try:
        moment = datetime.strptime(match[1], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    if not 1990 <= moment.year < 2200:
        return None
    return int(moment.timestamp()) * 10**9 + int((match[2] or "0").ljust(9, "0"))


def cell_of(cell: str, kind: int) -> float | int | None:
    if kind == NUMBER_OR_MISSING and cell == "":
        return math.nan
    if kind in (NUMBER, NUMBER_OR_MISSING):
        return number(cell)
    return stamp_ns(cell) if kind == STAMP_NS else integer(cell, kind == INTEGER_BY_POWER)


def read_columns(lines: Sequence[str], separator: str, kinds: Sequence[int]) -> list[tuple[int, list[float | int]]]:
    """State and wanted cells of each row."""
    found: list[tuple[int, list[float | int]]] = []
    for line in lines:
        cells = line.split(separator)
        read = [cell_of(c, k) for c, k in zip(cells, kinds, strict=False) if k != PASSED_OVER]
        if not line.strip(" \t"):
            found.append((2, []))
        elif len(cells) < len(kinds) or any(cells[len(kinds) :]) or any(value is None for value in read):
            found.append((0, []))
        else:
            found.append((1, [value for value in read if value is not None]))
    return found
