"""Kernels are compiled in one way, and never taken from disk after anything they are made of has changed."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest

import allostat.kernels
import allostat_devices
from allostat.kernels import codegen, compiled, text_rows
from allostat.kernels.compiled import UNUSED_DAYS, source_digest, sources_of, user_cache_folder

KERNELS = sorted(Path(allostat.kernels.__file__).parent.glob("*.py"))
MODULES = [
    path for room in (allostat, allostat_devices) for path in sorted(Path(next(iter(room.__path__))).rglob("*.py"))
]
HOME_VARIABLES = ("HOME", "USERPROFILE", "XDG_CACHE_HOME", "LOCALAPPDATA")


def tree(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def imported_from(node: ast.ImportFrom) -> str:
    """Module that names are imported from; kernels lie in one folder, so a relative import is one of theirs."""
    return ".".join(["allostat.kernels"] * (node.level > 0) + [node.module] * (node.module is not None))


def imported(path: Path) -> set[str]:
    plain = {alias.name for node in tree(path) if isinstance(node, ast.Import) for alias in node.names}
    return plain | {imported_from(node) for node in tree(path) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.stem)
def test_kernels_import_numpy_and_kernels_only(path: Path) -> None:
    foreign = {name for name in imported(path) if name.partition(".")[0] not in {*sys.stdlib_module_names, "numpy"}}
    foreign = {name for name in foreign if not name.startswith("allostat.kernels")}
    assert {name.partition(".")[0] for name in foreign} == (
        {"numba"} if path.stem in {"codegen", "compiled"} else set()
    )


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
def test_kernels_lie_below_the_folder_that_is_reported() -> None:
    home, folder = compiled.cache_home(), compiled.cache_folder(Path(text_rows.__file__))
    if home is not None and folder is not None:
        assert home in folder.parents
        assert folder in Path(text_rows.read_rows.stats.cache_path).parents
    assert (compiled.cache_place() == "numba") == (home is None)


def imported_kernel_modules(path: Path) -> set[str]:
    """Kernel modules that a source imports, by its syntax tree; all of them for names of the package itself."""
    stems = {module.stem for module in KERNELS}
    found = {name.split(".")[2] for name in imported(path) if name.startswith("allostat.kernels.")}
    for node in tree(path):
        if isinstance(node, ast.ImportFrom) and imported_from(node) == "allostat.kernels":
            names = {alias.name for alias in node.names}
            found |= names if names <= stems else stems
    return found


@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.stem)
def test_a_kernel_module_is_made_of_all_that_it_imports(path: Path) -> None:
    parts = {part.stem for part in sources_of(path)}
    assert path.stem in parts
    for part in parts:
        assert imported_kernel_modules(path.with_name(f"{part}.py")) <= parts


@pytest.mark.parametrize("path", KERNELS, ids=lambda p: p.stem)
def test_kernel_modules_import_by_name(path: Path) -> None:
    names = {node.id for node in tree(path) if isinstance(node, ast.Name)}
    assert names.isdisjoint({"__import__", "exec", "eval"})
    assert "importlib" not in imported(path)


@pytest.mark.parametrize(
    ("line", "needs"),
    [
        ("", {"sole"}),
        ("import numpy", {"sole"}),
        ("from allostat.kernels.peaks import batch", {"sole", "peaks"}),
        ("from allostat.kernels import peaks, biquad", {"sole", "peaks", "biquad"}),
        ("from allostat.kernels import (\n    peaks,\n    biquad,\n)", {"sole", "peaks", "biquad"}),
        ("from allostat.kernels import peaks, \\\n    biquad", {"sole", "peaks", "biquad"}),
        ("import allostat.kernels.peaks as p", {"sole", "peaks"}),
        ("from .peaks import batch", {"sole", "peaks"}),
        ("from . import peaks", {"sole", "peaks"}),
        ("def f():\n    from allostat.kernels.peaks import batch", {"sole", "peaks"}),
        ("from allostat.kernels.text_rows import decimal", {"sole", "text_rows", "compiled", "codegen"}),
    ],
)
def test_every_way_to_import_a_kernel_module_counts(line: str, needs: set[str], tmp_path: Path) -> None:
    source = tmp_path / "sole.py"
    source.write_text(line + "\n")
    assert {part.stem for part in sources_of(source)} == needs


@pytest.mark.parametrize("line", ["import allostat.kernels as k", "from allostat.kernels import r_peaks"])
def test_through_the_package_every_kernel_module_is_reached(line: str, tmp_path: Path) -> None:
    source = tmp_path / "sole.py"
    source.write_text(line + "\n")
    assert {part.stem for part in sources_of(source)} == {"sole", *(path.stem for path in KERNELS)}


def test_another_numba_gives_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Path(text_rows.__file__)
    first = source_digest(source)
    monkeypatch.setattr(numba, "__version__", "0.0")
    assert source_digest(source) != first


def test_no_source_is_no_digest(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        source_digest(tmp_path / "frozen.py")


def test_cache_folders_of_the_platforms(tmp_path: Path) -> None:
    chosen, home = str(tmp_path / "cache"), Path.home()
    assert user_cache_folder("linux", {"XDG_CACHE_HOME": chosen}) == Path(chosen)
    assert user_cache_folder("linux", {"XDG_CACHE_HOME": "relative"}) == home / ".cache"
    assert user_cache_folder("linux", {}) == home / ".cache"
    assert user_cache_folder("darwin", {"XDG_CACHE_HOME": chosen}) == home / "Library" / "Caches"
    assert user_cache_folder("win32", {"LOCALAPPDATA": chosen}) == Path(chosen)
    assert user_cache_folder("win32", {}) == home / "AppData" / "Local"


class Rooms:
    """A package of kernels, one calling another of another file, that `compiled` compiles in its own process."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "rooms"
        self.package.mkdir()
        self.home = folder / "home"
        self.home.mkdir()
        for module in (compiled, codegen):
            shutil.copy(module.__file__, self.package)
        (self.package / "__init__.py").write_text("from rooms.outer import outer\nfrom rooms.lone import lone\n")
        self.inner("x + 1")
        self._write("outer", "from rooms.inner import inner\n", "inner(x) * 10")
        self._write("lone", "", "x + 7")

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
        code = f"import numba\nfrom rooms import *\nfrom rooms.compiled import *\n{statement}"
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

    def base(self) -> Path:
        """Where the user's compiled kernels lie."""
        return self.home / ("Library/Caches/allostat" if sys.platform == "darwin" else "allostat")


