"""The cohort file: one flat table of participants and occasions, rebuilt from participant files at any time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.biomarkers import Biomarker, BiomarkerTable, biomarker_kind
from allostat.errors import StoreError
from allostat.store.content import check_written, read_groups, root_attributes
from allostat.store.datasets import decode_dataset, decode_datasets, encode_dataset, encode_datasets
from allostat.store.durable import replace_file
from allostat.store.hdf5_read import damage_as_store_error
from allostat.store.hdf5_write import write_tree
from allostat.store.participant import read_summary
from allostat.store.safety import open_groups, refuse_to_replace_newer
from allostat.store.tables import decode_table, encode_table, join_codes
from allostat.store.tree import Group, Variable
from allostat.store.values import decode_json, encode_attributes, encode_json, encode_variable

if TYPE_CHECKING:
    import xarray as xr

PARTICIPANT = "participant"
GROUPS = ("table", "biomarkers", "allostatic_load", "qc")


@dataclass(frozen=True, eq=False)
class CohortTable:
    """What the study knows of all participants.

    Parameters
    ----------
    biomarkers
        All rows of waist 2 and all persons.
    allostatic_load
        By id of the definition, along ``participant``.
    qc
        Data quality numbers along ``participant``; None when there are none.
    provenance
        Settings and versions, anything that JSON can hold.
    """

    biomarkers: BiomarkerTable = field(default_factory=BiomarkerTable)
    allostatic_load: Mapping[str, xr.Dataset] = field(default_factory=dict)
    qc: xr.Dataset | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Share:
    """What one participant brings to the cohort: rows and person, quality numbers and, if wanted, indices."""

    participant: str
    biomarkers: BiomarkerTable
    qc: Mapping[str, float]
    allostatic_load: Mapping[str, xr.Dataset] = field(default_factory=dict)


def write_cohort(cohort: CohortTable, path: str | PathLike[str]) -> str:
    """Write the cohort file, whole or not at all; errors and result as `write_participant`."""
    target = Path(path)
    refuse_to_replace_newer(target)
    tree = encode_cohort(cohort)
    return replace_file(target, lambda p: write_tree(p, tree), lambda p: check_written(p, tree))


def read_cohort(path: str | PathLike[str]) -> CohortTable:
    """Read a cohort file; errors as `read_participant`."""
    where = Path(path).name
    with open_groups(path, "cohort", GROUPS) as file:
        tree = read_groups(file, GROUPS, where)
    with damage_as_store_error(where):
        return CohortTable(
            decode_table(tree.groups.get("biomarkers"), f"{where}, /biomarkers"),
            decode_datasets(tree.groups.get("allostatic_load")),
            decode_dataset(tree.groups["qc"]) if "qc" in tree.groups else None,
            decode_json(tree.attrs["provenance"], f"{where}, provenance"),
        )


def encode_cohort(cohort: CohortTable) -> Group:
    """The tree of a cohort file: ``/table`` (wide), ``/biomarkers`` (long), ``/allostatic_load``, ``/qc``."""
    groups = {
        "table": encode_wide(cohort.biomarkers, "/table"),
        "biomarkers": encode_table(cohort.biomarkers, "/biomarkers"),
        "allostatic_load": encode_datasets(cohort.allostatic_load, "/allostatic_load"),
    }
    if cohort.qc is not None:
        groups["qc"] = encode_dataset(cohort.qc, "/qc")
    attrs = root_attributes("cohort", "allostat cohort") | {
        "provenance": encode_json(cohort.provenance, "/, provenance"),
    }
    return Group(encode_attributes(attrs, "/"), {}, groups)


def encode_wide(table: BiomarkerTable, where: str) -> Group:
    """A leaf group for other programs: one entry per participant and occasion along ``row``.

    Each biomarker has its value under its own name, and ``_se``, ``_n``, ``_coverage``, ``_quality`` beside it.
    A value that is missing is NaN, its n 0. The same content, lossless, is in ``/biomarkers``.
    """
    keys = table.keys
    at = {key: index for index, key in enumerate(keys)}
    variables: dict[str, Variable] = {
        name: encode_variable(name, ["row"], np.array([k[i] for k in keys], dtype=np.str_), {"long_name": name}, where)
        for i, name in enumerate((PARTICIPANT, "occasion"))
    }
    by_name: dict[str, list[Biomarker]] = {}
    for row in table.rows:
        by_name.setdefault(row.biomarker, []).append(row)
    for name in sorted(by_name):
        variables |= _wide_columns(name, by_name[name], at, where)
    return Group({"coordinates": f"{PARTICIPANT} occasion"}, variables)


def _wide_columns(
    name: str, rows: list[Biomarker], at: Mapping[tuple[str, str], int], where: str
) -> dict[str, Variable]:
    kind = biomarker_kind(name)
    numbers = {column: np.full(len(at), math.nan) for column in ("", "_se", "_coverage")}
    repeats, quality = np.zeros(len(at), np.int64), [""] * len(at)
    for row in rows:
        index = at[row.participant, row.occasion]
        numbers[""][index], numbers["_se"][index] = row.value, row.standard_error
        numbers["_coverage"][index] = row.coverage
        repeats[index], quality[index] = row.n, join_codes(row.quality, where)
    about: dict[str, tuple[Any, dict[str, Any]]] = {
        name: (numbers[""], {"long_name": kind.long_name, "units": kind.unit, "system": kind.system}),
        f"{name}_se": (
            numbers["_se"],
            {"long_name": f"standard error of {kind.long_name}", "transform": kind.transform},
        ),
        f"{name}_n": (repeats, {"long_name": f"repeats behind {kind.long_name}", "units": "1"}),
        f"{name}_coverage": (numbers["_coverage"], {"long_name": f"coverage of {kind.long_name}", "units": "1"}),
        f"{name}_quality": (np.array(quality, dtype=np.str_), {"long_name": f"reason codes of {kind.long_name}"}),
    }
    return {n: encode_variable(n, ["row"], values, attrs, where) for n, (values, attrs) in about.items()}


def collate(
    paths: Iterable[str | PathLike[str]],
    *,
    provenance: Mapping[str, Any] | None = None,
    score: Callable[[BiomarkerTable], Mapping[str, xr.Dataset]] | None = None,
) -> CohortTable:
    """Rebuild the cohort table from participant files, in their order.

    Parameters
    ----------
    score
        Gives the indices of the table of everybody. Scoring persons alone or together is the same; together they also
        have one form when they were seen on different occasions. None: the stored indices are put together as they are.

    Raises
    ------
    StoreError
        When a file is damaged or not a participant file, two describe one participant, or the indices of one
        definition do not have the same form.
    """
    return gathered((share_of(path, indices=score is None) for path in paths), provenance=provenance, score=score)


def share_of(path: str | PathLike[str], *, indices: bool = False) -> Share:
    """What a participant file brings to the cohort; errors as `collate`."""
    result, numbers = read_summary(path, indices=indices)
    persons = {result.participant: result.person, **result.biomarkers.persons}
    table = BiomarkerTable(result.biomarkers.rows, persons, result.biomarkers.rules)
    return Share(result.participant, table, numbers, result.allostatic_load)


def gathered(
    shares: Iterable[Share],
    *,
    provenance: Mapping[str, Any] | None = None,
    score: Callable[[BiomarkerTable], Mapping[str, xr.Dataset]] | None = None,
) -> CohortTable:
    """The cohort of what its participants bring, in their order; parameters and errors as `collate`."""
    tables: list[BiomarkerTable] = []
    indices: dict[str, list[tuple[str, xr.Dataset]]] = {}
    qc: dict[str, Mapping[str, float]] = {}
    for share in shares:
        if share.participant in qc:
            raise StoreError("participant has two files", found=share.participant)
        qc[share.participant] = share.qc
        tables.append(share.biomarkers)
        for definition, dataset in share.allostatic_load.items():
            indices.setdefault(definition, []).append((share.participant, dataset))
    everybody = BiomarkerTable().merged(*tables)
    stored = {} if score else {name: join_participants(parts, name) for name, parts in indices.items()}
    return CohortTable(
        everybody,
        score(everybody) if score else stored,
        qc_dataset(qc) if qc else None,
        dict(provenance or {}),
    )


def qc_dataset(numbers: Mapping[str, Mapping[str, float]]) -> xr.Dataset:
    """Quality numbers by participant as a dataset along ``participant``; NaN where a participant lacks one."""
    import xarray as xr

    names = list(dict.fromkeys(name for entry in numbers.values() for name in entry))
    columns = {
        name: ((PARTICIPANT,), np.array([entry.get(name, math.nan) for entry in numbers.values()])) for name in names
    }
    return xr.Dataset(columns, coords={PARTICIPANT: np.array(list(numbers), dtype=np.str_)})


def join_participants(parts: list[tuple[str, xr.Dataset]], where: str) -> xr.Dataset:
    """Datasets of single participants, put together along ``participant``; attributes are those of the first.

    Plain concatenation: `xarray.concat` aligns indices pair by pair and takes seconds for thousands of files.

    Raises
    ------
    StoreError
        When they differ in variables, dtypes or sizes, or in a variable that has no dimension ``participant``.
    """
    import xarray as xr

    datasets = [(who, _along_participant(who, dataset)) for who, dataset in parts]
    first = datasets[0][1]
    joined: dict[str, Any] = {}
    for name, model in first.variables.items():
        columns = []
        for who, dataset in datasets:
            if set(dataset.variables) != set(first.variables) or dataset.variables[name].dims != model.dims:
                raise StoreError("index has another form than that of the first participant", where=where, found=who)
            columns.append(dataset.variables[name].values)
        if PARTICIPANT in model.dims:
            shapes = {c.shape[1:] if model.dims[0] == PARTICIPANT else None for c in columns}
            if len(shapes) != 1 or None in shapes:
                raise StoreError("index differs in size between participants", where=where, found=str(name))
            joined[str(name)] = (model.dims, np.concatenate(columns), model.attrs)
        else:
            odd = next((w for (w, _), c in zip(datasets, columns, strict=True) if not _equal(c, columns[0])), None)
            if odd is not None:
                raise StoreError(f"{name} differs from that of the first participant", where=where, found=odd)
            joined[str(name)] = (model.dims, columns[0], model.attrs)
    coordinates = {str(c) for c in first.coords}
    return xr.Dataset(
        {n: v for n, v in joined.items() if n not in coordinates},
        coords={n: v for n, v in joined.items() if n in coordinates},
        attrs=first.attrs,
    )


def _along_participant(who: str, dataset: xr.Dataset) -> xr.Dataset:
    if PARTICIPANT in dataset.dims:
        dims = [PARTICIPANT, *(d for d in dataset.dims if d != PARTICIPANT)]
        return dataset.transpose(*dims)
    return dataset.drop_vars(PARTICIPANT, errors="ignore").expand_dims({PARTICIPANT: [who]})


def _equal(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> bool:
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
