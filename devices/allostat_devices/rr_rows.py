"""Interval lists in which every row looks like the one before, read at once by a compiled kernel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from allostat.kernels.text_rows import read_rows
from allostat.source import Source
from allostat_devices.number_columns import LARGEST
from allostat_devices.rr_beats import IntervalRows, TimeColumn
from allostat_devices.rr_layout import Layout, parse_stamp
from allostat_devices.text_lines import encoding_of

_BLOCK = 1 << 20
_LONGEST_ROW = 1 << 22
_STAMP = 19


def regular_rows(source: Source, member: str, layout: Layout) -> tuple[IntervalRows, TimeColumn | None] | None:
    """All rows of a file, when none of them needs judgement.

    Returns
    -------
    tuple or None
        Intervals as written with their line numbers, and the time column where there is one; None when any row is
        written otherwise than the first, and the file has to be read line by line.
    """
    column, time_at = layout.rr_column, layout.time_column
    if column is None or layout.decimal_comma or (layout.separator is None and (column, time_at) != (0, None)):
        return None
    if encoding_of(source.head(member)) != "utf-8-sig":
        return None
    separator = ord(layout.separator) if layout.separator and len(layout.separator) == 1 else 0
    values, stamps = [], []
    columns, end, offset = 1, b"", None
    for number, block in enumerate(_blocks(source, member, layout.first_row)):
        if number == 0:
            first = block[: block.index(b"\n")].split(bytes([separator]) if separator else None)
            columns = len(first)
            if column >= columns or (time_at is not None and time_at >= columns):
                return None
            if time_at is not None:
                cell = first[time_at]
                end = cell[_STAMP:]
                try:
                    offset = parse_stamp(cell.decode("ascii")).offset_s
                except (ValueError, OverflowError):
                    return None
                if end and (offset is None or end[:1] in (b".", b",")):
                    return None
        data = np.frombuffer(block, np.uint8)
        rows = block.count(b"\n")
        numbers, seconds = np.empty(rows), np.empty(rows, np.int64)
        suffix = np.frombuffer(end, np.uint8)
        stamp_at = -1 if time_at is None else time_at
        if read_rows(data, separator, columns, column, stamp_at, suffix, numbers, seconds) != rows:
            return None
        if not bool(np.all(np.abs(numbers) <= LARGEST)):
            return None
        values.append(numbers)
        stamps.append(seconds)
    if not values:
        return None
    together = np.concatenate(values)
    lines = range(layout.first_row + 1, layout.first_row + 1 + len(together))
    found = IntervalRows(together.tolist(), [""] * len(together), list(lines), [False] * len(together))
    if time_at is None:
        return found, None
    ns = (np.concatenate(stamps) - (offset or 0)) * 1_000_000_000
    return found, TimeColumn(ns, "local" if offset is None else "utc", offset)


def _blocks(source: Source, member: str, skip: int) -> Iterator[bytes]:
    """Whole lines in blocks of bounded size, ended by line feeds, without the first ``skip`` lines."""
    with source.open(member) as stream:
        for _ in range(skip):
            stream.readline()
        rest = b""
        while chunk := stream.read(_BLOCK):
            whole, mark, rest = (rest + chunk).rpartition(b"\n")
            if mark:
                yield whole.replace(b"\r\n", b"\n").removesuffix(b"\r") + b"\n"
            elif len(rest) > _LONGEST_ROW:
                yield rest + b"\n"  # no row is that long: it fails, and the reader of lines says why
                return
        if rest.strip():
            yield rest.removesuffix(b"\r") + b"\n"
