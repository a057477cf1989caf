"""Build the reference objects that come with allostat.

    python tools/build_reference.py published RECORDINGS   # folder that ALLOSTAT_RECORDINGS names
    python tools/build_reference.py clinical
    python tools/build_reference.py macarthur
    python tools/build_reference.py simulated [N SEED]

Only derived numbers (moments, quantiles, cut-offs) are written, never a person's values.
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_ndtr, ndtri

from allostat.allostatic_load import Reference, ReferenceEntry, fit_reference, load_reference, save_reference
from allostat.allostatic_load.fitting import comparison_sign, fit_entry, high_risk_cut, is_high_risk
from allostat.allostatic_load.references import Operator
from allostat.biomarkers import Sex, biomarker_kind
from allostat.units import conversion_factor, ucum

DATA = Path(__file__).parents[1] / "data" / "allostat_data"
VERSION = "2026.1"
QUANTILE = 0.75
AGES = (25, 74)
CRP_LIMIT_MG_L = 2.1
CRP_ACUTE_MG_L = 10.0
NHANES3 = "NHANES III 1988-1994 (CDC/NCHS), unweighted, age 25 to 74, not pregnant"
VOSS = "KORA S4, Voss 2015; log-normal moments from mean and SD"
VOSS_DOI = "10.1371/journal.pone.0118308"
RULES = {
    "missing": "persons without a value are left out, biomarker by biomarker",
    "medication": "NHANES III pressures as measured: treatment is not known in the extract, no constant was added",
    "hs_crp": "moments: at the detection limit censored; cut: above 10 mg/L left out",
    "quantile": "Hyndman-Fan type 7 on the risk-oriented value",
}
STRATA: tuple[Sex | None, ...] = (None, *get_args(Sex))

Floats = NDArray[np.float64]


def published(recordings: Path) -> Reference:
    """NHANES III for pressures, CRP and metabolic markers; KORA S4 for resting RMSSD by sex and age."""
    people = pd.read_csv(recordings / "nhanes3" / "nhanes3.csv.gz")
    adults = people[people.age.between(*AGES) & (people.pregnant != 1)]
    plain = {"sbp": 1.0, "dbp": 1.0, "hba1c": 1.0, "hdl": 1.0, "chol_total": 1.0, "bmi": 1.0, "waist": 1.0}
    columns = {"chol_total": "totchol"}
    entries: list[ReferenceEntry] = []
    for sex in STRATA:
        group = adults if sex is None else adults[adults.gender == {"M": 1, "F": 2}[sex]]
        for biomarker, factor in {**plain, "albumin": 1.0, "wbc": 1.0}.items():
            values = group[columns.get(biomarker, biomarker)].dropna().to_numpy(dtype=np.float64) * factor
            entries.append(fit_entry(biomarker, values, sex, QUANTILE, 7, source=NHANES3))
        entries.append(censored_crp(group.crp.dropna().to_numpy(dtype=np.float64) * 10.0, sex))
    entries += resting_rmssd()
    return Reference(
        name=f"published-{VERSION}",
        version=VERSION,
        title="Published moments: NHANES III (pressures, CRP, metabolic) and KORA S4 (resting RMSSD)",
        entries=tuple(entries),
        rules=RULES,
        notes=(
            "CRP of NHANES III is not a high-sensitivity assay: its detection limit is 2.1 mg/L and most adults lie on "
            "it (at_limit gives the share). Moments are a censored log-normal fit, extrapolated below 2.1 mg/L. "
            "The comparison is strict, because the cut of men is the detection limit itself.",
            "NHANES III is a sample of the United States of 1988 to 1994, used without survey weights.",
            "Resting RMSSD: KORA S4, by sex and age band, 5 minutes at rest; not for night or 24 h values.",
            "No cortisol slope, no night RMSSD, no heart rate: no open source with moments of these was found. An "
            "index that has only these for a system treats the system as missing.",
        ),
        licence="NHANES: public domain; KORA S4 moments: facts from the cited paper",
    )


def censored_crp(values: Floats, sex: Sex | None) -> ReferenceEntry:
    """Log-normal moments of CRP, left-censored at the detection limit; empirical cut without acute values.

    The moments are those of all values: fitting a distribution cut off on both sides with two thirds of the sample at
    one end has no stable solution (tried). Acute values are 4 % of the sample and lie on the tail of the log-normal.
    """
    kept = values[values <= CRP_ACUTE_MG_L]
    at_limit = values <= CRP_LIMIT_MG_L + 1e-9
    mean, sd = censored_moments(np.log(values[~at_limit]), int(at_limit.sum()), math.log(CRP_LIMIT_MG_L))
    kind = biomarker_kind("hs_crp")
    cut = high_risk_cut(kind, kept, QUANTILE, 7)
    operator = comparison_sign(kind, "strict")
    limit = float(ndtri(0.99))
    return ReferenceEntry(
        biomarker="hs_crp", unit=kind.unit, transform=kind.transform, direction=kind.direction, context=kind.context,
        sex=sex, n=len(kept), mean=mean, sd=sd, winsor_low=mean - limit * sd,
        winsor_high=min(mean + limit * sd, math.log(CRP_ACUTE_MG_L)), cut=cut, operator=operator, quantile=QUANTILE,
        quantile_type=7, prevalence=float(np.mean(is_high_risk(kept, cut, operator))),
        at_limit=float(at_limit.mean()), source=NHANES3 + "; CRP not high-sensitivity",
    )  # fmt: skip


def censored_moments(logs: Floats, n_censored: int, low: float) -> tuple[float, float]:
    """Maximum likelihood mean and SD of a normal variable; of ``n_censored`` values only <= ``low`` is known."""

    def cost(x: Floats) -> float:
        mean, sd = float(x[0]), math.exp(float(x[1]))
        z = (logs - mean) / sd
        seen = float(np.sum(-0.5 * z * z)) - len(logs) * math.log(sd * math.sqrt(2 * math.pi))
        return -(seen + n_censored * float(log_ndtr((low - mean) / sd)))

    start = np.array([float(np.median(np.append(logs, low))), 0.0])
    found = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-10, "maxiter": 4000})
    if not found.success:
        raise SystemExit(f"censored fit failed: {found.message}")
    return round(float(found.x[0]), 6), round(math.exp(float(found.x[1])), 6)


def resting_rmssd() -> list[ReferenceEntry]:
    """KORA S4 by sex and age band, and pooled over ages for persons outside of the bands."""
    text = resources.files("allostat_data").joinpath("norms", "voss2015_norms.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    entries = []
    for sex in STRATA:
        group = [r for r in rows if sex is None or r["sex"] == sex]
        for low in sorted({int(r["age_low"]) for r in group}):
            band = [r for r in group if int(r["age_low"]) == low]
            entries.append(log_normal_entry(band, sex, low, int(band[0]["age_high"])))
        entries.append(log_normal_entry(group, sex, None, None))
    return entries


def log_normal_entry(
    rows: Iterable[Mapping[str, str]], sex: Sex | None, low: int | None, high: int | None
) -> ReferenceEntry:
    """Log-normal moments of several groups together, weighted by their size, from mean and SD of each."""
    groups = [(int(r["n"]), *log_moments(float(r["rmssd_mean"]), float(r["rmssd_sd"]))) for r in rows]
    n = sum(g[0] for g in groups)
    mean = sum(g[0] * g[1] for g in groups) / n
    variance = sum(g[0] * (g[2] ** 2 + (g[1] - mean) ** 2) for g in groups) / n
    sd = math.sqrt(variance)
    kind = biomarker_kind("rmssd_rest")
    limit = float(ndtri(0.99))
    return ReferenceEntry(
        biomarker=kind.name, unit=kind.unit, transform=kind.transform, direction=kind.direction, context=kind.context,
        sex=sex, age_low=low, age_high=high, n=n, mean=mean, sd=sd, winsor_low=mean - limit * sd,
        winsor_high=mean + limit * sd, cut=math.exp(mean + float(ndtri(1 - QUANTILE)) * sd), operator="<=",
        quantile=QUANTILE, quantile_type=7, prevalence=1 - QUANTILE, source=VOSS, doi=VOSS_DOI,
    )  # fmt: skip


def log_moments(mean: float, sd: float) -> tuple[float, float]:
    """Mean and SD of the logarithm of a log-normal variable with this mean and SD."""
    variance = math.log(1 + (sd / mean) ** 2)
    return math.log(mean) - variance / 2, math.sqrt(variance)


CLINICAL = {"sbp": "sbp", "dbp": "dbp", "hscrp": "hs_crp", "rmssd_night": "rmssd_night", "hdl": "hdl", "hba1c": "hba1c",
            "bmi": "bmi", "trig": "trig", "glucose_fasting": "glucose_fasting", "chol_total": "chol_total",
            "waist": "waist"}  # fmt: skip
MACARTHUR = {"sbp": "sbp", "dbp": "dbp", "whr": "whr", "chol_hdl_ratio": "chol_hdl_ratio", "hba1c": "hba1c",
             "urinary_cortisol_12h": "cortisol_urine", "urinary_norepinephrine_12h": "norepinephrine_urine",
             "urinary_epinephrine_12h": "epinephrine_urine", "hdl": "hdl", "dheas": "dheas"}  # fmt: skip


def cut_offs(name: str, title: str, names: Mapping[str, str], note: str, suffix: str = "") -> Reference:
    """A reference of fixed cut-offs from cutoffs.csv; pooled entries where both sexes have one cut-off."""
    text = resources.files("allostat_data").joinpath("cutoffs", "cutoffs.csv").read_text(encoding="utf-8")
    rows = {(r["biomarker"], r["sex"]): r for r in csv.DictReader(text.splitlines())}
    entries = []
    for listed, biomarker in names.items():
        both = [cut_entry(biomarker, rows[listed + suffix, sex], sex) for sex in get_args(Sex)]
        entries += both
        if both[0].cut == both[1].cut:
            entries.append(cut_entry(biomarker, rows[listed + suffix, "F"], None))
    return Reference(
        f"{name}-{VERSION}", VERSION, title, tuple(entries), {"cut": "published cut-off, no sample"}, (note,)
    )


def cut_entry(biomarker: str, row: Mapping[str, str], sex: Sex | None) -> ReferenceEntry:
    """One cut-off in the biomarker's own unit."""
    kind = biomarker_kind(biomarker)
    factor = conversion_factor(ucum(row["unit"]), kind.unit, analyte=biomarker)
    operator: Any = row["operator"]
    if operator not in get_args(Operator):
        raise SystemExit(f"operator of {biomarker}: {operator}")
    return ReferenceEntry(
        biomarker=biomarker, unit=kind.unit, transform=kind.transform, direction=kind.direction, context=kind.context,
        sex=sex, cut=float(row["cutoff"]) * factor, operator=operator, source=row["source"], doi=row["doi"],
    )  # fmt: skip


