"""What numba does beyond need while it compiles kernels and takes them from disk, left out.

numba types each operation of each kernel anew: for an addition it asks many candidates, among them those for texts
and lists. Kernels do the same things to the same types over and over, so the answer is kept (`_types_kept`). And numba
makes of each function that a kernel calls a library of its own, optimised and turned into machine code, though only the
copy inside the caller ever runs: of an `Inner` function neither is made.

Before numba takes a kernel from disk it imports all that it could need to compile one, a part of scipy among it, and of
each kernel it reads the code to be linked into other kernels besides the machine code. Both were more than half of the
time that loading takes, and wait here until something is compiled (`load_alone`).

All this rests on the inside of numba. Where it does not have what is built upon here (`KNOWN`), nothing is left out.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from numba.core import caching, codegen, compiler, environment, runtime, targetconfig
from numba.core.compiler_lock import global_compiler_lock
from numba.core.types import functions

_lock: Any = global_compiler_lock
"""Without a type: no type checker knows it."""
_BaseFunction: Any = getattr(functions, "BaseFunction", object)

if TYPE_CHECKING:

    class _Library:
        """What of numba's code library is called or replaced here: numba has no types."""

        _codegen: Any
        _finalized: bool
        _shared_module: Any

        def __init__(self, made_by: Any, name: str) -> None: ...
        def _finalize_dynamic_globals(self) -> None: ...
        def _finalize_final_module(self) -> None: ...
        def _get_module_for_linking(self) -> Any: ...
        def _set_compiled_object(self, machine_code: bytes) -> None: ...
        def enable_object_caching(self) -> None: ...

    class _Compiler:
        """What of numba's compiler is called or replaced here."""

        state: Any

        def compile_extra(self, func: Callable[..., Any]) -> Any: ...
else:
    _Library = getattr(codegen, "JITCodeLibrary", object)
    _Compiler = getattr(compiler, "Compiler", object)

_Cache: Any = getattr(caching, "FunctionCache", object)
_runtime: Any = getattr(runtime, "rtsys", None)
_read: Any = getattr(getattr(codegen, "ll", None), "parse_bitcode", None)
_environment_of: Any = getattr(environment, "lookup_environment", None)
_flags: Any = getattr(getattr(targetconfig, "ConfigStack", None), "top_or_none", None)
_TYPED_ANEW: Any = getattr(_BaseFunction, "get_call_type", None)
_ENVIRONMENT = "_ZN08NumbaEnv"
"""How numba's names of variables begin that lead a compiled function to what it needs of Python."""

KNOWN = (
    _TYPED_ANEW is not None
    and _environment_of is not None
    and _flags is not None
    and hasattr(_Compiler, "compile_extra")
    and all(
        hasattr(_Library, name)
        for name in (
            "_optimize_final_module",
            "_finalize_final_module",
            "_get_module_for_linking",
            "_unserialize",
            "enable_object_caching",
            "_set_compiled_object",
        )
    )
    and all(hasattr(_Cache, name) for name in ("_load_overload", "_guard_against_spurious_io_errors"))
    and hasattr(getattr(codegen, "JITCPUCodegen", None), "_library_class")
    and hasattr(_runtime, "initialize")
    and _read is not None
)
"""Whether this numba is built like the one that this module was written for (0.68)."""

_TYPES: dict[tuple[Any, ...], Any] = {}
"""Signature of each call of a function of numba's own that was typed, by function and types of the arguments, and by
whether references are counted: all other options are the same for all kernels."""


@contextmanager
def at_rest() -> Iterator[None]:
    """Compile or load a kernel, all it calls included, with types kept and without searches for garbage.

    A compilation makes very many objects that live until its end: each of Python's searches for unreachable objects
    walks through all of them and finds little. One thread compiles at a time, as numba has it anyway.
    """
    with _lock, _types_kept():
        searching = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if searching:
                gc.enable()


@contextmanager
def _types_kept() -> Iterator[None]:
    """Let numba type each operation on given types once; the compiler's lock is held meanwhile."""
    if not KNOWN:
        yield
        return
    before = _BaseFunction.get_call_type
    _BaseFunction.get_call_type = _call_type
    try:
        yield
    finally:
        _BaseFunction.get_call_type = before


