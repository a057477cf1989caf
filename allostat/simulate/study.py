"""A demo study of simulated participants: a folder of real export files and tables, and the truth beside it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from allostat.biomarkers import Sex
from allostat.errors import InputError
from allostat.recording import NS_PER_S
from allostat.simulate.artefacts import EcgNoise, PpgNoise, SimulatedSignal, add_ectopic_beats
from allostat.simulate.ecg import LEAD_IN_S, render_ecg
from allostat.simulate.exports.empatica import write_e4_zip
from allostat.simulate.exports.polar import write_polar_ecg_logger, write_polar_sensor_logger
from allostat.simulate.exports.rr_text import write_hrv_logger_rr
from allostat.simulate.labs import LabRow, simulate_blood_pressure, simulate_cortisol, simulate_hs_crp
from allostat.simulate.measurement import LOD_HS_CRP_MG_L, Repeats
from allostat.simulate.physiology import SYSTEMS, SimulatedParticipant, simulate_population
from allostat.simulate.ppg import render_ppg
from allostat.simulate.rr import Sleep, instant_ns, simulate_rest, simulate_rr, sleep_schedule
from allostat.simulate.seeds import random_stream
from allostat.zones import zone_info

TIMEZONE = "Europe/Vienna"
FIRST_DAY = date(2026, 3, 2)
CORTISOL_DAYS = 7
"""More than the three days that recordings last: a diurnal slope needs about ten days to tell persons apart."""
CRP_DRAW_DAYS = (0, 21)
PRESSURE_VISIT_DAYS = (0, 21)
REST_S = 300.0
POOL = 4000
LOAD_RANGE = 1.4
"""Known loads of the demo are spread evenly from minus to plus this value: about the 2nd to the 98th percentile."""

_STUDY_TOML = """\
[study]
name = "allostat demo"
timezone = "{timezone}"

[input]
raw = "raw"
participants = "participants.tsv"
labs = "labs.tsv"
diary = "diary.tsv"

[hrv]
preset = "taskforce1996"

