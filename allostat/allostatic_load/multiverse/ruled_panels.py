"""One table under every rule of treatment and of acute inflammation that a grid names."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from allostat.acute_rule import ACUTE_BIOMARKER, ACUTE_CODES, AcuteOption, acute_values, apply_acute_rule
from allostat.allostatic_load.reference_sample import persons_with_values, sample_fingerprint
from allostat.biomarkers import BiomarkerTable
from allostat.errors import InputError
from allostat.medication_rules import MedicationRules, adjusted_values, rule_options
from allostat.panel import Panel

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

AT_RISK = "TREATED_AS_RISK"
"""Quality code of a value that a rule counts as high risk whatever it is."""


def medication_rules(level: str) -> MedicationRules:
    """The rules behind a level of ``medication``.

    ``adjust``: the defaults. ``none``: every value as measured. ``risk`` and ``exclude``: what is adjusted by default
    counts as high risk, or is left out, instead; the other rules stay as they are.
    """
    default = MedicationRules()
    if level == "adjust":
        return default
    if level == "none":
        return MedicationRules.as_measured()
    adjusted = [name for name, option in default.options.items() if option == "adjust"]
    return MedicationRules.from_options(
        {**default.options, **{n: level for n in adjusted if level in rule_options()[n]}}
    )


@dataclasses.dataclass(frozen=True)
class RuledPanels:
    """A panel as measured and what rules make of its columns.

    Parameters
    ----------
    measured
        One occasion, values as measured, without standard errors and quality codes.
    acute
        hs-CRP under each option of the acute rule, where single draws are known.
    """

    measured: Panel
    acute: Mapping[str, Floats] = dataclasses.field(default_factory=dict)
    _columns: dict[tuple[str, str, str], tuple[Floats, Mask, str]] = dataclasses.field(default_factory=dict)
    _panels: dict[tuple[str, str], Panel] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, source: BiomarkerTable | Panel, occasion: str | None) -> RuledPanels:
        """From a table (its measured values), or a panel (its values, taken as measured).

        Raises
        ------
        InputError
            Nobody in it, several occasions and none chosen, a panel whose values a rule has changed already.
        """
        if isinstance(source, Panel):
            _refuse_ruled(source)
            return cls(_bare(_one_occasion(source, occasion)))
        rows = [dataclasses.replace(r, value=r.measured, raw_value=math.nan, adjustment="") for r in source.rows]
        panel = _one_occasion(Panel.of(BiomarkerTable(tuple(rows), source.persons)), occasion)
        return cls(_bare(panel), _acute_columns(source, panel))

    def column(self, biomarker: str, crp: str, medication: str) -> tuple[Floats, Mask, str]:
        """Values of a biomarker under two rules, whether they count as high risk anyway, and a hash of both."""
        key = (biomarker, crp if biomarker == ACUTE_BIOMARKER else "", medication)
        if key not in self._columns:
            values = self.measured.value[:, self.measured.column_of[biomarker]]
            if biomarker == ACUTE_BIOMARKER:
                values = self.acute[crp] if crp in self.acute else acute_values(values, _acute(crp))
            values, at_risk = adjusted_values(biomarker, values, self.measured.treated, medication_rules(medication))
            digest = hashlib.blake2b(values.tobytes() + at_risk.tobytes(), digest_size=16).hexdigest()
            self._columns[key] = values, at_risk, digest
        return self._columns[key]

    def versions(self, biomarkers: Sequence[str], crp: str, medication: str) -> tuple[str, ...]:
        """Hashes of columns under two rules; empty text for a biomarker that the table does not have."""
        have = self.measured.column_of
        return tuple(self.column(b, crp, medication)[2] if b in have else "" for b in biomarkers)

    def panel(self, crp: str, medication: str) -> Panel:
        """The whole panel under two rules."""
        if (crp, medication) not in self._panels:
            value, risk = np.empty_like(self.measured.value), np.zeros(self.measured.value.shape, dtype=np.bool_)
            for biomarker, j in self.measured.column_of.items():
                value[:, j], risk[:, j], _ = self.column(biomarker, crp, medication)
            codes = {AT_RISK: risk} if risk.any() else {}
            self._panels[crp, medication] = dataclasses.replace(self.measured, value=value, codes=codes)
        return self._panels[crp, medication]

    @cached_property
    def fingerprint(self) -> tuple[int, str]:
        """Number of participants with any value, and the hash of who they are."""
        persons = persons_with_values(self.measured, self.measured.biomarkers)
        return len(persons), sample_fingerprint(persons)


def columns_of(panel: Panel, biomarkers: Sequence[str]) -> Panel:
    """The panel of some biomarkers alone; those that it does not have are left out."""
    names = tuple(b for b in panel.biomarkers if b in biomarkers)
    at = [panel.column_of[b] for b in names]
    return dataclasses.replace(
        panel,
        biomarkers=names,
        value=panel.value[:, at],
        standard_error=panel.standard_error[:, at],
        present=panel.present[:, at],
        codes={code: mask[:, at] for code, mask in panel.codes.items()},
    )


def _acute(level: str) -> AcuteOption:
    assert level in ACUTE_CODES
    return cast(AcuteOption, level)


def _acute_columns(source: BiomarkerTable, panel: Panel) -> dict[str, Floats]:
    """hs-CRP under each option, judged draw by draw, in the order of the panel's participants."""
    here = tuple(r for r in source.rows if r.biomarker == ACUTE_BIOMARKER and r.occasion == panel.occasions[0])
    if not any(len(r.repeats) > 1 for r in here):
        return {}
    at = {p: i for i, p in enumerate(panel.participants)}
    columns = {}
    for option in ACUTE_CODES:
        values = np.full(len(at), math.nan)
        for row in apply_acute_rule(BiomarkerTable(here), _acute(option)).rows:
            values[at[row.participant]] = row.value
        columns[option] = values
    return columns


def _one_occasion(panel: Panel, occasion: str | None) -> Panel:
    if not panel.participants:
        raise InputError("biomarker table is empty: there is nobody to score")
    if occasion is None and len(panel.occasions) > 1:
        raise InputError("several occasions: name the one to score", found=", ".join(panel.occasions))
    chosen = occasion or panel.occasions[0]
    if chosen not in panel.occasions:
        raise InputError("no such occasion", found=chosen, valid=panel.occasions)
    at = slice(panel.occasions.index(chosen), None, len(panel.occasions))
    return dataclasses.replace(
        panel,
        occasions=(chosen,),
        value=panel.value[at],
        standard_error=panel.standard_error[at],
        present=panel.present[at],
        sex=panel.sex[at],
        age_years=panel.age_years[at],
        groups=panel.groups[at],
        codes={code: mask[at] for code, mask in panel.codes.items()},
        treated={name: mask[at] for name, mask in panel.treated.items()},
    )


def _bare(panel: Panel) -> Panel:
    """Without standard errors and codes: an index needs neither, its interval would."""
    return dataclasses.replace(panel, standard_error=np.full(panel.value.shape, math.nan), codes={})


def _refuse_ruled(panel: Panel) -> None:
    ruled = [c for c in panel.codes if c in ACUTE_CODES.values() or "_PLUS_" in c or "_DIVIDED" in c]
    if ruled:
        raise InputError(
            "the values of this panel are under rules already",
            found=", ".join(ruled),
            expected="the biomarker table, whose rows keep their measured values",
        )
