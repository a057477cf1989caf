"""Build the reference `nhanes3-dm-2026.1`: young, healthy adults of NHANES III, for the statistical distance D_M.

    python -m tools.build_dm_reference RECORDINGS          # folder that ALLOSTAT_RECORDINGS names: writes the reference

The recipe is that of Kwon & Belsky 2021 (10.1007/s11357-021-00480-5): twelve markers; age 20 to 30, not pregnant, BMI
below 30, every value inside clinical ranges; by sex. Only derived numbers (moments, covariances) are written, never a
person's values. NHANES is in the public domain.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from allostat.allostatic_load import Reference, fit_reference, load_definition, save_reference, with_models
from allostat.biomarkers import Sex
from allostat.panel import Panel

NAME, VERSION = "nhanes3-dm-2026.1", "2026.1"
TARGET = Path(__file__).parents[1] / "data" / "allostat_data" / "references" / f"{NAME}.json"
SOURCE = "NHANES III 1988-1994 (CDC/NCHS), unweighted, healthy persons of 20 to 30 years"
CRP_LIMIT_MG_L = 2.1
SEX_CODES: Mapping[int, Sex] = {1: "M", 2: "F"}

COLUMNS: Mapping[str, tuple[str, str]] = {
    "albumin": ("albumin", "g/dL"),
    "alp": ("alp", "U/L"),
    "hs_crp": ("crp", "mg/dL"),
    "chol_total": ("totchol", "mg/dL"),
    "creatinine": ("creat", "mg/dL"),
    "hba1c": ("hba1c", "%"),
    "sbp": ("sbp", "mm[Hg]"),
    "bun": ("bun", "mg/dL"),
    "uric_acid": ("uap", "mg/dL"),
    "lymphocytes": ("lymph", "%"),
    "mcv": ("mcv", "fL"),
    "wbc": ("wbc", "10*9/L"),
}
"""Column and unit of each biomarker in the table."""

RANGES: Mapping[str, tuple[tuple[float, float], tuple[float, float]]] = {
    "albumin": ((3.5, 5.0), (3.5, 5.0)),
    "alp": ((37, 98), (45, 115)),
    "bun": ((6, 21), (8, 24)),
    "creat": ((0.6, 1.1), (0.8, 1.3)),
    # Two ranges follow each other in the recipe; both hold in the narrower one.
    "uap": ((2.7, 6.3), (3.7, 8.0)),
    "mcv": ((78, 101), (82, 102)),
    "hba1c": ((4, 5.6), (4, 5.6)),
    "lymph": ((20, 40), (20, 40)),
    "wbc": ((4.5, 11), (4.5, 11)),
}
"""Clinical ranges of women and of men, both ends included, by column."""
BELOW: Mapping[str, float] = {"crp": 2.0, "sbp": 120.0, "totchol": 200.0, "bmi": 30.0}

RULES = {
    "people": "age 20 to 30, women who said that they were pregnant left out, BMI below 30, all twelve values inside "
    "the clinical ranges of Kwon & Belsky 2021",
    "detection limit": "CRP at its limit of 2.1 mg/L is taken as it stands; a value below it counts as the limit",
    "winsorising": "none, but for the detection limit: a distance from the healthy is what is measured",
    "medication": "as measured, treatment not corrected for",
}
NOTES = (
    "for the definition dm alone: means and standard deviations are those of healthy young adults",
    "CRP is not a high-sensitivity assay: nearly all of these persons lie on its limit of 2.1 mg/L, so its spread is "
    "small and a raised value counts much",
    "white blood cells are on a logarithmic scale as everywhere in allostat, unlike in the published recipe",
    "unweighted, United States of 1988 to 1994",
)


def healthy(people: pd.DataFrame) -> pd.DataFrame:
    """The rows of the table that the recipe keeps."""
    keep = people["age"].between(20, 30) & (people["pregnant"] != 1)
    for column, (women, men) in RANGES.items():
        for code, (low, high) in ((2, women), (1, men)):
            keep &= (people["gender"] != code) | people[column].between(low, high)
    for column, limit in BELOW.items():
        keep &= people[column] < limit
    return people[keep]


def panel_of_table(people: pd.DataFrame) -> Panel:
    """The twelve biomarkers as a panel; values that the units make implausible are left out."""
    from allostat.biomarkers import biomarker_kind
    from allostat.units import conversion_factor

    frame = {"participant": people["sampleID"], "sex": people["gender"].map(SEX_CODES), "age": people["age"]}
    for name, (column, unit) in COLUMNS.items():
        kind = biomarker_kind(name)
        own = people[column] * conversion_factor(unit, kind.unit, analyte=name)
        frame[f"{name}[{kind.unit}]"] = own.where(own.between(kind.plausible_low, kind.plausible_high))
    return Panel.from_frame(pd.DataFrame(frame))


def build(people: pd.DataFrame) -> Reference:
    """The reference with its covariance models by sex."""
    panel = panel_of_table(healthy(people))
    fitted = fit_reference(
        panel, name=NAME, version=VERSION, title=SOURCE, biomarkers=tuple(COLUMNS), source=SOURCE, rules=RULES
    )
    entries = tuple(
        replace(
            e,
            winsor_low=float(np.log(CRP_LIMIT_MG_L)) if e.biomarker == "hs_crp" else None,
            winsor_high=None,
            cut=None,
            operator=None,
            quantile=None,
            quantile_type=None,
            prevalence=None,
            doi="10.1007/s11357-021-00480-5",
        )
        for e in fitted.entries
    )
    plain = replace(fitted, entries=entries, notes=NOTES, licence="public domain")
    return with_models(plain, panel, load_definition("dm"))


def main(recordings: str) -> None:
    """Write the reference."""
    people = pd.read_csv(Path(recordings) / "nhanes3" / "nhanes3.csv.gz", low_memory=False)
    reference = build(people)
    save_reference(reference, TARGET)
    sys.stdout.write("".join(f"{m.sex} {m.n} persons, {dict(m.settings)}\n" for m in reference.models))


if __name__ == "__main__":
    main(sys.argv[1])
