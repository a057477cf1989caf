"""Rules of medication: applied once, from the measured value, for tables and for arrays alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.biomarker_rows import as_measured, rule_notices, ruled
from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kind, biomarker_kinds
from allostat.errors import ConfigError
from allostat.medication_rules import (
    MedicationRules,
    adjusted_values,
    apply_medication_rules,
    effects,
    exposures,
    rule_options,
)

UNITS = {"sbp": 120.0, "dbp": 80.0, "pulse_pressure": 40.0, "chol_total": 200.0, "ldl": 3.0, "chol_hdl_ratio": 4.0}


def row(biomarker: str, value: float, who: str = "a", **more: object) -> Biomarker:
    kind = biomarker_kind(biomarker)
    return Biomarker(who, biomarker, value, kind.unit, context=kind.context, **more)  # type: ignore[arg-type]


def table(*rows: Biomarker, **about: object) -> BiomarkerTable:
    return BiomarkerTable(rows, {"a": Person("a", "F", 40.0, **about)})  # type: ignore[arg-type]


def only(found: BiomarkerTable) -> Biomarker:
    (one,) = found.rows
    return one


def test_antihypertensives_add_10_and_5_exactly_once_and_say_so() -> None:
    found = apply_medication_rules(
        table(row("sbp", 120.0, standard_error=2.0), row("dbp", 80.0), medications=("ramipril 5 mg", "C07AB02"))
    )
    sbp, dbp = found.rows
    assert (sbp.value, sbp.raw_value, sbp.measured, sbp.standard_error) == (130.0, 120.0, 120.0, 2.0)
    assert (dbp.value, dbp.quality) == (85.0, ("TREATED_PLUS_5",))
    assert sbp.quality == ("TREATED_PLUS_10",)
    assert sbp.adjustment == "antihypertensive: +10 mm[Hg] (ramipril 5 mg, C07AB02)"
    assert found.rules["antihypertensive"] == "adjust"
    assert repr(apply_medication_rules(found)) == repr(found)


def test_pulse_pressure_and_the_cholesterol_ratio_follow_their_parts() -> None:
    drugs = ("ramipril", "atorvastatin")
    found = {
        r.biomarker: r.value
        for r in apply_medication_rules(table(*(row(b, v) for b, v in UNITS.items()), medications=drugs)).rows
    }
    assert found["pulse_pressure"] == found["sbp"] - found["dbp"]
    assert found["chol_hdl_ratio"] == pytest.approx(found["chol_total"] / 50.0)


def test_statins_divide_total_cholesterol_by_08_and_ldl_by_07_with_their_errors() -> None:
    found = apply_medication_rules(
        table(row("chol_total", 200.0, standard_error=8.0), row("ldl", 2.1), medications=("statins",))
    )
    total, ldl = found.rows
    assert (total.value, total.standard_error) == (pytest.approx(250.0), pytest.approx(10.0))
    assert ldl.value == pytest.approx(3.0)
    assert total.quality == ("STATIN_DIVIDED_0.8",)


def test_nobody_else_is_changed() -> None:
    rows = (row("sbp", 120.0), row("hdl", 50.0))
    assert apply_medication_rules(table(*rows, medications=("ibuprofen",))).rows == rows
    assert apply_medication_rules(BiomarkerTable(rows)).rows == rows


@pytest.mark.parametrize(
    ("option", "value", "quality"),
    [
        ("adjust", 130.0, ("TREATED_PLUS_10",)),
        ("none", 120.0, ()),
        ("flag", 120.0, ("TREATED",)),
        ("risk", 120.0, ("TREATED_AS_RISK",)),
        ("exclude", math.nan, ("TREATED",)),
    ],
)
def test_every_option_for_antihypertensives(option: str, value: float, quality: tuple[str, ...]) -> None:
    rules = MedicationRules.from_options({"antihypertensive": option})
    one = only(apply_medication_rules(table(row("sbp", 120.0), medications=("ramipril",)), rules))
    assert one.value == pytest.approx(value, nan_ok=True)
    assert one.quality == quality
    assert one.measured == 120.0


def test_ambulatory_pressures_have_no_constant_and_say_that_they_are_unadjusted() -> None:
    one = only(apply_medication_rules(table(row("sbp_24h", 120.0), medications=("ramipril",))))
    assert (one.value, one.quality) == (120.0, ("TREATED_UNADJUSTED",))


def test_beta_blockers_flag_or_exclude_the_whole_autonomic_system() -> None:
    night = row("rmssd_night", 40.0)
    treated = table(night, row("hdl", 50.0), medications=("bisoprolol",))
    assert apply_medication_rules(treated).rows[0].quality == ("BETA_BLOCKER",)
    excluded = apply_medication_rules(treated, MedicationRules(beta_blocker="exclude"))
    assert [r.missing for r in excluded.rows] == [True, False]
    autonomic = [k.name for k in biomarker_kinds().values() if k.system == "autonomic"]
    assert all(effects(name, MedicationRules(beta_blocker="exclude")) for name in autonomic)


@pytest.mark.parametrize(
    ("about", "code", "missing"),
    [
        ({"medications": ("prednisolone",)}, "CORTICOSTEROID", True),
        ({"pregnant": True}, "PREGNANT", True),
        ({"oral_contraceptive": True}, "ORAL_CONTRACEPTIVE", False),
        ({"medications": ("levonorgestrel",)}, "ORAL_CONTRACEPTIVE", False),
        ({"smoker": True}, "SMOKER", False),
    ],
)
def test_what_changes_cortisol(about: dict[str, object], code: str, missing: bool) -> None:
    cortisol = [k.name for k in biomarker_kinds().values() if k.name.startswith("cortisol")]
    value = {name: (biomarker_kind(name).plausible_low + biomarker_kind(name).plausible_high) / 2 for name in cortisol}
    found = apply_medication_rules(table(*(row(b, value[b]) for b in cortisol), **about))
    assert {r.quality for r in found.rows} == {(code,)}
    assert {r.missing for r in found.rows} == {missing}


def test_steroids_and_pregnancy_together_exclude_once_and_keep_the_measured_value() -> None:
    one = only(
        apply_medication_rules(table(row("cortisol_slope", -0.1), pregnant=True, medications=("dexamethasone",)))
    )
    assert (one.missing, one.measured, set(one.quality)) == (True, -0.1, {"CORTICOSTEROID", "PREGNANT"})


def test_what_was_never_measured_stays_as_it_is() -> None:
    absent = row("cortisol_slope", math.nan, quality=("FEW_SAMPLES",))
    assert only(apply_medication_rules(table(absent, pregnant=True))) is absent


def test_a_table_that_was_adjusted_by_its_source_is_not_adjusted_twice() -> None:
    told = row("sbp", 130.0, quality=("TREATED_PLUS_10",))
    one = only(apply_medication_rules(table(told, medications=("ramipril",))))
    assert (one.value, one.measured) == (130.0, 120.0)


def test_a_constant_may_lead_past_the_bounds_of_what_can_be_measured() -> None:
    assert only(apply_medication_rules(table(row("sbp", 255.0), medications=("ramipril",)))).value == 265.0


def test_exposures_of_a_person() -> None:
    person = Person("a", medications=("metoprolol", "C10AA05"), smoker=True, pregnant=False)
    assert exposures(person) == {"antihypertensive", "beta_blocker", "statin", "smoking"}
    assert exposures(Person("a")) == frozenset()


def test_unknown_rules_and_options_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match="nearest valid: 'antihypertensive'"):
        MedicationRules.from_options({"antihypertensives": "none"})
    with pytest.raises(ConfigError, match="no such option"):
        MedicationRules(pregnancy="adjust")


def test_notices_say_what_rules_did() -> None:
    found = ruled(table(row("sbp", 120.0), row("hs_crp", 14.0), medications=("ramipril",)))
    assert [(n.code, n.severity) for n in rule_notices(found)] == [
        ("TREATED_PLUS_10", "info"),
        ("CRP_ACUTE", "warning"),
    ]
    assert "measured 14 mg/L" in rule_notices(found)[1].message


RULES = st.fixed_dictionaries({name: st.sampled_from(options) for name, options in rule_options().items()})
PEOPLE = st.builds(
    Person,
    st.just("a"),
    medications=st.lists(
        st.sampled_from(["ramipril", "bisoprolol", "statins", "prednisone", "aspirin"]), max_size=3
    ).map(tuple),
    pregnant=st.sampled_from([None, True, False]),
    smoker=st.sampled_from([None, True, False]),
)
ROWS = (
    *(row(b, v, standard_error=1.0) for b, v in UNITS.items()),
    row("cortisol_slope", -0.1),
    row("rmssd_rest", 30.0),
)


@settings(max_examples=50, deadline=None)
@given(PEOPLE, RULES, RULES)
def test_rules_after_other_rules_are_the_rules_alone(
    person: Person, first: dict[str, str], second: dict[str, str]
) -> None:
    measured = BiomarkerTable(ROWS, {"a": person})
    one, other = MedicationRules.from_options(first), MedicationRules.from_options(second)
    alone = apply_medication_rules(measured, other)
    after = apply_medication_rules(apply_medication_rules(measured, one), other)
    for a, b in zip(alone.rows, after.rows, strict=True):
        assert (b.value, b.standard_error) == (
            pytest.approx(a.value, nan_ok=True),
            pytest.approx(a.standard_error, nan_ok=True),
        )
        assert (b.quality, b.adjustment, b.provenance) == (a.quality, a.adjustment, a.provenance)
    assert [r.measured for r in after.rows] == [r.value for r in ROWS]
    assert [r.value for r in as_measured(after).rows] == pytest.approx([r.value for r in ROWS])


@settings(max_examples=50, deadline=None)
@given(PEOPLE, RULES)
def test_arrays_follow_the_same_rules_as_tables(person: Person, options: dict[str, str]) -> None:
    rules = MedicationRules.from_options(options)
    found = apply_medication_rules(BiomarkerTable(ROWS, {"a": person}), rules)
    exposed = {name: np.array([True]) for name in exposures(person)}
    for before, after in zip(ROWS, found.rows, strict=True):
        values, at_risk = adjusted_values(before.biomarker, np.array([before.value]), exposed, rules)
        assert values[0] == pytest.approx(after.value, nan_ok=True)
        assert at_risk[0] == any(q.endswith("_AS_RISK") for q in after.quality)


@pytest.mark.parametrize(("option", "flag"), [("none", 0), ("adjust", 1), ("risk", 1)])
def test_treated_as_risk_is_flagged_whatever_the_value(option: str, flag: int) -> None:
    from allostat.allostatic_load import allostatic_load

    found = allostatic_load(
        apply_medication_rules(
            table(row("sbp", 122.0), medications=("ramipril",)),
            MedicationRules.from_options({"antihypertensive": option}),
        ),
        "clinical",
    )
    assert int(found["flag"].sel(component="sbp", participant="a")) == flag


def test_what_has_no_side_of_risk_is_no_marker_and_not_in_a_reference() -> None:
    from allostat.allostatic_load import fit_reference
    from allostat.allostatic_load.definitions import definition_from

    entry = {
        "id": "x", "version": "1", "title": "x", "citation": "x", "algorithm": "count", "default_reference": "x",
        "systems": [{"name": "x", "markers": [{"biomarker": "height"}]}],
    }  # fmt: skip
    with pytest.raises(ConfigError, match="no side of risk"):
        definition_from(entry)
    rows = [
        Biomarker(f"p{i}", n, v + i, u) for i in range(40) for n, v, u in (("height", 160, "cm"), ("hdl", 40, "mg/dL"))
    ]
    fitted = fit_reference(BiomarkerTable(tuple(rows)), name="x", by_sex=False)
    assert {e.biomarker for e in fitted.entries} == {"hdl"}
