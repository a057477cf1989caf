"""Features of a cortisol day: fixed times, gaps, responders, reasons, outliers, calibrations, what is offered."""

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
from allostat.errors import InputError
from allostat.labs.cortisol import cortisol, why
from allostat.labs.cortisol_curve import area_ground, area_increase, area_per_minute, nearest_within
from allostat.labs.cortisol_day import FEATURES, day_features
from allostat.labs.cortisol_reasons import DayReason
from allostat.labs.cortisol_rules import AssayCalibration, CortisolSettings, Cut, Keep, Winsorise, winsorise_limits

WAKE = "2024-03-01T07:00:00+01:00"
GAP = CortisolSettings(allow_gap=True)


def day(hours: Sequence[float], values: Sequence[float], *, wake: str = WAKE, **columns: Any) -> pd.DataFrame:
    times = [pd.Timestamp(wake) + pd.Timedelta(round(h * 3600e9), "ns") for h in hours]
    return pd.DataFrame({"collected_at": times, "value": values, "unit": "nmol/L", "specimen": "saliva", **columns})


def one(hours: Sequence[float], values: Sequence[float], **named: Any) -> Any:
    return cortisol(day(hours, values), wake=[WAKE], **named)


class TestGolden:
    def test_response_per_minute_and_responders(self, golden: dict[str, Any]) -> None:
        expected = golden["car"]
        found = one(np.array(expected["t_min"]) / 60, expected["nmolL"])
        assert float(found["car_aucg"][0]) == pytest.approx(expected["AUCg"], rel=1e-9)
        assert float(found["car_auci"][0]) == pytest.approx(expected["AUCi"], rel=1e-9)
        assert float(found["car_aucg_per_min"][0]) == pytest.approx(expected["AUCg_per_min"], rel=1e-9)
        assert float(found["aucg_per_min"][0]) == pytest.approx(expected["AUCg_per_min"], rel=1e-9)
        assert (int(found["car_responder"][0]), int(found["car_responder_strict"][0])) == (1, 1)

    def test_units(self, golden: dict[str, Any]) -> None:
        expected = golden["units"]
        found = cortisol(day([0, 4, 15], [0.5, 0.3, 0.1], unit="ug/dL"), wake=[WAKE])
        np.testing.assert_allclose(
            found["concentration"], np.array([0.5, 0.3, 0.1]) * expected["nmolL_per_ugdL"], rtol=1e-8
        )
        found = cortisol(day([0, 4, 15], [3.6246, 1.0, 0.5], unit="ng/mL"), wake=[WAKE])
        assert float(found["concentration"][0]) == pytest.approx(10.0, rel=1e-9)

    @pytest.mark.parametrize(("peak", "flags"), [(11.4, (0, 0)), (11.5, (1, 0)), (12.5, (1, 1)), (9.0, (0, 0))])
    def test_responders_by_both_thresholds(self, peak: float, flags: tuple[int, int]) -> None:
        found = one([0, 0.5, 0.75, 12], [10.0, peak, 9.0, 3.0])
        assert (int(found["car_responder"][0]), int(found["car_responder_strict"][0])) == flags


