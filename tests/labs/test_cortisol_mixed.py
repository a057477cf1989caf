"""Mixed model of ln cortisol: predictions by the equations themselves, recovery, coverage, honesty."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from allostat.errors import InputError, UnitError
from allostat.labs import cortisol, cortisol_mixed
from allostat.labs import cortisol_mixed as room_function
from allostat.labs.cortisol_mixed_model import (
    Variances,
    cross_products,
    fixed_effects,
    log_likelihood,
    maximise,
    predict_persons,
)
from allostat.labs.cortisol_mixed_result import PersonReason, slope_biomarkers
from allostat.labs.cortisol_rules import AssayCalibration, CortisolSettings, Keep
from allostat.labs.cortisol_table import samples_table
from allostat.labs.cortisol_two_stage import person_lines, shrink_lines

TRUE = Variances(intercept=0.16, covariance=-0.003, slope=0.0009, day=0.04, residual=0.1)


def study(
    seed: int,
    persons: int = 120,
    days: int = 3,
    hours: tuple[float, ...] = (0.0, 4.0, 10.0, 15.0),
    *,
    rise: float = 0.0,
    bend: float = 0.0,
) -> tuple[pd.DataFrame, np.ndarray]:
    """Samples of persons whose slopes are known, and these slopes."""
    rng = np.random.default_rng(seed)
    cov = [[TRUE.intercept, TRUE.covariance], [TRUE.covariance, TRUE.slope]]
    person = rng.multivariate_normal([2.7, -0.13], cov, persons)
    rows = []
    for i in range(persons):
        for j in range(days):
            day = rng.normal(0, math.sqrt(TRUE.day))
            for k, h in enumerate(hours):
                at = h if k == 0 else h + rng.uniform(-0.05, 0.05) * h
                mean = person[i, 0] + day + person[i, 1] * at + bend * (at**2 - 15 * at)
                mean += rise if 0 < at <= 1 else 0.0
                value = math.exp(mean + rng.normal(0, math.sqrt(TRUE.residual)))
                rows.append((f"s{i:03d}", j + 1, at, value))
    frame = pd.DataFrame(rows, columns=["participant_id", "day", "hours_since_waking", "value"])
    return frame.assign(unit="nmol/L", specimen="saliva"), person[:, 1]


KEEP = CortisolSettings(outliers=Keep())


def small_design(seed: int = 3) -> tuple[Any, ...]:
    """An unbalanced design with a covariate, in arrays."""
    rng = np.random.default_rng(seed)
    person, day, t, extra = [], [], [], []
    d = 0
    for i in range(7):
        for _ in range(rng.integers(1, 4)):
            for _ in range(rng.integers(1, 5)):
                person.append(i)
                day.append(d)
                t.append(rng.uniform(0, 1.6))
                extra.append(rng.normal())
            d += 1
    x = np.column_stack([np.ones(len(t)), t, extra])
    y = x @ [2.7, -1.3, 0.1] + rng.normal(0, 0.5, len(t))
    return x, y, np.array(person), np.array(day)


class TestAgainstTheEquations:
    """The sums against the same quantities from whole matrices."""

    variances = Variances(0.15, 0.05, 0.09, 0.04, 0.12)

    def whole(self) -> tuple[Any, ...]:
        x, y, person, day = small_design()
        z = np.zeros((len(y), 14))
        z[np.arange(len(y)), 2 * person] = 1.0
        z[np.arange(len(y)), 2 * person + 1] = x[:, 1]
        v = self.variances
        g = np.kron(np.eye(7), [[v.intercept, v.covariance], [v.covariance, v.slope]])
        days = (day[:, None] == np.unique(day)).astype(float)
        r = v.residual * np.eye(len(y)) + v.day * days @ days.T
        return x, y, person, day, z, g, r

    def test_predictions_solve_hendersons_equations(self) -> None:
        x, y, person, day, z, g, r = self.whole()
        w = np.linalg.inv(r)
        left = np.block([[x.T @ w @ x, x.T @ w @ z], [z.T @ w @ x, z.T @ w @ z + np.linalg.inv(g)]])
        solution = np.linalg.solve(left, np.concatenate([x.T @ w @ y, z.T @ w @ y]))
        inverse = np.linalg.inv(left)
        sums = cross_products(x, y, person, day, with_day=True)
        coefficients, covariance = fixed_effects(sums, self.variances)
        np.testing.assert_allclose(coefficients, solution[:3], rtol=1e-8)
        np.testing.assert_allclose(covariance, inverse[:3, :3], rtol=1e-8)
        found = predict_persons(sums, self.variances)
        at = 3 + 2 * np.arange(7)
        np.testing.assert_allclose(found.intercept, solution[0] + solution[at], rtol=1e-8)
        np.testing.assert_allclose(found.slope, solution[1] + solution[at + 1], rtol=1e-8)
        for which, errors in ((0, found.intercept_se), (1, found.slope_se)):
            own = inverse[at + which, at + which]
            both = inverse[which, which] + own + 2 * inverse[which, at + which]
            np.testing.assert_allclose(errors, np.sqrt(both), rtol=1e-8)

    @pytest.mark.parametrize("restricted", [True, False])
    def test_likelihood_is_that_of_the_whole_covariance(self, restricted: bool) -> None:
        x, y, person, day, z, g, r = self.whole()
        v = z @ g @ z.T + r
        inverse = np.linalg.inv(v)
        information = x.T @ inverse @ x
        away = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
        expected = np.linalg.slogdet(v)[1] + away @ inverse @ away
        expected += (len(y) - (3 if restricted else 0)) * math.log(2 * math.pi)
        expected += np.linalg.slogdet(information)[1] if restricted else 0.0
        sums = cross_products(x, y, person, day, with_day=True)
        assert log_likelihood(sums, self.variances, restricted=restricted) == pytest.approx(-expected / 2, rel=1e-10)

    @pytest.mark.parametrize("restricted", [True, False])
    def test_no_variances_nearby_are_likelier(self, restricted: bool) -> None:
        frame, _ = study(5, persons=40)
        x = np.column_stack([np.ones(len(frame)), frame["hours_since_waking"] / 10])
        person = np.repeat(np.arange(40), 12)
        sums = cross_products(x, np.log(frame["value"].to_numpy()), person, np.arange(len(x)) // 4, with_day=True)
        best = maximise(sums, restricted=restricted)
        assert best.converged
        for i in range(5):
            for factor in (0.97, 1.03):
                moved = list(best.variances)
                moved[i] *= factor
                assert log_likelihood(sums, Variances(*moved), restricted=restricted) < best.log_likelihood

    def test_statsmodels_estimates_the_same_model(self) -> None:
        smf = pytest.importorskip("statsmodels.formula.api")
        frame, _ = study(11, persons=25)
        found = cortisol_mixed(frame, curve="linear", settings=KEEP)
        assert "CONFIRMED" in found.attrs["status"].split()
        model = smf.mixedlm(
            "np.log(value) ~ t", frame.assign(t=frame["hours_since_waking"] / 10), groups="participant_id",
            re_formula="~t", vc_formula={"day": "0 + C(day)"},
        )  # fmt: skip
        peer = model.fit(reml=True, method=["lbfgs"])
        assert peer.llf == pytest.approx(found.attrs["log_likelihood"] + math.log(10), abs=1e-3)
        assert peer.fe_params["t"] / 10 == pytest.approx(float(found["coefficient"][1]), rel=1e-4)
        slopes = [peer.random_effects[p]["t"] / 10 + peer.fe_params["t"] / 10 for p in found["participant"].to_numpy()]
        np.testing.assert_allclose(found["slope"], slopes, rtol=2e-3)


class TestTruth:
    def test_shrunk_slopes_are_nearer_to_the_truth_than_lines_of_persons(self) -> None:
        frame, truth = study(1, persons=300)
        found = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)
        slopes, own = found["slope"].to_numpy(), found["slope_unshrunk"].to_numpy()
        assert np.corrcoef(slopes, truth)[0, 1] > 0.8
        assert np.mean((slopes - truth) ** 2) < 0.8 * np.mean((own - truth) ** 2)
        assert slopes.std() < truth.std() * 1.02 < own.std()
        components = dict(zip(found["component"].to_numpy(), found["variance"].to_numpy(), strict=True))
        errors = dict(zip(found["component"].to_numpy(), found["variance_se"].to_numpy(), strict=True))
        for name, expected in zip(components, TRUE, strict=True):
            assert abs(components[name] - expected) < 3.5 * errors[name], name

    def test_intervals_of_persons_cover_their_slopes(self) -> None:
        inside: list[float] = []
        for seed in range(9):
            frame, truth = study(100 + seed, persons=100)
            found = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)
            inside += list((found["slope_low"] <= truth) & (truth <= found["slope_high"]))
        assert 0.93 <= np.mean(inside) <= 0.97

    def test_awakening_response_and_bend_do_not_move_the_slope(self) -> None:
        hours = (0.0, 0.5, 4.0, 10.0, 15.0)
        flat, _ = study(7, persons=150, hours=hours)
        bent, _ = study(7, persons=150, hours=hours, rise=0.5, bend=0.002)
        found = cortisol_mixed(bent, check="none", settings=KEEP)
        effects = dict(zip(found["effect"].to_numpy(), found["coefficient"].to_numpy(), strict=True))
        assert effects["awakening_response"] == pytest.approx(0.5 - 0.0145, abs=0.05)
        assert effects["time_squared"] == pytest.approx(0.002, abs=0.0003)
        straight = cortisol_mixed(flat, check="none", settings=KEEP)
        assert np.corrcoef(found["slope"], straight["slope"])[0, 1] > 0.98
        for curve in ("piecewise", "spline"):
            other = cortisol_mixed(bent, curve=curve, check="none", settings=KEEP)  # type: ignore[arg-type]
            np.testing.assert_allclose(other["slope"], found["slope"], atol=0.01)
            np.testing.assert_allclose(other["course"][1:15], found["course"][1:15], atol=0.12)

    def test_excluding_the_response_is_like_giving_it_a_level(self) -> None:
        frame, _ = study(8, persons=60, hours=(0.0, 0.5, 4.0, 10.0, 15.0), rise=0.5)
        without = cortisol_mixed(frame, response="exclude", curve="linear", check="none", settings=KEEP)
        level = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)
        assert without.attrs["left_out_awakening_response"] == 180
        np.testing.assert_allclose(without["slope"], level["slope"], atol=0.02)

    def test_covariates_keep_their_units_and_levels(self) -> None:
        frame, _ = study(9, persons=150)
        rng = np.random.default_rng(0)
        wake = np.repeat(rng.normal(7, 1, 450), 4)
        smoker = np.repeat(rng.choice(["no", "yes", "no"], 150), 12)
        frame = frame.assign(wake_hour=wake, smoker=smoker)
        frame["value"] *= np.exp(-0.08 * (wake - 7) + 0.3 * (smoker == "yes"))
        found = cortisol_mixed(frame, covariates=["wake_hour", "smoker"], curve="linear", check="none", settings=KEEP)
        for name, truth in (("wake_hour", -0.08), ("smoker[yes]", 0.3)):
            at = found.sel(effect=name)
            assert abs(float(at["coefficient"]) - truth) < 3.5 * float(at["coefficient_se"])
        frame.loc[0:3, "wake_hour"] = math.nan
        less = cortisol_mixed(frame, covariates=["wake_hour"], curve="linear", check="none", settings=KEEP)
        assert less.attrs["left_out_covariate_missing"] == 4


class TestHonesty:
    def test_status_and_attributes_travel_with_the_result(self) -> None:
        frame, _ = study(2, persons=50)
        found = cortisol_mixed(frame, settings=KEEP)
        assert found.attrs["converged"] == 1
        assert {"CONVERGED", "CONFIRMED"} <= set(found.attrs["status"].split())
        assert found.attrs["n_samples"] == 600
        for name in ("slope", "variance", "coefficient", "course"):
            assert {"units", "long_name", "method", "references"} <= set(found[name].attrs)

    def test_a_variance_of_zero_is_told(self) -> None:
        frame, _ = study(3, persons=40)
        rng = np.random.default_rng(1)
        line = np.exp(2.7 - 0.13 * frame["hours_since_waking"] + rng.normal(0, 0.3, len(frame)))
        found = cortisol_mixed(frame.assign(value=line), curve="linear", settings=KEEP)
        assert "BOUNDARY" in found.attrs["status"].split()
        assert np.isnan(found["variance_se"]).any()
        assert np.isfinite(found["slope"]).all()
        assert float(found["slope_reliability"].max()) < 0.5

    def test_one_day_each_has_no_day_effect(self) -> None:
        frame, _ = study(4, persons=80, days=1)
        found = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)
        assert "DAY_EFFECT_NOT_IDENTIFIED" in found.attrs["status"].split()
        assert set(found["reasons"].to_numpy()) == {int(PersonReason.FEW_DAYS)}

    def test_without_convergence_the_fallback_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import allostat.labs.cortisol_mixed_model as model

        frame, truth = study(6, persons=200)
        best = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)

        def never(*args: Any, **named: Any) -> Any:
            return model.maximise(*args, **named)._replace(converged=False)

        import sys

        monkeypatch.setattr(sys.modules["allostat.labs.cortisol_mixed"], "maximise", never)
        found = cortisol_mixed(frame, curve="linear", settings=KEEP)
        assert found.attrs["converged"] == 0
        assert {"FALLBACK_TWO_STAGE", "DAY_EFFECT_DROPPED"} <= set(found.attrs["status"].split())
        assert found.attrs["model"] == "two_stage"
        assert math.isnan(found.attrs["log_likelihood"])
        np.testing.assert_allclose(found["slope"], best["slope"], atol=0.03)
        assert np.mean((found["slope"] - truth) ** 2) < np.mean((found["slope_unshrunk"] - truth) ** 2)
        rows = slope_biomarkers(found)
        assert all("MODEL_NOT_CONVERGED" in row.quality for row in rows)

    def test_persons_without_samples_are_missing_with_a_reason(self) -> None:
        frame, _ = study(5, persons=30)
        frame.loc[frame["participant_id"] == "s004", "value"] = math.nan
        frame = frame.drop(frame.index[(frame["participant_id"] == "s007") & (frame["day"] > 1)])
        found = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)
        lost, short = found.sel(participant="s004"), found.sel(participant="s007")
        assert math.isnan(float(lost["slope"]))
        assert PersonReason(int(lost["reasons"])) & PersonReason.NO_USABLE_SAMPLE
        assert PersonReason(int(short["reasons"])) == PersonReason.FEW_DAYS
        assert float(short["slope_se"]) > float(found.sel(participant="s000")["slope_se"])
        assert found.attrs["left_out_no_value"] == 12
        rows = {r.participant: r for r in slope_biomarkers(found)}
        assert rows["s004"].missing
        assert rows["s004"].quality == ("NO_VALID_DAY",)
        assert rows["s000"].value == float(found["slope"][0])
        assert rows["s000"].n == 3

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"specimen": ["saliva", "serum"] * 60}, "several specimens"),
            ({"assay": ["A", "B"] * 60}, "several assays"),
            ({"value": [-1.0] + [5.0] * 119}, "above zero"),
            ({"specimen": [""] * 120}, "needs its specimen"),
        ],
    )
    def test_mixtures_and_impossible_values_are_refused(self, change: dict[str, list[Any]], message: str) -> None:
        frame, _ = study(1, persons=10)
        with pytest.raises(InputError, match=message):
            cortisol_mixed(frame.assign(**change), settings=KEEP)

    def test_values_in_another_unit_than_declared_are_refused(self) -> None:
        frame, _ = study(1, persons=10)
        with pytest.raises(UnitError, match="UNIT_SUSPECT"):
            cortisol_mixed(frame.assign(value=frame["value"] * 0.036246), settings=KEEP)

    def test_columns_that_lack_or_do_not_vary_are_refused(self) -> None:
        frame, _ = study(1, persons=10)
        with pytest.raises(InputError, match="lacks a column"):
            cortisol_mixed(frame.drop(columns="unit"))
        with pytest.raises(InputError, match="lacks a column"):
            cortisol_mixed(frame, covariates=["smoker"])
        with pytest.raises(InputError, match="does not vary"):
            cortisol_mixed(frame.assign(site="A"), covariates=["site"])
        twice = frame.assign(a=np.arange(120.0), b=np.arange(120.0) * 2)
        with pytest.raises(InputError, match="determine each other"):
            cortisol_mixed(twice, covariates=["a", "b"])
        with pytest.raises(InputError, match="time since waking"):
            cortisol_mixed(frame.drop(columns="hours_since_waking"))
        with pytest.raises(InputError, match="too few"):
            cortisol_mixed(frame[frame["participant_id"] == "s001"])
        with pytest.raises(InputError, match=r"row 1, column value: not a number.*'x'"):
            cortisol_mixed(frame.assign(value=["x"] + [5.0] * 119))
        with pytest.raises(InputError, match="no noise"):
            cortisol_mixed(frame.assign(value=8.0), curve="linear")
        with pytest.raises(InputError, match="curve='linear'"):
            cortisol_mixed(frame.assign(hours_since_waking=[0.0, 0.0, 12.0, 12.0] * 30), settings=KEEP)
        with pytest.raises(InputError, match="unknown curve"):
            cortisol_mixed(frame, curve="cubic", settings=KEEP)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="knots"):
            cortisol_mixed(frame, curve="piecewise", knots=[99.0], settings=KEEP)


class TestInput:
    def test_results_of_persons_are_a_table(self) -> None:
        frame, _ = study(12, persons=12)
        results: dict[str, xr.Dataset] = {}
        wakes = [pd.Timestamp(f"2024-03-0{d}T07:00:00+01:00") for d in (1, 2, 3)]
        for who, group in frame.groupby("participant_id"):
            times = [
                wakes[d - 1] + pd.Timedelta(h, "h")
                for d, h in zip(group["day"], group["hours_since_waking"], strict=True)
            ]
            samples = group[["value", "unit", "specimen"]].assign(collected_at=times)
            results[str(who)] = cortisol(samples, wake=wakes, settings=KEEP)
        by_results = cortisol_mixed(results, curve="linear", check="none", settings=KEEP)
        by_table = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)
        np.testing.assert_allclose(by_results["slope"], by_table["slope"], rtol=1e-6)
        table = samples_table(results)
        assert set(table["weekday"]) == {"weekday", "weekend"}
        assert set(table.loc[table["day"] == 1, "weekday"]) == {"weekday"}
        assert set(table["wake_hour"]) == {7.0}

    def test_times_may_be_instants(self) -> None:
        frame, _ = study(13, persons=12)
        wake = pd.Timestamp("2024-03-01T07:00:00+01:00") + pd.to_timedelta(frame["day"], unit="D")
        instants = frame.assign(
            wake_time=wake, collected_at=wake + pd.to_timedelta(frame["hours_since_waking"], unit="h")
        ).drop(columns="hours_since_waking")
        one = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)
        other = cortisol_mixed(instants, curve="linear", check="none", settings=KEEP)
        np.testing.assert_allclose(other["slope"], one["slope"], rtol=1e-6)

    def test_units_detection_limits_and_calibrations_are_those_of_one_person(self) -> None:
        frame, _ = study(14, persons=20)
        expected = cortisol_mixed(frame, curve="linear", check="none", settings=KEEP)
        mixed = frame.copy()
        mixed.loc[::2, "value"] *= 0.036246
        mixed.loc[::2, "unit"] = "ug/dL"
        mixed["operator"] = ""
        mixed.loc[3, "operator"] = "<"
        mixed.loc[3, "value"] *= math.sqrt(2.0)
        found = cortisol_mixed(mixed, curve="linear", check="none", settings=KEEP)
        np.testing.assert_allclose(found["slope"], expected["slope"], rtol=1e-6)
        assays = frame.assign(assay=["A", "B"] * 120)
        assays.loc[assays["assay"] == "B", "value"] = 2.0 + 1.5 * assays["value"]
        line = AssayCalibration(-2.0 / 1.5, 1 / 1.5, assay="B", to="A", source="made up")
        joined = CortisolSettings(outliers=Keep(), calibrations=(line,))
        found = cortisol_mixed(assays, curve="linear", check="none", settings=joined)
        np.testing.assert_allclose(found["slope"], expected["slope"], rtol=1e-6)

    def test_order_of_rows_does_not_matter(self) -> None:
        frame, _ = study(15, persons=20)
        one = cortisol_mixed(frame, check="none", settings=KEEP)
        other = cortisol_mixed(frame.sample(frac=1, random_state=1), check="none", settings=KEEP)
        np.testing.assert_allclose(other["slope"], one["slope"], rtol=1e-7)

    def test_the_public_name_is_the_function(self) -> None:
        assert callable(room_function)


def test_two_stage_shrinkage_without_spread_is_the_mean() -> None:
    person = np.repeat(np.arange(5), 4)
    hours = np.tile([0.0, 4, 10, 15], 5)
    noise = np.tile([0.1, -0.1, 0.1, -0.1], 5)
    lines = person_lines(person, hours, 2.7 - 0.13 * hours + noise, 6)
    shrunk = shrink_lines(lines)
    assert math.isnan(lines.slope[5])
    np.testing.assert_allclose(shrunk.persons.slope, shrunk.mean_slope)
    assert shrunk.variance_slope == 0.0
