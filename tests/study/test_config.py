"""study.toml is checked before anything runs."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from allostat.errors import ConfigError
from allostat.study.config import StudyConfig


def test_effective_settings_rerun_as_they_stand(tmp_path: Path) -> None:
    config = (
        StudyConfig().replaced("study", name='Hospital "A"', timezone="Europe/Rome").replaced("run", time_limit_s=5.5)
    )
    path = tmp_path / "study.toml"
    path.write_text(config.toml())
    assert StudyConfig.load(path) == config


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[hvr]\npreset = 'x'", "nearest valid: 'hrv'"),
        ("[hrv]\npresett = 'x'", "nearest valid: 'preset'"),
        ("[hrv]\npreset = 3", "expected a text"),
        ("[run]\nkeep_signals = 'yes'", "expected true or false"),
        ("[run]\ntime_limit_s = true", "expected a number"),
        ("[allostatic_load]\ndefinitions = 'system'", "a list of texts"),
        ("hrv = 3", "is a section"),
        ("[hrv", "not valid TOML"),
    ],
)
def test_a_wrong_setting_names_its_place_and_the_nearest_valid(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        StudyConfig.load(path)
    assert "study.toml" in str(caught.value)


def test_settings_that_are_not_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        StudyConfig.load(path)


def test_rules_are_settings_and_an_unknown_option_is_refused() -> None:
    config = StudyConfig.from_mapping({"rules": {"antihypertensive": "none", "acute_crp": "keep"}})
    assert config.rules.medication.antihypertensive == "none"
    assert StudyConfig.from_mapping(tomllib.loads(config.toml())) == config
    with pytest.raises(ConfigError, match="no such option"):
        StudyConfig.from_mapping({"rules": {"acute_crp": "drop"}})
