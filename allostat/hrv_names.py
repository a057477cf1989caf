"""Names, units, methods and sources of the measures of heart rate variability."""

from __future__ import annotations

from typing import NamedTuple

from allostat.hrv_measures import LONG_S, PREMATURE_BEATS, SCALES
from allostat.hrv_presets import Preset

TASK_FORCE = "10.1161/01.CIR.93.5.1043"
OVERVIEW = "10.3389/fpubh.2017.00258"
BRENNAN = "10.1109/10.959330"
WELCH = "10.1109/TAU.1967.1161901"
LIPPONEN = "10.1080/03091902.2019.1640306"
NEUROKIT = "10.3758/s13428-020-01516-y"
KUBIOS = "10.1016/j.cmpb.2013.07.024"
TOICHI = "10.1016/S0165-1838(96)00112-9"
PISKORSKI = "10.1007/s11517-011-0834-z"
YAN = "10.1186/s12938-017-0402-3"
PENG = "10.1063/1.166141"
COSTA = "10.3389/fphys.2017.00255"
BAUER = "10.1016/S0140-6736(06)68735-7"
SCHMIDT = "10.1016/S0140-6736(98)08428-1"
PORTA_2007 = "10.1152/ajpheart.00006.2007"
CYSARZ = "10.1088/1361-6579/aae302"
LOMB = "10.1007/BF00648343"
SCARGLE = "10.1086/160554"


class _About(NamedTuple):
    units: str
    long_name: str
    method: str
    references: tuple[str, ...]


def _beat(units: str, long_name: str, method: str, *references: str) -> _About:
    return _About(units, long_name, method, references or (TASK_FORCE,))