[allostatic_load]
definitions = ["system", "count_sex"]
reference = "simulated-2026.1"
"""


@dataclass(frozen=True)
class DemoTruth:
    """What is true of a demo study.

    Parameters
    ----------
    folder
        The study.
    participants
        In the order of ``participants.tsv``.
    sleep
        Main sleeps of each participant, among them the one before the first day.
    """

    folder: Path
    participants: tuple[SimulatedParticipant, ...]
    sleep: dict[str, tuple[Sleep, ...]]

    @property
    def known_load(self) -> dict[str, float]:
        """Known load by participant."""
        return {p.id: p.load for p in self.participants}


def demo_cohort(n: int = 12, seed: int = 2026) -> tuple[SimulatedParticipant, ...]:
    """Persons of the population model whose known loads are spread evenly over its range.

    ``n`` strata between -1.4 and 1.4 each give one person: of a pool of 4000 random persons the one whose known load
    lies nearest to a random point of the stratum's middle half. Women and men alternate. The two lowest strata take
    persons whose hs-CRP lies about the detection limit; nobody's true hs-CRP is above 6 mg/L. Identifiers are in
    random order.

    Parameters
    ----------
    n
        2 to 500.
    seed
        The same seed gives the same persons.
    """
    if not 2 <= n <= 500:
        raise InputError("a demo study has 2 to 500 participants", found=n)
    pool = [p for p in simulate_population(POOL, seed) if p.hs_crp <= 6.0 and p.rmssd_night >= 9.0]
    rng = random_stream(seed, "demo cohort")
    width = 2 * LOAD_RANGE / n
    targets = -LOAD_RANGE + (np.arange(n) + rng.uniform(0.25, 0.75, n)) * width
    chosen: list[SimulatedParticipant] = []
    taken: set[str] = set()
    for k, target in enumerate(targets):
        sex: Sex = "F" if k % 2 == 0 else "M"
        low_crp = k < 2
        fits = [
            p for p in pool if p.sex == sex and p.id not in taken and (not low_crp or p.hs_crp < 1.3 * LOD_HS_CRP_MG_L)
        ]
        nearest = min(fits, key=lambda p: abs(p.load - target))
        taken.add(nearest.id)
        chosen.append(nearest)
    order = rng.permutation(n)
    return tuple(replace(chosen[int(at)], id=f"sub-{i + 1:03d}") for i, at in enumerate(order))


def demo_repeats(days: int = 3) -> Repeats:
    """How often a demo study measures each biomarker."""
    return Repeats(
        nights=days,
        cortisol_days=max(days, CORTISOL_DAYS),
        crp_draws=len(CRP_DRAW_DAYS),
        pressure_visits=len(PRESSURE_VISIT_DAYS),
    )


def write_demo_study(folder: str | Path, n: int = 12, seed: int = 2026, days: int = 3) -> DemoTruth:
    """A study folder as people have one, made of simulated participants.

    ``study.toml``, ``participants.tsv``, ``labs.tsv``, ``diary.tsv``; ``raw/sub-…/`` with, per participant, five
    minutes of ECG and PPG at rest (in turn: ECG logger CSV and E4 archive, or Polar Sensor Logger folder) and RR
    intervals of ``days`` nights from an HRV Logger, for every fourth person through a day as well; ``truth.tsv`` beside
    them. Some participants have ectopic beats, one moves during the rest, one loses the strap for a while at night.

    Parameters
    ----------
    folder
        Made when missing. Files of the same names are overwritten.
    n
        Participants.
    seed
        The same seed gives the same bytes.
    days
        Nights worn, 1 to 14.

    Raises
    ------
    InputError
        When ``n`` or ``days`` is out of range.
    """
    if not 1 <= days <= 14:
        raise InputError("a demo study lasts 1 to 14 days", found=days)
    root = Path(folder)
    persons = demo_cohort(n, seed)
    repeats = demo_repeats(days)
    sleep: dict[str, tuple[Sleep, ...]] = {}
    labs: list[LabRow] = []
    for number, person in enumerate(persons):
        nights = sleep_schedule(person, FIRST_DAY - timedelta(days=1), repeats.cortisol_days + 1, TIMEZONE, seed)
        sleep[person.id] = nights
        own = root / "raw" / person.id
        own.mkdir(parents=True, exist_ok=True)
        _write_rest(own, person, number, seed)
        _write_nights(own, person, number, nights[1 : days + 1], seed)
        labs += simulate_cortisol(person, [s.wake_ns for s in nights[1:]], TIMEZONE, seed=seed)
        labs += simulate_hs_crp(person, _dates(CRP_DRAW_DAYS), TIMEZONE, seed=seed)
        labs += simulate_blood_pressure(
            person, _dates(PRESSURE_VISIT_DAYS), TIMEZONE, readings=repeats.pressure_readings, seed=seed
        )
    (root / "study.toml").write_text(_STUDY_TOML.format(timezone=TIMEZONE), encoding="utf-8")
    _write_tsv(root / "participants.tsv", *_participant_table(persons))
    _write_tsv(root / "labs.tsv", *_lab_table(labs))
    _write_tsv(root / "diary.tsv", *_diary_table(sleep))
    _write_tsv(root / "truth.tsv", *_truth_table(persons))
    return DemoTruth(root, persons, sleep)


def _dates(days: Sequence[int]) -> list[date]:
    return [FIRST_DAY + timedelta(days=d) for d in days]


def _write_rest(own: Path, person: SimulatedParticipant, number: int, seed: int) -> None:
    """Five minutes of ECG and PPG of the same beats, in the afternoon of the first day."""
    afternoon = datetime(
        FIRST_DAY.year, FIRST_DAY.month, FIRST_DAY.day, 16, 5 + number % 50, tzinfo=zone_info(TIMEZONE)
    )
    start_ns = instant_ns(afternoon)
    train = simulate_rest(person, REST_S + 2 * LEAD_IN_S, seed=seed)
    rng = random_stream(seed, person.id, "rest signals")
    times, labels = add_ectopic_beats(train.times_s - LEAD_IN_S, 0.01 if _has_ectopy(number) else 0.0, rng)
    bursts = ((171.0, 179.5),) if number % 12 == 3 else ()

    def ecg(rate: float) -> SimulatedSignal:
        return render_ecg(
            times, labels, REST_S, rate, rng, EcgNoise(), breathing_hz=person.respiration_hz, bursts_s=bursts
        )

    def ppg(rate: float) -> SimulatedSignal:
        noise = PpgNoise(wander=0.25)
        return render_ppg(times, labels, REST_S, rate, rng, noise, breathing_hz=person.respiration_hz, bursts_s=bursts)

    strap_hz = 130.0 * (1 + rng.uniform(-0.0013, 0.0013))
    if number % 2 == 0:
        write_polar_ecg_logger(own / "polar_h10.csv", ecg(strap_hz), start_ns)
        write_e4_zip(own / f"e4_{start_ns // NS_PER_S}.zip", ppg(64), start_ns // NS_PER_S, rng)
    else:
        still = np.array([-20.0, 990.0, 60.0]) + rng.normal(0, 4, (int(REST_S * 25), 3))
        acc: NDArray[np.int64] = np.rint(still).astype(np.int64)
        sense_hz = 55.0 * (1 + rng.uniform(-0.005, 0.0))
        write_polar_sensor_logger(
            own / "polar_sensor_logger.zip", start_ns, TIMEZONE, ecg=ecg(strap_hz), ppg=ppg(sense_hz), acc_mg=acc
        )


def _write_nights(own: Path, person: SimulatedParticipant, number: int, nights: Sequence[Sleep], seed: int) -> None:
    """RR of all nights, one file each; every fourth person also wears the strap through the day after the first."""
    half_hour = 1800 * NS_PER_S
    worn = [(s.bed_ns - half_hour, s.wake_ns + half_hour) for s in nights]
    if _wears_by_day(number) and len(worn) > 1:
        worn[:2] = [(worn[0][0], worn[1][1])]
    rng = random_stream(seed, person.id, "strap")
    for part, (start_ns, end_ns) in enumerate(worn):
        inside = [s for s in nights if start_ns < s.bed_ns and s.wake_ns < end_ns]
        train = simulate_rr(person, start_ns, (end_ns - start_ns) / NS_PER_S, TIMEZONE, inside, seed=seed)
        times_s, _ = add_ectopic_beats(train.times_s, 0.003 if _has_ectopy(number) else 0.0002, rng)
        times_ns = start_ns + np.rint(times_s * NS_PER_S).astype(np.int64)
        gaps = []
        if part == 1 and number % 12 == 5:
            middle = (inside[-1].bed_ns + inside[-1].wake_ns) // 2
            gaps = [(middle, middle + 35 * 60 * NS_PER_S)]
        day = datetime.fromtimestamp(start_ns / NS_PER_S, zone_info(TIMEZONE)).date()
        write_hrv_logger_rr(own / f"{day}_RR_{person.id}.csv.gz", times_ns, TIMEZONE, gaps=gaps)


def _wears_by_day(number: int) -> bool:
    return number % 4 == 0


def _has_ectopy(number: int) -> bool:
    return number % 4 == 1


Rows = tuple[Sequence[str], Iterable[Sequence[str]]]


def _participant_table(persons: Iterable[SimulatedParticipant]) -> Rows:
    header = ("participant_id", "sex", "age", "timezone", "group")
    rows = [(p.id, p.sex, str(math.floor(p.age)), TIMEZONE, "AB"[i % 2]) for i, p in enumerate(persons)]
    return header, rows


def _lab_table(labs: Iterable[LabRow]) -> Rows:
    header = (
        "participant_id", "analyte", "value", "unit", "specimen", "collected_at", "operator", "assay", "day", "sample",
    )  # fmt: skip
    rows = [
        (
            r.participant_id, r.analyte, r.value, r.unit, r.specimen, r.collected_at.isoformat(timespec="minutes"),
            r.operator, r.assay, str(r.day), r.sample,
        )
        for r in labs
    ]  # fmt: skip
    return header, rows


def _diary_table(sleep: dict[str, tuple[Sleep, ...]]) -> Rows:
    """One row a day: waking on that date and going to bed at its end."""
    rows = []
    zone = zone_info(TIMEZONE)
    for participant, nights in sleep.items():
        for before, after in zip(nights, [*nights[1:], None], strict=True):
            wake = datetime.fromtimestamp(before.wake_ns / NS_PER_S, UTC).astimezone(zone)
            bed = datetime.fromtimestamp(after.bed_ns / NS_PER_S, UTC).astimezone(zone) if after else None
            rows.append((participant, str(wake.date()), f"{bed:%H:%M}" if bed else "", f"{wake:%H:%M}"))
    return ("participant_id", "date", "bed_time", "wake_time"), rows


def _truth_table(persons: Iterable[SimulatedParticipant]) -> Rows:
    first = next(iter(persons))
    header = ("participant_id", "known_load", "latent_load", *(f"z_{s}" for s in SYSTEMS), *first.truth)
    rows = [
        (
            p.id,
            *(f"{v:.6g}" for v in (p.load, p.latent_load, *(p.deviations[s] for s in SYSTEMS), *p.truth.values())),
        )
        for p in persons
    ]
    return header, rows


def _write_tsv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode())
