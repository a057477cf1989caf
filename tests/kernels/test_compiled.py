"""Kernels are compiled in one way, and never taken from disk after anything they are made of has changed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numba
import pytest

import allostat.kernels
import allostat_devices
from allostat.kernels import compiled, extremum
from allostat.kernels.compiled import source_digest, user_cache_folder

KERNELS = sorted(Path(allostat.kernels.__file__).parent.glob("*.py"))
MODULES = [
    path for room in (allostat, allostat_devices) for path in sorted(Path(next(iter(room.__path__))).rglob("*.py"))
]
HOME_VARIABLES = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA")


def tree(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported(path: Path) -> set[str]:
    plain = {alias.name for node in tree(path) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in tree(path) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.stem)
def test_kernels_import_numpy_and_kernels_only(path: Path) -> None:
    foreign = {name for name in imported(path) if name.partition(".")[0] not in {*sys.stdlib_module_names, "numpy"}}
    foreign = {name for name in foreign if not name.startswith("allostat.kernels")}
    assert foreign == ({"numba", "allostat"} if path.stem == "compiled" else set())


@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.stem)
def test_no_fast_mathematics_and_no_threads_in_kernels(path: Path) -> None:
    keywords = {node.arg for node in tree(path) if isinstance(node, ast.keyword)}
    assert keywords.isdisjoint({"fastmath", "parallel", "error_model", "boundscheck"})
    names = {node.attr for node in tree(path) if isinstance(node, ast.Attribute)}
    assert "prange" not in names | {node.id for node in tree(path) if isinstance(node, ast.Name)}


def test_every_compiled_function_goes_through_kernel() -> None:
    makers = {"jit", "njit", "vectorize", "guvectorize", "generated_jit", "cfunc", "stencil", "jitclass"}
    found = {
        path.name
        for path in MODULES
        for node in tree(path)
        if (isinstance(node, ast.Attribute) and node.attr in makers)
        or (isinstance(node, ast.Name) and node.id in makers)
        or (isinstance(node, ast.ImportFrom) and makers & {alias.name for alias in node.names})
    }
    assert found == {"compiled.py"}


def test_importing_kernels_leaves_the_settings_of_numba_alone() -> None:
    assert os.environ.get("NUMBA_CACHE_DIR", "") == numba.config.CACHE_DIR


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_kernels_lie_in_the_folder_that_is_reported() -> None:
    folder = compiled.cache_folder()
    if folder is not None:
        assert folder in Path(extremum.refine.stats.cache_path).parents
    assert (compiled.cache_place() == "numba") == (folder is None)


def test_another_source_gives_another_digest(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    (tmp_path / "b.py").write_text("B = 1\n")
    first = source_digest(tmp_path)
    (tmp_path / "note.txt").write_text("no source")
    assert source_digest(tmp_path) == first
    (tmp_path / "b.py").write_text("B = 2\n")
    second = source_digest(tmp_path)
    (tmp_path / "b.py").rename(tmp_path / "c.py")
    assert len({first, second, source_digest(tmp_path)}) == 3


def test_another_numba_gives_another_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("A = 1\n")
    first = source_digest(tmp_path)
    monkeypatch.setattr(numba, "__version__", "0.0")
    assert source_digest(tmp_path) != first


def test_no_sources_are_no_digest(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no kernel sources"):
        source_digest(tmp_path)


def test_cache_folders_of_the_platforms(tmp_path: Path) -> None:
    chosen, home = str(tmp_path / "cache"), Path.home()
    assert user_cache_folder("linux", {"XDG_CACHE_HOME": chosen}) == Path(chosen)
    assert user_cache_folder("linux", {"XDG_CACHE_HOME": "relative"}) == home / ".cache"
    assert user_cache_folder("linux", {}) == home / ".cache"
    assert user_cache_folder("darwin", {"XDG_CACHE_HOME": chosen}) == home / "Library" / "Caches"
    assert user_cache_folder("win32", {"LOCALAPPDATA": chosen}) == Path(chosen)
    assert user_cache_folder("win32", {}) == home / "AppData" / "Local"


class Rooms:
    """A package of two kernels in two files, one calling the other, that `compiled` compiles in its own process."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "rooms"
        self.package.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        shutil.copy(compiled.__file__, self.package)
        (self.package / "__init__.py").touch()
        self.inner("x + 1")
        self._write("outer", "from rooms.inner import inner\n", "inner(x) * 10")

    def inner(self, result: str) -> None:
        """(Re)write the kernel that the other one calls."""
        self._write("inner", "", result)

    def _write(self, name: str, imports: str, result: str) -> None:
        source = f"from rooms.compiled import kernel\n{imports}\n@kernel\ndef {name}(x):\n    return {result}\n"
        (self.package / f"{name}.py").write_text(source)

    def run(self, statement: str, home: Path | None = None, **environment: str) -> list[str]:
        """What a new process prints."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_") and k not in HOME_VARIABLES}
        place = {name: str(home or self.home) for name in HOME_VARIABLES}
        code = f"from rooms.compiled import *\nfrom rooms.outer import outer\nimport numba\n{statement}"
        ended = subprocess.run(
            [sys.executable, "-W", "error", "-B", "-c", code],
            cwd=self.package.parent,
            env=inherited | place | environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()

    def kept(self, below: Path) -> set[str]:
        """Folders of compiled kernels, as numba names them inside."""
        return {path.parents[1].name for path in below.rglob("*.nbc")}


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path)


def test_a_changed_kernel_reaches_the_kernels_of_other_files_that_call_it(rooms: Rooms) -> None:
    show = "print(outer(1), cache_place(), sum(outer.stats.cache_hits.values()), numba.config.CACHE_DIR)"
    assert rooms.run(show) == ["20", "user", "0"]
    assert rooms.run(show) == ["20", "user", "1"]
    rooms.inner("x + 4")
    assert rooms.run(show) == ["50", "user", "0"]
    assert len(rooms.kept(rooms.home / "allostat" if sys.platform != "darwin" else rooms.home)) == 2


def test_a_cache_folder_chosen_for_numba_is_used(rooms: Rooms, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    show = "print(outer(1), cache_place(), numba.config.CACHE_DIR == __import__('os').environ['NUMBA_CACHE_DIR'])"
    assert rooms.run(show, NUMBA_CACHE_DIR=str(chosen)) == ["20", "NUMBA_CACHE_DIR", "True"]
    (kept,) = rooms.kept(chosen)
    assert kept == f"kernels-{source_digest(rooms.package)}"
    assert list(rooms.home.iterdir()) == []


def test_without_a_cache_folder_numba_decides(rooms: Rooms, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert rooms.run("print(outer(1), cache_place())", home=tmp_path / "file") == ["20", "numba"]
    assert list((rooms.package / "__pycache__").glob("*.nbc"))


def test_where_nothing_can_be_written_kernels_still_compile(rooms: Rooms, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (rooms.package / "__pycache__").touch()
    show = "print(outer(1), len(outer.signatures), outer.stats.cache_path)"
    assert rooms.run(show, home=tmp_path / "file") == ["20", "1", "None"]


def test_with_compiling_switched_off_kernels_are_plain_functions(rooms: Rooms) -> None:
    assert rooms.run("print(outer(1), type(outer).__name__, cache_place())", NUMBA_DISABLE_JIT="1") == [
        "20",
        "function",
        "off",
    ]
    assert list(rooms.home.iterdir()) == []
