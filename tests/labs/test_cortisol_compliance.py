"""Awakenings of several sources, and samples in time or not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allostat.errors import InputError
from allostat.labs import awakenings, compliance_table, sampling_compliance
from allostat.labs.awakenings import Awakening
from allostat.labs.cortisol import cortisol, why
from allostat.labs.cortisol_compliance import SampleTiming
from allostat.labs.cortisol_reasons import DayReason
from allostat.labs.cortisol_rules import CortisolSettings
from allostat.sleep import SleepWindow
from allostat.tables import DiaryDay, Instant, parse_instant

HOUR_NS = 3_600_000_000_000
WAKE = parse_instant("2024-03-01T07:00:00+01:00")
PLAN = {"wake": 0, "wake+30": 30, "wake+45": 45, "noon": "12:00", "bed": "21:00"}


def window(minutes: float, se: float, source: Any = "heart_rate") -> SleepWindow:
    end = WAKE.time_ns + round(minutes * 60e9)
    return SleepWindow(end - 8 * HOUR_NS, end, source, end_se_min=se)


def diary(minutes: float = 0.0) -> DiaryDay:
    instant = Instant(WAKE.time_ns + round(minutes * 60e9), "utc", 3600)
    return DiaryDay("s1", date(2024, 3, 1), instant, None)


def samples(minutes: Sequence[float], names: Sequence[str] = tuple(PLAN), **columns: Any) -> pd.DataFrame:
    start = pd.Timestamp("2024-03-01T07:00:00+01:00")
    values = np.array([12, 17, 15, 6, 3, 2, 2, 2])[: len(minutes)]
    times = [start + pd.Timedelta(m, "min") for m in minutes]
    frame = pd.DataFrame({"collected_at": times, "value": values, "unit": "nmol/L", "specimen": "saliva"})
    return frame.assign(sample=list(names), **columns)


ON_TIME = [2.0, 31.0, 46.0, 303.0, 850.0]


class TestAwakenings:
    def test_a_precise_wearable_goes_before_the_diary_and_keeps_what_that_told(self) -> None:
        (found,) = awakenings([diary(20)], [window(0, 3.0)])
        assert (found.source, found.se_min) == ("heart_rate", 3.0)
        assert (found.other_source, found.other_minus_this_min) == ("diary", 20.0)

    @pytest.mark.parametrize("se", [8.0, math.nan])
    def test_an_uncertain_wearable_goes_after_the_diary(self, se: float) -> None:
        (found,) = awakenings([diary(20)], [window(0, se)])
        assert found.source == "diary"
        assert found.other_minus_this_min == -20.0
        (alone,) = awakenings((), [window(0, se)])
        assert alone.source == "heart_rate"

    def test_preference_can_be_stated(self) -> None:
        assert awakenings([diary(20)], [window(0, 60.0)], prefer="wearable")[0].source == "heart_rate"
        assert awakenings([diary(20)], [window(0, 1.0)], prefer="diary")[0].source == "diary"
        assert awakenings([diary(20)], [window(0, 1.0)], ["2024-03-01T07:10:00+01:00"])[0].source == "stated"
        with pytest.raises(InputError, match="unknown preference"):
            awakenings(prefer="best")  # type: ignore[arg-type]

    def test_awakenings_of_different_nights_stay_apart(self) -> None:
        found = awakenings([diary()], [window(24 * 60, 3.0), window(-24 * 60, 3.0)])
        assert [a.source for a in found] == ["heart_rate", "diary", "heart_rate"]
        assert all(math.isnan(a.other_minus_this_min) for a in found)

    def test_two_awakenings_of_one_source_within_hours_are_two(self) -> None:
        assert len(awakenings([diary(), diary(120)])) == 2

    def test_a_diarys_own_night_among_windows_stays_the_diarys(self) -> None:
        assert awakenings((), [window(0, math.nan, "diary")])[0].source == "diary"


class TestCortisolDay:
    def test_the_source_travels_with_the_features(self) -> None:
        found = cortisol(samples(ON_TIME), wake=awakenings([diary(25)], [window(0, 3.0)], timezone="Europe/Vienna"))
        meanings = found["awakening_source"].attrs["flag_meanings"].split()
        assert meanings[int(found["awakening_source"][0]) + 1] == "heart_rate"
        assert float(found["awakening_se"][0]) == 3.0
        assert float(found["awakening_other"][0]) == 25.0
        assert DayReason(int(found["reasons"][0])) & DayReason.AWAKENING_SOURCES_DISAGREE
        assert "AWAKENING_FROM_HEART_RATE" in found["cortisol_slope"].attrs["quality"].split()
        assert float(found["wake_hour"][0]) == 7.0
        assert math.isfinite(float(found["car_peak_inc"][0]))

    def test_an_uncertain_awakening_allows_no_awakening_response(self) -> None:
        wake = [window(0, 12.0)]
        found = cortisol(samples(ON_TIME), wake=wake)
        assert why(found, "car_peak_inc") == ("AWAKENING_UNCERTAIN",)
        assert math.isfinite(float(found["slope_ln"][0]))
        accepting = CortisolSettings(largest_awakening_se_min=math.inf)
        assert float(cortisol(samples(ON_TIME), wake=wake, settings=accepting)["car_peak_inc"][0]) == 5.0

    def test_diary_and_wearable_of_one_morning_are_one_awakening(self) -> None:
        found = cortisol(samples(ON_TIME), wake=[diary(1.0), window(0, 3.0)])
        assert found.sizes["day"] == 1
        assert found["n"].to_numpy().tolist() == [5]


class TestCompliance:
    def test_all_in_time(self) -> None:
        found = sampling_compliance(samples(ON_TIME), PLAN, wake=[WAKE])
        np.testing.assert_allclose(found["delay"], [2, 1, 1, 3, 10], atol=1e-9)
        assert found["timing"].to_numpy().tolist() == [0] * 5
        day = found.isel(day=0)
        assert (float(day["in_time"]), int(day["response_valid"]), float(day["first_sample_delay"])) == (1.0, 1, 2.0)

    def test_delays_are_flagged_by_block(self) -> None:
        found = sampling_compliance(samples([4, 36, 39, 316, 830]), PLAN, wake=[WAKE])
        timing = [SampleTiming(int(t)) for t in found["timing"]]
        assert timing == [SampleTiming(0), SampleTiming.LATE, SampleTiming.EARLY, SampleTiming.LATE, SampleTiming(0)]
        day = found.isel(day=0)
        assert (int(day["n_response_off"]), int(day["n_other_off"]), float(day["in_time"])) == (2, 1, 0.4)
        wider = sampling_compliance(samples([4, 36, 39, 316, 830]), PLAN, wake=[WAKE], other_limit_min=60)
        assert int(wider["n_other_off"][0]) == 0

    def test_a_late_first_sample_makes_the_response_invalid(self) -> None:
        found = sampling_compliance(samples([6, 31, 46, 300, 840]), PLAN, wake=[WAKE])
        assert int(found["response_valid"][0]) == 0
        assert DayReason(int(found["reasons"][0])) & DayReason.CAR_START_DELAYED
        none = sampling_compliance(samples([2, 300, 840], ["wake", "noon", "bed"]), PLAN, wake=[WAKE])
        assert int(none["response_valid"][0]) == -1

    def test_the_wearable_finds_out_what_the_diary_hid(self) -> None:
        """A participant lay awake for 20 min, and wrote the time of the first sample as that of awakening."""
        honest = sampling_compliance(samples(ON_TIME), PLAN, wake=[diary()])
        found = sampling_compliance(samples(ON_TIME), PLAN, wake=awakenings([diary()], [window(-20, 4.0)]))
        assert (int(honest["response_valid"][0]), int(found["response_valid"][0])) == (1, 0)
        assert float(found["first_sample_delay"][0]) == pytest.approx(22.0)
        table = compliance_table(found)
        assert table["awakening_source"].tolist() == ["heart_rate"]
        assert table["awakening_other"].tolist() == [20.0]
        assert table["response_valid"].tolist() == ["no"]
        assert {"CAR_START_DELAYED", "AWAKENING_SOURCES_DISAGREE"} <= set(table["reasons"][0].split())

    def test_a_plan_in_order_is_matched_around_missing_samples(self) -> None:
        plan = list(PLAN.values())
        found = sampling_compliance(samples([2, 47, 303, 850], [""] * 4), plan, wake=[WAKE])
        np.testing.assert_allclose(found["delay"], [2, 2, 3, 10], atol=1e-9)
        assert (int(found["n_taken"][0]), int(found["n_planned"][0]), float(found["in_time"][0])) == (4, 5, 0.8)
        more = sampling_compliance(samples([2, 31, 46, 120, 303, 850], [""] * 6), plan, wake=[WAKE])
        assert SampleTiming(int(more["timing"][3])) == SampleTiming.NOT_PLANNED

    def test_without_awakening_only_clock_times_have_a_delay(self) -> None:
        found = sampling_compliance(samples(ON_TIME), PLAN)
        np.testing.assert_allclose(found["delay"], [math.nan] * 3 + [3, 10], atol=1e-9)
        assert SampleTiming(int(found["timing"][0])) == SampleTiming.NO_TIME
        assert compliance_table(found)["awakening_source"].tolist() == ["not_known"]

    def test_unplanned_names_and_missing_values(self) -> None:
        frame = samples(ON_TIME, ["wake", "wake+30", "extra", "noon", "bed"])
        frame.loc[3, "value"] = math.nan
        found = sampling_compliance(frame, PLAN, wake=[WAKE])
        assert SampleTiming(int(found["timing"][2])) == SampleTiming.NOT_PLANNED
        assert (int(found["n_taken"][0]), float(found["in_time"][0])) == (3, 0.6)

    def test_early_awakening_is_told(self) -> None:
        wake = Awakening(parse_instant("2024-03-01T03:30:00+01:00"))
        found = sampling_compliance(samples([-208, -180, -165, 303, 850]), PLAN, wake=[wake])
        assert DayReason(int(found["reasons"][0])) & DayReason.EARLY_AWAKENING

    @pytest.mark.parametrize("plan", [[], {}, ["noon"], [-5], {"wake": 5000.0}, ["24:00"]])
    def test_plans_without_times_are_refused(self, plan: Any) -> None:
        with pytest.raises(InputError):
            sampling_compliance(samples(ON_TIME), plan, wake=[WAKE])
