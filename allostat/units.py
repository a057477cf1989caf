"""Units: a small UCUM table and the conversions that the biomarkers need.

A unit is never guessed. Mass and amount of substance convert only for an analyte whose molar mass is known.
"""

from __future__ import annotations

from allostat.errors import UnitError

_SPELLINGS = {
    "nmol/l": "nmol/L", "µg/dl": "ug/dL", "μg/dl": "ug/dL", "ug/dl": "ug/dL", "mcg/dl": "ug/dL",
    "ms2": "ms2", "ms²": "ms2", "ms^2": "ms2",
    "ng/ml": "ng/mL", "µg/ml": "ug/mL", "μg/ml": "ug/mL", "ug/ml": "ug/mL", "mg/l": "mg/L", "mg/dl": "mg/dL",
    "g/dl": "g/dL", "g/l": "g/L", "µg/l": "ug/L", "μg/l": "ug/L", "ug/l": "ug/L", "pg/ml": "pg/mL",
    "mmol/l": "mmol/L", "umol/l": "umol/L", "µmol/l": "umol/L", "μmol/l": "umol/L", "pmol/l": "pmol/L",
    "mmhg": "mm[Hg]", "mm[hg]": "mm[Hg]", "mm hg": "mm[Hg]", "bpm": "/min", "/min": "/min", "1/min": "/min",
    "%": "%", "ms": "ms", "s": "s", "kg/m2": "kg/m2", "kg/m²": "kg/m2", "cm": "cm", "1": "1", "ratio": "1",
    "ln(ms)": "ln(ms)", "ln(nmol/l)/h": "ln(nmol/L)/h", "mv": "mV", "uv": "uV", "µv": "uV", "μv": "uV",
    "nmol/l.min": "nmol/L.min", "nmol/l*min": "nmol/L.min", "nmol·min/l": "nmol/L.min",
    "10*9/l": "10*9/L", "1e9/l": "10*9/L", "10^9/l": "10*9/L", "10⁹/l": "10*9/L",
    "ug/g{creat}": "ug/g{creat}", "ug/g creatinine": "ug/g{creat}", "µg/g creatinine": "ug/g{creat}",
    "μg/g creatinine": "ug/g{creat}", "m": "m", "mm": "mm", "nmol/ml": "umol/L", "pg/mg": "pg/mg",
}  # fmt: skip

_MASS_PER_VOLUME_G_PER_L = {
    "g/L": 1.0, "g/dL": 10.0, "mg/dL": 1e-2, "mg/L": 1e-3, "ug/mL": 1e-3, "ug/dL": 1e-5, "ug/L": 1e-6,
    "ng/mL": 1e-6, "pg/mL": 1e-9,
}  # fmt: skip
_AMOUNT_PER_VOLUME_MOL_PER_L = {"mmol/L": 1e-3, "umol/L": 1e-6, "nmol/L": 1e-9, "pmol/L": 1e-12}
_TIME_S = {"ms": 1e-3, "s": 1.0}
_VOLTAGE_V = {"mV": 1e-3, "uV": 1e-6}

_LENGTH_M = {"m": 1.0, "cm": 1e-2, "mm": 1e-3}

MOLAR_MASS_G_PER_MOL = {
    "cortisol": 362.46, "chol_total": 386.65, "hdl": 386.65, "ldl": 386.65, "trig": 885.4, "glucose_fasting": 180.156,
    "dheas": 368.49,
}  # fmt: skip
"""Molar masses used for conversions between mass and amount of substance (cholesterol for the lipoproteins, triolein
for triglycerides). CRP has none on purpose: its molar mass is a matter of the assay's calibrator."""


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


def conversion_factor(unit: str, to: str, *, analyte: str = "", where: str | None = None) -> float:
    """Factor that turns a value in ``unit`` into one in ``to`` (both UCUM codes).

    Raises
    ------
    UnitError
        When the two units measure different things, or the analyte's molar mass is needed and not known.
    """
    if unit == to:
        return 1.0
    for family in (_MASS_PER_VOLUME_G_PER_L, _AMOUNT_PER_VOLUME_MOL_PER_L, _TIME_S, _VOLTAGE_V, _LENGTH_M):
        if unit in family and to in family:
            return family[unit] / family[to]
    mass = MOLAR_MASS_G_PER_MOL.get(analyte)
    if mass is not None and unit in _MASS_PER_VOLUME_G_PER_L and to in _AMOUNT_PER_VOLUME_MOL_PER_L:
        return _MASS_PER_VOLUME_G_PER_L[unit] / mass / _AMOUNT_PER_VOLUME_MOL_PER_L[to]
    if mass is not None and unit in _AMOUNT_PER_VOLUME_MOL_PER_L and to in _MASS_PER_VOLUME_G_PER_L:
        return _AMOUNT_PER_VOLUME_MOL_PER_L[unit] * mass / _MASS_PER_VOLUME_G_PER_L[to]
    raise UnitError(
        f"{analyte or 'a value'} in {unit} cannot be expressed in {to}", where=where, found=unit, expected=to
    )
