"""Norms that come with allostat, and norms of a user's own table."""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from allostat.biomarkers import Sex, biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.norms.norm import Norm, NormCell, NormSensor, check_cells, log_moments, stored
from allostat.tables.reader import Column, Row, Table, number, read_table

COLUMNS = (
    Column("biomarker", required=True),
    Column("context", required=True),
    Column("sensor", required=True),
    Column("sex"),
    Column("age_low"),
    Column("age_high"),
    Column("n"),
    Column("mean"),
    Column("sd"),
    Column("ln_mean"),
    Column("ln_sd"),
    Column("doi"),
    Column("population"),
)
"""Columns of a user's norm, see `load_norm`."""

_SEXES: Mapping[str, Sex | None] = {"": None, "both": None, "all": None, "f": "F", "female": "F", "m": "M", "male": "M"}
_SENSORS: Mapping[str, NormSensor] = {"ecg": "ecg", "ppg": "ppg"}


def norm_names() -> tuple[str, ...]:
    """Norms that come with allostat."""
    return tuple(sorted(_shipped()))


def load_norm(name_or_path: str | Path, *, version: str = "1", title: str = "") -> Norm:
    """A norm by name, or from a table of one's own.

    Parameters
    ----------
    name_or_path
        A name of `norm_names`, or a ``.tsv`` or ``.csv`` file with one row per group of people and the columns
        ``biomarker``; ``context`` and ``sensor`` (``ecg`` or ``ppg``), equal in all rows; ``sex`` (F, M, empty: both
        together); ``age_low``, ``age_high`` (whole years, both included; empty: open); ``n``; ``mean`` and ``sd`` in
        the biomarker's unit, or ``ln_mean`` and ``ln_sd`` for a biomarker on the ln scale; ``doi`` and ``population``.
        From mean and sd of a biomarker on the ln scale a log-normal distribution is made (`log_moments`).
    version, title
        Of a norm from a table; its name is the file's.

    Raises
    ------
    ConfigError
        No norm of this name.
    InputError
        A table that lacks a column, numbers that are none, overlapping or reversed ages, several contexts or sensors,
        both kinds of moments or none, a spread of zero, an unknown biomarker; a `NormContextError` when the context
        is not the biomarker's.
    """
    text = str(name_or_path)
    if text.endswith((".tsv", ".csv", ".txt")) or isinstance(name_or_path, Path):
        return _from_table(Path(name_or_path), version, title)
    if text not in _shipped():
        raise ConfigError("no such norm", found=text, valid=norm_names())
    return _from_data(text)


def _folder() -> Traversable:
    return resources.files("allostat_data").joinpath("norms")


@cache
def _shipped() -> Mapping[str, Mapping[str, Any]]:
    entries: Mapping[str, Mapping[str, Any]] = tomllib.loads(
        _folder().joinpath("norms.toml").read_text(encoding="utf-8")
    )
    return entries


@cache
def _from_data(name: str) -> Norm:
    entry = _shipped()[name]
    cells: list[NormCell] = []
    if "table" in entry:
        for row in csv.DictReader(_folder().joinpath(entry["table"]).read_text(encoding="utf-8").splitlines()):
            for biomarker, prefix in entry["measures"].items():
                mu, sigma = stored(log_moments(float(row[f"{prefix}_mean"]), float(row[f"{prefix}_sd"])))
                sex, ages = _SEXES[row["sex"].casefold()], (int(row["age_low"]), int(row["age_high"]))
                cells.append(NormCell(biomarker, sex, *ages, int(row["n"]), mu, sigma))
    for one in entry.get("cells", ()):
        moments = (one["ln_mean"], one["ln_sd"]) if "ln_mean" in one else log_moments(one["mean"], one["sd"])
        mu, sigma = stored(moments)
        cells.append(NormCell(one["biomarker"], None, one.get("age_low"), one.get("age_high"), None, mu, sigma))
    norm = Norm(
        name=name,
        version=entry["version"],
        title=entry["title"],
        context=entry["context"],
        sensor=_SENSORS[entry["sensor"]],
        cells=tuple(cells),
        population=entry["population"],
        references=tuple(entry["references"]),
        standing=entry["standing"],
        notes=tuple(entry["notes"]),
    )
    check_cells(norm, places={})
    return norm


