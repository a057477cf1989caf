"""What is said of two answers to one question."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.benchmarking.agreement import agreement, matches

instants = st.lists(st.integers(0, 10_000), unique=True, max_size=40).map(lambda v: np.sort(np.array(v, float)) / 100)


def test_equal_values_are_called_equal() -> None:
    found = agreement({"sdnn": 50.0, "rmssd": math.nan}, {"sdnn": 50.0 + 1e-12, "rmssd": math.nan})
    assert found.text == "equal to 1e-9: sdnn, rmssd"
    assert found.difference < 1e-9


def test_the_value_that_differs_most_is_shown() -> None:
    found = agreement({"lf": 100.0, "hf": 390.0}, {"lf": 101.0, "hf": 605.0, "vlf": 3.0})
    assert found.difference == pytest.approx(215 / 605)
    assert found.text == "hf 390, theirs 605 (36 %)"


def test_a_missing_value_is_the_largest_difference() -> None:
    found = agreement({"a": 1.0, "b": 2.0}, {"a": 1.5, "b": math.nan})
    assert math.isnan(found.difference)
    assert found.text.startswith("b ")


def test_without_a_shared_value_nothing_is_compared() -> None:
    assert agreement({"a": 1.0}, {"b": 1.0}).text == "nothing to compare"


def test_beats_within_50_ms_are_the_same() -> None:
    found = agreement(np.array([1.0, 2.0, 3.0]), np.array([1.04, 2.06, 3.0, 4.0]))
    assert found.text == "3 beats, theirs 4, F1 57.14 % within 50 ms"


@given(instants, instants)
@settings(max_examples=50, deadline=None)
def test_matches_are_one_to_one_symmetric_and_no_more_than_there_are(a: np.ndarray, b: np.ndarray) -> None:
    n = matches(a, b, 0.05)
    assert n == matches(b, a, 0.05)
    assert n <= min(len(a), len(b))
    assert matches(a, a, 0.05) == len(a)
    assert (n > 0) == bool(np.any(np.abs(a[:, None] - b[None, :]) <= 0.05))
