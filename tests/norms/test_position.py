"""Norms by age and sex: percentiles, refused contexts and sensors, ages outside, uncertainty."""

from __future__ import annotations

import csv
import math
import pickle
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import allostat
from allostat.biomarkers import Biomarker, BiomarkerTable, Person
from allostat.errors import ConfigError, InputError
from allostat.norms import NormContextError, load_norm, log_moments, norm_names, position, position_of, positions

VOSS = load_norm("voss2015")


def voss_rows():
    text = resources.files("allostat_data").joinpath("norms", "voss2015_norms.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


def test_the_fifth_percentile_of_young_men_is_that_of_the_log_normal_distribution():
    assert VOSS.quantile("rmssd_rest", 0.05, 30, "M") == pytest.approx(14.9, abs=0.05)
    assert position(14.887, "rmssd_rest", 30, "M").percentile == pytest.approx(5.0, abs=0.01)


@pytest.mark.parametrize("row", voss_rows(), ids=lambda r: r["sex"] + r["age_low"])
def test_every_group_has_the_derived_percentiles_of_the_table(row):
    age = float(row["age_low"]) + 0.5
    for p in (5, 25, 50):
        expected = float(row[f"rmssd_p{p}_derived"])
        assert VOSS.quantile("rmssd_rest", p / 100, age, row["sex"]) == pytest.approx(expected, abs=0.051)
    cell = VOSS.cell("rmssd_rest", age, row["sex"])
    assert cell.mu == pytest.approx(float(row["ln_mu_derived"]), abs=6e-5)
    assert cell.sigma == pytest.approx(float(row["ln_sigma_derived"]), abs=6e-5)
    assert cell.n == int(row["n"])
    sdnn = VOSS.cell("sdnn_rest", age, row["sex"])
    assert math.exp(sdnn.mu + sdnn.sigma**2 / 2) == pytest.approx(float(row["sdnn_mean"]), rel=1e-9)


def test_moments_of_the_logarithm_give_back_mean_and_sd():
    mu, sigma = log_moments(36.2, 18.1)
    mean = math.exp(mu + sigma**2 / 2)
    assert mean == pytest.approx(36.2, rel=1e-12)
    assert mean * math.sqrt(math.expm1(sigma**2)) == pytest.approx(18.1, rel=1e-12)


@pytest.mark.parametrize(
    "biomarker, context", [("rmssd_night", "night"), ("rmssd_10s", "ecg_10s"), ("sdnn_24h", "24h")]
)
def test_another_context_is_refused_and_both_are_named(biomarker, context):
    with pytest.raises(NormContextError, match=rf"(?s){context}.*rest_5min"):
        position(30, biomarker, 30, "M")
    with pytest.raises(NormContextError, match="24h"):
        position(30, "rmssd_rest", 30, "M", context="24h")


def test_the_error_of_a_context_survives_a_process():
    with pytest.raises(NormContextError) as caught:
        VOSS.check("rmssd_night")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (type(copy), copy.found, copy.expected) == (NormContextError, "night", "rest_5min")


def test_pulse_rate_variability_has_no_position_in_an_ecg_norm_unless_asked_for():
    refused = position(30, "rmssd_rest", 30, "M", sensor="ppg")
    assert math.isnan(refused.percentile)
    assert refused.quality == ("SENSOR_DIFFERS",)
    assert "from ppg" in refused.notices[0]
    given_anyway = position(30, "rmssd_rest", 30, "M", sensor="ppg", other_sensor=True)
    assert given_anyway.percentile == position(30, "rmssd_rest", 30, "M", sensor="ecg").percentile
    assert given_anyway.quality == ("SENSOR_DIFFERS",)
    row = Biomarker("s1", "rmssd_rest", 30.0, "ms", quality=("SENSOR_PPG",), context="rest_5min")
    assert position_of(row, Person("s1", "M", 30.0)).quality == ("SENSOR_DIFFERS",)


@pytest.mark.parametrize("age, low", [(25, 25), (34.99, 25), (35, 35), (74.9, 65)])
def test_a_band_ends_with_the_birthday_after_its_last_year(age, low):
    assert position(30, "rmssd_rest", age, "F").cell.age_low == low


@pytest.mark.parametrize(
    "age, sex, code",
    [(24.9, "F", "AGE_OUTSIDE_NORM"), (75, "M", "AGE_OUTSIDE_NORM"), (None, "M", "AGE_MISSING"),
     (math.nan, "M", "AGE_MISSING"), (40, None, "SEX_MISSING")],
)  # fmt: skip
def test_without_a_group_there_is_no_position_but_a_reason(age, sex, code):
    at = position(30, "rmssd_rest", age, sex)
    assert all(math.isnan(v) for v in (at.percentile, at.z, at.z_low, at.percentile_high, at.z_norm_error))
    assert at.quality == (code,)
    assert at.notices
    assert math.isnan(VOSS.quantile("rmssd_rest", 0.5, age, sex))


def test_a_norm_of_both_sexes_takes_persons_whose_sex_is_not_known():
    at = position(math.exp(3.49), "rmssd_rest", 40, None, "nunan2010")
    assert at.percentile == pytest.approx(50)
    assert at.quality == ("SEXES_POOLED", "SECONDARY_NORM")
    assert "not verified" in at.notices[0]
    assert position(40, "rmssd_rest", 40, "M", "nunan2010").z == position(40, "rmssd_rest", 90, "F", "nunan2010").z
    assert position(40, "rmssd_rest", 12, "F", "nunan2010").quality[0] == "AGE_OUTSIDE_NORM"


def test_the_interval_comes_from_the_standard_error_of_the_value():
    at = position(25, "rmssd_rest", 30, "M", standard_error=0.1)
    assert at.z_standard_error == pytest.approx(0.1 / at.cell.sigma, rel=1e-12)
    assert (at.z_low + at.z_high) / 2 == pytest.approx(at.z, rel=1e-12)
    assert at.z_high - at.z == pytest.approx(1.959963984540054 * at.z_standard_error, rel=1e-12)
    assert at.percentile_low < at.percentile < at.percentile_high
    ends = [position(25 * math.exp(s * 1.959963984540054 * 0.1), "rmssd_rest", 30, "M").percentile for s in (-1, 1)]
    assert [at.percentile_low, at.percentile_high] == pytest.approx(ends, rel=1e-9)
    alone = position(25, "rmssd_rest", 30, "M")
    assert math.isnan(alone.percentile_low)
    assert alone.percentile == at.percentile
    assert alone.z_norm_error == pytest.approx(math.sqrt(1 / 330 + at.z**2 / 660), rel=1e-12)


@given(st.floats(2, 250), st.floats(1.001, 1.5), st.sampled_from(["F", "M"]), st.floats(25, 74.99))
@settings(max_examples=50, deadline=None)
def test_percentiles_rise_with_the_value_and_undo_quantiles(value, factor, sex, age):
    here, above = (position(v, "rmssd_rest", age, sex) for v in (value, min(value * factor, 399)))
    assert here.z < above.z
    assert 0 <= here.percentile <= above.percentile <= 100
    if 0.01 < here.percentile < 99.99:
        assert VOSS.quantile("rmssd_rest", here.percentile / 100, age, sex) == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [((0.03, "rmssd_rest", 30, "M"), "UNIT_SUSPECT"), ((30, "rmssd_rest", 30, "X"), "unknown sex"),
     ((30, "rmssd_rest", -4, "M"), "age in years"), ((30, "rmssd_rset", 30, "M"), "nearest valid"),
     ((300, "hf_rest", 30, "M"), "does not have this biomarker")],
)  # fmt: skip
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        position(*arguments)
    with pytest.raises(InputError, match="standard error"):
        position(30, "rmssd_rest", 30, "M", standard_error=-0.1)
    with pytest.raises(ConfigError, match="nearest valid: 'voss2015'"):
        position(30, "rmssd_rest", 30, "M", norm="vos2015")


