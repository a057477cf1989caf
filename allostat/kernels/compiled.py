"""One way to compile a kernel, and where compiled kernels are kept between runs.

numba keeps a compiled function beside a stamp of its own file only: a kernel that calls a kernel of another file would
be taken from disk unchanged after that other file has changed. So compiled kernels lie in a folder named after a digest
of all kernel sources, and any change to any of them leads to another folder.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import numba

from allostat import __version__

Function = TypeVar("Function", bound=Callable[..., Any])
CachePlace = Literal["NUMBA_CACHE_DIR", "user", "numba", "off"]

_numba: Any = numba
_config: Any = numba.config
"""Set at run time: no type checker knows its names."""
_DECORATING = threading.Lock()


def kernel(function: Function) -> Function:
    """Compile a function of arrays and numbers with numba when it is first called, and keep it on disk.

    Equal to ``numba.njit(cache=True, nogil=True)``: no fast mathematics (NaN stays NaN), no threads of its own, the
    interpreter lock released. ``NUMBA_DISABLE_JIT=1`` leaves the function as it is. Where nothing can be written, it is
    compiled in every process anew.
    """
    if _config.DISABLE_JIT:
        return function
    with _DECORATING, _kept_in(cache_folder()):
        try:
            compiled: Function = _numba.njit(cache=True, nogil=True)(function)
        except RuntimeError:  # numba found no folder that can be written
            compiled = _numba.njit(nogil=True)(function)
    return compiled


@functools.cache
def cache_folder() -> Path | None:
    """Folder of this version's compiled kernels, made if need be.

    Below ``NUMBA_CACHE_DIR`` when that is set, else below the user's cache folder.

    Returns
    -------
    Path or None
        None when it cannot be written, or the sources cannot be read: numba's own default applies then.
    """
    try:
        name = f"kernels-{source_digest(Path(__file__).parent)}"
        folder = Path(_config.CACHE_DIR, name) if _config.CACHE_DIR else user_cache_folder() / "allostat" / name
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):
        return None
    return folder


def cache_place() -> CachePlace:
    """Where compiled kernels are kept: below the folder that the user chose for numba, in the user's cache folder
    (`cache_folder` tells both), where numba puts them by default, or nowhere because compiling is switched off.
    """
    if _config.DISABLE_JIT:
        return "off"
    if cache_folder() is None:
        return "numba"
    return "NUMBA_CACHE_DIR" if _config.CACHE_DIR else "user"


def source_digest(folder: Path) -> str:
    """Digest of all that decides how kernels are compiled: the Python sources of a folder, allostat, numba.

    Raises
    ------
    OSError
        When no source can be read (a frozen program).
    """
    digest = hashlib.sha256(f"allostat {__version__}, numba {numba.__version__}".encode())
    sources = sorted(folder.glob("*.py"))
    if not sources:
        raise FileNotFoundError(f"no kernel sources in {folder.name}")
    for source in sources:
        digest.update(f"\0{source.name}\0".encode() + hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()[:16]


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
