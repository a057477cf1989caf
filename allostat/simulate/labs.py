"""Laboratory samples and blood pressure readings of a simulated participant, as a study would note them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from allostat.recording import NS_PER_S
from allostat.simulate.measurement import CORTISOL_HOURS, LOD_HS_CRP_MG_L, SPREAD, Spread
from allostat.simulate.physiology import SimulatedParticipant
from allostat.simulate.seeds import random_stream
from allostat.zones import zone_info

CAR_LN = 0.45
"""Rise of ln cortisol 30 min after waking."""
READING_WHITE_COAT_MMHG = (3.0, 2.0)
"""How much the first reading of a visit lies above the others, systolic and diastolic."""


@dataclass(frozen=True, slots=True)
class LabRow:
    """One line of ``labs.tsv``.

    Parameters
    ----------
    value
        As the laboratory writes it: a number, or ``<0.15`` below the detection limit.
    collected_at
        Local time with UTC offset.
    """

    participant_id: str
    analyte: str
    value: str
    unit: str
    specimen: str
    collected_at: datetime
    operator: str = ""
    assay: str = ""
    day: int = 1
    sample: str = "1"


SAMPLE_NAMES = ("wake", "wake+30", "noon", "afternoon", "bedtime")


def simulate_cortisol(
    participant: SimulatedParticipant,
    wake_times_ns: Sequence[int],
    timezone: str,
    *,
    seed: int = 0,
    spread: Spread = SPREAD,
) -> list[LabRow]:
    """Saliva cortisol, five samples a day: waking, +30 min, noon, afternoon, bedtime; nmol/L.

    ln cortisol falls along a straight line whose slope is the participant's plus a deviation of the day; the +30 min
    sample rises above it (awakening response). Samples vary around the line (momentary state, assay) and are taken
    some minutes late; ``collected_at`` is when they were really taken.

    Parameters
    ----------
    wake_times_ns
        Waking on each day, UTC.
    """
    zone = zone_info(timezone)
    found = []
    for day, wake_ns in enumerate(wake_times_ns):
        rng = random_stream(seed, participant.id, "cortisol", wake_ns)
        slope = participant.cortisol_slope + spread.cortisol_slope_day * rng.standard_normal()
        level = math.log(participant.cortisol_wake)
        late_min = np.concatenate([rng.integers(0, 5, 1), rng.integers(-2, 4, 1), rng.integers(-10, 26, 3)])
        state = spread.ln_cortisol_sample * rng.standard_normal(len(CORTISOL_HOURS))
        assay = math.sqrt(math.log1p(spread.cortisol_assay_cv**2)) * rng.standard_normal(len(CORTISOL_HOURS))
        response = max(CAR_LN + 0.25 * rng.standard_normal(), -0.1)
        for k, hours in enumerate(CORTISOL_HOURS):
            since_wake = hours + float(late_min[k]) / 60
            ln_value = level + slope * since_wake + (response if k == 1 else 0.0) + state[k] + assay[k]
            taken = wake_ns + round(since_wake * 60) * 60 * NS_PER_S
            found.append(
                LabRow(
                    participant.id,
                    "cortisol",
                    f"{max(math.exp(ln_value), 0.05):.2f}",
                    "nmol/L",
                    "saliva",
                    datetime.fromtimestamp(taken / NS_PER_S, zone),
                    assay="simulated LC-MS/MS",
                    day=day + 1,
                    sample=SAMPLE_NAMES[k],
                )
            )
    return found


def simulate_hs_crp(
    participant: SimulatedParticipant,
    draw_dates: Sequence[date],
    timezone: str,
    *,
    seed: int = 0,
    spread: Spread = SPREAD,
) -> list[LabRow]:
    """Serum hs-CRP in mg/L, one value per morning draw; below 0.15 mg/L the laboratory writes ``<0.15``."""
    zone = zone_info(timezone)
    found = []
    for draw, day in enumerate(draw_dates):
        rng = random_stream(seed, participant.id, "hs_crp", draw)
        value = participant.hs_crp * math.exp(spread.ln_hs_crp_draw * rng.standard_normal())
        clock = datetime(day.year, day.month, day.day, 8, int(rng.integers(0, 50)), tzinfo=zone)
        text = f"{value:.2f}" if value >= LOD_HS_CRP_MG_L else f"<{LOD_HS_CRP_MG_L}"
        found.append(
            LabRow(participant.id, "hs_crp", text, "mg/L", "serum", clock, assay="simulated hs-CRP", day=draw + 1)
        )
    return found


def simulate_blood_pressure(
    participant: SimulatedParticipant,
    visit_dates: Sequence[date],
    timezone: str,
    *,
    readings: int = 3,
    seed: int = 0,
    spread: Spread = SPREAD,
) -> list[LabRow]:
    """Seated readings one minute apart on each visit, in mmHg; systolic and diastolic rows share their time.

    The first reading of a visit lies a little higher, as it does in people.
    """
    zone = zone_info(timezone)
    found = []
    for visit, day in enumerate(visit_dates):
        rng = random_stream(seed, participant.id, "pressure", visit)
        shared = rng.standard_normal(2)
        at_visit = (
            participant.sbp + spread.sbp_visit * shared[0],
            participant.dbp + spread.dbp_visit * (0.6 * shared[0] + 0.8 * shared[1]),
        )
        clock = datetime(day.year, day.month, day.day, 9, int(rng.integers(0, 50)), tzinfo=zone)
        for reading in range(readings):
            shake = rng.standard_normal(2)
            raised = READING_WHITE_COAT_MMHG if reading == 0 else (0.0, 0.0)
            systolic = round(at_visit[0] + raised[0] + spread.sbp_reading * shake[0])
            diastolic = round(at_visit[1] + raised[1] + spread.dbp_reading * shake[1])
            diastolic = min(diastolic, systolic - 10)
            when = clock + timedelta(minutes=reading)
            for analyte, value in (("sbp", systolic), ("dbp", diastolic)):
                found.append(
                    LabRow(
                        participant.id, analyte, str(value), "mmHg", "", when, assay="upper arm cuff",
                        day=visit + 1, sample=str(reading + 1),
                    )
                )  # fmt: skip
    return found
