"""Each preset reproduces its namesake: Task Force 1996, Kubios, NeuroKit2, the PhysioNet toolbox."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import scipy.signal

from allostat.errors import ConfigError
from allostat.hrv import PRESETS, Reason, hrv
from allostat.hrv_compare import NEUROKIT_NAMES, compare_hrv, differing_settings, neurokit_values
from allostat.hrv_presets import preset_from
from allostat.hrv_series import interval_series
from allostat.hrv_spectra import window_spectrum
from allostat.recording import BeatFlag, Beats
from tests.test_hrv import S, breathing_beats, with_gap


def sample01(recordings):
    return Beats.from_intervals(np.loadtxt(recordings("kubios_sample01/Sample01_rr.txt")) * 1000)


def test_sample01_taskforce1996(recordings):
    found = hrv(sample01(recordings))
    values = {"sdnn": 89.2091, "rmssd": 59.1088, "pnn50": 27.3876, "mean_nn": 792.8008, "sample_entropy": 1.2677,
              "approximate_entropy": 1.2115, "dfa_alpha1": 1.0773}  # fmt: skip
    for name, value in values.items():
        assert float(found[name][0]) == pytest.approx(value, abs=5.1e-5), name
    powers = [float(found[name][0]) for name in ("vlf", "lf", "hf")]
    assert powers == pytest.approx([1559.015, 3625.957, 1619.737], abs=5.1e-4)
    assert int(found.reasons[0]) == Reason.NEEDS_LONGER


def test_sample01_kubios_recipe_and_printed_report(recordings):
    found = hrv(sample01(recordings), preset="kubios")
    recipe = {"sdnn": 71.4515, "rmssd": 58.3989, "pnn50": 28.2303, "sd1": 41.3231, "sd2": 92.1988, "mean_nn": 792.8008,
              "sample_entropy": 1.3760, "approximate_entropy": 1.2125, "dfa_alpha1": 1.2176,
              "dfa_alpha2": 0.1353}  # fmt: skip
    for name, value in recipe.items():
        assert float(found[name][0]) == pytest.approx(value, abs=5.1e-5), name
    assert int(found.nn50[0]) == 201
    printed = {"sdnn": (71.4176, 1e-3), "rmssd": (58.3838, 1e-3), "sd1": (41.312748, 1e-3), "sd2": (92.151222, 1e-3),
               "dfa_alpha1": (1.2178, 5e-3), "dfa_alpha2": (0.1351, 5e-3), "sample_entropy": (1.3886, 0.02),
               "approximate_entropy": (1.2222, 0.02), "sd_hr": (7.0364, 1e-3), "hr_of_mean_nn": (75.6811, 1e-5),
               "vlf": (12.7007, 0.05), "lf": (3377.5443, 0.05), "hf": (1536.8612, 0.05), "vlf_peak": (0.039063, 1e-4),
               "lf_peak": (0.128906, 1e-4), "hf_peak": (0.191406, 1e-4),
               "triangular_index": (18.282051, 0.03)}  # fmt: skip
    for name, (value, tolerance) in printed.items():
        assert float(found[name][0]) == pytest.approx(value, rel=tolerance), name


def test_sample01_autoregressive_spectrum_of_kubios(recordings):
    found = hrv(sample01(recordings), preset=replace(PRESETS["kubios"], spectrum="autoregressive"))
    for name, value in (("vlf", 188.1811), ("lf", 3347.9032), ("hf", 1523.7614)):
        assert float(found[name][0]) == pytest.approx(value, rel=0.05), name
    assert "order 16" in found.lf.attrs["method"]


EXPLAINED = {
    "tinn": "its search for the right corner is not begun anew for each left corner",
    "sdann": "it drops the last interval of each segment and counts a rest longer than half a segment",
    "sdnn_index": "the same",
    "sdann_1min": "the same",
    "sdann_2min": "the same",
    "sdnn_index_1min": "the same",
    "sdnn_index_2min": "the same",
}
"""Measures whose definition in NeuroKit2 0.2.13 is another one, and how."""


def test_neurokit_preset_equals_neurokit2(recordings):
    beats = sample01(recordings)
    ours, theirs = hrv(beats, preset="neurokit"), neurokit_values(beats)
    compared = 0
    for name in NEUROKIT_NAMES:
        if name in EXPLAINED or (np.isnan(theirs[name]) and np.isnan(float(ours[name][0]))):
            continue
        assert float(ours[name][0]) == pytest.approx(theirs[name], rel=1e-9), name
        compared += 1
    assert compared >= 50
    oracle = {"sdnn": 89.2091, "pnn50": 27.3492, "vlf": 885.3884, "lf": 3568.663, "hf": 1545.5815, "dfa_alpha1": 1.3031,
              "dfa_alpha2": 0.6686, "sd2": 119.0795, "sample_entropy": 1.2677}  # fmt: skip
    for name, value in oracle.items():
        assert float(ours[name][0]) == pytest.approx(value, abs=5.1e-4 if value > 500 else 5.1e-5), name


def annotated_marks(path):
    """Sample numbers and codes of a WFDB annotation file, beats and other marks."""
    words = np.frombuffer(path.read_bytes(), dtype="<u2")
    sample, marks, at = 0, [], 0
    while at < len(words):
        code, step = int(words[at]) >> 10, int(words[at]) & 1023
        if code == 0 and step == 0:
            break
        if code == 59:
            sample += (int(words[at + 1]) << 16) + int(words[at + 2])
            at += 3
            continue
        if code == 63:
            at += 1 + (step + 1) // 2
            continue
        if code < 50:
            sample += step
            marks.append((sample, code))
        at += 1
    return np.array(marks)


def toolbox_intervals(path):
    """The intervals that the toolbox's demonstration keeps, in s, and when they end.

    125 samples a second, times added up, marks and ectopic beats taken as beats; left out are intervals that differ by
    20 % from the median of the five before and of the five after, and those outside 0.375 to 2 s.
    """
    rr = np.diff(annotated_marks(path)[:, 0]) / 125.0
    ends = np.cumsum(rr)
    ends, rr = ends[rr < 2], rr[rr < 2]

    def differs(series):
        median = series.copy()
        median[5:] = scipy.signal.medfilt(series, 5)[2:-3]
        return np.abs(series - median) / median >= 0.2

    kept = ~(differs(rr) & differs(rr[::-1])[::-1]) & (rr >= 0.375)
    return ends[kept], rr[kept]


@pytest.mark.parametrize("record", ["nsr001", "nsr004"])
def test_physionet_preset_equals_the_cardiovascular_toolbox(recordings, record):
    folder = recordings("cst_reference")
    ends, rr = toolbox_intervals(folder / f"{record}.ecg")
    # Differences are taken across what was left out, as the toolbox takes them: the intervals follow each other.
    times = np.concatenate([[0], np.floor(ends * S)]).astype(np.int64)
    beats = Beats(times, np.concatenate([[np.nan], rr * 1000]), np.full(len(times), BeatFlag.NORMAL, np.int8))
    preset = replace(PRESETS["physionet2018"], least_valid_share=0.0)
    with (folder / "NSR_HRV_allwindows_nsr001_nsr004.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["patID"] == record]
    starts = np.array([int(float(row["t_start"])) // 30 for row in rows])
    found = hrv(beats, "5min", "30s", preset).isel(window=starts[starts < (times[-1] // S - 300) // 30])
    assert found.sizes["window"] == len(rows) == 231

    def theirs(column):
        return np.array([float(row[column]) for row in rows])

    for name, column in (("mean_nn", "NNmean"), ("sdnn", "SDNN"), ("rmssd", "RMSSD")):
        np.testing.assert_allclose(found[name], theirs(column), rtol=0, atol=1e-4, err_msg=name)
    assert (found.n_intervals.values == theirs("btsdet")).all()
    for name, column, factor in (
        ("median_nn", "NNmedian", 1.0), ("pnn50", "pnn50", 100.0), ("skewness_nn", "NNskew", 1.0),
        ("kurtosis_nn", "NNkurt", 1.0), ("sd1", "SD1", 1.0),
    ):  # fmt: skip
        np.testing.assert_allclose(found[name], factor * theirs(column), rtol=5e-3, atol=2e-4, err_msg=name)
    np.testing.assert_allclose(found.sdnn.values**2, theirs("NNvariance"), rtol=1e-5)
    # SD2 by the identity that holds for many beats.
    sd2 = np.sqrt(2 * found.sdnn.values**2 - found.sdsd.values**2 / 2)
    np.testing.assert_allclose(sd2, theirs("SD2"), rtol=1e-5)
    np.testing.assert_allclose(found.sd1.values / sd2, theirs("SD1SD2"), rtol=1e-3)
    # It counts matches of length m among one template more than can be prolonged (tests of the entropy kernel).
    np.testing.assert_allclose(found.sample_entropy, theirs("SampEn"), rtol=0.025)
    # The first window begins with a beat without interval, which is one of the 30 around an anchor.
    for name in ("dc", "ac"):
        np.testing.assert_allclose(found[name][1:], theirs(name)[1:], rtol=5e-3, atol=2e-4, err_msg=name)
    # Quartiles of another type (Hazen's): equal to a half step of the recorder's clock.
    np.testing.assert_allclose(found.iqr_nn, theirs("NNiqr"), rtol=0, atol=8.1)
    series = interval_series(beats)
    for k in range(0, len(rows), 20):
        first, stop = np.searchsorted(times, (found.time.values[k], found.end.values[k]))
        frequencies, density = window_spectrum(series, int(first), int(stop), preset)
        spacing = (times[stop - 1] - times[first]) / S / (stop - first - 1)
        for column, low, high in (("ulf", 0, 0.0033), ("vlf", 0.0033, 0.04), ("lf", 0.04, 0.15), ("hf", 0.15, 0.4)):
            # It adds up the periodogram without the distance of the samples: its powers are not in ms^2.
            inside = (frequencies >= low) & (frequencies <= high)
            power = density[inside].sum() / 1024 / spacing
            assert power == pytest.approx(theirs(column)[k], rel=5e-3), column


def test_a_preset_travels_in_the_attributes():
    for preset in PRESETS.values():
        attrs = hrv(breathing_beats(6), preset=preset).attrs
        assert preset_from(json.loads(attrs["settings"])) == preset
        assert json.loads(attrs["settings"]) == json.loads(json.dumps(asdict(preset)))


def test_each_preset_says_whether_entropy_comes_before_or_after_detrending():
    said = {name: hrv(breathing_beats(6), preset=name).sample_entropy.attrs["method"] for name in PRESETS}
    assert {name for name, method in said.items() if "after detrending" in method} == {"kubios"}
    assert {name for name, method in said.items() if "before detrending" in method} == set(PRESETS) - {"kubios"}


@pytest.mark.parametrize("spectrum", ["welch", "welch_halves", "autoregressive", "lomb_scargle"])
def test_every_spectrum_gives_a_sine_its_power_in_square_milliseconds(spectrum):
    preset = replace(PRESETS["taskforce1996"], spectrum=spectrum)
    found = hrv(breathing_beats(10, depth=40.0), preset=preset)
    # A model of 16 coefficients resolves two sines in 10 minutes less sharply.
    tolerance = 0.2 if spectrum == "autoregressive" else 0.15
    assert float(found.hf[0]) == pytest.approx(40**2 / 2, rel=tolerance)
    assert float(found.lf[0]) == pytest.approx(40**2 / 2, rel=tolerance)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_windows_are_measured_each_by_itself(name):
    beats = breathing_beats(13)
    beats = with_gap(beats, 300, 310)
    found = hrv(beats, "5min", "1min", preset=name)
    for k in range(found.sizes["window"]):
        inside = (beats.times_ns >= int(found.time[k])) & (beats.times_ns < int(found.end[k]))
        # The beat before the window's first one stays as the place where the alone-standing recording begins.
        at = np.flatnonzero(inside)
        part = slice(at[0], at[-1] + 1)
        alone = replace(
            beats, times_ns=beats.times_ns[part], intervals_ms=beats.intervals_ms[part], flags=beats.flags[part]
        )
        lone = hrv(alone, preset=replace(PRESETS[name], geometric_s=0.0))
        for measure in ("sdnn", "rmssd", "median_nn", "sd2", "hf", "lf", "sample_entropy", "dfa_alpha1", "pip", "dc"):
            assert float(found[measure][k]) == pytest.approx(float(lone[measure][0]), rel=1e-9, nan_ok=True), measure


def test_comparison_shows_values_and_the_settings_that_differ():
    table = compare_hrv(breathing_beats(6), ("taskforce1996", "kubios"))
    assert table.preset.values.tolist() == ["taskforce1996", "kubios"]
    single = hrv(breathing_beats(6), preset="kubios")
    assert float(table.sdnn.sel(preset="kubios")) == float(single.sdnn[0])
    settings = json.loads(table.attrs["differing_settings"])
    assert settings["dfa_short"] == {"taskforce1996": [4, 16], "kubios": [4, 12]}
    assert "resampling_hz" not in settings
    assert differing_settings([PRESETS["kubios"]]) == {}
    assert "detrended" in json.loads(table.sdnn.attrs["methods"])["kubios"]


def test_comparison_beside_neurokit2_itself():
    table = compare_hrv(breathing_beats(5), ["neurokit"], neurokit=True)
    own, theirs = table.rmssd.values
    assert own == pytest.approx(theirs, rel=1e-9)
    assert str(table.preset.values[1]).startswith("NeuroKit2 ")


def test_a_comparison_needs_two_presets():
    for presets in ([], ["kubios"], ["kubios", "kubios"]):
        with pytest.raises(ConfigError, match="two presets"):
            compare_hrv(breathing_beats(5), presets)
    with pytest.raises(ConfigError, match="unknown HRV preset"):
        compare_hrv(breathing_beats(5), ["kubios", "cubios"])


def test_long_windows_have_measures_that_short_ones_lack():
    beats = breathing_beats(62)
    whole, short = hrv(beats), hrv(beats, "5min")
    for name in ("sdann", "sdnn_index", "triangular_index", "tinn", "multiscale_entropy"):
        assert np.isfinite(float(whole[name][0])), name
        assert np.isnan(short[name].values).all()
        assert short[name].attrs["shortest_s"] > 300
    assert np.all(short.reasons.values & Reason.NEEDS_LONGER)
    # No premature beats: turbulence is undefined, however long the recording.
    assert np.isnan(float(whole.turbulence_onset[0]))
    assert int(whole.reasons[0]) == Reason.UNDEFINED


def test_turbulence_is_measured_on_the_beats_as_recorded():
    from allostat.correction import correct_beats

    rng = np.random.default_rng(5)
    intervals = list(850 + rng.normal(0, 4, 5000))
    for at in range(300, 4800, 400):
        intervals[at : at + 12] = [500, 1200, 800, 805, 815, 825, 835, 845, 850, 852, 850, 850]
    found = hrv(correct_beats(Beats.from_intervals(intervals, source="ecg")))
    assert float(found.turbulence_onset[0]) < 0
    assert float(found.turbulence_slope[0]) > 5


def test_an_unknown_set_of_measures_is_refused():
    with pytest.raises(ConfigError, match="set of HRV measures"):
        hrv(breathing_beats(5), measures="all")
    standard = hrv(breathing_beats(5), measures="standard")
    assert "sample_entropy" not in standard
    assert {"rmssd", "sd2", "hf", "lf_hf", "total_power"} <= set(standard.data_vars)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_bad_input_gives_missing_values_with_a_reason(name):
    all_missing = replace(breathing_beats(6), intervals_ms=np.full(len(breathing_beats(6)), np.nan))
    for beats in (
        Beats.from_intervals([]),
        Beats.from_intervals([800.0]),
        all_missing,
        Beats.from_intervals(np.full(400, 800.0)),
        breathing_beats(0.7),
    ):
        for window in (None, "5min"):
            found = hrv(beats, window, preset=name)
            for variable in found.data_vars.values():
                assert not np.isinf(variable.values.astype(float)).any()
            assert (found.reasons.values != 0).all()
