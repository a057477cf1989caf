"""Rows of delimited text by Python's own `float` and `datetime`."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray


def read_rows(
    data: NDArray[np.uint8],
    separator: int,
    columns: int,
    value_at: int,
    stamp_at: int,
    stamp_end: NDArray[np.uint8],
    values: NDArray[np.float64],
    stamps_s: NDArray[np.int64],
) -> int:
    lines = bytes(data).decode("ascii").split("\n")[:-1]
    for row, line in enumerate(lines):
        cells = line.split(chr(separator)) if separator else [line]
        if len(cells) != columns or not re.fullmatch(r"-?(\d+\.?\d*|\.\d+)", cells[value_at]):
            return -1
        if sum(c.isdigit() for c in cells[value_at]) > 15:
            return -1
        values[row] = float(cells[value_at])
        if stamp_at >= 0:
            end = bytes(stamp_end).decode("ascii")
            pattern = r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})" + re.escape(end)
            match = re.fullmatch(pattern, cells[stamp_at])
            if match is None or not 1900 <= int(match[1][:4]) < 2200:
                return -1
            try:
                moment = datetime.strptime(f"{match[1]} {match[2]}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
            except ValueError:
                return -1
            stamps_s[row] = int(moment.timestamp())
    return len(lines)
