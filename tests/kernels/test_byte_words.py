"""What is read of eight bytes at once is what reading them one by one gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.kernels.byte_words import DIGIT_ZEROS, EACH, bytes_before, either, no_digits, number_of, word_at

WORDS = st.lists(st.one_of(st.integers(0, 255), st.sampled_from(list(b"09/:;\n.-"))), min_size=8, max_size=8).map(bytes)


def as_word(data: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(data, "little"))


def marks_of(found: list[bool]) -> int:
    return sum(0x80 << 8 * i for i, one in enumerate(found) if one)


@given(WORDS, st.integers(0, 255), st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_bytes_are_found_where_they_stand(data: bytes, first: int, second: int) -> None:
    word = word_at(np.frombuffer(b"xyz" + data, np.uint8), 3)
    assert int(word) == int(as_word(data))
    found = either(np.uint64(word), np.uint64(first) * EACH, np.uint64(second) * EACH)
    assert int(found) == marks_of([c in (first, second) for c in data])
    if found:
        assert bytes_before(np.uint64(found)) == next(i for i, c in enumerate(data) if c in (first, second))


@given(WORDS)
@settings(max_examples=60, deadline=None)
def test_what_is_no_digit_is_marked(data: bytes) -> None:
    assert int(no_digits(as_word(data) ^ DIGIT_ZEROS)) == marks_of([not 48 <= c <= 57 for c in data])


@given(st.integers(0, 10**8 - 1))
@settings(max_examples=60, deadline=None)
def test_eight_digits_are_one_number(number: int) -> None:
    assert number_of(as_word(f"{number:08}".encode()) ^ DIGIT_ZEROS) == number
