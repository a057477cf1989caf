"""Build the reference `nhanes3-2026.1` from the table of NHANES III that lies among the recordings.

    python -m tools.build_nhanes3_reference RECORDINGS     # folder that ALLOSTAT_RECORDINGS names: writes the reference
    python -m tools.build_nhanes3_reference --table        # prints the table of cuts of the shipped reference

Only derived numbers (moments, quantiles, shares) are written, never a person's values. NHANES is in the public domain.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import NormalDist
from typing import get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from allostat.allostatic_load import Reference, ReferenceEntry, fit_reference, load_reference, save_reference
from allostat.biomarkers import Biomarker, BiomarkerTable, Person, Sex, biomarker_kind
from allostat.units import conversion_factor
from tools.build_reference import censored_moments

NAME, VERSION = "nhanes3-2026.1", "2026.1"
TARGET = Path(__file__).parents[1] / "data" / "allostat_data" / "references" / f"{NAME}.json"
SOURCE = "NHANES III 1988-1994 (CDC/NCHS), unweighted, age 20 and over, not pregnant"
QUANTILE = 0.75
CRP_LIMIT_MG_L = 2.1
CRP_ACUTE_MG_L = 10.0
SEX_CODES: Mapping[Sex, int] = {"M": 1, "F": 2}
OLDEST = 120
"""The table's ages end at 90, which stands for all above."""
BANDS = (*((low, low + 9) for low in range(20, 80, 10)), (80, OLDEST))

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """A column of the table, or a quotient of two, and the unit that it is in."""

    column: str
    unit: str
    divided_by: str = ""


SOURCES: Mapping[str, Source] = {
    "sbp": Source("sbp", "mm[Hg]"),
    "dbp": Source("dbp", "mm[Hg]"),
    # The column is the difference of the pressures, not a heart rate.
    "pulse_pressure": Source("pulse", "mm[Hg]"),
    "hs_crp": Source("crp", "mg/dL"),
    "albumin": Source("albumin", "g/dL"),
    "wbc": Source("wbc", "10*9/L"),
    "hba1c": Source("hba1c", "%"),
    "hdl": Source("hdl", "mg/dL"),
    "ldl": Source("ldl", "mg/dL"),
    "chol_total": Source("totchol", "mg/dL"),
    "chol_hdl_ratio": Source("totchol", "1", "hdl"),
    "trig": Source("trig", "mg/dL"),
    "bmi": Source("bmi", "kg/m2"),
    "waist": Source("waist", "cm"),
    "whtr": Source("waist", "1", "height"),
    "creatinine": Source("creat", "mg/dL"),
    "bun": Source("bun", "mg/dL"),
    "uric_acid": Source("uap", "mg/dL"),
    "alp": Source("alp", "U/L"),
    "lymphocytes": Source("lymph", "%"),
    "mcv": Source("mcv", "fL"),
}
STRICT = {"hs_crp"}
"""Compared strictly: the cut of young adults is the detection limit itself, on which most of them lie."""

RULES = {
    "people": "age 20 and over, women who said that they were pregnant left out",
    "missing": "persons without a value, or with an implausible one, are left out, biomarker by biomarker",
    "medication": "values as measured: treatment is not known in the table, no constant was added",
    "hs_crp": "above 10 mg/L left out; moments of a log-normal distribution censored at the detection limit, 2.1 mg/L",
    "quantile": "Hyndman-Fan type 7 on the risk-oriented value",
    "weights": "none: the table has no survey weights",
    "age": "bands of 10 years, the last one from 80 on; all ages where the age is not known",
}


def read_people(recordings: Path) -> pd.DataFrame:
    """Adults of the table who are not known to be pregnant."""
    people = pd.read_csv(recordings / "nhanes3" / "nhanes3.csv.gz")
    return people[(people.age >= 20) & (people.pregnant != 1)]


def values_of(people: pd.DataFrame, biomarker: str) -> pd.Series:
    """One biomarker in its own unit; NaN where it is missing, implausible or, for CRP, acute."""
    source, kind = SOURCES[biomarker], biomarker_kind(biomarker)
    values = people[source.column].astype(np.float64)
    if source.divided_by:
        values = values / people[source.divided_by]
    factor = 1.0 if source.unit == kind.unit else conversion_factor(source.unit, kind.unit, analyte=biomarker)
    # 0.21 * 10 is not 2.1 in floating point, and ties decide here.
    values = (values * factor).round(9)
    values = values.where(values.between(kind.plausible_low, kind.plausible_high))
    return values.where(values <= CRP_ACUTE_MG_L) if biomarker == "hs_crp" else values


