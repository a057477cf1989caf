"""Text rows say exactly what Python's own formatting would."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.text_table import (
    CLOCK_MILLISECOND,
    CLOCK_SECOND,
    DECIMAL,
    EMPTY,
    SCIENTIFIC,
    TRIMMED,
    format_rows,
)

INTEGERS = st.lists(st.integers(-(10**17), 10**17), min_size=1, max_size=20)


def lines(values: list[int], kind: int, decimals: int = 0) -> list[str]:
    return format_rows([(np.array(values), kind, decimals, b"\n")]).decode().splitlines()


@given(INTEGERS, st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_decimals_are_exact(values: list[int], decimals: int) -> None:
    assert lines(values, DECIMAL, decimals) == [f"{Decimal(v).scaleb(-decimals):.{decimals}f}" for v in values]


@given(INTEGERS)
@settings(max_examples=50, deadline=None)
def test_trimmed_decimals_keep_one(values: list[int]) -> None:
    expected = []
    for v in values:
        text = f"{Decimal(v).scaleb(-3):.3f}".rstrip("0")
        expected.append(text + "0" if text.endswith(".") else text)
    assert lines(values, TRIMMED, 3) == expected


@given(st.lists(st.integers(10**14, 2 * 10**14 - 1), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_nanoseconds_on_a_grid_of_10_us_print_like_floats(values: list[int]) -> None:
    nanoseconds = [v * 10_000 for v in values]
    assert lines(nanoseconds, SCIENTIFIC) == [repr(float(v)) for v in nanoseconds]


def test_scientific_of_round_numbers() -> None:
    assert lines([5, 1000, 10**18], SCIENTIFIC) == ["5e+00", "1e+03", "1e+18"]


@given(st.lists(st.integers(0, 253_402_300_799_999), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_clocks_are_civil_dates(values: list[int]) -> None:
    moments = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=v) for v in values]
    assert lines(values, CLOCK_SECOND) == [f"{m:%Y-%m-%d %H:%M:%S}".rjust(19, "0") for m in moments]
    expected = [m.replace(tzinfo=None).isoformat(timespec="milliseconds") for m in moments]
    assert lines(values, CLOCK_MILLISECOND) == expected


def test_empty_cells_keep_their_separators() -> None:
    table = [(np.array([1, 2]), DECIMAL, 0, b","), (np.array([EMPTY, 7]), DECIMAL, 0, b" x\n")]
    assert format_rows(table) == b"1, x\n2,7 x\n"


def test_no_rows_no_text() -> None:
    assert format_rows([(np.array([], dtype=np.int64), DECIMAL, 0, b"\n")]) == b""
