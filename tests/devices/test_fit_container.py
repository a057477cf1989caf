"""The FIT container, clause by clause."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import InputError
from allostat.simulate.exports.fit_file import FitField, FitWriter, crc_of
from allostat_devices import fit_container
from allostat_devices.fit_container import Part, is_fit, parts_of
from allostat_devices.fit_crc import crc16

STAMP = FitField(253, "uint32")
START = 1_000_000_000


def one_part(data: bytes) -> Part:
    (part,) = parts_of(data, "x.fit")
    return part


def records(writer: FitWriter, rates: list[int | None], local: int = 0) -> bytes:
    writer.define(local, 20, (STAMP, FitField(3, "uint8")))
    for i, rate in enumerate(rates):
        writer.write(local, {253: START + i, 3: rate})
    return writer.finished()


def codes(part: Part) -> list[str]:
    return [notice.code for notice in part.notices]


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=1500))
def test_the_checksum_is_that_of_a_loop_over_bytes(data: bytes) -> None:
    assert crc16(np.frombuffer(data, np.uint8)) == crc_of(data)


def test_the_checksum_of_a_block_and_its_checksum_is_zero() -> None:
    assert crc16(np.frombuffer(b"123456789", np.uint8)) == 0xBB3D
    assert crc16(np.frombuffer(b"123456789\x3d\xbb", np.uint8)) == 0


@pytest.mark.parametrize("big_endian", [False, True])
def test_both_byte_orders(big_endian: bool) -> None:
    part = one_part(records(FitWriter(big_endian=big_endian), [60, None, 62]))
    np.testing.assert_array_equal(part[20].numbers(253), [START, START + 1, START + 2])
    np.testing.assert_array_equal(part[20].numbers(3), [60, np.nan, 62])
    assert codes(part) == []


def test_developer_fields_are_sized_and_skipped() -> None:
    part = one_part(records(FitWriter(developer=3), [60, 61]))
    np.testing.assert_array_equal(part[20].numbers(3), [60, 61])
    assert part.counts() == {20: 2}


@pytest.mark.parametrize(
    ("base", "given", "expected"),
    [
        ("uint8", 0xFF, np.nan), ("uint16", 0xFFFF, np.nan), ("uint32", 0xFFFFFFFF, np.nan), ("uint32z", 0, np.nan),
        ("sint8", 0x7F, np.nan), ("sint16", 0x7FFF, np.nan), ("sint32", 0x7FFFFFFF, np.nan), ("enum", 0xFF, np.nan),
        ("uint8", 0, 0), ("uint32z", 0xFFFFFFFF, 0xFFFFFFFF), ("sint8", -1, -1), ("uint16", 0x7FFF, 0x7FFF),
    ],
)  # fmt: skip
def test_invalid_values_by_base_type(base: str, given: int, expected: float) -> None:
    writer = FitWriter()
    writer.define(0, 55, (FitField(27, base),))
    writer.write(0, {27: given})
    np.testing.assert_array_equal(one_part(writer.finished())[55].numbers(27), [expected])


def test_a_field_that_is_no_whole_number_of_elements_has_no_values() -> None:
    data = bytearray(records(FitWriter(), [60]))
    at = 14 + 6  # first field of the first definition: number, size, base type
    assert data[at : at + 3] == bytes([253, 4, 0x86])
    data[at + 1], data[at + 4] = 3, 2  # both one byte off
    part = one_part(bytes(data))
    assert np.isnan(part[20].numbers(253)).all()
    assert np.isnan(part[20].numbers(3)).all() or part[20].arrays(3)[1].size == 2


def test_several_definitions_of_one_message_keep_the_order_of_the_file() -> None:
    writer = FitWriter()
    writer.define(0, 20, (STAMP, FitField(3, "uint8")))
    writer.define(1, 20, (FitField(4, "uint8"), STAMP))
    for i in range(6):
        writer.write(i % 2, {253: START + i, 3: 60 + i, 4: 80 + i})
    writer.define(0, 20, (STAMP,))
    writer.write(0, {253: START + 6})
    part = one_part(writer.finished())
    np.testing.assert_array_equal(part[20].numbers(253), START + np.arange(7))
    np.testing.assert_array_equal(part[20].numbers(3), [60, np.nan, 62, np.nan, 64, np.nan, np.nan])


def test_a_definition_that_returns_goes_on_with_its_group() -> None:
    writer = FitWriter()
    for i in range(50):
        writer.define(0, 20, (STAMP,) if i % 2 else (STAMP, FitField(3, "uint8")))
        writer.write(0, {253: START + i, 3: 60})
    part = one_part(writer.finished())
    assert len(part.groups) == 2
    np.testing.assert_array_equal(part[20].numbers(253), START + np.arange(50))


def test_chained_files_are_parts() -> None:
    first, second = records(FitWriter(), [60]), records(FitWriter(big_endian=True), [70, 71])
    parts = parts_of(first + second, "x.fit")
    assert [part.counts() for part in parts] == [{20: 1}, {20: 2}]
    assert [codes(part) for part in parts] == [[], []]
    (only, *_) = parts_of(first + b"no FIT file at all", "x.fit")
    assert codes(only) == ["damaged"]


def test_a_header_of_twelve_bytes() -> None:
    data = records(FitWriter(), [60, 61])
    body = data[14:-2]
    short = struct.pack("<BBHI4s", 12, 0x10, 100, len(body), b".FIT") + body
    part = one_part(short + struct.pack("<H", crc_of(short)))
    assert (codes(part), len(part[20])) == ([], 2)


def test_a_wrong_checksum_is_told_and_everything_is_read() -> None:
    data = bytearray(records(FitWriter(), [60, 61]))
    data[-1] ^= 0xFF
    part = one_part(bytes(data))
    assert codes(part) == ["crc"]
    np.testing.assert_array_equal(part[20].numbers(3), [60, 61])


@settings(max_examples=30, deadline=None)
@given(st.integers(12, 100))
def test_a_truncated_file_gives_all_complete_messages_and_says_so(keep: int) -> None:
    data = records(FitWriter(), list(range(60, 90)))
    part = one_part(data[: min(14 + keep, len(data) - 3)])
    complete = max(0, min(14 + keep, len(data) - 3) - 14 - 12) // 6
    np.testing.assert_array_equal(part[20].numbers(3), 60 + np.arange(complete))
    assert "truncated" in codes(part)


def test_a_length_of_zero_is_a_recording_that_was_not_closed() -> None:
    data = bytearray(records(FitWriter(), [60, 61]))
    data[4:8] = bytes(4)
    part = one_part(bytes(data[:-2]))
    assert codes(part) == ["truncated"]
    np.testing.assert_array_equal(part[20].numbers(3), [60, 61])
    empty = one_part(FitWriter().finished())
    assert (codes(empty), empty.counts()) == ([], {})


def test_a_message_without_definition_ends_the_reading() -> None:
    writer = FitWriter()
    writer.define(0, 20, (STAMP,))
    writer.write(0, {253: START})
    writer._body += bytes([5, 1, 2, 3])
    part = one_part(writer.finished())
    assert codes(part) == ["damaged"] and "no definition" in part.notices[0].message
    assert part.counts() == {20: 1}


def test_arrays_leave_out_what_fills_them() -> None:
    writer = FitWriter()
    writer.define(0, 78, (FitField(0, "uint16", 5),))
    writer.write(0, {0: [800, 810]})
    writer.write(0, {0: []})
    writer.write(0, {0: [5, 6, 7, 8, 9]})
    rows, values = one_part(writer.finished())[78].arrays(0)
    np.testing.assert_array_equal(rows, [0, 0, 2, 2, 2, 2, 2])
    np.testing.assert_array_equal(values, [800, 810, 5, 6, 7, 8, 9])


def test_bytes_are_invalid_only_all_together() -> None:
    writer = FitWriter()
    writer.define(0, 132, (FitField(10, "byte", 3),))
    writer.write(0, {10: [0xFF, 1, 0xFF]})
    writer.write(0, {10: [0xFF] * 3})
    rows, values = one_part(writer.finished())[132].bytes_of(10)
    assert (rows.tolist(), values.tolist()) == ([0, 0, 0], [255, 1, 255])


def test_positions_and_texts_cannot_be_asked_for() -> None:
    writer = FitWriter()
    writer.define(
        0, 20, (FitField(0, "sint32"), FitField(1, "sint32"), FitField(3, "uint8"), FitField(50, "string", 8))
    )
    writer.write(0, {0: 123_456_789, 1: 987_654_321, 3: 60, 50: b"CANARY"})
    part = one_part(writer.finished())
    assert not part[20].has(0) and not part[20].has(1) and not part[20].has(50)
    assert np.isnan(part[20].numbers(0)).all()
    assert [(message, number) for message, number, _ in part.decoded()] == [(20, 3)]
    assert part.groups[0].layout.positions and part.groups[0].layout.texts
    assert "CANARY" not in repr(part) and "123456789" not in repr(part)


def test_no_fit_file_is_refused() -> None:
    assert not is_fit(b"") and not is_fit(b"\x0e\x20\x00\x00\x00\x00\x00\x00.TIF\x00\x00")
    with pytest.raises(InputError, match="FIT header"):
        parts_of(b"time,hr\n", "x.fit")


def test_more_than_a_device_writes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = records(FitWriter(), [60] * 50)
    for name, limit in (("MAX_BYTES", 100), ("MAX_RECORDS", 10), ("MAX_DEFINITIONS", 0), ("MAX_LAYOUTS", 0)):
        with monkeypatch.context() as patch, pytest.raises(InputError, match="too"):
            patch.setattr(fit_container, name, limit)
            parts_of(data, "x.fit")
