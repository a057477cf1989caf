"""Self-test of the RR unit: 1/1024 s against ms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from allostat_devices.ble.rr_unit import RrUnit, RrUnitTest, RrUnitVerdict


def packets(
    seed: int, units_per_s: float, seconds: float, rates_per_min: tuple[float, float] = (50, 110)
) -> list[tuple[float, list[int]]]:
    """Arrival and raw intervals of one notification per second, with jitter and stalls, of a person at rest."""
    rng = np.random.default_rng(seed)
    mean_s = 60 / rng.uniform(*rates_per_min)
    count = int(seconds / mean_s) + 50
    at = np.arange(count) * mean_s
    breath, wave = rng.uniform(0, 2 * np.pi, 2)
    rr_s = mean_s * (1 + 0.03 * np.sin(2 * np.pi * 0.25 * at + breath) + 0.025 * np.sin(2 * np.pi * 0.1 * at + wave))
    rr_s += rng.normal(0, 0.008, count)
    beats_s = np.cumsum(rr_s)
    raw = np.rint(rr_s * units_per_s).astype(int)
    # where beats fall between two notifications matters when the heart rate is near the notification rate
    phase_s = rng.uniform(0, 1)
    sent, last_s, result = 0, 0.0, []
    for tick in range(int(seconds)):
        now_s = tick + phase_s
        until = int(np.searchsorted(beats_s, now_s))
        stall_s = rng.uniform(0, 0.8) if rng.random() < 0.02 else 0.0
        last_s = max(last_s, now_s + 0.03 + rng.exponential(0.03) + stall_s)
        result.append((last_s, raw[sent:until].tolist()))
        sent = until
    return result


def judged(seed: int, units_per_s: float, seconds: float) -> RrUnitVerdict:
    test = RrUnitTest()
    for arrival_s, rr_raw in packets(seed, units_per_s, seconds):
        test.push(arrival_s, rr_raw)
    return test.verdict()


def test_both_units_are_told_apart_after_a_minute() -> None:
    right = [judged(seed, 1024, 64).unit is RrUnit.STANDARD for seed in range(100)]
    right += [judged(seed, 1000, 64).unit is RrUnit.MILLISECOND for seed in range(100)]
    assert np.mean(right) >= 0.99


def test_a_heart_that_beats_with_the_notifications_is_told_after_a_minute_and_a_half() -> None:
    for unit, units_per_s in ((RrUnit.STANDARD, 1024), (RrUnit.MILLISECOND, 1000)):
        for seed in range(60):
            test = RrUnitTest()
            for arrival_s, rr_raw in packets(seed, units_per_s, 95, (59, 62)):
                test.push(arrival_s, rr_raw)
            assert test.verdict().unit is unit


def test_before_a_minute_nothing_is_decided() -> None:
    verdict = judged(1, 1000, 50)
    assert verdict.unit is RrUnit.PROVISIONAL
    assert verdict.ms_per_unit == 1000 / 1024
    assert RrUnitTest().verdict().unit is RrUnit.PROVISIONAL
    assert math.isnan(RrUnitTest().verdict().per_s)


def test_the_slope_is_that_of_least_squares() -> None:
    test, at, total, sums = RrUnitTest(), [], 0, []
    for number, (arrival_s, rr_raw) in enumerate(packets(5, 1024, 90)):
        test.push(arrival_s, rr_raw)
        if rr_raw:
            total += sum(rr_raw) if number else 0
            at.append(arrival_s)
            sums.append(total)
    assert test.verdict().per_s == pytest.approx(np.polyfit(at, sums, 1)[0], rel=1e-9)
    assert test.verdict().used_s == pytest.approx(at[-1] - at[0])


def test_a_declared_gap_does_not_look_like_the_other_unit() -> None:
    test = RrUnitTest()
    stream = packets(2, 1024, 240)
    for number, (arrival_s, rr_raw) in enumerate(stream):
        if number % 40 >= 38:
            test.interrupt()
        else:
            test.push(arrival_s, rr_raw)
    assert test.verdict().unit is RrUnit.STANDARD
    undeclared = RrUnitTest()
    for number, (arrival_s, rr_raw) in enumerate(stream):
        if number % 40 < 38:
            undeclared.push(arrival_s, rr_raw)
    assert undeclared.verdict().unit is not RrUnit.STANDARD


def test_time_without_contact_does_not_count() -> None:
    test = RrUnitTest()
    for number, (arrival_s, rr_raw) in enumerate(packets(3, 1000, 200)):
        contact = not 60 <= number < 120
        test.push(arrival_s, rr_raw if contact else [700], contact)
    verdict = test.verdict()
    assert verdict.unit is RrUnit.MILLISECOND and verdict.ms_per_unit == 1.0
    assert verdict.used_s < 145


def test_a_slope_that_fits_neither_unit_is_not_decided() -> None:
    assert judged(4, 900, 120).unit is RrUnit.PROVISIONAL
    assert judged(4, 1100, 120).unit is RrUnit.PROVISIONAL


def test_broken_arrivals_and_missing_intervals_end_a_stretch() -> None:
    test = RrUnitTest()
    for arrival_s, rr_raw in [(1.0, [1000]), (math.nan, [1000]), (2.0, [0]), (5.0, [1000]), (4.0, [1000]), (4.0, [])]:
        test.push(arrival_s, rr_raw)
    verdict = test.verdict()
    assert math.isnan(verdict.per_s) and verdict.used_s == 0
