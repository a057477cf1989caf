"""Units: a small UCUM table and the conversions that the biomarkers need.

A unit is never guessed. Mass and amount of substance convert only for an analyte whose molar mass is known, arbitrary
units (insulin) only for an analyte with a stated factor, and HbA1c by the master equation of its two scales.
"""

from __future__ import annotations

from allostat.errors import UnitError

_SPELLINGS = {
    "nmol/l": "nmol/L", "µg/dl": "ug/dL", "μg/dl": "ug/dL", "ug/dl": "ug/dL", "mcg/dl": "ug/dL",
    "ng/ml": "ng/mL", "µg/ml": "ug/mL", "μg/ml": "ug/mL", "ug/ml": "ug/mL", "mg/l": "mg/L", "mg/dl": "mg/dL",
    "g/dl": "g/dL", "g/l": "g/L", "µg/l": "ug/L", "μg/l": "ug/L", "ug/l": "ug/L", "pg/ml": "pg/mL", "ng/l": "ng/L",
    "ng/dl": "ng/dL", "mg/ml": "mg/mL",
    "mmol/l": "mmol/L", "umol/l": "umol/L", "µmol/l": "umol/L", "μmol/l": "umol/L", "pmol/l": "pmol/L",
    "mmhg": "mm[Hg]", "mm[hg]": "mm[Hg]", "mm hg": "mm[Hg]", "kpa": "kPa",
    "bpm": "/min", "/min": "/min", "1/min": "/min", "beats/min": "/min", "hz": "Hz",
    "%": "%", "ms": "ms", "s": "s", "kg/m2": "kg/m2", "kg/m²": "kg/m2", "kg/m^2": "kg/m2", "cm": "cm", "1": "1",
    "ratio": "1", "kg": "kg", "g": "g", "lb": "[lb_av]", "lbs": "[lb_av]", "[lb_av]": "[lb_av]", "in": "[in_i]",
    "inch": "[in_i]", "[in_i]": "[in_i]", "m": "m", "mm": "mm",
    "ln(ms)": "ln(ms)", "ln(nmol/l)/h": "ln(nmol/L)/h", "nmol/l/h": "nmol/L/h", "mv": "mV", "uv": "uV", "µv": "uV",
    "μv": "uV", "ms2": "ms2", "ms²": "ms2", "ms^2": "ms2",
    "nmol/l.min": "nmol/L.min", "nmol/l*min": "nmol/L.min", "nmol·min/l": "nmol/L.min",
    "10*9/l": "10*9/L", "1e9/l": "10*9/L", "10^9/l": "10*9/L", "10⁹/l": "10*9/L",
    "10*3/ul": "10*3/uL", "10^3/ul": "10*3/uL", "10^3/µl": "10*3/uL", "10*3/µl": "10*3/uL", "k/ul": "10*3/uL",
    "k/µl": "10*3/uL", "thousand/ul": "10*3/uL", "/ul": "/uL", "cells/ul": "/uL", "/µl": "/uL", "cells/µl": "/uL",
    "ug/g{creat}": "ug/g{creat}", "ug/g creatinine": "ug/g{creat}", "µg/g creatinine": "ug/g{creat}",
    "μg/g creatinine": "ug/g{creat}", "nmol/mmol{creat}": "nmol/mmol{creat}",
    "nmol/mmol creatinine": "nmol/mmol{creat}", "umol/mol{creat}": "umol/mol{creat}",
    "µmol/mol creatinine": "umol/mol{creat}", "umol/mol creatinine": "umol/mol{creat}",
    "nmol/ml": "umol/L", "pg/mg": "pg/mg", "ng/g": "ng/g", "nmol/g": "nmol/g", "pmol/mg": "pmol/mg",
    "mmol/mol": "mmol/mol", "mmol/mol{hb}": "mmol/mol",
    "u/l": "U/L", "iu/l": "U/L", "ukat/l": "ukat/L", "µkat/l": "ukat/L", "μkat/l": "ukat/L", "nkat/l": "nkat/L",
    "u[iu]/ml": "u[IU]/mL", "uiu/ml": "u[IU]/mL", "µiu/ml": "u[IU]/mL", "μiu/ml": "u[IU]/mL", "uu/ml": "u[IU]/mL",
    "µu/ml": "u[IU]/mL", "μu/ml": "u[IU]/mL", "m[iu]/l": "m[IU]/L", "miu/l": "m[IU]/L", "mu/l": "m[IU]/L",
    "fl": "fL", "um3": "um3", "µm3": "um3", "l/min": "L/min", "l/s": "L/s",
}  # fmt: skip

