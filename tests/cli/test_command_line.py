"""The command line: light to import, helpful when wrong, exit codes as documented."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from allostat.cli import VERBS, cli

HEAVY = ("numpy", "scipy", "numba", "xarray", "pandas", "neurokit2", "matplotlib")


def allostat(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "allostat", *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["demo", "--help"], ["run", "--help"], ["load", "--help"]]
)
def test_help_imports_no_heavy_package(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom allostat.cli import main\n"
        f"sys.argv = ['allostat', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code\n"
        f"print('HEAVY', sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.stdout.strip().endswith("HEAVY []"), ended.stdout + ended.stderr


def test_importing_the_package_is_light_and_its_public_names_resolve() -> None:
    program = (
        "import sys, allostat\n"
        f"assert not set({HEAVY!r}) & set(sys.modules)\n"
        "missing = [name for name in allostat.__all__ if getattr(allostat, name, None) is None]\n"
        "assert not missing, missing\n"
        "import allostat.hrv, allostat.circadian, allostat.biomarkers, allostat.allostatic_load\n"
        "assert all(callable(getattr(allostat, n)) for n in ('hrv', 'circadian', 'biomarkers', 'allostatic_load'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_begins_with_examples(verb: str) -> None:
    result = CliRunner().invoke(cli, [verb, "--help"])
    assert result.exit_code == 0
    text = result.output
    assert "Examples" in text and f"allostat {verb}" in text
    assert text.index("Examples") < text.index("Options")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_takes_json(verb: str) -> None:
    assert "--json" in CliRunner().invoke(cli, [verb, "--help"]).output


def test_a_misspelt_verb_is_a_usage_error_with_the_nearest_one() -> None:
    ended = allostat("dmeo")
    assert ended.returncode == 2
    assert "did you mean 'demo'" in ended.stderr


def test_a_missing_file_is_an_input_error_that_names_its_nearest_neighbour(tmp_path: Path) -> None:
    (tmp_path / "recording.txt").write_text("800\n810\n")
    ended = allostat("inspect", "recordng.txt", cwd=tmp_path)
    assert ended.returncode == 3
    assert "recording.txt" in ended.stderr
    assert ended.stdout == ""


def test_an_unrecognised_file_says_why_each_format_was_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.bin").write_bytes(bytes(range(256)) * 20)
    ended = allostat("inspect", "notes.bin", cwd=tmp_path)
    assert ended.returncode == 3
    assert "no adapter recognises this" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_hrv_of_a_plain_series_as_json_carries_units_and_sources(tmp_path: Path) -> None:
    (tmp_path / "rr.txt").write_text("\n".join(str(800 + 20 * (i % 3)) for i in range(400)))
    ended = allostat("hrv", "rr.txt", "--json", "-q", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    rmssd = json.loads(ended.stdout)[0]["hrv"]["data_vars"]["rmssd"]
    assert rmssd["attrs"]["units"] == "ms"
    assert "10." in rmssd["attrs"]["references"]


def test_devices_lists_every_adapter_with_its_evidence() -> None:
    ended = allostat("devices", "--json")
    names = {row["name"]: row["evidence"] for row in json.loads(ended.stdout)}
    assert {"rr_text", "polar_ecg_logger", "polar_sensor_logger", "wfdb", "empatica_e4"} <= set(names)


def test_doctor_finds_this_installation_sound() -> None:
    ended = allostat("doctor", "--json")
    rows = json.loads(ended.stdout)
    # where there is no Bluetooth, that is all that is missing
    assert [row for row in rows if row["state"] != "ok" and row["check"] != "straps"] == []
    assert next(row["state"] for row in rows if row["check"] == "straps") in ("ok", "not here")
    assert ended.returncode == 0


def test_json_has_no_nan() -> None:
    from allostat.cli.output import plain

    assert plain({"a": [float("nan"), 1.5], "b": float("inf")}) == {"a": [None, 1.5], "b": None}
