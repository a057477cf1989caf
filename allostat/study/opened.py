"""The results of a study, opened: the cohort tables and thousands of participant files, read when they are used."""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from allostat.errors import InputError, StoreError
from allostat.store import ParticipantResult, read_participant
from allostat.store.stored_file import StoredFile
from allostat.study.layout import OutputLayout

if TYPE_CHECKING:
    import xarray as xr

COHORT = "cohort.h5"


def open_study(path: str | PathLike[str]) -> StudyResults:
    """Open the output folder of `allostat run` (or its ``cohort.h5``).

    Parameters
    ----------
    path
        The output folder.

    Returns
    -------
    StudyResults
        Nothing is read yet, and nothing stays open.

    Raises
    ------
    InputError
        There is no cohort file.
    """
    place = Path(path)
    cohort = place if place.is_file() else place / COHORT
    if not cohort.is_file():
        siblings = [p.name for p in place.parent.iterdir()] if place.parent.is_dir() and not place.exists() else []
        raise InputError(
            "no results of a study", where=str(path), found=place.name, valid=siblings,
            expected=f"the output folder of allostat run, with its {COHORT}",
        )  # fmt: skip
    return StudyResults(cohort)


class StudyResults:
    """Lazy access to the results of a study.

    Examples
    --------
    >>> out = allostat.open_study("out")                      # doctest: +SKIP
    >>> out.participants[:3]                                  # doctest: +SKIP
    >>> out.table["rmssd_night"].mean()                       # one value per participant and occasion
    >>> out.allostatic_load["system"]["index"]                # doctest: +SKIP
    >>> out["sub-001"].dataset("/hrv/5min")["rmssd"]          # read when used
    >>> out.stack("/hrv/person", ["rmssd_night"])             # all participants, through dask
    """

    def __init__(self, cohort: Path) -> None:
        self.root = cohort.parent
        self._file = StoredFile(cohort, "cohort")
        self._layout = OutputLayout(self.root)

    @cached_property
    def participants(self) -> tuple[str, ...]:
        """Everybody with results, in the order of the study."""
        return tuple(dict.fromkeys(self._file.dataset("/biomarkers")["person_id"].values.tolist()))

    @cached_property
    def table(self) -> xr.Dataset:
        """Biomarkers along ``row`` (participant × occasion): value, ``_se``, ``_n``, ``_coverage``, ``_quality``."""
        return self._file.dataset("/table")

    @cached_property
    def allostatic_load(self) -> dict[str, xr.Dataset]:
        """The indices by id of their definition."""
        top = "/allostatic_load/"
        return {g.removeprefix(top): self._file.dataset(g) for g in self._file.groups if g.startswith(top)}

    @cached_property
    def qc(self) -> xr.Dataset | None:
        """Data quality numbers along ``participant``; None when the study has none."""
        return self._file.dataset("/qc") if "/qc" in self._file.groups else None

    @property
    def provenance(self) -> Any:
        """Settings and versions that the cohort tables were made with."""
        return self._file.provenance

    def __len__(self) -> int:
        return len(self.participants)

    def __iter__(self) -> Iterator[str]:
        return iter(self.participants)

    def __contains__(self, participant: object) -> bool:
        return participant in self.participants

    def __getitem__(self, participant: str) -> StoredFile:
        """The participant's file; `InputError` with the nearest identifier when there is none."""
        path = self._layout.store(participant)
        if not path.is_file():
            raise InputError("no results of this participant", found=participant, valid=self.participants)
        return StoredFile(path, "participant")

    def result(self, participant: str) -> ParticipantResult:
        """Everything of one participant, read and compared with its hashes."""
        return read_participant(self[participant].path)

    def stack(
        self, group: str, variables: Sequence[str] | None = None, participants: Sequence[str] | None = None
    ) -> xr.Dataset:
        """One group of many participants side by side, through dask: a file is read when its values are computed.

        Parameters
        ----------
        group
            Such as ``/hrv/person`` or ``/hrv/5min``.
        variables
            Which; all that the first participant has when left out.
        participants
            Whom; everybody who has the group when left out.

        Returns
        -------
        xr.Dataset
            Single values along ``participant``. Series are put end to end along their first dimension, with the
            coordinate ``<dimension>_participant`` naming whom each entry belongs to.

        Raises
        ------
        InputError
            dask is not installed, nobody has the group, or a participant asked for has not.
        StoreError
            Participants differ in a variable's dimensions.
        """
        try:
            import dask
            import dask.array as da
        except ImportError as error:
            raise InputError(
                "stacking participants needs dask", expected="pip install 'allostat-load[cluster]'"
            ) from error
        import xarray as xr

        found: dict[str, xr.Dataset] = {}
        for who in self.participants if participants is None else participants:
            file = self[who]
            if "/" + group.strip("/") in file.groups:
                found[who] = file.dataset(group)
            elif participants is not None:
                raise InputError("participant has no such group", where=who, found=group, valid=file.groups)
        if not found:
            raise InputError("nobody has such a group", found=group, expected="a group such as /hrv/person")
        first = next(iter(found.values()))
        data: dict[str, xr.Variable] = {}
        coords: dict[str, Any] = {"participant": np.array(list(found), dtype=np.str_)}
        for name in variables if variables is not None else [str(n) for n in first.variables]:
            parts = [_variable(dataset, name, who) for who, dataset in found.items()]
            model = parts[0]
            odd = next((w for w, p in zip(found, parts, strict=True) if p.dims != model.dims), None)
            if odd is not None:
                raise StoreError(f"{name} has other dimensions than that of the first participant", where=odd)
            if not model.dims:
                values = da.stack([da.from_delayed(dask.delayed(_values)(p), (), p.dtype) for p in parts])
                data[name] = xr.Variable(("participant",), values, model.attrs)
                continue
            blocks = [da.from_delayed(dask.delayed(_values)(p), p.shape, _common(parts)) for p in parts if p.size]
            joined = da.concatenate(blocks) if blocks else da.from_array(np.asarray(model))
            along = str(model.dims[0])
            data[name] = xr.Variable(model.dims, joined, model.attrs)
            lengths = [p.sizes[along] if p.size else 0 for p in parts]
            coords[f"{along}_participant"] = (along, np.repeat(coords["participant"], lengths))
        return xr.Dataset(data, coords=coords, attrs={"group": group, **first.attrs})

    def _repr_html_(self) -> str:
        indices = ", ".join(html.escape(name) for name in self.allostatic_load) or "none"
        return (
            f"<p><b>Results of a study</b> in {html.escape(self.root.name)}: {len(self)} participants, "
            f"{len(self.table.data_vars) // 5} biomarkers, indices: {indices}</p>"
        )

    def __repr__(self) -> str:
        return f"<StudyResults {self.root.name}: {len(self)} participants>"


def _variable(dataset: xr.Dataset, name: str, who: str) -> xr.Variable:
    if name not in dataset.variables:
        raise InputError("participant has no such variable", where=who, found=name, valid=map(str, dataset.variables))
    return dataset.variables[name]


def _values(variable: xr.Variable) -> Any:
    return variable.values


def _common(parts: Sequence[xr.Variable]) -> np.dtype[Any]:
    """One dtype for all: texts differ in length from file to file."""
    return np.result_type(*(p.dtype for p in parts))
