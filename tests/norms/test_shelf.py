"""A norm of one's own: documented columns, and every mistake named with its line."""

from __future__ import annotations

import math

import pytest

from allostat.errors import InputError
from allostat.norms import NormContextError, load_norm, position

GOOD = """biomarker\tcontext\tsensor\tsex\tage_low\tage_high\tn\tmean\tsd\tln_mean\tln_sd\tdoi\tpopulation
rmssd_night\tnight\tppg\tF\t20\t39\t120\t45\t20\t\t\t10.1234/own\tnurses
rmssd_night\tnight\tppg\tF\t40\t\t25\t\t\t3.4\t0.45\t10.1234/own\tnurses
hr_night\tnight\tppg\t\t\t\t300\t60\t7\t\t\t10.1234/own\tnurses
"""


@pytest.fixture
def own(tmp_path):
    def write(text):
        path = tmp_path / "own_norm.tsv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_table_becomes_a_norm(own):
    norm = load_norm(own(GOOD), version="2")
    assert (norm.name, norm.version, norm.context, norm.sensor) == ("own_norm", "2", "night", "ppg")
    assert norm.references == ("10.1234/own",)
    assert norm.population == "nurses"
    assert norm.quantile("rmssd_night", 0.5, 30, "F") == pytest.approx(45 / math.sqrt(1 + (20 / 45) ** 2), rel=1e-9)
    assert norm.quantile("rmssd_night", 0.5, 88, "F") == pytest.approx(math.exp(3.4), rel=1e-12)
    assert norm.quantile("hr_night", 0.975) == pytest.approx(60 + 1.959963984540054 * 7, rel=1e-12)
    assert position(30, "rmssd_night", 50, "F", norm, sensor="ppg").quality == ("FEW_IN_CELL",)
    assert position(30, "rmssd_night", 50, "M", norm).quality == ("SEX_OUTSIDE_NORM",)
    with pytest.raises(NormContextError, match=r"rest_5min.*night"):
        position(30, "rmssd_rest", 30, "F", norm)


def test_the_hash_is_that_of_the_content_whatever_the_order_of_rows(own):
    norm = load_norm(own(GOOD))
    head, *rows = GOOD.strip().split("\n")
    assert load_norm(own("\n".join([head, *rows[::-1]]))).sha256 == norm.sha256
    assert load_norm(own(GOOD.replace("\t45\t", "\t46\t"))).sha256 != norm.sha256


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("rmssd_night\tnight\tppg\tF\t40\t", "rmssd_night\tnight\tppg\tF\t39\t", "line 2 and own_norm.tsv, line 3"),
        ("\t20\t39\t", "\t39\t20\t", "line 2: an age band begins after it ends"),
        ("\t45\t20\t", "\t45\t0\t", "line 2, column sd.*above zero"),
        ("\t45\t20\t", "\t0.045\t20\t", "UNIT_SUSPECT"),
        ("\t45\t20\t", "\t45\t\t", "line 2.*mean and sd, or ln_mean and ln_sd"),
        ("\t45\t20\t\t\t", "\t45\t20\t3.7\t0.4\t", "a mean and a spread"),
        ("\t60\t7\t\t\t", "\t\t\t4\t0.1\t", "expected mean and sd"),
        ("\t45\t20\t", "\t45,0\t20\t", "decimal point"),
        ("\t120\t", "\t12.5\t", "whole number"),
        ("\t120\t", "\t0\t", "without people"),
        ("\tF\t20", "\tX\t20", "line 2, column sex"),
        ("rmssd_night\tnight\tppg\tF\t20", "rmssd_nigth\tnight\tppg\tF\t20", "nearest valid: 'rmssd_night'"),
        ("hr_night\tnight\tppg", "hr_night\tnight\tecg", "a norm has one sensor"),
        ("hr_night\tnight\tppg", "hr_night\trest_5min\tppg", "a norm has one context"),
        ("\tcontext\t", "\tcontxt\t", "nearest valid: 'context'"),
        ("ppg", "watch", "unknown sensor"),
        ("\tnight\t", "\trest_5min\t", "different contexts"),
    ],
)
def test_mistakes_are_named_with_their_place(own, old, new, message):
    with pytest.raises(InputError, match=message):
        load_norm(own(GOOD.replace(old, new)))


def test_a_norm_needs_rows(own):
    with pytest.raises(InputError, match="needs rows"):
        load_norm(own(GOOD.split("\n")[0] + "\n"))
    with pytest.raises(InputError, match="no such file"):
        load_norm("nowhere.tsv")
