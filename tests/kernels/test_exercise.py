"""Every kernel gives the same compiled and not compiled, is reached by the table of calls, and is compiled once."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest

from allostat.kernels import codegen, exercise
from allostat.kernels.compiled import KERNELS, cache_home

compiled_only = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")


def parts(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, array and text of a result, with its place."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        value = value._asdict()
    elif is_dataclass(value):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, dict):
        for key, part in value.items():
            yield from parts(part, f"{name}.{key}")
    elif isinstance(value, (tuple, list)):
        for i, part in enumerate(value):
            yield from parts(part, f"{name}[{i}]")
    else:
        yield name, value


@pytest.fixture(scope="module")
def plain() -> dict[str, list[tuple[str, Any]]]:
    """What the calls give in a process in which nothing is compiled."""
    code = (
        "import importlib.util, pickle, sys\n"
        f"spec = importlib.util.spec_from_file_location('own', {str(Path(__file__))!r})\n"
        "own = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(own)\n"
        "found = {name: list(own.parts(value)) for name, value in own.exercise.exercise().items()}\n"
        "sys.stdout.buffer.write(pickle.dumps(found))\n"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    found: dict[str, list[tuple[str, Any]]] = pickle.loads(ended.stdout)
    return found


@pytest.mark.parametrize("name", exercise.CALLS)
def test_compiled_and_plain_kernels_give_the_same(name: str, plain: dict[str, list[tuple[str, Any]]]) -> None:
    found = list(parts(exercise.CALLS[name]()))
    assert [place for place, _ in found] == [place for place, _ in plain[name]]
    for (place, one), (_, other) in zip(found, plain[name], strict=True):
        if isinstance(one, bytes | str):
            assert one == other, place
            continue
        a, b = np.asarray(one), np.asarray(other)
        assert a.shape == b.shape, place
        if a.dtype.kind in "iub":
            assert np.array_equal(a, b), place
        else:
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12, equal_nan=True, err_msg=place)


@pytest.mark.parametrize("name", exercise.CALLS)
def test_a_call_gives_something(name: str) -> None:
    numbers = [np.asarray(value) for _, value in parts(exercise.CALLS[name]()) if not isinstance(value, bytes | str)]
    texts = [value for _, value in parts(exercise.CALLS[name]()) if isinstance(value, bytes | str)]
    assert any(texts) or any(np.isfinite(value).any() for value in numbers if value.dtype.kind in "iubf")


def test_every_call_is_of_one_family() -> None:
    assert sorted(name for family in exercise.families() for name in family) == sorted(exercise.CALLS)


def called_by(function: Any) -> Iterator[Any]:
    """Kernels that a kernel calls, by a name of its module or as an attribute of a module."""
    names, known = function.py_func.__code__.co_names, function.py_func.__globals__
    modules = [known[name] for name in names if isinstance(known.get(name), ModuleType)]
    for name in names:
        for called in (known.get(name), *(getattr(module, name, None) for module in modules)):
            if any(called is other for other in KERNELS):
                yield called


@compiled_only
def test_the_calls_reach_every_kernel() -> None:
    for path in Path(exercise.__file__).parent.glob("[!_]*.py"):
        import_module(f"allostat.kernels.{path.stem}")
    exercise.exercise()
    ours = [function for function in KERNELS if function.py_func.__module__.startswith("allostat.kernels.")]
    reached = [function for function in ours if function.signatures]
    for function in reached:
        reached += [other for other in called_by(function) if not any(other is known for known in reached)]
    missing = [function for function in ours if not any(function is known for known in reached)]
    assert [f"{f.py_func.__module__}.{f.__name__}" for f in missing] == []


@compiled_only
def test_no_kernel_is_compiled_for_two_signatures() -> None:
    code = (
        "from allostat.kernels import exercise\n"
        "from allostat.kernels.compiled import KERNELS\n"
        "exercise.exercise()\n"
        "print([f'{f.py_func.__module__}.{f.__name__}' for f in KERNELS if len(f.signatures) > 1])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.strip() == "[]", ended.stderr


@compiled_only
@pytest.mark.skipif(cache_home() is None or not codegen.KNOWN, reason="kernels are not kept, or loaded as numba has it")
def test_every_kernel_is_taken_from_disk_without_what_compiling_needs() -> None:
    """What a kernel finds outside itself must be known without it; half of the time to load would go there."""
    exercise.exercise()
    code = (
        "import sys\n"
        "from allostat.kernels import exercise\n"
        "from allostat.kernels.compiled import KERNELS\n"
        "exercise.exercise()\n"
        "print(sum(sum(f.stats.cache_misses.values()) for f in KERNELS))\n"
        "print([name for name in ('scipy.linalg', 'numba.np.linalg') if name in sys.modules])\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.stdout.splitlines() == ["0", "[]"], ended.stderr
