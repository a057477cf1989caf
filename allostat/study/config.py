"""study.toml: what a study may set, checked before anything runs."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from allostat.errors import ConfigError
from allostat.medication_rules import MedicationRules, rule_options
from allostat.study.memory_limit import parse_memory

FILE_NAME = "study.toml"
_MEDICATION = MedicationRules()
_RULE_OPTIONS = {"acute_crp": ("exclude", "keep", "winsorise"), "below_lod": ("sqrt2", "half", "missing")}


@dataclass(frozen=True, slots=True)
class StudySection:
    """Name of the study and the zone of participants who state none."""

    name: str = "study"
    timezone: str | None = None


@dataclass(frozen=True, slots=True)
class InputSection:
    """Where the inputs lie, relative to the study folder. A table that does not exist is left out."""

    raw: str = "raw"
    participants: str = "participants.tsv"
    labs: str = "labs.tsv"
    blood_pressure: str = "blood_pressure.tsv"
    diary: str = "diary.tsv"


@dataclass(frozen=True, slots=True)
class HrvSection:
    """Heart rate variability: preset, set of measures (``standard`` or ``full``), windows, and which recordings count
    as resting ones."""

    preset: str = "taskforce1996"
    measures: str = "standard"
    window: str = "5min"
    step: str = "5min"
    rest_min_s: float = 120.0
    rest_max_s: float = 900.0
    long_min_s: float = 10800.0


@dataclass(frozen=True, slots=True)
class OverlapSection:
    """Which source of beats counts where several cover the same time: the order of preference, and the share of five
    minutes that usable beats must cover for a source to win over one that covers less."""

    prefer: tuple[str, ...] = ("ecg", "ppg", "device", "unknown", "simulated")
    usable: float = 0.8


@dataclass(frozen=True, slots=True)
class RulesSection:
    """What is done about treatment and the like (`allostat.medication_rules`), about hs-CRP above 10 mg/L
    (``acute_crp``), and about values below a limit of detection (``below_lod``)."""

    antihypertensive: str = _MEDICATION.antihypertensive
    statin: str = _MEDICATION.statin
    beta_blocker: str = _MEDICATION.beta_blocker
    corticosteroid: str = _MEDICATION.corticosteroid
    pregnancy: str = _MEDICATION.pregnancy
    oral_contraceptive: str = _MEDICATION.oral_contraceptive
    smoking: str = _MEDICATION.smoking
    acute_crp: str = "exclude"
    below_lod: str = "sqrt2"

    def __post_init__(self) -> None:
        for name, option in dataclasses.asdict(self).items():
            valid = _RULE_OPTIONS.get(name) or rule_options()[name]
            if option not in valid:
                raise ConfigError(f"[rules] {name} has no such option", found=option, valid=valid)

    @property
    def medication(self) -> MedicationRules:
        """The rules of medication."""
        return MedicationRules.from_options({name: getattr(self, name) for name in rule_options()})


@dataclass(frozen=True, slots=True)
class LoadSection:
    """Definitions of the index to compute, and the frozen reference to score against."""

    definitions: tuple[str, ...] = ("system", "count_sex")
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class RunSection:
    """How the run behaves: time limit of one participant in s, how often a participant is tried again whose process was
    killed or hung, memory that one participant may take (such as ``2GB``), raw signals kept in the store."""

    time_limit_s: float = 3600.0
    retries: int = 1
    memory_limit: str | None = None
    keep_signals: bool = True

    def __post_init__(self) -> None:
        if not self.time_limit_s > 0:
            raise ConfigError("[run] time_limit_s is a positive number of s", found=self.time_limit_s)
        if self.retries < 0:
            raise ConfigError("[run] retries is 0 or more", found=self.retries)
        if self.memory_limit is not None:
            parse_memory(self.memory_limit, "[run] memory_limit")

    @property
    def memory_limit_bytes(self) -> int | None:
        """The memory limit in bytes; None without one."""
        return None if self.memory_limit is None else parse_memory(self.memory_limit)


@dataclass(frozen=True, slots=True)
class StudyConfig:
    """All settings of a run."""

    study: StudySection = field(default_factory=StudySection)
    input: InputSection = field(default_factory=InputSection)
    hrv: HrvSection = field(default_factory=HrvSection)
    overlap: OverlapSection = field(default_factory=OverlapSection)
    rules: RulesSection = field(default_factory=RulesSection)
    allostatic_load: LoadSection = field(default_factory=LoadSection)
    run: RunSection = field(default_factory=RunSection)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read and check a study.toml.

        Raises
        ------
        ConfigError
            Broken TOML, an unknown section or key (with the nearest valid one), or a value of the wrong type.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError("is not UTF-8 text", where=f"{path.name}, byte {error.start}") from error
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"is not valid TOML ({error})", where=path.name) from error
        return cls.from_mapping(document, where=path.name)

    @classmethod
    def from_mapping(cls, document: Mapping[str, Any], *, where: str = FILE_NAME) -> Self:
        """Settings from nested mappings; unnamed ones keep their defaults."""
        hints = get_type_hints(cls)
        sections: dict[str, Any] = {}
        for name, entries in document.items():
            if name not in hints:
                raise ConfigError("unknown section", where=where, found=name, valid=hints)
            if not isinstance(entries, Mapping):
                raise ConfigError("is a section, not a value", where=f"{where}, {name}", found=entries)
            sections[name] = _section(hints[name], entries, f"{where}, [{name}]")
        return cls(**sections)

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Every setting as ``section.key``."""
        hints = get_type_hints(cls)
        return tuple(f"{section}.{key.name}" for section, kind in hints.items() for key in fields(kind))

    def value(self, key: str) -> Any:
        """The value of one setting, ``section.key``."""
        section, _, name = key.partition(".")
        return getattr(getattr(self, section), name)

    def only(self, keys: Collection[str]) -> Self:
        """These settings where they are among ``keys``, and the defaults elsewhere."""
        changed: dict[str, Any] = {}
        for section in fields(self):
            part = getattr(self, section.name)
            mine = {e.name: getattr(part, e.name) for e in fields(part) if f"{section.name}.{e.name}" in keys}
            changed[section.name] = type(part)(**mine)
        return type(self)(**changed)

    def replaced(self, section: str, **changes: Any) -> Self:
        """The same settings with some keys of one section changed."""
        changed = dataclasses.replace(getattr(self, section), **changes)
        return dataclasses.replace(self, **{section: changed})

    def toml(self, keys: Collection[str] | None = None) -> str:
        """The effective settings as TOML that reruns as it stands; only those among ``keys``, when given."""
        lines = []
        for section in fields(self):
            part = getattr(self, section.name)
            wanted = [e.name for e in fields(part) if keys is None or f"{section.name}.{e.name}" in keys]
            if not wanted:
                continue
            lines.append(f"[{section.name}]")
            lines += [f"{n} = {_toml_value(v)}" for n in wanted if (v := getattr(part, n)) is not None]
            lines.append("")
        return "\n".join(lines)


def _section(kind: type, entries: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    values = {}
    for key, value in entries.items():
        if key not in hints:
            raise ConfigError("unknown key", where=where, found=key, valid=hints)
        values[key] = _checked(hints[key], value, f"{where}, {key}")
    return kind(**values)


def _checked(hint: Any, value: Any, where: str) -> Any:
    if get_origin(hint) is tuple:
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            raise ConfigError("wrong type", where=where, found=value, expected="a list of texts")
        return tuple(value)
    allowed = tuple(a for a in get_args(hint) if a is not type(None)) if isinstance(hint, UnionType) else (hint,)
    if float in allowed and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        names = {str: "a text", float: "a number", int: "a whole number", bool: "true or false"}
        raise ConfigError("wrong type", where=where, found=value, expected=" or ".join(names[a] for a in allowed))
    return value


def _toml_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml_value(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
