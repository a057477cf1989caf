"""Results of a study in the formats of other tools: one module per format."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from allostat.errors import ConfigError, InputError

if TYPE_CHECKING:
    from allostat.study.opened import StudyResults

Writer = Callable[["StudyResults", Sequence[str], Path], "list[Path]"]

FORMATS: Mapping[str, str] = {
    "csv": "tables of the cohort as comma-separated text, with a dictionary",
    "parquet": "the same tables in columns with their types (needs the extra parquet)",
    "bids": "signals and beats as BIDS physiological recordings with sidecars",
    "edf": "signals with their beats as annotations, one EDF+ file per stretch (needs the extra edf)",
    "kubios": "beat intervals as text, one value a line, one file per stretch without gaps",
    "mat": "MATLAB files: beats, HRV, biomarkers and index of each participant",
    "nwb": "Neurodata Without Borders: signals and beats of each participant (needs the extra nwb)",
}
"""What can be written, and what it is."""


def export_study(
    out: str | PathLike[str],
    to: str | PathLike[str],
    formats: Sequence[str],
    *,
    participants: Sequence[str] | None = None,
) -> list[Path]:
    """Write results of a study in other formats, each in a folder of its own below ``to``.

    Parameters
    ----------
    out
        Output folder of `allostat run`.
    to
        Folder for the exports.
    formats
        Some of `FORMATS`.
    participants
        Whom; everybody when left out.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ConfigError
        An unknown format, or a folder of a format that holds other things.
    InputError
        No results there, an unknown participant, a library that a format needs is not installed.
    """
    from allostat.study.opened import open_study

    for name in formats:
        if name not in FORMATS:
            raise ConfigError("no such export format", found=name, valid=FORMATS)
    results = open_study(out)
    chosen = tuple(results.participants if participants is None else participants)
    for who in chosen:
        if who not in results:
            raise InputError("no results of this participant", found=who, valid=results.participants)
    written: list[Path] = []
    for name in dict.fromkeys(formats):
        folder = Path(to) / name
        if folder.exists() and any(folder.iterdir()):
            raise ConfigError("the folder of an export holds other things", found=folder.name, expected="a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        writer: Writer = import_module(f"allostat.export.{name}").write
        written += writer(results, chosen, folder)
    return written