MEASURES = {
    "mean_nn": _beat("ms", "mean NN interval", "mean"),
    "median_nn": _beat("ms", "median NN interval", "median"),
    "min_nn": _beat("ms", "shortest NN interval", "minimum"),
    "max_nn": _beat("ms", "longest NN interval", "maximum"),
    "sdnn": _beat("ms", "standard deviation of NN intervals (SDNN)", "divisor n-1"),
    "rmssd": _beat(
        "ms", "root mean square of successive differences (RMSSD)", "pairs of neighbouring NN intervals only"
    ),
    "ln_rmssd": _beat("ln(ms)", "natural logarithm of RMSSD", "ln of RMSSD in ms", OVERVIEW),
    "sdsd": _beat("ms", "standard deviation of successive differences (SDSD)", "divisor one less than the differences"),
    "pnn20": _beat("%", "differences above 20 ms (pNN20)", "share of the differences", OVERVIEW),
    "pnn50": _beat("%", "differences above 50 ms (pNN50)", "share of the differences"),
    "cvnn": _beat("%", "coefficient of variation of NN intervals", "100 SDNN / mean NN", OVERVIEW),
    "cv_rmssd": _beat("%", "RMSSD relative to the mean NN interval", "100 RMSSD / mean NN", "10.1111/psyp.13287"),
    "hr_of_mean_nn": _beat("/min", "heart rate of the mean NN interval", "60000 / mean NN"),
    "mean_hr_of_beats": _beat("/min", "mean of the beats' heart rates", "mean of 60000 / NN"),
    "min_hr": _beat("/min", "lowest heart rate of a single beat", "60000 / longest NN"),
    "max_hr": _beat("/min", "highest heart rate of a single beat", "60000 / shortest NN"),
    "sd1": _beat("ms", "short axis of the Poincaré plot (SD1)", "sd((NN[i+1] - NN[i]) / sqrt 2)", BRENNAN),
    "sd2": _beat("ms", "long axis of the Poincaré plot (SD2)", "sd((NN[i+1] + NN[i]) / sqrt 2)", BRENNAN),
    "rmssd_interpolated": _beat(
        "ms", "RMSSD of the corrected series", "raw corrected intervals, interpolated beats included", LIPPONEN
    ),
    "sdnn_interpolated": _beat(
        "ms", "SDNN of the corrected series", "raw corrected intervals, interpolated beats included", LIPPONEN
    ),
    "total_power": _beat("ms2", "power of all bands", "sum of the bands"),
    "lf_hf": _beat("1", "ratio of low- to high-frequency power", "LF / HF"),
    "spectrum_s": _beat("s", "time that the spectrum covers", "overlaps counted once"),
    "lf_nu": _beat("%", "low-frequency power in normalised units", "share of LF"),
    "hf_nu": _beat("%", "high-frequency power in normalised units", "share of HF"),
    **{
        f"ln_{band}": _beat("ln(ms2)", f"natural logarithm of {name}", f"ln of {band.upper()} in ms2")
        for band, name in (("vlf", "VLF power"), ("lf", "low-frequency power"), ("hf", "high-frequency power"))
    },
    **{
        f"relative_{band}": _beat("%", f"share of {name} in all bands", f"100 {band.upper()} / total_power")
        for band, name in (("vlf", "VLF power"), ("lf", "low-frequency power"), ("hf", "high-frequency power"))
    },
    "vlf_peak": _beat("Hz", "peak frequency of the VLF band", "frequency of the largest density"),
    "lf_peak": _beat("Hz", "peak frequency of the LF band", "frequency of the largest density"),
    "hf_peak": _beat("Hz", "peak frequency of the HF band", "frequency of the largest density"),
    "nn20": _beat("1", "number of differences above 20 ms (NN20)", "count", OVERVIEW),
    "nn50": _beat("1", "number of differences above 50 ms (NN50)", "count"),
    "prc20_nn": _beat("ms", "20th percentile of NN intervals", "quantile, type 7", NEUROKIT),
    "prc80_nn": _beat("ms", "80th percentile of NN intervals", "quantile, type 7", NEUROKIT),
    "iqr_nn": _beat("ms", "interquartile range of NN intervals", "quantiles, type 7", NEUROKIT),
    "mad_nn": _beat("ms", "median absolute deviation of NN intervals", "times 1.4826", NEUROKIT),
    "mcv_nn": _beat("%", "median-based coefficient of variation", "100 mad_nn / median_nn", NEUROKIT),
    "skewness_nn": _beat("1", "skewness of NN intervals", "moments with divisor n", "10.1088/1361-6579/aae021"),
    "kurtosis_nn": _beat(
        "1", "kurtosis of NN intervals (normal: 3)", "moments with divisor n", "10.1088/1361-6579/aae021"
    ),
    "sd_hr": _beat("/min", "standard deviation of the beats' heart rates", "sd of 60000 / NN, divisor n-1", KUBIOS),
    "sdnn_rmssd": _beat("1", "ratio of SDNN to RMSSD", "SDNN / RMSSD", NEUROKIT),
    "sdann": _beat("ms", "standard deviation of 5-minute means (SDANN)", "segments covered to 80 %, divisor n-1"),
    "sdnn_index": _beat("ms", "mean of 5-minute standard deviations (SDNN index)", "segments covered to 80 %"),
    **{
        f"{kind}_{minutes}min": _beat(
            "ms", f"{long_name} of {minutes}-minute segments", "segments covered to 80 %, divisor n-1", NEUROKIT
        )
        for minutes in (1, 2)
        for kind, long_name in (("sdann", "standard deviation of the means"), ("sdnn_index", "mean standard deviation"))
    },
    "triangular_index": _beat("1", "HRV triangular index (HTI)", "NN intervals / largest bin of 1/128 s"),
    "tinn": _beat("ms", "baseline width of the interval histogram (TINN)", "best triangle, bins of 1/128 s"),
    "sd1_sd2": _beat("1", "ratio of the axes of the Poincaré plot", "SD1 / SD2", BRENNAN),
    "ellipse_area": _beat("ms2", "area of the ellipse of the Poincaré plot", "pi SD1 SD2", BRENNAN),
    "csi": _beat("1", "cardiac sympathetic index (CSI)", "SD2 / SD1", TOICHI),
    "cvi": _beat("1", "cardiac vagal index (CVI)", "log10(16 SD1 SD2)", TOICHI),
    "csi_modified": _beat("ms", "modified cardiac sympathetic index", "4 SD2^2 / SD1", "10.1109/EMBC.2014.6944639"),
    "guzik_index": _beat(
        "%", "Guzik's index of asymmetry", "decelerations' share of distances", "10.1515/BMT.2006.054"
    ),
    "slope_index": _beat("%", "slope index of asymmetry", "decelerations' share of angles", YAN),
    "area_index": _beat("%", "area index of asymmetry", "decelerations' share of sectors", YAN),
    "porta_index": _beat(
        "%", "Porta's index of asymmetry", "accelerations' share of points", "10.1152/ajpregu.00129.2008"
    ),
    **{
        f"{axis}{side}": _beat("ms", f"{axis.upper()} due to {way}", "variance about line and centre", PISKORSKI)
        for axis in ("sd1", "sd2", "sdnn")
        for side, way in (("d", "decelerations"), ("a", "accelerations"))
    },
    "c1d": _beat("1", "decelerations' share of SD1 squared", "sd1d^2 / (sd1d^2 + sd1a^2)", PISKORSKI),
    "c2d": _beat("1", "decelerations' share of SD2 squared", "sd2d^2 / (sd2d^2 + sd2a^2)", PISKORSKI),
    "cd": _beat("1", "decelerations' share of SDNN squared", "sdnnd^2 / (sdnnd^2 + sdnna^2)", PISKORSKI),
    "sample_entropy": _beat("nat", "sample entropy (SampEn)", "-ln(A / B)", "10.1152/ajpheart.2000.278.6.H2039"),
    "approximate_entropy": _beat(
        "nat", "approximate entropy (ApEn)", "phi(m) - phi(m + 1), self-matches included", "10.1073/pnas.88.6.2297"
    ),
    "multiscale_entropy": _beat(
        "nat",
        "multiscale entropy (MSE)",
        f"mean of sample entropy at scales 1 to {SCALES}, r of scale 1",
        "10.1103/PhysRevLett.89.068102",
    ),
    "dfa_alpha1": _beat("1", "short-term scaling exponent (DFA alpha 1)", "slope of ln F on ln n", PENG),
    "dfa_alpha2": _beat("1", "long-term scaling exponent (DFA alpha 2)", "slope of ln F on ln n", PENG),
    "pip": _beat("%", "inflection points (PIP)", "100 inflection points / NN intervals", COSTA),
    "ials": _beat("1", "inverse average length of segments (IALS)", "1 / mean differences of a segment", COSTA),
    "pss": _beat("%", "NN intervals in short segments (PSS)", "segments below three differences", COSTA),
    "pas": _beat("%", "NN intervals in alternation (PAS)", "alternation of four or more intervals", COSTA),
    **{
        f"symbolic_{kind}": _beat("%", f"patterns of three intervals {what}", "symbolic dynamics", PORTA_2007, CYSARZ)
        for kind, what in (
            ("0v", "without variation (0V)"),
            ("1v", "with one variation (1V)"),
            ("2lv", "with two like variations (2LV)"),
            ("2uv", "with two unlike variations (2UV)"),
        )
    },
    "stress_index": _beat(
        "1", "stress index (Baevsky), square root", "sqrt(AMo / (2 Mo MxDMn)), bins of 50 ms, Mo the median", KUBIOS
    ),
    "dc": _beat("ms", "deceleration capacity (DC)", "phase-rectified signal averaging, T 1, s 2", BAUER),
    "ac": _beat("ms", "acceleration capacity (AC)", "phase-rectified signal averaging, T 1, s 2", BAUER),
    "turbulence_onset": _beat(
        "%", "heart rate turbulence onset (TO)", f"mean of {PREMATURE_BEATS} or more premature beats", SCHMIDT
    ),
    "turbulence_slope": _beat(
        "ms/beat", "heart rate turbulence slope (TS)", f"mean of {PREMATURE_BEATS} or more premature beats", SCHMIDT
    ),
}
"""Variables of `hrv` besides the bands."""