def _left_out(people: pd.DataFrame) -> str:
    """How many values were left out because they lie outside of their biomarker's bounds."""
    counts = {}
    for name, source in SOURCES.items():
        if name != "hs_crp":
            measured = people[[source.column, source.divided_by or source.column]].notna().all(axis=1)
            counts[name] = int(measured.sum() - values_of(people, name).notna().sum())
    return ", ".join(f"{name} {n}" for name, n in counts.items() if n) or "none"


def biomarker_table(people: pd.DataFrame) -> BiomarkerTable:
    """Waist 2 of the people."""
    sex_of = {code: sex for sex, code in SEX_CODES.items()}
    persons = {
        str(i): Person(str(i), sex_of[int(code)], float(age))
        for i, code, age in zip(people.index, people.gender, people.age, strict=True)
    }
    rows = [
        Biomarker(str(i), name, float(value), biomarker_kind(name).unit)
        for name in SOURCES
        for i, value in values_of(people, name).dropna().items()
    ]
    return BiomarkerTable(tuple(rows), persons)


def fitted(table: BiomarkerTable, by_age: tuple[int, int] | None = None) -> list[ReferenceEntry]:
    """Entries of women, men and, over all ages, both."""
    if by_age is not None:
        low, high = by_age
        persons = {p: who for p, who in table.persons.items() if low <= (who.age_years or 0) <= high}
        table = BiomarkerTable(tuple(row for row in table.rows if row.participant in persons), persons)
    found = fit_reference(
        table,
        name=NAME,
        version=VERSION,
        quantile=QUANTILE,
        operators={name: "strict" if name in STRICT else "inclusive" for name in SOURCES},
        source=SOURCE,
    )
    if by_age is None:
        return list(found.entries)
    return [replace(e, age_low=by_age[0], age_high=by_age[1]) for e in found.entries if e.sex is not None]


def build(recordings: Path) -> Reference:
    """The reference from the recordings."""
    people = read_people(recordings)
    table = biomarker_table(people)
    entries = [entry for band in (None, *BANDS) for entry in fitted(table, band)]
    entries = [_rounded(_censored(e, people) if e.biomarker == "hs_crp" else e) for e in entries]
    return Reference(
        name=NAME,
        version=VERSION,
        title="NHANES III, adults of 20 and over, by sex and by sex and age",
        entries=tuple(entries),
        rules=RULES,
        notes=(
            "A sample of the United States of 1988 to 1994 that over-represents some groups by design, used without "
            "survey weights: its quantiles are those of the people examined, not of the population.",
            "CRP of NHANES III is not a high-sensitivity assay: most adults lie on its detection limit of 2.1 mg/L "
            "(at_limit gives the share). The comparison is strict; prevalence gives the share that is flagged, far "
            "below 25 % in young men. Moments are extrapolated below the limit.",
            "Triglycerides are of people who had fasted and of people who had not; fasting insulin and fasting "
            "glucose are left out because the table does not say who had fasted. LDL is of the minority in whom it "
            "was derived.",
            "Creatinine lies on a grid of 0.096 mg/dL: it was recalibrated before it came into the table.",
            "Pulse pressure is the column named pulse: it equals systolic less diastolic pressure.",
            f"Values outside of their biomarker's bounds, left out: {_left_out(people)}.",
            _ties(people),
        ),
        licence="NHANES: public domain",
    )  # fmt: skip


def _ties(people: pd.DataFrame) -> str:
    """Shares of people whose value is the cut itself: what the choice of comparison decides."""
    parts = []
    for name in SOURCES:
        shares = []
        for sex, code in SEX_CODES.items():
            values = values_of(people[people.gender == code], name).dropna().to_numpy()
            at = _cut(values, name)
            shares.append(f"{sex} {100 * float(np.mean(values == at)):.1f} %")
        parts.append(f"{name} {', '.join(shares)}")
    return "People on the cut itself, all ages: " + "; ".join(parts) + "."


def _cut(values: Floats, biomarker: str) -> float:
    p = QUANTILE if biomarker_kind(biomarker).direction == "high" else 1 - QUANTILE
    return float(np.quantile(values, p))


