"""Rows read at once are the rows read one by one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.adapter import ReadOptions
from allostat.errors import AllostatError
from allostat.source import Source
from allostat_devices import rr_rows, rr_text
from allostat_devices.rr_layout import NoLayout, layout_of
from allostat_devices.rr_rows import regular_rows
from tests.reference.text_rows import read_rows as read_rows_plainly

_WRITTEN = ["812", "790.5", "0805", "1e3", " 805", "8_00", "nan", "", "x", "-3", '"800"', "12345678901234567"]
_NUMBERS = st.sampled_from(_WRITTEN)
_STAMPS = st.sampled_from([f"2025-{day} 09:00:08 +0000" for day in ("03-20", "03-21", "02-30")] + ["# x"])
_ROWS = st.tuples(_STAMPS, _NUMBERS, st.integers(0, 9999)).map(lambda r: f"{r[0]},{r[1]},{r[2]}")
_REGULAR = [f"2025-03-20 09:00:{8 + i:02d} +0000,{800 + i},{800 * i}" for i in range(30)]


def _read(path: Path, at_once: bool) -> str:
    with pytest.MonkeyPatch.context() as patch:
        if not at_once:
            patch.setattr(rr_text, "regular_rows", lambda *_: None)
        try:
            (found,) = rr_text.ADAPTER.read(Source(path), ReadOptions(unit="ms"))
        except AllostatError as error:
            return str(error)
    beats = found.beats["rr"]
    return repr(
        (beats.times_ns.tolist(), beats.intervals_ms.tolist(), beats.flags.tolist(), beats.epoch, found.notices)
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(_ROWS | st.sampled_from(["", "800", "a,b,c,d"]), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_a_file_at_once_equals_its_rows_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, odd: list[str], line_end: str
) -> None:
    path = tmp_path_factory.mktemp("rr") / "rr.csv"
    path.write_bytes(line_end.join(["date,rr,since start", *_REGULAR, *odd, *_REGULAR]).encode())
    assert _read(path, True) == _read(path, False)


@pytest.mark.parametrize("text", ["\n".join(str(800 + i % 9) for i in range(99)), "0.812\n0.799\n0.8055\n" * 40])
def test_plain_lists_too(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rr.txt"
    path.write_text(text)
    assert _read(path, True) == _read(path, False)


def test_ordinary_files_are_read_at_once_in_blocks_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rr.csv"
    path.write_bytes("\r\n".join(["date,rr,since start", *_REGULAR, ""]).encode())
    layout = layout_of(path.read_text().splitlines())
    assert not isinstance(layout, NoLayout)
    found = regular_rows(Source(path), "rr.csv", layout)
    assert found is not None and found[1] is not None
    assert found[0].values == [800.0 + i for i in range(30)]
    assert found[0].lines == list(range(2, 32))
    assert found[1].ns.tolist() == [(1742461208 + i) * 10**9 for i in range(30)]
    for size in (1, 7, 64):
        monkeypatch.setattr(rr_rows, "_BLOCK", size)
        again = regular_rows(Source(path), "rr.csv", layout)
        assert again is not None and again[0] == found[0]


_BYTES = st.text("0123456789.-:, T+x\n", max_size=60) | st.lists(
    st.sampled_from([*_REGULAR[:3], "1999-12-31T23:59:59 +0000,1.25,0", "2100-02-29 00:00:00 +0000,1,1"]), max_size=4
).map("\n".join)


@settings(deadline=None, max_examples=150)
@given(_BYTES, st.sampled_from([(3, 1, 0), (1, 0, -1), (2, 1, -1)]))
def test_the_kernel_is_its_twin(text: str, columns: tuple[int, int, int]) -> None:
    from allostat.kernels.text_rows import read_rows

    data = np.frombuffer(text.encode() + b"\n", np.uint8)
    rows = int(np.count_nonzero(data == 10))
    suffix = np.frombuffer(b" +0000", np.uint8)
    separator = 0 if columns[0] == 1 else ord(",")
    found = []
    for reader in (read_rows, read_rows_plainly):
        values, stamps = np.zeros(rows), np.zeros(rows, np.int64)
        count = reader(data, separator, *columns, suffix, values, stamps)
        found.append((count, values[: max(count, 0)].tolist(), stamps[: max(count, 0)].tolist()))
    assert found[0] == found[1]
