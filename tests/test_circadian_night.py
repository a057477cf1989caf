"""Night against day: the classes of the dip. And bad input to everything circadian."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from allostat.circadian import DipClass, SleepWindow, circadian, circadian_course
from allostat.circadian_night import dip_class
from allostat.errors import AllostatError, InputError
from allostat.recovery import recovery

S = 1_000_000_000
HOUR = 3600 * S
START = 1_700_006_400 * S
NIGHTS = [SleepWindow(START + k * 24 * HOUR, START + (k * 24 + 7) * HOUR, "diary") for k in range(3)]


def series(y, name, units, time=None):
    at = START + HOUR * np.arange(len(y)) if time is None else np.asarray(time)
    return xr.DataArray(
        np.asarray(y, dtype=float), dims="window", name=name, attrs={"units": units},
        coords={"time": ("window", at.astype(np.int64), {"epoch": "utc"})},
    )  # fmt: skip


def day_and_night(night, day=100.0, hours=72):
    return np.where(np.arange(hours) % 24 < 7, night, day)


@pytest.mark.parametrize(
    ("night", "pressure", "rate"),
    [
        (105.0, DipClass.REVERSE_DIPPER, DipClass.NON_DIPPER),
        (100.0, DipClass.NON_DIPPER, DipClass.NON_DIPPER),
        (90.1, DipClass.NON_DIPPER, DipClass.NON_DIPPER),
        (90.0, DipClass.DIPPER, DipClass.DIPPER),
        (80.1, DipClass.DIPPER, DipClass.DIPPER),
        (80.0, DipClass.EXTREME_DIPPER, DipClass.DIPPER),
        (60.0, DipClass.EXTREME_DIPPER, DipClass.DIPPER),
    ],
)
def test_classes_of_the_dip(night, pressure, rate):
    for name, units, wanted in (
        ("sbp", "mm[Hg]", pressure), ("dbp", "mm[Hg]", pressure), ("hr_of_mean_nn", "/min", rate),
        ("ln_rmssd", "ln(ms)", DipClass.NOT_CLASSIFIED),
    ):  # fmt: skip
        found = circadian(series(day_and_night(night), name, units), "UTC", NIGHTS)
        assert DipClass(int(found.dip_class)) is wanted, name
        assert found.dip_class.dtype == np.int8
        assert found.dip_class.attrs["flag_meanings"].split()[int(found.dip_class)] == wanted.name.lower()
        assert found.dip_class.attrs["references"].startswith("10.") == (name != "ln_rmssd")


def test_a_dip_that_is_missing_has_no_class():
    found = circadian(series(day_and_night(80.0), "sbp", "mm[Hg]"), "UTC")
    assert np.isnan(float(found.dip))
    assert int(found.dip_class) == DipClass.NOT_CLASSIFIED
    assert dip_class(float("nan"), "hr") is DipClass.NOT_CLASSIFIED


def test_few_pressures_are_marked():
    few = series(day_and_night(80.0, hours=24), "sbp", "mm[Hg]")
    codes = circadian(few, "UTC", NIGHTS[:1]).attrs["quality"].split()
    assert "FEW_READINGS" in codes, "7 by night but 17 by day"
    enough = circadian(series(day_and_night(80.0), "sbp", "mm[Hg]"), "UTC", NIGHTS).attrs["quality"].split()
    assert "FEW_READINGS" not in enough
    rates = circadian(series(day_and_night(80.0, hours=24), "hr", "/min"), "UTC", NIGHTS[:1]).attrs["quality"].split()
    assert "FEW_READINGS" not in rates


BAD = {
    "empty": [],
    "one": [70.0],
    "constant": [70.0] * 80,
    "all NaN": [np.nan] * 80,
    "inf": [np.inf] * 80,
    "some inf": [np.inf, -np.inf, *([70.0, 60.0] * 40)],
    "zero": [0.0] * 80,
    "negative": [-1.0] * 80,
    "huge": [1e300, -1e300] * 40,
    "wild": [1e5, -1e5] * 40,
    "one day": list(70 + 10 * np.cos(np.arange(24) / 4)),
}


@pytest.mark.parametrize("name", ["hr", "sbp", "ln_rmssd"])
@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
def test_bad_series_are_missing_with_a_reason_and_no_warning(values, name):
    given = series(values, name, "ln(ms)" if name == "ln_rmssd" else "/min")
    found = circadian(given, "UTC", NIGHTS)
    assert not any(np.isinf(v.values).any() for k, v in found.data_vars.items() if v.dtype.kind == "f" and k != "f")
    codes = found.attrs["quality"].split()
    finite = np.abs(values) < 1e100
    if not finite.any():
        assert "NO_VALUES" in codes
        assert np.isnan(float(found.mesor))
    elif np.ptp(np.asarray(values)[finite]) == 0:
        assert "CONSTANT" in codes
    course = circadian_course(given, "UTC")
    assert course.sizes["day"] <= 4
    assert set(course.data_vars) >= {"amplitude", "acrophase", "n"}


def test_times_in_any_order_are_one_series():
    y = 70 + 10 * np.cos(2 * np.pi * np.arange(96) / 24) + np.random.default_rng(1).normal(0, 3, 96)
    straight = series(y, "hr", "/min")
    mixed = straight.isel(window=np.random.default_rng(2).permutation(96))
    xr.testing.assert_identical(circadian(mixed, "UTC", NIGHTS), circadian(straight, "UTC", NIGHTS))
    xr.testing.assert_identical(circadian_course(mixed, "UTC"), circadian_course(straight, "UTC"))


def test_times_that_are_no_instants_are_refused():
    bare = xr.DataArray([1.0, 2.0], dims="window", coords={"time": ("window", [0.5, 1.5])})
    for function in (circadian, circadian_course):
        with pytest.raises(InputError, match="int64"):
            function(bare, "UTC")


@pytest.mark.parametrize("values", BAD.values(), ids=BAD)
def test_recovery_of_bad_series_is_missing_with_a_reason(values):
    found = recovery(series(values, "hr", "/min"), (START, START + 5 * HOUR), START + 5 * HOUR)
    assert found.attrs["quality"]
    assert not any(np.isinf(v.values).any() for v in found.data_vars.values() if v.dtype.kind == "f")


def test_recovery_refuses_times_that_do_not_ascend():
    with pytest.raises(AllostatError, match="ascend"):
        recovery(series([1.0, 2.0], "hr", "/min", [START, START]), (START, START + 1), START + 1)
