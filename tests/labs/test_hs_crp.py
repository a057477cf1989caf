"""hs-CRP: detection limit, acute values, repeated draws, units."""

from __future__ import annotations

import math
from typing import Any

import pytest

from allostat.errors import InputError, UnitError
from allostat.labs import hs_crp
from allostat.tables import LabRow


def draw(value: float, unit: str = "mg/L", **more: Any) -> LabRow:
    return LabRow("s1", more.pop("analyte", "hs_crp"), value, unit, **more)


def test_one_draw() -> None:
    row = hs_crp([draw(1.4)])
    assert (row.value, row.n, row.quality) == (pytest.approx(1.4), 1, ())
    assert math.isnan(row.standard_error)


@pytest.mark.parametrize("value", [3.0, 10.0, 0.7])
def test_a_value_at_a_cut_off_stays_there_through_the_logarithm(value: float) -> None:
    assert hs_crp([draw(value)]).value == hs_crp([draw(value), draw(value)]).value == value


def test_two_draws_give_the_geometric_mean_and_its_error_on_the_ln_scale() -> None:
    row = hs_crp([draw(1.0), draw(4.0)])
    assert row.value == pytest.approx(2.0)
    assert row.standard_error == pytest.approx(math.log(2))


def test_below_detection_is_limit_over_root_two() -> None:
    row = hs_crp([draw(0.2, operator="<")])
    assert row.value == pytest.approx(0.2 / math.sqrt(2))
    assert row.quality == ("BELOW_LOD",)


def test_draws_above_10_are_measured_values_that_the_acute_rule_judges() -> None:
    row = hs_crp([draw(25.0), draw(1.0)])
    assert (row.value, row.n, row.repeats, row.quality) == (pytest.approx(5.0), 2, (25.0, 1.0), ())


def test_mg_per_dl_is_converted() -> None:
    assert hs_crp([draw(0.14, "mg/dL")]).value == pytest.approx(1.4)


def test_moles_are_refused() -> None:
    with pytest.raises(UnitError, match="cannot be expressed"):
        hs_crp([draw(13.0, "nmol/L")])


def test_plain_crp_is_no_hs_crp() -> None:
    row = hs_crp([draw(3.0, analyte="crp")])
    assert row.missing
    assert row.quality == ("CRP_NOT_HS",)


def test_mixed_specimens_are_refused() -> None:
    with pytest.raises(InputError, match="several specimens"):
        hs_crp([draw(1.0, specimen="serum"), draw(2.0, specimen="plasma")])


def test_above_a_range_that_is_acute_itself_is_acute_and_below_it_unknown() -> None:
    assert hs_crp([draw(160.0, operator=">")]).value == pytest.approx(160.0)
    below = hs_crp([draw(5.0, operator=">")])
    assert below.missing
    assert below.quality == ("ABOVE_ASSAY_RANGE",)
    assert hs_crp([draw(5.0, operator=">")], above="limit").value == pytest.approx(5.0)


def test_a_detection_limit_above_10_says_nothing() -> None:
    row = hs_crp([draw(20.0, operator="<")])
    assert row.missing
    assert row.quality == ("LOD_ABOVE_ACUTE_LIMIT",)


def test_mixed_assays_are_refused() -> None:
    with pytest.raises(InputError, match="several assays"):
        hs_crp([draw(1.0, assay="A"), draw(2.0, assay="B")])


def test_missing_draw_is_missing_not_zero() -> None:
    row = hs_crp([draw(math.nan, "", missing_reason="insufficient volume")])
    assert row.missing
    assert row.quality == ("VALUE_MISSING",)