def _from_table(path: Path, version: str, title: str) -> Norm:
    table = read_table(path, COLUMNS)
    places: dict[NormCell, str] = {}
    cells = []
    for row in table.rows:
        if row.ragged:
            raise InputError(row.ragged, where=table.where(row))
        cell = _cell(table, row)
        cells.append(cell)
        places.setdefault(cell, table.where(row))
    if not cells:
        raise InputError("a norm needs rows", where=table.file)
    sensor = _only(table, "sensor").casefold()
    if sensor not in _SENSORS:
        raise InputError("unknown sensor of a norm", where=table.file, found=sensor, valid=_SENSORS)
    norm = Norm(
        name=path.stem,
        version=version,
        title=title or f"norm of {table.file}",
        context=_only(table, "context"),
        sensor=_SENSORS[sensor],
        cells=tuple(cells),
        population="; ".join(dict.fromkeys(t for row in table.rows if (t := row.text("population")))),
        references=tuple(dict.fromkeys(doi for row in table.rows for doi in row.text("doi").split())),
    )
    check_cells(norm, places=places)
    return norm


def _only(table: Table, column: str) -> str:
    """The one value of a column."""
    found = dict.fromkeys(row.text(column) for row in table.rows)
    if len(found) > 1:
        raise InputError(f"a norm has one {column}", where=f"{table.file}, column {column}", found=", ".join(found))
    return next(iter(found))


def _cell(table: Table, row: Row) -> NormCell:
    sex = row.text("sex").casefold()
    if sex not in _SEXES:
        raise InputError("unknown sex", where=table.where(row, "sex"), found=sex, expected="F, M, or empty for both")
    biomarker = row.text("biomarker")
    kind = biomarker_kind(biomarker)
    given = {c: number(row.text(c), where=table.where(row, c)) for c in ("mean", "sd", "ln_mean", "ln_sd")}
    known = {name for name, value in given.items() if value == value}
    if known == {"ln_mean", "ln_sd"} and kind.transform == "ln":
        mu, sigma = given["ln_mean"], given["ln_sd"]
    elif known == {"mean", "sd"}:
        mu, sigma = given["mean"], given["sd"]
        if not sigma > 0:
            raise InputError("the spread of a norm is above zero", where=table.where(row, "sd"), found=sigma)
        if not kind.plausible_low <= mu <= kind.plausible_high:
            raise InputError(
                "mean is implausible in the biomarker's unit (UNIT_SUSPECT)",
                where=table.where(row, "mean"),
                found=f"{mu:g}",
                expected=f"{kind.plausible_low:g} to {kind.plausible_high:g} {kind.unit}",
            )
        if kind.transform == "ln":
            mu, sigma = stored(log_moments(mu, sigma))
    else:
        raise InputError(
            "a row of a norm has a mean and a spread",
            where=table.where(row),
            found=", ".join(sorted(known)) or "none",
            expected="mean and sd" + (", or ln_mean and ln_sd" if kind.transform == "ln" else ""),
        )
    return NormCell(
        biomarker, _SEXES[sex], _whole(table, row, "age_low"), _whole(table, row, "age_high"),
        _whole(table, row, "n"), mu, sigma,
    )  # fmt: skip


def _whole(table: Table, row: Row, column: str) -> int | None:
    value = number(row.text(column), where=table.where(row, column))
    if value != value:
        return None
    if value < 0 or value != int(value):
        raise InputError("not a whole number", where=table.where(row, column), found=row.text(column))
    return int(value)
