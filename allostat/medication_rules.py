"""Rules of medication: what treatment, pregnancy and the like do to biomarkers, applied once, in one place.

The rules are declared in ``medication_rules.toml``. They start from the measured value of a row and keep it, so that a
table under one set of rules can be put under another one.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal, Self

from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kind
from allostat.errors import ConfigError
from allostat.medications import drug_classes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Option = Literal["adjust", "none", "flag", "risk", "exclude"]

AS_RISK = "_AS_RISK"
"""End of the code of a value that counts as high risk wherever flags are counted."""


@dataclass(frozen=True, slots=True)
class MedicationRules:
    """What is done for each exposure.

    Parameters
    ----------
    antihypertensive
        ``adjust`` (+10 mmHg systolic, +5 diastolic), ``none``, ``flag``, ``risk`` (counts as high risk), ``exclude``.
    statin
        ``adjust`` (total cholesterol / 0.8, LDL / 0.7: a convention, not verified), ``none``, ``flag``, ``risk``,
        ``exclude``.
    beta_blocker
        ``flag``, ``none``, ``exclude`` the autonomic system.
    corticosteroid, pregnancy
        ``exclude`` cortisol, ``flag``, ``none``.
    oral_contraceptive, smoking
        ``flag`` (a covariate of cortisol), ``none``, ``exclude``.

    Raises
    ------
    ConfigError
        An option that the rule does not have.
    """

    antihypertensive: Option = "adjust"
    statin: Option = "adjust"
    beta_blocker: Option = "flag"
    corticosteroid: Option = "exclude"
    pregnancy: Option = "exclude"
    oral_contraceptive: Option = "flag"
    smoking: Option = "flag"

    def __post_init__(self) -> None:
        for name, rule in _declared().items():
            option = getattr(self, name)
            if option not in rule["options"]:
                raise ConfigError(f"{name} has no such option", found=option, valid=rule["options"])

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """Rules from names and options; those that are not named keep their defaults.

        Raises
        ------
        ConfigError
            No such rule (with the nearest valid name), or no such option.
        """
        for name in options:
            if name not in _declared():
                raise ConfigError("no such rule of medication", found=name, valid=_declared())
        return cls(**options)

    @classmethod
    def as_measured(cls) -> Self:
        """Rules that leave every value as it was measured."""
        return cls.from_options(dict.fromkeys(_declared(), "none"))

    @property
    def options(self) -> dict[str, str]:
        """The option of each rule by its name."""
        return {name: getattr(self, name) for name in _declared()}


@dataclass(frozen=True, slots=True)
class Effect:
    """What one rule does to one biomarker of an exposed person: ``value * factor + added``, or exclusion.

    ``risk``: whether the value counts as high risk wherever flags are counted. ``code`` goes to the row's quality.
    """

    exposure: str
    code: str
    factor: float = 1.0
    added: float = 0.0
    excludes: bool = False
    risk: bool = False

    @property
    def changes(self) -> bool:
        """Whether the value becomes another one."""
        return self.excludes or self.factor != 1.0 or self.added != 0.0


def rule_options() -> dict[str, tuple[str, ...]]:
    """The options of every rule by its name, for a grid of choices."""
    return {name: tuple(rule["options"]) for name, rule in _declared().items()}


def exposures(person: Person) -> frozenset[str]:
    """The exposures of a person that rules know: drug classes, pregnancy, oral contraceptives, smoking."""
    facts = {"pregnancy": person.pregnant, "oral_contraceptive": person.oral_contraceptive, "smoking": person.smoker}
    found = frozenset(name for name, fact in facts.items() if fact)
    return found.union(*(drug_classes(m) for m in person.medications)) if person.medications else found


@lru_cache(maxsize=4096)
def effects(biomarker: str, rules: MedicationRules) -> tuple[Effect, ...]:
    """What rules do to a biomarker, one effect for each exposure that matters to it."""
    found = (_effect(name, rule, biomarker, getattr(rules, name)) for name, rule in _declared().items())
    return tuple(effect for effect in found if effect is not None)


def apply_medication_rules(table: BiomarkerTable, rules: MedicationRules | None = None) -> BiomarkerTable:
    """A table under rules of medication.

    Parameters
    ----------
    table
        As measured, or under other rules before.
    rules
        None: the defaults.

    Returns
    -------
    BiomarkerTable
        Rows of exposed persons with ``value`` after the rule, ``raw_value`` before it, ``adjustment`` in words and the
        rule's code among ``quality``; all others as they were. ``table.rules`` names every option. Rules start from the
        measured value: applying them twice, or after others, gives what applying them once gives.

    Notes
    -----
    A factor changes the standard error of a biomarker that is not log-transformed. Rows that were never measured stay
    as they are.
    """
    chosen = rules or MedicationRules()
    exposed = {key: exposures(person) for key, person in table.persons.items()}
    nobody = frozenset[str]()
    rows = (
        _ruled(row, exposed.get(row.participant, nobody), table.persons.get(row.participant), chosen)
        for row in table.rows
    )
    return table.with_rows(rows, **chosen.options)


def adjusted_values(
    biomarker: str, measured: NDArray[np.float64], exposed: Mapping[str, NDArray[np.bool_]], rules: MedicationRules
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The rules for an array of measured values of one biomarker.

    Parameters
    ----------
    measured
        (n,) in the biomarker's unit; NaN stays NaN.
    exposed
        For each exposure whether each person has it, (n,); exposures that are not named have nobody.

    Returns
    -------
    values, at_risk
        (n,) values after the rules, and whether a rule counts the value as high risk whatever it is.
    """
    import numpy as np

    values, at_risk = measured.astype(np.float64), np.zeros(len(measured), dtype=np.bool_)
    for effect in effects(biomarker, rules):
        mask = exposed.get(effect.exposure)
        if mask is None:
            continue
        if effect.changes:
            values[mask] = math.nan if effect.excludes else values[mask] * effect.factor + effect.added
        if effect.risk:
            at_risk |= mask & ~np.isnan(measured)
    return values, at_risk


