"""How well the truth about a person can be measured: variability, repeats, and the biomarker table that comes of them.

Variability within persons: hs-CRP, 10.1371/journal.pone.0060759; reliability of the cortisol slope, Segerstrom 2014
(about ten days for 0.8); the others are choices within the published ranges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.simulate.physiology import SimulatedParticipant, simulate_population
from allostat.simulate.seeds import random_stream

LOD_HS_CRP_MG_L = 0.15
ACUTE_HS_CRP_MG_L = 10.0


_CONTEXTS = {"rmssd_night": "night", "hr_night": "night", "rmssd_rest": "rest_5min", "hr_rest": "rest_5min"}
_UNITS = {
    "rmssd_night": "ms", "rmssd_rest": "ms", "hr_night": "/min", "hr_rest": "/min",
    "cortisol_slope": "ln(nmol/L)/h", "sbp": "mm[Hg]", "dbp": "mm[Hg]", "hs_crp": "mg/L",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Spread:
    """Variability of a measurement around a person's true value, as standard deviations.

    ``*_night`` from night to night, ``*_rest`` from visit to visit, ``cortisol_slope_day`` of a day's true slope,
    ``ln_cortisol_sample`` of a single sample (momentary state), ``cortisol_assay_cv`` of the assay,
    ``ln_hs_crp_draw`` between draws weeks apart, blood pressure between visits and between readings of one visit in
    mmHg.
    """

    ln_rmssd_night: float = 0.12
    hr_night: float = 2.0
    ln_rmssd_rest: float = 0.20
    hr_rest: float = 3.5
    cortisol_slope_day: float = 0.045
    ln_cortisol_sample: float = 0.40
    cortisol_assay_cv: float = 0.07
    ln_hs_crp_draw: float = 0.36
    sbp_visit: float = 6.0
    dbp_visit: float = 4.0
    sbp_reading: float = 4.0
    dbp_reading: float = 3.0


SPREAD = Spread()


@dataclass(frozen=True, slots=True)
class Repeats:
    """How often each biomarker is measured."""

    nights: int = 3
    cortisol_days: int = 3
    crp_draws: int = 2
    pressure_visits: int = 2
    pressure_readings: int = 3


def simulate_biomarker_table(
    n: int, seed: int = 0, *, repeats: Repeats | None = None, spread: Spread = SPREAD
) -> BiomarkerTable:
    """Waist 2 of ``n`` persons: true values seen through realistic measurement.

    Fits the frozen reference ``simulated-2026.1``. Standard errors are those of the design, on the scale of each
    biomarker's transform.

    Parameters
    ----------
    n
        Persons.
    seed
        The same seed gives the same table.
    repeats
        Number of nights, days, draws and readings; `Repeats()` when left out.
    spread
        Variability of one measurement.
    """
    counts = repeats or Repeats()
    rows: list[Biomarker] = []
    persons = {}
    for person in simulate_population(n, seed):
        persons[person.id] = Person(person.id, person.sex, round(person.age, 1))
        rows += measured_biomarkers(person, counts, spread, random_stream(seed, person.id, "measured"))
    return BiomarkerTable(tuple(rows), persons)


def measured_biomarkers(
    person: SimulatedParticipant, repeats: Repeats, spread: Spread, rng: np.random.Generator
) -> list[Biomarker]:
    """Rows of waist 2 as a study with these repeats would measure them, without simulating any signal.

    hs-CRP below the detection limit (0.15 mg/L) counts as limit / sqrt(2), draws above 10 mg/L are left out; when
    none is left the value is NaN with the code ``CRP_ACUTE``.
    """
    noise = rng.standard_normal(8).tolist()
    errors = standard_errors(repeats, spread)
    values = {
        "rmssd_night": person.rmssd_night * math.exp(errors["rmssd_night"] * noise[0]),
        "rmssd_rest": person.rmssd_rest * math.exp(errors["rmssd_rest"] * noise[1]),
        "hr_night": person.hr_night + errors["hr_night"] * noise[2],
        "hr_rest": person.hr_rest + errors["hr_rest"] * noise[3],
        "cortisol_slope": person.cortisol_slope + errors["cortisol_slope"] * noise[4],
        "sbp": person.sbp + errors["sbp"] * noise[5],
        "dbp": person.dbp + errors["dbp"] * (0.6 * noise[5] + 0.8 * noise[6]),
    }
    rows = [_row(person, name, value, errors[name], _count(name, repeats)) for name, value in values.items()]
    draws = person.hs_crp * np.exp(spread.ln_hs_crp_draw * rng.standard_normal(repeats.crp_draws))
    kept = draws[draws <= ACUTE_HS_CRP_MG_L]
    codes = ("CRP_ACUTE",) * bool(len(kept) < len(draws)) + ("BELOW_LOD",) * bool((kept < LOD_HS_CRP_MG_L).any())
    kept = np.where(kept < LOD_HS_CRP_MG_L, LOD_HS_CRP_MG_L / math.sqrt(2), kept)
    crp = float(np.exp(np.log(kept).mean())) if len(kept) else math.nan
    error = spread.ln_hs_crp_draw / math.sqrt(len(kept)) if len(kept) else math.nan
    rows.append(_row(person, "hs_crp", crp, error, len(kept), codes))
    return rows


def standard_errors(repeats: Repeats, spread: Spread = SPREAD) -> dict[str, float]:
    """Standard error of each biomarker for a design, on the scale of its transform (ln for RMSSD and hs-CRP)."""
    visits, readings = repeats.pressure_visits, repeats.pressure_visits * max(repeats.pressure_readings - 1, 1)
    return {
        "rmssd_night": spread.ln_rmssd_night / math.sqrt(repeats.nights),
        "hr_night": spread.hr_night / math.sqrt(repeats.nights),
        "rmssd_rest": spread.ln_rmssd_rest,
        "hr_rest": spread.hr_rest,
        "cortisol_slope": cortisol_day_slope_sd(spread) / math.sqrt(repeats.cortisol_days),
        "sbp": math.sqrt(spread.sbp_visit**2 / visits + spread.sbp_reading**2 / readings),
        "dbp": math.sqrt(spread.dbp_visit**2 / visits + spread.dbp_reading**2 / readings),
        "hs_crp": spread.ln_hs_crp_draw / math.sqrt(repeats.crp_draws),
    }


CORTISOL_HOURS = (0.0, 0.5, 4.75, 10.0, 15.5)
"""Hours since waking at which a cortisol day asks for saliva: waking, 30 min, noon, afternoon, bedtime."""


def cortisol_day_slope_sd(spread: Spread = SPREAD) -> float:
    """Standard deviation of one day's fitted slope around the person's true one (+30 min sample left out)."""
    hours = np.array([h for h in CORTISOL_HOURS if h == 0 or h > 1])
    leverage = float(((hours - hours.mean()) ** 2).sum())
    sample = spread.ln_cortisol_sample**2 + math.log1p(spread.cortisol_assay_cv**2)
    return math.sqrt(spread.cortisol_slope_day**2 + sample / leverage)


def _count(biomarker: str, repeats: Repeats) -> int:
    match biomarker:
        case "rmssd_night" | "hr_night":
            return repeats.nights
        case "cortisol_slope":
            return repeats.cortisol_days
        case "sbp" | "dbp":
            return repeats.pressure_visits * repeats.pressure_readings
        case _:
            return 1


def _row(
    person: SimulatedParticipant, name: str, value: float, error: float, n: int, quality: tuple[str, ...] = ()
) -> Biomarker:
    return Biomarker(
        participant=person.id,
        biomarker=name,
        value=value,
        unit=_UNITS[name],
        standard_error=error,
        n=n,
        quality=quality,
        context=_CONTEXTS.get(name, ""),
        provenance="simulated",
    )
