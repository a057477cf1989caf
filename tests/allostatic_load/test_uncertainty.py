"""Intervals of a person's index: coverage of the truth, correlated errors, draws that belong to a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allostat.allostatic_load import (
    Definition,
    ErrorCorrelation,
    Marker,
    Reference,
    ReferenceEntry,
    System,
    allostatic_load,
    fit_reference,
)
from allostat.allostatic_load.uncertainty import poisson_binomial
from allostat.biomarkers import biomarker_kind
from allostat.errors import ConfigError
from allostat.panel import Panel

MEAN = {"sbp": 125.0, "dbp": 78.0, "hdl": 50.0, "hs_crp": 0.4, "rmssd_night": 3.6}
SD = {"sbp": 15.0, "dbp": 9.0, "hdl": 11.0, "hs_crp": 0.9, "rmssd_night": 0.4}
NAMES = tuple(MEAN)
SE = {n: 0.35 * SD[n] for n in NAMES}


def reference() -> Reference:
    """Normal on the scale of the transforms, quartile cuts, limits at 1 and 99 percent."""
    entries = []
    for name in NAMES:
        kind = biomarker_kind(name)
        high = kind.direction == "high"
        cut = MEAN[name] + (0.6744897501960817 if high else -0.6744897501960817) * SD[name]
        entries.append(
            ReferenceEntry(
                name,
                kind.unit,
                kind.transform,
                kind.direction,
                kind.context,
                n=1000,
                mean=MEAN[name],
                sd=SD[name],
                winsor_low=MEAN[name] - 2.326 * SD[name],
                winsor_high=MEAN[name] + 2.326 * SD[name],
                cut=float(np.exp(cut)) if kind.transform == "ln" else cut,
                operator=">=" if high else "<=",
                quantile=0.75,
                quantile_type=7,
            )
        )
    return Reference("normal", "1", "", tuple(entries), {})


def definition(algorithm: Any = "system", **more: Any) -> Definition:
    groups = (("sbp", "dbp"), ("hs_crp", "hdl"), ("rmssd_night",))
    systems = tuple(System(f"k{i}", tuple(Marker(b, (b,)) for b in g)) for i, g in enumerate(groups))
    return Definition("mine", "1", "mine", "", "", algorithm, systems, "none", **{"strata": "pooled", **more})


def panel(f: np.ndarray[Any, Any], se: dict[str, float] | None = None) -> Panel:
    """Persons from transformed values (n, biomarkers)."""
    n = len(f)
    value = np.stack(
        [np.exp(f[:, j]) if biomarker_kind(b).transform == "ln" else f[:, j] for j, b in enumerate(NAMES)], axis=1
    )
    errors = np.full(value.shape, np.nan) if se is None else np.tile([se[b] for b in NAMES], (n, 1))
    return Panel(
        tuple(f"p{i:05d}" for i in range(n)), ("1",), NAMES, value, errors, ~np.isnan(value),
        np.full(n, -1, dtype=np.int8), np.full(n, np.nan), np.full(n, ""),
    )  # fmt: skip


def truth_and_measured(n: int, seed: int, rho: float = 0.0) -> tuple[Panel, Panel]:
    """True persons, and the same with measurement error (of which systolic and diastolic share some)."""
    rng = np.random.default_rng(seed)
    true = np.stack([rng.normal(MEAN[b], SD[b], n) for b in NAMES], axis=1)
    error = rng.standard_normal((n, len(NAMES)))
    error[:, 1] = rho * error[:, 0] + np.sqrt(1 - rho**2) * error[:, 1]
    return panel(true), panel(true + error * np.array([SE[b] for b in NAMES]), SE)


def coverage(found: Any, true: Any) -> float:
    inside = (found["ci_low"] <= true["index"]) & (true["index"] <= found["ci_high"])
    return float(inside.mean())


class TestCoverage:
    @pytest.mark.parametrize("algorithm", ["system", "zmean", "zsum"])
    def test_delta_intervals_cover_the_truth(self, algorithm: str) -> None:
        true, measured = truth_and_measured(3000, 1)
        found = allostatic_load(measured, definition(algorithm), reference())
        assert 0.93 <= coverage(found, allostatic_load(true, definition(algorithm), reference())) <= 0.97

    @pytest.mark.parametrize("algorithm", ["system", "zmean"])
    def test_drawn_intervals_cover_the_truth(self, algorithm: str) -> None:
        true, measured = truth_and_measured(900, 2)
        found = allostatic_load(measured, definition(algorithm), reference(), uncertainty="bootstrap", draws=200)
        assert 0.93 <= coverage(found, allostatic_load(true, definition(algorithm), reference())) <= 0.97

    def test_without_winsorising_both_intervals_are_the_same(self) -> None:
        _, measured = truth_and_measured(60, 3)
        one = allostatic_load(measured, definition(), reference(), winsorise=False)
        two = allostatic_load(measured, definition(), reference(), winsorise=False, uncertainty="bootstrap", draws=4000)
        np.testing.assert_allclose(two["index_se"], one["index_se"], rtol=0.06)
        np.testing.assert_allclose(two["ci_low"], one["ci_low"], atol=0.06)

    def test_counts_cover_at_least_their_level(self) -> None:
        """A count is whole: its interval covers more often than 95 percent, not exactly."""
        true, measured = truth_and_measured(3000, 4)
        found = allostatic_load(measured, definition("count"), reference())
        assert coverage(found, allostatic_load(true, definition("count"), reference())) >= 0.95

    def test_shared_errors_of_pressure_need_their_correlation(self) -> None:
        """With errors that go together the interval without the correlation is too narrow."""
        true, measured = truth_and_measured(6000, 5, rho=0.9)
        only = replace(definition("zmean"), systems=definition().systems[:1])
        right = allostatic_load(true, only, reference(), winsorise=False)
        told = allostatic_load(measured, only, reference(), winsorise=False, error_correlation={("sbp", "dbp"): 0.9})
        untold = allostatic_load(measured, only, reference(), winsorise=False)
        assert 0.93 <= coverage(told, right) <= 0.97
        assert coverage(untold, right) < 0.89
        assert told.attrs["error_correlation"] == "dbp-sbp 0.9"


class TestDraws:
    @pytest.mark.parametrize("algorithm", ["system", "count", "zpos", "tail_weighted"])
    def test_a_person_alone_has_the_draws_of_the_cohort(self, algorithm: str) -> None:
        _, measured = truth_and_measured(30, 6)
        settings: dict[str, Any] = {"uncertainty": "bootstrap", "draws": 100, "seed": 4}
        settings["error_correlation"] = {("sbp", "dbp"): 0.5}
        cohort = allostatic_load(measured, definition(algorithm), reference(), **settings)
        for i in (0, 17):
            alone = allostatic_load(measured.rows(np.array([i])), definition(algorithm), reference(), **settings)
            for name in ("index_se", "ci_low", "ci_high"):
                assert float(alone[name][0]) == float(cohort[name][i])

    @pytest.mark.parametrize("algorithm", ["dm", "pca", "pscore_sum", "mahalanobis_thr"])
    def test_algorithms_that_bend_have_drawn_intervals_alone_as_in_the_cohort(self, algorithm: str) -> None:
        _, measured = truth_and_measured(300, 12)
        bent = definition(algorithm)
        fitted = fit_reference(measured, name="x", by_sex=False, definition=bent)
        some = measured.rows(np.arange(12))
        settings: dict[str, Any] = {"uncertainty": "bootstrap", "draws": 200, "winsorise": True}
        cohort = allostatic_load(some, bent, fitted, **settings)
        alone = allostatic_load(measured.rows(np.array([5])), bent, fitted, **settings)
        assert (alone["ci_low"].item(), alone["ci_high"].item()) == (cohort["ci_low"][5], cohort["ci_high"][5])
        delta = allostatic_load(some, bent, fitted)["index_se"]
        ratio = (cohort["index_se"] / delta).to_numpy()
        assert (ratio > 0).all()
        assert 0.6 < np.median(ratio) < 1.4

    def test_the_seed_decides(self) -> None:
        _, measured = truth_and_measured(5, 7)
        a, b, c = (
            allostatic_load(measured, definition(), reference(), uncertainty="bootstrap", draws=100, seed=s)
            for s in (1, 1, 2)
        )
        np.testing.assert_array_equal(a["ci_low"], b["ci_low"])
        assert (a["ci_low"] != c["ci_low"]).all()
        assert a.attrs["uncertainty"] == "bootstrap, 100 draws, seed 1"

    def test_a_biomarker_that_nobody_uses_changes_no_draw(self) -> None:
        _, measured = truth_and_measured(5, 7)
        wider = replace(
            measured,
            biomarkers=("bmi", *measured.biomarkers),
            value=np.hstack([np.full((5, 1), 25.0), measured.value]),
            standard_error=np.hstack([np.full((5, 1), 1.0), measured.standard_error]),
            present=np.hstack([np.ones((5, 1), dtype=bool), measured.present]),
        )
        settings: dict[str, Any] = {"uncertainty": "bootstrap", "draws": 100}
        one, two = (allostatic_load(p, definition(), reference(), **settings) for p in (measured, wider))
        np.testing.assert_array_equal(one["ci_high"], two["ci_high"])

    def test_drawn_counts_follow_the_poisson_binomial_distribution(self) -> None:
        _, measured = truth_and_measured(20, 8)
        exact = allostatic_load(measured, definition("count"), reference())
        drawn = allostatic_load(measured, definition("count"), reference(), uncertainty="bootstrap", draws=4000)
        np.testing.assert_allclose(drawn["index_se"], exact["index_se"], atol=0.04)
        close = (drawn["ci_low"] == exact["ci_low"]) & (drawn["ci_high"] == exact["ci_high"])
        assert float(close.mean()) >= 0.8
        assert poisson_binomial(exact["p_flag"].to_numpy()[0]).sum() == pytest.approx(1.0)

    def test_correlated_errors_of_flags_are_drawn(self) -> None:
        """Errors that are one: two flags at the same place of their scales go up and down together."""
        f = np.array([[MEAN[b] + 0.6744897501960817 * SD[b] for b in NAMES]])
        only = replace(definition("count"), systems=definition().systems[:1])
        with pytest.raises(ConfigError, match="bootstrap"):
            allostatic_load(panel(f, SE), only, reference(), error_correlation={("sbp", "dbp"): 1.0})
        both, neither = (
            allostatic_load(
                panel(f, SE), only, reference(), uncertainty="bootstrap", draws=4000,
                error_correlation={("sbp", "dbp"): rho},
            )["index_se"].item()
            for rho in (1.0, 0.0)
        )  # fmt: skip
        assert both == pytest.approx(1.0, abs=0.02)
        assert neither == pytest.approx(np.sqrt(0.5), abs=0.02)

    def test_without_standard_errors_there_is_no_interval(self) -> None:
        true, _ = truth_and_measured(4, 9)
        found = allostatic_load(true, definition(), reference(), uncertainty="bootstrap", draws=100)
        assert np.isnan(found["index_se"]).all()
        assert np.isfinite(found["index"]).all()

    def test_wrong_settings_are_refused(self) -> None:
        _, measured = truth_and_measured(3, 9)
        with pytest.raises(ConfigError, match="nearest valid: 'bootstrap'"):
            allostatic_load(measured, definition(), reference(), uncertainty="bootstrp")  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match="100 or more"):
            allostatic_load(measured, definition(), reference(), uncertainty="bootstrap", draws=5)


class TestErrorCorrelation:
    def test_opposite_directions_take_the_sign_along(self) -> None:
        """HDL turns with its risk: errors of HDL and CRP that rise together cancel in the index."""
        _, measured = truth_and_measured(3, 10)
        only = replace(
            definition("zsum"), systems=(System("one", (Marker("crp", ("hs_crp",)), Marker("hdl", ("hdl",)))),)
        )
        found = allostatic_load(
            measured, only, reference(), winsorise=False, error_correlation={("hs_crp", "hdl"): 1.0}
        )
        np.testing.assert_allclose(found["index_se"], 0.0, atol=1e-7)
        against = allostatic_load(
            measured, only, reference(), winsorise=False, error_correlation={("hs_crp", "hdl"): -1.0}
        )
        np.testing.assert_allclose(against["index_se"], 0.7, rtol=1e-9)

    def test_a_data_frame_is_the_same_as_pairs(self) -> None:
        names = ["sbp", "dbp", "hdl"]
        frame = pd.DataFrame([[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1.0]], index=names, columns=names)
        a, b = ErrorCorrelation.of(frame), ErrorCorrelation.of({("dbp", "sbp"): 0.6})
        assert a.text() == b.text() == "dbp-sbp 0.6"
        np.testing.assert_array_equal(a.among(["hdl", "sbp", "dbp"]), b.among(["hdl", "sbp", "dbp"]))
        np.testing.assert_allclose(
            a.factor(["sbp", "hdl", "dbp"]) @ a.factor(["sbp", "hdl", "dbp"]).T,
            a.among(["sbp", "hdl", "dbp"]),
            atol=1e-12,
        )

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({("sbp", "spb"): 0.5}, "unknown biomarker"),
            ({("sbp", "dbp"): 1.5}, "between -1 and 1"),
            ({("sbp", "sbp"): 1.0}, "paired with itself"),
            ({("sbp", "dbp"): 0.5, ("dbp", "sbp"): 0.4}, "two correlations"),
            ({("sbp", "dbp"): 0.9, ("sbp", "hdl"): 0.9, ("dbp", "hdl"): -0.9}, "positive semidefinite"),
        ],
    )
    def test_what_is_no_correlation_matrix_is_refused(self, given: Any, said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            ErrorCorrelation.of(given)

    def test_bad_data_frames_are_refused(self) -> None:
        with pytest.raises(ConfigError, match="both sides"):
            ErrorCorrelation.of(pd.DataFrame([[1.0, 0.5]], index=["sbp"], columns=["sbp", "dbp"]))
        with pytest.raises(ConfigError, match="diagonal"):
            ErrorCorrelation.of(pd.DataFrame([[2.0]], index=["sbp"], columns=["sbp"]))
