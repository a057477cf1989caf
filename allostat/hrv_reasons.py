"""Why windows of heart rate variability have no values, in words, with what would be needed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.recording import NS_PER_S

if TYPE_CHECKING:
    import xarray as xr


def why_without_values(windows: xr.Dataset) -> tuple[str, ...]:
    """Why no window of an `allostat.hrv` result has an RMSSD.

    Parameters
    ----------
    windows
        Dataset on ``window`` with ``rmssd``, ``reasons``, the shares, ``time`` and ``end``; its attribute ``settings``
        tells the limits of the preset.

    Returns
    -------
    tuple of str
        For each reason that rejects, its code, what the best window has and what is needed, such as ``TOO_SHORT (28.9
        s from the first beat to the last; needed are 30 s)``; every other code is as it is. Empty when a window has
        a value.
    """
    if "rmssd" not in windows or np.isfinite(windows["rmssd"].values).any():
        return ()
    if "reasons" not in windows or not windows.sizes["window"]:
        return ("no reason recorded",)
    reasons = windows["reasons"]
    mask = int(np.bitwise_or.reduce(np.asarray(reasons.values, dtype=np.int64)))
    bits = np.atleast_1d(reasons.attrs["flag_masks"])
    codes = [c for bit, c in zip(bits, str(reasons.attrs["flag_meanings"]).split(), strict=True) if mask & int(bit)]
    settings = json.loads(str(windows.attrs.get("settings", "{}")))
    return tuple(_with_limit(code, windows, settings) for code in codes) or ("no reason recorded",)


def _with_limit(code: str, windows: xr.Dataset, settings: dict[str, Any]) -> str:
    match code:
        case "TOO_SHORT" if "shortest_s" in settings:
            longest_s = int((windows["end"].values - windows["time"].values).max()) / NS_PER_S
            least_s = float(settings["shortest_s"])
            if longest_s >= least_s:
                return f"{code} (the recording ends inside the window)"
            return f"{code} ({_below(longest_s, 1)} s from the first beat to the last; needed are {least_s:g} s)"
        case "TOO_FEW_VALID" if "least_valid_share" in settings:
            least, most = 100 * settings["least_valid_share"], _extreme(windows["valid_share"], np.fmax)
            return f"{code} (NN intervals cover {_below(100 * most, 0)} %; needed are {least:g} %)"
        case "TOO_MANY_CORRECTED" if "most_corrected_share" in settings:
            most, least = 100 * settings["most_corrected_share"], _extreme(windows["corrected_share"], np.fmin)
            return f"{code} ({100 * least:.3g} % of the beats were corrected; at most {most:g} % may be)"
    return code


def _extreme(shares: xr.DataArray, of: np.ufunc) -> float:
    return float(of.reduce(np.asarray(shares.values, dtype=np.float64)))


def _below(value: float, decimals: int) -> str:
    """Rounded down, so that what is below a limit never reads as the limit."""
    scale = 10.0**decimals
    return f"{np.floor(value * scale) / scale:.{decimals}f}"
