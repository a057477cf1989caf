"""One finished store file, opened for looking around: its groups, and their datasets read when they are used."""

from __future__ import annotations

from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from h5py import h5a, h5g, h5o

from allostat.errors import StoreError
from allostat.store.content import read_groups
from allostat.store.datasets import decode_dataset
from allostat.store.hdf5_read import damage_as_store_error, is_dataset, link_names, read_attribute, read_attributes
from allostat.store.lazy import lazy_dataset
from allostat.store.safety import SCHEMA_VERSION, Content, open_group, open_groups
from allostat.store.tree import NAME
from allostat.store.values import decode_attributes, decode_json

if TYPE_CHECKING:
    import xarray as xr


class StoredFile:
    """A participant file or cohort file. Nothing stays open between calls, so thousands of them cost nothing.

    Parameters
    ----------
    path
        The file.
    content
        What it must hold; None for either.

    Raises
    ------
    StoreError
        The file is not allostat's, of a newer schema, unsafe or damaged; told when it is first looked into.
    """

    def __init__(self, path: str | PathLike[str], content: Content | None = None) -> None:
        self.path = Path(path)
        self._content: Content | None = content

    @cached_property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the file: participant, quality numbers (``qc_…``), versions."""
        with open_groups(self.path, self._content, ()) as file, damage_as_store_error(self.path.name):
            return decode_attributes(read_attributes(h5g.open(file.id, b"/")))

    @property
    def provenance(self) -> Any:
        """Inputs with their hashes, settings and versions."""
        attrs = self.attrs
        with damage_as_store_error(f"{self.path.name}, provenance"):
            return decode_json(attrs["provenance"], f"{self.path.name}, provenance")

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """Paths of the groups that hold variables, such as ``/hrv/5min``, under the names that results have."""
        return tuple(self._places)

    def dataset(self, group: str) -> xr.Dataset:
        """The variables of one group; values are read, and compared with their hash, when they are used.

        Raises
        ------
        StoreError
            No such group; the nearest one is named.
        """
        wanted = "/" + group.strip("/")
        place = self._places.get(wanted, wanted if wanted in self._places.values() else None)
        if place is None:
            raise StoreError("no such group", where=self.path.name, found=wanted, valid=self._places)
        if self._older:
            return self._brought_up(place)
        with open_group(self.path, self._content, place) as file:
            return lazy_dataset(self.path, file, place)

    def tree(self) -> xr.DataTree:
        """Everything in the file as a tree of lazy datasets."""
        import xarray as xr

        if self._older:
            leaves = {name: self._brought_up(place) for name, place in self._places.items()}
        else:
            with open_groups(self.path, self._content, self._tops) as file:
                leaves = {name: lazy_dataset(self.path, file, place) for name, place in self._places.items()}
        root = xr.Dataset(attrs=self.attrs)
        with damage_as_store_error(self.path.name):
            return xr.DataTree.from_dict({"/": root, **leaves}, name=self.path.stem)

    @property
    def _older(self) -> bool:
        return self._outline[1] < SCHEMA_VERSION

    def _brought_up(self, place: str) -> xr.Dataset:
        """A group of a file of an older schema version: read whole, for the steps to this one need its values."""
        top, *below = place.strip("/").split("/")
        with open_groups(self.path, self._content, (top,)) as file:
            group = read_groups(file, (top,), self.path.name).groups[top]
        with damage_as_store_error(f"{self.path.name}, {place}"):
            for name in below:
                group = group.groups[name]
            return decode_dataset(group.without_attributes(NAME))

    @cached_property
    def _tops(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place.split("/")[1] for place in self._places.values()))

    @property
    def _places(self) -> dict[str, str]:
        """Path inside the file of each group of variables, by the name that the result has for it."""
        return self._outline[0]

    @cached_property
    def _outline(self) -> tuple[dict[str, str], int]:
        """The places of the groups of variables, and the schema version; one look into the file for both."""
        found: dict[str, str] = {}
        with open_groups(self.path, self._content, ()) as file, damage_as_store_error(self.path.name):
            root = h5g.open(file.id, b"/")
            seen = {h5o.get_info(root).addr}
            for top in link_names(root):
                if not is_dataset(root, top):
                    _collect(h5g.open(root, top.encode()), f"/{top}", f"/{top}", found, seen)
            schema = int(str(read_attribute(h5a.open(root, b"schema_version"))))
        return found, schema


def _collect(gid: Any, place: str, shown: str, found: dict[str, str], seen: set[int]) -> None:
    """Places of the groups of variables below a group, by the names that the result has for them."""
    address = h5o.get_info(gid).addr
    if address in seen:  # looked at by nobody before, it may be a circle
        raise StoreError("refused: second link to one object", where=place)
    seen.add(address)
    names = link_names(gid)
    if names and is_dataset(gid, names[0]):
        found[shown] = place
        return
    for name in names:
        inner = h5g.open(gid, name.encode())
        # What a result calls "a/b" is a group b in a group a; only b carries the name, and carries it whole.
        told = read_attribute(h5a.open(inner, NAME.encode())) if h5a.exists(inner, NAME.encode()) else None
        _collect(inner, f"{place}/{name}", shown if told is None else f"{shown}/{told}", found, seen)
