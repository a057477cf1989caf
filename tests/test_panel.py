"""The biomarker table in columns: the same scores, the same refusals."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.allostatic_load import allostatic_load
from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.errors import InputError, UnitError
from allostat.panel import Panel, panel_of
from allostat.simulate import simulate_biomarker_table

WIDE = pd.DataFrame(
    {
        "participant": ["b", "a"],
        "sex": ["F", "male"],
        "age": [40.0, math.nan],
        "group": ["ward", None],
        "medications": ["ramipril 5 mg; metoprolol", ""],
        "hs_crp[mg/dL]": [0.2, math.nan],
        "sbp[mmHg]": [120.0, 131.0],
        "standard_error[sbp]": [3.0, math.nan],
    }
)


def test_a_wide_frame_comes_in_its_own_units_sorted_by_participant() -> None:
    panel = Panel.from_frame(WIDE)
    assert (panel.participants, panel.occasions) == (("a", "b"), ("1",))
    crp, sbp = panel.column_of["hs_crp"], panel.column_of["sbp"]
    assert panel.value[1, crp] == pytest.approx(2.0)
    assert math.isnan(panel.value[0, crp])
    assert not panel.present[0, crp]
    assert panel.value[:, sbp].tolist() == [131.0, 120.0]
    assert panel.standard_error[1, sbp] == 3.0
    assert panel.sex.tolist() == [1, 0]
    assert panel.groups.tolist() == ["", "ward"]
    assert panel.treated["beta_blocker"].tolist() == [False, True]
    assert panel.treated["antihypertensive"].tolist() == [False, True]


def test_table_and_panel_score_alike() -> None:
    table = simulate_biomarker_table(20, 4)
    one, two = (allostatic_load(t, "system", "simulated-2026.1") for t in (table, Panel.of(table)))
    assert one.identical(two)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(80, 200), min_size=1, max_size=8), st.integers(0, 7))
def test_some_participants_of_a_panel_keep_their_rows(values: list[float], first: int) -> None:
    rows = tuple(
        Biomarker(f"s{i}", "sbp", v, "mm[Hg]", occasion=o, quality=("BELOW_LOD",) if i % 2 else ())
        for i, v in enumerate(values)
        for o in ("1", "2")
    )
    panel = Panel.of(BiomarkerTable(rows, {f"s{i}": Person(f"s{i}", "F", 30.0 + i) for i in range(len(values))}))
    chosen = np.array([first % len(values)])
    part = panel.rows(chosen)
    assert part.keys == tuple((f"s{chosen[0]}", o) for o in ("1", "2"))
    assert part.value[:, 0].tolist() == [values[chosen[0]]] * 2
    assert part.age_years.tolist() == [30.0 + chosen[0]] * 2
    assert [m.tolist() for m in part.codes.values()] in ([], [[[bool(chosen[0] % 2)]] * 2])


@pytest.mark.parametrize(
    ("column", "values", "what"),
    [
        ("hs_crp", [1.0, 2.0], r"expected hs_crp\[mg/L\]"),
        ("hs_crpp[mg/L]", [1.0, 2.0], "nearest valid: 'hs_crp'"),
        ("dbp[mmHg]", ["high", 80.0], "holds text"),
        ("standard_error[dbp]", [1.0, 1.0], "without its biomarker"),
        ("standard_error[hs_crp]", [-1.0, 1.0], "zero or more"),
        ("sex", ["F", "X"], "unknown sex"),
        ("age", [121.0, 4.0], "implausible age"),
    ],
)
def test_bad_columns_are_refused_by_name(column: str, values: list[object], what: str) -> None:
    with pytest.raises(InputError, match=what):
        Panel.from_frame(WIDE.assign(**{column: values}))


@pytest.mark.parametrize("bad", [8.0, math.inf])
def test_an_implausible_value_is_a_suspect_of_its_unit(bad: float) -> None:
    with pytest.raises(UnitError, match=r"column dbp\[mmHg\], participant b: .*UNIT_SUSPECT"):
        Panel.from_frame(WIDE.assign(**{"dbp[mmHg]": [bad, 80.0]}))


def test_a_unit_with_another_zero_is_converted_as_in_tables() -> None:
    frame = WIDE.assign(**{"hba1c[mmol/mol]": [38.0, 53.0], "standard_error[hba1c]": [1.0, 1.0]})
    panel = Panel.from_frame(frame)
    at = panel.column_of["hba1c"]
    assert panel.value[:, at] == pytest.approx([7.0, 5.63], abs=0.01)
    assert panel.standard_error[:, at] == pytest.approx([0.09148] * 2, abs=1e-4)


def test_a_unit_that_does_not_convert_is_refused() -> None:
    with pytest.raises(UnitError, match="column dbp"):
        Panel.from_frame(WIDE.assign(**{"dbp[mg/L]": [80.0, 80.0]}))


def test_one_participant_twice_is_refused_unless_on_two_occasions() -> None:
    twice = WIDE.assign(participant="a", sex="F")
    with pytest.raises(InputError, match="twice on one occasion"):
        Panel.from_frame(twice)
    assert Panel.from_frame(twice.assign(occasion=["before", "after"])).occasions == ("after", "before")


def test_another_type_is_refused() -> None:
    with pytest.raises(InputError, match="BiomarkerTable, Panel or"):
        panel_of([1, 2])  # type: ignore[arg-type]
