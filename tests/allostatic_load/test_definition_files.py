"""The definitions that ship: truth tables of their counts, panels of their studies, claims, and wrong files."""

from __future__ import annotations

import math
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from allostat.allostatic_load import (
    Definition,
    Reference,
    ReferenceEntry,
    allostatic_load,
    definition_names,
    load_definition,
)
from allostat.allostatic_load.options import OPTIONS
from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kind
from allostat.errors import ConfigError
from allostat.marker_panels import marker_panel

CUT = {"high": 1.0, "low": -1.0}


def middle(name: str) -> tuple[float, float]:
    """A plausible value and a step of a twentieth of the plausible range, on the biomarker's own scale."""
    kind = biomarker_kind(name)
    if kind.transform == "ln":
        return math.sqrt(kind.plausible_low * kind.plausible_high), 0.0
    return (kind.plausible_low + kind.plausible_high) / 2, (kind.plausible_high - kind.plausible_low) / 20


def reference_at_the_middle(definition: Definition) -> Reference:
    """Cuts in the middle of every biomarker's range, and for two tails one a little way off on the other side."""
    entries = []
    for marker in definition.markers:
        for name in marker.any_of:
            kind, (value, _) = biomarker_kind(name), middle(name)
            other = shifted(name, -3.0)
            for sex in (None, "F", "M"):
                entries.append(
                    ReferenceEntry(
                        name, kind.unit, kind.transform, kind.direction, kind.context, sex=sex,
                        cut=value, other_cut=other if marker.tails == "two" else None,
                        operator=">=" if kind.direction == "high" else "<=", quantile=definition.quantile,
                    )
                )  # fmt: skip
    return Reference("middle", "1", "", tuple(entries), {})


def shifted(name: str, steps: float) -> float:
    """A value some steps from the middle towards risk."""
    kind, (value, step) = biomarker_kind(name), middle(name)
    sign = 1.0 if kind.direction == "high" else -1.0
    return value * math.exp(0.05 * sign * steps) if kind.transform == "ln" else value + sign * steps * step


def scores(definition: Definition, *people: dict[str, float], otherwise: float = -1.0) -> list[float]:
    """Index of persons whose biomarkers lie so many steps from their cut (``otherwise`` for those not named)."""
    rows, persons = [], {}
    for i, steps in enumerate(people):
        who = f"p{i:03d}"
        persons[who] = Person(who, "F", 40.0)
        for marker in definition.markers:
            name = marker.any_of[0]
            kind = biomarker_kind(name)
            rows.append(
                Biomarker(who, name, shifted(name, steps.get(name, otherwise)), kind.unit, context=kind.context)
            )
    table = BiomarkerTable(tuple(rows), persons)
    found: list[float] = (
        allostatic_load(table, definition, reference_at_the_middle(definition))["index"].to_numpy().tolist()
    )
    return found


COUNTS = [n for n in definition_names() if load_definition(n).algorithm == "count" and n != "two_tailed"]


@pytest.mark.parametrize("name", COUNTS)
def test_truth_table_below_at_and_above_each_cut(name: str) -> None:
    definition = load_definition(name)
    people, expected = [], []
    for marker in definition.markers:
        people += [{marker.any_of[0]: s} for s in (-0.01, 0.0, 0.01)]
        expected += [0, 0 if (marker.operator or definition.operator) == "strict" else 1, 1]
    assert scores(definition, *people) == expected
    assert scores(definition, {}, otherwise=1.0) == [len(definition.markers)]


def test_only_the_systolic_pressure_of_swan_is_compared_strictly() -> None:
    definition = load_definition("swan")
    assert [m.name for m in definition.markers if m.operator == "strict"] == ["sbp"]
    assert len(definition.markers) == 10


def test_two_tails_flag_either_end_and_the_others_one() -> None:
    definition = load_definition("two_tailed")
    for marker in definition.markers:
        which = marker.any_of[0]
        expected = [1, 1, 0, 1, 1] if marker.tails == "two" else [0, 0, 0, 1, 1]
        assert scores(definition, *({which: s} for s in (-4.0, -3.0, -1.0, 0.0, 1.0))) == expected
    assert {m.name for m in definition.markers if m.tails == "two"} == {"cortisol_slope", "sbp", "dbp", "bmi"}


