"""Ambulatory blood pressure: means of 24 hours, awake and asleep.

O'Brien 2013 (10.1097/HJH.0b013e328363e964) wants at least 20 readings awake and 7 asleep; day and night are those of
the person. Without them the fixed times of that paper stand in (awake 9 to 21 h, asleep 1 to 6 h) and a code says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from allostat.biomarkers import Biomarker, biomarker_kind
from allostat.errors import InputError
from allostat.labs.draws import mean_of
from allostat.tables import BloodPressureReading

READINGS_AWAKE, READINGS_ASLEEP = 20, 7
CLOCK_AWAKE_H, CLOCK_ASLEEP_H = (9.0, 21.0), (1.0, 6.0)

BY_CLOCK, FEW_READINGS = "AWAKE_BY_CLOCK", "FEW_READINGS"


def ambulatory_pressure(
    readings: Sequence[BloodPressureReading],
    *,
    sleep: Sequence[tuple[int, int]] = (),
    timezone: str | None = None,
    participant: str = "",
    occasion: str = "1",
) -> list[Biomarker]:
    """Ambulatory blood pressure of one participant on one occasion, as measured.

    Parameters
    ----------
    readings
        Of setting ``ambulatory``, with their times.
    sleep
        Falling asleep and waking of each sleep, ns since 1970 UTC. When none overlaps the readings, awake and asleep
        go by the clock (code ``AWAKE_BY_CLOCK``), and readings of neither count for the 24 hours only.
    timezone
        Zone in which naive local times are placed.

    Returns
    -------
    list of Biomarker
        ``sbp_24h``, ``dbp_24h`` (mean of all readings), ``sbp_awake``, ``dbp_awake``, ``sbp_asleep``, ``dbp_asleep``;
        NaN with ``FEW_READINGS`` where fewer than 20 readings are awake or 7 asleep, for 24 hours when either holds.

    Raises
    ------
    InputError
        No readings, several participants, readings that are not ambulatory or have no time.
    """
    if not readings:
        raise InputError("no ambulatory blood pressure readings")
    who = sorted({r.participant for r in readings})
    if len(who) > 1:
        raise InputError("blood pressure of several participants", found=", ".join(who))
    for reading in readings:
        if reading.setting != "ambulatory" or reading.measured_at is None:
            raise InputError(
                "not an ambulatory reading", where=reading.where, found=reading.setting or "resting", expected="a time"
            )
    state, by_clock = _states(readings, sleep, timezone)
    awake = [r for r, s in zip(readings, state, strict=True) if s == "awake"]
    asleep = [r for r, s in zip(readings, state, strict=True) if s == "asleep"]
    enough = {"awake": len(awake) >= READINGS_AWAKE, "asleep": len(asleep) >= READINGS_ASLEEP}
    parts = (
        ("24h", readings, all(enough.values())),
        ("awake", awake, enough["awake"]),
        ("asleep", asleep, enough["asleep"]),
    )
    found = []
    for part, members, sufficient in parts:
        codes = [FEW_READINGS] if not sufficient else []
        codes += [BY_CLOCK] if by_clock and part != "24h" else []
        for pressure in ("sbp", "dbp"):
            kind = biomarker_kind(f"{pressure}_{part}")
            values = [float(getattr(r, pressure)) for r in members]
            mean, error = mean_of(values, kind)
            row = Biomarker(
                participant=participant or who[0],
                biomarker=kind.name,
                value=mean if sufficient else math.nan,
                unit=kind.unit,
                occasion=occasion,
                standard_error=error if sufficient else math.nan,
                n=len(values),
                quality=tuple(codes),
                context=kind.context,
                provenance=f"mean of {len(values)} of {len(readings)} ambulatory readings",
            )
            found.append(row)
    return found


def _states(
    readings: Sequence[BloodPressureReading], sleep: Sequence[tuple[int, int]], timezone: str | None
) -> tuple[list[str], bool]:
    """Awake, asleep or neither (empty) for each reading, and whether the clock decided."""
    instants = [r.measured_at for r in readings if r.measured_at is not None]
    placed = [i.in_zone(timezone) for i in instants] if timezone else instants
    times = [i.time_ns for i in placed]
    known = all(i.epoch == "utc" for i in placed)
    nights = [(a, b) for a, b in sleep if known and a < max(times) and min(times) < b]
    if nights:
        return ["asleep" if any(a <= t < b for a, b in nights) else "awake" for t in times], False
    return [_by_clock(i.wall_hour) for i in placed], True


def _by_clock(hour: float) -> str:
    if CLOCK_AWAKE_H[0] <= hour < CLOCK_AWAKE_H[1]:
        return "awake"
    return "asleep" if CLOCK_ASLEEP_H[0] <= hour < CLOCK_ASLEEP_H[1] else ""
