"""Power spectral density of one window, with the settings that gave the window's band powers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from allostat.report.blocks import Picture, Table, number
from allostat.report.series import Series, values
from allostat.report.svg import (
    BLUE,
    GREEN,
    HALF_WIDTH,
    INK,
    ORANGE,
    add_axes,
    frame,
    inline_svg,
    legend,
    new_figure,
    round_ticks,
)

if TYPE_CHECKING:
    import xarray as xr

_SHOWN_HZ = 0.5
_LEAST_INTERVALS = 60
_COLOURS = (ORANGE, GREEN, BLUE)


def spectrum_plot(item: Series) -> Picture | None:
    """Density of the window whose HF power is nearest to the median of all; None when no such window is gap-free."""
    if item.windows is None or "settings" not in item.windows.attrs or "hf" not in item.windows:
        return None
    at = _typical_window(item.windows)
    settings = json.loads(item.windows.attrs["settings"])
    density = None if at is None else _density(item, at, settings)
    if at is None or density is None:
        return None
    frequencies, power = density
    shown = frequencies <= _SHOWN_HZ
    frequencies, power = frequencies[shown], power[shown]
    figure = new_figure(HALF_WIDTH, 430)
    axes = add_axes(figure, left=84, bottom=48, top=30)
    bands = [b for b in settings["bands"] if b["low_hz"] < _SHOWN_HZ]
    for band, colour in zip(bands, _COLOURS, strict=False):
        inside = (frequencies >= band["low_hz"]) & (frequencies <= band["high_hz"])
        label = f"{band['name'].upper()} {band['low_hz']:g} to {band['high_hz']:g} Hz"
        axes.fill_between(frequencies[inside], power[inside], color=colour, alpha=0.35, linewidth=0, label=label)
    axes.plot(frequencies, power, color=INK, linewidth=1.1)
    axes.set(xlim=(0, _SHOWN_HZ), ylim=(0, 1.06 * float(power.max())))
    frame(axes, xlabel="frequency (Hz)", ylabel="density (ms²/Hz)", xticks=round_ticks(0, _SHOWN_HZ, 6), left=True)
    legend(axes, ncols=1, loc="upper right", bbox_to_anchor=(1.0, 1.02))
    start = int(item.windows["time"].values[at])
    powers = {b["name"]: float(values(item.windows, b["name"])[at]) for b in bands if b["name"] in item.windows}
    rows = tuple((f"{name.upper()} power (ms²)", number(p)) for name, p in powers.items())
    rows += tuple((f"density at {f:.3f} Hz (ms²/Hz)", number(float(p))) for f, p in _every(frequencies, power))
    text = ", ".join(f"{name.upper()} {number(p)} ms²" for name, p in powers.items())
    return Picture(
        inline_svg(
            figure,
            key="spectrum",
            title="Power spectral density",
            description=f"Window from {item.clock.text(start)}: {text}.",
        ),
        f"Power spectral density of the window from {item.clock.text(start)}, whose HF power is nearest to the "
        f"median: {text}.",
        Table("Spectrum", ("quantity", "value"), rows, frozenset({1})),
        wide=False,
    )


def _typical_window(windows: xr.Dataset) -> int | None:
    hf = values(windows, "hf")
    if not np.isfinite(hf).any():
        return None
    return int(np.nanargmin(np.abs(hf - np.nanmedian(hf))))


def _density(item: Series, at: int, settings: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    from allostat.hrv_presets import preset_from
    from allostat.hrv_series import interval_series
    from allostat.hrv_spectra import window_spectrum

    assert item.windows is not None
    series = interval_series(item.beats)
    bounds = [int(item.windows[name].values[at]) for name in ("time", "end")]
    first, stop = (int(i) for i in np.searchsorted(series.ends_ns, bounds))
    known = np.flatnonzero(np.isfinite(series.corrected_ms[first:stop]))
    if len(known) < _LEAST_INTERVALS or len(known) != known[-1] - known[0] + 1:
        return None
    frequencies, power = window_spectrum(series, first, stop, preset_from(settings))
    return (frequencies, power) if np.isfinite(power).all() else None


def _every(frequencies: NDArray[np.float64], power: NDArray[np.float64]) -> list[tuple[float, float]]:
    step = max(1, len(frequencies) // 25)
    return list(zip(frequencies[::step].tolist(), power[::step].tolist(), strict=True))
