"""A table in blocks is the table at once, however long the blocks are and whatever ends its lines."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import InputError
from allostat.source import Source
from allostat_devices import text_lines
from allostat_devices.growing_array import GrowingArray
from allostat_devices.number_columns import Column, floats, floats_or_missing, integers, read_block, read_table
from allostat_devices.skipped_rows import SkippedRows

COLUMNS = [Column(0, integers, "bad_time"), Column(1, floats_or_missing), Column(2, floats)]
LINES = [
    *(f"{753315200000000000 + 7692308 * i};{i % 7 - 3};{i / 8}" for i in range(400)), "", "  ", "1;2", "x;1;2", "1;;2",
    "1;1;nan", "1;2;3;4", "1;2;3;", "\udce4;1;2", *(f"{i};{i};{-i}" for i in range(300)), "7" * 9000, "1;2;3",
]  # fmt: skip


@pytest.mark.parametrize("block_bytes", [1, 40, 1000, 1 << 19])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("packed", [False, True])
def test_blocks_of_any_length_give_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int, end: bytes, packed: bool
) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", block_bytes)
    whole, parts = SkippedRows("x"), SkippedRows("x")
    expected, expected_lines = read_block(LINES, 2, ";", 3, COLUMNS, whole)
    data = end.join(line.encode("utf-8", "surrogateescape") for line in ["a;b;c", *LINES])
    path = tmp_path / "table.txt"
    path.write_bytes(gzip.compress(data) if packed else data)
    with text_lines.open_table(Source(path)) as (first, blocks):
        assert first.strip() == "a;b;c"
        found, lines = read_table(blocks, ";", 3, COLUMNS, parts)
    assert blocks.line == 2 + len(LINES)
    assert lines.tolist() == expected_lines.tolist()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert (parts.rows, parts.counts, parts.first_lines) == (whole.rows, whole.counts, whole.first_lines)


def test_a_table_without_lines_has_empty_columns(tmp_path: Path) -> None:
    path = tmp_path / "table.txt"
    path.write_bytes(b"a;b;c\n")
    with text_lines.open_table(Source(path)) as (_, blocks):
        found, lines = read_table(blocks, ";", 3, COLUMNS, SkippedRows("x"))
    assert [(len(one), one.dtype.name) for one in found] == [(0, "int64"), (0, "float64"), (0, "float64")]
    assert lines.tolist() == []


def test_a_line_that_is_too_long_is_refused_with_the_line_of_its_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 6)
    monkeypatch.setattr(text_lines, "_LONGEST_LINE", 100)
    path = tmp_path / "table.txt"
    path.write_bytes(b"a;b;c\n1;2;3\n4;5;6\n" + b"7" * 200 + b"\n")
    with (
        text_lines.open_table(Source(path)) as (_, blocks),
        pytest.raises(InputError, match="too long for a table") as error,
    ):
        read_table(blocks, ";", 3, COLUMNS, SkippedRows("x"))
    assert error.value.where == "line 4"


@given(st.lists(st.lists(st.integers(-9, 9), max_size=9), max_size=9), st.integers(0, 60))
@settings(max_examples=50, deadline=None)
def test_an_array_grows_by_its_parts(parts: list[list[int]], expected: int) -> None:
    grown = GrowingArray(np.dtype(np.int64), expected)
    for part in parts:
        grown.extend(np.array(part, np.int64))
    assert grown.taken().tolist() == [one for part in parts for one in part]
