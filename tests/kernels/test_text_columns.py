"""Columns of plain text are read as Python reads them; every other row is left to Python."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels import text_columns
from allostat.kernels.text_columns import (
    INTEGER,
    INTEGER_BY_POWER,
    NUMBER,
    NUMBER_OR_MISSING,
    PASSED_OVER,
    READ,
    STAMP_NS,
    read_columns,
)
from tests.reference import text_columns as plain

KINDS = (PASSED_OVER, NUMBER, NUMBER_OR_MISSING, INTEGER, INTEGER_BY_POWER, STAMP_NS)
CELLS = st.sampled_from(
    ["1", "-0.072", "0.1", "", " ", "1e3", "nan", "+5", "1_0", "007", "123456789012345", "1234567890123456", ".5", "5.",
     "-", ".", "1772450000000000000", "9223372036854775808", "-9", "1.71492060000602e+18", "1.5e+00", "1.5e+01",
     "8.99e+18", "9.1e+18", "1e+99", "1e-02", "2026-03-02T16:06:00.220", "2026-02-30T16:06:00", "2026-03-02 16:06:00",
     "2026-03-02T16:06:59.9", "2026-03-02T16:06:60", "2026-03-02T16:06:5", "2026-03-02T16:06:5x", "2026-03-02T16:07:00",
     "1989-12-31T23:59:59", "2026-03-02T16:06:00.", "2026-03-02T16:06:00.1234567891", "x", "0", "-0"]
)  # fmt: skip
ROWS = st.lists(st.lists(CELLS | st.floats(-1e6, 1e6).map(repr) | st.integers().map(str), max_size=4), max_size=8)


def read(text: str, kinds: list[int], separator: str = ";") -> tuple[list[int], list[list[float | int]]]:
    n, data = text.count("\n"), np.frombuffer(text.encode(), np.uint8)
    capacity = len(data) // len(kinds) + 1
    numbers, integers = np.full((len(kinds), capacity), math.inf), np.full((len(kinds), capacity), -1, np.int64)
    states = np.full(n, 9, np.int8)
    assert read_columns(data, ord(separator), np.array(kinds, np.int64), numbers, integers, states) == n
    rows = []
    for row in range(int(np.count_nonzero(states == READ))):
        cells = [
            integers[c, row].item() if kind > NUMBER_OR_MISSING else numbers[c, row].item()
            for c, kind in enumerate(kinds)
            if kind != PASSED_OVER
        ]
        rows.append(cells)
    return states.tolist(), rows


@given(ROWS, st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_rows_that_are_read_hold_what_python_gives(rows: list[list[str]], kinds: list[int]) -> None:
    text = "".join(";".join(row) + "\n" for row in rows)
    states, found = read(text, kinds)
    expected = plain.read_columns(text.split("\n")[:-1], ";", kinds)
    assert states == [state for state, _ in expected]
    assert repr(found) == repr([cells for state, cells in expected if state == 1])


STAMPS = st.one_of(
    st.integers(0, 90_000).map(lambda ms: f"2026-03-02T16:{6 + ms // 60000:02}:{ms // 1000 % 60:02}.{ms % 1000:03}"),
    st.sampled_from(["2026-03-02T16:06:60.000", "2026-03-02T16:06:0x.000", "2026-03-02T16:06:00,000"]),
)
LONG = st.integers(10**15, 10**19 - 1).map(str) | st.sampled_from(["9" * 18, "8" * 19, "9" * 19, "12345678901234567x"])
POWERS = st.integers(10**9, 10**17 - 1).map(lambda i: f"{str(i)[0]}.{str(i)[1:]}e+18")
SHORT = st.one_of(
    st.integers(-(10**7), 10**7).map(str),
    st.tuples(st.integers(-(10**6), 10**6), st.integers(1, 6)).map(lambda p: f"{p[0] / 10 ** p[1]:.{p[1]}f}"),
    st.sampled_from(["-0", "-0.0", ".5", "-.5", "5.", "-5.", ".", "-", "1.2.3", "1-2", "--1", "1.5x", "", "0000000"]),
)
ALIKE = st.tuples(STAMPS, LONG, POWERS, st.sampled_from(["0.0", "7.692308", "20115369.230769"]), SHORT, SHORT)


@given(st.lists(ALIKE, max_size=20), st.sampled_from([";", ","]))
@settings(max_examples=150, deadline=None)
def test_rows_written_like_the_one_above_hold_what_python_gives(rows: list[tuple[str, ...]], separator: str) -> None:
    kinds = [STAMP_NS, INTEGER, INTEGER_BY_POWER, PASSED_OVER, NUMBER, NUMBER_OR_MISSING]
    text = "".join(separator.join(row) + "\n" for row in rows)
    states, found = read(text, kinds, separator)
    expected = plain.read_columns(text.split("\n")[:-1], separator, kinds)
    assert states == [state for state, _ in expected]
    assert repr(found) == repr([cells for state, cells in expected if state == 1])


@pytest.mark.parametrize(
    ("cell", "kind", "value"),
    [
        ("-0.07200000000000001", NUMBER, None),  # 16 digits: a binary float may not hold them
        ("-0.0720000000000", NUMBER, -0.072),
        ("", NUMBER, None),
        ("", NUMBER_OR_MISSING, math.nan),
        ("8999999999999999999", INTEGER, 8999999999999999999),
        ("9000000000000000000", INTEGER, None),
        ("-4611686018427387904", INTEGER, -(2**62)),
        ("-8999999999999999999", INTEGER, -8999999999999999999),
        ("1.71492060000602e+18", INTEGER, None),
        ("1.71492060000602e+18", INTEGER_BY_POWER, 1714920600006020000),
        ("1.5", INTEGER_BY_POWER, None),
        ("2026-03-02T16:06:00.22", STAMP_NS, 1772467560220000000),
        ("2026-03-02T16:06:00", STAMP_NS, 1772467560000000000),
    ],
)
def test_what_a_cell_is_read_as(cell: str, kind: int, value: float | None) -> None:
    states, rows = read(cell + ";1\n", [kind, PASSED_OVER])
    assert states == ([0] if value is None else [1])
    assert repr(rows) == repr([] if value is None else [[value]])


def test_blank_rows_and_rows_of_another_width_are_told_apart() -> None:
    states, rows = read("1;2\n\n \t\n1\n1;2;3\n1;2;\n;\n3;4\n", [NUMBER, INTEGER])
    assert states == [1, 2, 2, 0, 0, 1, 0, 1]
    assert rows == [[1.0, 2], [1.0, 2], [3.0, 4]]


def test_kinds_are_distinct() -> None:
    assert len(set(KINDS)) == 6 and text_columns.PASSED_OVER == 0
