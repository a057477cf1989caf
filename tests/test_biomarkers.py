"""Waist 2: rows in their own unit and context, one per participant, occasion and biomarker."""

from __future__ import annotations

import math

import pytest
import xarray as xr

from allostat.biomarker_rows import biomarkers
from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kind, biomarker_kinds, rows_of
from allostat.errors import InputError, UnitError
from allostat.units import ucum


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


def test_two_rows_of_one_biomarker_are_refused() -> None:
    row = Biomarker("s1", "sbp", 120.0, "mm[Hg]")
    with pytest.raises(InputError, match="merge or name the occasions"):
        BiomarkerTable((row, row))


def test_frame_round_trip() -> None:
    rows = (
        Biomarker("s1", "sbp", 120.0, "mm[Hg]", standard_error=2.0, n=3, quality=("A", "B")),
        Biomarker("s1", "hs_crp", math.nan, "mg/L", occasion="2", quality=("CRP_ACUTE",)),
    )
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
