"""Definition files: what ships is valid, every mistake names its key and the nearest valid one."""

from __future__ import annotations

from pathlib import Path

import pytest

from allostat.allostatic_load import definition_names, load_definition, load_reference
from allostat.errors import ConfigError

TEXT = """
id = "mine"
version = "1"
title = "Mine"
citation = "nobody"
algorithm = "system"
default_reference = "published-2026.1"
[options]
score = "z"
[[systems]]
name = "blood_pressure"
markers = [{ biomarker = "sbp" }]
[[systems]]
name = "autonomic"
markers = [{ name = "rmssd", any_of = ["rmssd_night", "rmssd_rest"] }]
"""


def test_every_shipped_definition_loads_and_its_reference_exists() -> None:
    assert {"system", "count_sex", "seeman1997", "clinical", "macarthur"} <= set(definition_names())
    for name in definition_names():
        definition = load_definition(name)
        assert definition.id == name
        assert load_reference(definition.default_reference)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    definition = load_definition(path)
    assert [m.name for m in definition.markers] == ["sbp", "rmssd"]
    assert definition.min_share_of_systems == 0.75


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("algorithm =", "algoritm =", "nearest valid: 'algorithm'"),
        ('"system"\n', '"sistem"\n', "nearest valid: 'system'"),
        ("score =", "scores =", "nearest valid: 'score'"),
        ('score = "z"', 'operator = "strickt"', "nearest valid: 'strict'"),
        ('score = "z"', "quantile = 75", "quantile is a share"),
        ('biomarker = "sbp"', 'biomarker = "sbpp"', "nearest valid: 'sbp'"),
        ('biomarker = "sbp"', 'biomaker = "sbp"', "nearest valid: 'biomarker'"),
        ('{ biomarker = "sbp" }', '{ biomarker = "sbp", any_of = ["dbp"] }', "either 'biomarker' or 'any_of'"),
        ('["rmssd_night", "rmssd_rest"]', '["rmssd_night", "hr_rest"]', "risk on one side"),
        ('["rmssd_night", "rmssd_rest"]', '["rmssd_night", "rmssd_night"]', "biomarker occurs twice"),
        ('name = "autonomic"', 'name = "blood_pressure"', "system occurs twice"),
        ('markers = [{ biomarker = "sbp" }]', "markers = []", "missing or empty"),
        ('id = "mine"', "id = 3", "missing or no text"),
        ("[options]", "[options", "not valid TOML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace(old, new, 1))
    with pytest.raises(ConfigError) as raised:
        load_definition(path)
    assert says in str(raised.value)
    assert "mine.toml" in str(raised.value)


def test_unknown_name_offers_the_nearest() -> None:
    with pytest.raises(ConfigError, match="nearest valid: 'count_sex'"):
        load_definition("count_sx")


def test_hash_follows_the_content_not_the_file(tmp_path: Path) -> None:
    one, two, other = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "c.toml"
    one.write_text(TEXT)
    two.write_text("# a comment\n" + TEXT)
    other.write_text(TEXT.replace('version = "1"', 'version = "2"'))
    assert load_definition(one).sha256 == load_definition(two).sha256 != load_definition(other).sha256
