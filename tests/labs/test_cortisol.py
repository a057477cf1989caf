"""Cortisol: golden features, rules of the awakening response, units, reasons; areas of published nights."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allostat.biomarkers import rows_of
from allostat.errors import InputError, UnitError
from allostat.labs.cortisol import cortisol
from allostat.labs.cortisol_curve import area_ground, area_increase, mean_increase, peak_increase
from allostat.labs.cortisol_reasons import DayReason
from allostat.tables import parse_instant

WAKE = "2024-03-01T07:00:00+01:00"


def day(hours: Sequence[float], values: Sequence[float], *, wake: str = WAKE, **columns: Any) -> pd.DataFrame:
    start = pd.Timestamp(wake)
    times = [start + pd.Timedelta(round(h * 3600e9), "ns") for h in hours]
    cells = {"unit": "nmol/L", "specimen": "saliva", **columns}
    return pd.DataFrame({"collected_at": times, "value": values, **cells})


def days(*, wakes: Sequence[str], hours: Sequence[float], values: Sequence[Sequence[float]]) -> pd.DataFrame:
    return pd.concat([day(hours, v, wake=w) for w, v in zip(wakes, values, strict=True)], ignore_index=True)


def reasons(dataset: Any, at: int = 0) -> DayReason:
    return DayReason(int(dataset["reasons"][at]))


class TestGolden:
    def test_awakening_response(self, golden: dict[str, Any]) -> None:
        expected = golden["car"]
        found = cortisol(day(np.array(expected["t_min"]) / 60, expected["nmolL"]), wake=[WAKE]).isel(day=0)
        assert float(found["aucg"]) == pytest.approx(expected["AUCg"], rel=1e-9)
        assert float(found["auci"]) == pytest.approx(expected["AUCi"], rel=1e-9)
        assert float(found["mninc"]) == pytest.approx(expected["MnInc"], rel=1e-9)
        assert float(found["car_peak_inc"]) == pytest.approx(expected["peak_inc"], rel=1e-9)
        assert float(found["aucg"]) / 60 == pytest.approx(expected["AUCg_per_min"], rel=1e-9)

    def test_diurnal_slope(self, golden: dict[str, Any]) -> None:
        expected = golden["diurnal"]
        found = cortisol(day(expected["t_h"], expected["nmolL"]), wake=[WAKE]).isel(day=0)
        for name, key in {
            "slope_ln": "ln_ols_slope",
            "intercept_ln": "ln_intercept",
            "slope_raw": "raw_ols_slope",
            "slope_wb": "wake_to_bed_ln",
            "slope_wb_raw": "wake_to_bed_raw",
            "percent_per_hour": "pct_per_hour",
            "half_life": "half_life_h",
        }.items():
            assert float(found[name]) == pytest.approx(expected[key], rel=1e-9), name

    def test_awakening_sample_is_left_out_of_the_slope_and_is_the_peak(self, golden: dict[str, Any]) -> None:
        expected = golden["diurnal"]
        hours, values = [0.0, 0.5, 4.0, 10.0, 15.0], [15.0, 22.0, 7.0, 4.0, 2.0]
        found = cortisol(day(hours, values), wake=[WAKE]).isel(day=0)
        assert float(found["slope_ln"]) == pytest.approx(expected["ln_ols_slope"], rel=1e-9)
        assert float(found["slope_pb"]) == pytest.approx(expected["peak_to_bed_ln"], rel=1e-9)
        with_it = np.polyfit(hours, np.log(values), 1)[0]
        assert with_it == pytest.approx(expected["with_CAR_sample_22_at_0p5h_ln_ols"], rel=1e-9)


class TestRules:
    def test_no_wake_time_gives_no_features_and_says_why(self) -> None:
        found = cortisol(day([0, 4, 15], [15, 7, 2]))
        assert DayReason.CORTISOL_TIME_MISSING in reasons(found)
        assert math.isnan(float(found["cortisol_slope"]))
        assert {"NO_VALID_DAY", "CORTISOL_TIME_MISSING"} <= set(found["cortisol_slope"].attrs["quality"].split())

    def test_late_first_sample_spoils_the_awakening_response_only(self) -> None:
        found = cortisol(day([0.2, 0.5, 0.75, 4, 10, 15], [12, 16, 14, 7, 4, 2]), wake=[WAKE])
        assert DayReason.CAR_START_DELAYED in reasons(found)
        assert math.isnan(float(found["car_peak_inc"][0]))
        assert math.isfinite(float(found["slope_ln"][0]))

    def test_no_waking_sample_within_15_minutes(self) -> None:
        found = cortisol(day([0.3, 4, 10, 15], [12, 7, 4, 2]), wake=[WAKE])
        assert DayReason.NO_WAKING_SAMPLE in reasons(found)
        assert math.isnan(float(found["slope_ln"][0]))

    def test_no_evening_sample(self) -> None:
        found = cortisol(day([0, 2, 4], [12, 9, 7]), wake=[WAKE])
        assert DayReason.NO_EVENING_SAMPLE in reasons(found)
        assert math.isnan(float(found["slope_ln"][0]))

    def test_two_samples_are_too_few(self) -> None:
        found = cortisol(day([0, 15], [12, 2]), wake=[WAKE])
        assert DayReason.FEW_SAMPLES in reasons(found)
        assert math.isnan(float(found["slope_ln"][0]))
        assert float(found["slope_wb"][0]) == pytest.approx(math.log(2 / 12) / 15)

    def test_interior_gap_makes_areas_missing_and_leaves_the_slope(self) -> None:
        found = cortisol(day([0, 4, 8, 15], [12, math.nan, 5, 2]), wake=[WAKE])
        assert math.isnan(float(found["aucg"][0]))
        assert DayReason.VALUE_MISSING in reasons(found)
        assert math.isfinite(float(found["slope_ln"][0]))

    def test_above_60_nmol_in_saliva_is_flagged_and_kept_as_reported(self) -> None:
        found = cortisol(day([0, 4, 8, 15], [12, 61, 5, 2]), wake=[WAKE])
        assert DayReason.ABOVE_60_NMOL_L in reasons(found)
        assert math.isnan(float(found["concentration"][1]))
        assert float(found["reported"][1]) == 61.0

    def test_below_detection_is_limit_over_root_two(self) -> None:
        found = cortisol(day([0, 4, 8, 15], [12, 7, 5, 1], operator=["", "", "", "<"]), wake=[WAKE])
        assert float(found["concentration"][3]) == pytest.approx(1 / math.sqrt(2))
        assert DayReason.BELOW_LOD in reasons(found)

    def test_sample_after_midnight_belongs_to_the_day_before(self) -> None:
        wakes = [WAKE, "2024-03-02T07:00:00+01:00"]
        found = cortisol(days(wakes=wakes, hours=[0, 8, 18], values=[[12, 7, 2]] * 2), wake=wakes)
        assert found["n"].to_numpy().tolist() == [3, 3]
        assert found["hours_since_waking"].to_numpy().tolist() == [0, 8, 18] * 2

    def test_a_day_that_the_diary_forgot_does_not_join_the_day_before(self) -> None:
        wakes = [WAKE, "2024-03-02T06:30:00+01:00"]
        found = cortisol(days(wakes=wakes, hours=[0, 4, 10, 15], values=[[12, 7, 4, 2]] * 2), wake=wakes[:1])
        assert found["n"].to_numpy().tolist() == [4, 4]
        assert DayReason.CORTISOL_TIME_MISSING in reasons(found, 1)

    def test_early_awakening_is_flagged(self) -> None:
        wake = "2024-03-01T03:30:00+01:00"
        assert DayReason.EARLY_AWAKENING in reasons(cortisol(day([0, 4, 15], [12, 7, 2], wake=wake), wake=[wake]))

    def test_duplicate_assay_counts_with_its_mean(self) -> None:
        found = cortisol(day([0, 4, 4, 15], [12, 6, 8, 2]), wake=[WAKE])
        assert found["concentration"].to_numpy().tolist() == [12, 7, 2]
        assert DayReason.DUPLICATE_ASSAY in reasons(found)

    @pytest.mark.parametrize(
        ("column", "cells"), [("assay", ["A", "A", "B"]), ("specimen", ["saliva", "saliva", "serum"])]
    )
    def test_mixed_assays_and_specimens_are_refused(self, column: str, cells: list[str]) -> None:
        with pytest.raises(InputError, match="in one series"):
            cortisol(day([0, 4, 15], [12, 7, 2], **{column: cells}), wake=[WAKE])

    def test_naive_samples_and_absolute_wakes_need_a_zone(self) -> None:
        samples = day([0, 4, 15], [12, 7, 2], wake="2024-03-01T07:00:00")
        with pytest.raises(InputError, match="time zone"):
            cortisol(samples, wake=[WAKE])
        found = cortisol(samples, wake=[WAKE], timezone="Europe/Vienna")
        assert found["hours_since_waking"].to_numpy().tolist() == [0, 4, 15]

    def test_wake_as_mapping_instant_and_text_is_the_same(self) -> None:
        samples = day([0, 4, 15], [12, 7, 2])
        for wake in ({"2024-03-01": WAKE}, [parse_instant(WAKE)], [pd.Timestamp(WAKE)]):
            assert cortisol(samples, wake=wake)["slope_ln"].equals(cortisol(samples, wake=[WAKE])["slope_ln"])


class TestUnits:
    def test_rows_in_ug_dl_among_nmol_are_converted_row_by_row(self) -> None:
        plain = cortisol(day([0, 4, 15], [12, 7, 2]), wake=[WAKE])
        mixed = day([0, 4, 15], [12, 7 * 0.036246, 2], unit=["nmol/L", "ug/dL", "nmol/L"])
        found = cortisol(mixed, wake=[WAKE])
        np.testing.assert_allclose(found["concentration"], plain["concentration"], rtol=1e-12)
        assert found.attrs["units_found"] == "nmol/L ug/dL"

    def test_ug_dl_values_under_a_nmol_label_are_refused(self) -> None:
        with pytest.raises(UnitError, match=r"UNIT_SUSPECT.*0.435 nmol/L"):
            cortisol(day([0, 4, 15], np.array([12, 7, 2]) * 0.036246), wake=[WAKE])

    def test_nmol_values_under_a_ug_dl_label_are_refused(self) -> None:
        with pytest.raises(UnitError, match="UNIT_SUSPECT"):
            cortisol(day([0, 4, 15], [12, 7, 2], unit="ug/dL"), wake=[WAKE])

    def test_one_day_in_the_wrong_unit_among_good_days_is_refused(self) -> None:
        wakes = [f"2024-03-0{i}T07:00:00+01:00" for i in (1, 2, 3)]
        values = [[12, 7, 2], [12 * 0.036, 7 * 0.036, 2 * 0.036], [12, 7, 2]]
        with pytest.raises(UnitError, match="UNIT_SUSPECT"):
            cortisol(days(wakes=wakes, hours=[0, 4, 15], values=values), wake=wakes)

    def test_low_but_plausible_cortisol_is_accepted(self) -> None:
        assert math.isfinite(float(cortisol(day([0, 4, 15], [3, 2, 1]), wake=[WAKE])["slope_ln"][0]))

    @settings(max_examples=30, deadline=None)
    @given(st.floats(0.5, 1.5))
    def test_slope_of_ln_does_not_change_with_the_unit(self, factor: float) -> None:
        values = np.array([14.0, 7.0, 5.0, 2.0]) * factor
        nmol = cortisol(day([0, 4, 10, 15], values), wake=[WAKE])
        ug = cortisol(day([0, 4, 10, 15], values * 0.036246, unit="ug/dL"), wake=[WAKE])
        assert float(nmol["slope_ln"][0]) == pytest.approx(float(ug["slope_ln"][0]), rel=1e-9)


class TestOffer:
    def test_person_value_is_the_mean_of_days_with_its_standard_error(self) -> None:
        wakes = [f"2024-03-0{i}T07:00:00+01:00" for i in (1, 2, 3)]
        values = [[12, 7, 4, 2], [14, 8, 4, 3], [10, 7, 5, 2]]
        found = cortisol(days(wakes=wakes, hours=[0, 4, 10, 15], values=values), wake=wakes)
        slopes = found["slope_ln"].to_numpy()
        row = next(r for r in rows_of(found, "s1") if r.biomarker == "cortisol_slope")
        assert row.value == pytest.approx(slopes.mean(), rel=1e-12)
        assert row.standard_error == pytest.approx(slopes.std(ddof=1) / math.sqrt(3), rel=1e-12)
        assert row.n == 3
        assert "FEW_DAYS" not in row.quality

    def test_fewer_than_three_days_are_flagged(self) -> None:
        row = rows_of(cortisol(day([0, 4, 10, 15], [12, 7, 4, 2]), wake=[WAKE]), "s1")[0]
        assert row.quality[0] == "FEW_DAYS"
        assert math.isnan(row.standard_error)

    def test_nothing_in_the_result_needs_objects_or_booleans(self) -> None:
        found = cortisol(day([0, 4, 10, 15], [12, 7, 4, 2]), wake=[WAKE])
        assert {v.dtype.kind for v in found.variables.values()} <= {"f", "i"}


series = st.lists(st.floats(0.1, 50), min_size=2, max_size=8)


@settings(max_examples=40, deadline=None)
@given(series, st.floats(0.1, 3))
def test_areas_scale_with_values_and_agree_with_trapezoids(values: list[float], scale: float) -> None:
    c = np.array(values)
    t = np.arange(len(c)) * 15.0
    assert area_ground(t, c) == pytest.approx(float(np.trapezoid(c, t)), rel=1e-12)
    assert area_ground(t, c * scale) == pytest.approx(scale * area_ground(t, c), rel=1e-9)
    assert area_increase(t, c + 5.0) == pytest.approx(area_increase(t, c), rel=1e-6, abs=1e-6)
    assert mean_increase(c) <= peak_increase(c) + 1e-12


def test_published_nights_reproduce(recordings: Callable[[str], Path]) -> None:
    folder = recordings("cortisol_car") / "carwatch"
    samples = pd.read_csv(folder / "cortisol_samples_cleaned.csv")
    features = pd.read_csv(folder / "cortisol_features_cleaned.csv").set_index(["subject", "night", "saliva_feature"])
    compared, worst = 0, 0.0
    for (subject, night), group in samples.groupby(["subject", "night"]):
        if (subject, night, "auc_g") not in features.index:
            continue
        minutes, values = group["time"].to_numpy(dtype=float), group["cortisol"].to_numpy(dtype=float)
        for name, found in (("auc_g", area_ground(minutes, values)), ("auc_i", area_increase(minutes, values))):
            expected = float(features.loc[(subject, night, name), "cortisol"])
            worst = max(worst, abs(found - expected))
        compared += 1
    assert compared == 95
    assert worst < 1e-9


def test_published_nights_through_the_whole_path(recordings: Callable[[str], Path]) -> None:
    folder = recordings("cortisol_car") / "carwatch"
    samples = pd.read_csv(folder / "cortisol_samples_cleaned.csv")
    features = pd.read_csv(folder / "cortisol_features_cleaned.csv").set_index(["subject", "night", "saliva_feature"])
    checked = 0
    for (subject, night), group in list(samples.groupby(["subject", "night"]))[:12]:
        if (subject, night, "auc_g") not in features.index or group["time"].iloc[0] < 0:
            continue
        wake = pd.Timestamp(group["date"].iloc[0]) + pd.Timedelta(group["wake_onset_time"].iloc[0])
        frame = pd.DataFrame(
            {
                "collected_at": wake + pd.to_timedelta(group["time"], unit="min"),
                "value": group["cortisol"],
                "unit": "nmol/L",
                "specimen": "saliva",
            }
        )
        found = cortisol(frame, wake=[wake])
        expected = float(features.loc[(subject, night, "auc_g"), "cortisol"])
        assert float(found["aucg"][0]) == pytest.approx(expected, abs=1e-9)
        checked += 1
    assert checked >= 10
