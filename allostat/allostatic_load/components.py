"""From the biomarker table to components: which value stands for each marker, oriented, scored and flagged.

``r = s f(x)`` with the biomarker's transform f and s = +1 where high is risk, -1 where low is risk: high r always means
risk. ``z = (r - s mean) / sd`` after winsorising f(x) at the reference's limits. The flag compares x with the
reference's cut.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.definitions import Definition, Marker
from allostat.allostatic_load.fitting import comparison_sign, is_high_risk
from allostat.allostatic_load.references import Reference, ReferenceEntry
from allostat.biomarkers import Biomarker, BiomarkerTable, Person, biomarker_kind
from allostat.errors import ConfigError, InputError
from allostat.medications import taken

Floats = NDArray[np.float64]


class ComponentStatus(IntEnum):
    """Why a component counts or not."""

    USED = 0
    NOT_MEASURED = 1
    MISSING_VALUE = 2
    NO_REFERENCE = 3
    SEX_UNKNOWN = 4
    SYSTEM_INCOMPLETE = 5
    """Measured, but its system has too few of its markers."""


class Note(IntFlag):
    """What is known of a component, or of any component of an index."""

    WINSORISED = 1
    AGE_OUTSIDE_REFERENCE = 2
    """Compared with all ages, because the reference's age bands do not cover the person's age or it is not known."""
    BELOW_LOD = 4
    TREATED = 8
    """A constant was added for antihypertensive treatment."""
    BETA_BLOCKER = 16
    """An autonomic biomarker of a person on a beta blocker."""
    PARTIAL_PANEL = 32
    """Not all components count: read a count with its denominator."""
    PARTIAL_SE = 64
    """Some components have no standard error: the index's standard error is a lower bound."""


