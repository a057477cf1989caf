"""What is known of one participant when all stages have run: the content of a participant file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from allostat.biomarkers import BiomarkerTable, Person
from allostat.recording import Beats, Notice, Recording

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True, eq=False)
class ParticipantResult:
    """Everything that `allostat.store.write_participant` keeps and `read_participant` gives back.

    Parameters
    ----------
    participant
        Identifier, always text.
    person
        Sex, age, group and medication.
    recordings
        By recording id: signals and the beats that the device itself gave.
    beats
        By id: the corrected beats that were used, with the uncorrected ones in ``.original``.
    hrv
        By window name (``5min``, ``night``, ``rest``, ``person``).
    circadian, labs
        None when there was nothing to compute them from.
    biomarkers
        Rows of waist 2.
    allostatic_load
        By id of the definition: the index of this participant (dimension ``participant`` of length 1, or none).
    quality
        By ``recording/stream``.
    provenance
        Inputs with sha256, adapter, settings, versions; anything that JSON can hold, no wall-clock times.
    notices
        What the person who reads the results must know.
    measured
        Laboratory rows of waist 2 before any rule; they and the HRV are what ``biomarkers`` is made of.
    """

    participant: str
    person: Person
    recordings: Mapping[str, Recording] = field(default_factory=dict)
    beats: Mapping[str, Beats] = field(default_factory=dict)
    hrv: Mapping[str, xr.Dataset] = field(default_factory=dict)
    circadian: xr.Dataset | None = None
    labs: xr.Dataset | None = None
    biomarkers: BiomarkerTable = field(default_factory=BiomarkerTable)
    allostatic_load: Mapping[str, xr.Dataset] = field(default_factory=dict)
    quality: Mapping[str, xr.Dataset] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()
    measured: BiomarkerTable = field(default_factory=BiomarkerTable)
