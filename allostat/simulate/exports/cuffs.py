"""Writers of cuff readings: Omron CSV, omblepy CSV, Spacelabs 24-hour blood pressure."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from allostat.recording import NS_PER_S
from allostat.simulate.exports.worn import Worn
from allostat.simulate.seeds import random_stream
from allostat.zones import zone_info

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
OMRON_HEAD = "Date,Time,Systolic (mmHg),Diastolic (mmHg),Pulse (bpm),Symptoms,Consumed,TruRead,Notes"


def _readings(worn: Worn) -> list[tuple[datetime, str, str]]:
    rows = worn.blood_pressure()
    return [(s.collected_at, s.value, d.value) for s, d in zip(rows[::2], rows[1::2], strict=True)]


def write_omron_export(worn: Worn, folder: Path) -> Path:
    """Omron app CSV; the pulse is the person's at rest."""
    pulse = round(worn.person.hr_rest)
    lines = [OMRON_HEAD]
    for at, sbp, dbp in _readings(worn):
        day = f"{MONTHS[at.month - 1]} {at.day:02d} {at.year}"
        lines.append(f"{day},{at:%H:%M},{sbp},{dbp},{pulse},-,-,-,-")
    path = folder / f"{worn.person.id}_omron.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_omblepy_export(worn: Worn, folder: Path) -> Path:
    """omblepy CSV: diastolic pressure before systolic."""
    lines = ["datetime,dia,sys,bpm,mov,ihb"]
    for at, sbp, dbp in _readings(worn):
        lines.append(f"{at:%Y-%m-%d %H:%M:%S},{dbp},{sbp},{round(worn.person.hr_rest)},0,0")
    path = folder / f"{worn.person.id}_omblepy.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def write_spacelabs_export(worn: Worn, folder: Path) -> Path:
    """Spacelabs file: a reading every 20 min by day and every 40 min asleep, 12 % lower then; every tenth failed."""
    rng = random_stream(worn.seed, worn.person.id, "abp")
    zone = zone_info(worn.timezone)
    begin = datetime.fromtimestamp(worn.start_ns // NS_PER_S, zone)
    lines = [""] * 51
    lines[0], lines[1], lines[17] = "001", f"{worn.person.id} Canary", f"{begin:%d.%m.%Y}"
    at_s, number = 0.0, 0
    while at_s < worn.duration_s:
        now_ns = worn.start_ns + round(at_s) * NS_PER_S
        asleep = any(s.bed_ns <= now_ns < s.wake_ns for s in worn.sleep)
        local = datetime.fromtimestamp(now_ns // NS_PER_S, zone)
        share = 0.88 if asleep else 1.0
        sbp, dbp = (round(share * v + 4 * rng.standard_normal()) for v in (worn.person.sbp, worn.person.dbp))
        failed = number % 10 == 9
        mark = "EB" if failed else ""
        numbers = (255, 17, 99, 0) if failed else (sbp, dbp, round(dbp + (sbp - dbp) / 3), round(worn.person.hr_rest))
        lines.append(f"{local.hour:02d},{local.minute:02d}," + ",".join(map(str, numbers)) + f',"{mark}"')
        at_s += 2400 if asleep else 1200
        number += 1
    lines.append("<XML><PATIENTINFO><DOB>01.01.1970</DOB><PHYSICIAN>Canary</PHYSICIAN></PATIENTINFO></XML>")
    path = folder / f"{worn.person.id}.abp"
    path.write_bytes(("\r\n".join(lines) + "\r\n").encode("latin-1"))
    return path
