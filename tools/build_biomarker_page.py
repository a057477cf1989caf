"""Write docs/biomarkers.md from the data files: biomarkers, rules of medication, panels.

Usage: python tools/build_biomarker_page.py
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path

from allostat.biomarkers import BiomarkerKind, biomarker_kinds
from allostat.marker_panels import marker_panel, marker_panel_names

PAGE = Path(__file__).parent.parent / "docs" / "biomarkers.md"

_HEAD = """# Biomarkers, units and rules

<!-- Written by tools/build_biomarker_page.py; change the data files, not this page. -->

A plain table needs no recording: one row per participant and one column per biomarker, named `<biomarker>[<unit>]`,
with optional `standard_error[<biomarker>]` (on the scale of the transform); or one row per value; or the laboratory's
own rows (`labs.tsv`, FHIR, HL7). `allostat load TABLE` reads all three, derives what can be derived, applies the
rules below, and lists on stderr what a definition wants and the table lacks.

A column of a marker may also be headed `hs-CRP (mg/L)` or `hs_crp_mg_L`, and `labs.tsv` may have such columns, one per
marker, in place of `analyte`, `value` and `unit`; `specimen`, `collected_at` and `assay` then hold for the whole row.
Nothing is guessed: after an underscore the unit must be a known one in which the marker is measured, with one way to
read it, and a column that names no marker or no unit is an error.

Units are converted between the unit of a biomarker and its other units. A value that is implausible as declared and
plausible in another unit is refused with that unit's name (`UNIT_SUSPECT`); nothing is converted by a guess. A value
below a limit of detection (`<0.2`, or `ND` with a column `lod`) counts as LOD/√2 with `BELOW_LOD`, one above the
range of its assay is missing with `ABOVE_ASSAY_RANGE`. Several draws become their mean on the scale of the transform
(ln: geometric mean), with its standard error. Several assays or specimens of one analyte and one person are refused;
across a study a notice counts them.

`±` marks biomarkers whose low values are risk too, for two-tailed scoring; they are scored on the side given unless a
definition says otherwise.
"""

_CONVENTIONS = """
## Conversions that are conventions

- HbA1c: NGSP (%) = 0.09148 · IFCC (mmol/mol) + 2.152, the master equation (Hoelzel 2004); factor and offset, not a
  factor alone.
- Insulin: 1 mIU/L = 6.0 pmol/L; older tables have 6.945.
- Lipoprotein cholesterol by the molar mass of cholesterol (386.65 g/mol), triglycerides by that of triolein (885.4
  g/mol).
- Urea nitrogen: 1 mmol/L of urea holds 2.80 mg/dL of nitrogen; urea given as a mass is another analyte (`urea`).
- C-reactive protein has no molar mass here: what a mole is depends on the assay's calibrator, so nmol/L is refused.
"""

_RULES = """
## Rules

Rules are applied once and keep the measured value (`raw_value`, `Biomarker.measured`), so that a table can be put
under other rules at any time: `allostat load --rule antihypertensive=none`, section `[rules]` of study.toml,
`allostat.medication_rules.MedicationRules`.

- `adjust`: the value as it would be without the treatment. The constants are conventions; Tobin 2005
  (doi:10.1002/sim.2165) argues for adding one to treated blood pressure; the divisors of lipids under statins are not
  verified here.
- `flag`: the value stays and its code says that the person is exposed; a covariate.
- `risk`: the value stays and counts as high risk wherever flags are counted.
- `exclude`: missing, with the code. `none`: nothing.
"""

_ACUTE = """
hs-CRP above 10 mg/L (rule `acute_crp`): `exclude` (default) leaves the draw out of the mean, `winsorise` takes it as
10, `keep` keeps it (Pearson 2003: disregard and repeat). Dropping such values removes obese and chronically stressed
people, so report what keeping them changes.
"""


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_HEAD, *_systems(), _CONVENTIONS, _RULES, *_rules(), _ACUTE, *_panels()]).rstrip() + "\n"


def _systems() -> Iterable[str]:
    columns = ["biomarker", "what", "unit", "other units", "risk", "scale", "plausible", "specimen or context", "LOINC"]
    for system in dict.fromkeys(kind.system for kind in biomarker_kinds().values()):
        yield f"## {system.replace('_', ' ').capitalize() if system != 'hpa' else 'HPA axis'}\n"
        yield from _table(columns, [_row(kind) for kind in biomarker_kinds().values() if kind.system == system])


def _row(kind: BiomarkerKind) -> list[str]:
    risk = {"high": "high", "low": "low", "none": "–"}[kind.direction] + (" ±" if kind.two_sided else "")
    what = kind.long_name + (f"; else {kind.formula}" if kind.formula else "")
    return [
        f"`{kind.name}`",
        what,
        f"`{kind.unit}`",
        " ".join(f"`{unit}`" for unit in kind.other_units),
        risk,
        "ln" if kind.transform == "ln" else "",
        f"{kind.plausible_low:g} to {kind.plausible_high:g}",
        ", ".join((*kind.specimens, *((kind.context,) if kind.context else ()))),
        kind.loinc,
    ]


def _rules() -> Iterable[str]:
    text = resources.files("allostat_data").joinpath("medication_rules.toml").read_text(encoding="utf-8")
    rows = []
    for name, rule in tomllib.loads(text).items():
        concerns = [f"`{b}`" for b in rule["biomarkers"]] + [f"system {s}" for s in rule.get("systems", [])]
        constants = [f"{b} {v:+g}" for b, v in rule.get("added", {}).items()]
        constants += [f"{b} / {v:g}" for b, v in rule.get("divided", {}).items()]
        options = ", ".join(f"**{o}**" if o == rule["default"] else o for o in rule["options"])
        rows.append([f"`{name}`", options, " ".join(concerns), ", ".join(constants), f"`{rule['code']}`"])
    yield from _table(["rule", "options (default bold)", "biomarkers", "adjust", "code"], rows)


def _panels() -> Iterable[str]:
    yield "## Panels of published studies\n"
    for name in marker_panel_names():
        panel = marker_panel(name)
        source = f" doi:{panel.doi}" if panel.doi else ""
        without = f" Without {', '.join(panel.uncovered)}." if panel.uncovered else ""
        yield f"`{name}`: {panel.title}. {panel.citation}{without}{source}\n"
        yield from _table(
            ["system", "biomarkers"], [[s, " ".join(f"`{m}`" for m in markers)] for s, markers in panel.systems.items()]
        )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterable[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
