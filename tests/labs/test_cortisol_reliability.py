"""Reliability of cortisol features over days: recovery, days needed, reasons, and published nights."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allostat.errors import InputError
from allostat.labs import cortisol, cortisol_reliability, reliability_table
from allostat.labs.cortisol_curve import area_ground
from allostat.labs.cortisol_reliability import ReliabilityReason
from allostat.reliability import intraclass_correlation, spearman_brown


def days(icc: float, persons: int = 80, per_person: int = 4, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(persons), per_person)
    level = rng.normal(0, math.sqrt(icc), persons)[who] + rng.normal(0, math.sqrt(1 - icc), len(who))
    return pd.DataFrame({"participant_id": who.astype(str), "slope_ln": level * 0.03, "aucg": np.exp(8 + 0.3 * level)})


def test_truth_is_found_on_both_scales() -> None:
    found = cortisol_reliability(days(0.35, persons=400), features=["slope_ln", "aucg"], resamples=200)
    for name in ("slope_ln", "aucg"):
        one = found.sel(feature=name)
        assert float(one["icc"]) == pytest.approx(0.35, abs=0.06)
        assert float(one["icc_low"]) < 0.35 < float(one["icc_high"])
        assert float(one["icc_boot_low"]) < float(one["icc"]) < float(one["icc_boot_high"])
        assert float(one["reliability"]) == pytest.approx(spearman_brown(float(one["icc"]), 4), rel=1e-12)
    assert float(found["icc"][0]) == pytest.approx(float(found["icc"][1]), rel=1e-9)
    assert found["scale"].to_numpy().tolist() == [0, 1]
    assert float(found["sem"][0]) == pytest.approx(0.03 * math.sqrt(0.65), rel=0.05)
    assert float(found["smallest_real_difference"][0]) == pytest.approx(2.7719 * float(found["sem"][0]), rel=1e-4)


def test_days_needed_reach_the_reliability_and_no_fewer_do() -> None:
    found = cortisol_reliability(days(0.35), features=["slope_ln"], resamples=10)
    icc = float(found["icc"][0])
    for wanted, needed in zip(found["wanted"].to_numpy(), found["days_needed"].to_numpy()[0], strict=True):
        assert spearman_brown(icc, needed) >= wanted > spearman_brown(icc, needed - 1)


def test_a_seed_repeats_the_bootstrap() -> None:
    one = cortisol_reliability(days(0.4), features=["aucg"], resamples=100, seed=3)
    assert one.identical(cortisol_reliability(days(0.4), features=["aucg"], resamples=100, seed=3))


def test_reasons_stand_where_nothing_is_known() -> None:
    table = days(0.4, persons=3)
    table["at_noon"] = math.nan
    table["at_waking"] = [5.0, 6, 7, 8, 5.0] + [math.nan] * 7
    table["mninc"] = np.tile([0.0, 10, 1, 9], 3)
    names = ["at_noon", "at_waking", "mninc"]
    found = cortisol_reliability(table, features=names, resamples=10)
    reasons = [ReliabilityReason(int(r)) for r in found["reasons"]]
    assert reasons == [ReliabilityReason.FEW_GROUPS, ReliabilityReason.NO_REPEATS, ReliabilityReason.NEGATIVE]
    assert float(found["icc"][2]) < 0
    assert np.isnan(found["days_needed"]).all()
    text = reliability_table(found)
    assert text["reason"].tolist() == ["FEW_GROUPS", "NO_REPEATS", "NEGATIVE"]
    assert {"days_for_0.7", "days_for_0.8", "days_for_0.9"} <= set(text.columns)


def test_unknown_features_and_empty_tables_are_refused() -> None:
    with pytest.raises(InputError, match="unknown feature"):
        cortisol_reliability(days(0.4), features=["slope"])
    with pytest.raises(InputError, match="participant_id"):
        cortisol_reliability(days(0.4).drop(columns="participant_id"))
    with pytest.raises(InputError, match="no cortisol results"):
        cortisol_reliability({})


def test_results_of_persons_give_every_feature() -> None:
    rng = np.random.default_rng(2)
    results = {}
    wakes = [pd.Timestamp(f"2024-03-0{d}T07:00:00+01:00") for d in (1, 2)]
    for who in range(6):
        level = rng.normal(0, 0.5)
        rows = [
            (wake + pd.Timedelta(h, "h"), math.exp(2.5 + level - 0.12 * h + rng.normal(0, 0.2)))
            for wake in wakes
            for h in (0, 0.5, 0.75, 5, 14)
        ]
        frame = pd.DataFrame(rows, columns=["collected_at", "value"]).assign(unit="nmol/L", specimen="saliva")
        results[f"s{who}"] = cortisol(frame, wake=wakes)
    found = cortisol_reliability(results, resamples=50)
    assert found.sizes["feature"] == 15
    expected = intraclass_correlation(
        np.log([float(v) for r in results.values() for v in r["aucg"]]), np.repeat(list(results), 2)
    )
    assert float(found["icc"].sel(feature="aucg")) == pytest.approx(expected.icc, rel=1e-12)
    assert float(found["icc"].sel(feature="aucg")) > 0.5
    assert all({"units", "long_name", "references"} <= set(found[n].attrs) for n in ("icc", "sem", "days_needed"))


def test_published_nights_have_the_reliability_of_a_direct_computation(recordings: Callable[[str], Path]) -> None:
    samples = pd.read_csv(recordings("cortisol_car") / "carwatch" / "cortisol_samples_cleaned.csv")
    rows = [
        (subject, area_ground(g["time"].to_numpy(float), g["cortisol"].to_numpy(float)))
        for (subject, _), g in samples.groupby(["subject", "night"])
    ]
    table = pd.DataFrame(rows, columns=["participant_id", "aucg"])
    found = cortisol_reliability(table, features=["aucg"])
    pairs = table.dropna().groupby("participant_id")["aucg"].apply(lambda v: np.log(v.to_numpy()))
    both = np.array([v for v in pairs if len(v) == 2])
    within = ((both[:, 0] - both[:, 1]) ** 2 / 2).mean()
    assert float(found["sem"][0]) == pytest.approx(math.sqrt(within), rel=1e-9)
    assert 0.2 < float(found["icc"][0]) < 0.8
