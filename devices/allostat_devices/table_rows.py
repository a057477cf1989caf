"""The rows of a table of samples, block by block: cells cleaned for the compiled reader, times as ns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.kernels import text_columns
from allostat.source import Source
from allostat_devices.number_columns import Column, exact_integers, floats
from allostat_devices.table_layout import CARDIAC, NO_VALUE, TableLayout, TimeColumn, TimeUnit, number
from allostat_devices.text_lines import open_table
from allostat_devices.zone_inference import local_to_utc

if TYPE_CHECKING:
    from numpy.typing import NDArray

NS: dict[TimeUnit, int] = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1000, "ns": 1, "iso": 1}
_EARLIEST, _LATEST = -(1 << 61), 1 << 62
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")


def row_blocks(source: Source, member: str, layout: TableLayout) -> Iterator[tuple[int, bytes]]:
    """Rows without header in blocks of bytes, each with the 1-based number of its first line.

    Of a table whose one column runs on from line to line every sample is a line.
    """
    clean = _cleaner(layout)
    with open_table(source, member) as (first_line, blocks):
        head = first_line.rstrip("\r\n").encode("utf-8", "surrogateescape") + b"\n"
        wrapped = following = 1
        for block in blocks:
            if isinstance(block, list):
                block = "\n".join([*block, ""]).encode("utf-8", "surrogateescape")
            data, head = head + bytes(block), b""
            first, following = following, following + data.count(b"\n")
            blocks.line = following
            data, first = _below(data, first, layout.skip)
            if not data:
                continue
            data = clean(data)
            yield (wrapped if layout.wrapped else first), data
            wrapped += data.count(b"\n")
        if head and not layout.skip:
            yield 1, clean(head)


def _below(data: bytes, first: int, skip: int) -> tuple[bytes, int]:
    """A block without the lines of the header, and the number of its first line."""
    while data and first <= skip:
        end = data.find(b"\n")
        data, first = (data[end + 1 :], first + 1) if end >= 0 else (b"", first + 1)
    return data, first


def _cleaner(layout: TableLayout) -> Callable[[bytes], bytes]:
    separator = layout.separator.encode()
    pairs: list[tuple[bytes, bytes]] = []
    if layout.quote:
        pairs.append((layout.quote.encode(), b""))
    if layout.decimal_comma:
        pairs.append((b",", b"."))
    if layout.blanks:
        pairs += [(separator + b" ", separator), (b" " + separator, separator), (b" \n", b"\n"), (b"\n ", b"\n")]
    if layout.time is not None and layout.time.unit == "iso":
        if layout.separator != " ":
            pairs.append((b" ", b"T"))
        if layout.time.offset:
            pairs.append((layout.time.offset.encode(), b""))
    if layout.width > 1 and layout.separator != " ":
        pairs.append((b"n/a", b""))

    def clean(data: bytes) -> bytes:
        for old, new in pairs:
            # looking for one byte is far faster than for several
            if old[-1:] in data and old[:1] in data:
                data = data.replace(old, new)
        if layout.wrapped:
            data = re.sub(rb"[\s,;]+" if layout.separator == "," else rb"[\s;]+", b"\n", data).lstrip(b"\n")
        elif layout.separator == " ":
            data = re.sub(rb"(?m)^[ \t]+|[ \t]+$", b"", re.sub(rb"[ \t]+", b" ", data))
        return data if data.endswith(b"\n") or not data else data + b"\n"

    return clean


def columns_of(layout: TableLayout) -> list[Column]:
    """The columns to read: time first, where it is read, then the tracks."""
    found = [] if layout.time is None else [_time_column(layout.time)]
    for track in layout.tracks:
        parse = _numbers if track.kind in CARDIAC or layout.vitals else _numbers_among_texts
        found.append(Column(track.column, parse, plain=text_columns.NUMBER_OR_MISSING))
    return found


def _time_column(time: TimeColumn) -> Column:
    if time.unit == "iso":
        return Column(time.column, lambda cells: _stamps(cells, time.offset), "bad_time", text_columns.STAMP_NS)
    return Column(time.column, exact_integers if time.whole else floats, "bad_time")


def times_as_ns(values: NDArray[Any], time: TimeColumn) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Times in ns, and which of them can be times; None when all can."""
    scale = NS[time.unit]
    if values.dtype.kind == "i":
        good = (values > _EARLIEST // scale) & (values < _LATEST // scale)
        times = np.where(good, values, 0) * scale
    else:
        good = np.abs(values) < _LATEST / scale
        kept = np.where(good, values, 0.0)
        whole = np.floor(kept)
        times = whole.astype(np.int64) * scale + np.rint((kept - whole) * scale).astype(np.int64)
    return times, None if good.all() else good


class NaiveTimes:
    """Wall-clock times of one zone as UTC, block by block."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone, self._last, self._stepped = zone, 0, False

    def utc(self, local_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        """The next times; of the hour that occurs twice, those behind a step back are of its second pass."""
        if not len(local_ns):
            return local_ns
        # the hour before the last time, so that a step back of an earlier block counts here as well
        before = [self._last + 3_600_000_000_000, self._last] if self._stepped else [self._last] if self._last else []
        found = local_to_utc(np.concatenate([np.array(before, np.int64), local_ns]), self._zone)[len(before) :]
        back = np.diff(local_ns, prepend=self._last or local_ns[0]) < -900_000_000_000
        self._stepped, self._last = self._stepped or bool(back.any()), int(local_ns[-1])
        return found


def instant_of(cell: str, time: TimeColumn) -> int | None:
    """One time in ns; None when the cell is none."""
    try:
        parsed = _time_column(time).parse([re.sub(r" (?=\d)", "T", cell.strip().removesuffix(time.offset or ""))])
    except (ValueError, OverflowError, ArithmeticError):
        return None
    times, good = times_as_ns(parsed, time)
    return int(times[0]) if good is None else None


def _numbers(cells: Sequence[str]) -> NDArray[np.float64]:
    """Cells as float64, NaN where one says that there is no value; ValueError when another one is no number."""
    empty = [c.strip().casefold() in NO_VALUE for c in cells]
    values = floats(["0" if none else c for c, none in zip(cells, empty, strict=True)])
    values[np.array(empty, dtype=bool)] = np.nan
    return values


def _numbers_among_texts(cells: Sequence[str]) -> NDArray[np.float64]:
    """Cells as float64, NaN where one is no number: a note beside a sample does not cost the sample."""
    values = np.array([number(c) for c in cells], dtype=np.float64)
    values[~(np.abs(values) <= 1e15)] = np.nan
    return values


def _stamps(cells: Sequence[str], offset: str | None) -> NDArray[np.int64]:
    """Dates and times as ns in the offset of the first row; ValueError when one is none."""
    texts, shifts = [], []
    for cell in cells:
        text = cell.strip().replace(" ", "T")
        own = _OFFSET.search(text[19:])
        texts.append(text[: len(text) - len(own[0])] if own else text)
        shifts.append(_minutes(offset) - _minutes(own[0]) if own and offset else 0)
        if own and not offset:
            raise ValueError("an offset from UTC where the other rows have none")
    found = np.array(texts, "datetime64[ns]").astype(np.int64) if texts else np.empty(0, np.int64)
    if any("T" not in text for text in texts) or (np.abs(found) > _LATEST).any():
        raise ValueError("not a date and time")
    return found + np.array(shifts, np.int64) * 60_000_000_000


def _minutes(offset: str | None) -> int:
    """Offset from UTC of ``+01:00`` in min; 0 of ``Z``."""
    digits = (offset or "Z").replace(":", "")
    return 0 if digits == "Z" else int(digits[0] + "1") * (int(digits[1:3]) * 60 + int(digits[3:]))


def offset_ns(time: TimeColumn) -> int | None:
    """Offset from UTC that the stamps state, in ns; None when they state none."""
    return None if time.offset is None else _minutes(time.offset) * 60_000_000_000