class TestFixedTimes:
    def test_each_is_the_nearest_sample_within_its_tolerance(self) -> None:
        found = one([0.05, 0.55, 5.2, 14.5, 16], [12, 18, 6, 3, 2])
        expected = {"at_waking": 12, "at_half_hour": 18, "at_noon": 6, "at_evening": 3, "at_bedtime": 2}
        assert {name: float(found[name][0]) for name in expected} == expected
        assert found["at_noon"].attrs["tolerance_min"] == 60.0

    def test_none_within_the_tolerance_is_missing_with_a_reason(self) -> None:
        found = one([0, 0.8, 7, 11], [12, 18, 6, 3])
        for name in ("at_half_hour", "at_noon", "at_evening"):
            assert math.isnan(float(found[name][0]))
            assert why(found, name) == ("NO_SAMPLE_AT_TIME",)
        assert why(found, "at_bedtime") == ("NO_EVENING_SAMPLE",)
        wider = one([0, 0.8, 7, 11], [12, 18, 6, 3], settings=CortisolSettings(clock_tolerance_min=180))
        assert float(wider["at_noon"][0]) == 6

    def test_unknown_clock(self) -> None:
        found = day_features(np.array([0.0, 300, 840]), np.array([12.0, 6, 2]))
        assert found.why["at_noon"] == DayReason.CLOCK_UNKNOWN
        assert found.values["at_bedtime"] == 2

    def test_evening_after_midnight_goes_around_the_clock(self) -> None:
        assert nearest_within(np.array([20.0, 0.5]), 23.9, 1.0, period=24.0) == 1
        assert nearest_within(np.array([math.nan]), 12.0, 1.0) == -1


class TestGaps:
    hours, values = [0.0, 0.5, 0.75, 1.0, 6.0, 14.0], [10.0, 16.0, math.nan, 12.0, 5.0, 2.0]

    def test_an_inner_gap_is_missing_with_its_reason(self) -> None:
        found = one(self.hours, self.values)
        for name in ("aucg", "auci", "aucg_per_min"):
            assert why(found, name) == ("VALUE_MISSING",)
        for name in ("mninc", "car_peak_inc", "car_aucg"):
            assert why(found, name) == ("CAR_VALUE_MISSING",)
        assert int(found["car_responder"][0]) == -1
        assert math.isfinite(float(found["slope_ln"][0]))
        assert why(found, "slope_ln") == ()

    def test_a_bridged_gap_is_told(self) -> None:
        found = one(self.hours, self.values, settings=GAP)
        expected = (10 + 16) / 2 * 30 + (16 + 12) / 2 * 30 + (12 + 5) / 2 * 300 + (5 + 2) / 2 * 480
        assert float(found["aucg"][0]) == pytest.approx(expected, rel=1e-12)
        assert float(found["mninc"][0]) == pytest.approx((16 + 12) / 2 - 10)
        assert DayReason(int(found["reasons"][0])) & DayReason.GAP_BRIDGED
        assert "GAP_BRIDGED" in found["cortisol_aucg"].attrs["quality"].split()

    def test_a_missing_first_or_last_sample_is_no_inner_gap(self) -> None:
        for values in ([math.nan, 16, 12, 5, 2], [10, 16, 12, 5, math.nan]):
            found = one([0, 0.5, 1, 6, 14], values, settings=GAP)
            assert math.isnan(float(found["aucg"][0]))
            assert why(found, "aucg") == ("VALUE_MISSING",)
        assert why(one([0, 0.5, 1, 6, 14], [math.nan, 16, 12, 5, 2], settings=GAP), "mninc") == ("CAR_VALUE_MISSING",)


class TestReasons:
    def test_every_missing_feature_has_a_reason_and_no_other_has(self) -> None:
        for hours, values in (
            ([0.0, 15.0], [12.0, 2.0]), ([0.2, 0.5, 0.75], [10.0, 12.0, 11.0]), ([3.0], [5.0]),
            ([0, 0.5, 0.8, 4, 9, 15], [10, 12, 11, 6, 4, 2]), ([0, 4, 15], [5, 6, 7]), ([0, 4, 15], [math.nan, 6, 3]),
        ):  # fmt: skip
            found = one(hours, values)
            for name in FEATURES:
                missing = math.isnan(float(found[name][0]))
                expected_none = name == "slope_se" and not math.isnan(float(found["slope_ln"][0]))
                assert bool(why(found, name)) == missing or expected_none, (hours, name)

    def test_a_rising_course_has_no_half_life(self) -> None:
        assert why(one([0, 4, 15], [5, 6, 7]), "half_life") == ("NOT_FALLING",)

    def test_without_awakening_nothing_is_known(self) -> None:
        found = cortisol(day([0, 4, 15], [12, 7, 2]))
        assert {why(found, name) for name in FEATURES} == {("CORTISOL_TIME_MISSING",)}

    def test_unknown_feature(self) -> None:
        with pytest.raises(InputError, match="nearest valid: 'aucg'"):
            why(one([0, 4, 15], [5, 6, 7]), "aucgg")


