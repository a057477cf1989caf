"""What each stage of a participant rests on, and the fingerprint of it: equal fingerprints, equal results.

A rule names the stages that a stage stands on, the settings it reads, its inputs and the libraries that decide its
bytes. `stages.process_participant` gives a stage nothing else: settings that a rule does not name have their defaults
there, tables and exports that it does not name are absent. So what a fingerprint leaves out cannot reach a result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from allostat import __version__
from allostat.errors import ConfigError
from allostat.medication_rules import rule_options
from allostat.reading import adapters

if TYPE_CHECKING:
    from allostat.study.config import StudyConfig
    from allostat.study.inputs import ParticipantRows
    from allostat.study.plan import ParticipantPlan

STAGES = ("ingest", "beats", "hrv", "circadian", "labs", "biomarkers", "load", "report")
"""In the order in which they run. ``report`` is the participant's file and page."""

_COMPUTING = ("numpy", "scipy", "numba", "xarray", "pandas")
_WRITING = (*_COMPUTING, "h5py", "jinja2")
_WINDOWS = ("hrv.preset", "hrv.measures", "hrv.window", "hrv.step")
_REST = ("hrv.rest_min_s", "hrv.rest_max_s")
_OVERLAP = ("overlap.prefer", "overlap.usable")
_RULES = tuple(f"rules.{name}" for name in (*rule_options(), "acute_crp"))
_LOAD = ("allostatic_load.definitions", "allostatic_load.reference")

RESULT_SETTINGS = (*_WINDOWS, *_REST, "hrv.long_min_s", *_OVERLAP, *_RULES, "rules.below_lod", *_LOAD)
"""Settings that decide a participant's numbers; they are written into the participant's file and page."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one stage may know."""

    stands_on: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = _COMPUTING


RULES: Mapping[str, Rule] = {
    "ingest": Rule((), (), ("participant", "exports", "time zone", "problems")),
    "beats": Rule(("ingest",)),
    "nights": Rule(("beats",), ("hrv.long_min_s", *_OVERLAP), ("time zone", "diary")),
    "hrv": Rule(("beats", "nights"), (*_WINDOWS, *_REST, *_OVERLAP), ("time zone",)),
    "circadian": Rule(("hrv", "nights"), ("overlap.prefer",), ("time zone",)),
    "labs": Rule(
        ("nights",), ("rules.below_lod",),
        ("participant", "person", "time zone", "labs", "blood_pressure", "diary"),
    ),
    "biomarkers": Rule(("hrv", "labs"), _RULES, ("participant", "person")),
    "load": Rule(("biomarkers",), _LOAD, ("definitions",)),
    "report": Rule(
        ("ingest", "beats", "hrv", "circadian", "labs", "biomarkers", "load"), (*RESULT_SETTINGS, "run.keep_signals"),
        ("participant", "person", "time zone", "unread", "labs", "blood_pressure", "diary"), _WRITING,
    ),
}  # fmt: skip
"""``nights`` is no stage of its own: sleep and the series it is found in are worked out anew where they are needed."""


@dataclass(frozen=True)
class Basis:
    """Everything that one stage of one participant rests on.

    Parameters
    ----------
    settings, inputs, versions
        What the rule of the stage names, with its values; of inputs the sha256.
    stands_on
        Fingerprints of other stages.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    stands_on: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over all of it, inputs in their order."""
        content = [sorted(self.settings.items()), list(self.inputs.items()), sorted(self.versions.items()),
                   sorted(self.stands_on.items())]  # fmt: skip
        return _sha256(content)

    def as_json(self) -> dict[str, Any]:
        """For ``status.json``: with it a later run says what changed."""
        return {
            "fingerprint": self.fingerprint,
            "settings": dict(self.settings),
            "inputs": dict(self.inputs),
            "versions": dict(self.versions),
        }


def bases_of(
    plan: ParticipantPlan, rows: ParticipantRows, config: StudyConfig, definitions: Mapping[str, str]
) -> dict[str, Basis]:
    """What each stage of a participant rests on now.

    Parameters
    ----------
    definitions
        Content hashes of the definitions and references that the settings name.
    """
    inputs = _inputs(plan, rows, definitions)
    known = _adapter_versions() if plan.exports else {}
    read_by = {f"adapter {e.adapter}": known[e.adapter] for e in plan.exports}
    found: dict[str, Basis] = {}
    for stage, rule in RULES.items():
        found[stage] = Basis(
            {key: _plain(config.value(key)) for key in rule.settings},
            {name: sha for kind in rule.inputs for name, sha in inputs[kind].items()},
            library_versions(rule.libraries) | (read_by if stage == "ingest" else {}),
            {other: found[other].fingerprint for other in rule.stands_on},
        )
    return found


def _inputs(
    plan: ParticipantPlan, rows: ParticipantRows, definitions: Mapping[str, str]
) -> dict[str, Mapping[str, str]]:
    exports: dict[str, str] = {}
    for export in plan.exports:
        for member, sha in export.hashes.items():
            name, n = member, 2
            while name in exports:
                name, n = f"{member} ({n})", n + 1
            exports[name] = f"{sha} {export.name} {export.adapter}"
    return {
        "participant": {"participant": plan.participant},
        "exports": exports,
        "time zone": {"time zone": plan.timezone or "none stated"},
        "problems": {"rows with problems": _sha256(list(plan.problems))} if plan.problems else {},
        "unread": {"files not read": _sha256([[u.name, u.reason] for u in plan.unread])} if plan.unread else {},
        "person": {"participants.tsv": _sha256(repr(plan.person))},
        "labs": _own_rows(rows, "labs"),
        "blood_pressure": _own_rows(rows, "blood_pressure"),
        "diary": _own_rows(rows, "diary"),
        "definitions": definitions,
    }


def _own_rows(rows: ParticipantRows, kind: str) -> dict[str, str]:
    return {rows.names.get(kind, kind): rows.hashes[kind]} if kind in rows.hashes else {}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _sha256(content: object) -> str:
    return hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()


def library_versions(libraries: Iterable[str] = _WRITING) -> dict[str, str]:
    """Versions of allostat and of the libraries that decide bytes."""
    return {"allostat": __version__} | {name: _version(name) for name in libraries}


@cache
def _adapter_versions() -> Mapping[str, str]:
    return {a.name: a.version for a in adapters()}


@cache
def _version(name: str) -> str:
    return version(name)


def stage_named(name: str) -> str:
    """A stage by its name.

    Raises
    ------
    ConfigError
        There is none; the nearest one is named.
    """
    if name not in STAGES:
        raise ConfigError("no such stage", found=name, valid=STAGES, expected=" → ".join(STAGES))
    return name


def changes(earlier: Mapping[str, Any], basis: Basis) -> list[str]:
    """What changed for a stage since an earlier run stated (`Basis.as_json`) what it rested on, in words."""
    told = []
    for word, before, now in (
        ("settings", earlier.get("settings", {}), basis.settings),
        ("input", earlier.get("inputs", {}), basis.inputs),
        ("version", earlier.get("versions", {}), basis.versions),
    ):
        names = [n for n in {**before, **now} if before.get(n) != now.get(n)]
        if not names:
            continue
        if word == "version":
            told.append("version changed: " + ", ".join(f"{n} {before.get(n)} → {now.get(n)}" for n in names))
        else:
            new = [n for n in names if n not in before]
            gone = [n for n in names if n not in now]
            changed = [n for n in names if n in before and n in now]
            told += [f"{word} {what}: {', '.join(which)}"
                     for what, which in (("changed", changed), ("new", new), ("gone", gone)) if which]  # fmt: skip
    return told