@cache
def _declared() -> Mapping[str, Mapping[str, Any]]:
    text = resources.files("allostat_data").joinpath("medication_rules.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _concerns(rule: Mapping[str, Any], biomarker: str) -> bool:
    if biomarker_kind(biomarker).system in rule.get("systems", ()):
        return True
    return any(fnmatchcase(biomarker, pattern) for pattern in rule["biomarkers"])


def _effect(name: str, rule: Mapping[str, Any], biomarker: str, option: Option) -> Effect | None:
    if option == "none" or not _concerns(rule, biomarker):
        return None
    code = rule["code"]
    match option:
        case "flag":
            return Effect(name, code)
        case "risk":
            return Effect(name, f"{code}{AS_RISK}", risk=True)
        case "exclude":
            return Effect(name, code, excludes=True)
        case "adjust":
            if biomarker in rule.get("added", ()):
                added = float(rule["added"][biomarker])
                return Effect(name, f"{code}_PLUS_{added:g}", added=added)
            if biomarker in rule.get("divided", ()):
                divisor = float(rule["divided"][biomarker])
                return Effect(name, f"{code}_DIVIDED_{divisor:g}", factor=1.0 / divisor)
            return Effect(name, f"{code}_UNADJUSTED")


@cache
def _possible(biomarker: str) -> Mapping[str, Effect]:
    """Every effect that some option could have on a biomarker, by its code."""
    found = [_effect(name, rule, biomarker, option) for name, rule in _declared().items() for option in rule["options"]]
    return {effect.code: effect for effect in found if effect is not None}


def _ruled(row: Biomarker, exposed: frozenset[str], person: Person | None, rules: MedicationRules) -> Biomarker:
    """One row under rules; the very same row when nothing changes."""
    if not exposed and not row.quality and math.isnan(row.raw_value):
        return row
    possible = _possible(row.biomarker)
    if not possible:
        return row
    measured = _measured_row(row, possible)
    if measured.missing:
        return row
    for effect in effects(row.biomarker, rules):
        if effect.exposure in exposed:
            measured = _under(measured, effect, _reason(effect.exposure, person))
    return measured


def _measured_row(row: Biomarker, possible: Mapping[str, Effect]) -> Biomarker:
    """The row as it was before any rule of medication.

    A row that carries the code of an adjustment and no raw value was adjusted by its source: the adjustment is undone.
    """
    carried = [q for q in row.quality if q in possible]
    if math.isnan(row.raw_value) and not carried:
        return row
    value, error = row.measured, row.standard_error
    for code in carried:
        effect = possible[code]
        if math.isnan(row.raw_value):
            value = (value - effect.added) / effect.factor
        if biomarker_kind(row.biomarker).transform == "identity":
            error /= effect.factor
    quality = tuple(q for q in row.quality if q not in possible)
    return dataclasses.replace(
        row, value=value, standard_error=error, raw_value=math.nan, quality=quality, adjustment=""
    )


def _under(row: Biomarker, effect: Effect, reason: str) -> Biomarker:
    # The reason why a value is missing stands first.
    quality = (effect.code, *row.quality) if effect.excludes else (*row.quality, effect.code)
    if not effect.changes:
        return dataclasses.replace(row, quality=quality)
    error = row.standard_error
    if biomarker_kind(row.biomarker).transform == "identity":
        error *= effect.factor
    done = "; ".join(text for text in (row.adjustment, f"{_in_words(row, effect)} ({reason})") if text)
    value = math.nan if effect.excludes else row.value * effect.factor + effect.added
    return dataclasses.replace(
        row, value=value, standard_error=error, raw_value=row.measured, quality=quality, adjustment=done
    )


def _in_words(row: Biomarker, effect: Effect) -> str:
    if effect.excludes:
        return f"{effect.exposure}: excluded"
    if effect.added:
        return f"{effect.exposure}: {effect.added:+g} {row.unit}"
    return f"{effect.exposure}: divided by {1.0 / effect.factor:g}"


def _reason(exposure: str, person: Person | None) -> str:
    drugs = [m for m in person.medications if exposure in drug_classes(m)] if person is not None else []
    return ", ".join(drugs) or exposure.replace("_", " ")