@pytest.fixture
def rooms(tmp_path: Path) -> Rooms:
    return Rooms(tmp_path)


HITS = "sum(outer.stats.cache_hits.values()), sum(lone.stats.cache_hits.values())"


def test_a_changed_kernel_reaches_the_kernels_that_call_it_and_no_others(rooms: Rooms) -> None:
    show = f"print(outer(1), lone(1), cache_place(), numba.config.CACHE_DIR, {HITS})"
    assert rooms.run(show) == ["20", "8", "user", "0", "0"]
    assert rooms.run(show) == ["20", "8", "user", "1", "1"]
    rooms.inner("x + 4")
    assert rooms.run(show) == ["50", "8", "user", "0", "1"]
    kept = sorted(name.rpartition("-")[0] for name in rooms.kept(rooms.base()))
    assert kept == ["kernels-inner", "kernels-inner", "kernels-lone", "kernels-outer", "kernels-outer"]


def test_constants_that_kernels_pass_to_kernels_do_not_compile_them_again(rooms: Rooms) -> None:
    rooms._write("outer", "from rooms.inner import inner\n", "inner(x) + inner(0) + inner(x=1) + inner(2)")
    show = "import sys\nprint(outer(1), len(sys.modules['rooms.inner'].inner.signatures))"
    assert rooms.run(show) == ["8", "1"]


