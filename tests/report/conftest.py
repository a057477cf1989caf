"""Results of made-up participants, as the stages give them: whole, almost empty, and a cohort of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from allostat.allostatic_load import allostatic_load
from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.recording import (
    NS_PER_S,
    Beats,
    Clock,
    Device,
    InputFile,
    Notice,
    Provenance,
    Recording,
    Signal,
    TimeZone,
)
from allostat.report import CohortMember, CohortOverview, IndexValue
from allostat.store.result import ParticipantResult

HOUR = 3600 * NS_PER_S
START = 1_714_500_000 * NS_PER_S  # 2024-04-30 18:00 UTC
TASK_FORCE = "10.1161/01.CIR.93.5.1043"


def made_up_beats(hours: float, seed: int = 1, epoch: str = "utc", source: str = "ecg") -> Beats:
    rng = np.random.default_rng(seed)
    n = int(hours * 3600 / 0.85)
    t = np.arange(n) * 0.85
    rr = 850 + 120 * np.cos(2 * np.pi * (t / 3600 - 9) / 24) + 35 * np.sin(2 * np.pi * 0.1 * t) + rng.normal(0, 25, n)
    times = START + np.concatenate([[0], np.cumsum(rr)]).astype(np.float64) * 1e6
    intervals = np.concatenate([[np.nan], rr])
    flags = np.zeros(n + 1, np.int8)
    flags[rng.integers(1, n, max(1, n // 60))] = 1
    if n > 4000:
        times[n // 2 :] += 1.5 * HOUR
        intervals[n // 2] = np.nan
    return Beats(
        times.astype(np.int64),
        intervals,
        flags,
        source,
        epoch,
        "allostat; Lipponen & Tarvainen 2019",  # type: ignore[arg-type]
    )


def made_up_windows(beats: Beats, minutes: int = 5) -> xr.Dataset:
    step = minutes * 60 * NS_PER_S
    starts = np.arange(int(beats.times_ns[0]), int(beats.times_ns[-1]), step)
    edges = np.searchsorted(beats.times_ns, np.append(starts, starts[-1] + step))
    rows = []
    for a, b in itertools.pairwise(edges):
        rr = beats.intervals_ms[a:b]
        rr = rr[np.isfinite(rr)]
        rows.append([rr.mean(), rr.std(ddof=1), np.sqrt(np.mean(np.diff(rr) ** 2))] if len(rr) > 20 else [np.nan] * 3)
    mean_nn, sdnn, rmssd = np.array(rows).T

    def variable(values: np.ndarray, unit: str, name: str) -> xr.DataArray:
        return xr.DataArray(
            values, dims="window", attrs={"units": unit, "long_name": name, "method": name, "references": TASK_FORCE}
        )

    data = {
        "mean_nn": variable(mean_nn, "ms", "mean NN interval"),
        "hr_of_mean_nn": variable(60000 / mean_nn, "/min", "heart rate of the mean interval"),
        "sdnn": variable(sdnn, "ms", "standard deviation of NN"),
        "rmssd": variable(rmssd, "ms", "root mean square of successive differences"),
        "hf": variable(rmssd**2 / 2, "ms2", "power in the HF band"),
    }
    coords = {
        "time": ("window", starts.astype(np.int64), {"epoch": beats.epoch}),
        "end": ("window", starts.astype(np.int64) + step, {"epoch": beats.epoch}),
    }
    return xr.Dataset(data, coords=coords, attrs={"preset": "taskforce1996"})


def made_up_signal(beats: Beats, seconds: int = 600, rate: float = 130.0) -> Signal:
    n = int(seconds * rate)
    t = np.arange(n) / rate
    wave = np.zeros(n)
    for instant in (
        beats.times_ns[beats.times_ns < beats.times_ns[0] + seconds * NS_PER_S] - beats.times_ns[0]
    ) / NS_PER_S:
        near = slice(max(0, int((instant - 0.2) * rate)), int((instant + 0.4) * rate))
        wave[near] += 1000 * np.exp(-(((t[near] - instant) / 0.012) ** 2)) + 180 * np.exp(
            -(((t[near] - instant - 0.25) / 0.05) ** 2)
        )
    wave += np.random.default_rng(3).normal(0, 20, n)
    clock = Clock.regular(n, rate, int(beats.times_ns[0]))
    return Signal("ecg", "ecg", wave.astype(np.int16), clock, "uV")


def made_up_quality(signal: Signal) -> xr.Dataset:
    n = int(signal.duration_s // 10)
    reasons = np.zeros(n, np.int16)
    reasons[n // 3 : n // 3 + 4] = 3
    attrs = {"flag_masks": np.array([1, 2], np.int16), "flag_meanings": "FLAT TEMPLATE_MISMATCH"}
    return xr.Dataset(
        {
            "start_ns": ("window", signal.clock.start_ns + np.arange(n, dtype=np.int64) * 10 * NS_PER_S),
            "accepted": ("window", (reasons == 0).astype(np.int8)),
            "reasons": ("window", reasons, attrs),
        },
        attrs={"window_s": 10.0},
    )


def made_up_cortisol() -> xr.Dataset:
    hours = np.array([0, 0.5, 4, 10, 15])
    values = np.concatenate([np.array([14, 19, 7, 4, 2.1]) * k for k in (1.0, 1.2, 0.85)])
    return xr.Dataset(
        {
            "concentration": ("sample", values, {"units": "nmol/L"}),
            "hours_since_waking": ("sample", np.tile(hours, 3)),
            "sample_day": ("sample", np.repeat(np.arange(1, 4, dtype=np.int32), 5)),
            "slope_ln": ("day", np.array([-0.128, -0.131, -0.12])),
            "intercept_ln": ("day", np.array([2.6, 2.8, 2.45])),
            "aucg": ("day", np.array([5200.0, 6100.0, np.nan])),
            "car_peak_inc": ("day", np.array([5.0, 6.0, np.nan])),
            "reasons": (
                "day",
                np.array([0, 0, 4], np.int16),
                {"flag_masks": np.array([1, 2, 4], np.int16), "flag_meanings": "A B CAR_START_DELAYED"},
            ),
        },
        coords={"day": np.arange(1, 4, dtype=np.int32), "date": ("day", np.array([19844, 19845, -1], np.int32))},
        attrs={"references": "10.1016/j.psyneuen.2009.06.011"},
    )


def made_up_table(participant: str, person: Person, shift: float = 0.0) -> BiomarkerTable:
    rows = (
        Biomarker(participant, "cortisol_slope", -0.126 + shift / 50, "ln(nmol/L)/h", standard_error=0.004, n=3),
        Biomarker(participant, "sbp", 128.5 + 10 * shift, "mm[Hg]", standard_error=2.1, n=3),
        Biomarker(participant, "dbp", 82.0 + 5 * shift, "mm[Hg]", standard_error=1.7, n=3),
        Biomarker(
            participant, "rmssd_night", 41.3 - 8 * shift, "ms", standard_error=0.05, n=2, context="night", coverage=0.93
        ),
        Biomarker(participant, "hr_night", 57.2 + 3 * shift, "/min", n=2, context="night"),
        Biomarker(participant, "hs_crp", float("nan"), "mg/L", quality=("CRP_ACUTE",)),
    )
    return BiomarkerTable(rows, {participant: person})


def made_up_load(table: BiomarkerTable) -> dict[str, xr.Dataset]:
    return {
        name: allostatic_load(table, definition=name, reference="simulated-2026.1") for name in ("system", "count_sex")
    }


@pytest.fixture(scope="session")
def whole_result() -> Callable[..., ParticipantResult]:
    """A participant with everything, by identifier and hours of recording."""

    def make(participant: str = "sub-001", hours: float = 26.0) -> ParticipantResult:
        person = Person(participant, "F", 42.0, "nurses")
        table = made_up_table(participant, person)
        beats, zone = made_up_beats(hours), TimeZone("Europe/Vienna", "profile")
        signal = made_up_signal(beats)
        provenance = Provenance((InputFile("polar.csv", "a1" * 32, 12345),), "polar_ecg_logger", "1", True)
        recording = Recording(
            "polar",
            {"ecg": signal},
            participant=participant,
            timezone=zone,
            device=Device("Polar", "H10", "3.1.1", "chest strap"),
            provenance=provenance,
        )
        circadian = xr.Dataset(
            {
                "mesor": ((), 71.0, {"units": "/min", "long_name": "mesor", "references": "10.1186/1742-4682-11-16"}),
                "amplitude": ((), 9.5, {"units": "/min", "long_name": "amplitude"}),
                "acrophase": ((), 15.2, {"units": "h", "long_name": "time of the peak"}),
                "sleep_start_ns": ("night", np.array([START + 4 * HOUR])),
                "sleep_end_ns": ("night", np.array([START + 12 * HOUR])),
            },
            attrs={"series": "polar_ecg", "method": "cosinor of one 24 h component"},
        )
        return ParticipantResult(
            participant,
            person,
            recordings={"polar": recording},
            beats={"polar_ecg": beats},
            hrv={"polar_ecg": made_up_windows(beats)},
            circadian=circadian,
            labs=made_up_cortisol(),
            biomarkers=table,
            allostatic_load=made_up_load(table),
            quality={"polar_ecg": made_up_quality(signal)},
            provenance={
                "inputs": [
                    {
                        "name": "polar.csv",
                        "member": None,
                        "sha256": "a1" * 32,
                        "bytes": 12345,
                        "adapter": "polar_ecg_logger",
                    }
                ],
                "tables": {"labs.tsv": "b2" * 32},
                "timezone": {"name": "Europe/Vienna", "source": "profile"},
                "settings": {"config": '[hrv]\npreset = "taskforce1996"\n'},
                "versions": {"allostat": "0.1.0", "numpy": "2.4.6"},
            },
            notices=(Notice("LOW_WEAR", "wrist off for 31 % of the time", "warning", 3, "polar.csv", 17),),
        )

    return make


@pytest.fixture(scope="session")
def empty_result() -> ParticipantResult:
    """A participant of whom only a failed cortisol is known."""
    person = Person("sub-009")
    row = Biomarker("sub-009", "cortisol_slope", float("nan"), "ln(nmol/L)/h", n=0, quality=("CORTISOL_TIME_MISSING",))
    return ParticipantResult(
        "sub-009", person, labs=xr.Dataset(), biomarkers=BiomarkerTable((row,), {"sub-009": person})
    )


def index_value(one: xr.Dataset) -> IndexValue:
    return IndexValue(float(one["index"]), float(one["ci_low"]), float(one["ci_high"]))


@pytest.fixture(scope="session")
def cohort() -> Callable[..., CohortOverview]:
    """A cohort of ``n`` participants plus one failed and one excluded."""

    def make(n: int = 12, first: str = "sub-001") -> CohortOverview:
        ids = [first] + [f"sub-{i:03d}" for i in range(2, n + 1)]
        shifts = [float(s) for s in np.linspace(-1, 1.2, n)]
        persons = [
            Person(who, "FM"[i % 2], 30.0 + i, "nurses" if i < n - 3 else "physicians")  # type: ignore[arg-type]
            for i, who in enumerate(ids)
        ]
        tables = [made_up_table(p.participant, p, shift) for p, shift in zip(persons, shifts, strict=True)]
        together = BiomarkerTable().merged(*tables)
        load = made_up_load(together)
        members = []
        for i, (who, person, table) in enumerate(zip(ids, persons, tables, strict=True)):
            index = {name: index_value(scores.sel(participant=who)) for name, scores in load.items()}
            members.append(
                CohortMember(
                    who,
                    person=person,
                    href=f"sub-{i + 1:03d}/report.html",
                    index=index,
                    device="Polar H10",
                    rerun=f"allostat run study --only {who}",
                    biomarkers={r.biomarker: r.value for r in table.rows},
                    qc={"corrected_share": 0.01 + 0.004 * (i % 5) + (0.2 if i == 4 else 0), "beat_hours": 20 + i % 4},
                    adherence=[(f"2024-05-0{d}", 24.0 - d * (i % 3)) for d in range(1, 4 + i % 3)],
                )
            )
        members.append(
            CohortMember(
                "sub-098", "failed", "labs.tsv, line 7: unknown unit", rerun="allostat run study --only sub-098"
            )
        )
        members.append(CohortMember("sub-099", "excluded", "no recordings and no laboratory rows"))
        return CohortOverview(
            "Night shifts",
            members,
            biomarkers=together,
            load=load,
            unmatched_exports=("raw/stranger.csv",),
            methods="# Methods\n\nAs stated.",
            settings="[hrv]\n",
            notices=(Notice("MIXED_UNITS", "cortisol in two units"),),
        )

    return make
