"""HRV in windows and per person: reference values, gaps, artefacts, reasons, waist 2."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from allostat.biomarkers import rows_of
from allostat.correction import correct_beats
from allostat.errors import ConfigError, InputError
from allostat.hrv import PRESETS, Reason, hrv, person_hrv, seconds_of
from allostat.recording import BeatFlag, Beats
from tests.reference import time_domain as reference

S = 1_000_000_000
SHARES = ("valid_share", "corrected_share", "irregular_share")


def breathing_beats(minutes, *, rr=850.0, depth=30.0, start_ns=0, seed=3):
    """Beats with respiratory arrhythmia at 0.25 Hz, a slow wave at 0.1 Hz and a little noise."""
    rng = np.random.default_rng(seed)
    intervals, t = [], 0.0
    while t < minutes * 60:
        step = rr + depth * np.sin(2 * np.pi * 0.25 * t) + depth * np.sin(2 * np.pi * 0.1 * t) + rng.normal(0, 5)
        intervals.append(step)
        t += step / 1000
    return Beats.from_intervals(intervals, start_ns=start_ns, epoch="utc", source="ecg")


def with_gap(beats, first, stop):
    intervals, keep = beats.intervals_ms.copy(), np.ones(len(beats), bool)
    intervals[stop] = np.nan
    keep[first:stop] = False
    return replace(beats, times_ns=beats.times_ns[keep], intervals_ms=intervals[keep], flags=beats.flags[keep])


@dataclass(frozen=True)
class Slept:
    start_ns: int
    end_ns: int
    quality: tuple[str, ...] = ()


def test_golden_series_as_a_recording(golden):
    relaxed = replace(PRESETS["taskforce1996"], shortest_s=10.0)
    found = hrv(Beats.from_intervals(golden["rr_ms"]), preset=relaxed)
    assert float(found.rmssd[0]) == pytest.approx(golden["hrv"]["rmssd"], rel=1e-9)
    assert float(found.sd2[0]) == pytest.approx(golden["hrv"]["sd2"], rel=1e-9)


def test_whole_recording_covers_every_beat():
    beats = breathing_beats(10)
    found = hrv(beats)
    assert int(found.n_intervals[0]) == len(beats) - 1
    assert float(found.valid_share[0]) == pytest.approx(1, abs=1e-6)
    assert found.time.attrs["epoch"] == "utc"
    assert found.time.dtype == np.int64
    assert int(found.reasons[0]) == Reason.NEEDS_LONGER
    assert int(hrv(beats, measures="standard").reasons[0]) == 0


def test_a_window_holds_the_intervals_that_end_in_it():
    beats = breathing_beats(16)
    found = hrv(beats, "5min", "1min")
    assert found.sizes["window"] == 12
    for k in range(12):
        inside = (beats.times_ns >= int(found.time[k])) & (beats.times_ns < int(found.end[k]))
        slow = reference.time_domain(beats.intervals_ms[inside])
        for name in ("mean_nn", "sdnn", "rmssd", "pnn20", "n_intervals"):
            assert float(found[name][k]) == pytest.approx(slow[name], rel=1e-9)


def test_windows_are_named_in_several_ways():
    assert [seconds_of(d) for d in ("5min", "30s", "1 h", "0.5min", 90, 7.5)] == [300, 30, 3600, 30, 90, 7.5]
    for bad in ("five", "5 minutes", "", 0, -3, float("nan"), "1e9s"):
        with pytest.raises(ConfigError, match="duration"):
            seconds_of(bad)


def test_an_unknown_preset_offers_the_nearest():
    with pytest.raises(ConfigError, match="taskforce1996"):
        hrv(breathing_beats(1), preset="taskforce")
    with pytest.raises(ConfigError, match="needs a window"):
        hrv(breathing_beats(1), step="1min")


def test_the_power_of_breathing_lies_in_hf():
    found = hrv(breathing_beats(10, depth=40.0))
    assert float(found.hf[0]) == pytest.approx(40**2 / 2, rel=0.15)
    assert float(found.lf[0]) == pytest.approx(40**2 / 2, rel=0.15)
    assert float(found.total_power[0]) == pytest.approx(float(found.vlf[0] + found.lf[0] + found.hf[0]))


def test_a_gap_gives_no_difference_and_no_spectrum_across_it():
    beats = breathing_beats(5.5)
    pierced = with_gap(beats, 190, 200)
    found = hrv(pierced, "5min")
    assert int(found.n_differences[0]) == int(found.n_intervals[0]) - 2
    assert int(found.reasons[0]) == Reason.NO_SPECTRUM | Reason.NEEDS_LONGER
    assert np.isnan(float(found.vlf[0]))
    assert float(found.hf[0]) == pytest.approx(float(hrv(beats, "5min").hf[0]), rel=0.25)


def test_too_little_data_is_missing_with_its_reason():
    beats = breathing_beats(6)
    empty = hrv(Beats.from_intervals([]))
    assert int(empty.reasons[0]) & Reason.TOO_SHORT
    early_end = hrv(breathing_beats(3), "5min")
    assert int(early_end.reasons[0]) & Reason.TOO_SHORT
    sparse = hrv(with_gap(beats, 60, 200), "5min")
    assert int(sparse.reasons[0]) & Reason.TOO_FEW_VALID
    for found in (empty, early_end, sparse):
        assert np.isnan(float(found.rmssd[0]))
        assert np.isnan(float(found.hf[0]))
    short = hrv(beats, "30s")
    assert np.all(short.reasons.values & Reason.ULTRA_SHORT)
    assert np.all(np.isfinite(short.rmssd.values))


def ectopic_beats(every):
    beats = breathing_beats(6, depth=15)
    times = beats.times_ns.copy()
    times[20::every] -= 250_000_000
    return Beats.from_times(times, source="ecg")


def test_rmssd_drops_pairs_that_touch_an_artefact_and_the_interpolated_one_has_its_own_name():
    clean = float(hrv(breathing_beats(6, depth=15)).rmssd[0])
    corrected = correct_beats(ectopic_beats(40))
    found = hrv(corrected)
    assert float(found.rmssd[0]) == pytest.approx(clean, rel=0.08)
    assert int(found.n_intervals[0]) < int(found.n_differences[0]) + 25
    everything = hrv(corrected, drop_artefacts=False)
    assert float(everything.rmssd[0]) == float(everything.rmssd_interpolated[0])
    assert float(found.rmssd_interpolated[0]) == float(everything.rmssd[0])
    assert float(found.rmssd_interpolated[0]) != float(found.rmssd[0])
    assert float(hrv(ectopic_beats(40)).rmssd[0]) > 2 * clean
    flagged = corrected.flags != BeatFlag.NORMAL
    assert float(found.corrected_share[0]) == pytest.approx(flagged.mean())


def test_too_many_corrected_beats_reject_a_window():
    beats = breathing_beats(6)
    flags = beats.flags.copy()
    flags[::9] = BeatFlag.LONG_SHORT
    found = hrv(replace(beats, flags=flags))
    assert int(found.reasons[0]) & Reason.TOO_MANY_CORRECTED
    assert np.isnan(float(found.rmssd[0]))


def test_intervals_that_the_device_calls_unusable_count_nowhere():
    beats = breathing_beats(6)
    intervals, flags = beats.intervals_ms.copy(), beats.flags.copy()
    intervals[100], flags[100] = 2400.0, BeatFlag.UNUSABLE
    found = hrv(replace(beats, intervals_ms=intervals, flags=flags))
    assert float(found.max_nn[0]) < 1000
    assert float(found.sdnn_interpolated[0]) < 50


def test_every_variable_says_its_unit_method_and_source():
    found = hrv(breathing_beats(6), "5min")
    for name, variable in found.data_vars.items():
        assert variable.attrs["long_name"], name
        if name in ("reasons", *SHARES, "n_intervals", "n_differences"):
            continue
        assert {"units", "method", "references", "preset", "sensor"} <= set(variable.attrs), name
        assert all(doi.startswith("10.") for doi in variable.attrs["references"].split()), name
    assert found.reasons.attrs["flag_meanings"].split()[0] == "TOO_SHORT"
    assert found.reasons.dtype == np.int16


def test_windows_do_not_depend_on_what_stands_around_them():
    beats = breathing_beats(20)
    whole = hrv(beats, "5min")
    later = hrv(replace(beats, times_ns=beats.times_ns + 1_700_000_000 * S), "5min")
    for name in whole.data_vars:
        assert np.array_equal(whole[name].values, later[name].values, equal_nan=True), name


def nights(count, **about):
    """One recording of several 2-hour nights a day apart, and their sleep windows."""
    parts = [breathing_beats(120, start_ns=k * 86_400 * S, seed=k, depth=20 + 4 * k, **about) for k in range(count)]
    return parts, [Slept(k * 86_400 * S, k * 86_400 * S + 7200 * S) for k in range(count)]


def test_night_values_are_the_median_of_nights_on_the_log_scale():
    parts, slept = nights(3)
    found = person_hrv(parts, nights=slept)
    by_night = found.rmssd_by_night.values
    row = found.rmssd_night
    assert float(row) == pytest.approx(np.median(by_night), rel=1e-12)
    logs = np.log(by_night)
    assert row.attrs["standard_error"] == pytest.approx(np.sqrt(np.pi / 2) * logs.std(ddof=1) / np.sqrt(3), rel=1e-12)
    assert row.attrs["n"] == 3
    assert row.attrs["quality"].split() == ["FEW_NIGHTS"]
    assert row.attrs["coverage"] == 1
    assert found.windows_wanted.values.tolist() == [24, 24, 24]
    windows = hrv(parts[0], "5min")
    assert by_night[0] == pytest.approx(np.exp(np.log(windows.rmssd.values).mean()), rel=0.01)


def test_a_night_without_thirty_good_minutes_has_no_value():
    parts, slept = nights(2)
    short = breathing_beats(20, start_ns=2 * 86_400 * S)
    found = person_hrv([*parts, short], nights=[*slept, Slept(2 * 86_400 * S, 2 * 86_400 * S + 7200 * S)])
    assert np.isnan(found.rmssd_by_night.values[2])
    assert found.windows_accepted.values.tolist()[2] <= 4
    assert found.rmssd_night.attrs["quality"].split() == ["FEW_NIGHTS", "INSUFFICIENT_NIGHT"]
    assert found.rmssd_night.attrs["n"] == 2
    none = person_hrv(short, nights=[Slept(2 * 86_400 * S, 2 * 86_400 * S + 7200 * S)])
    assert np.isnan(float(none.rmssd_night))
    assert "INSUFFICIENT_NIGHT" in none.rmssd_night.attrs["quality"].split()


def test_codes_of_the_nights_travel_with_the_value():
    parts, slept = nights(1)
    marked = [replace(slept[0], quality=("NIGHT_FROM_HEART_RATE",))]
    quality = person_hrv(parts, nights=marked).hr_night.attrs["quality"].split()
    assert quality == ["FEW_NIGHTS", "NIGHT_FROM_HEART_RATE"]


def test_a_short_recording_is_taken_as_one_at_rest_and_says_so():
    beats = breathing_beats(4)
    found = person_hrv(beats)
    assert float(found.rmssd_rest) == pytest.approx(float(hrv(beats).rmssd[0]), rel=1e-12)
    assert float(found.hr_rest) == pytest.approx(float(hrv(beats).hr_of_mean_nn[0]), rel=1e-12)
    assert found.rmssd_rest.attrs["quality"].split() == ["REST_ASSUMED", "ULTRA_SHORT"]
    assert "NO_NIGHT" in found.rmssd_night.attrs["quality"]
    told = person_hrv(breathing_beats(30), rest=[(60 * S, 360 * S)])
    assert told.rmssd_rest.attrs["quality"] == ""
    assert np.isfinite(float(told.rmssd_rest))


def test_rest_below_a_minute_is_missing():
    found = person_hrv(breathing_beats(0.9))
    assert np.isnan(float(found.rmssd_rest))
    assert "TOO_SHORT" in found.rmssd_rest.attrs["quality"].split()
    nothing = person_hrv(breathing_beats(30), rest=[(90_000 * S, 90_300 * S)])
    assert nothing.rmssd_rest.attrs["quality"] == "NO_REST_RECORDING"


def test_resting_recordings_without_a_date_are_measured_each_by_itself():
    one, two = (replace(breathing_beats(5, depth=d), epoch="relative") for d in (20, 60))
    alone = [float(person_hrv(b).rmssd_rest) for b in (one, two)]
    spans = [(0, int(b.times_ns[-1]) + 1) for b in (one, two)]
    for found in (person_hrv([one, two]), person_hrv([one, two], rest=spans)):
        assert float(found.rmssd_rest) == pytest.approx(np.sqrt(alone[0] * alone[1]), rel=1e-12)
        assert found.rmssd_rest.attrs["n"] == 2
    assert person_hrv([one, two], rest=()).rmssd_rest.attrs["quality"] == "NO_REST_RECORDING"
    long = replace(breathing_beats(20), epoch="relative")
    assert float(person_hrv([long, one]).rmssd_rest) == alone[0]
    for arguments in ({"rest": spans[:1]}, {"nights": [Slept(0, 7200 * S)]}):
        with pytest.raises(InputError, match="without a date"):
            person_hrv([one, two], **arguments)


def test_person_values_become_rows_of_waist_2():
    parts, slept = nights(2)
    found = person_hrv([*parts, breathing_beats(5, start_ns=9 * 86_400 * S)], nights=slept)
    rows = {row.biomarker: row for row in rows_of(found, "sub-001")}
    measures = ("rmssd", "hr", "sdnn", "hf")
    assert set(rows) == {f"{m}_{context}" for m in measures for context in ("night", "rest")}
    assert rows["rmssd_night"].context == "night"
    assert rows["rmssd_rest"].context == "rest_5min"
    assert rows["hr_night"].value == pytest.approx(60000 / 850, rel=0.01)
    assert rows["rmssd_night"].standard_error > 0
    missing = {row.biomarker: row for row in rows_of(person_hrv([]), "sub-001")}
    assert all(row.missing and row.quality for row in missing.values())


def test_an_implausible_value_is_missing_and_marked():
    found = person_hrv(breathing_beats(5, rr=200.0, depth=2.0))
    assert np.isnan(float(found.hr_rest))
    assert "IMPLAUSIBLE" in found.hr_rest.attrs["quality"].split()
    metronome = person_hrv(Beats.from_intervals(np.full(400, 800.0)))
    assert np.isnan(float(metronome.rmssd_rest))


def test_pulse_waves_are_named_as_such():
    beats = replace(breathing_beats(5), source="ppg")
    assert "SENSOR_PPG" in person_hrv(beats).rmssd_rest.attrs["quality"].split()
    assert hrv(beats).rmssd.attrs["sensor"] == "ppg"


def test_recordings_of_different_epochs_and_reversed_spans_are_refused():
    with pytest.raises(InputError, match="epoch"):
        person_hrv([breathing_beats(1), replace(breathing_beats(1), epoch="local")])
    with pytest.raises(InputError, match="ends after"):
        person_hrv(breathing_beats(1), rest=[(5, 5)])
