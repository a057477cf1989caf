"""Percentiles from a user's own table: reading, interpolation, refusals. The numbers are made up."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.errors import InputError, UnitError
from allostat.labs.cortisol_norms import NormReason, read_cortisol_norms

HEADER = "sex,age_low,age_high,hours_low,hours_high,unit,specimen,assay,p5,p50,p95"
ROWS = (
    "F,18,40,0,1,nmol/L,saliva,LC-MS/MS,3,10,25",
    "F,18,40,1,4,nmol/L,saliva,LC-MS/MS,2,6,15",
    "all,18,99,0,1,nmol/L,saliva,LC-MS/MS,4,11,30",
)


def table(folder: Path, *rows: str, header: str = HEADER, separator: str = ",") -> Path:
    path = folder / "norms.csv"
    path.write_text("\n".join([header, *(rows or ROWS)]).replace(",", separator) + "\n", encoding="utf-8")
    return path


KIND = {"specimen": "saliva", "assay": "LC-MS/MS"}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_percentiles_of_the_table_itself(tmp_path: Path, separator: str) -> None:
    norms = read_cortisol_norms(table(tmp_path, separator=separator))
    found = norms.percentile([3, 10, 25, 6], [0, 0.5, 0.9, 2.0], sex="F", age_years=30, **KIND)
    np.testing.assert_allclose(found["percentile"], [5, 50, 95, 50], rtol=1e-9)
    assert found["reasons"].to_numpy().tolist() == [0, 0, 0, 0]


def test_all_stands_in_for_a_sex_without_rows(tmp_path: Path) -> None:
    norms = read_cortisol_norms(table(tmp_path))
    assert float(norms.percentile([11], [0], sex="M", age_years=30, **KIND)["percentile"][0]) == pytest.approx(50)
    assert float(norms.percentile([11], [0], sex="F", age_years=50, **KIND)["percentile"][0]) == pytest.approx(50)


def test_beyond_the_outermost_percentiles_there_is_a_bound(tmp_path: Path) -> None:
    norms = read_cortisol_norms(table(tmp_path))
    found = norms.percentile([1, 40, math.nan, 9], [0, 0, 0, 12], sex="F", age_years=30, **KIND)
    np.testing.assert_allclose(found["percentile"], [5, 95, math.nan, math.nan], rtol=1e-9)
    assert [NormReason(int(r)) for r in found["reasons"]] == [
        NormReason.BELOW_LOWEST, NormReason.ABOVE_HIGHEST, NormReason.VALUE_MISSING, NormReason.OUTSIDE_TABLE,
    ]  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.floats(0.5, 60), st.floats(0.5, 60))
def test_a_higher_value_never_has_a_lower_percentile(
    tmp_path_factory: pytest.TempPathFactory, a: float, b: float
) -> None:
    norms = read_cortisol_norms(table(tmp_path_factory.mktemp("norms")))
    low, high = sorted([a, b])
    found = norms.percentile([low, high], [0, 0], sex="F", age_years=30, **KIND)["percentile"].to_numpy()
    assert found[0] <= found[1]


def test_another_specimen_or_assay_is_refused(tmp_path: Path) -> None:
    norms = read_cortisol_norms(table(tmp_path))
    for kind in ({"specimen": "serum", "assay": "LC-MS/MS"}, {"specimen": "saliva", "assay": "IBL"}):
        with pytest.raises(InputError, match="norms of another"):
            norms.percentile([10], [0], sex="F", age_years=30, **kind)
    with pytest.raises(InputError, match="unknown sex"):
        norms.percentile([10], [0], sex="x", age_years=30, **KIND)
    with pytest.raises(InputError, match="above zero"):
        norms.percentile([0], [0], sex="F", age_years=30, **KIND)


def test_units_are_converted(tmp_path: Path) -> None:
    path = table(tmp_path, "F,18,40,0,1,ug/dL,saliva,LC-MS/MS,0.1,0.4,0.9")
    found = read_cortisol_norms(path).percentile([0.4 * 27.5892514], [0], sex="F", age_years=30, **KIND)
    assert float(found["percentile"][0]) == pytest.approx(50, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (("F,18,40,0,1,nmol/L,saliva,A,3,3,25",), "ascend"),
        (("F,18,40,0,1,nmol/L,saliva,A,3,x,25",), "not a number"),
        (("F,40,18,0,1,nmol/L,saliva,A,3,10,25",), "ends after"),
        (("W,18,40,0,1,nmol/L,saliva,A,3,10,25",), "unknown sex"),
        ((ROWS[0], "F,30,50,0.5,2,nmol/L,saliva,LC-MS/MS,3,10,25"), "overlap"),
        ((ROWS[0], "M,18,40,0,1,nmol/L,saliva,IBL,3,10,25"), "one specimen and one assay"),
        (("F,18,40,0,1,nmol/L,saliva,,3,10,25",), "one specimen and one assay"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, rows: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_cortisol_norms(table(tmp_path, *rows))


def test_missing_columns_and_unknown_units_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lacks a column"):
        read_cortisol_norms(table(tmp_path, header=HEADER.replace("assay", "kit")))
    with pytest.raises(InputError, match="two or more percentiles"):
        read_cortisol_norms(table(tmp_path, header=HEADER.replace("p5,p50,p95", "a,b,p95")))
    with pytest.raises(UnitError):
        read_cortisol_norms(table(tmp_path, "F,18,40,0,1,foo,saliva,A,3,10,25"))
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError):
        read_cortisol_norms(tmp_path / "empty.csv")