def _censored(entry: ReferenceEntry, people: pd.DataFrame) -> ReferenceEntry:
    """CRP with moments that know of the detection limit, and the share of people on it."""
    chosen = people if entry.sex is None else people[people.gender == SEX_CODES[entry.sex]]
    if entry.age_low is not None and entry.age_high is not None:
        chosen = chosen[chosen.age.between(entry.age_low, entry.age_high)]
    # Acute values count here: a distribution cut off on both sides with most of it on one end has no stable fit.
    every = (chosen.crp.dropna() * 10).round(9).to_numpy(dtype=np.float64)
    kept = every[every <= CRP_ACUTE_MG_L]
    at_limit = every <= CRP_LIMIT_MG_L
    mean, sd = censored_moments(np.log(every[~at_limit]), int(at_limit.sum()), math.log(CRP_LIMIT_MG_L))
    wide = NormalDist().inv_cdf(0.99) * sd
    return replace(
        entry, mean=mean, sd=sd, winsor_low=mean - wide, winsor_high=min(mean + wide, math.log(CRP_ACUTE_MG_L)),
        at_limit=float(np.mean(kept <= CRP_LIMIT_MG_L)), source=SOURCE + "; CRP not high-sensitivity",
    )  # fmt: skip


def _rounded(entry: ReferenceEntry) -> ReferenceEntry:
    """To ten significant digits: sums and logarithms of other machines differ behind them."""

    def short(value: float | None) -> float | None:
        return None if value is None else float(f"{value:.10g}")

    return replace(
        entry, mean=short(entry.mean), sd=short(entry.sd), winsor_low=short(entry.winsor_low),
        winsor_high=short(entry.winsor_high), cut=short(entry.cut), prevalence=short(entry.prevalence),
        at_limit=short(entry.at_limit),
    )  # fmt: skip


RANGES: Mapping[str, Mapping[Sex, tuple[float, float]]] = {
    "albumin": {"F": (3.5, 5.0), "M": (3.5, 5.0)},
    "alp": {"F": (37, 98), "M": (45, 115)},
    "bun": {"F": (6, 21), "M": (8, 24)},
    "creatinine": {"F": (0.6, 1.1), "M": (0.8, 1.3)},
    "uric_acid": {"F": (2.7, 6.3), "M": (3.7, 8.0)},
    "mcv": {"F": (78, 101), "M": (82, 102)},
    "hba1c": {"F": (4.0, 5.6), "M": (4.0, 5.6)},
    "lymphocytes": {"F": (20, 40), "M": (20, 40)},
    "wbc": {"F": (4.5, 11), "M": (4.5, 11)},
}
BELOW = {"hs_crp": 20.0, "sbp": 120.0, "chol_total": 200.0}
"""Values below these. CRP: below 2 mg/dL; read as mg/L nobody would be left, for the detection limit is 2.1 mg/L."""


def young_and_healthy(people: pd.DataFrame, sex: Sex) -> pd.DataFrame:
    """Reference people of the statistical distance: Kwon & Belsky 2021, 10.1007/s11357-021-00480-5.

    Age 20 to 30, not pregnant, body mass index below 30, and all twelve markers within clinical ranges; a marker
    outside of its range excludes the person, so that means and covariances are of the same people.

    Returns
    -------
    DataFrame
        One column per marker, in its unit.
    """
    chosen = people[(people.gender == SEX_CODES[sex]) & people.age.between(20, 30) & (people.pregnant != 1)]
    chosen = chosen[chosen.bmi < 30]
    columns = {name: (chosen.crp * 10).round(9) if name == "hs_crp" else values_of(chosen, name)
               for name in (*RANGES, *BELOW)}  # fmt: skip
    inside = pd.DataFrame(columns)
    keep = np.ones(len(inside), dtype=bool)
    for name, limits in RANGES.items():
        keep &= inside[name].between(*limits[sex]).to_numpy()
    for name, limit in BELOW.items():
        keep &= (inside[name] < limit).to_numpy()
    return inside[keep]


def cut_table(reference: Reference) -> str:
    """Cuts of all ages by sex with nominal and achieved prevalence, as a Markdown table."""
    lines = [
        "| biomarker | unit | sex | n | cut | nominal | achieved | at detection limit |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for name in SOURCES:
        for sex in get_args(Sex):
            e = reference.entry(name, sex, None)
            if e is None or e.cut is None or e.prevalence is None:
                raise SystemExit(f"{name}, {sex}: no cut")
            limit = "" if e.at_limit is None else f"{100 * e.at_limit:.1f} %"
            lines.append(
                f"| `{name}` | {e.unit} | {sex} | {e.n} | {e.operator} {e.cut:.4g} | 25 % "
                f"| {100 * e.prevalence:.1f} % | {limit} |"
            )
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["--table"]:
            print(cut_table(load_reference(NAME)))
        case [folder]:
            reference = build(Path(folder))
            save_reference(reference, TARGET)
            assert load_reference(TARGET).sha256 == reference.sha256
            print(f"{TARGET.name}: {len(reference.entries)} entries, sha256 {reference.sha256}")
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