_MASS_PER_VOLUME_G_PER_L = {
    "g/L": 1.0, "g/dL": 10.0, "mg/mL": 1.0, "mg/dL": 1e-2, "mg/L": 1e-3, "ug/mL": 1e-3, "ug/dL": 1e-5, "ug/L": 1e-6,
    "ng/mL": 1e-6, "ng/dL": 1e-8, "pg/mL": 1e-9, "ng/L": 1e-9,
}  # fmt: skip
_AMOUNT_PER_VOLUME_MOL_PER_L = {"mmol/L": 1e-3, "umol/L": 1e-6, "nmol/L": 1e-9, "pmol/L": 1e-12}
_MASS_PER_MASS = {"pg/mg": 1e-9, "ng/g": 1e-9}
_AMOUNT_PER_MASS_MOL_PER_G = {"pmol/mg": 1e-9, "nmol/g": 1e-9}
_AMOUNT_PER_CREATININE = {"nmol/mmol{creat}": 1e-6, "umol/mol{creat}": 1e-6}
_ARBITRARY_PER_VOLUME = {"u[IU]/mL": 1.0, "m[IU]/L": 1.0}
_FAMILIES: tuple[dict[str, float], ...] = (
    _MASS_PER_VOLUME_G_PER_L,
    _AMOUNT_PER_VOLUME_MOL_PER_L,
    _MASS_PER_MASS,
    _AMOUNT_PER_MASS_MOL_PER_G,
    _AMOUNT_PER_CREATININE,
    _ARBITRARY_PER_VOLUME,
    {"ms": 1e-3, "s": 1.0},
    {"mV": 1e-3, "uV": 1e-6},
    {"m": 1.0, "cm": 1e-2, "mm": 1e-3, "[in_i]": 0.0254},
    {"kg": 1.0, "g": 1e-3, "[lb_av]": 0.45359237},
    {"mm[Hg]": 133.322387415, "kPa": 1000.0},
    {"/min": 1.0, "Hz": 60.0},
    {"10*9/L": 1.0, "10*3/uL": 1.0, "/uL": 1e-3},
    {"%": 1e-2, "1": 1.0},
    {"U/L": 1.0, "ukat/L": 60.0, "nkat/L": 0.06},
    {"fL": 1.0, "um3": 1.0},
    {"L/min": 1.0, "L/s": 60.0},
)
"""Units of one family differ by a factor. 1 U of enzyme activity is 1 umol/min, 1 kat is 1 mol/s."""

MOLAR_MASS_G_PER_MOL = {
    "cortisol": 362.46, "cortisol_serum": 362.46, "cortisol_hair": 362.46, "cortisol_urine": 362.46, "dheas": 368.49,
    "chol_total": 386.65, "hdl": 386.65, "ldl": 386.65, "trig": 885.4, "glucose_fasting": 180.156,
    "creatinine": 113.12, "uric_acid": 168.11, "urea": 60.056, "bun": 28.0134, "epinephrine_urine": 183.20,
    "norepinephrine_urine": 169.18, "fibrinogen": 340000.0, "dopamine_urine": 153.18,
}  # fmt: skip
"""Molar masses used for conversions between mass and amount of substance: cholesterol for the lipoproteins, triolein
for triglycerides, the two nitrogen atoms of urea for blood urea nitrogen (1 mmol of urea holds 28.01 mg of nitrogen),
340 kg/mol for fibrinogen. CRP has none on purpose: its molar mass is a matter of the assay's calibrator."""

INSULIN_PMOL_PER_MIU = 6.0
"""pmol of insulin in 1 mIU: the convention of most laboratories. Older tables have 6.945 (from a molar mass of
5808 g/mol and 24 IU/mg); values that were converted by another factor are given in the unit they were measured in."""

HBA1C_SLOPE, HBA1C_INTERCEPT = 0.09148, 2.152
"""Master equation of the HbA1c scales: NGSP (%) = 0.09148 IFCC (mmol/mol) + 2.152 (Hoelzel 2004,
10.1373/clinchem.2003.024802; digits as NGSP publishes them)."""


def measures(unit: str) -> str:
    """``mass`` or ``amount`` (both per volume) for the units of a concentration, else empty text."""
    if unit in _MASS_PER_VOLUME_G_PER_L:
        return "mass"
    return "amount" if unit in _AMOUNT_PER_VOLUME_MOL_PER_L else ""


