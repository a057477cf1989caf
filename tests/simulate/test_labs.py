"""Laboratory rows: times, units, limits, and slopes that scatter around the truth as stated."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from allostat.recording import NS_PER_S
from allostat.simulate import (
    LabRow,
    Spread,
    simulate_blood_pressure,
    simulate_cortisol,
    simulate_hs_crp,
    simulate_participant,
)
from allostat.simulate.measurement import cortisol_day_slope_sd

ZONE = "Europe/Vienna"
PERSON = replace(
    simulate_participant("sub-001", 1), cortisol_slope=-0.12, cortisol_wake=12.0, hs_crp=1.0, sbp=130, dbp=80
)
WAKE = int(datetime(2026, 3, 3, 5, 40, tzinfo=UTC).timestamp()) * NS_PER_S
DAY = 86400 * NS_PER_S


def slope(rows: list[LabRow], wake_ns: int) -> float:
    kept = [r for r in rows if r.sample != "wake+30"]
    hours = [(r.collected_at.timestamp() - wake_ns / NS_PER_S) / 3600 for r in kept]
    return float(np.polyfit(hours, np.log([float(r.value) for r in kept]), 1)[0])


def test_slopes_scatter_around_the_truth_as_stated() -> None:
    wakes = [WAKE + k * DAY for k in range(400)]
    rows = simulate_cortisol(PERSON, wakes, ZONE)
    slopes = [slope(rows[5 * k : 5 * k + 5], wake) for k, wake in enumerate(wakes)]
    assert np.mean(slopes) == pytest.approx(-0.12, abs=0.01)
    assert np.std(slopes) == pytest.approx(cortisol_day_slope_sd(), rel=0.12)


def test_without_spread_the_slope_is_exact_to_rounding() -> None:
    zero = Spread(cortisol_slope_day=0, ln_cortisol_sample=0, cortisol_assay_cv=0)
    assert slope(simulate_cortisol(PERSON, [WAKE], ZONE, spread=zero), WAKE) == pytest.approx(-0.12, abs=0.001)


def test_five_samples_a_day_at_actual_clock_times() -> None:
    rows = simulate_cortisol(PERSON, [WAKE, WAKE + DAY], ZONE)
    assert [r.sample for r in rows[:5]] == ["wake", "wake+30", "noon", "afternoon", "bedtime"]
    assert [r.day for r in rows] == [1] * 5 + [2] * 5
    assert all(r.collected_at.utcoffset() == timedelta(hours=1) for r in rows)
    late = rows[0].collected_at.timestamp() - WAKE / NS_PER_S
    assert 0 <= late <= 300
    assert {r.unit for r in rows} == {"nmol/L"}
    assert {r.specimen for r in rows} == {"saliva"}


def test_awakening_response_rises() -> None:
    rows = simulate_cortisol(PERSON, [WAKE + k * DAY for k in range(100)], ZONE)
    wake = np.log([float(r.value) for r in rows if r.sample == "wake"])
    later = np.log([float(r.value) for r in rows if r.sample == "wake+30"])
    assert (later - wake).mean() == pytest.approx(0.39, abs=0.15)
    assert np.exp(wake.mean()) == pytest.approx(12, rel=0.12)


def test_hs_crp_below_the_limit_is_written_as_less_than() -> None:
    dates = [date(2026, 3, 2) + timedelta(days=k) for k in range(40)]
    values = [r.value for r in simulate_hs_crp(replace(PERSON, hs_crp=0.15), dates, ZONE)]
    assert "<0.15" in values
    assert all(v == "<0.15" or float(v) >= 0.15 for v in values)


def test_hs_crp_draws_scatter_as_stated() -> None:
    dates = [date(2024, 1, 1) + timedelta(days=k) for k in range(400)]
    ln_values = np.log([float(r.value) for r in simulate_hs_crp(replace(PERSON, hs_crp=2.0), dates, ZONE)])
    assert ln_values.std() == pytest.approx(0.36, rel=0.12)
    assert ln_values.mean() == pytest.approx(np.log(2.0), abs=0.06)


def test_pressure_readings_scatter_around_the_truth() -> None:
    dates = [date(2024, 1, 1) + timedelta(days=k) for k in range(300)]
    rows = simulate_blood_pressure(PERSON, dates, ZONE)
    later = [float(r.value) for r in rows if r.analyte == "sbp" and r.sample != "1"]
    first = [float(r.value) for r in rows if r.analyte == "sbp" and r.sample == "1"]
    assert np.mean(later) == pytest.approx(130, abs=1.2)
    assert np.mean(first) == pytest.approx(133, abs=1.2)
    assert np.std(later) == pytest.approx(np.hypot(6, 4), rel=0.12)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    assert all(s.collected_at == d.collected_at and float(s.value) > float(d.value) for s, d in pairs)


def test_same_seed_same_rows() -> None:
    assert simulate_cortisol(PERSON, [WAKE], ZONE, seed=3) == simulate_cortisol(PERSON, [WAKE], ZONE, seed=3)
    assert simulate_cortisol(PERSON, [WAKE], ZONE, seed=3) != simulate_cortisol(PERSON, [WAKE], ZONE, seed=4)
