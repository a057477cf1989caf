"""Linear indices: leaving a component out equals scoring without it; gradients equal differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.allostatic_load import Definition, Marker, System
from allostat.allostatic_load.algorithms.linear import LINEAR

MEMBERS = ("sbp", "dbp"), ("hs_crp",), ("rmssd_night", "hr_night", "hr_rest")


def definition_of(algorithm: Any, **options: Any) -> Definition:
    systems = tuple(System(f"k{i}", tuple(Marker(b, (b,)) for b in g)) for i, g in enumerate(MEMBERS))
    return Definition("mine", "1", "mine", "", "", algorithm, systems, "none", options=options)


CASES = [definition_of(a) for a in LINEAR] + [definition_of("system", total="sum")]


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, len(CASES) - 1),
    st.lists(st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=6, max_size=6), min_size=1, max_size=5),
)
def test_without_and_gradient(case: int, cells: list[list[float | None]]) -> None:
    definition = CASES[case]
    rule = LINEAR[definition.algorithm]
    u = np.array([[np.nan if c is None else c for c in row] for row in cells])
    counted = ~np.isnan(u)
    index, gradient = rule.index(u, counted, definition, None), rule.gradient(u, counted, definition, None)
    assert np.isnan(index).tolist() == (~counted.any(axis=1)).tolist()
    without = rule.without(u, counted, definition)
    for j in range(6):
        rest = counted.copy()
        rest[:, j] = False
        expected = np.where(counted[:, j], rule.index(u, rest, definition, None), np.nan)
        np.testing.assert_array_equal(without[:, j], expected)
        moved = u.copy()
        moved[:, j] += 0.5
        change = np.where(counted[:, j], rule.index(moved, counted, definition, None) - index, 0.0)
        np.testing.assert_allclose(gradient[:, j] * 0.5, change, atol=1e-12)


@pytest.mark.parametrize("total", ["mean", "sum"])
def test_systems_are_joined_as_told(total: str) -> None:
    u = np.array([[1.0, 3.0, 5.0, 0.0, 6.0, np.nan]])
    index = LINEAR["system"].index(u, ~np.isnan(u), definition_of("system", total=total), None)
    assert index[0] == pytest.approx(10.0 / (3 if total == "mean" else 1))


def test_options_are_part_of_the_hash() -> None:
    plain = definition_of("system")
    assert plain.sha256 == definition_of("system", total="mean").sha256 != definition_of("system", total="sum").sha256
    assert replace(plain, strata="pooled").sha256 != plain.sha256
