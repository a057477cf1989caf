"""``allostat doctor``."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click

from allostat.cli import EXIT_INPUT
from allostat.cli.output import output_options, print_json, print_table
from allostat.errors import AllostatError

if TYPE_CHECKING:
    from allostat.benchmarking.compile_time import CompileTime
    from allostat.strap import FoundStrap

DISTRIBUTION = "allostat-load"
STRAPS_S = 1.0


@click.command(name="doctor")
@click.option("--compile", "compile_all", is_flag=True, help="Also compile all kernels anew, on all cores.")
@output_options
def command(compile_all: bool, as_json: bool, quiet: bool, verbose: bool) -> int:
    """Is this installation sound? Versions, adapters, compiled kernels and the time they take, cache, store.

    \b
    Examples
      allostat doctor
      allostat doctor --json
      allostat doctor --compile               how long all kernels take to compile, with an empty cache

    The first time, all kernels are compiled into the user's cache. Exit code 0 when everything is sound, 3 otherwise;
    each problem says what to do. What only a live recording needs (the extra live, a Bluetooth adapter) may be
    missing: a server has none.
    """
    rows = []
    for name, check in {**CHECKS, **({"compilation": _compilation} if compile_all else {}), **OPTIONAL}.items():
        try:
            rows.append((name, "ok", check()))
        except Exception as error:  # noqa: BLE001 - a broken installation may fail in any way, and each is reported
            if name in OPTIONAL and isinstance(error, AllostatError):
                rows.append((name, "not here", str(error)))
            else:
                rows.append((name, "problem", f"{type(error).__name__}: {error}"))
    if as_json:
        print_json([dict(zip(("check", "state", "detail"), row, strict=True)) for row in rows])
    else:
        print_table(("check", "state", "detail"), rows)
    return EXIT_INPUT if any(state == "problem" for _, state, _ in rows) else 0


def _python() -> str:
    return f"{sys.version.split()[0]}, {sys.platform}, {os.cpu_count()} cores"


def _import_name() -> str:
    owners = set(metadata.packages_distributions().get("allostat", []))
    foreign = owners - {DISTRIBUTION}
    if foreign:
        raise RuntimeError(
            f"another distribution owns the import name allostat: {', '.join(sorted(foreign))}; "
            f"uninstall it, then reinstall {DISTRIBUTION}"
        )
    return f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}"


def _libraries() -> str:
    names = ("numpy", "scipy", "numba", "xarray", "h5py", "h5netcdf", "pandas", "neurokit2")
    return ", ".join(f"{name} {metadata.version(name)}" for name in names)


def _adapters() -> str:
    from allostat.reading import adapters

    found = adapters()
    if not found:
        raise RuntimeError(f"no adapter is registered: reinstall {DISTRIBUTION}")
    return ", ".join(a.name for a in found)


def _kernels() -> str:
    import numpy as np

    from allostat.kernels import r_peaks

    rate = 250.0
    phase = np.arange(int(20 * rate)) / rate
    peaks = r_peaks(np.exp(-((((phase + 0.4) % 0.8) - 0.4) ** 2) / 2e-4), rate)
    if not 20 <= len(peaks) <= 26:
        raise RuntimeError(f"a made-up ECG of 25 beats gave {len(peaks)}")
    return f"{len(peaks)} beats found in a made-up ECG of 20 s"


def _cache() -> str:
    from allostat.kernels.compiled import cache_home, cache_place

    return {
        "user": f"compiled kernels are kept in the user's cache folder: {cache_home()}",
        "NUMBA_CACHE_DIR": f"compiled kernels are kept below NUMBA_CACHE_DIR: {cache_home()}",
        "numba": "the user's cache folder cannot be written: compiled kernels are kept where numba can, "
        "or compiled in every process (set NUMBA_CACHE_DIR to a folder that can be written)",
        "off": "kernels are not compiled: NUMBA_DISABLE_JIT is set",
    }[cache_place()]


def _loading() -> str:
    from allostat.benchmarking import compile_time
    from allostat.kernels.compiled import cache_place

    if cache_place() == "off":
        return "kernels are not compiled: NUMBA_DISABLE_JIT is set"
    first = compile_time.filled()
    if not first.compiled:
        return _loaded(compile_time.measured())
    said = f"{first.compiled} kernels were compiled in {first.wall_s:.1f} s ({first.cpu_s:.1f} s of CPU)"
    if cache_place() == "numba":
        return f"{said}, in every process anew: see cache"
    return f"{said}, once; {_loaded(compile_time.measured())}"


def _loaded(found: CompileTime) -> str:
    from allostat.benchmarking.compile_time import WARM_LIMIT_S

    return f"all {found.kernels} kernels loaded from the cache in {found.cpu_s:.2f} s of CPU (at most {WARM_LIMIT_S:g})"


def _compilation() -> str:
    from allostat.benchmarking import compile_time
    from allostat.kernels.compiled import cache_place

    if cache_place() == "off":
        return "kernels are not compiled: NUMBA_DISABLE_JIT is set"
    found = compile_time.cold()
    dearest = ", ".join(f"{name} {seconds:.1f}" for name, seconds in list(found.dearest.items())[:6])
    return (
        f"all {found.kernels} kernels compiled in {found.wall_s:.1f} s on {os.cpu_count()} cores "
        f"(at most {compile_time.COLD_LIMIT_S:g}), {found.cpu_s:.1f} s of CPU; most of it: {dearest}"
    )


def _store() -> str:
    from allostat.biomarkers import BiomarkerTable, Person
    from allostat.store import ParticipantResult, read_participant, write_participant

    empty = ParticipantResult(
        "sub-doctor", Person("sub-doctor"), {}, {}, {}, None, None, BiomarkerTable(), {}, {}, {}, ()
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sub-doctor.h5"
        write_participant(empty, path)
        if read_participant(path).participant != "sub-doctor":
            raise RuntimeError("a written file did not read back")
    return "a participant file was written and read back"


def _straps() -> str:
    import asyncio

    from allostat.live.links import links

    async def heard() -> list[FoundStrap]:
        found = await asyncio.gather(*(link.scan(STRAPS_S) for link in links().values()))
        return [strap for straps in found for strap in straps]

    straps = asyncio.run(heard())
    return f"Bluetooth works; straps heard in {STRAPS_S:g} s: {len(straps)} (allostat scan lists them)"


CHECKS: dict[str, Callable[[], str]] = {
    "python": _python,
    "import name": _import_name,
    "libraries": _libraries,
    "adapters": _adapters,
    "cache": _cache,
    "loading": _loading,
    "kernels": _kernels,
    "store": _store,
}

OPTIONAL: dict[str, Callable[[], str]] = {"straps": _straps}
"""Needed for live recording only."""