_BAND_NAMES = {
    "ulf": "ultra-low frequency power",
    "vlf": "very low frequency power",
    "lf": "low frequency power",
    "hf": "high frequency power",
    "vhf": "very high frequency power",
}

_OF_THE_SERIES = (
    "sdnn", "rmssd", "ln_rmssd", "sdsd", "pnn20", "pnn50", "sd1", "sd2", "nn20", "nn50", "cvnn", "cv_rmssd",
    "sdnn_rmssd", "sd1_sd2", "ellipse_area", "csi", "cvi", "csi_modified", "sd_hr", "stress_index", "triangular_index",
    "tinn",
)  # fmt: skip
_COMPLEX = ("sample_entropy", "approximate_entropy", "multiscale_entropy", "dfa_alpha1", "dfa_alpha2")


def describe(name: str, preset: Preset) -> dict[str, str | float]:
    """Attributes of a measure under a preset: units, long_name, method with the settings it rests on, references.

    ``shortest_s`` is added where a window must have that length.
    """
    bands = {band.name: band for band in preset.bands}
    about = _band(name, preset) if name in bands else MEASURES[name]
    settings = _settings(name, preset)
    units, method = about.units, "; ".join([about.method, *settings])
    if preset.fragmentation == "segments" and name in ("pip", "pss", "pas"):
        units = "1"
    found: dict[str, str | float] = {
        "units": units,
        "long_name": about.long_name,
        "method": method,
        "references": " ".join(dict.fromkeys((*about.references, *preset.references))),
        "preset": preset.name,
    }
    shortest = LONG_S.get(name, preset.geometric_s if name in ("triangular_index", "tinn") else 0.0)
    if name in bands:
        shortest = bands[name].shortest_s
    return found | ({"shortest_s": shortest} if shortest else {})


