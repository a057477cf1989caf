"""A grid: which levels of which choices a multiverse goes through. One TOML file each, validated key by key."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from allostat.allostatic_load.definitions import Definition, definition_from, load_definition
from allostat.allostatic_load.keys import only_keys, text_of
from allostat.allostatic_load.multiverse.choices import choices
from allostat.biomarkers import biomarker_kinds
from allostat.canonical import sha256_of
from allostat.errors import ConfigError

_TOP = frozenset(
    {"id", "version", "title", "citation", "doi", "notes", "age_bands", "choices", "default", "definitions", "remove"}
)
_VARIANT = frozenset(
    {"base", "algorithm", "options", "markers", "title", "citation", "doi", "reference", "not_verified"}
)
_REMOVE = frozenset({"when", "reason"})


@dataclass(frozen=True, slots=True)
class Removal:
    """Combinations that a grid leaves out: those whose level of every choice in ``when`` is among those listed."""

    when: Mapping[str, tuple[str, ...]]
    reason: str

    def concerns(self, levels: Mapping[str, str]) -> bool:
        """Whether a combination is left out."""
        return all(levels[name] in among for name, among in self.when.items())


@dataclass(frozen=True)
class MultiverseGrid:
    """What a multiverse goes through.

    Parameters
    ----------
    levels
        Levels of each choice (see `allostat.allostatic_load.multiverse.choices`), every choice named.
    default
        The default specification: one level of each choice.
    definitions
        The definitions behind the levels of ``definition``.
    removals
        Combinations that are left out, with the reason.
    age_bands
        Whole years, both included, for cuts by sex and age.
    not_verified
        What was not checked in its source, by level of ``definition``.
    """

    id: str
    version: str
    title: str
    levels: Mapping[str, tuple[str, ...]]
    default: Mapping[str, str]
    definitions: Mapping[str, Definition]
    removals: tuple[Removal, ...] = ()
    age_bands: tuple[tuple[int, int], ...] = ((18, 39), (40, 59), (60, 120))
    citation: str = ""
    doi: str = ""
    notes: tuple[str, ...] = ()
    not_verified: Mapping[str, str] = field(default_factory=dict)

    @property
    def n_combinations(self) -> int:
        """Number of combinations before any is sorted out."""
        product = 1
        for levels in self.levels.values():
            product *= len(levels)
        return product

    @cached_property
    def sha256(self) -> str:
        """Hash of the content, the definitions by theirs."""
        return sha256_of(self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The content as plain JSON values."""
        return {
            "id": self.id,
            "version": self.version,
            "title": self.title,
            "citation": self.citation,
            "doi": self.doi,
            "notes": list(self.notes),
            "choices": {name: list(levels) for name, levels in self.levels.items()},
            "default": dict(self.default),
            "definitions": {name: d.sha256 for name, d in self.definitions.items()},
            "remove": [{"when": {k: list(v) for k, v in r.when.items()}, "reason": r.reason} for r in self.removals],
            "age_bands": [list(band) for band in self.age_bands],
            "not_verified": dict(self.not_verified),
        }


def grid_names() -> tuple[str, ...]:
    """Grids that come with allostat."""
    folder = resources.files("allostat_data").joinpath("grids")
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")))


def load_grid(name_or_path: str | Path) -> MultiverseGrid:
    """A grid by name, or from a TOML file.

    Raises
    ------
    ConfigError
        No such grid or file, broken TOML, an unknown key, choice, level, definition or biomarker (with the nearest
        valid one).
    """
    text = str(name_or_path)
    if text.endswith(".toml"):
        path = Path(text)
        if not path.is_file():
            raise ConfigError("no such grid file", found=path.name)
        content, where, folder = path.read_bytes(), path.name, path.parent
    else:
        if text not in grid_names():
            raise ConfigError("no such grid", found=text, valid=grid_names())
        content = resources.files("allostat_data").joinpath("grids", f"{text}.toml").read_bytes()
        where, folder = f"{text}.toml", None
    try:
        entry = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"is not valid TOML ({error})", where=where) from error
    return grid_from(entry, where=where, folder=folder)


def grid_from(entry: Mapping[str, Any], *, where: str = "grid", folder: Path | None = None) -> MultiverseGrid:
    """A grid from its keys, each of them checked; errors as `load_grid`.

    Parameters
    ----------
    folder
        Where relative paths of definitions begin; None: the working folder.
    """
    only_keys(entry, _TOP, where)
    named = entry.get("choices", {})
    only_keys(named, choices(), f"{where}, choices")
    default = {name: choice.default for name, choice in choices().items()}
    given = entry.get("default", {})
    only_keys(given, choices(), f"{where}, default")
    levels = {name: _levels(name, named.get(name), given.get(name, default[name]), where) for name in choices()}
    default |= {name: levels[name][0] for name in choices() if name not in given and default[name] not in levels[name]}
    default |= {name: str(level) for name, level in given.items()}
    for name, level in default.items():
        if level not in levels[name]:
            raise ConfigError(
                "the default is not among the levels", where=f"{where}, default, {name}", found=level,
                valid=levels[name],
            )  # fmt: skip
    variants = entry.get("definitions", {})
    only_keys(variants, levels["definition"], f"{where}, definitions")
    definitions = {
        name: _variant(name, variants[name], f"{where}, definitions, {name}")
        if name in variants
        else load_definition(folder / name if folder is not None and name.endswith(".toml") else name)
        for name in levels["definition"]
    }
    return MultiverseGrid(
        id=text_of(entry, "id", where),
        version=str(entry.get("version", "1")),
        title=str(entry.get("title", "")),
        levels=levels,
        default=default,
        definitions=definitions,
        removals=tuple(_removal(r, levels, f"{where}, remove") for r in entry.get("remove", ())),
        age_bands=_bands(entry.get("age_bands"), where),
        citation=str(entry.get("citation", "")),
        doi=str(entry.get("doi", "")),
        notes=tuple(str(note) for note in entry.get("notes", ())),
        not_verified={n: str(v["not_verified"]) for n, v in variants.items() if "not_verified" in v},
    )