@pytest.mark.parametrize(("name", "systems"), [("midus", 7), ("system_risk", 4)])
def test_system_risk_runs_from_zero_to_the_number_of_systems(name: str, systems: int) -> None:
    definition = load_definition(name)
    assert scores(definition, {}, otherwise=1.0) == [pytest.approx(systems)]
    one_each = [{s.markers[0].any_of[0]: 1.0} for s in definition.systems]
    expected = [1 / len(s.markers) for s in definition.systems]
    assert scores(definition, {}, *one_each) == pytest.approx([0.0, *expected])


@pytest.mark.parametrize(
    ("name", "panel"),
    [
        ("dm", "kwon_belsky_2021"),
        ("swan", "swan"),
        ("macarthur", "macarthur"),
        ("mccrory2023", "mccrory_2023"),
        ("midus", "midus"),
        ("second_order", "midus"),
        ("bifactor", "midus"),
    ],
)
def test_biomarkers_and_systems_are_those_of_the_study(name: str, panel: str) -> None:
    found = {s.name: {m.any_of[0] for m in s.markers} for s in load_definition(name).systems}
    assert found == {k: set(v) - {"lf_rest"} for k, v in marker_panel(panel).systems.items()}


def test_every_source_of_a_definition_is_in_the_bibliography() -> None:
    listed = tomllib.loads(resources.files("allostat_data").joinpath("bibliography.toml").read_text("utf-8"))
    named = {d.casefold() for n in definition_names() for d in load_definition(n).doi.split()}
    assert named <= set(listed)


def test_definitions_do_not_claim_what_is_not_verified() -> None:
    about = {n: load_definition(n).citation for n in definition_names()}
    assert about["tail_weighted"].startswith("EXPERIMENTAL")
    assert "claims no equivalence" in about["mccrory2023"]
    for name in ("two_tailed", "midus", "system_risk", "pca"):
        assert "not verified" in about[name]
    for name in ("one_factor", "second_order", "bifactor"):
        assert "formative" in about[name]
    for name in ("second_order", "bifactor"):
        assert "no equivalence is claimed" in about[name]


def test_the_clinician_index_is_the_system_index_when_everything_is_there() -> None:
    clinician, system = load_definition("clinician"), load_definition("system")
    assert clinician.systems == system.systems
    values = {"cortisol_slope": -0.1, "sbp": 130.0, "dbp": 85.0, "rmssd_night": 30.0, "hs_crp": 3.0}
    found = []
    for left_out in ("", "cortisol_slope"):
        rows = tuple(
            Biomarker("a", b, v, biomarker_kind(b).unit, context=biomarker_kind(b).context)
            for b, v in values.items()
            if b != left_out
        )
        table = BiomarkerTable(rows, {"a": Person("a", "F", 40.0)})
        found.append([float(allostatic_load(table, d, "simulated-2026.1")["index"][0]) for d in (clinician, system)])
    assert found[0][0] == found[0][1]
    assert math.isnan(found[1][0])
    assert math.isfinite(found[1][1])


def test_every_option_is_explained_in_the_guide() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "index_choice.md").read_text(encoding="utf-8")
    guide = guide[guide.index("The algorithms and their options") :]
    for algorithm, options in OPTIONS.items():
        assert f"`{algorithm}`" in guide
        line = next(row for row in guide.splitlines() if row.startswith("|") and f"`{algorithm}`" in row.split("|")[1])
        for name, option in options.items():
            assert all(f"`{word}`" in line for word in (name, *option.valid)), (algorithm, name)