class TestOutliers:
    def test_reported_values_stay_under_every_rule(self) -> None:
        hours, values = [0, 4, 10, 15], [55.0, 7, 4, 2]
        for rule, used, code in (
            (Cut(), 55.0, None),
            (Cut(50.0), math.nan, "ABOVE_LIMIT"),
            (Winsorise(1.0, 40.0), 40.0, "WINSORISED"),
            (Keep(), 55.0, None),
        ):
            found = one(hours, values, settings=CortisolSettings(outliers=rule))
            assert float(found["reported"][0]) == 55.0
            assert float(found["concentration"][0]) == pytest.approx(used, nan_ok=True)
            codes = [str(r.name) for r in DayReason if r & int(found["reasons"][0])]
            assert code is None or code in codes

    def test_limits_are_of_the_logarithms_of_a_study(self) -> None:
        values = np.exp(np.random.default_rng(1).normal(1.5, 0.5, 4000))
        found = winsorise_limits([*values, math.nan], k_sd=3.0)
        assert found.low_nmol_l == pytest.approx(1.0, rel=0.05)
        assert found.high_nmol_l == pytest.approx(math.exp(3.0), rel=0.05)
        with pytest.raises(InputError, match="ten or more"):
            winsorise_limits([1.0, 2.0])

    def test_blood_is_not_cut_at_a_limit_of_saliva(self) -> None:
        found = cortisol(day([0, 4, 15], [400, 250, 90], specimen="serum"), wake=[WAKE])
        assert found["concentration"].to_numpy().tolist() == [400, 250, 90]

    def test_impossible_rules_are_refused(self) -> None:
        for make in (lambda: Cut(-1.0), lambda: Winsorise(5.0, 2.0), lambda: AssayCalibration(0, 0, assay="A", to="B")):
            with pytest.raises(InputError):
                make()


class TestAssays:
    line = AssayCalibration(-1.0, 0.5, assay="B", to="A", source="made up")

    def test_a_calibration_joins_two_assays(self) -> None:
        samples = day([0, 4, 10, 15], [12, 16, 4, 2], assay=["A", "B", "A", "A"])
        found = cortisol(samples, wake=[WAKE], settings=CortisolSettings(calibrations=(self.line,)))
        assert found["concentration"].to_numpy().tolist() == [12, 7, 4, 2]
        assert found["reported"].to_numpy().tolist() == [12, 16, 4, 2]
        assert found.attrs["assay"] == "A"
        assert "CALIBRATED" in found["cortisol_slope"].attrs["quality"].split()

    def test_on_the_scale_of_logarithms(self) -> None:
        line = AssayCalibration(0.1, 0.9, assay="B", to="A", scale="ln")
        assert line.apply(10.0)[0] == pytest.approx(math.exp(0.1) * 10**0.9)

    def test_a_line_below_zero_is_missing(self) -> None:
        value, reason = self.line.apply(1.5)
        assert math.isnan(value)
        assert reason == DayReason.CALIBRATED_BELOW_ZERO

    def test_two_calibrations_of_one_assay_are_refused(self) -> None:
        settings = CortisolSettings(calibrations=(self.line, self.line))
        with pytest.raises(InputError, match="two calibrations"):
            cortisol(day([0, 4, 15], [12, 7, 2], assay="B"), wake=[WAKE], settings=settings)

    def test_an_unnamed_assay_among_named_ones_is_flagged(self) -> None:
        found = cortisol(day([0, 4, 10, 15], [12, 7, 4, 2], assay=["A", "", "A", "A"]), wake=[WAKE])
        assert "ASSAY_UNNAMED" in found["cortisol_slope"].attrs["quality"].split()


