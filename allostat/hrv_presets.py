"""Every setting of an analysis of heart rate variability, under names that stand for a source or a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from allostat.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Band:
    """A frequency band; ``shortest_s`` is the shortest gap-free stretch from which its power is given."""

    name: str
    low_hz: float
    high_hz: float
    shortest_s: float


@dataclass(frozen=True, slots=True)
class Preset:
    """Every setting of an HRV analysis.

    Parameters
    ----------
    name
        As users call it.
    references
        DOIs.
    series
        What time-domain and Poincaré measures are taken from: ``raw`` intervals, or ``detrended`` ones (smoothness
        priors on the even series, brought back to the beats); geometric measures and the spread of heart rates then
        from these plus the mean interval. Means, extremes, quantiles, asymmetry, long-term measures, fragmentation
        and capacities are always raw.
    spectrum_detrend
        ``linear`` or ``constant`` per Welch window, or ``smoothness_priors`` of the whole stretch. With the latter,
        and for an autoregressive or Lomb-Scargle spectrum, the mean is taken out besides.
    smoothing
        Lambda of the smoothness priors; used where something is detrended by them.
    bands
        Frequency bands.
    nonlinear_series
        Whether entropies and DFA are computed before (``raw``) or after (``detrended``) detrending: it changes sample
        entropy by up to a factor of 2.
    spectrum
        ``welch``: Hann windows of at most ``window_s``, half overlapping. ``welch_halves``: Hann windows of half the
        longest stretch, detrended only as a whole, transforms of twice their length, frequencies below four periods
        per stretch left out. ``lomb_scargle``: of the NN intervals at their own instants. ``autoregressive``: by
        forward-backward least squares, of ``ar_order``.
    spline
        How the even series is interpolated: ``cubic`` (not-a-knot ends) or ``quadratic`` (knots between the beats).
    resampling_hz
        Rate of the even series.
    window_s
        Longest Welch window (Hann, half overlapping); 256 s. A shorter stretch is one window, filled with zeros.
        Also the inverse distance of the frequencies of an autoregressive spectrum.
    band_edges
        ``interpolated``: trapezoids, the density interpolated at the edges. ``samples``: trapezoids between the
        frequencies from the lower edge to below the upper one.
    normal_units
        LF and HF in normalised units as a share of ``lf_and_hf`` or of the ``total`` power.
    ar_order, lomb_step_hz
        Settings of those two spectra.
    pnn_divisor
        pNN20 and pNN50 as share of the ``differences`` or of the ``intervals``.
    template, tolerance
        m of both entropies, and r as a share of the standard deviation (n - 1) of the series; a distance of exactly r
        is a match unless ``strict``.
    dfa_short, dfa_long, dfa_overlap
        Box sizes of the two scaling exponents, in intervals (None: a tenth of the beats), and whether boxes overlap
        by half.
    fragmentation
        PSS and PAS as shares of the NN ``intervals`` in %, or of the ``segments``, all four then as shares of 1.
    symbols
        Levels of the symbolic dynamics: six between the extremes (``extremes_6``) or four of equal probability
        (``probability_4``).
    anchor_limit, anchor_around
        Largest relative change at an anchor of the capacities, and the intervals that must lie on either side of it.
    geometric_s
        Windows below this length have no triangular index and TINN.
    shortest_s
        Windows below this length give no values.
    short_s
        Windows below this length are marked ultra-short: 5 min less the 2 % that lie before the first and after the
        last beat.
    least_valid_share, most_corrected_share
        Windows outside these give no values.
    most_irregular_share
        Windows with a larger share of beats in an irregular rhythm are marked: their values are given, but are those of
        bigeminy or atrial fibrillation and not of sinus rhythm.
    """

    name: str
    references: tuple[str, ...]
    series: Literal["raw", "detrended"]
    spectrum_detrend: Literal["linear", "constant", "smoothness_priors"]
    smoothing: float
    bands: tuple[Band, ...]
    nonlinear_series: Literal["raw", "detrended"] = "raw"
    spectrum: Literal["welch", "welch_halves", "lomb_scargle", "autoregressive"] = "welch"
    spline: Literal["cubic", "quadratic"] = "cubic"
    resampling_hz: float = 4.0
    window_s: float = 256.0
    band_edges: Literal["interpolated", "samples"] = "interpolated"
    normal_units: Literal["lf_and_hf", "total"] = "lf_and_hf"
    ar_order: int = 16
    lomb_step_hz: float = 1 / 1024
    pnn_divisor: Literal["differences", "intervals"] = "differences"
    template: int = 2
    tolerance: float = 0.2
    strict: bool = False
    dfa_short: tuple[int, int | None] = (4, 16)
    dfa_long: tuple[int, int | None] = (16, 64)
    dfa_overlap: bool = False
    fragmentation: Literal["intervals", "segments"] = "intervals"
    symbols: Literal["extremes_6", "probability_4"] = "extremes_6"
    anchor_limit: float = 0.05
    anchor_around: int = 0
    geometric_s: float = 1176.0
    shortest_s: float = 30.0
    short_s: float = 294.0
    least_valid_share: float = 0.8
    most_corrected_share: float = 0.1
    most_irregular_share: float = 0.1


_BANDS = (Band("vlf", 0.0, 0.04, 240.0), Band("lf", 0.04, 0.15, 120.0), Band("hf", 0.15, 0.4, 60.0))
"""Bands of short recordings: VLF from 0 on."""

_EDGES_HZ = {"ulf": (0.0, 0.0033), "vlf": (0.0033, 0.04), "lf": (0.04, 0.15), "hf": (0.15, 0.4), "vhf": (0.4, 0.5)}
"""Bands of long recordings, which tell ULF from VLF."""


def _bands(**shortest_s: float) -> tuple[Band, ...]:
    return tuple(Band(name, *_EDGES_HZ[name], shortest) for name, shortest in shortest_s.items())


TASK_FORCE = Preset("taskforce1996", ("10.1161/01.CIR.93.5.1043",), "raw", "linear", 0.0, _BANDS)
"""Task Force 1996, as far as it says; DFA boxes as Peng et al. 1995, who go from 4 to 16 and from 16 to 64.

