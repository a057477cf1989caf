"""Columns of a block: rows read at once and rows read one by one give the same, bad rows are counted once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels import text_columns
from allostat_devices.number_columns import (
    Column,
    _read,
    exact_integers,
    floats,
    floats_or_missing,
    lossless_integers,
    read_block,
)
from allostat_devices.polar_files import phone_times
from allostat_devices.skipped_rows import SkippedRows

COLUMNS = [Column(0, exact_integers, "bad_time"), Column(2, floats_or_missing), Column(3, floats)]
GOOD = st.tuples(st.integers(0, 8 * 10**18), st.sampled_from(["", "0.25", "-3"]), st.floats(-1e3, 1e3)).map(
    lambda r: f"{r[0]},text,{r[1]},{r[2]:.3f}"
)
ODD = st.sampled_from(
    ["", "  ", "1,a,2", "1,a,2,3,", "1,a,2,3,4", "x,a,2,3", "1,a,x,3", "1,a,2,nan", "1.7e+18,a, ,3", "1,a,2,1_0",
     "1,ä,2,3"]
)  # fmt: skip


@given(st.lists(st.one_of(GOOD, GOOD, GOOD, ODD), max_size=12))
@settings(max_examples=100, deadline=None)
def test_reading_at_once_equals_reading_row_by_row(lines: list[str]) -> None:
    fast, slow = SkippedRows("x"), SkippedRows("x")
    found, numbers = read_block(lines, 5, ",", 4, COLUMNS, fast)
    expected, expected_numbers = _read(lines, range(5, 5 + len(lines)), ",", 4, COLUMNS, slow)
    assert numbers.tolist() == expected_numbers.tolist()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    assert (fast.rows, fast.counts, fast.first_lines) == (slow.rows, slow.counts, slow.first_lines)


def test_a_column_that_only_python_reads_is_read_by_python() -> None:
    skipped = SkippedRows("x")
    upper = Column(0, lambda cells: np.array([len(c) for c in cells]))
    (lengths,), numbers = read_block(["aa", "b"], 1, ",", 1, [upper], skipped)
    assert lengths.tolist() == [2, 1] and numbers.tolist() == [1, 2]


def test_times_of_the_phone_are_read_alike() -> None:
    cells = ["2026-03-02T16:06:00.220", "1999-12-31T23:59:59", "2024-02-29T00:00:00.123456789"]
    (at_once,), _ = read_block(
        cells, 1, ";", 1, [Column(0, phone_times, "bad_time", text_columns.STAMP_NS)], SkippedRows("x")
    )
    assert at_once.tolist() == phone_times(cells).tolist()


def test_one_bad_row_among_many_costs_few_others() -> None:
    parsed = []

    def counted(cells: Sequence[str]) -> np.ndarray:
        parsed.append(len(cells))
        return np.array([float(c) for c in cells])

    lines = [f"{i}.12345678901234567" for i in range(5000)]
    lines[1234] = "x"
    skipped = SkippedRows("x")
    (values,), numbers = read_block(lines, 1, ",", 1, [Column(0, counted)], skipped)
    assert len(values) == 4999 and 1235 not in numbers.tolist() and (np.diff(values) > 0).all()
    assert skipped.counts == {"bad_number": 1} and len(parsed) < 60


def test_a_long_column_is_lossless_only_when_all_of_it_is() -> None:
    values = np.round(np.random.default_rng(0).normal(0, 300, 40_000)) / 1000
    values[[5, 39_000]] = np.nan
    whole, scale = lossless_integers(values, -1) or (np.empty(0), 0.0)
    assert scale == 0.001 and whole[[5, 39_000]].tolist() == [-1, -1]
    np.testing.assert_allclose(np.delete(whole, [5, 39_000]) * scale, np.delete(values, [5, 39_000]), atol=1e-12)
    values[39_500] = 0.12345678
    assert lossless_integers(values) is None
    values[39_500] = 3e6
    assert lossless_integers(values) is None