def _call_type(function: Any, context: Any, args: Any, kws: Any) -> Any:
    flags = _flags()
    counting = flags is None or flags.nrt  # what is compiled for kernels that count references is no good to others
    key = (function, context, tuple(args), tuple(kws.items()), counting)
    found = _TYPES.get(key)
    if found is None:
        found = _TYPES[key] = _TYPED_ANEW(function, context, args, kws)
    return found


class _Linked(_Library):
    """Code of an inner function, as it is linked into its callers: neither optimised on its own nor machine code."""

    def _optimize_final_module(self) -> None:
        """Leave it to the caller, in which it is optimised with all around it."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class Inner(_Compiler):
    """Compiler of functions that other kernels call: the pipeline of ``numba.njit`` up to the code to be linked."""

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Compile one function for the types given."""
        self.state.library = _Linked(self.state.targetctx.codegen(), func.__qualname__)
        self.state.flags.no_compile = True  # no address is asked for
        return super().compile_extra(func)


def keep_inner(dispatcher: Any, whole: Callable[[], Any]) -> None:
    """Let an inner function be called by kernels only; Python gets a kernel of its own of it, if it ever calls.

    Parameters
    ----------
    dispatcher
        What ``numba.njit`` with `Inner` gave for the function.
    whole
        Gives the same function compiled as a kernel.
    """

    def add_overload(result: Any) -> None:
        entry = object()  # numba knows a compiled function by its address, and there is none
        dispatcher.targetctx.insert_user_function(entry, result.fndesc, [result.library])
        dispatcher.overloads[tuple(result.signature.args)] = result._replace(entry_point=entry)

    dispatcher.add_overload = add_overload
    dispatcher._compile_for_args = lambda *args, **kws: whole()._compile_for_args(*args, **kws)


def complete(dispatcher: Any) -> None:
    """Let the inner functions in a kernel that was just compiled find what they need of Python.

    numba sees to that for the kernel itself, and for all that is in it when it takes it from disk.
    """
    if not KNOWN:
        return
    add_overload = dispatcher.add_overload

    def add_complete(result: Any) -> None:
        for variable in result.library._final_module.global_variables:
            found = _environment_of(variable.name) if variable.name.startswith(_ENVIRONMENT) else None
            if found is not None:
                result.library.codegen.set_env(found.env_name, found)
        add_overload(result)

    dispatcher.add_overload = add_complete


class _Loaded(_Library):
    """Machine code of a kernel taken from disk; its code to be linked is read when another kernel links it."""

    _to_link: bytes | None = None

    @classmethod
    def _unserialize(cls, made_by: Any, state: Any) -> Any:
        name, _, (machine_code, to_link) = state
        library = cls(made_by, name)
        library._to_link = to_link
        library.enable_object_caching()
        library._set_compiled_object(machine_code)
        library._finalize_final_module()
        return library

    def _get_module_for_linking(self) -> Any:
        if self._to_link is not None:
            self._shared_module, self._to_link = _read(self._to_link), None
        return super()._get_module_for_linking()

    def get_pointer_to_function(self, name: str) -> int:
        """Address of a function in the machine code, 0 when there is none: all that is loaded is searched."""
        return cast(int, self._codegen._engine.get_function_address(name))


def load_alone(dispatcher: Any) -> None:
    """Let a kernel be taken from disk without what only compiling needs.

    Machine code finds what it calls outside itself by name: Python's and numba's functions for arrays, errors and
    mathematics are known as soon as numba is imported or here. numba gives a few more, such as those for hashes of
    texts, with what it imports to compile; a kernel that uses them could not be loaded in this way.
    """
    cache = dispatcher._cache
    if not (KNOWN and isinstance(cache, _Cache)):
        return

    def load_overload(signature: Any, context: Any) -> Any:
        _runtime.initialize(context)
        with cache._guard_against_spurious_io_errors(), _libraries(context.codegen(), _Loaded):
            return cache._load_overload(signature, context)

    cache.load_overload = load_overload


@contextmanager
def _libraries(made_by: Any, kind: type) -> Iterator[None]:
    """Let libraries be of another kind; the compiler's lock is held meanwhile."""
    before = made_by._library_class
    made_by._library_class = kind
    try:
        yield
    finally:
        made_by._library_class = before
