"""One way to compile a kernel, and where compiled kernels are kept between runs.

numba keeps a compiled function beside a stamp of its own file only: a kernel that calls a kernel of another file would
be taken from disk unchanged after that other file has changed. So the compiled kernels of a module lie in a folder
named after a digest of that module and of all kernel modules it is made of: a change leads to another folder, for the
modules that it reaches and for no others. Folders that no process has used for a long time are removed.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import re
import shutil
import stat
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, cast

import numba

from . import codegen

Function = TypeVar("Function", bound=Callable[..., Any])
CachePlace = Literal["NUMBA_CACHE_DIR", "user", "numba", "off"]

UNUSED_DAYS = 90
"""A folder of compiled kernels that no process has used for so long is removed."""

KERNELS: list[Any] = []
"""Every function that `kernel` has compiled or left as it is in this process, in the order of definition."""

_numba: Any = numba
_config: Any = numba.config
"""Set at run time: no type checker knows its names."""
_LEAN = {"_nrt": False} if hasattr(_numba.core.options.DefaultOptions, "_nrt") else {}
"""numba's own code uses this option, its manual does not promise it."""
_DECORATING = threading.Lock()
_DAY_S = 86_400.0
_PACKAGE = __name__.rpartition(".")[0]
_FOLDER = re.compile(r"(kernels-(?:\w+-)?[0-9a-f]{16})(?:\.[0-9a-f]{32})?")
"""Names that this module gives (the end when it takes a folder out of the way), or gave to one folder for all."""
# Without the edge of a word in front, which would only have to be looked for at every letter.
_RELATIVE = re.compile(r"from(\s+)\.(?!\.)")
_MEMBER = re.compile(rf"{re.escape(_PACKAGE)}\.(\w+)")
_FROM_PACKAGE = re.compile(rf"from\s+{re.escape(_PACKAGE)}\.?\s+import\s+(\([^)]*\)|(?:\\\n|[^\n#;])*)")
_WHOLE_PACKAGE = re.compile(rf"import\s+{re.escape(_PACKAGE)}(?!\.?\w)")


def kernel(function: Function) -> Function:
    """Compile a function of arrays and numbers with numba when it is first called, and keep it on disk.

    Equal to ``numba.njit(cache=True, nogil=True)``: no fast mathematics (NaN stays NaN), no threads of its own, the
    interpreter lock released. ``NUMBA_DISABLE_JIT=1`` leaves the function as it is. Where nothing can be written, it is
    compiled in every process anew. Nothing here calls a kernel from C, so no entry for that is compiled.
    """
    return _entry(function, {})


def lean_kernel(function: Function) -> Function:
    """`kernel` for functions that make no arrays, only views, and call none that does: no array's users are counted.

    Counting takes several atomic operations for every array of every call of another kernel, which was a quarter of
    the time of a detector that calls many small ones for each beat. The caller in Python holds all arrays meanwhile.
    What makes an array is refused when it is compiled.
    """
    return _entry(function, _LEAN)


def inner_kernel(function: Function) -> Function:
    """Compile a function that only other kernels call, into these and nowhere else.

    That is cheaper to compile: no entry for Python, no machine code and no place on disk of its own.
    Python may still call it, as tests do: then it is compiled as a `kernel` besides.
    """
    return _inner(function, {})


def lean_inner_kernel(function: Function) -> Function:
    """`inner_kernel` for functions that only `lean_kernel` functions call."""
    return _inner(function, _LEAN)


def inlined_kernel(function: Function) -> Function:
    """`lean_inner_kernel` for a few short steps of a hot loop: there each call costs as much as the step itself."""
    return _inner(function, _LEAN | {"forceinline": True})


def _entry(function: Function, options: dict[str, bool]) -> Function:
    compiled: Function = function if _config.DISABLE_JIT else _decorated(function, options)
    KERNELS.append(compiled)
    return compiled