def simulated(n: int = 4000, seed: int = 20260101) -> Reference:
    """The population of the simulator, measured as a study would; for the demo study and for tests."""
    from allostat.simulate import simulate_biomarker_table

    return fit_reference(
        simulate_biomarker_table(n, seed),
        name=f"simulated-{VERSION}",
        version=VERSION,
        title=f"Simulated population, {n} persons, seed {seed}: for the demo and for tests, not for real persons",
        source="allostat.simulate",
    )


def main(arguments: list[str]) -> None:
    match arguments:
        case ["published", folder]:
            reference = published(Path(folder))
        case ["clinical"]:
            reference = cut_offs(
                "clinical", "Published clinical cut-offs", CLINICAL,
                "No cut-off for the cortisol slope has been validated; none is given.",
            )  # fmt: skip
        case ["macarthur"]:
            reference = cut_offs(
                "macarthur", "Cut-points of the MacArthur Studies of Successful Aging, age 70 and over", MACARTHUR,
                "From a cohort of age 70 and over; strict comparison.", "_macarthur",
            )  # fmt: skip
        case ["simulated", *numbers]:
            reference = simulated(*(int(x) for x in numbers))
        case _:
            raise SystemExit(__doc__)
    target = DATA / "references" / f"{reference.name}.json"
    save_reference(reference, target)
    assert load_reference(target).sha256 == reference.sha256
    print(f"{target.name}: {len(reference.entries)} entries, sha256 {reference.sha256}")


if __name__ == "__main__":
    main(sys.argv[1:])
