"""The population that simulated participants come from, and the truth about each of them.

Model
-----
Every participant has a latent load L ~ N(0, 1) and an age, uniform from 25 to 65 years. Each of four systems (``hpa``,
``blood_pressure``, ``autonomic``, ``inflammation``) has a deviation with mean 0 and variance 1 in the population::

    deviation = a L + b (standardised age) + sqrt(1 - a^2 - b^2) (own part)

Positive is risk. Biomarkers follow from the deviations and the population's moments of the participant's sex: signed
cortisol slope, systolic and diastolic pressure (correlated 0.7 through the pressure system), ln RMSSD at night and at
rest, heart rate, ln hs-CRP.

The known load of a participant is the mean over the four systems of the true risk deviations, standardised by sex in
this population, with blood pressure as the mean of its two z scores and the autonomic system as the z score of night
ln RMSSD. It is what the system-balanced index would be if nothing had to be measured. The measured index sees it
through sampling days, nights, draws and readings only (`allostat.simulate.measurement`).

Sources of the moments: resting RMSSD, Voss 2015, 10.1371/journal.pone.0118308 (log-normal moments, value at 45 years
and its fall with age); hs-CRP within person, 10.1371/journal.pone.0060759; cortisol slope, Adam 2017,
10.1016/j.psyneuen.2017.05.018, and its reliability, Segerstrom 2014. Loadings (about 0.5: systems correlate 0.2 to
0.4) and the remaining numbers are choices of this simulator within the published ranges, not estimates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from allostat.biomarkers import Sex
from allostat.errors import InputError
from allostat.simulate.seeds import random_stream

Floats = NDArray[np.float64]

SYSTEMS = ("hpa", "blood_pressure", "autonomic", "inflammation")
AGE_LOW, AGE_HIGH = 25.0, 65.0
_AGE_MEAN = (AGE_LOW + AGE_HIGH) / 2
_AGE_SD = (AGE_HIGH - AGE_LOW) / math.sqrt(12)

_LOAD_WEIGHT = {"hpa": 0.45, "blood_pressure": 0.50, "autonomic": 0.50, "inflammation": 0.50}
_AGE_WEIGHT = {"hpa": 0.10, "blood_pressure": 0.35, "autonomic": 0.31, "inflammation": 0.15}
_PRESSURE_SHARED = 0.7
"""Correlation of systolic and diastolic pressure between persons."""
_REST_SHARED = 0.85
"""Correlation of night and resting ln RMSSD between persons."""
_HEART_RATE_SHARED = 0.5
"""Correlation of heart rate with the autonomic deviation."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Population mean and standard deviation of each biomarker for one sex; RMSSD and hs-CRP as ln."""

    cortisol_slope: tuple[float, float]
    sbp: tuple[float, float]
    dbp: tuple[float, float]
    ln_rmssd_night: tuple[float, float]
    ln_rmssd_rest: tuple[float, float]
    hr_night: tuple[float, float]
    hr_rest: tuple[float, float]
    ln_hs_crp: tuple[float, float]


MOMENTS: Mapping[Sex, Moments] = MappingProxyType(
    {
        "F": Moments(
            cortisol_slope=(-0.132, 0.04),
            sbp=(122.5, 13.0),
            dbp=(76.0, 9.0),
            ln_rmssd_night=(3.62, 0.48),
            ln_rmssd_rest=(3.20, 0.50),
            hr_night=(60.0, 7.0),
            hr_rest=(69.0, 9.0),
            ln_hs_crp=(math.log(1.35), 1.05),
        ),
        "M": Moments(
            cortisol_slope=(-0.128, 0.04),
            sbp=(127.5, 13.0),
            dbp=(79.0, 9.0),
            ln_rmssd_night=(3.64, 0.48),
            ln_rmssd_rest=(3.24, 0.50),
            hr_night=(57.0, 7.0),
            hr_rest=(66.0, 9.0),
            ln_hs_crp=(math.log(1.05), 1.05),
        ),
    }
)


@dataclass(frozen=True, slots=True)
class SimulatedParticipant:
    """A person and the truth about them.

    Parameters
    ----------
    load
        Known allostatic load: mean over systems of the true risk deviations (see the module).
    latent_load
        The L behind the deviations.
    deviations
        True risk deviation per system, standardised by sex; positive is risk.
    rmssd_night, rmssd_rest
        Expected RMSSD asleep and at seated rest, ms.
    hr_night, hr_rest
        Mean heart rate asleep and at rest, per min.
    cortisol_slope
        True diurnal slope of ln cortisol, ln(nmol/L)/h, the awakening response left out.
    sbp, dbp
        Resting pressure, mmHg.
    hs_crp
        mg/L.
    cortisol_wake
        Expected saliva cortisol at waking, nmol/L.
    respiration_hz
        Breathing rate awake and at rest.
    """

    id: str
    sex: Sex
    age: float
    load: float
    latent_load: float
    rmssd_night: float
    rmssd_rest: float
    hr_night: float
    hr_rest: float
    cortisol_slope: float
    sbp: float
    dbp: float
    hs_crp: float
    cortisol_wake: float = 12.0
    respiration_hz: float = 0.25
    deviations: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def truth(self) -> dict[str, float]:
        """True value per biomarker of waist 2, in its unit."""
        return {name: float(getattr(self, name)) for name in BIOMARKERS}