class TestOffers:
    def test_levels_are_geometric_means_of_days(self) -> None:
        wakes = [f"2024-03-0{i}T07:00:00+01:00" for i in (1, 2, 3)]
        parts = [day([0, 6, 14], v, wake=w) for w, v in zip(wakes, ([12, 5, 2], [9, 5, 3], [16, 5, 2]), strict=True)]
        rows = {r.biomarker: r for r in rows_of(cortisol(pd.concat(parts, ignore_index=True), wake=wakes), "s1")}
        waking = np.log([12.0, 9, 16])
        assert rows["cortisol_waking"].value == pytest.approx(math.exp(waking.mean()), rel=1e-12)
        assert rows["cortisol_waking"].standard_error == pytest.approx(waking.std(ddof=1) / math.sqrt(3), rel=1e-12)
        assert rows["cortisol_evening"].value == pytest.approx((2 * 3 * 2) ** (1 / 3), rel=1e-12)
        assert rows["cortisol_aucg_day"].value == rows["cortisol_aucg"].value
        assert rows["cortisol_aucg_day"].unit == "nmol/L.min"

    def test_an_hour_after_waking_is_no_area_of_a_day(self) -> None:
        rows = {r.biomarker: r for r in rows_of(one([0, 0.5, 0.75, 1.0], [10, 16, 14, 12]), "s1")}
        assert rows["cortisol_aucg"].value == pytest.approx(810.0)
        assert rows["cortisol_aucg_day"].missing
        assert {"NO_VALID_DAY", "NO_EVENING_SAMPLE"} <= set(rows["cortisol_aucg_day"].quality)
        assert rows["cortisol_evening"].missing


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 50), st.floats(1, 300)), min_size=3, max_size=8),
    st.integers(1, 6),
    st.floats(0.1, 5),
)
def test_a_bridged_gap_is_the_course_without_that_sample(
    points: list[tuple[float, float]], hole: int, scale: float
) -> None:
    values = np.array([p[0] for p in points])
    minutes = np.cumsum([p[1] for p in points])
    at = 1 + hole % (len(values) - 2) if len(values) > 2 else 1
    gappy = values.copy()
    gappy[at] = math.nan
    without = np.delete(minutes, at), np.delete(values, at)
    assert math.isnan(area_ground(minutes, gappy))
    assert area_ground(minutes, gappy, allow_gap=True) == pytest.approx(area_ground(*without), rel=1e-12)
    assert area_increase(minutes, gappy * scale, allow_gap=True) == pytest.approx(
        scale * area_increase(*without), rel=1e-9, abs=1e-9
    )
    assert values.min() * (1 - 1e-9) <= area_per_minute(minutes, values) <= values.max() * (1 + 1e-9)


def test_areas_of_all_published_nights_of_every_way_of_reporting(recordings: Callable[[str], Path]) -> None:
    folder = recordings("cortisol_car") / "carwatch"
    keys = ["subject", "night", "reporting_type"]
    samples = pd.read_csv(folder / "cortisol_samples_processed_all_reporting_types.csv")
    wide = pd.read_csv(folder / "cortisol_features_processed_all_reporting_types.csv").pivot_table(
        index=keys, columns="saliva_feature", values="cortisol"
    )
    compared, worst = 0, 0.0
    for key, group in samples.groupby(keys):
        if key not in wide.index:
            continue
        minutes, values = group["time_diff_min"].to_numpy(float), group["cortisol"].to_numpy(float)
        found = (area_ground(minutes, values), area_increase(minutes, values))
        worst = max(worst, float(np.abs(np.array(found) - wide.loc[key, ["auc_g", "auc_i"]]).max()))
        compared += 1
    assert compared == len(wide)
    assert worst < 1e-9