INNER = """
from rooms.compiled import inner_kernel
@inner_kernel
def inner(x):
    if x < 0:
        raise ValueError("negative", x)
    return x + 1
"""


def test_an_inner_kernel_is_compiled_into_its_callers_and_kept_with_them_only(rooms: Rooms) -> None:
    (rooms.package / "inner.py").write_text(INNER)
    show = f"print(outer(1), {HITS}); lone(1)\ntry: outer(-1)\nexcept ValueError as error: print(error.args[0])"
    assert rooms.run(show) == ["20", "0", "0", "negative"]
    assert rooms.run(show) == ["20", "1", "0", "negative"]
    assert {name.split("-")[1] for name in rooms.kept(rooms.base())} == {"outer", "lone"}


def test_python_may_call_an_inner_kernel(rooms: Rooms) -> None:
    (rooms.package / "inner.py").write_text(INNER)
    show = "from rooms.inner import inner\nprint(inner(1), outer(1), inner(2.5), inner(1), len(inner.signatures))"
    assert rooms.run(show) == ["2", "20", "3.5", "2", "1"]
    assert rooms.run("from rooms.inner import inner\nprint(inner(1), inner.py_func(1))") == ["2", "2"]


def test_where_numba_is_built_otherwise_inner_kernels_are_kernels(rooms: Rooms) -> None:
    (rooms.package / "inner.py").write_text(INNER)
    source = rooms.package / "codegen.py"
    source.write_text(
        source.read_text(encoding="utf-8").replace("KNOWN = (", "KNOWN = False and (", 1), encoding="utf-8"
    )
    assert rooms.run(f"print(outer(1), {HITS})") == ["20", "0", "0"]
    assert {name.split("-")[1] for name in rooms.kept(rooms.base())} == {"inner", "outer"}


def test_numba_types_as_before_when_a_kernel_is_compiled(rooms: Rooms) -> None:
    show = (
        "from numba.core.types import functions\nbefore = functions.BaseFunction.get_call_type\n"
        "print(outer(1), functions.BaseFunction.get_call_type is before)"
    )
    assert rooms.run(show) == ["20", "True"]


LOADED = "import sys\nprint('scipy.linalg' in sys.modules)"


def test_only_what_is_compiled_imports_what_compiling_needs(rooms: Rooms) -> None:
    show = f"print(outer(1), {HITS})\n{LOADED}"
    assert rooms.run(show) == ["20", "0", "0", "True"]
    assert rooms.run(show) == ["20", "1", "0", "False"]
    assert rooms.run(f"{show}\nprint(lone(1))\n{LOADED}") == ["20", "1", "0", "False", "8", "True"]


def test_a_kernel_from_disk_is_linked_into_one_that_is_compiled(rooms: Rooms) -> None:
    """And the other way round: a kernel that is compiled first leaves those from disk as they are."""
    rooms.run("from rooms.inner import inner\nprint(inner(1))")
    show = "from rooms.inner import inner\nprint(inner(1), outer(1), *inner.stats.cache_hits.values())"
    assert rooms.run(f"{show}\nprint({HITS})") == ["2", "20", "1", "0", "0"]
    assert rooms.run(f"lone(1)\n{show}\nprint({HITS})") == ["2", "20", "1", "1", "0"]
    assert rooms.run("from rooms.inner import inner\nprint(outer(2.5), inner(1), outer(1))") == ["35.0", "2", "20"]


@pytest.mark.parametrize("before", ["enable", "disable"])
def test_the_collector_of_unreachable_objects_is_left_as_it_was(rooms: Rooms, before: str) -> None:
    show = f"import gc\ngc.{before}()\nprint(outer(1), gc.isenabled())"
    assert rooms.run(show) == ["20", str(before == "enable")]
    failing = f"import gc\ngc.{before}()\ntry: outer('')\nexcept numba.TypingError: print(gc.isenabled())"
    assert rooms.run(failing) == [str(before == "enable")]


