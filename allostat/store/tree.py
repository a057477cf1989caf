"""The content of a store file as a tree in memory: groups, variables, attributes, and the hashes over them.

Results are turned into a tree, the tree is written; a file is read into a tree, the tree is turned into results.
The tree knows netCDF's data model and neither HDF5 nor physiology.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from allostat.samples import Samples, SpooledSamples, blocks_of

Attribute = str | tuple[str, ...] | NDArray[Any]
"""Text, several texts, or numbers (0- or 1-dimensional array)."""


NAME = "allostat_name"
"""Attribute of a group: the name under which the result holds it. The group's own name is quoted where needed."""


@dataclass(frozen=True)
class Variable:
    """An array on named dimensions. Text is held as UTF-8 characters (dtype ``S1``) along a last dimension."""

    dims: tuple[str, ...]
    data: Samples
    attrs: Mapping[str, Attribute] = field(default_factory=dict)
    compress: bool = field(default=True, compare=False)
    """Whether chunks are shuffled and deflated; they carry a checksum in any case."""
    claimed_sha256: str = field(default="", compare=False)
    """The hash that the file carries for it; empty for one that was not read."""

    @cached_property
    def content_sha256(self) -> str:
        """Hash over dtype, shape and raw little-endian bytes."""
        return array_sha256(self.data)


@dataclass(frozen=True)
class Group:
    """Variables, attributes and further groups, each in the order in which they are written."""

    attrs: Mapping[str, Attribute] = field(default_factory=dict)
    variables: Mapping[str, Variable] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)
    claimed_sha256: str = field(default="", compare=False)

    @cached_property
    def content_sha256(self) -> str:
        """Hash over attributes, variables and the hashes of the groups inside: any change below shows here."""
        return group_sha256(self, {name: group.content_sha256 for name, group in self.groups.items()})

    @property
    def sizes(self) -> dict[str, int]:
        """Length of every dimension of this group's variables, in order of appearance."""
        return {dim: size for v in self.variables.values() for dim, size in zip(v.dims, v.data.shape, strict=True)}

    def with_attributes(self, attrs: Mapping[str, Attribute]) -> Group:
        """This group with further attributes."""
        return Group({**self.attrs, **attrs}, self.variables, self.groups)

    def without_attributes(self, *names: str) -> Group:
        """This group less some attributes."""
        return Group({k: v for k, v in self.attrs.items() if k not in names}, self.variables, self.groups)

    def walk(self, path: str = "/") -> Iterator[tuple[str, Group]]:
        """This group and all below, with their paths, parents first."""
        yield path, self
        for name, group in self.groups.items():
            yield from group.walk(f"{path.rstrip('/')}/{name}")


def mismatches(tree: Group, path: str = "/") -> Iterator[str]:
    """Paths of variables and groups whose content is not what the hash in the file says, the innermost first."""
    for name, group in tree.groups.items():
        yield from mismatches(group, f"{path.rstrip('/')}/{name}")
    for name, variable in tree.variables.items():
        if variable.claimed_sha256 != variable.content_sha256:
            yield f"{path.rstrip('/')}/{name}"
    if tree.claimed_sha256 != tree.content_sha256:
        yield path


def array_sha256(data: Samples) -> str:
    """Hash of an array: ``sha256(b"<dtype> <shape>\\n" + bytes)``, for example ``b"<f8 3,2\\n"``, C order."""
    shape = ",".join(str(n) for n in data.shape)
    digest = hashlib.sha256(f"{data.dtype.str} {shape}\n".encode())
    for part in blocks_of(data) if isinstance(data, SpooledSamples) else (data,):
        digest.update(np.ascontiguousarray(part).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def group_sha256(group: Group, below: Mapping[str, str]) -> str:
    """Hash of a group whose inner groups have the hashes ``below``.

    The hash is over canonical JSON of the attributes, of each variable's name, dimensions, attributes and content
    hash in order, and of the inner groups' names and hashes in order.
    """
    variables = [[name, list(v.dims), v.content_sha256, _canonical(v.attrs)] for name, v in group.variables.items()]
    content = [_canonical(group.attrs), variables, [[name, sha] for name, sha in below.items()]]
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(attrs: Mapping[str, Attribute]) -> list[list[Any]]:
    entries: list[list[Any]] = []
    for name in sorted(attrs):
        value = attrs[name]
        if isinstance(value, str):
            entries.append([name, value])
        elif isinstance(value, tuple):
            entries.append([name, list(value)])
        else:
            entries.append([name, value.dtype.str, list(value.shape), value.tobytes().hex()])
    return entries
