"""The store: participant files and the cohort file. Nothing else opens HDF5.

Each file is HDF5 and at the same time netCDF-4: h5py, h5netcdf, netCDF4, ncdump and `xarray.open_datatree` open it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_PUBLIC = {
    "ParticipantResult": "result",
    "write_participant": "participant", "read_participant": "participant", "qc_numbers": "participant",
    "CohortTable": "cohort", "write_cohort": "cohort", "read_cohort": "cohort", "collate": "cohort",
    "gathered": "cohort", "Share": "cohort", "share_of": "cohort",
    "open_store": "safety", "open_hdf5": "safety", "probe": "guard", "SCHEMA_VERSION": "safety",
    "verify": "content",
}  # fmt: skip

__all__ = sorted(_PUBLIC)

if TYPE_CHECKING:
    from allostat.store.cohort import CohortTable as CohortTable
    from allostat.store.cohort import Share as Share
    from allostat.store.cohort import collate as collate
    from allostat.store.cohort import gathered as gathered
    from allostat.store.cohort import read_cohort as read_cohort
    from allostat.store.cohort import share_of as share_of
    from allostat.store.cohort import write_cohort as write_cohort
    from allostat.store.content import verify as verify
    from allostat.store.guard import probe as probe
    from allostat.store.participant import qc_numbers as qc_numbers
    from allostat.store.participant import read_participant as read_participant
    from allostat.store.participant import write_participant as write_participant
    from allostat.store.result import ParticipantResult as ParticipantResult
    from allostat.store.safety import SCHEMA_VERSION as SCHEMA_VERSION
    from allostat.store.safety import open_hdf5 as open_hdf5
    from allostat.store.safety import open_store as open_store


def __getattr__(name: str) -> Any:
    # h5py loads when a name is first used, so that command-line help stays quick.
    if name not in _PUBLIC:
        raise AttributeError(f"module 'allostat.store' has no attribute {name!r}")
    value = getattr(import_module(f"allostat.store.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value
