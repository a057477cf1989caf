"""Loads and compiles everything that a worker needs, once. Imported by the fork server, so that workers start warm."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path

import numpy as np

from allostat.memory import collect_rarely, give_memory_back


def warm() -> None:
    """Take one made-up participant all the way: compiled kernels land in the user's cache, lazy imports are done."""
    collect_rarely()
    from allostat.biomarkers import Person
    from allostat.report import participant_page
    from allostat.store import write_participant
    from allostat.study.config import StudyConfig
    from allostat.study.fingerprints import bases_of
    from allostat.study.inputs import ParticipantRows
    from allostat.study.plan import Export, ParticipantPlan, find_exports
    from allostat.study.stages import process_participant
    from allostat.study.summary import summary_of

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        raw = folder / "raw"
        raw.mkdir()
        (raw / "warm_rr.csv").write_text(_intervals(hours=25))
        (raw / "warm_ecg.csv").write_text(_ecg(seconds=150))
        exports = tuple(e for _, e in find_exports(raw, lambda path: "warm") if isinstance(e, Export))
        plan = ParticipantPlan("warm", Person("warm", "F", 40.0), "UTC", exports)
        rows, config = ParticipantRows(), StudyConfig()
        result = process_participant(plan, rows, config, bases=bases_of(plan, rows, config, {}))
        write_participant(result, folder / "warm.h5")
        participant_page(result)
        summary_of(result)


def _intervals(hours: int) -> str:
    """An HRV Logger file, slower by night; long intervals keep it short, and a few artefacts are corrected."""
    number = np.arange(hours * 3_600 // 2)
    asleep = (number > 11 * 1800) & (number < 18 * 1800)
    length = np.where(asleep, 2300, 2000) + 20 * (7 * number % 11)
    length[2000::4000] -= 600  # an early beat, and the next in its own time: both intervals are corrected
    length[2001::4000] += 400
    elapsed = np.cumsum(length)
    times = np.datetime64("2026-03-02T12:00:00") + (elapsed // 1000).astype("timedelta64[s]")
    stamps = np.datetime_as_string(times)
    rows = [f"{t.replace('T', ' ')} +0000,{ms},{sum_ms}" for t, ms, sum_ms in zip(stamps, length, elapsed, strict=True)]
    return "\n".join(["date,rr,since start", *rows]) + "\n"


def _ecg(seconds: int) -> str:
    """A Polar ECG logger file: narrow pulses at 75 a minute."""
    rate = 130.0
    phase = np.arange(int(seconds * rate)) / rate
    pulse = np.exp(-((((phase + 0.4) % 0.8) - 0.4) ** 2) / 2e-4)
    start = 1_772_450_000_000_000_000
    rows = [f"{start + int(t * 1e9)},{value:.3f},," for t, value in zip(phase, pulse, strict=True)]
    return "\n".join(["time,ecg,hr,rr", *rows]) + "\n"


warm()
gc.collect()
give_memory_back()
gc.freeze()  # the collector of a forked worker need not look at what is loaded, nor touch its pages
