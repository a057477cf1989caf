"""Waist 2: rows in their own unit and context, one per participant, occasion and biomarker."""

from __future__ import annotations

import math
import re

import pytest
import xarray as xr

from allostat.biomarker_rows import biomarkers
from allostat.biomarkers import (
    Biomarker,
    BiomarkerTable,
    Person,
    biomarker_kind,
    biomarker_kinds,
    plausible_in,
    rows_of,
)
from allostat.errors import InputError, UnitError
from allostat.units import converted, ucum


def test_every_kind_travels_in_a_known_unit_inside_its_bounds() -> None:
    for kind in biomarker_kinds().values():
        assert ucum(kind.unit) == kind.unit
        assert kind.plausible_low < kind.plausible_high
        assert kind.transform == "identity" or kind.plausible_low > 0


def test_unknown_biomarker_offers_the_nearest() -> None:
    with pytest.raises(InputError, match="nearest valid: 'rmssd_night'"):
        biomarker_kind("rmssd_nigth")


def test_another_unit_is_refused() -> None:
    with pytest.raises(UnitError, match="expected mg/L"):
        Biomarker("s1", "hs_crp", 0.1, "mg/dL")


def test_another_context_is_refused() -> None:
    with pytest.raises(InputError, match="another context"):
        Biomarker("s1", "rmssd_night", 40.0, "ms", context="rest_5min")


@pytest.mark.parametrize("value", [-5.0, 1e6, math.inf])
def test_implausible_values_are_refused(value: float) -> None:
    with pytest.raises(InputError):
        Biomarker("s1", "sbp", value, "mm[Hg]")


@pytest.mark.parametrize(
    ("name", "value", "sibling"),
    [
        ("chol_total", 5.2, "mmol/L"), ("hdl", 1.3, "mmol/L"), ("ldl", 130.0, "mg/dL"), ("trig", 150.0, "mg/dL"),
        ("glucose_fasting", 95.0, "mg/dL"), ("hba1c", 39.0, "mmol/mol"), ("creatinine", 80.0, "umol/L"),
        ("albumin", 42.0, "g/L"), ("sbp", 16.0, "kPa"), ("uric_acid", 350.0, "umol/L"), ("wbc", 6000.0, "/uL"),
        ("height", 1.75, "m"), ("fibrinogen", 3.5, "g/L"), ("lymphocytes", 0.3, "1"),
    ],
)  # fmt: skip
def test_a_value_in_a_sibling_unit_is_refused_with_that_units_name(name: str, value: float, sibling: str) -> None:
    kind = biomarker_kind(name)
    with pytest.raises(UnitError, match=rf"UNIT_SUSPECT.*as .*{re.escape(sibling)}.* it would be plausible"):
        Biomarker("s1", name, value, kind.unit, context=kind.context)


def test_a_value_that_fits_no_unit_names_none() -> None:
    with pytest.raises(UnitError, match="expected 60 to 260") as caught:
        Biomarker("s1", "sbp", 1200.0, "mm[Hg]")
    assert "plausible;" not in str(caught.value)
    assert plausible_in(biomarker_kind("sbp"), 1200.0) == ()


def test_other_units_are_known_convert_and_differ_from_the_own_one() -> None:
    for kind in biomarker_kinds().values():
        assert kind.unit not in kind.other_units
        for unit in kind.other_units:
            assert ucum(unit) == unit
            assert math.isfinite(converted(1.0, unit, kind.unit, analyte=kind.name))


def test_what_the_table_of_the_specification_calls_two_sided() -> None:
    two_sided = {kind.name for kind in biomarker_kinds().values() if kind.two_sided}
    assert {"sbp", "dbp", "bmi", "cortisol_urine", "cortisol_serum", "cortisol_aucg"} <= two_sided
    assert not {"hdl", "hs_crp", "hba1c", "waist"} & two_sided


def test_tables_under_different_rules_do_not_merge() -> None:
    one, other = BiomarkerTable(rules={"statin": "none"}), BiomarkerTable(rules={"statin": "adjust"})
    assert BiomarkerTable().merged(one).rules == {"statin": "none"}
    with pytest.raises(InputError, match="different rules"):
        one.merged(other)


def test_two_rows_of_one_biomarker_are_refused() -> None:
    row = Biomarker("s1", "sbp", 120.0, "mm[Hg]")
    with pytest.raises(InputError, match="merge or name the occasions"):
        BiomarkerTable((row, row))


def test_frame_round_trip() -> None:
    rows = (
        Biomarker("s1", "sbp", 120.0, "mm[Hg]", standard_error=2.0, n=3, quality=("A", "B")),
        Biomarker("s1", "hs_crp", math.nan, "mg/L", occasion="2", quality=("CRP_ACUTE",), raw_value=14.0,
                  adjustment="left out", repeats=(14.0, 14.0)),
    )  # fmt: skip
    table = BiomarkerTable(rows, {"s1": Person("s1", "F", 40.0)})
    again = BiomarkerTable.from_frame(table.frame(), table.persons)
    assert [repr(r) for r in again.rows] == [repr(r) for r in rows]


def test_offers_of_a_dataset_become_rows() -> None:
    attrs = {"biomarker": "sbp", "units": "mm[Hg]", "standard_error": 2.0, "n": 3, "quality": "A B", "method": "mean"}
    dataset = xr.Dataset({"sbp": xr.DataArray(120.0, attrs=attrs), "other": xr.DataArray(1.0)})
    (row,) = rows_of(dataset, "s1")
    assert (row.value, row.standard_error, row.n, row.quality, row.provenance) == (120.0, 2.0, 3, ("A", "B"), "mean")
    assert biomarkers("s1", cortisol=dataset).rows == (row,)


def test_participants_without_rows_are_kept() -> None:
    table = BiomarkerTable((Biomarker("s1", "sbp", 120.0, "mm[Hg]", occasion="b"),), {"s2": Person("s2")})
    assert table.keys == (("s1", "b"), ("s2", "1"))
