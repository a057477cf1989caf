"""A full participant result made by hand, and a comparison that knows nothing of how results are stored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.recording import (
    Beats,
    Clock,
    ClockBlock,
    Device,
    InputFile,
    Marker,
    Notice,
    Provenance,
    Recording,
    Signal,
    TimeZone,
    ValueSeries,
)
from allostat.store import ParticipantResult
from allostat.tables import BloodPressureReading, Instant, LabRow

START_NS = 1_700_000_000_123_456_789


def assert_same(a: Any, b: Any, path: str = "result") -> None:
    """Equal in every bit of every array, in every name, attribute and text; NaN equals NaN."""
    if isinstance(a, xr.Dataset):
        assert set(a.coords) == set(b.coords), path
        assert_same(dict(a.variables), dict(b.variables), path)
        assert_same(dict(a.attrs), dict(b.attrs), f"{path}.attrs")
    elif isinstance(a, xr.Variable):
        assert a.dims == b.dims, path
        assert_same(a.values, b.values, path)
        assert_same(dict(a.attrs), dict(b.attrs), f"{path}.attrs")
    elif isinstance(a, np.ndarray) and a.dtype.kind == "U":
        assert (a.shape, a.tolist()) == (b.shape, b.tolist()), path
    elif isinstance(a, np.ndarray):
        assert (a.dtype, a.shape) == (b.dtype, b.shape), f"{path}: {a.dtype}{a.shape}, {b.dtype}{b.shape}"
        assert a.tobytes() == b.tobytes(), path
    elif is_dataclass(a):
        assert type(a) is type(b), path
        for field in fields(a):
            assert_same(getattr(a, field.name), getattr(b, field.name), f"{path}.{field.name}")
    elif isinstance(a, Mapping):
        assert set(a) == set(b), f"{path}: {sorted(a)} {sorted(b)}"
        for key in a:
            assert_same(a[key], b[key], f"{path}[{key}]")
    elif isinstance(a, (tuple, list)):
        assert len(a) == len(b), path
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{path}[{i}]")
    elif isinstance(a, float) and math.isnan(a):
        assert math.isnan(b), path
    else:
        assert a == b, f"{path}: {a!r} != {b!r}"


def ecg(n: int = 40_000) -> Signal:
    """Raw integers in three blocks with a gap, a value that means missing, and every raw value of int16 that is odd."""
    rng = np.random.default_rng(1)
    samples = rng.integers(-3000, 3000, n).astype(np.int16)
    samples[[5, 6, 7]] = [-32768, 32767, -32767]
    clock = Clock(
        (
            ClockBlock(0, START_NS, 129.83, 130.0),
            ClockBlock(n // 3, START_NS + 10**12, 130.17, 130.0),
            ClockBlock(n // 2, START_NS + 2 * 10**12, 130.0),
        ),
        n,
        "utc",
        host_offset_ns=-12_345,
    )
    return Signal("ecg", "ecg", samples, clock, "uV", 0.1, 7.0, missing=-32768, saturation=(-32768, 32767))


def ppg(n: int = 3_000) -> Signal:
    samples = np.random.default_rng(2).normal(size=n)
    samples[::10] = np.nan
    return Signal("ppg", "ppg", samples, Clock.regular(n, 64.0, START_NS), "1")


def device_beats(n: int = 3_000) -> Beats:
    rr = np.random.default_rng(3).integers(600, 1200, n).astype(float)
    return Beats.from_intervals(rr, start_ns=START_NS, epoch="utc", source="device")


def corrected(beats: Beats) -> Beats:
    intervals = beats.intervals_ms.copy()
    intervals[100:110] = np.nan
    flags = beats.flags.copy()
    flags[50:51], flags[100:110] = 1, 6
    return replace(
        beats,
        intervals_ms=intervals,
        flags=flags,
        method="Lipponen and Tarvainen 2019",
        uncertainty_ms=np.linspace(0, 3, len(beats)).astype(np.float32),
        extras={"accepted": flags == 0, "template": np.arange(len(beats), dtype=np.uint8)},
        original=beats,
    )


def hrv(n: int = 12) -> xr.Dataset:
    values = np.linspace(20, 60, n)
    values[3:4] = np.nan
    about = {"units": "ms", "long_name": "RMSSD", "method": "5 min", "references": "10.1161/01.CIR.93.5.1043"}
    return xr.Dataset(
        {
            "rmssd": ("window", values, about),
            "beats": ("window", np.arange(n, dtype=np.int32), {"units": "1"}),
            "reason": ("window", np.zeros(n, np.int8), {"flag_values": np.array([0, 1], np.int8)}),
        },
        coords={
            "time": ("window", START_NS + np.arange(n, dtype=np.int64) * 300 * 10**9, {"units": "ns", "epoch": "utc"}),
            "local_h": ("window", np.linspace(0, 23, n), {"units": "h"}),
        },
        attrs={"preset": "taskforce1996", "step_s": 300.0, "zones": ["Europe/Vienna", "UTC+02:00"]},
    )


def load(who: str) -> xr.Dataset:
    return xr.Dataset(
        {
            "allostatic_load": ("participant", [3.0], {"long_name": "allostatic load", "units": "1"}),
            "component_score": (("participant", "component"), [[1.0, np.nan, 0.0]], {"units": "1"}),
        },
        coords={"participant": [who], "component": ["rmssd_night", "sbp", "ß-Blocker?"]},
        attrs={"definition": "seeman1997"},
    )


def rows(who: str) -> BiomarkerTable:
    return BiomarkerTable(
        (
            Biomarker(who, "sbp", 121.5, "mm[Hg]", standard_error=1.25, n=3, coverage=1.0, provenance="three readings"),
            Biomarker(who, "rmssd_night", math.nan, "ms", quality=("NO_NIGHT", "SHORT"), context="night"),
            Biomarker(who, "sbp", 119.0, "mm[Hg]", occasion="2", n=2),
        ),
        {who: Person(who, "F", 44.5, "nurses", ("statin", "β-blocker"))},
    )


def night_rmssd() -> ValueSeries:
    start = START_NS + np.arange(5, dtype=np.int64) * 300_000_000_000
    return ValueSeries(
        "rmssd", "hrv", start, np.array([41.0, math.nan, 38.5, 40.0, 44.25]), "ms", "utc", start + 300_000_000_000,
        "rmssd", 300.0, "night", {"coverage": np.array([1.0, 0.0, 0.9, 0.95, 1.0])},
    )  # fmt: skip


def readings(who: str) -> tuple[BloodPressureReading, ...]:
    at = Instant(START_NS, "utc", 3600)
    return (
        BloodPressureReading(who, 121.0, 79.0, 64.0, at, "1", 3, "cuff.csv", {"TruRead": "2. Messung"}),
        BloodPressureReading(who, 118.0, 77.5, math.nan, None),
    )


def lab_values(who: str) -> tuple[LabRow, ...]:
    return (
        LabRow(
            who, "cortisol", 12.5, "nmol/L", "saliva", Instant(START_NS, "local"), "", "IBL", "1", "1", "S1", "", 4, "l"
        ),
        LabRow(who, "hs_crp", math.nan, "mg/L", "serum", missing_reason="zu wenig Serum"),
    )


def full_result(who: str = "sub-001") -> ParticipantResult:
    """Every kind of content at least once."""
    beats = device_beats()
    recording = Recording(
        "h10_2023-11-14",
        {"ecg": ecg(), "ppg": ppg()},
        {"rr": beats},
        who,
        TimeZone("Europe/Vienna", "file", weak=True),
        Device("Polar", "H10", "3.1.1", "chest strap"),
        Provenance((InputFile("Zoë.csv", "ab" * 32, 123, None),), "polar", "1", True, {"unit": "uV"}),
        (Notice("ROWS_SKIPPED", "5 Zeilen übersprungen", "warning", 5, "Zoë.csv", 17),),
        (Marker(START_NS + 5, "Treppe"),),
        {"tags": [1, 2.5, None, "x"], "nested": {"a": True}},
        {"rmssd": night_rmssd()},
        readings(who),
        lab_values(who),
    )
    empty = Recording("empty", {"ppg": ppg(0)}, {"ibi": device_beats(0)})
    return ParticipantResult(
        who,
        Person(who, "F", 44.5, "nurses", ("statin", "β-blocker")),
        {"h10": recording, "empty": empty},
        {"h10/rr": corrected(beats), "h10/ecg": corrected(replace(beats, source="ecg"))},
        {"5min": hrv(), "night": hrv(1)},
        xr.Dataset({"mesor": ((), 41.5, {"units": "ms", "biomarker": "none"})}, attrs={"timezone": "Europe/Vienna"}),
        xr.Dataset({"cortisol": (("day", "sample"), np.full((2, 5), np.nan), {"units": "nmol/L"})}),
        rows(who),
        {"seeman1997": load(who), "system": load(who)},
        {"h10/ecg": xr.Dataset({"accepted": ("window", np.array([1, 1, 0, 1], np.int8))})},
        {"settings": {"preset": "taskforce1996"}, "versions": {"allostat": "0"}, "inputs": [{"sha256": "ab" * 32}]},
        (Notice("ZONE_WEAK", "zone inferred", "info"), Notice("LAB", "no labs", "error")),
    )
