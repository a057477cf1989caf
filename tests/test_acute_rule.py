"""hs-CRP above 10 mg/L: left out draw by draw, kept or limited; the measured value stays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.acute_rule import AcuteOption, acute_values, apply_acute_rule
from allostat.biomarkers import Biomarker, BiomarkerTable
from allostat.errors import ConfigError
from allostat.labs import hs_crp
from allostat.tables import LabRow


def crp(*draws: float) -> BiomarkerTable:
    return BiomarkerTable((hs_crp([LabRow("s1", "hs_crp", d, "mg/L") for d in draws]),))


def only(table: BiomarkerTable) -> Biomarker:
    (one,) = table.rows
    return one


def test_above_10_is_missing_with_its_reason_and_its_measured_value() -> None:
    row = only(apply_acute_rule(crp(10.1)))
    assert row.missing
    assert (row.quality, row.measured, row.n) == (("CRP_ACUTE",), pytest.approx(10.1), 0)


def test_exactly_10_counts() -> None:
    assert only(apply_acute_rule(crp(10.0))).value == pytest.approx(10.0)


def test_acute_draw_is_left_out_of_the_mean() -> None:
    row = only(apply_acute_rule(crp(25.0, 2.0)))
    assert row.value == pytest.approx(2.0)
    assert (row.n, row.coverage, row.quality) == (1, 0.5, ("CRP_ACUTE",))
    assert row.measured == pytest.approx(math.sqrt(50.0))
    assert row.adjustment == "1 of 2 draws above 10 mg/L left out"


@pytest.mark.parametrize(
    ("option", "value", "code", "n"),
    [
        ("exclude", 2.0, "CRP_ACUTE", 1),
        ("keep", math.sqrt(50.0), "CRP_ACUTE_KEPT", 2),
        ("winsorise", math.sqrt(20.0), "CRP_ACUTE_WINSORISED", 2),
    ],
)
def test_every_option(option: AcuteOption, value: float, code: str, n: int) -> None:
    table = apply_acute_rule(crp(25.0, 2.0), option)
    row = only(table)
    assert (row.value, row.quality, row.n) == (pytest.approx(value), (code,), n)
    assert table.rules == {"acute_crp": option}


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="exclude"):
        apply_acute_rule(crp(1.0), "excluded")  # type: ignore[arg-type]


def test_a_value_whose_draws_are_not_known_is_judged_itself() -> None:
    table = BiomarkerTable((Biomarker("s1", "hs_crp", 14.0, "mg/L", n=2, standard_error=0.2),))
    row = only(apply_acute_rule(table))
    assert (row.missing, row.measured, row.n) == (True, 14.0, 2)


OPTIONS = st.sampled_from(["exclude", "keep", "winsorise"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.1, 100.0), min_size=1, max_size=4), OPTIONS, OPTIONS)
def test_rules_start_from_what_was_measured(draws: list[float], first: AcuteOption, second: AcuteOption) -> None:
    alone = only(apply_acute_rule(crp(*draws), second))
    after = only(apply_acute_rule(apply_acute_rule(crp(*draws), first), second))
    assert after.value == pytest.approx(alone.value, nan_ok=True)
    assert after.standard_error == pytest.approx(alone.standard_error, nan_ok=True)
    assert (after.n, after.quality, after.adjustment) == (alone.n, alone.quality, alone.adjustment)
    assert after.coverage == pytest.approx(alone.coverage)
    assert after.measured == pytest.approx(math.exp(np.mean(np.log(draws))))


@settings(max_examples=30, deadline=None)
@given(st.floats(0.1, 100.0), OPTIONS)
def test_arrays_follow_the_same_rule(value: float, option: AcuteOption) -> None:
    found = acute_values(np.array([value, math.nan]), option)
    assert found[0] == pytest.approx(only(apply_acute_rule(crp(value), option)).value, nan_ok=True)
    assert math.isnan(found[1])