@dataclass(frozen=True)
class Components:
    """Arrays of shape (rows, components); the rows are all occasions of the first participant, then of the next.

    ``flag`` is 0, 1 or -1 (not scored); ``p_flag`` is the probability of the flag given the standard error (the flag
    itself when that is not known). ``se`` is the standard error of r and of f(x). ``used`` says which biomarker of all
    in the definition stands for the marker, -1 for none.
    """

    participants: tuple[str, ...]
    occasions: tuple[str, ...]
    value: Floats
    r: Floats
    z: Floats
    se: Floats
    se_z: Floats
    flag: NDArray[np.int8]
    p_flag: Floats
    status: NDArray[np.int8]
    notes: NDArray[np.int16]
    used: NDArray[np.int8]
    quality: NDArray[np.object_]

    @property
    def available(self) -> NDArray[np.bool_]:
        """Which components have a score."""
        used: NDArray[np.bool_] = self.status == ComponentStatus.USED
        return used

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Participant and occasion of each row."""
        return tuple(itertools.product(self.participants, self.occasions))


@dataclass(frozen=True, slots=True)
class _Cell:
    """One component of one row before scoring."""

    row: Biomarker | None
    entry: ReferenceEntry | None
    status: ComponentStatus


def grid(table: BiomarkerTable) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """All participants and all occasions of a table, sorted."""
    participants = {r.participant for r in table.rows} | set(table.persons)
    occasions = {r.occasion for r in table.rows}
    return tuple(sorted(participants)), tuple(sorted(occasions)) or ("1",)


def biomarkers_of(definition: Definition) -> tuple[str, ...]:
    """Every biomarker that a definition can use, in its order."""
    return tuple(b for m in definition.markers for b in m.any_of)


def components(
    table: BiomarkerTable,
    definition: Definition,
    reference: Reference,
    *,
    winsorise: bool = True,
) -> Components:
    """Score every marker of every participant and occasion.

    Raises
    ------
    ConfigError
        The reference was fitted for another quantile than the definition's.
    InputError
        A value and its reference have different contexts.
    """
    participants, occasions = grid(table)
    keys = tuple(itertools.product(participants, occasions))
    index = {(r.participant, r.occasion, r.biomarker): r for r in table.rows}
    cells = []
    for key in keys:
        person = table.persons.get(key[0], Person(key[0]))
        cells.append([_cell(key, marker, index, person, definition, reference) for marker in definition.markers])
    shape = (len(keys), len(definition.markers))
    names = biomarkers_of(definition)
    value, f, se = (_numbers(cells, shape, get) for get in (_value, _transformed, _error))
    sign = np.array([1.0 if biomarker_kind(m.any_of[0]).direction == "high" else -1.0 for m in definition.markers])
    mean, sd, low, high, cut, cut_f = (
        _numbers(cells, shape, get) for get in (_entry_mean, _entry_sd, _entry_low, _entry_high, _entry_cut, _cut_f)
    )
    clipped = (
        np.clip(f, np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)) if winsorise else f
    )
    flag = np.full(shape, -1, dtype=np.int8)
    for j, marker in enumerate(definition.markers):
        flag[:, j] = _flags(value[:, j], cut[:, j], [row[j] for row in cells], marker, definition)
    status = np.array([[c.status for c in row] for row in cells], dtype=np.int8).reshape(shape)
    notes = np.array([[_notes(c, table, reference) for c in row] for row in cells], dtype=np.int16).reshape(shape)
    notes[clipped != f] |= int(Note.WINSORISED)
    notes[np.isnan(f)] &= ~int(Note.WINSORISED)
    used = [[-1 if c.row is None or c.status else names.index(c.row.biomarker) for c in row] for row in cells]
    quality = np.array([[_codes(c) for c in row] for row in cells], dtype=object).reshape(shape)
    return Components(
        participants=participants,
        occasions=occasions,
        value=value,
        r=sign * f,
        z=sign * (clipped - mean) / sd,
        se=se,
        se_z=se / sd,
        flag=flag,
        p_flag=_flag_probability(sign * f, sign * cut_f, se, flag),
        status=status,
        notes=notes,
        used=np.array(used, dtype=np.int8).reshape(shape),
        quality=quality,
    )


def _cell(
    key: tuple[str, str],
    marker: Marker,
    index: Mapping[tuple[str, str, str], Biomarker],
    person: Person,
    definition: Definition,
    reference: Reference,
) -> _Cell:
    """The first biomarker of a marker that is measured and that the reference covers."""
    rows = [index.get((*key, name)) for name in marker.any_of]
    measured = [r for r in rows if r is not None and not r.missing]
    if not measured:
        present = next((r for r in rows if r is not None), None)
        status = ComponentStatus.NOT_MEASURED if present is None else ComponentStatus.MISSING_VALUE
        return _Cell(present, None, status)
    if definition.strata == "sex" and person.sex is None:
        return _Cell(measured[0], None, ComponentStatus.SEX_UNKNOWN)
    sex = person.sex if definition.strata == "sex" else None
    for row in measured:
        entry = reference.entry(row.biomarker, sex, person.age_years)
        if entry is not None and _serves(entry, definition):
            if entry.context != row.context:
                raise InputError(
                    f"{row.biomarker} and its reference have different contexts", where=f"participant {key[0]}",
                    found=row.context or "none", expected=entry.context or "none",
                )  # fmt: skip
            return _Cell(row, entry, ComponentStatus.USED)
    return _Cell(measured[0], None, ComponentStatus.NO_REFERENCE)


def _serves(entry: ReferenceEntry, definition: Definition) -> bool:
    """Whether an entry holds what the definition's score needs."""
    if not definition.uses_flags:
        return entry.mean is not None
    if entry.cut is not None and definition.quantile is not None and entry.quantile != definition.quantile:
        raise ConfigError(
            "reference was fitted for another quantile than the definition's",
            where=f"definition {definition.id}, {entry.biomarker}",
            found=entry.quantile,
            expected=str(definition.quantile),
        )
    return entry.cut is not None


