"""The scanner finds what patterns find, however its input is cut, and never leaves its input."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels import xml_attributes as xml
from allostat.kernels.text_spans import NO_STAMP, clock_times, entries, numbers, stamps
from tests.reference import xml_attributes as reference

QUICK = settings(max_examples=50, deadline=None)
ELEMENTS = [
    (b"Data", xml.ROOT, -1),
    (b"Record", xml.HOLDER, 0),
    (b"Beat", xml.CHILD, -1),
    (b"Entry", xml.CHILD, 1),
    (b"Group", xml.GROUP, -1),
    (b"Me", xml.COUNTED, -1),
]
ATTRIBUTES = [b"type", b"key", b"startDate", b"value", b"sourceVersionLong"]
WANTED = [b"HeartRate", b"Sdnn", b"Motion"]


@dataclass
class Scanner:
    """Calls the kernel block by block, as a reader does."""

    capacity: int = 64
    pool_texts: int = 16
    rows: list[tuple[int, int, int, int, dict[int, bytes]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool, self.ends = np.zeros(256, np.uint64), np.zeros((self.pool_texts, 2), np.int64)
        for i, name in enumerate(WANTED):
            assert xml.enter(np.frombuffer(name, np.uint8), 0, len(name), self.pool, self.ends, i)
        self.counts = np.zeros(self.pool_texts + 1, np.int64)
        self.seen = np.zeros(len(ELEMENTS), np.int64)
        self.state = np.zeros(xml.N_STATE, np.int64)
        self.state[[xml.OPEN_HOLDER, xml.LAST_KEY]] = -1
        self.state[xml.N_KEYS] = len(WANTED)

    def push(self, block: bytes, offset: int = 0) -> None:
        data, words = padded(block)
        names, name_ends = packed([name for name, _, _ in ELEMENTS])
        attributes, attribute_ends = packed(ATTRIBUTES)
        plan = np.array([[role, key] for _, role, key in ELEMENTS], np.int64)
        rows = np.empty((self.capacity, xml.SPANS + 2 * len(ATTRIBUTES)), np.int32)
        start = 0
        while start < len(block):
            n = xml.scan(
                data, words, start, len(block), names, name_ends, plan, attributes, attribute_ends, len(WANTED),
                self.pool, self.ends, self.counts, self.seen, self.state, rows,
            )  # fmt: skip
            assert self.state[xml.CONSUMED] > start
            start = int(self.state[xml.CONSUMED])
            for row in rows[:n].tolist():
                spans = zip(row[xml.SPANS :: 2], row[xml.SPANS + 1 :: 2], strict=True)
                values = {i: block[a:b] for i, (a, b) in enumerate(spans) if a >= 0}
                assert all(
                    0 <= a <= b <= len(block)
                    for a, b in zip(row[xml.SPANS :: 2], row[xml.SPANS + 1 :: 2], strict=True)
                    if a >= 0
                )
                self.rows.append((row[0], row[1], row[2], row[3] + offset, values))

    def told(self) -> tuple[Any, ...]:
        return (
            self.rows,
            {name: int(n) for (name, _, _), n in zip(ELEMENTS, self.seen, strict=True) if n},
            self.counts.tolist(),
            int(self.state[xml.N_CUT]),
            bool(self.state[xml.ROOT_STATE] == xml.AFTER_ROOT),
        )


def padded(text: bytes) -> tuple[np.ndarray[Any, np.dtype[np.uint8]], np.ndarray[Any, np.dtype[np.uint64]]]:
    data = np.frombuffer(text + bytes(16 - len(text) % 8), np.uint8)
    return data, data.view(np.uint64)


def packed(names: list[bytes]) -> tuple[Any, Any]:
    return np.frombuffer(b"".join(names), np.uint8).copy(), np.cumsum([len(n) for n in names]).astype(np.int64)


def scanned(text: bytes, cuts: list[int] | None = None, **settings: int) -> Scanner:
    scanner = Scanner(**settings)
    edges = sorted({0, *(cuts or []), len(text)})
    for a, b in itertools.pairwise(edges):
        scanner.push(text[a:b], a)
    return scanner


VALUES = st.sampled_from(
    [
        b"HeartRate",
        b"Sdnn",
        b"Motion",
        b"Steps",
        b"",
        b"Steps, of a phone",
        b"&lt;x&gt;",
        b"a > b",
        b"it's",
        b"\xc3\xa9" * 9,
    ]
)
NAMES = st.sampled_from(
    [
        b"type",
        b"key",
        b"startDate",
        b"value",
        b"start Date",
        b"SOURCEversionlong",
        b"other",
        b"sourceVersionLon",
        b"value2",
    ]
)
BLANKS = st.sampled_from([b" ", b"\n  ", b"\x0b", b"\t"])


@st.composite
def tags(draw: st.DrawFn) -> bytes:
    name = draw(st.sampled_from([b"Record", b"Beat", b"Entry", b"Group", b"Me", b"Other", b"Records", b"Rec"]))
    if draw(st.integers(0, 4)) == 0:
        return b"</" + name + b">"
    parts = b""
    for attribute in draw(st.lists(NAMES, max_size=5, unique=True)):
        value = draw(VALUES)
        quote = b'"' if b"'" in value or draw(st.booleans()) else b"'"
        parts += draw(BLANKS) + attribute + b"=" + quote + value + quote
    return b"<" + name + parts + draw(st.sampled_from([b">", b"/>", b" />", b">text\n", b"", b"\n>"]))


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    body = b"".join(
        draw(st.lists(st.one_of(tags(), st.just(b"<!-- <Record type='HeartRate'/> -->"), st.just(b"\0 ")), max_size=14))
    )
    doctype = draw(
        st.sampled_from(
            [b"", b"<!DOCTYPE Data [<!ATTLIST Record type CDATA\n<!ELEMENT Beat EMPTY>]>\n<Record type='HeartRate'/>"]
        )
    )
    return doctype + b"<Data locale='x'>\n" + body + draw(st.sampled_from([b"</Data>", b""]))


@QUICK
@given(documents())
def test_the_scanner_finds_what_patterns_find(text: bytes) -> None:
    found, expected = scanned(text), reference.scan(text, ELEMENTS, ATTRIBUTES, WANTED)
    rows, seen, counts, cut, complete = found.told()
    assert rows == expected.rows
    assert seen == expected.seen
    assert {k: n for k, n in zip(expected.keys, counts, strict=False) if n} == expected.counts
    assert (cut, complete) == (expected.cut, expected.complete)


@QUICK
@given(
    st.one_of(
        documents(),
        st.binary(max_size=80).map(lambda b: b"<Data>" + b.replace(b"q", b"<Record type=").replace(b"z", b'"')),
    ),
    st.data(),
)
def test_cuts_before_a_tag_and_full_rows_change_nothing(text: bytes, data: st.DataObject) -> None:
    places = [i for i, c in enumerate(text) if c == 60]
    cuts = data.draw(st.lists(st.sampled_from(places), max_size=5)) if places else []
    assert scanned(text, cuts, capacity=1).told() == scanned(text).told()


def test_a_pool_that_is_full_counts_further_types_together() -> None:
    text = b"<Data>" + b"".join(b"<Record type='t%d'/>" % i for i in range(9)) + b"</Data>"
    found = scanned(text, pool_texts=5)
    assert found.counts.tolist() == [0, 0, 0, 1, 1, 7]


def test_a_record_cut_by_the_end_of_the_file_is_counted() -> None:
    found = scanned(b"<Data><Record type='HeartRate' value='1'/><Record type='HeartRate' val")
    assert len(found.rows) == 1 and found.state[xml.N_CUT] == 1 and found.state[xml.FIRST_CUT] == 42
    assert found.state[xml.ROOT_STATE] == xml.IN_ROOT


@pytest.mark.parametrize(
    "text", [b"", b"<", b"</", b"<!", b"<!--", b"<Data", b"<Data>", b"<Data><Record", b"<Data><Record type"]
)
def test_pieces_of_markup_are_no_rows(text: bytes) -> None:
    assert scanned(text).rows == []


@QUICK
@given(st.binary(max_size=60), st.integers(0, 255), st.integers(0, 255), st.integers(0, 60))
def test_the_first_of_two_bytes_is_found(text: bytes, one: int, other: int, at: int) -> None:
    at = min(at, len(text))
    expected = next((i for i in range(at, len(text)) if text[i] in (one, other)), len(text))
    assert xml.find_either(*padded(text), at, len(text), one, other) == expected


def spans(texts: list[bytes]) -> tuple[Any, Any, Any, Any]:
    """Data, words and rows of texts one after the other; an empty text stands for none."""
    begins = np.cumsum([0] + [len(t) for t in texts])
    rows = np.array(
        [[a if t else -1, b if t else -1] for t, a, b in zip(texts, begins, begins[1:], strict=False)], np.int32
    )
    return *padded(b"".join(texts)), rows.reshape(-1, 2), np.arange(len(texts))


STAMPS = st.one_of(
    st.from_regex(r"(19|20)\d\d-[01]\d-[0-3]\d [0-2]\d:[0-6]\d:[0-6]\d [+-][01]\d[0-6]\d", fullmatch=True).map(
        lambda s: s.encode("ascii", "replace")
    ),
    st.sampled_from(
        [
            b"2024-02-29 00:00:00 +0000",
            b"2023-02-29 00:00:00 +0000",
            b"2024-03-04T05:06:07 -0430",
            b"2024-03-04",
            b"x" * 25,
        ]
    ),
)


@QUICK
@given(st.lists(STAMPS, max_size=5))
def test_stamps_are_those_of_the_calendar(texts: list[bytes]) -> None:
    data, _, rows, which = spans(texts)
    seconds, offsets = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)
    odd = stamps(data, rows, which, 0, seconds, offsets)
    expected = [reference.stamp(t.decode()) for t in texts]
    assert odd == expected.count(None)
    assert list(zip(seconds.tolist(), offsets.tolist(), strict=True)) == [e or (NO_STAMP, 0) for e in expected]


CLOCKS = [
    "20:14:07.68",
    "08:34:05,10",
    "6:14:48.94 PM",
    "3:10:02,11\u202fAM",
    "8:00:00.00",
    "12:00:00.00 AM",
    "12:30:00 PM",
    "12:30:00\xa0pm",
    "0:00:00.00",
    "23:59:59.999999999",
    "24:00:00.00",
    "13:00:00 PM",
    "0:00:00 AM",
    "7:61:00",
    "7:00",
    "x",
    "7:00:00 XM",
    "7:00:00.5 AM PM",
    "7:00:00.1234567891",
    "-7:00:00",
    "007:00:00",
    "7:00:00.",
]


@pytest.mark.parametrize("text", CLOCKS)
def test_clock_times_in_every_way_they_are_written(text: str) -> None:
    data, _, rows, which = spans([text.encode()])
    ns = np.empty(1, np.int64)
    odd = clock_times(data, rows, which, 0, ns)
    assert ns[0] == reference.clock_ns(text)
    assert odd == (ns[0] < 0)


@QUICK
@given(
    st.lists(
        st.one_of(
            st.floats(-1e9, 1e9).map(lambda x: f"{x:.4f}".encode()),
            st.sampled_from([b"", b"72", b"-", b"1e5", b"nan", b"1.2.3", b"9" * 20]),
        ),
        max_size=6,
    )
)
def test_numbers_are_those_of_python(texts: list[bytes]) -> None:
    data, _, rows, which = spans(texts)
    values = np.empty(len(texts))
    odd = numbers(data, rows, which, 0, values)
    plain = [
        t.replace(b"-", b"", 1).replace(b".", b"", 1).isdigit() and len(t.replace(b"-", b"").replace(b".", b"")) <= 15
        for t in texts
    ]
    expected = [float(t) if good else np.nan for t, good in zip(texts, plain, strict=True)]
    np.testing.assert_array_equal(values, expected)
    assert odd == sum(bool(t) and not good for t, good in zip(texts, plain, strict=True))


@QUICK
@given(
    st.lists(
        st.sampled_from([b"", b"a", b"b, x", b"c, x", b"0x1, long text of a device", b"0x2, long text of a device"]),
        max_size=12,
    )
)
def test_equal_texts_have_equal_numbers(texts: list[bytes]) -> None:
    data, words, rows, which = spans(texts)
    pool, ends = np.zeros(64, np.uint64), np.zeros((8, 2), np.int64)
    found = np.empty(len(texts), np.int64)
    n = entries(data, words, rows, which, 0, ord(","), pool, ends, 0, found)
    behind = [t.partition(b",")[2] if b"," in t else t for t in texts]
    order = list(dict.fromkeys(t for t, whole in zip(behind, texts, strict=True) if whole))
    assert n == len(order)
    assert found.tolist() == [order.index(t) if whole else -1 for t, whole in zip(behind, texts, strict=True)]


def test_texts_beyond_the_pool_are_told_apart_from_none() -> None:
    data, words, rows, which = spans([b"a", b"b", b"", b"c"])
    found = np.empty(4, np.int64)
    assert entries(data, words, rows, which, 0, 0, np.zeros(2, np.uint64), np.zeros((8, 2), np.int64), 0, found) == 2
    assert found.tolist() == [0, 1, -1, -2]
