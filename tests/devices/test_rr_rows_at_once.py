"""Rows read all at once are the rows read one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat_devices import rr_beats
from allostat_devices.rr_beats import IntervalRows, collect
from allostat_devices.rr_layout import Layout, NoLayout, iso_stamps, layout_of, parse_stamp
from allostat_devices.skipped_rows import SkippedRows

_HEADER = ["date,rr,since start"]
_NUMBERS = st.sampled_from(["812", "790.5", "1e3", " 805", "8_00", "nan", "inf", "", "x", "-3", '"800"', "1e400"])
_STAMPS = st.sampled_from(["2025-03-20 09:00:08 +0000", "2025-03-20 09:00:09 +0000", "# note", " 2025"])
_ROWS = st.tuples(_STAMPS, _NUMBERS, st.integers(0, 9999)).map(lambda r: f"{r[0]},{r[1]},{r[2]}")


def _layout() -> Layout:
    found = layout_of([*_HEADER, *(f"2025-03-20 09:00:{i:02d} +0000,{800 + i},{800 * i}" for i in range(8, 30))])
    assert not isinstance(found, NoLayout)
    return found


@settings(deadline=None, max_examples=150)
@given(st.lists(_ROWS | st.sampled_from(["", "800"]), max_size=8))
def test_a_block_at_once_equals_its_rows_one_by_one(lines: list[str]) -> None:
    layout = _layout()
    found = []
    for at_once in (True, False):
        rows, skipped = IntervalRows(), SkippedRows("f")
        with pytest.MonkeyPatch.context() as patch:
            if not at_once:
                patch.setattr(rr_beats, "_collect_regular", lambda *_: False)
            collect(rows, lines, 2, layout, skipped)
        found.append((rows, skipped.rows, skipped.notices()))
    assert repr(found[0]) == repr(found[1])


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.datetimes(), min_size=1, max_size=5),
    st.sampled_from(["", " +0000", " +0530", "-04:00", "Z", ".250", "junk"]),
    st.sampled_from(" T"),
)
def test_stamps_at_once_equal_stamps_one_by_one(moments: list[object], end: str, mark: str) -> None:
    cells = [f"{moment:%Y-%m-%d}{mark}{moment:%H:%M:%S}{end}".rjust(19 + len(end), "0") for moment in moments]
    at_once = iso_stamps(cells)
    if at_once is not None:
        one_by_one = [parse_stamp(cell) for cell in cells]
        assert at_once[0].tolist() == [stamp.ns for stamp in one_by_one]
        assert {at_once[1]} == {stamp.offset_s for stamp in one_by_one}


@pytest.mark.parametrize("cell", ["2025-02-30 09:00:08", "2025-03-20 25:00:08", "٢٠٢٥-03-20 09:00:08", "2025-03-20"])
def test_what_is_no_date_is_left_to_the_slow_path(cell: str) -> None:
    assert iso_stamps([cell]) is None


def test_ordinary_files_take_the_fast_path() -> None:
    stamps = iso_stamps(["2025-03-20 09:00:08 +0100"] * 3)
    assert stamps is not None
    assert stamps[0].tolist() == [1742457608 * 10**9] * 3
    assert stamps[1] == 3600
    rows = IntervalRows()
    lines = ["2025-03-20 09:00:08 +0000,812,0", "2025-03-20 09:00:09 +0000,790,790"]
    assert rr_beats._collect_regular(rows, lines, 2, _layout(), SkippedRows("f"))
    assert np.array_equal(rows.values, [812.0, 790.0])
