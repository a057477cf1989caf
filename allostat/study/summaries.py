"""Heart rate that a device worked out itself, on windows, for persons without beats over a day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from allostat.recording import NS_PER_S, Recording

if TYPE_CHECKING:
    import xarray as xr

WINDOW_NS = 300 * NS_PER_S
LEAST_NS = 24 * 3600 * NS_PER_S


def heart_rate_windows(recordings: Iterable[tuple[str, Recording]]) -> xr.DataArray | None:
    """Mean heart rate of five-minute windows, from the recording whose heart rates cover most windows.

    Returns
    -------
    DataArray or None
        On ``window`` with the coordinate ``time`` (starts, int64 ns UTC) and ``end``; NaN in windows without a value.
        Attribute ``series`` says which. None when no heart rates with known instants span a day.
    """
    best: tuple[int, str, np.ndarray[tuple[int], np.dtype[np.float64]], int] | None = None
    for key, recording in recordings:
        for name, series in recording.series.items():
            known = np.isfinite(series.values)
            if series.kind != "hr" or series.epoch != "utc" or not known.any():
                continue
            times, values = series.times_ns[known], series.values[known]
            first = int(times[0]) // WINDOW_NS
            slot = times // WINDOW_NS - first
            if int(times[-1] - times[0]) < LEAST_NS:
                continue
            count = np.bincount(slot)
            total = np.bincount(slot, values)
            mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
            covered = int((count > 0).sum())
            if best is None or covered > best[0]:
                best = (covered, f"{key}/{name}", mean, first)
    if best is None:
        return None
    import xarray as xr

    _, label, mean, first = best
    start = (first + np.arange(len(mean), dtype=np.int64)) * WINDOW_NS
    instant = {"units": "ns", "epoch": "utc"}
    return xr.DataArray(
        mean,
        dims=("window",),
        coords={"time": ("window", start, instant), "end": ("window", start + WINDOW_NS, instant)},
        name="hr",
        attrs={
            "units": "/min",
            "long_name": "heart rate as the device gave it",
            "method": "mean of the device's values in windows of 5 min",
            "series": label,
        },
    )