Geometric measures from 20 minutes on (less the 2 % before the first and after the last beat), as the Task Force asks.
"""

KUBIOS = Preset(
    "kubios",
    ("10.1016/j.cmpb.2013.07.024", "10.1109/10.979357"),
    "detrended",
    "smoothness_priors",
    256.0,
    _BANDS,
    nonlinear_series="detrended",
    dfa_short=(4, 12),
    dfa_long=(13, 64),
    geometric_s=0.0,
)
"""Kubios HRV Standard 3.3 as its reports state their settings; entropies after detrending."""

NEUROKIT = Preset(
    "neurokit",
    ("10.3758/s13428-020-01516-y",),
    "raw",
    "constant",
    0.0,
    # Each band from the length on at which its upper edge has the four periods that this method asks for.
    _bands(ulf=1213.0, vlf=100.0, lf=27.0, hf=10.0, vhf=8.0),
    spectrum="welch_halves",
    spline="quadratic",
    resampling_hz=100.0,
    band_edges="samples",
    normal_units="total",
    pnn_divisor="intervals",
    dfa_short=(4, 11),
    dfa_long=(12, None),
    dfa_overlap=True,
    fragmentation="segments",
    symbols="probability_4",
    geometric_s=0.0,
)
"""NeuroKit2 0.2.13 with ``normalize=False``, so that powers are in ms^2; entropies of the raw intervals."""

PHYSIONET = Preset(
    "physionet2018",
    ("10.1088/1361-6579/aae021",),
    "raw",
    "constant",
    0.0,
    _bands(ulf=240.0, vlf=240.0, lf=120.0, hf=60.0),
    spectrum="lomb_scargle",
    tolerance=0.15,
    strict=True,
    anchor_limit=0.2,
    anchor_around=30,
)
"""PhysioNet Cardiovascular Signal Toolbox, Vest et al. 2018; powers in ms^2, which its own are not (table of names)."""

PRESETS = {preset.name: preset for preset in (TASK_FORCE, KUBIOS, NEUROKIT, PHYSIONET)}
"""Presets by name."""


def preset_of(preset: str | Preset) -> Preset:
    """A preset by name; a `Preset` passes.

    Raises
    ------
    ConfigError
        When there is none of this name.
    """
    if isinstance(preset, Preset):
        return preset
    if preset not in PRESETS:
        raise ConfigError("unknown HRV preset", found=preset, valid=PRESETS)
    return PRESETS[preset]


def preset_from(settings: Mapping[str, Any]) -> Preset:
    """The preset whose ``dataclasses.asdict`` was written into a result, as the attribute ``settings`` holds it."""
    known = {field.name for field in fields(Preset)}
    values: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in settings.items() if name in known
    }
    return Preset(**values | {"bands": tuple(Band(**band) for band in settings["bands"])})
