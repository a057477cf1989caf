"""Waist 2: the biomarker table. One row = participant, occasion, biomarker, value, unit, standard error, quality.

Everything to the right of this module sees only such rows and the persons they belong to.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal, Self

from allostat.errors import InputError, UnitError
from allostat.units import converted

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Sex = Literal["F", "M"]
Direction = Literal["high", "low", "none"]
Transform = Literal["identity", "ln"]

ROW_COLUMNS = (
    "participant", "occasion", "biomarker", "value", "unit", "standard_error", "n", "coverage", "quality",
    "context", "provenance", "raw_value", "adjustment", "repeats",
)  # fmt: skip


_FLOATS = ("value", "standard_error", "coverage", "raw_value")


@dataclass(frozen=True, slots=True)
class BiomarkerKind:
    """What a biomarker is, in which unit it travels and which way risk lies.

    Parameters
    ----------
    direction
        The side of risk; ``none`` for what is measured only to derive others (height).
    transform
        Applied before a z score: the value itself stays in ``unit``.
    plausible_low, plausible_high
        Bounds in ``unit`` outside of which a value is a unit mistake.
    context
        The only context of such values; empty when there is none.
    two_sided
        Whether both tails are risk, for two-tailed scoring.
    other_units
        Units that laboratories use besides ``unit``.
    specimens
        What it may be measured in; empty when it is not of a specimen.
    formula
        How it is derived from other biomarkers when it is not measured itself; empty when it cannot be.
    """

    name: str
    long_name: str
    unit: str
    system: str
    direction: Direction
    transform: Transform
    plausible_low: float
    plausible_high: float
    context: str = ""
    loinc: str = ""
    references: tuple[str, ...] = ()
    two_sided: bool = False
    other_units: tuple[str, ...] = ()
    specimens: tuple[str, ...] = ()
    formula: str = ""


@cache
def biomarker_kinds() -> Mapping[str, BiomarkerKind]:
    """Every biomarker that allostat knows, by name, from the data package."""
    text = resources.files("allostat_data").joinpath("biomarkers.toml").read_text(encoding="utf-8")
    kinds = {}
    for name, entry in tomllib.loads(text).items():
        entry |= {key: tuple(entry.get(key, ())) for key in ("references", "other_units", "specimens")}
        kinds[name] = BiomarkerKind(name=name, **entry)
    return kinds


def biomarker_kind(name: str) -> BiomarkerKind:
    """One biomarker by name; `InputError` with the nearest valid name when it is unknown."""
    kinds = biomarker_kinds()
    if name not in kinds:
        raise InputError("unknown biomarker", found=name, valid=kinds)
    return kinds[name]


def plausible_in(kind: BiomarkerKind, value: float) -> tuple[str, ...]:
    """The other units of a kind in which a value that is implausible in the kind's own unit would be plausible."""
    if not math.isfinite(value):
        return ()
    return tuple(
        unit
        for unit in kind.other_units
        if kind.plausible_low <= converted(value, unit, kind.unit, analyte=kind.name) <= kind.plausible_high
    )


def refuse_implausible(kind: BiomarkerKind, value: float, *, written: str = "", unit: str = "", where: str) -> None:
    """Raise `UnitError` (``UNIT_SUSPECT``) for a value outside of the kind's bounds; NaN passes.

    Parameters
    ----------
    value
        In the kind's unit.
    written, unit
        The value and the UCUM unit as they were declared, when these differ. The message names the units in which the
        number as written would be plausible; nothing is ever converted by such a guess.
    """
    if math.isnan(value) or kind.plausible_low <= value <= kind.plausible_high:
        return
    declared = unit or kind.unit
    number = converted(value, kind.unit, declared, analyte=kind.name) if declared != kind.unit else value
    siblings = [u for u in (*plausible_in(kind, number), *_own_unit(kind, number)) if u != declared]
    hint = f"; as {' or '.join(siblings)} it would be plausible" if siblings else ""
    raise UnitError(
        f"{kind.name} is implausible in its unit (UNIT_SUSPECT)",
        where=where,
        found=f"{written or format(number, 'g')} {declared}",
        expected=f"{kind.plausible_low:g} to {kind.plausible_high:g} {kind.unit}{hint}",
    )


