"""The choices that every allostatic load index makes, and the levels that a grid may name for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from allostat.allostatic_load.options import Strata
from allostat.biomarkers import biomarker_kinds

NOT_APPLICABLE = "not applicable"
"""Level of a choice that the rest of a specification leaves no room for."""
AS_DEFINED = "as_defined"
"""The biomarkers that the definition names, best first."""

CUTS = ("reference", "sample", "sample_sex", "sample_sex_age", "clinical")
"""``reference``: a frozen reference. ``sample…``: fitted on the table itself, pooled, by sex, by sex and age band.
``clinical``: published cut-offs."""
SAMPLE_CUTS = CUTS[1:4]
WINSOR = ("1/99", "0.5/99.5", "3sd", "off")
"""Percentiles, or standard deviations about the mean; a frozen reference has limits of its own, which stand for all but
``off``."""
STRATA_OF_CUTS: Mapping[str, Strata] = {
    "sample": "pooled", "sample_sex": "sex", "sample_sex_age": "sex_age", "clinical": "sex",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Choice:
    """One decision on the way to an index.

    ``levels`` are the valid ones (empty: names or paths of definitions); ``default`` is taken by a grid that does not
    name the choice.
    """

    name: str
    meaning: str
    levels: tuple[str, ...]
    default: str


@cache
def choices() -> Mapping[str, Choice]:
    """All choices by name, in the order in which combinations are sorted out."""
    kinds = biomarker_kinds().values()
    contexts = sorted({k.context for k in kinds if k.system == "autonomic" and k.context})
    features = sorted(k.name for k in kinds if is_cortisol_feature(k.name))
    found = (
        Choice("definition", "index: which biomarkers, joined how", (), "system"),
        Choice("cuts", "what persons are compared with", CUTS, "reference"),
        Choice("quantile_type", "how a quantile is interpolated (Hyndman & Fan)", ("2", "6", "7", "8"), "7"),
        Choice("operator", "whether a value at the cut is high risk", ("inclusive", "strict"), "inclusive"),
        Choice("winsorise", "limits to which extremes are pulled in before a z score", WINSOR, "1/99"),
        Choice("crp", "what is done with hs-CRP above 10 mg/L", ("exclude", "keep", "winsorise"), "exclude"),
        Choice("medication", "what is done about treatment", ("adjust", "none", "risk", "exclude"), "adjust"),
        Choice("missing", "how many biomarkers a person needs", ("by_rule", "complete"), "by_rule"),
        Choice("hrv", "context of heart rate and its variability", (AS_DEFINED, *contexts), AS_DEFINED),
        Choice("cortisol", "feature of the cortisol day", (AS_DEFINED, *features), AS_DEFINED),
    )  # fmt: skip
    return {choice.name: choice for choice in found}


def is_cortisol_feature(biomarker: str) -> bool:
    """Whether a biomarker is a feature of the (salivary) cortisol day, so that another one can stand for it."""
    return biomarker.startswith("cortisol_") and biomarker not in ("cortisol_hair", "cortisol_serum", "cortisol_urine")
