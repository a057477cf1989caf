"""``allostat doctor`` says where compiled kernels are kept, and how long they take."""

from __future__ import annotations

import json
import subprocess

import pytest
from click.testing import CliRunner

from allostat.benchmarking import compile_time
from allostat.benchmarking.compile_time import CompileTime
from allostat.cli import cli, doctor
from allostat.cli.doctor import CHECKS
from allostat.errors import DeviceError
from allostat.kernels import compiled
from allostat.live import links


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("user", "user's cache folder:"),
        ("NUMBA_CACHE_DIR", "below NUMBA_CACHE_DIR:"),
        ("numba", "cannot be written"),
        ("off", "not compiled"),
    ],
)
def test_the_kind_of_cache_home_is_told(place: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "cache_place", lambda: place)
    assert said in CHECKS["cache"]()


def test_the_folder_told_is_the_one_in_use() -> None:
    folder = compiled.cache_home()
    assert folder is None or compiled.cache_place() == "off" or str(folder) in CHECKS["cache"]()


def took(compiled_kernels: int, cpu_s: float) -> CompileTime:
    return CompileTime(cpu_s, cpu_s / 2, 80, compiled_kernels, {"entropy": 5.0, "numba": 3.0})


def test_loading_is_measured_with_the_user_s_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "cache_place", lambda: "user")
    monkeypatch.setattr(compile_time, "filled", lambda: took(0, 0.8))
    monkeypatch.setattr(compile_time, "measured", lambda: took(0, 0.5))
    assert CHECKS["loading"]() == "all 80 kernels loaded from the cache in 0.50 s of CPU (at most 1)"


def test_an_empty_cache_is_filled_and_loading_measured_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "cache_place", lambda: "user")
    monkeypatch.setattr(compile_time, "filled", lambda: took(80, 40.0))
    monkeypatch.setattr(compile_time, "measured", lambda: took(0, 0.5))
    said = "80 kernels were compiled in 20.0 s (40.0 s of CPU), once; all 80 kernels loaded"
    assert CHECKS["loading"]().startswith(said)


def test_without_a_cache_nothing_is_said_of_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "cache_place", lambda: "numba")
    monkeypatch.setattr(compile_time, "filled", lambda: took(80, 40.0))
    assert CHECKS["loading"]() == "80 kernels were compiled in 20.0 s (40.0 s of CPU), in every process anew: see cache"
    monkeypatch.setattr(compiled, "cache_place", lambda: "off")
    assert "not compiled" in CHECKS["loading"]()


def test_compiling_anew_is_measured_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "cache_place", lambda: "user")
    monkeypatch.setattr(compile_time, "cold", lambda: took(80, 40.0))
    monkeypatch.setattr(doctor, "CHECKS", {"python": lambda: "fine"})
    monkeypatch.setattr(doctor, "OPTIONAL", {})
    ended = CliRunner().invoke(cli, ["doctor", "--compile"], catch_exceptions=False, standalone_mode=False)
    assert "all 80 kernels compiled in 20.0 s on" in ended.output
    assert "(at most 45), 40.0 s of CPU; most of it" in ended.output
    assert "entropy 5.0" in ended.output
    assert "compiled" not in CliRunner().invoke(cli, ["doctor"], standalone_mode=False).output


class Link:
    """A link with two straps in reach, or none because of an error."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error

    async def scan(self, seconds: float) -> list[str]:
        assert seconds == doctor.STRAPS_S
        if self.error is not None:
            raise self.error
        return ["one", "another"]


@pytest.mark.parametrize(
    ("error", "state", "said", "code"),
    [
        (None, "ok", "straps heard in 1 s: 2", 0),
        (DeviceError("there is no Bluetooth adapter"), "not here", "there is no Bluetooth adapter", 0),
        (TypeError("no such argument"), "problem", "TypeError: no such argument", 3),
    ],
)
def test_a_server_without_bluetooth_is_sound(
    error: Exception | None, state: str, said: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {})
    monkeypatch.setattr(links, "links", lambda: {"ble": Link(error)})
    ended = CliRunner().invoke(cli, ["doctor", "--json"], catch_exceptions=False, standalone_mode=False)
    [row] = json.loads(ended.output)
    assert (row["check"], row["state"]) == ("straps", state)
    assert said in row["detail"]
    assert ended.return_value == code


def test_the_measurement_counts_kernels_and_names_where_the_time_goes() -> None:
    found = compile_time.measured(processes=2)
    assert found.kernels > 50
    assert found.cpu_s > 0
    assert bool(found.compiled) == bool(found.dearest)


def test_a_measurement_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "Traceback\nImportError: no numba\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(RuntimeError, match="no numba"):
        compile_time.measured()
