"""Panels of published studies: which biomarkers they measured, by system."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from allostat.biomarkers import biomarker_kinds
from allostat.errors import ConfigError


@dataclass(frozen=True)
class MarkerPanel:
    """The biomarkers of a study by system. ``uncovered``: its markers that have no biomarker here."""

    name: str
    title: str
    citation: str
    doi: str
    systems: Mapping[str, tuple[str, ...]]
    uncovered: tuple[str, ...] = ()

    @property
    def biomarkers(self) -> tuple[str, ...]:
        """All biomarkers, system by system."""
        return tuple(b for markers in self.systems.values() for b in markers)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Biomarkers of the panel that this version of the biomarker table does not have."""
        return tuple(b for b in self.biomarkers if b not in biomarker_kinds())


@cache
def _panels() -> Mapping[str, MarkerPanel]:
    text = resources.files("allostat_data").joinpath("marker_panels.toml").read_text(encoding="utf-8")
    return {
        name: MarkerPanel(
            name=name,
            title=entry["title"],
            citation=entry["citation"],
            doi=entry["doi"],
            systems={system: tuple(markers) for system, markers in entry["systems"].items()},
            uncovered=tuple(entry["uncovered"]),
        )
        for name, entry in tomllib.loads(text).items()
    }


def marker_panel_names() -> tuple[str, ...]:
    """Panels that come with allostat."""
    return tuple(_panels())


def marker_panel(name: str) -> MarkerPanel:
    """One panel by name; `ConfigError` with the nearest valid name when there is none."""
    if name not in _panels():
        raise ConfigError("no such panel of markers", found=name, valid=_panels())
    return _panels()[name]