def test_a_missing_value_has_no_position():
    at = position(math.nan, "rmssd_rest", 30, "M")
    assert math.isnan(at.z)
    assert at.quality == ("VALUE_MISSING",)


def test_a_table_has_a_position_for_every_row_of_the_norm():
    rows = (
        Biomarker("s1", "rmssd_rest", 30.0, "ms", standard_error=0.1, n=3, context="rest_5min"),
        Biomarker("s1", "rmssd_night", 40.0, "ms", context="night"),
        Biomarker("s2", "sdnn_rest", 30.0, "ms", context="rest_5min"),
    )
    frame = positions(BiomarkerTable(rows, {"s1": Person("s1", "M", 30.0)}))
    assert frame["biomarker"].tolist() == ["rmssd_rest", "sdnn_rest"]
    assert frame["group"].tolist() == ["men, 25 to 34 years", ""]
    assert frame["quality"].tolist() == ["", "SEX_MISSING"]
    assert set(frame["sha256"]) == {VOSS.sha256}
    assert positions(BiomarkerTable()).empty


def test_norms_are_reached_from_the_package_and_keep_their_hash():
    assert allostat.norms.position is position
    assert norm_names() == ("nunan2010", "voss2015")
    assert VOSS.sha256 == "f2855ea8ca20a0da8cda9641cd9c03721d76d8b1b7e9f974c8fc2acd6bdd6239"
    assert len(VOSS.cells) == 20
    assert sum(c.n for c in VOSS.cells if c.biomarker == "rmssd_rest" and c.sex == "M") == 1124
    assert sum(c.n for c in VOSS.cells if c.biomarker == "rmssd_rest" and c.sex == "F") == 782
