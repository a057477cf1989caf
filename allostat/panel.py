"""Waist 2 in columns: the biomarkers of a whole cohort as arrays, one row per participant and occasion.

`allostat.biomarkers.BiomarkerTable` is the same content one value at a time; a panel is what a hundred thousand
participants are scored from, and what is rescored under hundreds of settings.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, cast, get_args

import numpy as np
from numpy.typing import NDArray

from allostat.biomarkers import BiomarkerTable, Person, Sex, biomarker_kind, biomarker_kinds, refuse_implausible
from allostat.errors import InputError
from allostat.medications import DrugClass, taken
from allostat.tables.participants import parse_medications, parse_sex
from allostat.units import converted, converted_error, ucum

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SEXES: tuple[Sex, ...] = ("F", "M")
_WIDE = re.compile(r"([^\[\]]+?)\s*\[([^\[\]]*(?:\[[^\[\]]*\])?[^\[\]]*)\]")
_PERSON_COLUMNS = ("participant", "participant_id", "occasion", "sex", "age", "age_years", "group", "medications")


@dataclass(frozen=True)
class Panel:
    """Biomarkers in columns.

    Parameters
    ----------
    participants, occasions
        Distinct and sorted. The rows of every array are all occasions of the first participant, then of the next.
    biomarkers
        Names of the columns.
    value, standard_error
        (rows, biomarkers), NaN where missing; the standard error on the scale of the biomarker's transform.
    present
        (rows, biomarkers): whether there is a row at all, be it without a value.
    codes
        (rows, biomarkers) masks by quality code.
    sex
        (rows,) 0 for F, 1 for M, -1 unknown.
    age_years
        (rows,) NaN unknown.
    groups
        (rows,) text: group of each row, empty when unknown.
    treated
        (rows,) masks by drug class, see `allostat.medications`.
    """

    participants: tuple[str, ...]
    occasions: tuple[str, ...]
    biomarkers: tuple[str, ...]
    value: Floats
    standard_error: Floats
    present: Mask
    sex: NDArray[np.int8]
    age_years: Floats
    groups: NDArray[Any]
    codes: Mapping[str, Mask] = field(default_factory=dict)
    treated: Mapping[str, Mask] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.participants) * len(self.occasions), len(self.biomarkers))
        for name in ("value", "standard_error", "present"):
            if getattr(self, name).shape != shape:
                raise InputError(f"{name} of a panel", found=getattr(self, name).shape, expected=str(shape))

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Participant and occasion of each row."""
        return tuple(itertools.product(self.participants, self.occasions))

    @cached_property
    def column_of(self) -> Mapping[str, int]:
        """Number of each biomarker's column."""
        return {name: j for j, name in enumerate(self.biomarkers)}

    @cached_property
    def measured(self) -> Mask:
        """Where there is a value."""
        return ~np.isnan(self.value)

    def rows(self, keep: Mask | NDArray[np.int64]) -> Self:
        """The panel of some participants (a mask or numbers of participants), all their occasions."""
        chosen: NDArray[np.int64] = np.flatnonzero(keep) if keep.dtype == np.bool_ else keep.astype(np.int64)
        per = len(self.occasions)
        at = (chosen[:, None] * per + np.arange(per)).ravel()
        return replace(
            self,
            participants=tuple(self.participants[i] for i in chosen),
            value=self.value[at],
            standard_error=self.standard_error[at],
            present=self.present[at],
            sex=self.sex[at],
            age_years=self.age_years[at],
            groups=self.groups[at],
            codes={k: m[at] for k, m in self.codes.items()},
            treated={k: m[at] for k, m in self.treated.items()},
        )

    @classmethod
    def of(cls, table: BiomarkerTable) -> Self:
        """The panel of a biomarker table.

        Raises
        ------
        InputError
            A value whose context is not its biomarker's.
        """
        participants = tuple(sorted({r.participant for r in table.rows} | set(table.persons)))
        occasions = tuple(sorted({r.occasion for r in table.rows})) or ("1",)
        biomarkers = tuple(sorted({r.biomarker for r in table.rows}))
        person_at = {p: i for i, p in enumerate(participants)}
        occasion_at = {o: i for i, o in enumerate(occasions)}
        column_at = {b: j for j, b in enumerate(biomarkers)}
        shape = (len(participants) * len(occasions), len(biomarkers))
        value, error = (np.full(shape, math.nan, order="F") for _ in range(2))
        present = np.zeros(shape, dtype=np.bool_)
        codes: dict[str, Mask] = {}
        for row in table.rows:
            _check_context(row.biomarker, row.context, row.participant)
            at = (
                person_at[row.participant] * len(occasions) + occasion_at[row.occasion],
                column_at[row.biomarker],
            )
            value[at], present[at] = row.value, True
            error[at] = math.nan if row.missing else row.standard_error
            for code in row.quality:
                codes.setdefault(code, np.zeros(shape, dtype=np.bool_))[at] = True
        people = [table.persons.get(p, Person(p)) for p in participants]
        per = len(occasions)
        return cls(
            participants=participants,
            occasions=occasions,
            biomarkers=biomarkers,
            value=value,
            standard_error=error,
            present=present,
            sex=np.repeat(np.array([_sex_code(p.sex) for p in people], dtype=np.int8), per),
            age_years=np.repeat(
                np.array([math.nan if p.age_years is None else p.age_years for p in people], dtype=np.float64), per
            ),
            groups=np.repeat(np.array([p.group or "" for p in people], dtype=np.str_), per),
            codes=codes,
            treated=_treated([p.medications for p in people], per),
        )

    @classmethod
    def from_frame(cls, frame: pd.DataFrame) -> Self:
        """The panel of a wide data frame: one row per participant (and ``occasion``), one column per biomarker.

        Parameters
        ----------
        frame
            ``participant`` (or ``participant_id``, or the index), ``<biomarker>[<unit>]`` in any unit that converts,
            optional ``standard_error[<biomarker>]`` on the scale of the biomarker's transform, and optional
            ``occasion``, ``sex`` (F, M), ``age``, ``group``, ``medications`` (separated by ``;``).

        Raises
        ------
        InputError
            Unknown column or biomarker, one participant twice on one occasion, an implausible or infinite value; with
            the participant.
        UnitError
            A unit that is unknown or does not convert.
        """
        import pandas as pd

        named = next((c for c in ("participant", "participant_id") if c in frame.columns), None)
        who = frame.index.astype(str) if named is None else frame[named].astype(str)
        occasion = frame["occasion"].astype(str) if "occasion" in frame.columns else pd.Series("1", index=frame.index)
        columns, errors = _wide_columns(list(frame.columns))
        participants, person = np.unique(np.asarray(who, dtype=np.str_), return_inverse=True)
        occasions, when = np.unique(np.asarray(occasion, dtype=np.str_), return_inverse=True)
        at = person * max(len(occasions), 1) + when
        counts = np.bincount(at, minlength=len(participants) * len(occasions))
        if (counts > 1).any():
            twice = int(np.flatnonzero(counts > 1)[0])
            raise InputError(
                "one participant twice on one occasion: merge the rows or name the occasions",
                found=" / ".join((str(participants[twice // len(occasions)]), str(occasions[twice % len(occasions)]))),
            )
        shape = (len(participants) * len(occasions), len(columns))
        value, error = (np.full(shape, math.nan, order="F") for _ in range(2))
        for j, (name, (column, unit)) in enumerate(columns.items()):
            value[at, j] = _converted(frame[column], name, unit, who)
            if name in errors:
                error[at, j] = _standard_errors(frame[errors[name]], name, unit, who)
        for name in errors:
            if name not in columns:
                raise InputError("a standard error without its biomarker", found=errors[name], valid=columns)
        error[np.isnan(value)] = math.nan
        sexes, ages, groups, drugs = _person_columns(frame, at, shape[0], len(occasions))
        return cls(
            participants=tuple(participants.tolist()),
            occasions=tuple(occasions.tolist()) or ("1",),
            biomarkers=tuple(columns),
            value=value,
            standard_error=error,
            present=~np.isnan(value),
            sex=sexes,
            age_years=ages,
            groups=groups,
            treated=drugs,
        )


def is_panel_column(name: str) -> bool:
    """Whether `Panel.from_frame` reads a column (or has something to say about it): of persons, or of a biomarker."""
    return name in _PERSON_COLUMNS or name in biomarker_kinds() or _WIDE.fullmatch(name) is not None


def panel_of(table: BiomarkerTable | Panel | pd.DataFrame) -> Panel:
    """The panel of whatever form biomarkers come in; a data frame in its wide form (see `Panel.from_frame`)."""
    if isinstance(table, Panel):
        return table
    if isinstance(table, BiomarkerTable):
        return Panel.of(table)
    if hasattr(table, "columns") and hasattr(table, "index"):
        return Panel.from_frame(table)
    raise InputError(
        "biomarkers come as a table, a panel or a wide data frame", found=type(table).__name__,
        expected="BiomarkerTable, Panel or pandas.DataFrame",
    )  # fmt: skip


def _sex_code(sex: Sex | None) -> int:
    return -1 if sex is None else SEXES.index(sex)


def _check_context(name: str, context: str, participant: str) -> None:
    kind = biomarker_kind(name)
    if context != kind.context:
        raise InputError(
            f"{name} of another context than its own", where=f"participant {participant}", found=context or "none",
            expected=kind.context or "none",
        )  # fmt: skip


def _treated(medications: Sequence[Sequence[str]], per: int) -> dict[str, Mask]:
    """Masks of the drug classes that anybody takes."""
    if not any(medications):
        return {}
    known: dict[tuple[str, ...], frozenset[DrugClass]] = {}
    classes: tuple[DrugClass, ...] = get_args(DrugClass)
    for drugs in {tuple(m) for m in medications}:
        known[drugs] = frozenset(c for c in classes if drugs and taken(drugs, c))
    masks = {c: np.array([c in known[tuple(m)] for m in medications], dtype=np.bool_) for c in classes}
    return {c: np.repeat(m, per) for c, m in masks.items() if m.any()}


def _wide_columns(names: Sequence[Any]) -> tuple[dict[str, tuple[Any, str]], dict[str, Any]]:
    """Columns of values by biomarker with their unit, and columns of standard errors by biomarker."""
    columns: dict[str, tuple[Any, str]] = {}
    errors: dict[str, Any] = {}
    kinds = biomarker_kinds()
    for column in names:
        text = str(column)
        if text in _PERSON_COLUMNS:
            continue
        match = _WIDE.fullmatch(text)
        if match is None:
            expected = f"{text}[{kinds[text].unit}]" if text in kinds else "<biomarker>[<unit>]"
            raise InputError("a biomarker column names its unit", where=f"column {text}", found=text, expected=expected)
        inner = match[2]
        if match[1] == "standard_error":
            _known(inner, text)
            errors[inner] = column
            continue
        _known(match[1], text)
        if match[1] in columns:
            raise InputError("two columns of one biomarker", where=f"column {text}", found=match[1])
        columns[match[1]] = (column, ucum(inner, where=f"column {text}"))
    if not columns:
        raise InputError("data frame holds no biomarker", expected="columns such as hs_crp[mg/L]")
    return columns, errors


def _known(biomarker: str, column: str) -> None:
    if biomarker not in biomarker_kinds():
        raise InputError("unknown biomarker", where=f"column {column}", found=biomarker, valid=biomarker_kinds())


def _numbers(column: pd.Series, name: str) -> Floats:
    try:
        return np.asarray(column, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("a biomarker column holds text", where=f"column {column.name}", found=str(error)) from error


def _converted(column: pd.Series, name: str, unit: str, who: Any) -> Floats:
    """Values of one column in the biomarker's own unit, within its plausible range."""
    kind = biomarker_kind(name)
    raw, where = _numbers(column, name), f"column {column.name}"
    values: Floats = np.asarray(converted(cast("Any", raw), unit, kind.unit, analyte=name, where=where))
    bad = ~np.isnan(values) & ~((values >= kind.plausible_low) & (values <= kind.plausible_high))
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        others = f" and {int(bad.sum()) - 1} others" if bad.sum() > 1 else ""
        refuse_implausible(
            kind, float(values[first]), written=f"{raw[first]:g}", unit=unit,
            where=f"{where}, participant {np.asarray(who)[first]}{others}",
        )  # fmt: skip
    return values


def _standard_errors(column: pd.Series, name: str, unit: str, who: Any) -> Floats:
    kind = biomarker_kind(name)
    errors = _numbers(column, name)
    if kind.transform == "identity":
        where = f"column {column.name}"
        errors = np.asarray(converted_error(cast("Any", errors), unit, kind.unit, analyte=name, where=where))
    bad = (errors < 0) | np.isinf(errors)
    if bad.any():
        first = int(np.flatnonzero(bad)[0])
        raise InputError(
            "a standard error is a finite number of zero or more",
            where=f"column {column.name}, participant {np.asarray(who)[first]}", found=float(errors[first]),
        )  # fmt: skip
    return errors


def _person_columns(
    frame: pd.DataFrame, at: NDArray[np.int64], rows: int, per: int
) -> tuple[NDArray[np.int8], Floats, NDArray[np.str_], dict[str, Mask]]:
    """Sex, age, group and drugs of each row."""
    import pandas as pd

    sex = np.full(rows, -1, dtype=np.int8)
    if "sex" in frame.columns:
        told = frame["sex"].astype(object).where(frame["sex"].notna(), "").astype(str)
        codes = {text: _sex_code(parse_sex(text.strip(), where="column sex")) for text in pd.unique(told)}
        sex[at] = told.map(codes).to_numpy(dtype=np.int8)
    age = np.full(rows, math.nan)
    for name in ("age", "age_years"):
        if name in frame.columns:
            age[at] = _numbers(frame[name], name)
            if ((age < 0) | (age > 120)).any():
                raise InputError("implausible age", where=f"column {name}", expected="0 to 120 years")
    group = np.full(rows, "", dtype=object)
    if "group" in frame.columns:
        group[at] = frame["group"].astype(object).where(frame["group"].notna(), "").astype(str).to_numpy()
    drugs: dict[str, Mask] = {}
    if "medications" in frame.columns:
        lists: list[tuple[str, ...]] = [()] * rows
        texts = frame["medications"].astype(object).where(frame["medications"].notna(), "").astype(str)
        for i, text in zip(at.tolist(), texts, strict=True):
            lists[i] = parse_medications(text)
        drugs = _treated(lists, 1)
    return sex, age, group.astype(np.str_), drugs
