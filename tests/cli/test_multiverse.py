"""``allostat multiverse``: one line per specification, the curve, the summary."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from allostat.cli import cli
from allostat.errors import ConfigError, InputError

GRID = """
id = "own"
[choices]
definition = ["panel"]
cuts = ["sample", "sample_sex"]
operator = ["inclusive", "strict"]
[definitions.panel]
markers = ["sbp", "bmi", "hdl", "hba1c"]
"""


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(3)
    n = 80
    frame = pd.DataFrame({
        "participant_id": [f"p{i:02d}" for i in range(n)], "sex": rng.choice(["F", "M"], n),
        "age": rng.integers(20, 70, n),
        "sbp[mm[Hg]]": rng.normal(126, 14, n).round(1), "bmi[kg/m2]": rng.normal(26, 3, n).round(1),
        "hdl[mg/dL]": rng.normal(55, 9, n).round(1), "hba1c[%]": rng.normal(5.5, 0.3, n).round(2),
        "ill": rng.choice(["no", "yes"], n),
    })  # fmt: skip
    frame.to_csv(tmp_path / "adults.tsv", sep="\t", index=False)
    frame.drop(columns="ill").to_csv(tmp_path / "labs.tsv", sep="\t", index=False)
    frame[["participant_id", "ill"]].to_csv(tmp_path / "persons.tsv", sep="\t", index=False)
    (tmp_path / "own.toml").write_text(GRID)
    return tmp_path


def run(arguments, capsys):
    cli.main(["multiverse", *map(str, arguments)], standalone_mode=False)
    return capsys.readouterr()


def test_one_line_per_specification_and_a_summary(files, capsys):
    found = run([files / "labs.tsv", "--grid", files / "own.toml"], capsys)
    lines = found.out.splitlines()
    assert lines[0].split("\t")[:3] == ["specification", "definition", "cuts"]
    assert len(lines) == 5
    assert "4 specifications of 4 combinations" in found.err


def test_an_outcome_in_the_table_or_beside_it_gives_the_same(files, capsys):
    options = ["--grid", files / "own.toml", "--outcome", "ill", "--covariate", "age", "--covariate", "sex",
               "--permutations", "20", "--json"]  # fmt: skip
    inside = json.loads(run([files / "adults.tsv", *options], capsys).out)
    beside = json.loads(run([files / "labs.tsv", "--persons", files / "persons.tsv", *options], capsys).out)
    assert inside["model"] == "logistic"
    assert inside["specifications"] == beside["specifications"]
    assert inside["grid"]["id"] == "own"
    assert len(inside["specifications"][0]["reference_sha256"]) == 64


def test_the_curve_and_all_numbers_are_written(files, capsys):
    import xarray as xr

    run([files / "adults.tsv", "--grid", files / "own.toml", "--outcome", "ill", "--permutations", "9",
         "--figure", files / "curve.svg", "--netcdf", files / "all.nc"], capsys)  # fmt: skip
    assert ET.parse(files / "curve.svg").getroot().tag.endswith("svg")
    with xr.open_dataset(files / "all.nc", engine="h5netcdf") as stored:
        assert stored["score"].shape == (4, 80)


def test_misspelt_names_are_told_with_the_nearest(files, capsys):
    with pytest.raises(ConfigError, match="default"):
        run([files / "labs.tsv", "--grid", "defalt"], capsys)
    with pytest.raises(InputError, match="ill"):
        run(
            [files / "labs.tsv", "--persons", files / "persons.tsv", "--grid", files / "own.toml", "--outcome", "il"],
            capsys,
        )
    with pytest.raises(InputError, match="no specification of the grid scores anybody"):
        run([files / "labs.tsv"], capsys)