def _inner(function: Function, options: dict[str, bool]) -> Function:
    if _config.DISABLE_JIT or not codegen.KNOWN:
        return _entry(function, options)
    inner = {"pipeline_class": codegen.Inner, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    compiled: Any = _numba.njit(**inner, **options)(function)
    codegen.keep_inner(compiled, functools.cache(lambda: _decorated(function, options)))
    _prepare(compiled)
    KERNELS.append(compiled)
    return cast(Function, compiled)


def _decorated(function: Callable[..., Any], options: dict[str, bool]) -> Any:
    with _DECORATING, _kept_in(cache_folder(Path(inspect.getfile(function)))):
        try:
            compiled = _numba.njit(cache=True, nogil=True, no_cfunc_wrapper=True, **options)(function)
        except RuntimeError:  # numba found no folder that can be written
            compiled = _numba.njit(nogil=True, no_cfunc_wrapper=True, **options)(function)
    codegen.complete(compiled)
    codegen.load_alone(compiled)
    _prepare(compiled)
    return compiled


def _prepare(dispatcher: Any) -> None:
    _forget_literals(dispatcher)
    compile_for = dispatcher.compile

    def compile_at_rest(args: Any) -> Any:
        with codegen.at_rest():
            return compile_for(args)

    dispatcher.compile = compile_at_rest


def _forget_literals(dispatcher: Any) -> None:
    """Let calls from other kernels share one compilation, whatever constants they pass.

    numba compiles a function anew for every constant that another compiled function gives it (``f(x, 0)``, ``f(x, 1)``
    and ``f(x, i)`` are three compilations), and most of the time to compile went there. Here a constant counts as any
    number of its type; what that costs in speed, LLVM regains where it inlines.
    """
    template_for = dispatcher.get_call_template

    def get_call_template(args: Any, kws: Any) -> Any:
        plain = [_numba.types.unliteral(arg) for arg in args]
        return template_for(plain, {name: _numba.types.unliteral(arg) for name, arg in kws.items()})

    dispatcher.get_call_template = get_call_template


@functools.cache
def cache_home() -> Path | None:
    """Folder that holds the folders of compiled kernels, made if need be.

    ``NUMBA_CACHE_DIR`` when that is set, else allostat's part of the user's cache folder.

    Returns
    -------
    Path or None
        None when it cannot be written, or kernel sources cannot be read: numba's own default applies then.
    """
    try:
        home = Path(_config.CACHE_DIR) if _config.CACHE_DIR else user_cache_folder() / "allostat"
        source_digest(Path(__file__))
        home.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home).close()
    except (OSError, RuntimeError):
        return None
    return home


@functools.cache
def cache_folder(source: Path) -> Path | None:
    """Folder of the compiled kernels of one module, made if need be and marked as in use.

    Parameters
    ----------
    source
        The module's Python source.

    Returns
    -------
    Path or None
        None when there is no `cache_home`, or it cannot be written, or the source cannot be read (a frozen program, a
        function typed at a prompt).
    """
    home = cache_home()
    if home is None:
        return None
    try:
        folder = home / f"kernels-{source.stem}-{source_digest(source)}"
        if not folder.is_dir():
            folder.mkdir(exist_ok=True)
            _remove_unused(home)
        elif time.time() - folder.stat().st_mtime > _DAY_S:
            os.utime(folder)
    except OSError:
        return None
    return folder


def cache_place() -> CachePlace:
    """Where compiled kernels are kept: below the folder that the user chose for numba, in the user's cache folder
    (`cache_home` tells both), where numba puts them by default, or nowhere because compiling is switched off.
    """
    if _config.DISABLE_JIT:
        return "off"
    if cache_home() is None:
        return "numba"
    return "NUMBA_CACHE_DIR" if _config.CACHE_DIR else "user"


def source_digest(source: Path) -> str:
    """Digest of all that decides how the kernels of a module are compiled: `sources_of` the module, and numba.

    Raises
    ------
    OSError
        When a source cannot be read.
    """
    digest = hashlib.sha256(f"numba {numba.__version__}".encode())
    for part in sources_of(source):
        digest.update(f"\0{part.name}\0".encode() + _read(part).digest)
    return digest.hexdigest()[:16]


