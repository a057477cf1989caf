"""A Polar Sensor Logger ECG file of 163 MB (five and a half hours), beside pandas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from allostat.adapter import ReadOptions
from allostat.simulate.artefacts import SimulatedSignal
from allostat.simulate.exports.polar import write_polar_sensor_logger
from allostat.source import Source
from allostat_devices.polar_sensor_logger import ADAPTER
from benchmarks.export_case import ExportCase, Peer

ROWS = 2_615_000
RATE_HZ = 130.0
BAR_S = 1.5


def twin(folder: Path, rows: int) -> Path:
    """The file: integers in the range of an ECG in uV, on the sensor's clock."""
    rng = np.random.default_rng(0)
    samples = np.rint(rng.normal(0, 300, rows)).astype(np.int32)
    none = np.zeros(0)
    ecg = SimulatedSignal(samples, RATE_HZ, none, np.zeros(0, "U1"), none, "uV")
    write_polar_sensor_logger(folder, 1_700_000_000_000_000_000, "Europe/Vienna", ecg=ecg)
    return next(folder.glob("*_ECG.txt"))


def read(path: Path) -> object:
    """Samples, clock, gaps, zone, hash."""
    return list(ADAPTER.read(Source(path), ReadOptions(participant="a")))


def by_pandas_two_columns(path: Path) -> object:
    import pandas as pd

    return pd.read_csv(path, sep=";", usecols=[1, 3])


def by_pandas(path: Path) -> object:
    import pandas as pd

    return pd.read_csv(path, sep=";")


def cases(folder: Path) -> Iterator[ExportCase]:
    """The file of the bar."""
    yield ExportCase(
        "Polar Sensor Logger, ECG text",
        twin(folder / "large", ROWS),
        twin(folder / "small", 2000),
        "benchmarks.exports_polar:read",
        BAR_S,
        (Peer("pandas, two columns", by_pandas_two_columns), Peer("pandas, all columns", by_pandas)),
    )
