"""Index definitions: one TOML file each, validated key by key. A new index is a new file, not new code."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from allostat.allostatic_load.keys import only_keys, text_of
from allostat.allostatic_load.options import COMMON_OPTIONS, OPTIONS, Algorithm, Comparison, Strata, Value, option_value
from allostat.biomarkers import biomarker_kinds
from allostat.canonical import sha256_of
from allostat.errors import ConfigError

Tails = Literal["one", "two"]

_TOP = frozenset(
    {"id", "version", "title", "citation", "doi", "algorithm", "default_reference", "options", "missing", "systems"}
)
_MISSING = frozenset({"min_share_in_system", "min_share_of_systems", "require_one_of"})
_SYSTEM = frozenset({"name", "markers"})
_MARKER = frozenset({"name", "biomarker", "any_of", "operator", "tails"})


@dataclass(frozen=True, slots=True)
class Marker:
    """One component of an index.

    ``any_of`` holds the biomarkers that can stand for it, best first: the first that is measured and that the reference
    covers is used, alone. ``operator`` overrules the reference's comparison (None: the reference's). ``tails`` says
    whether a value far on the other side is high risk too.
    """

    name: str
    any_of: tuple[str, ...]
    operator: Comparison | None = None
    tails: Tails = "one"


@dataclass(frozen=True, slots=True)
class System:
    """A physiological system and its markers."""

    name: str
    markers: tuple[Marker, ...]


@dataclass(frozen=True)
class Definition:
    """An allostatic load index.

    Parameters
    ----------
    algorithm
        How components become one number, see `allostat.allostatic_load.algorithms`.
    options
        Settings of the algorithm, every one of `allostat.allostatic_load.options.OPTIONS` with its value.
    strata
        Whom persons are compared with: ``pooled`` all, ``sex`` their sex at all ages, ``sex_age`` their sex and age
        band (all ages of the sex, with a note, where the reference has no band for them).
    quantile
        High-risk quantile that the reference must have been fitted for (None: any, such as a clinical cut-off).
    min_share_in_system, min_share_of_systems, require_one_of
        Missing-data rule: an index needs this share of systems, each with this share of its markers, and of every group
        in ``require_one_of`` at least one measured biomarker.
    """

    id: str
    version: str
    title: str
    citation: str
    doi: str
    algorithm: Algorithm
    systems: tuple[System, ...]
    default_reference: str
    options: Mapping[str, Value] = field(default_factory=dict)
    strata: Strata = "sex"
    operator: Comparison | None = None
    quantile: float | None = None
    min_share_in_system: float = 0.5
    min_share_of_systems: float = 0.75
    require_one_of: tuple[tuple[str, ...], ...] = ()

    @property
    def markers(self) -> tuple[Marker, ...]:
        """All markers, system by system."""
        return tuple(m for s in self.systems for m in s.markers)

    @property
    def system_of(self) -> tuple[int, ...]:
        """Number of the system that each marker belongs to."""
        return tuple(k for k, s in enumerate(self.systems) for _ in s.markers)

    def option(self, name: str) -> Value:
        """A setting of the algorithm, the one of the definition or the default."""
        return self.options.get(name, OPTIONS[self.algorithm][name].default)

    @cached_property
    def sha256(self) -> str:
        """Hash of the content: equal definitions have equal hashes wherever they lie."""
        content = asdict(self)
        content["options"] = {name: self.option(name) for name in OPTIONS[self.algorithm]}
        return sha256_of(content)


def definition_names() -> tuple[str, ...]:
    """Definitions that come with allostat."""
    folder = resources.files("allostat_data").joinpath("definitions")
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def load_definition(name_or_path: str | Path) -> Definition:
    """A definition by name, or from a TOML file.

    Raises
    ------
    ConfigError
        No such definition or file, broken TOML, an unknown key (with the nearest valid one), an unknown biomarker.
    """
    text = str(name_or_path)
    if text.endswith(".toml"):
        path = Path(text)
        if not path.is_file():
            raise ConfigError("no such definition file", found=path.name)
        content, where = path.read_bytes(), path.name
    else:
        if text not in definition_names():
            raise ConfigError("no such definition", found=text, valid=definition_names())
        content = resources.files("allostat_data").joinpath("definitions", f"{text}.toml").read_bytes()
        where = f"{text}.toml"
    try:
        entry = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"is not valid TOML ({error})", where=where) from error
    return definition_from(entry, where=where)


def definition_from(entry: Mapping[str, Any], *, where: str = "definition") -> Definition:
    """A definition from its keys, each of them checked; errors as `load_definition`."""
    only_keys(entry, _TOP, where)
    options, missing = entry.get("options", {}), entry.get("missing", {})
    only_keys(missing, _MISSING, f"{where}, missing")
    systems = tuple(_system(s, f"{where}, system {i + 1}") for i, s in enumerate(_list(entry, "systems", where)))
    algorithm: Algorithm = _choice(entry, "algorithm", get_args(Algorithm), where)
    only_keys(options, (*COMMON_OPTIONS, *OPTIONS[algorithm]), f"{where}, options")
    definition = Definition(
        id=text_of(entry, "id", where),
        version=text_of(entry, "version", where),
        title=text_of(entry, "title", where),
        citation=text_of(entry, "citation", where),
        doi=str(entry.get("doi", "")),
        algorithm=algorithm,
        systems=systems,
        default_reference=text_of(entry, "default_reference", where),
        options={n: option_value(algorithm, n, options[n], where) for n in OPTIONS[algorithm] if n in options},
        strata=_choice(options, "strata", get_args(Strata), where, "sex"),
        operator=_comparison(options, where),
        quantile=_share(options, "quantile", where, None),
        min_share_in_system=_share(missing, "min_share_in_system", where, 0.5) or 0.0,
        min_share_of_systems=_share(missing, "min_share_of_systems", where, 0.75) or 0.0,
        require_one_of=_groups(missing, f"{where}, missing, require_one_of"),
    )
    _refuse_repeats(definition, where)
    return definition


def _system(entry: Mapping[str, Any], where: str) -> System:
    only_keys(entry, _SYSTEM, where)
    name = text_of(entry, "name", where)
    markers = tuple(
        _marker(m, f"{where} ({name}), marker {i + 1}") for i, m in enumerate(_list(entry, "markers", where))
    )
    return System(name, markers)


def _marker(entry: Mapping[str, Any], where: str) -> Marker:
    only_keys(entry, _MARKER, where)
    if ("biomarker" in entry) == ("any_of" in entry):
        raise ConfigError("a marker has either 'biomarker' or 'any_of'", where=where, found=", ".join(entry))
    biomarkers = tuple(_list(entry, "any_of", where)) if "any_of" in entry else (text_of(entry, "biomarker", where),)
    for biomarker in biomarkers:
        _known_biomarker(biomarker, where)
    directions = {biomarker_kinds()[b].direction for b in biomarkers}
    if len(directions) > 1:
        raise ConfigError(
            "biomarkers of one marker have their risk on one side", where=where, found=", ".join(biomarkers)
        )
    name = str(entry.get("name", biomarkers[0]))
    tails = _choice(entry, "tails", get_args(Tails), where, "one")
    return Marker(name, biomarkers, _comparison(entry, where), tails)


def _known_biomarker(name: object, where: str) -> None:
    if name not in biomarker_kinds():
        raise ConfigError("unknown biomarker", where=where, found=name, valid=biomarker_kinds())
    if biomarker_kinds()[str(name)].direction == "none":
        raise ConfigError("biomarker has no side of risk", where=where, found=name, expected="what is derived from it")


def _groups(entry: Mapping[str, Any], where: str) -> tuple[tuple[str, ...], ...]:
    groups = tuple(tuple(g) if isinstance(g, list) else (g,) for g in entry.get("require_one_of", []))
    for group in groups:
        for biomarker in group:
            _known_biomarker(biomarker, where)
    return groups


def _refuse_repeats(definition: Definition, where: str) -> None:
    for what, names in (
        ("system", [s.name for s in definition.systems]),
        ("marker", [m.name for m in definition.markers]),
        ("biomarker", [b for m in definition.markers for b in m.any_of]),
    ):
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise ConfigError(f"a {what} occurs twice", where=where, found=", ".join(twice))


def _list(entry: Mapping[str, Any], key: str, where: str) -> list[Any]:
    value = entry.get(key)
    if not isinstance(value, list) or not value:
        raise ConfigError(f"key {key!r} is missing or empty", where=where, found=value, expected="a list")
    return value


def _choice(entry: Mapping[str, Any], key: str, valid: tuple[str, ...], where: str, default: str = "") -> Any:
    value = entry.get(key, default)
    if value not in valid:
        raise ConfigError(f"invalid {key}", where=where, found=value, valid=valid)
    return value


def _comparison(entry: Mapping[str, Any], where: str) -> Comparison | None:
    return _choice(entry, "operator", get_args(Comparison), where) if "operator" in entry else None


def _share(entry: Mapping[str, Any], key: str, where: str, default: float | None) -> float | None:
    value = entry.get(key, default)
    if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
        raise ConfigError(f"{key} is a share", where=where, found=value, expected="0 to 1")
    return value
