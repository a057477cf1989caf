"""What differs between two references, for whoever must explain two scores of one person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np

from allostat.allostatic_load.references import Reference, ReferenceEntry

if TYPE_CHECKING:
    import pandas as pd

Key = tuple[str, str, int, int]


@dataclass(frozen=True)
class EntryDifference:
    """One biomarker in one stratum that two references treat differently.

    Parameters
    ----------
    fields
        Fields that differ, with the value in the first and in the second.
    cut_shift_sd
        Second cut minus first, on the transformed scale in standard deviations of the first, positive where the second
        flags fewer persons; None without both cuts or without moments.
    """

    biomarker: str
    sex: str | None
    age_low: int | None
    age_high: int | None
    fields: Mapping[str, tuple[object, object]]
    cut_shift_sd: float | None


@dataclass(frozen=True)
class ReferenceDifference:
    """Two references side by side.

    Parameters
    ----------
    names, sha256, sample_n
        Of the first and the second. ``same`` is equal hashes: then nothing differs.
    rules
        Rules that differ, by name; None where one has none.
    entries
        Entries that both have and that differ.
    only_first, only_second
        Biomarker, sex, age band of entries that one of them lacks.
    """

    names: tuple[str, str]
    sha256: tuple[str, str]
    sample_n: tuple[int, int]
    same_persons: bool
    rules: Mapping[str, tuple[str | None, str | None]]
    entries: tuple[EntryDifference, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether scores of the two are comparable."""
        return self.sha256[0] == self.sha256[1]

    def frame(self) -> pd.DataFrame:
        """One row for each field of each entry that differs."""
        import pandas as pd

        rows = [
            (
                e.biomarker,
                e.sex,
                e.age_low,
                e.age_high,
                field,
                first,
                second,
                e.cut_shift_sd if field == "cut" else None,
            )
            for e in self.entries
            for field, (first, second) in e.fields.items()
        ]
        columns = ["biomarker", "sex", "age_low", "age_high", "field", "first", "second", "cut_shift_sd"]
        return pd.DataFrame(rows, columns=columns)


def reference_difference(first: Reference, second: Reference) -> ReferenceDifference:
    """What differs between two references: hash, persons, rules, cuts, moments, strata."""
    here, there = ({_key(e): e for e in r.entries} for r in (first, second))
    changed = []
    for key in sorted(here.keys() & there.keys()):
        a, b = asdict(here[key]), asdict(there[key])
        fields = {name: (a[name], b[name]) for name in a if a[name] != b[name]}
        if fields:
            entry = here[key]
            changed.append(
                EntryDifference(
                    entry.biomarker, entry.sex, entry.age_low, entry.age_high, fields, _shift(here[key], there[key])
                )
            )
    names = sorted(first.rules.keys() | second.rules.keys())
    return ReferenceDifference(
        names=(first.name, second.name),
        sha256=(first.sha256, second.sha256),
        sample_n=(first.sample_n, second.sample_n),
        same_persons=bool(first.sample_n) and first.sample_sha256 == second.sample_sha256,
        rules={
            n: (first.rules.get(n), second.rules.get(n)) for n in names if first.rules.get(n) != second.rules.get(n)
        },
        entries=tuple(changed),
        only_first=tuple(_text(here[k]) for k in sorted(here.keys() - there.keys())),
        only_second=tuple(_text(there[k]) for k in sorted(there.keys() - here.keys())),
    )


def _key(entry: ReferenceEntry) -> Key:
    def number(age: int | None) -> int:
        return -1 if age is None else age

    return entry.biomarker, entry.sex or "", number(entry.age_low), number(entry.age_high)


def _text(entry: ReferenceEntry) -> str:
    ages = "" if entry.age_low is None else f", age {entry.age_low} to {entry.age_high}"
    return f"{entry.biomarker}, {entry.sex or 'both sexes'}{ages}"


def _shift(first: ReferenceEntry, second: ReferenceEntry) -> float | None:
    if first.cut is None or second.cut is None or first.sd is None:
        return None
    cuts = np.array([first.cut, second.cut])
    if first.transform == "ln" and (cuts <= 0).any():
        return None
    f = np.log(cuts) if first.transform == "ln" else cuts
    sign = 1.0 if first.direction == "high" else -1.0
    return float(sign * (f[1] - f[0]) / first.sd)
