"""The population is what its documentation says, and the measured table sees it through noise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from allostat.errors import InputError
from allostat.simulate import (
    MOMENTS,
    SYSTEMS,
    Repeats,
    SimulatedParticipant,
    Spread,
    simulate_biomarker_table,
    simulate_participant,
    simulate_population,
    standard_errors,
)
from allostat.simulate.measurement import cortisol_day_slope_sd


@pytest.fixture(scope="module")
def population() -> list[SimulatedParticipant]:
    return simulate_population(8000, 3)


def risk(person: SimulatedParticipant) -> dict[str, float]:
    m = MOMENTS[person.sex]

    def z(x: float, moment: tuple[float, float]) -> float:
        return (x - moment[0]) / moment[1]

    return {
        "hpa": z(person.cortisol_slope, m.cortisol_slope),
        "blood_pressure": (z(person.sbp, m.sbp) + z(person.dbp, m.dbp)) / 2,
        "autonomic": -z(math.log(person.rmssd_night), m.ln_rmssd_night),
        "inflammation": z(math.log(person.hs_crp), m.ln_hs_crp),
    }


def test_known_load_is_the_mean_of_the_true_standardised_deviations(population: list[SimulatedParticipant]) -> None:
    for person in population[:300]:
        if not 6.5 < person.rmssd_night < 155:  # outside, the truth is held inside physiological limits
            continue
        assert dict(person.deviations) == pytest.approx(risk(person))
        assert person.load == pytest.approx(sum(risk(person).values()) / 4)


def test_deviations_have_mean_0_and_variance_1_by_sex(population: list[SimulatedParticipant]) -> None:
    for sex in ("F", "M"):
        for system in SYSTEMS:
            values = [p.deviations[system] for p in population if p.sex == sex]
            expected = math.sqrt(0.85) if system == "blood_pressure" else 1.0  # mean of two z scores correlated 0.7
            assert np.mean(values) == pytest.approx(0.0, abs=0.06)
            assert np.std(values) == pytest.approx(expected, rel=0.05)


def test_systems_correlate_as_they_do_in_people(population: list[SimulatedParticipant]) -> None:
    table = np.array([[p.deviations[s] for s in SYSTEMS] for p in population])
    between = np.corrcoef(table.T)[np.triu_indices(4, 1)]
    assert between.min() > 0.15
    assert between.max() < 0.45


def test_biomarkers_lie_where_published_values_do(population: list[SimulatedParticipant]) -> None:
    def median(name: str) -> float:
        return float(np.median([getattr(p, name) for p in population]))

    assert median("rmssd_rest") == pytest.approx(25, abs=2)
    assert median("rmssd_night") > median("rmssd_rest")
    assert median("hr_night") < median("hr_rest")
    assert median("hs_crp") == pytest.approx(1.2, abs=0.1)
    assert median("sbp") == pytest.approx(125, abs=1)
    assert median("cortisol_slope") == pytest.approx(-0.13, abs=0.003)
    assert median("cortisol_wake") == pytest.approx(12, abs=0.5)
    assert np.std([p.sbp for p in population]) == pytest.approx(13, abs=1)


def test_rmssd_falls_with_age(population: list[SimulatedParticipant]) -> None:
    slope = np.polyfit([p.age for p in population], [math.log(p.rmssd_rest) for p in population], 1)[0]
    assert -0.016 < slope < -0.008


def test_same_seed_same_persons_and_other_seed_others() -> None:
    assert simulate_population(5, 1) == simulate_population(5, 1)
    assert simulate_population(5, 1)[0].load != simulate_population(5, 2)[0].load
    assert simulate_participant("a", 1) == simulate_participant("a", 1)
    assert simulate_participant("a", 1).load != simulate_participant("b", 1).load


def test_wrong_sizes_are_refused() -> None:
    with pytest.raises(InputError, match="negative"):
        simulate_population(-1)
    with pytest.raises(InputError, match="one identifier"):
        simulate_population(2, ids=["a"])


def test_measured_table_holds_every_biomarker_of_every_person() -> None:
    table = simulate_biomarker_table(40, 5)
    assert len(table.rows) == 40 * 8
    assert len(table.persons) == 40
    assert repr(simulate_biomarker_table(40, 5).rows) == repr(table.rows)  # as text: NaN differs from itself


def test_measurement_noise_has_the_stated_standard_errors() -> None:
    repeats = Repeats()
    errors = standard_errors(repeats)
    people = {p.id: p for p in simulate_population(1500, 8)}
    table = simulate_biomarker_table(1500, 8, repeats=repeats)
    for name, error in errors.items():
        rows = [r for r in table.rows if r.biomarker == name and not r.missing and "BELOW_LOD" not in r.quality]
        if name == "hs_crp":
            rows = [r for r in rows if people[r.participant].hs_crp < 4 and r.value > 0.3]
        ln = name in ("rmssd_night", "rmssd_rest", "hs_crp")
        off = [
            (math.log(r.value) - math.log(people[r.participant].truth[name]))
            if ln
            else r.value - people[r.participant].truth[name]
            for r in rows
        ]
        assert np.std(off) == pytest.approx(error, rel=0.08), name


def test_hs_crp_below_the_limit_and_acute_draws_are_marked() -> None:
    table = simulate_biomarker_table(3000, 8)
    crp = [r for r in table.rows if r.biomarker == "hs_crp"]
    assert any("BELOW_LOD" in r.quality for r in crp)
    assert any("CRP_ACUTE" in r.quality for r in crp)
    assert all(r.value <= 10 for r in crp if not r.missing)
    assert min(r.value for r in crp if not r.missing) >= 0.15 / math.sqrt(2) - 1e-9


def test_day_to_day_reliability_of_the_slope_is_as_low_as_published() -> None:
    """About ten days are needed for a reliability of 0.8 (Segerstrom 2014)."""
    single = 0.04**2 / (0.04**2 + cortisol_day_slope_sd() ** 2)
    ten = 10 * single / (1 + 9 * single)
    assert 0.25 < single < 0.42
    assert ten == pytest.approx(0.8, abs=0.06)


def test_without_spread_measurement_is_exact() -> None:
    zero = Spread(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    people = {p.id: p for p in simulate_population(20, 4)}
    for row in simulate_biomarker_table(20, 4, spread=zero).rows:
        true = people[row.participant].truth[row.biomarker]
        if row.biomarker != "hs_crp" or 0.15 <= true <= 10:
            assert row.value == pytest.approx(true)