def test_a_renamed_module_is_another_one(rooms: Rooms) -> None:
    rooms.run("lone(1)")
    (rooms.package / "lone.py").rename(rooms.package / "alone.py")
    (rooms.package / "lone.py").write_text("from rooms.alone import lone\n")
    assert rooms.run(f"lone(1)\nprint({HITS})") == ["0", "0"]


def test_a_cache_folder_chosen_for_numba_is_used(rooms: Rooms, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    show = (
        "from pathlib import Path\nimport os, sys\n"
        "print(outer(1), cache_place(), numba.config.CACHE_DIR == os.environ['NUMBA_CACHE_DIR'],"
        " cache_folder(Path(sys.modules['rooms.outer'].__file__)).name)"
    )
    *told, folder = rooms.run(show, NUMBA_CACHE_DIR=str(chosen))
    assert told == ["20", "NUMBA_CACHE_DIR", "True"]
    assert {name.split("-")[1] for name in rooms.kept(chosen)} == {"inner", "outer"}
    assert folder in rooms.kept(chosen)
    assert list(rooms.home.iterdir()) == []


def long_ago(folder: Path) -> Path:
    """A folder as if last used before `UNUSED_DAYS`."""
    then = time.time() - (UNUSED_DAYS + 1) * 86_400
    os.utime(folder, (then, then))
    return folder


def test_old_folders_of_our_own_naming_are_removed_and_nothing_else(rooms: Rooms, tmp_path: Path) -> None:
    base = rooms.base()
    outside = tmp_path / "outside"
    digest = "0123456789abcdef"
    old = [f"kernels-{digest}", f"kernels-inner-{digest}", f"kernels-outer-{digest}.{digest}{digest}"]
    foreign = ["kernels", "kernels-inner", f"other-{digest}", f"kernels-inner-{digest}.bak"]
    for name in [*old, *foreign]:
        (base / name / "inside").mkdir(parents=True)
        (base / name / "inside" / "k.nbi").touch()
    (outside / f"kernels-{digest}").mkdir(parents=True)
    (base / old[0] / "link").symlink_to(outside, target_is_directory=True)
    (base / f"kernels-linked-{digest}").symlink_to(outside, target_is_directory=True)
    (base / f"kernels-file-{digest}").touch()
    (base / f"kernels-recent-{digest}").mkdir()
    for name in [*old, *foreign, f"kernels-file-{digest}"]:
        long_ago(base / name)
    long_ago(outside)
    rooms.run("outer(1)")
    left = {path.name for path in base.iterdir()}
    assert left.isdisjoint(old)
    assert left >= {*foreign, f"kernels-linked-{digest}", f"kernels-file-{digest}", f"kernels-recent-{digest}"}
    assert (outside / f"kernels-{digest}").is_dir()


def test_a_folder_in_use_does_not_grow_old(rooms: Rooms) -> None:
    show = f"print(outer(1), {HITS})"
    rooms.run(show)
    folders = [long_ago(folder) for folder in rooms.base().iterdir()]
    assert rooms.run(show) == ["20", "1", "0"]
    rooms.inner("x + 4")
    rooms.run(show)
    assert all(folder.is_dir() for folder in folders)


def test_a_folder_that_another_process_begins_to_use_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kernels-inner-0123456789abcdef"
    folder.mkdir()
    (folder / "k.nbi").touch()
    long_ago(folder)
    rename = Path.rename

    def marked_first(path: Path, target: Path) -> Path:
        os.utime(path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", marked_first)
    compiled._remove_unused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert (folder / "k.nbi").exists()


def test_a_folder_that_another_process_has_made_anew_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "kernels-inner-0123456789abcdef"
    folder.mkdir()
    long_ago(folder)
    rename = Path.rename

    def marked_first_and_made_again(path: Path, target: Path) -> Path:
        os.utime(path)
        moved = rename(path, target)
        if path == folder:
            (folder / "new").mkdir(parents=True)
        return moved

    monkeypatch.setattr(Path, "rename", marked_first_and_made_again)
    compiled._remove_unused(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    assert (folder / "new").is_dir()


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