def ucum(text: str, *, where: str | None = None) -> str:
    """The UCUM code of a unit as people write it (``nmol/l``, ``µg/dL``, ``mmHg``).

    Raises
    ------
    UnitError
        When the unit is empty or not in the table.
    """
    code = _SPELLINGS.get(text.strip().casefold())
    if code is None:
        problem = "unit is missing" if not text.strip() else "unknown unit"
        raise UnitError(problem, where=where, found=text, valid=sorted(set(_SPELLINGS.values())))
    return code


def converted(value: float, unit: str, to: str, *, analyte: str = "", where: str | None = None) -> float:
    """A value in another unit.

    Parameters
    ----------
    value
        A number, or an array of numbers; NaN stays NaN.
    unit, to
        UCUM codes.
    analyte
        What was measured, where the conversion depends on it (molar mass, HbA1c, insulin).

    Raises
    ------
    UnitError
        As `conversion_factor`.
    """
    if analyte == "hba1c" and unit != to:
        if (unit, to) == ("mmol/mol", "%"):
            return HBA1C_SLOPE * value + HBA1C_INTERCEPT
        if (unit, to) == ("%", "mmol/mol"):
            return (value - HBA1C_INTERCEPT) / HBA1C_SLOPE
    return value * conversion_factor(unit, to, analyte=analyte, where=where)


def converted_error(error: float, unit: str, to: str, *, analyte: str = "", where: str | None = None) -> float:
    """A standard error in another unit: the factor alone, without an offset."""
    if analyte == "hba1c" and unit != to and {unit, to} == {"%", "mmol/mol"}:
        return error * HBA1C_SLOPE if to == "%" else error / HBA1C_SLOPE
    return error * conversion_factor(unit, to, analyte=analyte, where=where)


def conversion_factor(unit: str, to: str, *, analyte: str = "", where: str | None = None) -> float:
    """Factor that turns a value in ``unit`` into one in ``to`` (both UCUM codes).

    Raises
    ------
    UnitError
        When the two units measure different things, the analyte's molar mass is needed and not known, or the two scales
        have different zeros (HbA1c: see `converted`).
    """
    if unit == to:
        return 1.0
    for family in _FAMILIES:
        if unit in family and to in family and not (analyte == "hba1c" and "1" in (unit, to)):
            return family[unit] / family[to]
    found = _through_amount(unit, to, analyte)
    if found is None:
        raise UnitError(
            f"{analyte or 'a value'} in {unit} cannot be expressed in {to}", where=where, found=unit, expected=to
        )
    return found


def _through_amount(unit: str, to: str, analyte: str) -> float | None:
    """Factor between mass and amount, or between arbitrary units and amount; None when there is none."""
    mass = MOLAR_MASS_G_PER_MOL.get(analyte)
    if mass is not None:
        for masses, amounts in (
            (_MASS_PER_VOLUME_G_PER_L, _AMOUNT_PER_VOLUME_MOL_PER_L),
            (_MASS_PER_MASS, _AMOUNT_PER_MASS_MOL_PER_G),
        ):
            if unit in masses and to in amounts:
                return masses[unit] / mass / amounts[to]
            if unit in amounts and to in masses:
                return amounts[unit] * mass / masses[to]
        # ug per g of creatinine: both substances change from mass to amount.
        per_creatinine = 1e-6 * MOLAR_MASS_G_PER_MOL["creatinine"] / mass
        if unit == "ug/g{creat}" and to in _AMOUNT_PER_CREATININE:
            return per_creatinine / _AMOUNT_PER_CREATININE[to]
        if unit in _AMOUNT_PER_CREATININE and to == "ug/g{creat}":
            return _AMOUNT_PER_CREATININE[unit] / per_creatinine
    if analyte == "insulin":
        if unit in _ARBITRARY_PER_VOLUME and to in _AMOUNT_PER_VOLUME_MOL_PER_L:
            return INSULIN_PMOL_PER_MIU * 1e-12 / _AMOUNT_PER_VOLUME_MOL_PER_L[to]
        if unit in _AMOUNT_PER_VOLUME_MOL_PER_L and to in _ARBITRARY_PER_VOLUME:
            return _AMOUNT_PER_VOLUME_MOL_PER_L[unit] / (INSULIN_PMOL_PER_MIU * 1e-12)
    return None
