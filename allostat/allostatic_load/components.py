"""From the panel to components: which value stands for each marker, oriented, scored and flagged.

``r = s f(x)`` with the biomarker's transform f and s = +1 where high is risk, -1 where low is risk: high r always means
risk. ``z = (r - s mean) / sd`` after winsorising f(x) at the reference's limits. The flag compares x with the
reference's cut; a marker with two tails also with the cut on the other side.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag

import numpy as np
from numpy.typing import NDArray

from allostat.allostatic_load.algorithms import ComponentScore, rule_of
from allostat.allostatic_load.definitions import Definition, Marker
from allostat.allostatic_load.fitting import comparison_sign, is_high_risk
from allostat.allostatic_load.references import Operator, Reference, ReferenceEntry
from allostat.biomarkers import biomarker_kind
from allostat.errors import ConfigError
from allostat.medication_rules import AS_RISK
from allostat.panel import SEXES, Panel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_MIRRORED: Mapping[Operator, Operator] = {">=": "<=", ">": "<", "<=": ">=", "<": ">"}


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
    SAMPLE_IS_REFERENCE = 128
    """The scored persons are exactly those that the reference was fitted on."""
    IMPUTED = 256
    """A value was imputed, see `allostat.allostatic_load.imputed_index`."""


@dataclass(frozen=True)
class Components:
    """Arrays of shape (rows, components); the rows are all occasions of the first participant, then of the next.

    ``flag`` is 0, 1 or -1 (not scored); ``p_flag`` is the probability of the flag given the standard error (the flag
    itself when that is not known). ``se`` is the standard error of r and of f(x). ``distance`` is the risk-oriented
    distance from the cut in standard deviations. ``used`` says which biomarker of all in the definition stands for the
    marker, -1 for none.
    """

    participants: tuple[str, ...]
    occasions: tuple[str, ...]
    value: Floats
    r: Floats
    z: Floats
    distance: Floats
    se: Floats
    se_z: Floats
    flag: NDArray[np.int8]
    p_flag: Floats
    status: NDArray[np.int8]
    notes: NDArray[np.int16]
    used: NDArray[np.int8]
    quality: NDArray[np.object_]

    @property
    def available(self) -> Mask:
        """Which components have a score."""
        used: Mask = self.status == ComponentStatus.USED
        return used

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Participant and occasion of each row."""
        return tuple(itertools.product(self.participants, self.occasions))


@dataclass(frozen=True)
class _Choice:
    """What stands for one marker in each row: panel column, entry of the reference, status."""

    column: NDArray[np.int64]
    entry: NDArray[np.int64]
    status: NDArray[np.int8]
    outside_age: Mask


def biomarkers_of(definition: Definition) -> tuple[str, ...]:
    """Every biomarker that a definition can use, in its order."""
    return tuple(b for m in definition.markers for b in m.any_of)


def components(panel: Panel, definition: Definition, reference: Reference, *, winsorise: bool = True) -> Components:
    """Score every marker of every participant and occasion.

    Raises
    ------
    ConfigError
        The reference was fitted for another quantile than the definition's.
    """
    score = rule_of(definition.algorithm).component_score(definition)
    names = biomarkers_of(definition)
    shape = (len(panel.value), len(definition.markers))
    value, r, z, distance, se, sd, p_flag = (np.full(shape, math.nan, order="F") for _ in range(7))
    flag, used = (np.full(shape, -1, dtype=np.int8, order="F") for _ in range(2))
    status, notes = np.zeros(shape, dtype=np.int8, order="F"), np.zeros(shape, dtype=np.int16, order="F")
    quality = np.full(shape, "", dtype=object, order="F")
    for j, marker in enumerate(definition.markers):
        chosen = _choose(panel, marker, definition, reference, score)
        sign = 1.0 if biomarker_kind(marker.any_of[0]).direction == "high" else -1.0
        entries = _EntryArrays.of(reference.entries, chosen.entry)
        x, f, se[:, j] = _values(panel, chosen.column)
        clipped = np.clip(f, entries.low, entries.high) if winsorise else f
        value[:, j], r[:, j], sd[:, j] = x, sign * f, entries.sd
        z[:, j] = sign * (clipped - entries.mean) / entries.sd
        distance[:, j] = sign * (clipped - entries.cut_f) / entries.sd
        flag[:, j], p_flag[:, j] = _flags(x, f, se[:, j], chosen, entries, reference, marker, definition)
        treated = _treated_as_risk(panel, chosen.column) & (flag[:, j] >= 0)
        flag[treated, j], p_flag[treated, j] = 1, 1.0
        status[:, j] = chosen.status
        ok = chosen.status == ComponentStatus.USED
        used[ok, j] = _numbers_in(names, panel, chosen.column)[ok]
        notes[:, j] = _notes(panel, chosen)
        notes[(clipped != f) & ~np.isnan(f), j] |= int(Note.WINSORISED)
        quality[:, j] = _quality(panel, chosen.column)
    return Components(
        participants=panel.participants,
        occasions=panel.occasions,
        value=value,
        r=r,
        z=z,
        distance=distance,
        se=se,
        se_z=se / sd,
        flag=flag,
        p_flag=p_flag,
        status=status,
        notes=notes,
        used=used,
        quality=quality,
    )