def _own_unit(kind: BiomarkerKind, number: float) -> tuple[str, ...]:
    return (kind.unit,) if kind.plausible_low <= number <= kind.plausible_high else ()


@dataclass(frozen=True, slots=True)
class Person:
    """What the index and its rules need to know of a participant besides biomarkers; None is not known."""

    participant: str
    sex: Sex | None = None
    age_years: float | None = None
    group: str | None = None
    medications: tuple[str, ...] = ()
    pregnant: bool | None = None
    smoker: bool | None = None
    oral_contraceptive: bool | None = None


@dataclass(frozen=True, slots=True)
class Biomarker:
    """One row of waist 2.

    Parameters
    ----------
    value
        In ``unit``; NaN when missing, with the reason among ``quality``.
    standard_error
        Of ``value``, on the scale of the kind's transform, from repeats (nights, days, draws, readings); NaN with one.
    n
        Number of repeats behind the value.
    coverage
        Share of the wanted data that was valid, 0 to 1; NaN where that means nothing.
    quality
        Reason codes such as ``CRP_ACUTE`` or ``BELOW_LOD``.
    context
        ``night``, ``rest_5min``, ``24h`` …; values of different contexts are never mixed.
    provenance
        Inputs and method, one line.
    raw_value
        The value as measured, when a rule (`allostat.medication_rules`, `allostat.acute_rule`) changed or excluded it;
        NaN while ``value`` itself is as measured. See `measured`.
    adjustment
        What the rule did; empty when no rule changed the value.
    repeats
        The single draws or readings behind the value, in ``unit``; empty when they are not kept.
    """

    participant: str
    biomarker: str
    value: float
    unit: str
    occasion: str = "1"
    standard_error: float = math.nan
    n: int = 1
    coverage: float = math.nan
    quality: tuple[str, ...] = ()
    context: str = ""
    provenance: str = ""
    raw_value: float = math.nan
    adjustment: str = ""
    repeats: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        kind = biomarker_kind(self.biomarker)
        if self.unit != kind.unit:
            raise UnitError(
                "biomarker in another unit than its own", where=self.where, found=self.unit, expected=kind.unit
            )
        if kind.context and self.context != kind.context:
            raise InputError(
                "biomarker of another context", where=self.where, found=self.context, expected=kind.context
            )
        if math.isinf(self.value):
            raise InputError("biomarker is infinite", where=self.where, found=self.value)
        # What was measured has to be plausible; a constant that a rule added may lead past the bounds.
        if not kind.plausible_low <= self.measured <= kind.plausible_high:
            refuse_implausible(kind, self.measured, where=self.where)

    @property
    def where(self) -> str:
        """Participant, occasion and biomarker, for messages."""
        return f"participant {self.participant}, occasion {self.occasion}, {self.biomarker}"

    @property
    def measured(self) -> float:
        """The value as measured, before any rule; NaN when nothing was."""
        return self.value if math.isnan(self.raw_value) else self.raw_value

    @property
    def missing(self) -> bool:
        """Whether there is no value."""
        return math.isnan(self.value)