def _settings(name: str, preset: Preset) -> list[str]:
    """The settings of a preset that a measure depends on, in words."""
    if name in _OF_THE_SERIES:
        words = [f"{preset.series} intervals"]
        if name in ("pnn20", "pnn50") and preset.pnn_divisor == "intervals":
            words.insert(0, "divided by the number of intervals")
        return words
    if name in _COMPLEX:
        when = "before" if preset.nonlinear_series == "raw" else "after"
        if name.startswith("dfa"):
            low, high = preset.dfa_short if name.endswith("1") else preset.dfa_long
            how = "overlapping by half" if preset.dfa_overlap else "side by side"
            return [f"boxes of {low} to {high or 'a tenth of the'} beats, {how}", f"{when} detrending"]
        match = "less than" if preset.strict else "at most"
        return [f"m {preset.template}, {match} r {preset.tolerance:g} sd", f"{when} detrending"]
    if name in ("pip", "ials", "pss", "pas") and preset.fragmentation == "segments":
        return ["as shares of 1, PSS and PAS of the segments"]
    if name.startswith("symbolic_"):
        return [
            "six levels between the extremes" if preset.symbols == "extremes_6" else "four levels of equal probability"
        ]
    if name in ("dc", "ac"):
        words = [f"changes up to {100 * preset.anchor_limit:g} %"]
        return [*words, f"{preset.anchor_around} intervals around"] if preset.anchor_around else words
    if name == "lf_hf":
        bands = {band.name: band for band in preset.bands}
        lf, hf = bands["lf"], bands["hf"]
        edges = f"{lf.low_hz:g} to {lf.high_hz:g} Hz over {hf.low_hz:g} to {hf.high_hz:g} Hz"
        return [edges, _SPECTRA[preset.spectrum][0]]
    if name in ("lf_nu", "hf_nu"):
        return ["of LF + HF" if preset.normal_units == "lf_and_hf" else "of the total power"]
    return []


_SPECTRA = {
    "welch": ("Welch", WELCH),
    "welch_halves": ("Welch", WELCH),
    "autoregressive": ("autoregressive", KUBIOS),
    "lomb_scargle": ("Lomb-Scargle", SCARGLE),
}


def _band(name: str, preset: Preset) -> _About:
    band = next(band for band in preset.bands if band.name == name)
    spline = f"{preset.spline} spline at {preset.resampling_hz:g} Hz"
    detrend = f"detrending {preset.spectrum_detrend}"
    match preset.spectrum:
        case "welch":
            how = f"{spline}, Welch, Hann windows of at most {preset.window_s:g} s, half overlapping, {detrend}"
        case "welch_halves":
            how = f"{spline}, Welch, Hann windows of half the stretch, half overlapping, mean taken out"
        case "autoregressive":
            how = (
                f"{spline}, autoregressive model of order {preset.ar_order}, forward-backward least squares, {detrend}"
            )
        case "lomb_scargle":
            how = f"Lomb-Scargle of the NN intervals every {preset.lomb_step_hz:.4g} Hz, mean taken out"
    edges = "with interpolated band edges" if preset.band_edges == "interpolated" else "between the frequencies inside"
    references = (TASK_FORCE, _SPECTRA[preset.spectrum][1], *((LOMB,) if preset.spectrum == "lomb_scargle" else ()))
    return _About(
        "ms2",
        f"{_BAND_NAMES.get(name, name)}, {band.low_hz:g} to {band.high_hz:g} Hz",
        f"{how}, trapezoids {edges}",
        references,
    )