@dataclass(frozen=True)
class _EntryArrays:
    """Figures of the entry that each row is compared with; NaN (or an open limit) where there is none."""

    mean: Floats
    sd: Floats
    low: Floats
    high: Floats
    cut: Floats
    cut_f: Floats
    other: Floats
    other_f: Floats

    @classmethod
    def of(cls, entries: Sequence[ReferenceEntry], at: NDArray[np.int64]) -> _EntryArrays:
        def column(get: Mapping[int, float], empty: float) -> Floats:
            table = np.full(len(entries) + 1, empty)
            for i, number in get.items():
                table[i] = number
            result: Floats = table[at]
            return result

        here = {i: entries[i] for i in _distinct(at)}
        return cls(
            mean=column({i: e.mean for i, e in here.items() if e.mean is not None}, math.nan),
            sd=column({i: e.sd for i, e in here.items() if e.sd is not None}, math.nan),
            low=column({i: e.winsor_low for i, e in here.items() if e.winsor_low is not None}, -math.inf),
            high=column({i: e.winsor_high for i, e in here.items() if e.winsor_high is not None}, math.inf),
            cut=column({i: e.cut for i, e in here.items() if e.cut is not None}, math.nan),
            cut_f=column({i: _f(e, e.cut) for i, e in here.items() if e.cut is not None}, math.nan),
            other=column({i: e.other_cut for i, e in here.items() if e.other_cut is not None}, math.nan),
            other_f=column({i: _f(e, e.other_cut) for i, e in here.items() if e.other_cut is not None}, math.nan),
        )


def _distinct(numbers: NDArray[np.int64]) -> list[int]:
    """The numbers that occur, without -1."""
    found: list[int] = np.flatnonzero(np.bincount(numbers + 1)[1:]).tolist()
    return found


def _f(entry: ReferenceEntry, cut: float) -> float:
    return math.log(cut) if entry.transform == "ln" and cut > 0 else cut


def _choose(
    panel: Panel, marker: Marker, definition: Definition, reference: Reference, score: ComponentScore
) -> _Choice:
    """For each row the first biomarker of a marker that is measured and that the reference covers."""
    rows = len(panel.value)
    column, entry = np.full(rows, -1, dtype=np.int64), np.full(rows, -1, dtype=np.int64)
    status = np.full(rows, ComponentStatus.NOT_MEASURED, dtype=np.int8)
    outside = np.zeros(rows, dtype=np.bool_)
    first_measured = np.full(rows, -1, dtype=np.int64)
    for name in marker.any_of:
        j = panel.column_of.get(name)
        if j is None:
            continue
        gap = panel.present[:, j] & ~panel.measured[:, j] & (status == ComponentStatus.NOT_MEASURED) & (column < 0)
        column[gap], status[gap] = j, ComponentStatus.MISSING_VALUE
        first_measured[panel.measured[:, j] & (first_measured < 0)] = j
        at, all_ages = _entries(panel, name, marker, definition, reference, score)
        take = panel.measured[:, j] & (at >= 0) & (entry < 0)
        column[take], entry[take], status[take] = j, at[take], ComponentStatus.USED
        outside[take] = all_ages[take]
    unserved = (first_measured >= 0) & (entry < 0)
    column[unserved] = first_measured[unserved]
    status[unserved] = ComponentStatus.NO_REFERENCE
    if definition.strata != "pooled":
        unknown = (first_measured >= 0) & (panel.sex < 0)
        column[unknown], status[unknown] = first_measured[unknown], ComponentStatus.SEX_UNKNOWN
        entry[unknown] = -1
    return _Choice(column, entry, status, outside)


def _entries(
    panel: Panel, name: str, marker: Marker, definition: Definition, reference: Reference, score: ComponentScore
) -> tuple[NDArray[np.int64], Mask]:
    """Number of the entry for each row (-1 none), and whether all ages had to stand for a band."""
    rows = len(panel.value)
    at, outside = np.full(rows, -1, dtype=np.int64), np.zeros(rows, dtype=np.bool_)
    for sex in (None,) if definition.strata == "pooled" else SEXES:
        here = np.ones(rows, dtype=np.bool_) if sex is None else panel.sex == SEXES.index(sex)
        serving = [(i, e) for i, e in reference.stratum(name, sex) if _serves(e, marker, definition, score)]
        banded = [(i, e) for i, e in serving if e.age_low is not None and e.age_high is not None]
        for i, e in serving:
            if e.age_low is None:
                at[here] = i
        if definition.strata != "sex_age":
            continue
        outside[here] = bool(banded)
        for i, e in banded:
            assert e.age_low is not None
            assert e.age_high is not None
            inside = here & (panel.age_years >= e.age_low) & (panel.age_years < e.age_high + 1)
            at[inside], outside[inside] = i, False
    return at, outside


