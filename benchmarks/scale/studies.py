"""Simulated studies for the scale benchmark: RR as HRV Logger text, ECG as EDF, long ECG as EDF or WFDB."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from allostat.simulate import (
    CLEAN_ECG,
    SimulatedParticipant,
    render_ecg,
    simulate_participant,
    simulate_rr,
    sleep_schedule,
    write_hrv_logger_rr,
)

ZONE = "Europe/Vienna"
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ECG_HZ = 130
LONG_HZ = 250
_CHUNK_S = 1800.0


@dataclass(frozen=True)
class Member:
    """One participant to make: how much of what."""

    name: str
    days: float
    ecg_hz: int | None = None
    """None: intervals."""
    form: str = "edf"


def made(folder: Path, members: Sequence[Member], told: Callable[[str], None] = lambda text: None) -> Path:
    """A study of these participants; one that is there already, made of the same members, is left alone."""
    recipe = json.dumps([[m.name, m.days, m.ecg_hz, m.form] for m in members])
    mark = folder.with_name(f"{folder.name}.made")
    if mark.is_file() and mark.read_text() == recipe:
        return folder
    mark.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "raw").mkdir(parents=True)
    (folder / "study.toml").write_text(f'[study]\nname = "scale"\ntimezone = "{ZONE}"\n\n[run]\ntime_limit_s = 36000\n')
    people = ["participant_id\tsex\tage\ttimezone"]
    labs = ["participant_id\tanalyte\tvalue\tunit\tspecimen\tcollected_at"]
    for number, member in enumerate(members):
        person = simulate_participant(member.name, number, sex="F" if number % 2 else "M")
        people.append(f"{member.name}\t{person.sex}\t{person.age:.0f}\t{ZONE}")
        for name, value, unit, specimen in (
            ("cortisol", 12.0 + 0.01 * (number % 300), "nmol/L", "saliva"),
            ("hs_crp", 0.4 + 0.01 * (number % 500), "mg/L", "serum"),
        ):
            labs.append(f"{member.name}\t{name}\t{value:.2f}\t{unit}\t{specimen}\t2026-03-03T08:00+01:00")
        _write_recording(folder / "raw" / member.name, member, person, number)
        if number % 50 == 49:
            told(f"made {number + 1} of {len(members)} participants of {folder.name}")
    (folder / "participants.tsv").write_text("\n".join(people) + "\n")
    (folder / "labs.tsv").write_text("\n".join(labs) + "\n")
    mark.write_text(recipe)
    return folder


def _write_recording(folder: Path, member: Member, person: SimulatedParticipant, seed: int) -> None:
    folder.mkdir()
    start_ns = int(START.timestamp()) * 10**9
    sleeps = sleep_schedule(person, date(2026, 3, 2), max(1, round(member.days)), ZONE, seed=seed)
    train = simulate_rr(person, start_ns, member.days * 86_400.0, ZONE, sleeps, seed=seed)
    if member.ecg_hz is None:
        write_hrv_logger_rr(folder / f"{member.name}_RR.csv", train.times_ns, ZONE)
        return
    write = write_edf if member.form == "edf" else write_wfdb
    chunks = ecg_chunks(train.times_s, member.days * 86_400.0, member.ecg_hz, seed)
    write(folder / member.name, chunks, round(member.days * 86_400), member.ecg_hz)


def ecg_chunks(beats_s: NDArray[np.float64], seconds: float, rate: int, seed: int) -> Iterator[NDArray[np.int16]]:
    """An ECG of these beats, half an hour at a time, in µV."""
    rng = np.random.default_rng(seed)
    at = 0.0
    while at < seconds:
        length = min(_CHUNK_S, seconds - at)
        lo, hi = np.searchsorted(beats_s, [at - 2.0, at + length + 2.0])
        times = beats_s[lo:hi] - at
        labels = np.full(len(times), "N")
        ecg = render_ecg(times, labels, length, float(rate), rng, CLEAN_ECG, bursts_s=())
        noisy = ecg.samples + np.rint(8.0 * rng.standard_normal(len(ecg.samples)))
        yield np.clip(noisy, -32_000, 32_000).astype("<i2")
        at += length


def write_edf(path: Path, chunks: Iterator[NDArray[np.int16]], seconds: int, rate: int) -> None:
    """An EDF file of one signal, in records of a second."""
    start = START + timedelta(hours=1)  # local time of the zone in winter
    fixed = (
        ("0", 8), ("X X X X", 80), ("Startdate X X X X", 80), (start.strftime("%d.%m.%y"), 8),
        (start.strftime("%H.%M.%S"), 8), ("512", 8), ("", 44), (str(seconds), 8), ("1", 8), ("1", 4),
        ("ECG", 16), ("", 80), ("uV", 8), ("-32768", 8), ("32767", 8), ("-32768", 8), ("32767", 8), ("", 80),
        (str(rate), 8), ("", 32),
    )  # fmt: skip
    with path.with_suffix(".edf").open("wb") as file:
        file.write(b"".join(text.encode().ljust(width) for text, width in fixed))
        for chunk in chunks:
            file.write(chunk.tobytes())


def write_wfdb(path: Path, chunks: Iterator[NDArray[np.int16]], seconds: int, rate: int) -> None:
    """A WFDB record of one signal in format 16."""
    start = START + timedelta(hours=1)
    path.with_suffix(".hea").write_text(
        f"{path.name} 1 {rate} {seconds * rate} {start:%H:%M:%S} {start:%d/%m/%Y}\n"
        f"{path.name}.dat 16 1000(0)/mV 16 0 0 0 0 ECG\n"
    )
    with path.with_suffix(".dat").open("wb") as file:
        for chunk in chunks:
            file.write(chunk.tobytes())