def sources_of(source: Path) -> list[Path]:
    """A module's source and those of the kernel modules that it imports, and that these import, and so on.

    Every mention of a kernel module counts, be it in a comment: at worst something is compiled once more. Parsing the
    same files with `ast` takes 50 ms in every process that uses a kernel, this takes 2.

    Raises
    ------
    OSError
        When a source cannot be read.
    """
    found: set[Path] = set()
    waiting = [source]
    while waiting:
        part = waiting.pop()
        if part not in found:
            found.add(part)
            waiting += _read(part).mentioned
    return sorted(found)


class _Source(NamedTuple):
    """What a source is, and the kernel modules that it mentions."""

    digest: bytes
    mentioned: tuple[Path, ...]


@functools.cache
def _read(source: Path) -> _Source:
    content = source.read_bytes()
    lines = content.decode().replace("\r\n", "\n").replace("\r", "\n")
    text = _RELATIVE.sub(rf"from\1{_PACKAGE}.", lines)
    modules = _modules()
    imported = {name for names in _FROM_PACKAGE.findall(text) for name in re.findall(r"[\w*]+", names)}
    if _WHOLE_PACKAGE.search(text) or (imported and not imported <= modules.keys()):
        mentioned = tuple(modules.values())  # through the package any of them can be reached
    else:
        mentioned = tuple(modules[name] for name in imported | set(_MEMBER.findall(text)) if name in modules)
    return _Source(hashlib.sha256(content).digest(), mentioned)


@functools.cache
def _modules() -> dict[str, Path]:
    return {path.stem: path for path in Path(__file__).parent.glob("*.py")}


def _remove_unused(home: Path) -> None:
    """Remove the folders of compiled kernels that nobody has used for `UNUSED_DAYS`; nothing else, and no link.

    Another process may begin to use a folder meanwhile. It marks the folder first, and here the folder is taken out of
    the way before it is removed and looked at again then: one that was marked is put back. A process that looks for it
    in between finds nothing and compiles, which is what it does without a folder.
    """
    oldest = time.time() - UNUSED_DAYS * _DAY_S
    for entry in list(os.scandir(home)):
        path = Path(entry.path)
        named = _FOLDER.fullmatch(entry.name)
        if not named or not _unused_folder(path, oldest):
            continue
        aside = home / f"{named[1]}.{uuid.uuid4().hex}"
        with suppress(OSError):  # another process was quicker, or the folder is another user's: then it stays
            path.rename(aside)
            if _unused_folder(aside, oldest):
                shutil.rmtree(aside)
            else:
                _put_back(aside, path)


def _put_back(aside: Path, path: Path) -> None:
    try:
        aside.rename(path)
    except OSError:  # there is a new one already
        shutil.rmtree(aside)


def _unused_folder(path: Path, oldest: float) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_mtime < oldest


def user_cache_folder(platform: str = sys.platform, environment: Mapping[str, str] = os.environ) -> Path:
    """The folder in which programs keep what they can make again, as the platform has it.

    Raises
    ------
    RuntimeError
        When the user has no home folder.
    """
    if platform == "win32":
        chosen, default = environment.get("LOCALAPPDATA", ""), "AppData/Local"
    elif platform == "darwin":
        chosen, default = "", "Library/Caches"
    else:
        chosen, default = environment.get("XDG_CACHE_HOME", ""), ".cache"
    # A relative path would lead to another folder in every working directory (XDG base directories: to be ignored).
    return Path(chosen) if Path(chosen).is_absolute() else Path.home() / default


@contextmanager
def _kept_in(folder: Path | None) -> Iterator[None]:
    """Let numba keep what is decorated meanwhile in a folder: it takes note of the folder when it decorates."""
    before = _config.CACHE_DIR
    if folder is not None:
        _config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        _config.CACHE_DIR = before
