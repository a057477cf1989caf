"""allostat: from wearable recordings and laboratory results to an allostatic load index.

The public names are loaded when first used, so that ``import allostat`` stays light. Some functions share the
name of the room they live in (`allostat.hrv` is the function, ``from allostat.hrv import …`` reaches the room).
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "AllostatError": "errors", "InputError": "errors", "UnitError": "errors", "TimeZoneError": "errors",
    "ConfigError": "errors", "DeviceError": "errors", "StoreError": "errors",
    "Beats": "recording", "Clock": "sampling", "Device": "recording", "Provenance": "recording",
    "Recording": "recording", "Signal": "recording", "TimeZone": "recording", "ValueSeries": "recording",
    "inspect": "reading", "read": "reading", "read_all": "reading",
    "find_beats": "beats", "correct_beats": "beats", "signal_quality": "quality",
    "hrv": "hrv", "person_hrv": "hrv", "compare_hrv": "hrv_compare", "circadian": "circadian",
    "circadian_course": "circadian", "CircadianSettings": "circadian", "sleep_windows": "sleep",
    "sleep_from_heart_rate": "sleep", "recovery": "recovery", "respiration_rate": "respiration",
    "cortisol": "labs.cortisol",
    "Biomarker": "biomarkers", "BiomarkerTable": "biomarkers", "Person": "biomarkers", "biomarkers": "biomarker_rows",
    "Panel": "panel", "allostatic_load": "allostatic_load", "multiverse": "allostatic_load",
    "Study": "study", "open_study": "study.opened",
}  # fmt: skip

_ROOMS = ("norms",)
"""Rooms that are public as they are: ``allostat.norms.position``."""

__all__ = sorted([*_PUBLIC, *_ROOMS, "__version__"])

if TYPE_CHECKING:
    from allostat import norms as norms
    from allostat.allostatic_load import allostatic_load as allostatic_load
    from allostat.allostatic_load import multiverse as multiverse
    from allostat.beats import correct_beats as correct_beats
    from allostat.beats import find_beats as find_beats
    from allostat.biomarker_rows import biomarkers as biomarkers
    from allostat.biomarkers import Biomarker as Biomarker
    from allostat.biomarkers import BiomarkerTable as BiomarkerTable
    from allostat.biomarkers import Person as Person
    from allostat.circadian import CircadianSettings as CircadianSettings
    from allostat.circadian import circadian as circadian
    from allostat.circadian import circadian_course as circadian_course
    from allostat.errors import AllostatError as AllostatError
    from allostat.errors import ConfigError as ConfigError
    from allostat.errors import DeviceError as DeviceError
    from allostat.errors import InputError as InputError
    from allostat.errors import StoreError as StoreError
    from allostat.errors import TimeZoneError as TimeZoneError
    from allostat.errors import UnitError as UnitError
    from allostat.hrv import hrv as hrv
    from allostat.hrv import person_hrv as person_hrv
    from allostat.hrv_compare import compare_hrv as compare_hrv
    from allostat.labs.cortisol import cortisol as cortisol
    from allostat.panel import Panel as Panel
    from allostat.quality import signal_quality as signal_quality
    from allostat.reading import inspect as inspect
    from allostat.reading import read as read
    from allostat.reading import read_all as read_all
    from allostat.recording import Beats as Beats
    from allostat.recording import Device as Device
    from allostat.recording import Provenance as Provenance
    from allostat.recording import Recording as Recording
    from allostat.recording import Signal as Signal
    from allostat.recording import TimeZone as TimeZone
    from allostat.recording import ValueSeries as ValueSeries
    from allostat.recovery import recovery as recovery
    from allostat.respiration import respiration_rate as respiration_rate
    from allostat.sampling import Clock as Clock
    from allostat.sleep import sleep_from_heart_rate as sleep_from_heart_rate
    from allostat.sleep import sleep_windows as sleep_windows
    from allostat.study import Study as Study
    from allostat.study.opened import open_study as open_study


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f"allostat.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'allostat' has no attribute {name!r}")
    value = getattr(import_module(f"allostat.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


class _Package(ModuleType):
    """The import system binds a room to its package; where a public function has the same name, the function wins."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _PUBLIC and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
