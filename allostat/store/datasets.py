"""Datasets of xarray turned into groups and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import StoreError
from allostat.store.tree import NAME, Attribute, Group, Variable
from allostat.store.values import decode_attributes, decode_variable, encode_attributes, encode_variable, group_name

if TYPE_CHECKING:
    import xarray as xr


def encode_dataset(dataset: xr.Dataset, where: str) -> Group:
    """A leaf group of a dataset: coordinates first, then data variables.

    A coordinate that is not named like its dimension is found again by the CF attribute ``coordinates``: on each
    variable that has its dimensions, and on the group for those that no variable has.

    Raises
    ------
    StoreError
        When a name, dtype, attribute or index cannot be stored.
    """
    variables: dict[str, Variable] = {}
    for name in [*dataset.coords, *dataset.data_vars]:
        array = dataset.variables[name]
        if str(name) in dataset.dims and array.dims != (name,):
            raise StoreError(
                "coordinate is named like a dimension that it does not have alone", where=where, found=name
            )
        variables[str(name)] = encode_variable(
            str(name), [str(dim) for dim in array.dims], array.values, array.attrs, where
        )
    auxiliary = {str(c): set(dataset.variables[c].dims) for c in dataset.coords if c not in dataset.dims}
    for name in auxiliary:
        if " " in name:
            raise StoreError("name of a coordinate holds a blank", where=where, found=name)
    named: set[str] = set()
    for name in map(str, dataset.data_vars):
        mine = [c for c, dims in auxiliary.items() if dims <= set(dataset.variables[name].dims)]
        named |= set(mine)
        variables[name] = _with_coordinates(variables[name], mine)
    attrs = encode_attributes(dataset.attrs, where)
    left = [c for c in auxiliary if c not in named]
    return Group(attrs | ({"coordinates": " ".join(left)} if left else {}), variables)


def decode_dataset(group: Group) -> xr.Dataset:
    """The dataset of which `encode_dataset` made a group."""
    import xarray as xr

    coordinates = set(_listed(group.attrs))
    parts: dict[str, tuple[tuple[str, ...], Any, dict[str, Any]]] = {}
    for name, variable in group.variables.items():
        coordinates |= set(_listed(variable.attrs))
        parts[name] = decode_variable(variable)
        parts[name][2].pop("coordinates", None)
    coordinates |= {name for name, (dims, _, _) in parts.items() if dims == (name,)}
    return xr.Dataset(
        {n: p for n, p in parts.items() if n not in coordinates},
        coords={n: p for n, p in parts.items() if n in coordinates},
        attrs=decode_attributes({k: v for k, v in group.attrs.items() if k != "coordinates"}),
    )


def encode_datasets(datasets: Mapping[str, xr.Dataset], where: str) -> Group:
    """Named datasets, each in a leaf group; ``/`` in a name makes groups inside groups."""
    return nest({key: encode_dataset(dataset, f"{where}/{key}") for key, dataset in datasets.items()}, where)


def decode_datasets(group: Group | None) -> dict[str, xr.Dataset]:
    """The datasets of which `encode_datasets` made a group, by name; none when there is no group."""
    return {name: decode_dataset(inner) for name, inner in unnest(group).items()}


def nest(leaves: Mapping[str, Group], where: str) -> Group:
    """Named leaf groups in one group; ``/`` in a name makes groups inside groups.

    Raises
    ------
    StoreError
        When a name is the folder of another: only leaf groups hold coordinates, else the tree does not open as one.
    """
    nested: dict[str, Any] = {}
    for key, leaf in leaves.items():
        *folders, last = [group_name(part, where) for part in key.split("/")]
        level = nested
        for folder in folders:
            level = level.setdefault(folder, {})
            if isinstance(level, Group):
                raise StoreError("name is the folder of another", where=where, found=key)
        if last in level:
            raise StoreError("name is used twice or is the folder of another", where=where, found=key)
        level[last] = leaf.with_attributes({NAME: key})
    return _grouped(nested)


def _grouped(nested: Mapping[str, Any]) -> Group:
    return Group({}, {}, {k: v if isinstance(v, Group) else _grouped(v) for k, v in nested.items()})


def unnest(group: Group | None) -> dict[str, Group]:
    """The groups that `nest` put together, by name; none when there is no group."""
    found: dict[str, Group] = {}
    for inner in group.groups.values() if group is not None else ():
        found |= {str(inner.attrs[NAME]): inner.without_attributes(NAME)} if NAME in inner.attrs else unnest(inner)
    return found


def _listed(attrs: Mapping[str, Attribute]) -> list[str]:
    return str(attrs.get("coordinates", "")).split()


def _with_coordinates(variable: Variable, names: list[str]) -> Variable:
    if not names:
        return variable
    return Variable(variable.dims, np.asarray(variable.data), {**variable.attrs, "coordinates": " ".join(names)})