MODEL = """
id = "mine"
version = "1"
title = "Mine"
citation = "nobody"
algorithm = "dm"
default_reference = "published-2026.1"
[options]
scale = "ln"
[[systems]]
name = "blood_pressure"
markers = [{ biomarker = "sbp" }, { biomarker = "dbp" }]
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('scale = "ln"', 'scale = "log"', ("invalid scale", "'log'")),
        ('scale = "ln"', 'shrink = "allways"', ("nearest valid: 'always'",)),
        ('scale = "ln"', 'structure = "bifactor"', ("unknown key", "structure", "options")),
        ('scale = "ln"', "incomplete = true", ("invalid incomplete",)),
        ('"dm"', '"cfa"', ("invalid scale", "factor")),
        ('algorithm = "dm"', 'algorithm = "mahalanobis"', ("nearest valid: 'mahalanobis_thr'",)),
        ('algorithm = "dm"', 'algorithm = "pca"', ("unknown key", "scale")),
        ('{ biomarker = "sbp" }', '{ biomarker = "sbp", tails = "both" }', ("invalid tails",)),
        ('"blood_pressure"\n', '"blood_pressure"\nweight = 2\n', ("unknown key", "weight")),
    ],
)
def test_an_option_of_another_algorithm_is_named(tmp_path: Path, old: str, new: str, says: tuple[str, ...]) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MODEL)
    assert load_definition(path).option("scale") == "ln"
    path.write_text(MODEL.replace(old, new, 1))
    with pytest.raises(ConfigError) as raised:
        load_definition(path)
    assert all(part in str(raised.value) for part in ("mine.toml", *says)), str(raised.value)


@pytest.mark.parametrize(
    ("algorithm", "line", "expected"),
    [
        ("pca", "components = 0", "1 to inf"),
        ("pca", "components = 1.5", "whole number"),
        ("pca", 'components = "one"', "whole number"),
        ("mahalanobis_thr", "components = -1", "0 to inf"),
        ("mahalanobis_thr", "one_sided = 1", "true or false"),
        ("tail_weighted", "power = 0", "number"),
        ("logit_weighted", "outcome = 3", "invalid outcome"),
    ],
)
def test_an_option_out_of_range_says_what_it_may_be(tmp_path: Path, algorithm: str, line: str, expected: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(MODEL.replace('"dm"', f'"{algorithm}"').replace('scale = "ln"', line))
    with pytest.raises(ConfigError) as raised:
        load_definition(path)
    assert expected in str(raised.value)


class TestDistanceFromHealthyAdults:
    """`dm` with the reference that ships for it."""

    def table(self, recordings: Any) -> Any:
        import pandas as pd

        return pd.read_csv(recordings("nhanes3") / "nhanes3.csv.gz", low_memory=False)

    def test_the_reference_is_what_the_script_builds(self, recordings: Any) -> None:
        from allostat.allostatic_load import load_reference
        from tools.build_dm_reference import build

        built, shipped = build(self.table(recordings)), load_reference("nhanes3-dm-2026.1")
        assert [(m.sex, m.n) for m in shipped.models] == [("F", 314), ("M", 215)]
        for one, other in zip(built.models, shipped.models, strict=True):
            np.testing.assert_allclose(one.array("covariance"), other.array("covariance"), rtol=1e-9)
        for entry in shipped.entries:
            again = built.entry(entry.biomarker, entry.sex, None)
            assert again is not None
            assert (again.mean, again.sd) == (pytest.approx(entry.mean, rel=1e-12), pytest.approx(entry.sd, rel=1e-12))

    def test_distance_grows_with_age_and_is_larger_in_those_who_died(self, recordings: Any) -> None:
        from tools.build_dm_reference import panel_of_table

        people = self.table(recordings)
        panel = panel_of_table(people)
        index = allostatic_load(panel, "dm")["index"].to_numpy()
        who = people.set_index("sampleID").loc[list(panel.participants)]
        there = np.isfinite(index)
        assert int(there.sum()) == 14779
        age, died = who["age"].to_numpy()[there], who["status"].to_numpy()[there]
        medians = [float(np.median(index[there][(age >= low) & (age < low + 10)])) for low in range(20, 90, 10)]
        assert (np.diff(medians) > 0).all()
        for low in range(40, 80, 10):
            inside = (age >= low) & (age < low + 10)
            assert np.median(index[there][inside & (died == 1)]) > np.median(index[there][inside & (died == 0)])

    def test_a_modern_crp_below_the_old_limit_counts_as_the_limit(self) -> None:
        values = {
            "albumin": 4.3, "alp": 70.0, "chol_total": 165.0, "creatinine": 0.75, "hba1c": 5.0, "sbp": 108.0,
            "bun": 12.0, "uric_acid": 5.0, "lymphocytes": 31.0, "mcv": 89.0, "wbc": 6.8,
        }  # fmt: skip
        found = []
        for crp in (0.3, 2.1):
            rows = tuple(Biomarker("a", b, v, biomarker_kind(b).unit) for b, v in {**values, "hs_crp": crp}.items())
            table = BiomarkerTable(rows, {"a": Person("a", "F", 30.0)})
            found.append(float(allostatic_load(table, "dm")["index"][0]))
        assert found[0] == found[1] < 4.0
