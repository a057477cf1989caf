"""A declared unit of cortisol against its values: nmol/L and ug/dL differ by a factor of 27.6."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from allostat.errors import UnitError

MORNING_NMOL_L: Mapping[str, tuple[float, float]] = {
    "saliva": (5.0, 25.0),
    "serum": (138.0, 690.0),
    "plasma": (138.0, 690.0),
}
"""Where the median of waking samples lies, in nmol/L: the test of a declared unit against its sibling."""
NMOL_PER_UG_DL = 1e4 / 362.46


def refuse_suspect_unit(specimen: str, units: Collection[str], typical_nmol_l: float, *, where: str) -> None:
    """Raise when a waking value lies outside of its range as declared and inside of it in the sibling unit.

    Parameters
    ----------
    specimen
        Others than saliva, serum and plasma are not judged.
    units
        Units that occur among the samples.
    typical_nmol_l
        Median of the samples near waking, converted as declared.

    Raises
    ------
    UnitError
        ``UNIT_SUSPECT``; values are never rescaled.
    """
    if specimen not in MORNING_NMOL_L:
        return
    low, high = MORNING_NMOL_L[specimen]
    for unit, sibling, as_sibling in (
        ("nmol/L", "ug/dL", typical_nmol_l * NMOL_PER_UG_DL),
        ("ug/dL", "nmol/L", typical_nmol_l / NMOL_PER_UG_DL),
    ):
        if unit in units and not low <= typical_nmol_l <= high and low <= as_sibling <= high:
            shown = typical_nmol_l if unit == "nmol/L" else typical_nmol_l / NMOL_PER_UG_DL
            raise UnitError(
                f"{specimen} cortisol is implausible in {unit} and plausible in {sibling} (UNIT_SUSPECT)",
                where=where,
                found=f"morning value {shown:.3g} {unit}",
                expected=f"{low:g} to {high:g} nmol/L at waking; correct the unit column",
            )