def _levels(name: str, given: object, default: object, where: str) -> tuple[str, ...]:
    """The levels of one choice; a choice that is not named has its default level alone."""
    if given is None:
        return (str(default),)
    if not isinstance(given, list) or not given:
        raise ConfigError("a choice has a list of levels", where=f"{where}, choices, {name}", found=given)
    levels = tuple(str(level) for level in given)
    valid = choices()[name].levels
    for level in levels:
        if valid and level not in valid:
            raise ConfigError(f"no such level of {name}", where=f"{where}, choices", found=level, valid=valid)
    if len(set(levels)) < len(levels):
        raise ConfigError("a level occurs twice", where=f"{where}, choices, {name}", found=", ".join(levels))
    return levels


def _variant(name: str, entry: Mapping[str, Any], where: str) -> Definition:
    """A definition that a grid makes: another algorithm over the markers of ``base``, or a plain list of markers."""
    only_keys(entry, _VARIANT, where)
    if ("base" in entry) == ("markers" in entry):
        raise ConfigError("a definition of a grid has either 'base' or 'markers'", where=where, found=", ".join(entry))
    if "base" in entry:
        return _on_base(name, entry, where)
    systems: dict[str, list[dict[str, str]]] = {}
    for marker in entry["markers"]:
        if marker not in biomarker_kinds():
            raise ConfigError("unknown biomarker", where=where, found=marker, valid=biomarker_kinds())
        systems.setdefault(biomarker_kinds()[marker].system, []).append({"biomarker": marker})
    content = {
        "id": name,
        "version": "1",
        "title": entry.get("title", name),
        "citation": entry.get("citation", "declared in a grid"),
        "doi": entry.get("doi", ""),
        "algorithm": entry.get("algorithm", "count"),
        "default_reference": entry.get("reference", "published-2026.1"),
        "options": {"strata": "pooled", **entry.get("options", {})},
        "systems": [{"name": system, "markers": markers} for system, markers in systems.items()],
    }
    return definition_from(content, where=where)


def _on_base(name: str, entry: Mapping[str, Any], where: str) -> Definition:
    base = load_definition(text_of(entry, "base", where))
    first = base.systems[0].markers[0].any_of[0]
    # Algorithm and options are checked by the reader of definition files; the markers are those of the base.
    checked = definition_from(
        {
            "id": name,
            "version": base.version,
            "title": entry.get("title", f"{base.title}, {entry.get('algorithm', base.algorithm)}"),
            "citation": entry.get("citation", base.citation),
            "doi": entry.get("doi", base.doi),
            "algorithm": entry.get("algorithm", base.algorithm),
            "default_reference": entry.get("reference", base.default_reference),
            "options": {"strata": base.strata, **entry.get("options", {})},
            "systems": [{"name": "any", "markers": [{"biomarker": first}]}],
        },
        where=where,
    )
    return dataclasses.replace(
        checked,
        systems=base.systems,
        min_share_in_system=base.min_share_in_system,
        min_share_of_systems=base.min_share_of_systems,
        require_one_of=base.require_one_of,
    )


def _removal(entry: Mapping[str, Any], levels: Mapping[str, tuple[str, ...]], where: str) -> Removal:
    only_keys(entry, _REMOVE, where)
    when = entry.get("when", {})
    only_keys(when, levels, f"{where}, when")
    if not when:
        raise ConfigError("a removal says when", where=where, expected="when = { choice = [levels] }")
    among = {name: tuple(str(x) for x in (v if isinstance(v, list) else [v])) for name, v in when.items()}
    for name, some in among.items():
        for level in some:
            if level not in levels[name]:
                raise ConfigError(f"no such level of {name}", where=f"{where}, when", found=level, valid=levels[name])
    return Removal(among, text_of(entry, "reason", where))


def _bands(given: object, where: str) -> tuple[tuple[int, int], ...]:
    if given is None:
        return MultiverseGrid.age_bands
    bands: list[tuple[int, int]] = []
    listed: list[Any] = given if isinstance(given, list) else [given]
    for band in listed:
        whole = isinstance(band, list) and len(band) == 2 and all(isinstance(x, int) for x in band)
        if not whole or not 0 <= band[0] <= band[1] or (bands and band[0] <= bands[-1][1]):
            raise ConfigError(
                "age bands are pairs of whole years, one after the other", where=f"{where}, age_bands", found=band,
                expected="[[18, 39], [40, 59]]",
            )  # fmt: skip
        bands.append((band[0], band[1]))
    return tuple(bands)