def _serves(entry: ReferenceEntry, marker: Marker, definition: Definition, score: ComponentScore) -> bool:
    """Whether an entry holds what the definition's score needs."""
    if score in ("z", "z_positive", "tail"):
        return entry.mean is not None
    if score == "flag" and entry.cut is not None and definition.quantile not in (None, entry.quantile):
        raise ConfigError(
            "reference was fitted for another quantile than the definition's",
            where=f"definition {definition.id}, {entry.biomarker}",
            found=entry.quantile,
            expected=str(definition.quantile),
        )
    if score == "distance":
        return entry.cut is not None and entry.sd is not None
    return entry.cut is not None and (marker.tails == "one" or entry.other_cut is not None)


def _values(panel: Panel, column: NDArray[np.int64]) -> tuple[Floats, Floats, Floats]:
    """Value, transformed value and standard error of the column chosen in each row."""
    rows = len(column)
    x, f, se = np.full(rows, math.nan), np.full(rows, math.nan), np.full(rows, math.nan)
    for j in _distinct(column):
        here = column == j
        if here.all():
            here = slice(None)
        x[here], se[here] = panel.value[here, j], panel.standard_error[here, j]
        f[here] = np.log(x[here]) if biomarker_kind(panel.biomarkers[j]).transform == "ln" else x[here]
    return x, f, se


def _flags(
    x: Floats,
    f: Floats,
    se: Floats,
    chosen: _Choice,
    entries: _EntryArrays,
    reference: Reference,
    marker: Marker,
    definition: Definition,
) -> tuple[NDArray[np.int8], Floats]:
    """Flag of one marker (-1: none) and its probability; the operator may differ from row to row with the entry."""
    kind = biomarker_kind(marker.any_of[0])
    sign = 1.0 if kind.direction == "high" else -1.0
    told = marker.operator or definition.operator
    flags = np.full(len(x), -1, dtype=np.int8)
    for i in _distinct(chosen.entry):
        entry = reference.entries[i]
        if entry.operator is None or entry.cut is None:
            continue
        here = chosen.entry == i
        operator = comparison_sign(kind, told) if told else entry.operator
        high = is_high_risk(x[here], entry.cut, operator)
        if marker.tails == "two" and entry.other_cut is not None:
            high |= is_high_risk(x[here], entry.other_cut, _MIRRORED[operator])
        flags[here] = high
    certain = np.where(flags < 0, math.nan, flags.astype(np.float64))
    uncertain = (se > 0) & (flags >= 0)
    if not uncertain.any():
        return flags, certain
    from scipy.special import ndtr

    width = np.where(uncertain, se, 1.0)
    p = ndtr(sign * (f - entries.cut_f) / width)
    if marker.tails == "two":
        p = p + np.nan_to_num(ndtr(sign * (entries.other_f - f) / width))
    return flags, np.where(uncertain, p, certain)


def _treated_as_risk(panel: Panel, column: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a rule of medication counts the value in each row as high risk whatever it is."""
    found = np.zeros(len(column), dtype=np.bool_)
    there = np.flatnonzero(column >= 0)
    for code, mask in panel.codes.items():
        if code.endswith(AS_RISK):
            found[there] |= mask[there, column[there]]
    return found


def _numbers_in(names: Sequence[str], panel: Panel, column: NDArray[np.int64]) -> NDArray[np.int8]:
    table = np.array([names.index(b) if b in names else -1 for b in panel.biomarkers] + [-1], dtype=np.int8)
    result: NDArray[np.int8] = table[column]
    return result


def _notes(panel: Panel, chosen: _Choice) -> NDArray[np.int16]:
    notes = np.zeros(len(chosen.column), dtype=np.int16)
    notes[chosen.outside_age & (chosen.entry >= 0)] |= int(Note.AGE_OUTSIDE_REFERENCE)
    there = np.flatnonzero(chosen.column >= 0)
    column = chosen.column[there]
    for code, mask in panel.codes.items():
        note = Note.BELOW_LOD if code == "BELOW_LOD" else Note.TREATED if code.startswith("TREATED") else None
        if note is not None:
            notes[there[mask[there, column]]] |= int(note)
    blocked = panel.treated.get("beta_blocker")
    if blocked is not None:
        autonomic = np.array([biomarker_kind(b).system == "autonomic" for b in panel.biomarkers], dtype=np.bool_)
        notes[there[autonomic[column] & blocked[there]]] |= int(Note.BETA_BLOCKER)
    return notes


def _quality(panel: Panel, column: NDArray[np.int64]) -> NDArray[np.object_]:
    """Quality codes of the value in each row, joined by ``;`` in alphabetical order."""
    joined = np.full(len(column), "", dtype=object)
    there = np.flatnonzero(column >= 0)
    for code in sorted(panel.codes):
        at = there[panel.codes[code][there, column[there]]]
        for i in at.tolist():
            joined[i] = f"{joined[i]};{code}" if joined[i] else code
    return joined
