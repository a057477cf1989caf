"""Reading a Polar Sensor Logger ECG file of five and a half hours (163 MB), beside pandas in the same run.

python -m benchmarks.exports_polar
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from allostat.adapter import ReadOptions
from allostat.simulate.artefacts import SimulatedSignal
from allostat.simulate.exports.polar import write_polar_sensor_logger
from allostat.source import Source
from allostat_devices.polar_sensor_logger import ADAPTER

ROWS = 2_615_000
RATE_HZ = 130.0
REPEATS = 3


def twin(folder: Path) -> Path:
    """The file: integers in the range of an ECG in uV, on the sensor's clock."""
    rng = np.random.default_rng(0)
    samples = np.rint(rng.normal(0, 300, ROWS)).astype(np.int32)
    none = np.zeros(0)
    ecg = SimulatedSignal(samples, RATE_HZ, none, np.zeros(0, "U1"), none, "uV")
    write_polar_sensor_logger(folder / "psl", 1_700_000_000_000_000_000, "Europe/Vienna", ecg=ecg)
    return next((folder / "psl").glob("*_ECG.txt"))


def by_allostat(path: Path) -> int:
    (recording,) = ADAPTER.read(Source(path), ReadOptions(participant="a"))
    return len(recording.ecg)


def by_pandas_two_columns(path: Path) -> int:
    import pandas as pd

    return len(pd.read_csv(path, sep=";", usecols=[1, 3]))


def by_pandas(path: Path) -> int:
    import pandas as pd

    return len(pd.read_csv(path, sep=";"))


def main() -> None:
    readers: dict[str, Callable[[Path], int]] = {
        "allostat (samples, clock, gaps, zone)": by_allostat,
        "pandas, two columns": by_pandas_two_columns,
        "pandas, all columns": by_pandas,
    }
    with tempfile.TemporaryDirectory() as place:
        path = twin(Path(place))
        by_allostat(path)
        taken: dict[str, list[float]] = {name: [] for name in readers}
        for _ in range(REPEATS):
            for name, reader in readers.items():
                began = time.process_time()
                assert reader(path) == ROWS
                taken[name].append(time.process_time() - began)
        sys.stdout.write(f"{path.stat().st_size / 1e6:.0f} MB, {ROWS} rows\n")
    own = statistics.median(next(iter(taken.values())))
    for name, seconds in taken.items():
        middle = statistics.median(seconds)
        sys.stdout.write(f"{name:<40} {middle:6.2f} s CPU  {middle / own:5.1f} x\n")
    sys.stdout.write(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB (all readers)\n")


if __name__ == "__main__":
    main()
