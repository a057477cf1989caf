"""Other tools run in environments of their own; what cannot run is skipped with its reason."""

from __future__ import annotations

import ast
import os
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from allostat.benchmarking import CASES, peers, worker
from allostat.benchmarking.peers import Group
from allostat.benchmarking.worker import Offer, Worker, WorkerError
from allostat.cli import cli

SCRIPTS = sorted(path for path in worker.SCRIPTS.glob("of_*.py"))
HERE = Path(sys.executable)

SCRIPT = """
import os
import time

PACKAGES = ("numpy",)


def total(numbers, factor):
    print("progress that must not disturb")
    return (lambda: factor * numbers.sum()), (lambda found: {"total": found})


def beats(numbers, factor):
    return (lambda: numbers), (lambda found: found * 2)


def fails(numbers, factor):
    raise ValueError("not with me")


def dies(numbers, factor):
    os._exit(7)


def hangs(numbers, factor):
    time.sleep(60)


CONTENDERS = {("c", name): globals()[name] for name in ("total", "beats", "fails", "dies", "hangs")}
SHORTER = {("c", "total"): 3}
"""


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "of_test.py").write_text(SCRIPT)
    return str(tmp_path / "of_test.py")


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    np.savez(tmp_path / "inputs.npz", numbers=np.arange(4.0), factor=0.5)
    return tmp_path / "inputs.npz"


def offer(name: str) -> Offer:
    return Offer("c", name, None)


def test_a_worker_tells_what_it_has_answers_and_measures(script: str, inputs: Path) -> None:
    with Worker(HERE, script) as running:
        assert running.versions == {"numpy": np.__version__}
        assert running.offers("c")[0] == Offer("c", "total", 3)
        assert running.offers("other") == []
        assert running.prepare(offer("total"), inputs).answer == {"total": 3.0}
        assert np.array_equal(running.prepare(offer("beats"), inputs).answer, np.arange(4.0) * 2)
        assert running.answer(offer("total"), inputs) == {"total": 3.0}
        assert running.measure(offer("total")) >= 0.0
        assert running.measure(offer("beats")) >= 0.0
        running.forget()
        assert running.measure(offer("total")) >= 0.0


def test_a_function_that_fails_or_kills_its_process_leaves_the_others_alone(script: str, inputs: Path) -> None:
    with Worker(HERE, script) as running:
        running.prepare(offer("total"), inputs)
        with pytest.raises(WorkerError, match="ValueError: not with me"):
            running.prepare(offer("fails"), inputs)
        with pytest.raises(WorkerError, match="ended with code 7"):
            running.prepare(offer("dies"), inputs)
        assert running.measure(offer("total")) >= 0.0


def test_a_function_that_never_ends_is_given_up(script: str, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Worker(HERE, script) as running:
        monkeypatch.setattr(worker, "LONGEST_S", 0.05)
        with pytest.raises(WorkerError, match="no answer"):
            running.prepare(offer("hangs"), inputs)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_scripts_import_nothing_of_allostat_and_their_tool_only_inside_functions(path: Path) -> None:
    module = ast.parse(path.read_text())
    names = {alias.name for node in ast.walk(module) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(module) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.partition(".")[0] == "allostat"}
    outside = {alias.name for node in module.body if isinstance(node, ast.Import) for alias in node.names}
    outside |= {node.module or "" for node in module.body if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in outside} <= {*sys.stdlib_module_names, "numpy"}


def test_every_group_has_a_script_whose_functions_are_for_cases_there_are() -> None:
    found = peers.groups()
    assert {group.script for group in found} == {path.name for path in SCRIPTS}
    known = {case.name for case in CASES}
    for path in SCRIPTS:
        space: dict[str, object] = {}
        exec(compile(path.read_text(), str(path), "exec"), space)
        contenders, shorter = space["CONTENDERS"], space.get("SHORTER", {})
        assert isinstance(contenders, dict) and isinstance(shorter, dict)
        assert {case for case, _ in contenders} <= known, path.name
        assert shorter.keys() <= contenders.keys(), path.name


def test_the_tools_are_pinned() -> None:
    for group in peers.groups():
        if group.requirements:
            assert any("==" in requirement for requirement in group.requirements)


def test_what_allostat_depends_on_runs_in_its_own_environment(tmp_path: Path) -> None:
    (own,) = [group for group in peers.groups() if not group.requirements]
    said: list[str] = []
    with peers.started([own], tmp_path, said.append) as (workers, skipped):
        assert {"neurokit2", "scipy"} <= workers[0].versions.keys()
        assert (skipped, said) == ([], [])


def test_a_group_that_cannot_be_installed_is_skipped_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(command: list[str]) -> None:
        if "pip" in command:
            raise peers._NotInstalledError("ERROR: no network")
        Path(command[-1]).mkdir()

    monkeypatch.setattr(peers, "_run", offline)
    group = Group("lost", "nothing", "of_systole.py", ("systole==0.3.1",))
    said: list[str] = []
    with peers.started([group], tmp_path / "below", said.append) as (workers, skipped):
        assert workers == []
    assert [s.reason for s in skipped] == ["ERROR: no network"]
    assert "once" in said[0] and said[1].startswith("skipped: lost")
    assert list((tmp_path / "below").iterdir()) == []


def test_an_environment_in_which_the_tool_does_not_start_is_skipped(tmp_path: Path) -> None:
    group = Group("odd", "nothing", "of_systole.py", ("systole==0.3.1",))
    python = tmp_path / group.folder_name / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("no program")
    with peers.started([group], tmp_path, lambda text: None) as (workers, skipped):
        assert workers == []
        assert [s.group for s in skipped] == ["odd"]


def test_other_requirements_need_another_environment() -> None:
    one = Group("g", "", "s", ("a==1",))
    assert one.folder_name != Group("g", "", "s", ("a==2",)).folder_name
    assert one.folder_name == Group("g", "about", "t", ("a==1",)).folder_name


def test_the_failure_of_a_command_is_told_by_its_last_error() -> None:
    code = "import sys; sys.stderr.write('WARNING: a\\nERROR: b\\nnote\\n'); sys.exit(1)"
    with pytest.raises(peers._NotInstalledError, match="ERROR: b"):
        peers._run([sys.executable, "-c", code])


def test_the_groups_are_data() -> None:
    text = Path(peers.__file__).with_name("peers.toml").read_text()
    assert len(tomllib.loads(text)["groups"]) == len(peers.groups())


def test_the_command_line_compares_with_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "groups", lambda: [g for g in groups if not g.requirements])
    monkeypatch.setattr("allostat.benchmarking.comparison.groups", peers.groups)
    groups = _ALL
    ended = CliRunner().invoke(
        cli, ["bench", "welch", "--peers", "-n", "1", "-q", "--environments", str(tmp_path)], catch_exceptions=False
    )
    assert ended.exit_code == 0
    assert "scipy" in ended.output
    assert "equal to 1e-9" in ended.output
    assert os.listdir(tmp_path) == []


_ALL = peers.groups()