def _numbers(cells: Sequence[Sequence[_Cell]], shape: tuple[int, int], get: Callable[[_Cell], float]) -> Floats:
    return np.array([[get(c) for c in row] for row in cells], dtype=np.float64).reshape(shape)


def _value(cell: _Cell) -> float:
    return math.nan if cell.row is None else cell.row.value


def _transformed(cell: _Cell) -> float:
    if cell.row is None or cell.row.missing:
        return math.nan
    return math.log(cell.row.value) if biomarker_kind(cell.row.biomarker).transform == "ln" else cell.row.value


def _error(cell: _Cell) -> float:
    return math.nan if cell.row is None or cell.row.missing else cell.row.standard_error


def _or_nan(number: float | None) -> float:
    return math.nan if number is None else number


def _entry_mean(cell: _Cell) -> float:
    return math.nan if cell.entry is None else _or_nan(cell.entry.mean)


def _entry_sd(cell: _Cell) -> float:
    return math.nan if cell.entry is None else _or_nan(cell.entry.sd)


def _entry_low(cell: _Cell) -> float:
    return math.nan if cell.entry is None else _or_nan(cell.entry.winsor_low)


def _entry_high(cell: _Cell) -> float:
    return math.nan if cell.entry is None else _or_nan(cell.entry.winsor_high)


def _entry_cut(cell: _Cell) -> float:
    return math.nan if cell.entry is None else _or_nan(cell.entry.cut)


def _cut_f(cell: _Cell) -> float:
    cut = _entry_cut(cell)
    return math.log(cut) if cell.entry is not None and cell.entry.transform == "ln" and cut > 0 else cut


def _flags(
    values: Floats, cuts: Floats, cells: Sequence[_Cell], marker: Marker, definition: Definition
) -> NDArray[np.int8]:
    """Flags of one marker; the operator may differ from row to row with the entry."""
    kind = biomarker_kind(marker.any_of[0])
    told = marker.operator or definition.operator
    flags = np.full(len(values), -1, dtype=np.int8)
    for i, cell in enumerate(cells):
        if cell.entry is None or cell.entry.operator is None:
            continue
        operator = comparison_sign(kind, told) if told else cell.entry.operator
        flags[i] = bool(is_high_risk(values[i : i + 1], float(cuts[i]), operator)[0])
    return flags


def _flag_probability(r: Floats, cut: Floats, se: Floats, flag: NDArray[np.int8]) -> Floats:
    """P(flag) = Phi((r - Q) / se); the flag itself where no standard error is known."""
    certain = np.where(flag < 0, np.nan, flag.astype(np.float64))
    with np.errstate(invalid="ignore", divide="ignore"):
        z = (r - cut) / se
    uncertain = np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in z.ravel().tolist()]).reshape(z.shape)
    return np.where((se > 0) & (flag >= 0), uncertain, certain)


def _notes(cell: _Cell, table: BiomarkerTable, reference: Reference) -> int:
    if cell.row is None:
        return 0
    notes = Note(0)
    pooled = cell.entry is not None and cell.entry.age_low is None
    if cell.entry is not None and pooled and reference.age_bands(cell.entry.biomarker, cell.entry.sex):
        notes |= Note.AGE_OUTSIDE_REFERENCE
    if "BELOW_LOD" in cell.row.quality:
        notes |= Note.BELOW_LOD
    if any(q.startswith("TREATED") for q in cell.row.quality):
        notes |= Note.TREATED
    person = table.persons.get(cell.row.participant)
    autonomic = biomarker_kind(cell.row.biomarker).system == "autonomic"
    if autonomic and person is not None and taken(person.medications, "beta_blocker"):
        notes |= Note.BETA_BLOCKER
    return int(notes)


def _codes(cell: _Cell) -> str:
    return ";".join(cell.row.quality) if cell.row is not None else ""
