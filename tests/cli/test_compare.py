"""``allostat compare``: measure by preset, and the settings that differ."""

from __future__ import annotations

import json

import numpy as np
import pytest

from allostat.cli import cli


@pytest.fixture
def rr_file(tmp_path):
    path = tmp_path / "rr.txt"
    path.write_text("\n".join(str(v) for v in 800 + np.arange(450) * 37 % 61) + "\n")
    return path


def run(arguments, capsys):
    cli.main(["compare", *map(str, arguments)], standalone_mode=False)
    return capsys.readouterr().out


def test_measures_and_differing_settings_are_printed(rr_file, capsys):
    out = run([rr_file, "--presets", "taskforce1996,kubios"], capsys).splitlines()
    assert out[0].split("\t") == ["measure", "unit", "taskforce1996", "kubios"]
    assert any(line.startswith("sdnn\tms\t") for line in out)
    assert "dfa_short\t4 to 16\t4 to 12" in out


def test_json_holds_units_methods_and_settings(rr_file, capsys):
    found = json.loads(run([rr_file, "--presets", "taskforce1996,kubios", "--json"], capsys))[0]
    assert found["measures"]["rmssd"]["units"] == "ms"
    assert set(found["measures"]["lf"]["values"]) == {"taskforce1996", "kubios"}
    assert "detrended" in found["measures"]["sdnn"]["methods"]["kubios"]
    assert found["differing_settings"]["series"] == {"taskforce1996": "raw", "kubios": "detrended"}
