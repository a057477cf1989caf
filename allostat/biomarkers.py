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

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

Sex = Literal["F", "M"]
Direction = Literal["high", "low"]
Transform = Literal["identity", "ln"]

ROW_COLUMNS = (
    "participant", "occasion", "biomarker", "value", "unit", "standard_error", "n", "coverage", "quality",
    "context", "provenance",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BiomarkerKind:
    """What a biomarker is, in which unit it travels and which way risk lies.

    ``transform`` is applied before a z score: the value itself stays in ``unit``.
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


@cache
def biomarker_kinds() -> Mapping[str, BiomarkerKind]:
    """Every biomarker that allostat knows, by name, from the data package."""
    text = resources.files("allostat_data").joinpath("biomarkers.toml").read_text(encoding="utf-8")
    kinds = {}
    for name, entry in tomllib.loads(text).items():
        entry["references"] = tuple(entry.get("references", ()))
        kinds[name] = BiomarkerKind(name=name, **entry)
    return kinds


def biomarker_kind(name: str) -> BiomarkerKind:
    """One biomarker by name; `InputError` with the nearest valid name when it is unknown."""
    kinds = biomarker_kinds()
    if name not in kinds:
        raise InputError("unknown biomarker", found=name, valid=kinds)
    return kinds[name]


@dataclass(frozen=True, slots=True)
class Person:
    """What the index needs to know of a participant besides biomarkers."""

    participant: str
    sex: Sex | None = None
    age_years: float | None = None
    group: str | None = None
    medications: tuple[str, ...] = ()


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

    def __post_init__(self) -> None:
        kind = biomarker_kind(self.biomarker)
        where = f"participant {self.participant}, occasion {self.occasion}, {self.biomarker}"
        if self.unit != kind.unit:
            raise UnitError("biomarker in another unit than its own", where=where, found=self.unit, expected=kind.unit)
        if kind.context and self.context != kind.context:
            raise InputError("biomarker of another context", where=where, found=self.context, expected=kind.context)
        if math.isinf(self.value):
            raise InputError("biomarker is infinite", where=where, found=self.value)
        if not math.isnan(self.value) and not kind.plausible_low <= self.value <= kind.plausible_high:
            raise InputError(
                "biomarker is implausible in its unit (UNIT_SUSPECT)",
                where=where,
                found=f"{self.value:g} {self.unit}",
                expected=f"{kind.plausible_low:g} to {kind.plausible_high:g}",
            )

    @property
    def missing(self) -> bool:
        """Whether there is no value."""
        return math.isnan(self.value)


@dataclass(frozen=True)
class BiomarkerTable:
    """Rows of waist 2 and the persons they belong to. One row per participant, occasion and biomarker."""

    rows: tuple[Biomarker, ...] = ()
    persons: Mapping[str, Person] = field(default_factory=dict)

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
        """This table with the rows and persons of others; the same row in two tables is an error."""
        rows, persons = list(self.rows), dict(self.persons)
        for other in others:
            rows += other.rows
            for key, person in other.persons.items():
                if persons.setdefault(key, person) != person:
                    raise InputError("two tables describe one participant differently", found=key)
        return type(self)(tuple(rows), persons)

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
        found |= {(p, "1") for p in self.persons if not any(k[0] == p for k in found)}
        return tuple(sorted(found))

    def frame(self) -> pd.DataFrame:
        """Long table, one row per biomarker; ``quality`` as ``;``-joined codes."""
        import pandas as pd

        records = []
        for row in self.rows:
            record = asdict(row)
            record["quality"] = ";".join(row.quality)
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
            entry = {
                str(k): v for k, v in record.items() if k in ("value", "standard_error", "coverage") or not pd.isna(v)
            }
            entry["participant"] = str(entry["participant"])
            entry["occasion"] = str(entry.get("occasion", "1"))
            entry["value"] = float(entry["value"])
            if "quality" in entry:
                entry["quality"] = tuple(q for q in str(entry["quality"]).split(";") if q)
            if "n" in entry:
                entry["n"] = int(entry["n"])
            rows.append(Biomarker(**entry))
        people = persons if isinstance(persons, Mapping) else {p.participant: p for p in persons}
        return cls(tuple(rows), dict(people))


def biomarkers(
    participant: str = "sub-001",
    *,
    hrv: xr.Dataset | None = None,
    circadian: xr.Dataset | None = None,
    cortisol: xr.Dataset | None = None,
    labs: Iterable[Biomarker] | BiomarkerTable = (),
    person: Person | None = None,
    occasion: str = "1",
) -> BiomarkerTable:
    """Waist 2 of one participant from the results to its left.

    Parameters
    ----------
    hrv
        Dataset whose attribute ``biomarkers`` lists rows (see `rows_of`), as `allostat.person_hrv` gives.
    circadian, cortisol
        Likewise.
    labs
        Rows from `allostat.labs` (hs-CRP, blood pressure, further analytes).
    """
    rows: list[Biomarker] = []
    for dataset in (hrv, circadian, cortisol):
        if dataset is not None:
            rows += rows_of(dataset, participant, occasion)
    rows += labs.rows if isinstance(labs, BiomarkerTable) else list(labs)
    who = person or Person(participant)
    return BiomarkerTable(tuple(rows), {participant: who})


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