BIOMARKERS = ("rmssd_night", "rmssd_rest", "hr_night", "hr_rest", "cortisol_slope", "sbp", "dbp", "hs_crp")


def simulate_population(
    n: int, seed: int = 0, *, ids: Sequence[str] | None = None, sexes: Sequence[Sex] | None = None
) -> list[SimulatedParticipant]:
    """Persons drawn at random from the population model.

    Parameters
    ----------
    n
        How many.
    seed
        The same seed gives the same persons.
    ids
        Identifiers; ``sub-001`` and so on when left out.
    sexes
        Sex of each; drawn with probability one half when left out.

    Raises
    ------
    InputError
        When ``n`` is negative or ``ids`` or ``sexes`` have another length.
    """
    if n < 0:
        raise InputError("a population has no negative size", found=n)
    names = [f"sub-{i + 1:03d}" for i in range(n)] if ids is None else list(ids)
    rng = random_stream(seed, "population")
    drawn_sexes: list[Sex] = ["F" if u < 0.5 else "M" for u in rng.random(n)]
    people: list[Sex] = drawn_sexes if sexes is None else list(sexes)
    if len(names) != n or len(people) != n:
        raise InputError("one identifier and one sex per person", found=f"{n}, {len(names)}, {len(people)}")

    age = rng.uniform(AGE_LOW, AGE_HIGH, n)
    aged = (age - _AGE_MEAN) / _AGE_SD
    latent = rng.standard_normal(n)
    own = rng.standard_normal((len(SYSTEMS), n))
    deviation = {system: _deviation(system, latent, aged, own[k]) for k, system in enumerate(SYSTEMS)}
    extra = rng.standard_normal((7, n))

    share, rest = math.sqrt(_PRESSURE_SHARED), math.sqrt(1 - _PRESSURE_SHARED)
    z_sbp = share * deviation["blood_pressure"] + rest * extra[0]
    z_dbp = share * deviation["blood_pressure"] + rest * extra[1]
    z_rest = _blend(deviation["autonomic"], extra[2], _REST_SHARED)
    z_hr_night = _blend(deviation["autonomic"], extra[3], _HEART_RATE_SHARED)
    z_hr_rest = _blend(z_hr_night, extra[4], 0.8)
    systems = {**deviation, "blood_pressure": (z_sbp + z_dbp) / 2}
    load = sum(systems[s] for s in SYSTEMS) / len(SYSTEMS)

    found = []
    for i in range(n):
        m = MOMENTS[people[i]]
        found.append(
            SimulatedParticipant(
                id=names[i],
                sex=people[i],
                age=float(age[i]),
                load=float(load[i]),
                latent_load=float(latent[i]),
                rmssd_night=_within(math.exp(_at(m.ln_rmssd_night, -deviation["autonomic"][i])), 6.0, 160.0),
                rmssd_rest=_within(math.exp(_at(m.ln_rmssd_rest, -z_rest[i])), 5.0, 150.0),
                hr_night=_within(_at(m.hr_night, z_hr_night[i]), 38.0, 90.0),
                hr_rest=_within(_at(m.hr_rest, z_hr_rest[i]), 42.0, 105.0),
                cortisol_slope=_at(m.cortisol_slope, deviation["hpa"][i]),
                sbp=_at(m.sbp, z_sbp[i]),
                dbp=_at(m.dbp, z_dbp[i]),
                hs_crp=math.exp(_at(m.ln_hs_crp, deviation["inflammation"][i])),
                cortisol_wake=12.0 * math.exp(0.28 * float(extra[5, i])),
                respiration_hz=_within(float(0.25 + 0.025 * extra[6, i]), 0.18, 0.33),
                deviations=MappingProxyType({s: float(systems[s][i]) for s in SYSTEMS}),
            )
        )
    return found


def simulate_participant(participant_id: str = "sub-001", seed: int = 0, *, sex: Sex = "F") -> SimulatedParticipant:
    """One person drawn from the population model; the identifier is part of the seed."""
    own = int(random_stream(seed, participant_id, "person").integers(2**63))
    return simulate_population(1, own, ids=[participant_id], sexes=[sex])[0]


def _deviation(system: str, latent: Floats, aged: Floats, own: Floats) -> Floats:
    a, b = _LOAD_WEIGHT[system], _AGE_WEIGHT[system]
    return a * latent + b * aged + math.sqrt(1 - a * a - b * b) * own


def _blend(shared: Floats, own: Floats, correlation: float) -> Floats:
    return correlation * shared + math.sqrt(1 - correlation**2) * own


def _at(moment: tuple[float, float], z: float) -> float:
    return float(moment[0] + moment[1] * z)


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)
