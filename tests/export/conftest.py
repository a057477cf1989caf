"""Results of a small study with everything that formats trip over: gaps, missing samples, wide integers, odd names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from allostat.allostatic_load import allostatic_load
from allostat.biomarkers import BiomarkerTable
from allostat.recording import Beats, Clock, ClockBlock, Device, Recording, Signal, TimeZone
from allostat.simulate import simulate_biomarker_table
from allostat.store import CohortTable, ParticipantResult, write_cohort, write_participant
from allostat.study.layout import OutputLayout

T0 = 1_770_000_000 * 10**9
RATE = 130.16
NAMES = ("sub-001", "ward 7 b")


def ecg() -> Signal:
    """Two stretches; wider than 16 bits; two samples missing in the second."""
    t = np.arange(1000) / RATE
    samples = np.rint(40_000 * np.sin(2 * np.pi * 1.2 * t)).astype(np.int32)
    samples[700:702] = -(2**31)
    blocks = (ClockBlock(0, T0, RATE, 130.0), ClockBlock(600, T0 + 60 * 10**9, RATE, 130.0))
    return Signal("ecg", "ecg", samples, Clock(blocks, 1000), "uV", 0.5, missing=-(2**31))


def beats() -> Beats:
    first = T0 + np.cumsum(np.full(12, 800_000_000))
    second = first[-1] + 50 * 10**9 + np.cumsum(np.full(11, 750_000_000))
    times = np.concatenate([first, second])
    gap = np.zeros(len(times), dtype=bool)
    gap[12] = True
    return Beats.from_times(times, breaks=gap, source="ecg", method="found")


def result_of(who: str, table: BiomarkerTable) -> ParticipantResult:
    recording = Recording(
        id="strap",
        signals={"ecg": ecg()},
        beats={},
        participant=who,
        timezone=TimeZone("Europe/Vienna", "file"),
        device=Device("Polar", "H10"),
    )
    windows = xr.Dataset(
        {
            "rmssd": ("window", [30.0, np.nan], {"units": "ms", "long_name": "RMSSD", "references": "10.1161/x"}),
            "reason": ("window", ["ok", "too few"]),
        },
        coords={"start": ("window", [T0, T0 + 300 * 10**9], {"units": "ns", "epoch": "utc"})},
    )
    return ParticipantResult(
        who,
        table.persons[who],
        recordings={"strap": recording},
        beats={"strap_ecg": beats()},
        hrv={"strap_ecg": windows},
        biomarkers=table,
        allostatic_load={"system": allostatic_load(table, "system", "simulated-2026.1")},
    )


@pytest.fixture(scope="session")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("out")
    layout = OutputLayout(root)
    simulated = simulate_biomarker_table(2, 1)
    tables = []
    for old, new in zip(simulated.persons, NAMES, strict=True):
        person = replace(simulated.persons[old], participant=new, group="=cmd()" if new == NAMES[1] else "ward")
        rows = tuple(replace(r, participant=new) for r in simulated.rows if r.participant == old)
        table = BiomarkerTable(rows, {new: person})
        tables.append(table)
        layout.folder(new).mkdir()
        write_participant(result_of(new, table), layout.store(new))
    everybody = BiomarkerTable().merged(*tables)
    load = {"system": allostatic_load(everybody, "system", "simulated-2026.1")}
    write_cohort(CohortTable(everybody, load), root / "cohort.h5")
    return root
