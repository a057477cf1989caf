"""The picture of a multiverse: a curve, a row for each level, the default marked, nothing but numbers behind it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from allostat.allostatic_load import multiverse
from allostat.allostatic_load.multiverse import grid_from
from allostat.report.multiverse_figure import LEVEL_WORDS, multiverse_picture, multiverse_svg


@pytest.fixture(scope="module")
def frame():
    rng = np.random.default_rng(3)
    return pd.DataFrame({
        "participant": [f"p{i:02d}" for i in range(60)], "sex": rng.choice(["F", "M"], 60),
        "sbp[mm[Hg]]": rng.normal(126, 14, 60), "bmi[kg/m2]": rng.normal(26, 3, 60),
        "hdl[mg/dL]": rng.normal(55, 9, 60), "<mood>": rng.normal(size=60),
    })  # fmt: skip


GRID = grid_from({
    "id": "g",
    "choices": {
        "definition": ["flags", "zs"], "cuts": ["sample", "sample_sex"], "operator": ["inclusive", "strict"],
    },
    "definitions": {
        "flags": {"markers": ["sbp", "bmi", "hdl"]}, "zs": {"markers": ["sbp", "bmi", "hdl"], "algorithm": "zmean"},
    },
    "default": {"definition": "zs", "cuts": "sample_sex"},
})  # fmt: skip


def test_the_curve_of_an_outcome_names_levels_and_escapes_names(frame) -> None:
    result = multiverse(frame, "<mood>", grid=GRID, permutations=9)
    svg = multiverse_svg(result)
    ET.fromstring(svg)
    assert "var(--" not in svg
    assert "&lt;mood&gt;" in svg
    texts = re.findall(r"<text[^>]*>([^<]*)", svg)
    assert {
        "definition",
        "cut-points",
        "comparison",
        "flags",
        "zs",
        LEVEL_WORDS["sample_sex"],
        "strict",
        "default",
    } <= set(texts)
    assert f"{result.sizes['specification']} specifications" in texts
    assert svg == multiverse_svg(result)


def test_without_an_outcome_the_curve_is_agreement_with_the_default(frame) -> None:
    picture = multiverse_picture(multiverse(frame, grid=GRID))
    assert "agreement with the default" in str(picture.svg)
    assert "rank correlation with the default" in str(picture.svg)
    assert len(picture.table.columns) == 5
    one = multiverse_picture(multiverse(frame, grid=grid_from({
        "id": "one", "choices": {"definition": ["zs"], "cuts": ["sample"]},
        "definitions": {"zs": {"markers": ["sbp", "bmi", "hdl"], "algorithm": "zmean"}},
    })))  # fmt: skip
    assert "1 specifications" in str(one.svg)