@dataclass(frozen=True)
class BiomarkerTable:
    """Rows of waist 2 and the persons they belong to. One row per participant, occasion and biomarker.

    ``rules`` names the rules that were applied to the rows and the option of each; empty while they are as measured.
    """

    rows: tuple[Biomarker, ...] = ()
    persons: Mapping[str, Person] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seen: set[tuple[str, str, str]] = set()
        for row in self.rows:
            key = (row.participant, row.occasion, row.biomarker)
            if key in seen:
                raise InputError(
                    "two rows of one biomarker on one occasion: merge or name the occasions",
                    found=" / ".join(key),
                )
            seen.add(key)

    def merged(self, *others: BiomarkerTable) -> Self:
        """This table with the rows and persons of others; the same row in two tables, or values under different rules,
        are errors."""
        rows, persons, rules = list(self.rows), dict(self.persons), dict(self.rules)
        for other in others:
            rows += other.rows
            for rule, option in other.rules.items():
                if rules.setdefault(rule, option) != option:
                    raise InputError(
                        "two tables follow different rules", where=rule, found=f"{rules[rule]} and {option}",
                        expected="one of them, applied to both",
                    )  # fmt: skip
            for key, person in other.persons.items():
                if persons.setdefault(key, person) != person:
                    raise InputError("two tables describe one participant differently", found=key)
        return type(self)(tuple(rows), persons, rules)

    def with_rows(self, rows: Iterable[Biomarker], **rules: str) -> Self:
        """The same persons with other rows, and with rules added to those that were applied."""
        return type(self)(tuple(rows), self.persons, {**self.rules, **rules})

    def get(self, participant: str, biomarker: str, occasion: str = "1") -> Biomarker | None:
        """One row, or None."""
        for row in self.rows:
            if (row.participant, row.biomarker, row.occasion) == (participant, biomarker, occasion):
                return row
        return None

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """All (participant, occasion), sorted; participants without rows appear with occasion ``1``."""
        found = {(r.participant, r.occasion) for r in self.rows}
        with_rows = {participant for participant, _ in found}
        found |= {(p, "1") for p in self.persons if p not in with_rows}
        return tuple(sorted(found))

    def frame(self) -> pd.DataFrame:
        """Long table, one row per biomarker; ``quality`` and ``repeats`` joined by ``;``."""
        import pandas as pd

        records = []
        for row in self.rows:
            record = asdict(row)
            record["quality"] = ";".join(row.quality)
            record["repeats"] = joined_numbers(row.repeats)
            records.append(record)
        return pd.DataFrame.from_records(records, columns=list(ROW_COLUMNS))

    @classmethod
    def from_frame(cls, frame: pd.DataFrame, persons: Mapping[str, Person] | Iterable[Person] = ()) -> Self:
        """Table from the long form; missing optional columns take their defaults, unknown columns are an error."""
        import pandas as pd

        for column in frame.columns:
            if column not in ROW_COLUMNS:
                raise InputError("unknown column in a biomarker table", found=column, valid=ROW_COLUMNS)
        for column in ("participant", "biomarker", "value", "unit"):
            if column not in frame.columns:
                raise InputError("a biomarker table lacks a column", expected=column)
        rows = []
        for record in frame.to_dict("records"):
            entry = {str(k): v for k, v in record.items() if k in _FLOATS or not pd.isna(v)}
            entry["participant"] = str(entry["participant"])
            entry["occasion"] = str(entry.get("occasion", "1"))
            entry |= {name: float(entry[name]) for name in _FLOATS if name in entry}
            entry["repeats"] = split_numbers(str(entry.get("repeats", "")))
            if "quality" in entry:
                entry["quality"] = tuple(q for q in str(entry["quality"]).split(";") if q)
            if "n" in entry:
                entry["n"] = int(entry["n"])
            rows.append(Biomarker(**entry))
        people = persons if isinstance(persons, Mapping) else {p.participant: p for p in persons}
        return cls(tuple(rows), dict(people))


def joined_numbers(numbers: Iterable[float]) -> str:
    """Numbers in one text, with all their digits, separated by ``;``."""
    return ";".join(map(repr, numbers))


def split_numbers(text: str) -> tuple[float, ...]:
    """The numbers that `joined_numbers` joined."""
    return tuple(float(one) for one in text.split(";") if one)


def rows_of(dataset: xr.Dataset, participant: str, occasion: str = "1") -> list[Biomarker]:
    """Rows that a result offers to waist 2.

    A zero-dimensional variable whose attribute ``biomarker`` names a biomarker becomes a row; its attributes
    ``standard_error``, ``n``, ``coverage``, ``quality`` (codes separated by blanks), ``context`` and
    ``method`` travel along.
    """
    rows = []
    for name, variable in dataset.data_vars.items():
        if "biomarker" not in variable.attrs:
            continue
        if variable.ndim:
            raise InputError("a variable offered as a biomarker is a single value", found=f"{name}{variable.dims}")
        attrs = variable.attrs
        rows.append(
            Biomarker(
                participant=participant,
                occasion=occasion,
                biomarker=str(attrs["biomarker"]),
                value=float(variable),
                unit=str(attrs["units"]),
                standard_error=float(attrs.get("standard_error", math.nan)),
                n=int(attrs.get("n", 1)),
                coverage=float(attrs.get("coverage", math.nan)),
                quality=tuple(str(attrs.get("quality", "")).split()),
                context=str(attrs.get("context", "")),
                provenance=str(attrs.get("method", "")),
            )
        )
    return rows
